"""tcpdump of one leg of a session."""

from __future__ import annotations

import signal
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.machine import Running, is_root, wait_until

_FIN, _RST = 1, 4
_ETHERNET = 1


class Recording:
    """All packets to and from a loopback port, from entering to leaving."""

    def __init__(self, port: int, folder: Path) -> None:
        self.file = folder / "recorded.pcap"
        # Through stdout: so the file is ours, whoever tcpdump turns itself into.
        command = ["tcpdump", "-i", "lo", "--immediate-mode", "-U", "-n", "-s", "0", "-w", "-"]
        command += ["tcp", "port", str(port)]
        if not is_root():
            command = ["sudo", "-n", *command]
        self._errors = folder / "tcpdump.log"
        self._running = Running(command, self.file, errors=self._errors)

    def __enter__(self) -> Self:
        try:
            wait_until(self._listens, "tcpdump listens")
        except BaseException:
            self._running.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                wait_until(self._connections_have_ended, "each recorded connection has ended")
        finally:
            self._running.stop(signal.SIGINT)

    def _listens(self) -> bool:
        said = self._errors.read_text()
        assert self._running.process.poll() is None, f"tcpdump: {said}"
        return "listening on" in said

    def _connections_have_ended(self) -> bool:
        """Whether there is a connection, and each has a FIN of both sides or a RST."""
        ended: dict[frozenset[int], set[int]] = {}
        for source, target, flags in tcp_flags(self.file.read_bytes()):
            seen = ended.setdefault(frozenset((source, target)), set())
            if flags & _RST:
                seen.update((source, target))
            elif flags & _FIN:
                seen.add(source)
        return bool(ended) and all(len(seen) == 2 for seen in ended.values())


def tcp_flags(pcap: bytes) -> list[tuple[int, int, int]]:
    """Source port, target port and flags of each TCP/IPv4 packet of a loopback pcap."""
    if len(pcap) < 24:
        return []
    assert struct.unpack_from("<I", pcap, 20)[0] == _ETHERNET
    found = []
    at = 24
    while at + 16 <= len(pcap):
        (length,) = struct.unpack_from("<I", pcap, at + 8)
        packet = pcap[at + 16 : at + 16 + length]
        at += 16 + length
        if len(packet) < length:
            break  # tcpdump is still writing it
        tcp = 14 + (packet[14] & 0x0F) * 4
        source, target = struct.unpack_from(">HH", packet, tcp)
        found.append((source, target, packet[tcp + 13]))
    return found
