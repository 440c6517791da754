"""The meeting point: bytes of both directions in, a transcript out.

The live relay and the capture reader tell the same four things: bytes, holes, bytes
passed unseen, endings. Nothing here raises on input: what breaks the protocol becomes
a `FaultSeen` event, what exceeds a cap a `StoppedSeen` event.

Memory: a direction holds at most one record (18 kB) and one handshake message in progress
(1 MB); messages are kept up to `MAX_HANDSHAKE_BYTES` in all, events as `Ledger` says.
"""

from __future__ import annotations

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
from analyzers.lane import Arrival, Lane
from analyzers.ledger import Ledger
from analyzers.messages import (
    CERTIFICATE_REQUEST,
    CLIENT_HELLO,
    CLIENT_KEY_EXCHANGE,
    SERVER_HELLO,
    SERVER_KEY_EXCHANGE,
    ClientHello,
    ServerHello,
    is_tls13,
    read_body,
    read_sslv2_client_hello,
)
from analyzers.opening import TLS, read_opening
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
MAX_HELLOS = 8
"""Hellos read of a connection: a retried handshake has four. Parsed, one is 20 times as big."""
MAX_OPENINGS = 4
"""Headers passed over before TLS begins: one PROXY header a load balancer in a row."""
_SSL_2_0 = 0x0002
_SENDERS = {
    CLIENT_HELLO: CLIENT,
    CLIENT_KEY_EXCHANGE: CLIENT,
    SERVER_HELLO: SERVER,
    SERVER_KEY_EXCHANGE: SERVER,
    CERTIFICATE_REQUEST: SERVER,
}
"""Who alone sends a message that decides how others are read."""


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
        self._client = Lane(CLIENT, start=client_start)
        self._server = Lane(SERVER, start=server_start)
        self._ledger = Ledger()
        self._kept = 0
        self._hellos = 0
        self._openings = 0
        self._version: int | None = None
        self._suite = 0
        self._retry = False
        self._early_data = False
        self._stopped = False
        self._late = False
        self._failed = False

    @property
    def settled(self) -> bool:
        """True once the handshake is over, one way or the other."""
        return self._failed or self._stopped or (self._client.protected and self._server.protected)

    @property
    def transcript(self) -> Transcript:
        """All that was seen so far, frozen."""
        client, server = self._client, self._server
        reading = () if self._stopped else (client, server)
        pending = {lane.direction: lane.pending() for lane in reading}
        return Transcript(
            events=self._ledger.events,
            opened_at=self._opened_at,
            client_start=client.start,
            server_start=server.start,
            client_bytes=client.bytes,
            server_bytes=server.bytes,
            client_skipped=self._ledger.dropped[CLIENT],
            server_skipped=self._ledger.dropped[SERVER],
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
        lane = self._client if direction is CLIENT else self._server
        lane.bytes += len(data)
        if self._stopped or lane.dead:
            return
        lane.chunk += 1
        chunk = bytes(data)
        now = Arrival(lane.position, lane.chunk, at, frame)
        if not lane.sniffed:
            if not lane.prefix:
                lane.record_at = at
            lane.prefix += chunk
            chunk = self._sniff(lane, now, final=False)
        if chunk:
            self._records(lane, chunk, now)

    def missing(
        self, direction: Direction, count: int, at: float, frame: int | None = None
    ) -> None:
        """Take note of `count` bytes that were sent and not captured."""
        lane = self._client if direction is CLIENT else self._server
        if count <= 0:
            return
        begins = lane.position
        lane.missing += count
        if not self._stopped and not lane.dead:
            now = Arrival(lane.position, lane.chunk, at, frame)
            self._end_of_sight(lane, now)
            self._add(GapSeen(**lane.place(begins, now), count=count))
            self._pass_over(lane, count, now)

    def skipped(self, direction: Direction, count: int, at: float) -> None:
        """Take note of `count` bytes that the relay passed on without showing them."""
        lane = self._client if direction is CLIENT else self._server
        if count <= 0:
            return
        begins = lane.position
        lane.bytes += count
        if not self._stopped and not lane.dead:
            now = Arrival(lane.position, lane.chunk, at, None)
            self._end_of_sight(lane, now)
            self._add(SkippedSeen(**lane.place(begins, now), count=count))
            self._pass_over(lane, count, now)

    def close(self, direction: Direction, how: How, at: float, frame: int | None = None) -> None:
        """Take note that `direction`'s sender ended it (FIN, RST), or that we stopped looking."""
        lane = self._client if direction is CLIENT else self._server
        if how is lane.ended or (lane.ended in (How.FIN, How.RST) and how is not How.RST):
            return
        now = Arrival(lane.position, lane.chunk, at, frame)
        if how is How.RST:  # it ends both directions
            other = self._server if direction is CLIENT else self._client
            self._end_of_sight(other, Arrival(other.position, other.chunk, at, frame))
        self._end_of_sight(lane, now)
        lane.ended = how
        if how in (How.FIN, How.RST):
            self._failed = True
        self._add(ClosedSeen(**lane.place(lane.position, now), how=how))

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

    def _add(self, event: Event) -> None:
        if not self._ledger.add(event, late=self._late):
            self.stop("more messages than are kept", event.at)

    # -- from bytes to records ------------------------------------------------------

    def _end_of_sight(self, lane: Lane, now: Arrival) -> None:
        """Judge what waits for more bytes: none will follow it, or none that was seen."""
        if self._stopped or lane.dead:
            return
        rest = self._sniff(lane, now, final=True)
        if rest:
            self._records(lane, rest, now)
        self._told(lane, *lane.records.settle(), now)

    def _sniff(self, lane: Lane, now: Arrival, *, final: bool) -> bytes:
        """Decide whether a direction speaks TLS; returns the bytes to read as TLS."""
        while lane.prefix:
            data = bytes(lane.prefix)
            found = read_opening(lane.direction, data, final=final)
            if found is None:
                return b""
            if found is TLS:
                lane.sniffed = True
                lane.prefix.clear()
                return data
            if found.kind == "sslv2" and found.consumed:
                hello = data[: found.consumed], lane.records.offset
                message = RawMessage(CLIENT_HELLO, *hello, _SSL_2_0, 1, lane.chunk, lane.record_at)
                self._message(lane, message, now)
            else:
                self._add(
                    PlaintextSeen(
                        **lane.place(lane.records.offset, now),
                        kind=found.kind,
                        says=found.says,
                        length=found.length,
                        detail=found.detail,
                    )
                )
            if not found.consumed:
                lane.dead = True
                lane.prefix.clear()
                return b""
            del lane.prefix[: found.consumed]
            lane.records.offset += found.consumed
            self._openings += 1
            if self._openings == MAX_OPENINGS:
                lane.prefix.clear()
                self.stop(f"{MAX_OPENINGS} headers before TLS began", now.at)
        return b""

    def _records(self, lane: Lane, data: bytes, now: Arrival) -> None:
        if lane.records.lost:
            lane.remember(now)
        elif lane.records.between:
            lane.record_chunk, lane.record_at = now.chunk, now.at
        self._told(lane, *lane.records.feed(data), now)

    def _told(self, lane: Lane, done: list[Record], fault: Malformed | None, now: Arrival) -> None:
        """Take what the record reader has made of its bytes."""
        for record in done:
            if self._stopped or lane.dead:
                return
            came = now
            if lane.arrivals:
                came = lane.arrival(record.end, now)
                lane.record_chunk, lane.record_at = came.chunk, came.at
            self._late = came is not now
            self._record(lane, record, came)
            self._late = False
            lane.record_chunk, lane.record_at = now.chunk, now.at
        if not lane.records.lost:
            lane.arrivals.clear()
        if fault is not None and not self._stopped and not lane.dead:
            self._fault(lane, fault, fault.offset, lane.records.held, now)

    def _pass_over(self, lane: Lane, count: int, now: Arrival) -> None:
        if self._stopped or lane.dead:
            return
        lane.sniffed = True
        lane.start = lane.start and lane.records.offset > 0
        lane.holed = True
        done = lane.records.skip(count)
        if lane.records.lost or done:
            lane.handshake.abandon()
        self._told(lane, done, None, now)

    # -- from records to events ------------------------------------------------------

    def _record(self, lane: Lane, record: Record, now: Arrival) -> None:
        kind = record.content_type
        if kind == APPLICATION_DATA:
            # Up to the ServerHello only 0-RTT data looks like this.
            early = lane.direction is CLIENT and self._early_data and self._version is None
            self._protected(lane, record, now, offered=early)
        elif record.holed and kind in (HANDSHAKE, ALERT):
            self._protected(lane, record, now)
        elif kind == HANDSHAKE:
            if self._is_protected(lane, record) or lane.mid_message(record.fragment):
                self._protected(lane, record, now)
            else:
                self._handshake(lane, record, now)
        elif kind == ALERT:
            self._alert(lane, record, now)
        elif kind == CHANGE_CIPHER_SPEC:
            lane.ccs = True
            self._add(ChangeCipherSpecSeen(**lane.place(record.offset, now)))
        elif kind == HEARTBEAT:
            self._add(HeartbeatSeen(**lane.place(record.offset, now), record_length=record.length))

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
        self, lane: Lane, record: Record, now: Arrival, *, offered: bool = False
    ) -> None:
        if lane.ccs or (record.content_type == APPLICATION_DATA and not offered):
            lane.protected = True
        self._add(
            ProtectedSeen(
                direction=lane.direction,
                at=now.at,
                stream_offset=record.offset,
                frame=now.frame,
                content_type=record.content_type,
                record_length=record.length,
                complete=not record.holed,
                offered=offered,
            )
        )

    def _alert(self, lane: Lane, record: Record, now: Arrival) -> None:
        body = record.fragment
        if not body:
            fault = Malformed("Alert", "level", record.end, reason="is missing: an empty record")
            self._fault(lane, fault, record.offset, body, now)
            return
        # Encrypted ones are longer; before protection several may share a record.
        clear = len(body) == 2 or (len(body) % 2 == 0 and not lane.ccs and len(body) <= 8)
        pairs = [(body[i], body[i + 1]) for i in range(0, len(body), 2)] if clear else [None]
        for index, pair in enumerate(pairs):
            self._add(
                AlertSeen(
                    **lane.place(record.offset + (5 + 2 * index if index else 0), now),
                    level=pair[0] if pair else None,
                    description=pair[1] if pair else None,
                    encrypted=pair is None,
                    record_length=record.length,
                )
            )
            if pair is not None and (pair[0] == 2 or is_tls13(self._version or 0)):
                self._failed = True

    def _handshake(self, lane: Lane, record: Record, now: Arrival) -> None:
        done, fault = lane.handshake.feed(
            record.fragment,
            offset=record.offset + 5,
            version=record.version,
            at=lane.record_at,
            first_segment=lane.record_chunk,
            segment=now.chunk,
        )
        for message in done:
            lane.holed = False
            self._message(lane, message, now)
            if self._stopped:
                return
        if fault is not None:
            self._fault(lane, fault, record.offset, record.fragment[:64], now)

    def _fault(self, lane: Lane, fault: Malformed, offset: int, raw: bytes, now: Arrival) -> None:
        lane.dead = True
        self._add(FaultSeen(**lane.place(offset, now), error=fault, raw=raw))

    def _message(self, lane: Lane, message: RawMessage, now: Arrival) -> None:
        self._kept += len(message.raw)
        if self._kept > MAX_HANDSHAKE_BYTES:
            self.stop(f"more than {MAX_HANDSHAKE_BYTES} handshake bytes", now.at)
            return
        self._hellos += message.type in (CLIENT_HELLO, SERVER_HELLO)
        if self._hellos > MAX_HELLOS:
            self.stop(f"more than {MAX_HELLOS} hellos", now.at)
            return
        body: object = None
        fault: ParseError | None = None
        try:
            body = self._body(lane.direction, message)
        except ParseError as error:
            fault = error
        if isinstance(body, ClientHello):
            self._early_data = body.extensions.early_data
        elif isinstance(body, ServerHello):
            self._retry = body.retry
            if not body.retry:
                self._version, self._suite = body.version, body.cipher_suite
        self._add(
            HandshakeSeen(
                **lane.place(message.stream_offset, now),
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

    def _body(self, direction: Direction, message: RawMessage) -> object:
        if message.record_version == _SSL_2_0:
            return read_sslv2_client_hello(message.raw)
        if _SENDERS.get(message.type, direction) is not direction:
            raise Malformed(
                "Handshake",
                "msg_type",
                0,
                reason=f"is {message.type}, which a {direction.sender} never sends",
            )
        return read_body(
            message.type,
            message.raw,
            record_version=message.record_version,
            version=self._version,
            suite=self._suite,
        )
