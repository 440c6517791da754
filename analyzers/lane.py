"""One direction of a connection: its records, its messages, its place."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

from analyzers.events import Direction, How
from analyzers.handshake import CLEAR_TYPES, MAX_MESSAGE, HandshakeReader
from analyzers.records import HANDSHAKE, RecordReader
from analyzers.transcript import Pending

_ARRIVALS = 64
"""Chunks whose times are remembered while records are held back."""


class Arrival(NamedTuple):
    """A chunk as it came."""

    end: int
    """Stream offset of the byte after it."""
    chunk: int
    at: float
    frame: int | None


class Place(TypedDict):
    """What all events have in common."""

    direction: Direction
    at: float
    stream_offset: int
    frame: int | None


class Lane:
    """The state of one direction."""

    __slots__ = (
        "arrivals",
        "bytes",
        "ccs",
        "chunk",
        "dead",
        "direction",
        "ended",
        "handshake",
        "holed",
        "missing",
        "prefix",
        "protected",
        "record_at",
        "record_chunk",
        "records",
        "sniffed",
        "start",
    )

    def __init__(self, direction: Direction, *, start: bool) -> None:
        self.direction = direction
        self.start = start
        """Its first byte was seen."""
        self.records = RecordReader(synced=start)
        self.handshake = HandshakeReader()
        self.holed = not start
        """Bytes were lost, and no handshake message has come whole since."""
        self.prefix = bytearray()
        self.sniffed = not start
        self.dead = False
        self.ccs = False
        self.protected = False
        """A record came that only the keys of the handshake explain."""
        self.bytes = 0
        self.missing = 0
        """Bytes that were sent and not captured."""
        self.ended: How | None = None
        self.chunk = 0
        self.record_chunk = 0
        self.record_at = 0.0
        self.arrivals: list[Arrival] = []
        """The last chunks while records are held back (a deque would take 600 bytes empty)."""

    @property
    def position(self) -> int:
        """Stream offset of the next byte."""
        return self.bytes + self.missing

    def place(self, stream_offset: int, when: Arrival) -> Place:
        """Who sent something, when and where."""
        return Place(
            direction=self.direction,
            at=when.at,
            stream_offset=stream_offset,
            frame=when.frame,
        )

    def remember(self, now: Arrival) -> None:
        """Take note of a chunk while records are held back."""
        if len(self.arrivals) == _ARRIVALS:
            del self.arrivals[0]
        self.arrivals.append(now)

    def arrival(self, end: int, now: Arrival) -> Arrival:
        """When the byte before `end` came; the oldest time remembered if that is too long ago."""
        return next((each for each in self.arrivals if each.end >= end), now)

    def mid_message(self, fragment: bytes) -> bool:
        """Whether a handshake record after a hole is no beginning of a message in clear."""
        if not self.holed or self.handshake.pending[2] or not fragment:
            return False
        length = int.from_bytes(fragment[1:4].ljust(3, b"\0"), "big")
        return fragment[0] not in CLEAR_TYPES or length > MAX_MESSAGE

    def pending(self) -> Pending | None:
        """What has begun and not ended; nothing where reading has ended."""
        if self.dead:
            return None
        partial = self.records.partial
        kind, length, had, offset = self.handshake.pending
        if partial is None and not had:
            if self.prefix and not self.sniffed:
                start = self.records.offset
                return Pending(None, None, len(self.prefix), None, None, 0, start)
            return None
        return Pending(
            partial.content_type if partial else HANDSHAKE,
            partial.length if partial else None,
            partial.had if partial else 0,
            kind,
            length,
            had,
            offset if had else partial.offset if partial else 0,
        )
