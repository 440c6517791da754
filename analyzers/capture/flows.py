"""One TCP connection put back in order (RFC 9293), told to a sink as it becomes readable."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from math import inf
from operator import itemgetter
from typing import Literal, Protocol

from analyzers.events import Direction, How

MODULUS = 1 << 32
HALF_MODULUS = 1 << 31
MASK = MODULUS - 1

MAX_HELD = 1 << 20
"""Bytes held for a direction behind a hole, before the hole is declared missing."""
MAX_HELD_ALL = 24 << 20
"""The same for all directions together."""
MAX_PIECES = 4096
"""Segments held for a direction."""
PATIENCE_PACKETS = 16
PATIENCE_SECONDS = 0.2
"""A hole that the receiver has acknowledged is a loss of the capture, not of the network.
So many more packets of the connection, or so long, are given to a capture that only
swapped packets."""
MAX_JUMP = 16 << 20
"""An acknowledgement further ahead than this belongs to something else."""
TIMEOUT_SECONDS = 3.0
"""A SYN without an answer for so long counts as not answered, even if sent only once."""

Judge = Callable[[bytes], Literal["client", "server"] | None]
"""Tells from a direction's first bytes who sent them; None: cannot tell."""


class Sink(Protocol):
    """What a flow tells of its connection (`analyzers.connection.Connection` is one)."""

    def receive(
        self, direction: Direction, data: bytes | memoryview, at: float, frame: int | None
    ) -> None:
        """These bytes follow."""

    def missing(self, direction: Direction, count: int, at: float, frame: int | None) -> None:
        """So many bytes follow that were not captured."""

    def close(self, direction: Direction, how: How, at: float, frame: int | None) -> None:
        """The direction has ended."""

    def not_connected(self, why: str, detail: str, at: float, frame: int | None) -> None:
        """The server was never reached."""


