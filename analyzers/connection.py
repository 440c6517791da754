"""The meeting point: bytes of both directions in, a transcript out.

The live relay and the capture reader tell the same four things: bytes, holes, bytes
passed unseen, endings. Nothing here raises on input: what breaks the protocol becomes
a `FaultSeen` event, what exceeds a cap a `StoppedSeen` event.

Memory: a direction holds at most one record (18 kB) and one handshake message in
progress; messages are kept up to `MAX_HANDSHAKE_BYTES` in all, events up to
`MAX_EVENTS` at the start and `MAX_TAIL` at the end of the connection.
"""

from __future__ import annotations

from collections import deque

from analyzers.errors import Malformed, ParseError
from analyzers.events import (
    AlertSeen,
    ChangeCipherSpecSeen,
    ClosedSeen,
    Direction,
    Event,
    FaultSeen,
    GapSeen,
    HandshakeSeen,
    HeartbeatSeen,
    How,
    NotConnectedSeen,
    PlaintextSeen,
    ProtectedSeen,
    SkippedSeen,
    StoppedSeen,
)
from analyzers.handshake import RawMessage
from analyzers.lane import Lane
from analyzers.messages import CLIENT_HELLO, SERVER_HELLO, ServerHello, is_tls13, read_body
from analyzers.plaintext import looks_like_tls, recognise
from analyzers.records import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEARTBEAT,
    Record,
)
from analyzers.transcript import CLIENT, SERVER, Transcript

MAX_HANDSHAKE_BYTES = 2 << 20
"""Handshake bytes kept for a connection, both directions together."""
MAX_EVENTS = 256
"""Events kept from the start of a connection."""
MAX_TAIL = 64
"""Record lengths kept from its end."""
MAX_PREFIX = 4096
"""Bytes looked at to recognise what is not TLS."""


