"""TCP segments in, what a sink was told out: for tests of `analyzers.capture`."""

from __future__ import annotations

from dataclasses import dataclass, field

from analyzers.capture.flows import Flow
from analyzers.capture.tcp import Streams
from analyzers.events import Direction, How
from analyzers.offline import first_sender
from tests.framing import ACK, CLIENT, CLIENT_PORT, FIN, PSH, RST, SERVER, SERVER_PORT, SYN

__all__ = ["ACK", "FIN", "PSH", "RST", "SYN", "Told", "Wire"]

Event = tuple[object, ...]


@dataclass
class Told:
    """A sink that writes down what it is told."""

    flow: Flow
    client_start: bool
    server_start: bool
    client: bytearray = field(default_factory=bytearray)
    server: bytearray = field(default_factory=bytearray)
    events: list[Event] = field(default_factory=list)

    def receive(
        self, direction: Direction, data: bytes | memoryview, at: float, frame: int | None
    ) -> None:
        assert data, "nothing was delivered"
        assert not any(event[:2] == (direction.sender, "fin") for event in self.events)
        getattr(self, direction.sender).extend(data)
        self.events.append((direction.sender, bytes(data), frame))

    def missing(self, direction: Direction, count: int, at: float, frame: int | None) -> None:
        assert count > 0
        getattr(self, direction.sender).extend(b"?" * min(count, 1000))
        self.events.append((direction.sender, "missing", count))

    def close(self, direction: Direction, how: How, at: float, frame: int | None) -> None:
        self.events.append((direction.sender, how.value, frame))

    def not_connected(self, why: str, detail: str, at: float, frame: int | None) -> None:
        self.events.append(("not connected", why, detail))

    @property
    def brief(self) -> list[Event]:
        """The events without frame numbers."""
        return [event[:2] if event[1] != "missing" else event for event in self.events]


class Wire:
    """Two hosts and a tap between them: `c` sends as the client, `s` as the server.

    Sequence numbers are relative to each side's initial one, as Wireshark shows them.
    """

    def __init__(
        self,
        *,
        client_isn: int = 1000,
        server_isn: int = 5000,
        ports: set[int] | None = None,
        hosts: list[bytes] | None = None,
    ) -> None:
        self.streams = Streams(self._open, judge=first_sender, ports=ports, hosts=hosts)
        self.isn = {True: client_isn, False: server_isn}
        self.at = 100.0
        self.frame = 0
        self.client_port = CLIENT_PORT

    @staticmethod
    def _open(flow: Flow) -> Told:
        return Told(flow, flow.client_start, flow.server_start)

    def c(self, seq: int, ack: int, flags: int, data: bytes = b"", *, cut: int = 0) -> None:
        """The client sends a segment of which `cut` further bytes were not captured."""
        self._send(True, seq, ack, flags, data, cut)

    def s(self, seq: int, ack: int, flags: int, data: bytes = b"", *, cut: int = 0) -> None:
        """The server sends one."""
        self._send(False, seq, ack, flags, data, cut)

    def handshake(self) -> None:
        """SYN, SYN/ACK, ACK."""
        self.c(0, 0, SYN)
        self.s(0, 1, SYN | ACK)
        self.c(1, 1, ACK)

    def done(self) -> list[Told]:
        """The capture ends: every connection, by the order in which it was handed over."""
        while self.streams.finish():
            pass
        return self.taken()

    def taken(self) -> list[Told]:
        """The connections that were handed over since the last time."""
        flows = list(self.streams.finished)
        self.streams.finished.clear()
        told = [flow.sink for flow in flows]
        for sink in told:
            assert isinstance(sink, Told)
        return told  # type: ignore[return-value]  # asserted one by one

    def _send(self, client: bool, seq: int, ack: int, flags: int, data: bytes, cut: int) -> None:
        self.frame += 1
        self.at += 0.001
        port = self.client_port.to_bytes(2, "big")
        server_port = SERVER_PORT.to_bytes(2, "big")
        key = (
            CLIENT + SERVER + port + server_port if client else SERVER + CLIENT + server_port + port
        )
        # A buffer that is used again, as a window of a file is.
        buffer = bytearray(b"<<" + data + b">>")
        self.streams.segment(
            key,
            (self.isn[client] + seq) % 2**32,
            (self.isn[not client] + ack) % 2**32 if flags & ACK else 0,
            flags,
            memoryview(buffer),
            2,
            2 + len(data),
            cut,
            self.at,
            self.frame,
        )
        buffer[:] = b"\xdd" * len(buffer)
