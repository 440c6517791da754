"""TCP segments to connections: who belongs to whom, since when, and until when.

Numbers are Wireshark's: `tcp.stream` from 0, frames from 1. A connection is handed
over in `finished` once it has ended and a little time has passed, or at the end of the
capture. Memory: what is held behind holes (`flows`), `MAX_OPEN` flows, and the bare
keys of `MAX_GONE` that are over, so that their late packets open nothing.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from math import inf

from analyzers.capture.flows import MASK, MAX_JUMP, Flow, Half, Judge, Shared, Sink
from analyzers.events import How

FIN, SYN, RST, ACK = 1, 2, 4, 16

LINGER = 2.0
"""Seconds of capture time for a RST after the FINs, and other late packets."""
MAX_OPEN = 100_000
"""Connections followed at the same time; the oldest is given up for a newer one."""
MAX_GONE = 65_536
"""Directions of ended or unwanted connections that are remembered."""


def reverse_key(key: bytes) -> bytes:
    """The key of the opposite direction."""
    size = len(key) // 2 - 2
    return key[size : 2 * size] + key[:size] + key[-2:] + key[-4:-2]


def _distance(one: int, other: int) -> int:
    """How far two sequence numbers lie apart, the shorter way around."""
    return min((one - other) & MASK, (other - one) & MASK)


class Streams:
    """Takes segments (a `SegmentSink`) and tells each connection's bytes to a sink."""

    def __init__(
        self,
        open_sink: Callable[[Flow], Sink],
        *,
        judge: Judge,
        ports: Collection[int] | None = None,
        hosts: Collection[bytes] | None = None,
    ) -> None:
        """Begin.

        Args:
            open_sink: Makes the sink of a connection of which there is something to tell.
            judge: Who sends such first bytes, where the capture lacks the SYN.
            ports: Only connections with one of these ports, at either end.
            hosts: Only connections with one of these addresses (4 or 16 bytes).
        """
        self.finished: deque[Flow] = deque()
        """Connections that are over, in the order in which they ended; taken by the caller."""
        self.opened = 0
        """Connections so far, unwanted ones included: the next tcp.stream."""
        self.given_up = 0
        """Connections given up because of `MAX_OPEN`."""
        self.clock = 0.0
        """The latest time that was seen."""
        self._shared = Shared(open_sink, judge, self._retire)
        self._ports = None if ports is None else {port.to_bytes(2, "big") for port in ports}
        self._hosts = None if hosts is None else frozenset(hosts)
        # Ordered, because the first entry of a dict is slow to find where many are deleted.
        self._halves: OrderedDict[bytes, Half] = OrderedDict()
        self._gone: OrderedDict[bytes, tuple[int, int, int]] = OrderedDict()
        # Initial and next sequence number (-1: unknown), and tcp.stream.
        self._ending: deque[Flow] = deque()
        self._closing = False

    def segment(
        self,
        key: bytes,
        seq: int,
        ack: int,
        flags: int,
        view: memoryview,
        start: int,
        end: int,
        cut: int,
        at: float,
        frame: int,
    ) -> None:
        """Take a segment; see `packets.SegmentSink`."""
        if at > self.clock:
            self.clock = at
        half = self._halves.get(key)
        if half is None or at > half.flow.deadline:
            half = self._admit(key, seq, flags, end - start + cut, at, frame)
            if half is None:
                return
        flow = half.flow
        if flags & 6:
            if flags & RST:
                flow.reset(half, at, frame)
                return
            half = self._synchronise(half, seq, ack, flags, at, frame)
            if half is None:
                return
            flow = half.flow
            seq = (seq + 1) & MASK
        else:
            flow.established = True
            if half.next < 0:
                half.begin(seq)
        if end > start or cut:
            if (
                seq == half.next
                and not cut
                and flow.sink is not None
                and not half.pending
                and half.fin < 0
            ):
                flow.sink.receive(half.direction, view[start:end], at, frame)
                half.next = (seq + end - start) & MASK
                half.offset += end - start
            else:
                half.place(seq, view[start:end], cut, at, frame)
        if flags & FIN:
            half.end((seq + end - start + cut) & MASK, at, frame)
        if flags & ACK and ack != half.other.next:
            half.other.acknowledged(ack, at)
        if flow.watched:
            flow.check(at, frame)

    def unreachable(self, key: bytes, why: str, detail: str, at: float, frame: int) -> None:
        """ICMP says that a segment did not arrive (an `UnreachableSink`).

        Counts only for a connection that never came about; opens none.
        """
        half = self._halves.get(key)
        if half is not None and half is half.flow.client and half.flow.lost is None:
            half.flow.lost = (why, detail, at, frame)

    def expire(self) -> None:
        """Hand over what has ended long enough ago."""
        while self._ending:
            deadline = self._ending[0].deadline
            if deadline == inf:
                self._ending.popleft()
            elif deadline < self.clock:
                self._forget(self._ending.popleft(), How.OPEN)
            else:
                break

    def finish(self) -> bool:
        """The capture ends here: hand over what is open, one connection a call.

        The rest of those that have ended first, then by stream number. One by one,
        because a connection takes its room in memory when it is handed over. Returns
        False once there is none left.
        """
        if not self._closing:
            self._closing = True
            # Each flow is there twice.
            self._ending += [h.flow for h in self._halves.values() if h is h.flow.first]
        while self._ending:
            if self._forget(self._ending.popleft(), How.OPEN):
                return True
        return False

    def _admit(
        self, key: bytes, seq: int, flags: int, length: int, at: float, frame: int
    ) -> Half | None:
        """The half for a key that has none (any more); None: of no interest."""
        if key in self._halves:
            # It has ended, and this packet is the first to come too late.
            self.expire()
            if key in self._halves:
                self._forget(self._halves[key].flow, How.OPEN)
        gone = self._gone.get(key)
        if gone is None:
            return self._open(key, seq, flags, at, frame, self._number())
        base, following, stream = gone
        if flags & (SYN | ACK) == SYN:
            # With the same initial number Wireshark goes on with the same tcp.stream.
            stream = stream if base == seq else self._number()
        elif not length or flags & RST or following < 0 or _distance(seq, following) < MAX_JUMP:
            return None
        # Otherwise these are the bytes of a successor whose SYN was not captured.
        del self._gone[key]
        self._gone.pop(reverse_key(key), None)
        return self._open(key, seq, flags, at, frame, stream)

    def _number(self) -> int:
        self.opened += 1
        return self.opened - 1

    def _open(
        self, key: bytes, seq: int, flags: int, at: float, frame: int, stream: int
    ) -> Half | None:
        reverse = reverse_key(key)
        if not self._wanted(key) or key == reverse:
            # Remembered all the same, or the stream numbers would not be Wireshark's.
            self._remember(key, seq if flags & SYN else (seq - 1) & MASK, -1, stream)
            self._remember(reverse, -1, -1, stream)
            return None
        if len(self._halves) >= 2 * MAX_OPEN:
            self.given_up += 1
            self._forget(next(iter(self._halves.values())).flow, How.TIMEOUT)
        flow = Flow(self._shared, key, reverse, stream, at, frame)
        self._halves[key] = flow.first
        self._halves[reverse] = flow.second
        return flow.first

    def _wanted(self, key: bytes) -> bool:
        if self._ports is not None and self._ports.isdisjoint((key[-4:-2], key[-2:])):
            return False
        size = len(key) // 2 - 2
        return self._hosts is None or not self._hosts.isdisjoint((key[:size], key[size : 2 * size]))

    def _synchronise(
        self, half: Half, seq: int, ack: int, flags: int, at: float, frame: int
    ) -> Half | None:
        """A SYN: a new connection under old ports, or the start of this one."""
        flow = half.flow
        if not flags & ACK:
            reused = half.base not in (-1, seq)
            if reused or (half.base < 0 and flow.sink is not None):
                self._forget(flow, How.OPEN)
                stream = self._number() if reused else flow.stream
                fresh = self._open(half.key, seq, flags, at, frame, stream)
                if fresh is None:
                    return None
                half, flow = fresh, fresh.flow
            flow.syns += 1
            flow.syn_at = at
            client = half
        else:
            flow.established = True
            # An earlier refusal was not the last word.
            flow.deadline = inf
            client = half.other
            if client.next < 0:
                client.begin(ack)
                client.started = True
        if flow.sink is None and (flow.client is None or not flow.client.syn):
            flow.set_client(client)
        if half.offset == 0:
            if not half.syn:
                half.syn = True
                half.base = seq
                half.next = (seq + 1) & MASK
            elif half.base != seq:
                # A second SYN/ACK with another number: what follows shows which counts.
                half.alternative = (seq + 1) & MASK
        return half

    def _retire(self, flow: Flow, at: float) -> None:
        if flow.deadline == inf:
            flow.deadline = at + LINGER
            self._ending.append(flow)

    def _forget(self, flow: Flow, how: How) -> bool:
        """Hand a flow over; False if it has been."""
        if self._halves.get(flow.first.key) is not flow.first:
            return False
        flow.finish(self.clock, how)
        for half in (flow.first, flow.second):
            del self._halves[half.key]
            self._remember(half.key, half.base, half.next, flow.stream)
        self.finished.append(flow)
        return True

    def _remember(self, key: bytes, base: int, following: int, stream: int) -> None:
        self._gone[key] = (base, following, stream)
        if len(self._gone) > MAX_GONE:
            self._gone.popitem(last=False)
