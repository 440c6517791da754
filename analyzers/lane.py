"""One direction of a connection: its records, its messages, its place."""

from __future__ import annotations

from analyzers.events import Direction, How
from analyzers.handshake import HandshakeReader
from analyzers.records import HANDSHAKE, RecordReader
from analyzers.transcript import Pending


class Lane:
    """The state of one direction."""

    __slots__ = (
        "bytes",
        "ccs",
        "chunk",
        "dead",
        "direction",
        "ended",
        "handshake",
        "prefix",
        "record_at",
        "record_chunk",
        "records",
        "skipped",
        "sniffed",
        "start",
    )

    def __init__(self, direction: Direction, *, start: bool) -> None:
        self.direction = direction
        self.start = start
        self.records = RecordReader(synced=start)
        self.handshake = HandshakeReader()
        self.prefix = bytearray()
        self.sniffed = not start
        self.dead = False
        self.ccs = False
        self.bytes = 0
        self.skipped = 0
        self.ended: How | None = None
        self.chunk = 0
        self.record_chunk = 0
        self.record_at = 0.0

    def pending(self) -> Pending | None:
        """What has begun and not ended."""
        partial = self.records.partial
        kind, length, had, offset = self.handshake.pending
        if partial is None and not had:
            if self.prefix and not self.sniffed:
                return Pending(None, None, len(self.prefix), None, None, 0, 0)
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