class Half:
    """One direction of a flow: segments in, bytes in order out."""

    __slots__ = (
        "acked",
        "alternative",
        "base",
        "closed",
        "direction",
        "fin",
        "fin_frame",
        "flow",
        "held",
        "key",
        "next",
        "offset",
        "other",
        "pending",
        "started",
        "syn",
    )

    def __init__(self, flow: Flow, key: bytes) -> None:
        self.flow = flow
        self.key = key
        self.other = self
        self.direction = Direction.CLIENT_TO_SERVER
        self.base = -1
        """The sequence number before the first one seen; -1 while unknown."""
        self.next = -1
        """The sequence number that continues what was delivered; -1 while unknown."""
        self.alternative = -1
        """What `next` would be by a second SYN/ACK with another initial number."""
        self.offset = 0
        """Stream bytes delivered or declared missing."""
        self.syn = False
        """Its SYN was captured."""
        self.started = False
        """Its first byte is known by the other side's first acknowledgement."""
        self.pending: list[tuple[int, bytes, int, int]] = []
        """(stream offset, bytes, bytes cut off, frame) behind a hole, by offset."""
        self.held = 0
        self.acked = 0
        """Stream offset up to which the other side has acknowledged."""
        self.fin = -1
        """Stream offset of the FIN; -1 while none was seen."""
        self.fin_frame = 0
        self.closed: How | None = None

    def begin(self, seq: int) -> None:
        """The first segment of a direction whose start is not known."""
        self.next = seq
        if self.base < 0:
            self.base = (seq - 1) & MASK

    def place(self, seq: int, data: bytes | memoryview, cut: int, at: float, frame: int) -> None:
        """Take a segment that may be early, late or known; `cut` bytes of it are missing."""
        if 0 <= self.fin <= self.offset:
            return
        if self.alternative >= 0 and seq == self.alternative:
            self._take_alternative()
        ahead = (seq - self.next) & MASK
        if ahead >= HALF_MODULUS:
            known = MODULUS - ahead
            if known >= len(data) + cut:
                return
            cut -= max(0, known - len(data))
            data = data[known:]
            ahead = 0
        if ahead == 0:
            self._deliver(data, cut, at, frame)
            if self.pending or self.fin >= 0:
                self._settle(at)
            return
        insort(self.pending, (self.offset + ahead, bytes(data), cut, frame), key=itemgetter(0))
        self.held += len(data)
        self.flow.shared.held += len(data)
        if (
            self.held > MAX_HELD
            or len(self.pending) > MAX_PIECES
            or self.flow.shared.held > MAX_HELD_ALL
        ):
            self.lose(self.pending[0][0] + 1, at, frame)

    def acknowledged(self, ack: int, at: float) -> None:
        """The other side has acknowledged something else than what was delivered last."""
        if self.next < 0:
            self.begin(ack)
            self.started = self.other.syn
            return
        if self.alternative >= 0 and ack == self.alternative:
            self._take_alternative()
            return
        ahead = (ack - self.next) & MASK
        if ahead <= MAX_JUMP and self.offset + ahead > self.acked and self.closed is None:
            self.acked = self.offset + ahead
            self.flow.watch(at)

    def end(self, seq: int, at: float, frame: int) -> None:
        """A FIN after the byte before `seq`."""
        if self.fin < 0:
            ahead = (seq - self.next) & MASK
            self.fin = self.offset + ahead - (MODULUS if ahead >= HALF_MODULUS else 0)
            self.fin_frame = frame
            self._settle(at)

    def lose(self, upto: int, at: float, frame: int | None) -> None:
        """Declare what is not there up to a stream offset as missing."""
        if self.fin >= 0:
            upto = min(upto, self.fin)
        while self.offset < upto:
            gap = min(self.pending[0][0] if self.pending else upto, upto) - self.offset
            if gap == 1 and not self.pending and self.fin < 0:
                # Nothing but a FIN that was not captured: it is acknowledged like a byte.
                break
            if gap > 0:
                self.flow.open(self, b"").missing(self.direction, gap, at, frame)
                self._advance(gap)
            self._settle(at)

    def flush(self, at: float, frame: int | None) -> None:
        """Nothing follows that could fill a hole."""
        last = max((offset + len(data) for offset, data, _, _ in self.pending), default=0)
        self.lose(max(last, self.acked, self.fin), at, frame)

    def _deliver(self, data: bytes | memoryview, cut: int, at: float, frame: int) -> None:
        sink = self.flow.open(self, data)
        if data:
            sink.receive(self.direction, data, at, frame)
        if cut:
            sink.missing(self.direction, cut, at, frame)
        self._advance(len(data) + cut)

    def _advance(self, count: int) -> None:
        self.next = (self.next + count) & MASK
        self.offset += count

    def _settle(self, at: float) -> None:
        """Deliver what is no longer behind a hole, and the FIN after all of it."""
        pending = self.pending
        while pending and pending[0][0] <= self.offset:
            offset, data, cut, frame = pending.pop(0)
            self.held -= len(data)
            self.flow.shared.held -= len(data)
            known = self.offset - offset
            if known < len(data) + cut:
                self._deliver(data[known:], cut - max(0, known - len(data)), at, frame)
        if 0 <= self.fin <= self.offset and self.closed is None:
            self.closed = How.FIN
            self.next = (self.next + 1) & MASK
            self.flow.open(self, b"").close(self.direction, How.FIN, at, self.fin_frame)
            self.flow.ended(at)

    def _take_alternative(self) -> None:
        self.next, self.alternative = self.alternative, -1


class Shared:
    """What all flows of a capture have in common."""

    __slots__ = ("held", "judge", "open_sink", "retire")

    def __init__(
        self,
        open_sink: Callable[[Flow], Sink],
        judge: Judge,
        retire: Callable[[Flow, float], None],
    ) -> None:
        self.open_sink = open_sink
        self.judge = judge
        self.retire = retire
        self.held = 0


