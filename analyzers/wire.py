"""The one cursor that reads wire structures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from analyzers.errors import Malformed, Truncated


class Reader:
    """A bounded cursor over one structure.

    Offsets in errors count from the start of the message, whatever the depth: a
    sub-reader knows where it began. A vector's length is checked against what is
    left *before* its content is read, and `finish` refuses left-over bytes.
    """

    __slots__ = ("_data", "_end", "_pos", "struct")

    def __init__(self, data: bytes, struct: str, *, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._pos = start
        self._end = len(data) if end is None else end
        self.struct = struct

    @property
    def offset(self) -> int:
        """Bytes from the start of the message to the next unread byte."""
        return self._pos

    @property
    def left(self) -> int:
        """How many bytes of this structure are still unread."""
        return self._end - self._pos

    def _advance(self, count: int, field: str) -> int:
        start = self._pos
        if count > self._end - start:
            raise Truncated(self.struct, field, start, needed=count, had=self._end - start)
        self._pos = start + count
        return start

    def u8(self, field: str) -> int:
        """Read a uint8."""
        return self._data[self._advance(1, field)]

    def u16(self, field: str) -> int:
        """Read a big-endian uint16."""
        start = self._advance(2, field)
        return self._data[start] << 8 | self._data[start + 1]

    def u24(self, field: str) -> int:
        """Read a big-endian uint24."""
        start = self._advance(3, field)
        return int.from_bytes(self._data[start : start + 3], "big")

    def u32(self, field: str) -> int:
        """Read a big-endian uint32."""
        start = self._advance(4, field)
        return int.from_bytes(self._data[start : start + 4], "big")

    def take(self, count: int, field: str) -> bytes:
        """Read exactly `count` bytes."""
        start = self._advance(count, field)
        return self._data[start : start + count]

    def rest(self) -> bytes:
        """Read whatever this structure still holds."""
        start = self._pos
        self._pos = self._end
        return self._data[start : self._end]

    def vector(self, width: int, field: str) -> bytes:
        """Read an opaque vector with a length prefix of `width` bytes."""
        return self.take(self._length(width, field), field)

    def u16s(self, width: int, field: str) -> tuple[int, ...]:
        """Read a vector of uint16 whose length prefix has `width` bytes.

        Raises:
            Malformed: the length is odd.
        """
        at = self._pos
        raw = self.vector(width, field)
        if len(raw) % 2:
            raise Malformed(self.struct, field, at, reason=f"has an odd length ({len(raw)} bytes)")
        return tuple(raw[i] << 8 | raw[i + 1] for i in range(0, len(raw), 2))

    @contextmanager
    def nested(self, width: int, field: str, struct: str | None = None) -> Iterator[Reader]:
        """Open a length-prefixed structure as a reader that cannot see past its end.

        On leaving without an error the structure must be used up exactly.
        """
        length = self._length(width, field)
        start = self._advance(length, field)
        inner = Reader(self._data, struct or self.struct, start=start, end=start + length)
        yield inner
        # Not in a finally: left-overs after a first error would hide that error.
        inner.finish(field)

    def finish(self, field: str = "end") -> None:
        """Refuse left-over bytes.

        Raises:
            Malformed: the structure holds more than was read.
        """
        if self.left:
            raise Malformed(
                self.struct, field, self._pos, reason=f"is followed by {self.left} unexpected bytes"
            )

    def _length(self, width: int, field: str) -> int:
        start = self._advance(width, field)
        length = int.from_bytes(self._data[start : start + width], "big")
        if length > self.left:
            raise Truncated(self.struct, field, start, needed=width + length, had=width + self.left)
        return length
