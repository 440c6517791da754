"""Writes pcapng files (draft-ietf-opsawg-pcapng) of connections that were relayed.

A relay sees bytes, not packets: the packets here are made up around them so that
Wireshark shows the connection as it was, with a handshake, segments, acknowledgements
and the manner of ending, all with right checksums and sequence numbers.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import BinaryIO, Literal

from analyzers.events import Direction, How

SEGMENT = 1460
"""Payload bytes a packet: what fits an Ethernet frame."""
MAX_BURST = 1 << 20
"""Bytes in flight before the other side acknowledges them."""

_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
_RAW_IP = 101
_WINDOW = 65_535
_SCALE = 7
_HOP_LIMIT = 64
_NO_MORE_THAN = 65_535
"""Bytes of an option's value."""

_SYN_OPTIONS = struct.pack("!BBHBBBB", 2, 4, SEGMENT, 1, 3, 3, _SCALE)
"""Maximum segment size (RFC 9293 section 3.7.1), padding, window scale (RFC 7323)."""


class CaptureWriter:
    """One pcapng section with one raw-IP interface; call `flow` for each connection."""

    def __init__(
        self, file: BinaryIO, *, comment: str | None = None, application: str = "tlswhy"
    ) -> None:
        """Write the file's head. The caller opens and closes `file`.

        Args:
            file: Where to write to.
            comment: Shown by Wireshark among the capture file's properties.
            application: What wrote the file.
        """
        self._file = file
        self._flows = 0
        section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
        self._block(0x0A0D0D0A, section + _options((1, comment), (4, application)))
        resolution = struct.pack("<HHB3x", 9, 1, 6)
        name = _option(2, "relay")
        self._block(1, struct.pack("<HHI", _RAW_IP, 0, 0) + name + resolution + bytes(4))

    def flow(
        self, client: tuple[str, int], server: tuple[str, int], *, comment: str | None = None
    ) -> Flow:
        """Begin a connection between (IP address, port) pairs.

        Where one address is IPv4 and the other IPv6, the first is written as an
        IPv4-mapped one (RFC 4291 section 2.5.5.2).

        Raises:
            ValueError: an address is no IP address.
        """
        self._flows += 1
        return Flow(self, client, server, number=self._flows, comment=comment)

    def packet(self, data: bytes, at: float, comment: str | None = None) -> None:
        """Write an IP packet; `at` is in seconds since the Unix epoch."""
        stamp = round(at * 1_000_000)
        head = struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data))
        self._block(6, head + data + bytes(-len(data) % 4) + _options((1, comment)))

    def _block(self, kind: int, body: bytes) -> None:
        size = struct.pack("<I", len(body) + 12)
        self._file.write(struct.pack("<I", kind) + size + body + size)