class Flow:
    """A connection: two halves, of which one is the client's once that is known."""

    __slots__ = (
        "client",
        "deadline",
        "established",
        "first",
        "first_at",
        "first_frame",
        "lost",
        "second",
        "shared",
        "sink",
        "stream",
        "syn_at",
        "syns",
        "watched",
        "watched_since",
    )

    def __init__(
        self, shared: Shared, key: bytes, reverse: bytes, stream: int, at: float, frame: int
    ) -> None:
        self.shared = shared
        self.stream = stream
        """Wireshark's tcp.stream."""
        self.first_at = at
        self.first_frame = frame
        self.first = Half(self, key)
        self.second = Half(self, reverse)
        self.first.other, self.second.other = self.second, self.first
        self.client: Half | None = None
        self.sink: Sink | None = None
        """None until there is something to tell."""
        self.established = False
        """Something else than SYN and RST was seen."""
        self.syns = 0
        """The client's SYN segments."""
        self.syn_at = at
        """When the last of them was sent."""
        self.lost: tuple[str, str, float, int] | None = None
        """(why, detail, at, frame): the SYN was answered with a refusal."""
        self.deadline = inf
        """When the connection is forgotten: set once it has ended."""
        self.watched = 0
        """Packets since a hole was acknowledged, plus 1; 0: no such hole."""
        self.watched_since = 0.0

    @property
    def server(self) -> Half | None:
        """The server's half, once it is known."""
        return self.client.other if self.client is not None else None

    @property
    def client_start(self) -> bool:
        """The client's first byte is known to be the first."""
        return self.client is not None and (self.client.syn or self.client.started)

    @property
    def server_start(self) -> bool:
        """The server's first byte is known to be the first."""
        server = self.server
        return server is not None and (server.syn or server.started)

    def set_client(self, half: Half) -> None:
        """Say who is the client."""
        self.client = half
        half.direction = Direction.CLIENT_TO_SERVER
        half.other.direction = Direction.SERVER_TO_CLIENT

    def open(self, half: Half, data: bytes | memoryview) -> Sink:
        """The sink, made when the first thing is to be told (`data` from `half`)."""
        if self.sink is None:
            if self.client is None:
                self.set_client(self._find_client(half, data))
            self.sink = self.shared.open_sink(self)
        return self.sink

    def watch(self, at: float) -> None:
        """A hole was acknowledged."""
        if not self.watched:
            self.watched = 1
            self.watched_since = at

    def check(self, at: float, frame: int) -> None:
        """Declare holes that were acknowledged long enough ago."""
        self.watched += 1
        if self.watched > PATIENCE_PACKETS or at - self.watched_since > PATIENCE_SECONDS:
            self.watched = 0
            for half in (self.first, self.second):
                half.lose(half.acked, at, frame)

    def reset(self, half: Half, at: float, frame: int) -> None:
        """`half` has sent a RST. What text it may carry (RFC 9293 section 3.5) is no data."""
        if half.other is self.client and self.client.syn and not self.established:
            self.lost = self.lost or ("refused", "the SYN was answered with a RST", at, frame)
        elif half.closed is not How.RST:
            half.other.flush(at, frame)
            half.flush(at, frame)
            half.closed = How.RST
            self.open(half, b"").close(half.direction, How.RST, at, frame)
        self.shared.retire(self, at)

    def ended(self, at: float) -> None:
        """A half has ended by FIN."""
        if self.first.closed and self.second.closed:
            self.shared.retire(self, at)

    def finish(self, at: float, how: How) -> None:
        """Nothing follows: tell what was held back, and `how` for what has not ended."""
        sink = self.open(self.first, b"")
        client = self.client or self.first
        halves = (client, client.other)
        for half in halves:
            half.flush(at, None)
        if not self.established and client.syn:
            if self.lost is not None:
                sink.not_connected(*self.lost)
                return
            if (self.syns > 1 or at - self.first_at >= TIMEOUT_SECONDS) and not any(
                half.closed for half in halves
            ):
                if self.syns > 1:
                    took = self.syn_at - self.first_at
                    says = f"{self.syns} SYN segments within {took:.1f} s were not answered"
                else:
                    says = f"the SYN was not answered in {at - self.first_at:.1f} s"
                sink.not_connected("timeout", says, at, None)
                return
        if any(half.closed is How.RST for half in halves):
            # A reset ends both directions.
            return
        for half in halves:
            if half.closed is None:
                half.closed = how
                sink.close(half.direction, how, at, None)

    def dissolve(self) -> None:
        """Let go of the halves, once the flow was handed over: cycles are freed late."""
        for half in (self.first, self.second):
            del half.other, half.flow

    def _find_client(self, half: Half, data: bytes | memoryview) -> Half:
        sender = self.shared.judge(bytes(data[:64])) if data else None
        if sender == "client":
            return half
        if sender == "server":
            return half.other
        # Servers have the lower port, as a rule.
        mine, theirs = half.key[-4:-2], half.key[-2:]
        return half.other if mine < theirs else half