class Connection:
    """One TCP connection as an observer sees it."""

    def __init__(
        self,
        *,
        client_start: bool = True,
        server_start: bool = True,
        opened_at: float | None = None,
    ) -> None:
        """Begin; False where the capture started after that side's first byte.

        `opened_at` is when the client's SYN or the accept was seen, in epoch seconds.
        """
        self._opened_at = opened_at
        self._lanes = {
            CLIENT: Lane(CLIENT, start=client_start),
            SERVER: Lane(SERVER, start=server_start),
        }
        self._events: list[Event] = []
        self._tail: deque[Event] = deque()
        self._kept = 0
        self._version: int | None = None
        self._suite = 0
        self._retry = False
        self._stopped = False
        self._finished = {CLIENT: False, SERVER: False}
        self._failed = False

    @property
    def settled(self) -> bool:
        """True once the handshake is over, one way or the other."""
        return self._failed or self._stopped or all(self._finished.values())

    @property
    def transcript(self) -> Transcript:
        """All that was seen so far, frozen."""
        client, server = self._lanes[CLIENT], self._lanes[SERVER]
        pending = {lane.direction: lane.pending() for lane in (client, server)}
        return Transcript(
            events=(*self._events, *self._tail),
            opened_at=self._opened_at,
            client_start=client.start,
            server_start=server.start,
            client_bytes=client.bytes,
            server_bytes=server.bytes,
            client_skipped=client.skipped,
            server_skipped=server.skipped,
            pending={way: item for way, item in pending.items() if item is not None},
        )

    def receive(
        self,
        direction: Direction,
        data: bytes | bytearray | memoryview,
        at: float,
        frame: int | None = None,
    ) -> None:
        """Take bytes that `direction`'s sender sent, in order.

        `at` is in seconds since the Unix epoch; `frame` is the capture's frame number.
        """
        lane = self._lanes[direction]
        lane.bytes += len(data)
        if self._stopped or lane.dead:
            return
        lane.chunk += 1
        chunk = bytes(data)
        if not lane.sniffed:
            lane.prefix += chunk
            chunk = self._sniff(lane, at, frame, final=False)
        if chunk:
            self._records(lane, chunk, at, frame)

    def missing(
        self, direction: Direction, count: int, at: float, frame: int | None = None
    ) -> None:
        """Take note of `count` bytes that were sent and not captured."""
        lane = self._lanes[direction]
        if self._stopped or lane.dead or count <= 0:
            return
        self._add(
            GapSeen(
                direction=direction,
                at=at,
                frame=frame,
                stream_offset=lane.records.offset + len(lane.prefix),
                count=count,
            )
        )
        self._pass_over(lane, count, at, frame)

    def skipped(self, direction: Direction, count: int, at: float) -> None:
        """Take note of `count` bytes that the relay passed on without showing them."""
        lane = self._lanes[direction]
        lane.bytes += count
        if self._stopped or lane.dead or count <= 0:
            return
        self._add(
            SkippedSeen(direction=direction, at=at, stream_offset=lane.records.offset, count=count)
        )
        self._pass_over(lane, count, at, None)

    def close(self, direction: Direction, how: How, at: float, frame: int | None = None) -> None:
        """Take note that `direction`'s sender ended it (FIN, RST), or that we stopped looking."""
        lane = self._lanes[direction]
        if how is lane.ended or (lane.ended is How.RST):
            return
        if not self._stopped and not lane.sniffed and lane.prefix and not lane.dead:
            rest = self._sniff(lane, at, frame, final=True)
            if rest:
                self._records(lane, rest, at, frame)
        lane.ended = how
        if how in (How.FIN, How.RST):
            self._failed = True
        self._add(
            ClosedSeen(direction=direction, at=at, frame=frame, stream_offset=lane.bytes, how=how)
        )

    def not_connected(self, why: str, detail: str, at: float, frame: int | None = None) -> None:
        """Take note that the server was never reached.

        `why` is "refused", "timeout", "unreachable" or "name".
        """
        self._failed = True
        self._add(
            NotConnectedSeen(
                direction=SERVER, at=at, frame=frame, stream_offset=0, why=why, detail=detail
            )
        )

    def stop(self, reason: str, at: float) -> None:
        """End the analysis; bytes are only counted from now on."""
        if not self._stopped:
            self._stopped = True
            self._add(StoppedSeen(direction=CLIENT, at=at, stream_offset=0, reason=reason))

    # -- events ---------------------------------------------------------------------

    def _add(self, event: Event) -> None:
        if len(self._events) < MAX_EVENTS and not self._tail:
            self._events.append(event)
            return
        self._tail.append(event)
        while len(self._tail) > MAX_TAIL:
            oldest = self._tail.popleft()
            if isinstance(oldest, ProtectedSeen):
                self._lanes[oldest.direction].skipped += 1
            else:
                self._events.append(oldest)
                if len(self._events) > 4 * MAX_EVENTS:
                    self.stop("more messages than are kept", event.at)
                    return

    def _sniff(self, lane: Lane, at: float, frame: int | None, *, final: bool) -> bytes:
        """Decide whether a direction speaks TLS; returns the bytes to read as TLS."""
        while lane.prefix:
            data = bytes(lane.prefix)
            verdict = looks_like_tls(data)
            if verdict or (verdict is None and final and data[0] in (20, 21, 22, 23, 24)):
                lane.sniffed = True
                lane.prefix.clear()
                return data
            if verdict is None and not final:
                return b""
            found = recognise(lane.direction, data, final=final or len(data) >= MAX_PREFIX)
            if found is None:
                return b""
            self._add(
                PlaintextSeen(
                    direction=lane.direction,
                    at=at,
                    frame=frame,
                    stream_offset=lane.records.offset,
                    kind=found.kind,
                    says=found.says,
                    length=len(data),
                    detail=dict(found.detail),
                )
            )
            if not found.consumed:
                lane.dead = True
                lane.prefix.clear()
                return b""
            del lane.prefix[: found.consumed]
            lane.records.offset += found.consumed
        return b""

    def _records(self, lane: Lane, data: bytes, at: float, frame: int | None) -> None:
        if lane.records.partial is None:
            lane.record_chunk, lane.record_at = lane.chunk, at
        done, fault = lane.records.feed(data)
        for record in done:
            self._record(lane, record, at, frame)
            lane.record_chunk, lane.record_at = lane.chunk, at
            if self._stopped or lane.dead:
                return
        if fault is not None:
            lane.dead = True
            self._add(
                FaultSeen(
                    direction=lane.direction,
                    at=at,
                    frame=frame,
                    stream_offset=fault.offset,
                    error=fault,
                    raw=data[:64],
                )
            )

    def _pass_over(self, lane: Lane, count: int, at: float, frame: int | None) -> None:
        if not lane.sniffed:
            lane.sniffed = True
            lane.prefix.clear()
            lane.start = lane.start and lane.bytes > 0
        if not lane.records.skip(count):
            lane.handshake.abandon()
        record = lane.records.finish_holed()
        if record is not None:
            self._record(lane, record, at, frame)

    def _record(self, lane: Lane, record: Record, at: float, frame: int | None) -> None:
        kind = record.content_type
        if kind == APPLICATION_DATA:
            # Up to the ServerHello only 0-RTT data looks like this.
            self._protected(
                lane, record, at, frame, offered=lane.direction is CLIENT and not self._version
            )
        elif record.holed:
            lane.handshake.abandon()
            self._protected(lane, record, at, frame, offered=False)
        elif kind == HANDSHAKE:
            if self._is_protected(lane, record):
                self._protected(lane, record, at, frame, offered=False)
            else:
                self._handshake(lane, record, at, frame)
        elif kind == ALERT:
            self._alert(lane, record, at, frame)
        elif kind == CHANGE_CIPHER_SPEC:
            lane.ccs = True
            self._add(
                ChangeCipherSpecSeen(
                    direction=lane.direction, at=at, frame=frame, stream_offset=record.offset
                )
            )
        elif kind == HEARTBEAT:
            self._add(
                HeartbeatSeen(
                    direction=lane.direction,
                    at=at,
                    frame=frame,
                    stream_offset=record.offset,
                    record_length=record.length,
                )
            )

    def _is_protected(self, lane: Lane, record: Record) -> bool:
        """Whether a handshake record is unreadable: after a real ChangeCipherSpec.

        In TLS 1.3 a ChangeCipherSpec means nothing, and the second ClientHello follows
        one before the version is known.
        """
        if not lane.ccs or self._retry:
            return False
        if self._version is not None:
            return not is_tls13(self._version)
        body = record.fragment
        whole = len(body) >= 4 and 4 + int.from_bytes(body[1:4], "big") == len(body)
        return not (whole and body[0] in (CLIENT_HELLO, SERVER_HELLO))

    def _protected(
        self, lane: Lane, record: Record, at: float, frame: int | None, *, offered: bool
    ) -> None:
        if not offered:
            self._finished[lane.direction] = True
        self._add(
            ProtectedSeen(
                direction=lane.direction,
                at=at,
                frame=frame,
                stream_offset=record.offset,
                content_type=record.content_type,
                record_length=record.length,
                offered=offered,
            )
        )

    def _alert(self, lane: Lane, record: Record, at: float, frame: int | None) -> None:
        body = record.fragment
        # Encrypted ones are longer; before protection several may share a record.
        clear = len(body) == 2 or (len(body) % 2 == 0 and not lane.ccs and len(body) <= 8)
        pairs = [(body[i], body[i + 1]) for i in range(0, len(body), 2)] if clear else [None]
        for index, pair in enumerate(pairs):
            self._add(
                AlertSeen(
                    direction=lane.direction,
                    at=at,
                    frame=frame,
                    stream_offset=record.offset + (5 + 2 * index if index else 0),
                    level=pair[0] if pair else None,
                    description=pair[1] if pair else None,
                    encrypted=pair is None,
                    record_length=record.length,
                )
            )
            if pair is not None and (pair[0] == 2 or is_tls13(self._version or 0)):
                self._failed = True

    def _handshake(self, lane: Lane, record: Record, at: float, frame: int | None) -> None:
        done, fault = lane.handshake.feed(
            record.fragment,
            offset=record.offset + 5,
            version=record.version,
            at=lane.record_at,
            first_segment=lane.record_chunk,
            segment=lane.chunk,
        )
        for message in done:
            self._message(lane, message, at, frame)
            if self._stopped:
                return
        if fault is not None:
            self._fault(lane, fault, record, at, frame)

    def _fault(
        self, lane: Lane, fault: Malformed, record: Record, at: float, frame: int | None
    ) -> None:
        lane.dead = True
        self._add(
            FaultSeen(
                direction=lane.direction,
                at=at,
                frame=frame,
                stream_offset=record.offset,
                error=fault,
                raw=record.fragment[:64],
            )
        )

    def _message(self, lane: Lane, message: RawMessage, at: float, frame: int | None) -> None:
        self._kept += len(message.raw)
        if self._kept > MAX_HANDSHAKE_BYTES:
            self.stop(f"more than {MAX_HANDSHAKE_BYTES} handshake bytes", at)
            return
        body: object = None
        fault: ParseError | None = None
        try:
            body = read_body(
                message.type,
                message.raw,
                record_version=message.record_version,
                version=self._version,
                suite=self._suite,
            )
        except ParseError as error:
            fault = error
        if isinstance(body, ServerHello):
            self._retry = body.retry
            if not body.retry:
                self._version, self._suite = body.version, body.cipher_suite
        self._add(
            HandshakeSeen(
                direction=lane.direction,
                at=at,
                frame=frame,
                stream_offset=message.stream_offset,
                type=message.type,
                raw=message.raw,
                body=body,
                fault=fault,
                record_version=message.record_version,
                records=message.records,
                segments=message.segments,
                first_at=message.first_at,
            )
        )
