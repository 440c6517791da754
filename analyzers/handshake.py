"""Record fragments to whole handshake messages (RFC 8446 section 4 and 5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from analyzers.errors import Malformed

HEADER = 4
MAX_MESSAGE = 1 << 20
"""The largest message that is kept: chains of several hundred kB exist."""
CLEAR_TYPES = frozenset((0, 1, 2, 4, 6, 11, 12, 13, 14, 15, 16, 21, 22, 23))
"""Messages that may be seen in clear: HelloRequest to SupplementalData."""


@dataclass(slots=True)
class RawMessage:
    """A handshake message as bytes."""

    type: int
    raw: bytes
    stream_offset: int
    record_version: int
    records: int
    segments: int
    first_at: float


class HandshakeReader:
    """Joins messages over records and splits those that share one."""

    __slots__ = ("_buffer", "_first_at", "_offset", "_records", "_segment", "_segments", "_version")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._clear()

    def _clear(self) -> None:
        self._buffer.clear()
        self._offset = 0
        self._records = 0
        self._segments = 0
        self._segment = -1
        self._version = 0
        self._first_at = 0.0

    @property
    def pending(self) -> tuple[int | None, int | None, int, int]:
        """(type, body length, bytes had, stream offset) of a message that is not whole."""
        had = len(self._buffer)
        length = int.from_bytes(self._buffer[1:4], "big") if had >= HEADER else None
        return (self._buffer[0] if had else None, length, had, self._offset)

    def abandon(self) -> None:
        """Forget the message in progress: part of it was not captured."""
        self._clear()

    def feed(
        self,
        fragment: bytes,
        *,
        offset: int,
        version: int,
        at: float,
        first_segment: int,
        segment: int,
    ) -> tuple[list[RawMessage], Malformed | None]:
        """Take a record's fragment; return the messages that it completes.

        `offset` is the fragment's place in the stream; `first_segment` and `segment`
        number the chunks in which the record began and ended.
        """
        out: list[RawMessage] = []
        pos = 0
        while pos < len(fragment):
            if not self._buffer:
                self._offset = offset + pos
                self._version = version
                self._first_at = at
                self._records = self._segments = 0
                self._segment = -1
            self._records += 1
            start = max(first_segment, self._segment + 1)
            self._segments += max(0, segment - start + 1)
            self._segment = segment
            if len(self._buffer) < HEADER:
                part = fragment[pos : pos + HEADER - len(self._buffer)]
                self._buffer += part
                pos += len(part)
                if len(self._buffer) < HEADER:
                    break
            length = int.from_bytes(self._buffer[1:4], "big")
            if length > MAX_MESSAGE:
                fault = Malformed(
                    "Handshake",
                    "length",
                    1,
                    reason=f"claims {length} bytes, above the limit of {MAX_MESSAGE}",
                )
                return out, fault
            part = fragment[pos : pos + HEADER + length - len(self._buffer)]
            self._buffer += part
            pos += len(part)
            if len(self._buffer) < HEADER + length:
                break
            out.append(
                RawMessage(
                    self._buffer[0],
                    bytes(self._buffer),
                    self._offset,
                    self._version,
                    self._records,
                    self._segments,
                    self._first_at,
                )
            )
            self._clear()
        return out, None
