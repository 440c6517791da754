"""What tlswhy kept of a connection, as TCP payload again.

Only the handshake is kept, so only the handshake comes back: messages in clear byte by
byte at their places, alerts, ChangeCipherSpec, and encrypted records as zeros of their
length. Everything else (application data, plaintext protocols with their passwords)
was never kept and is a hole of the right size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analyzers.events import (
    AlertSeen,
    ChangeCipherSpecSeen,
    ClosedSeen,
    Direction,
    Event,
    FaultSeen,
    HandshakeSeen,
    How,
    ProtectedSeen,
)
from analyzers.records import ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, HEADER
from analyzers.transcript import Transcript

_LARGEST = 1 << 14
"""A record's fragment in clear (RFC 8446, section 5.1)."""
_SSL_2_0 = 0x0002
_UNFRAMED = 0
"""Stands for the content type of what came in no record: a hello in SSL 2.0 framing."""
_LATEST = 0x0303
"""legacy_record_version of every record but a first ClientHello's."""


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes that a side sent."""

    direction: Direction
    at: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Hole:
    """Bytes that a side sent and that were not kept."""

    direction: Direction
    at: float
    count: int


@dataclass(frozen=True, slots=True)
class End:
    """A side's FIN or RST."""

    direction: Direction
    at: float
    how: How


@dataclass(slots=True)
class _Record:
    """A record under construction: messages that share it are added one by one."""

    direction: Direction
    at: float
    content_type: int
    version: int
    start: int
    fragment: bytearray
    cut: int
    """Over how many records the fragment is spread."""

    @property
    def headers(self) -> int:
        if self.content_type == _UNFRAMED:
            return 0
        return HEADER * max(self.cut, -(-len(self.fragment) // _LARGEST), 1)

    @property
    def end(self) -> int:
        """Where the direction's next byte stands."""
        return self.start + len(self.fragment) + self.headers

    def data(self) -> bytes:
        if self.content_type == _UNFRAMED:
            return bytes(self.fragment)
        count = self.headers // HEADER
        # Senders fill records; where that does not give the count that was seen, the
        # pieces were of some other size that nobody noted: equal ones are as good.
        size = _LARGEST if count == -(-len(self.fragment) // _LARGEST) else 0
        size = size or -(-len(self.fragment) // count)
        data = bytearray()
        for start in range(0, max(len(self.fragment), 1), max(size, 1)):
            piece = self.fragment[start : start + size]
            data += bytes((self.content_type, *self.version.to_bytes(2, "big")))
            data += len(piece).to_bytes(2, "big") + piece
        return bytes(data)


def replay(
    transcript: Transcript, message: Callable[[HandshakeSeen], bytes] = lambda event: event.raw
) -> list[Payload | Hole | End]:
    """The connection in the order in which it was seen.

    `message` gives the bytes of a handshake message, of the same length (it is where
    names are replaced).
    """
    records: list[_Record | Payload | End] = []
    last: dict[Direction, _Record] = {}
    versions: dict[Direction, int] = {}
    for event in transcript.events:
        if isinstance(event, ClosedSeen):
            if event.how in (How.FIN, How.RST):
                records.append(End(event.direction, event.at, event.how))
            continue
        if isinstance(event, FaultSeen):
            continue  # its bytes have no place in a record, and may be anything
        found = _fragment(event, message)
        if found is None:
            continue
        content_type, offset, fragment, cut = found
        if isinstance(event, HandshakeSeen) and event.record_version > _SSL_2_0:
            versions[event.direction] = event.record_version
        before = last.get(event.direction)
        if before and before.content_type == content_type and before.end == offset + HEADER:
            # No header stands between them: they came in one record.
            before.fragment += fragment
            continue
        record = _Record(
            direction=event.direction,
            at=event.at,
            content_type=content_type,
            version=versions.get(event.direction, _LATEST),
            start=offset,
            fragment=bytearray(fragment),
            cut=cut,
        )
        last[event.direction] = record
        records.append(record)
    return _placed(records, transcript)


def _fragment(
    event: Event, message: Callable[[HandshakeSeen], bytes]
) -> tuple[int, int, bytes, int] | None:
    """Content type, offset of the header, content and number of records of an event."""
    match event:
        case HandshakeSeen(record_version=version) if version == _SSL_2_0:
            return _UNFRAMED, event.stream_offset, message(event), 0
        case HandshakeSeen():
            return HANDSHAKE, event.stream_offset - HEADER, message(event), event.records
        case AlertSeen(encrypted=False):
            body = bytes((event.level or 0, event.description or 0))
            return ALERT, event.stream_offset, body, 1
        case AlertSeen():
            return ALERT, event.stream_offset, bytes(event.record_length), 1
        case ChangeCipherSpecSeen():
            return CHANGE_CIPHER_SPEC, event.stream_offset, b"\x01", 1
        case ProtectedSeen():
            return event.content_type, event.stream_offset, bytes(event.record_length), 1
    return None


def _placed(
    records: list[_Record | Payload | End], transcript: Transcript
) -> list[Payload | Hole | End]:
    """Holes put where bytes are missing before, between and after the records."""
    sent = dict.fromkeys(Direction, 0)
    placed: list[Payload | Hole | End] = []

    def up_to(direction: Direction, offset: int, at: float) -> None:
        if offset > sent[direction]:
            placed.append(Hole(direction, at, offset - sent[direction]))
            sent[direction] = offset

    for record in records:
        if isinstance(record, _Record):
            up_to(record.direction, record.start, record.at)
            data = record.data()
            placed.append(Payload(record.direction, record.at, data))
            sent[record.direction] += len(data)
        else:
            if isinstance(record, End):
                total = transcript.bytes_from(record.direction)
                up_to(record.direction, total, record.at)
            placed.append(record)
    last_at = placed[-1].at if placed else 0.0
    for direction in Direction:
        up_to(direction, transcript.bytes_from(direction), last_at)
    return placed