class Flow:
    """One connection: its handshake is written with the first thing that is told."""

    def __init__(
        self,
        writer: CaptureWriter,
        client: tuple[str, int],
        server: tuple[str, int],
        *,
        number: int,
        comment: str | None,
    ) -> None:
        self._writer = writer
        self._comment = comment
        one, other = ipaddress.ip_address(client[0]), ipaddress.ip_address(server[0])
        self._version = 4 if one.version == other.version == 4 else 6
        ends = [
            (_packed(ip, self._version), port)
            for ip, port in ((one, client[1]), (other, server[1]))
        ]
        self._ends = {
            Direction.CLIENT_TO_SERVER: (*ends[0], *ends[1]),
            Direction.SERVER_TO_CLIENT: (*ends[1], *ends[0]),
        }
        # Any numbers do; these tell the directions and the flows apart at a glance.
        first = number * 1_000_000
        self._next = {
            Direction.CLIENT_TO_SERVER: first & 0xFFFFFFFF,
            Direction.SERVER_TO_CLIENT: first + 500_000_000 & 0xFFFFFFFF,
        }
        self._open = False
        self._ended: set[Direction] = set()
        self._ident = 0

    def connected(self, at: float) -> None:
        """Write the TCP handshake, unless that was done already."""
        if not self._open:
            self._open = True
            client, server = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
            self._send(client, _SYN, at)
            self._send(server, _SYN | _ACK, at)
            self._send(client, _ACK, at)

    def data(self, direction: Direction, data: bytes | bytearray | memoryview, at: float) -> None:
        """Write bytes that `direction`'s sender sent, and their acknowledgement."""
        self.connected(at)
        view = memoryview(data)
        for start in range(0, len(view), SEGMENT):
            end = min(start + SEGMENT, len(view))
            flags = _ACK | (_PSH if end == len(view) else 0)
            self._send(direction, flags, at, bytes(view[start:end]))
            if end == len(view) or end // MAX_BURST > start // MAX_BURST:
                self._acknowledge(direction.other, at)

    def missing(self, direction: Direction, count: int, at: float) -> None:
        """Leave a hole for bytes that were passed on but not kept.

        Wireshark then says "previous segment not captured", which is the truth.
        """
        self.connected(at)
        self._next[direction] = (self._next[direction] + count) & 0xFFFFFFFF
        self._acknowledge(direction.other, at)

    def close(self, direction: Direction, how: How, at: float) -> None:
        """Write how `direction`'s sender ended it; OPEN and TIMEOUT leave no packet."""
        if how is How.RST:
            self.connected(at)
            self._send(direction, _RST | _ACK, at)
            self._ended.update(Direction)
        elif how is How.FIN and direction not in self._ended:
            self.connected(at)
            self._send(direction, _FIN | _ACK, at)
            self._ended.add(direction)
            self._acknowledge(direction.other, at)

    def not_connected(self, why: Literal["refused", "timeout"], at: float) -> None:
        """Write a connection attempt that was reset, or not answered."""
        self._open = True
        before = self._next[Direction.CLIENT_TO_SERVER]
        self._send(Direction.CLIENT_TO_SERVER, _SYN, at)
        if why == "refused":
            self._next[Direction.SERVER_TO_CLIENT] = 0
            self._send(Direction.SERVER_TO_CLIENT, _RST | _ACK, at)
        # Called again, it is a repetition of the same SYN.
        self._next[Direction.CLIENT_TO_SERVER] = before

    def _acknowledge(self, direction: Direction, at: float) -> None:
        self._send(direction, _ACK, at)

    def _send(self, direction: Direction, flags: int, at: float, payload: bytes = b"") -> None:
        source, source_port, target, target_port = self._ends[direction]
        options = _SYN_OPTIONS if flags & _SYN else b""
        seq = self._next[direction]
        ack = self._next[direction.other] if flags & _ACK else 0
        window = 0 if flags & _RST else _WINDOW
        header = struct.pack(
            "!HHIIBBHHH",
            source_port,
            target_port,
            seq,
            ack,
            (20 + len(options)) << 2,
            flags,
            window,
            0,
            0,
        )
        segment = header + options + payload
        pseudo = source + target + struct.pack("!II", len(segment), 6)
        checksum = _checksum(pseudo + segment)
        segment = segment[:16] + checksum + segment[18:]
        self._writer.packet(
            self._ip_header(source, target, len(segment)) + segment, at, self._comment
        )
        self._comment = None
        taken = len(payload) + (1 if flags & (_SYN | _FIN) else 0)
        self._next[direction] = (seq + taken) & 0xFFFFFFFF

    def _ip_header(self, source: bytes, target: bytes, length: int) -> bytes:
        if self._version == 6:
            return struct.pack("!IHBB", 6 << 28, length, 6, _HOP_LIMIT) + source + target
        self._ident = self._ident + 1 & 0xFFFF
        header = struct.pack(
            "!BBHHHBBH", 0x45, 0, 20 + length, self._ident, 0x4000, _HOP_LIMIT, 6, 0
        )
        checksum = _checksum(header + source + target)
        return header[:10] + checksum + source + target


def _packed(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, version: int) -> bytes:
    if version == 6 and ip.version == 4:
        return bytes(10) + b"\xff\xff" + ip.packed
    return ip.packed


def _checksum(data: bytes) -> bytes:
    """The Internet checksum (RFC 1071): the number modulo 0xFFFF is the folded sum."""
    total = int.from_bytes(data + bytes(len(data) % 2), "big")
    folded = total % 0xFFFF or (0xFFFF if total else 0)
    return (0xFFFF - folded).to_bytes(2, "big")


def _option(code: int, text: str) -> bytes:
    value = text.encode("utf-8", "replace")[:_NO_MORE_THAN]
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _options(*options: tuple[int, str | None]) -> bytes:
    """An option list; nothing at all if there are none."""
    given = b"".join(_option(code, text) for code, text in options if text)
    return given + bytes(4) if given else b""
