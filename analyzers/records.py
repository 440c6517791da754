"""One direction's bytes to TLS records (RFC 8446 section 5.1, RFC 5246 section 6.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from analyzers.errors import Malformed

HEADER = 5
MAX_FRAGMENT = (1 << 14) + 2048
"""The largest length a record may carry: RFC 5246 6.2.3 allows 2048 bytes of expansion."""

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = 20, 21, 22, 23, 24
_TYPES = frozenset((CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT))
_SCAN_WINDOW = 1 << 15


@dataclass(frozen=True, slots=True)
class Record:
    """One record, complete."""

    content_type: int
    version: int
    """legacy_record_version."""
    length: int
    """The length field, in bytes."""
    fragment: bytes
    """The content; empty where nobody can read it (application_data)."""
    offset: int
    """Where its header begins in the direction's TCP payload."""
    holed: bool = False
    """Part of the fragment was not captured: `fragment` is empty."""


@dataclass(frozen=True, slots=True)
class Partial:
    """What is known of a record that has begun and not ended."""

    content_type: int | None
    """None where not even the type byte has arrived."""
    length: int | None
    """The length field; None where the header is not whole."""
    had: int
    """How many bytes have arrived, header included."""
    offset: int


class RecordReader:
    """Cuts a byte stream into records, holding at most one record's bytes.

    Application data is counted and not kept. After a hole that swallowed a header the
    reader looks for the next place where headers chain.
    """

    __slots__ = ("_buffer", "_header", "_holed", "_keep", "_lost", "_start", "_want", "offset")

    def __init__(self, *, offset: int = 0, synced: bool = True) -> None:
        self.offset = offset
        """Bytes consumed so far, holes included."""
        self._buffer = bytearray()
        self._header: tuple[int, int, int] | None = None
        self._want = 0
        self._keep = True
        self._holed = False
        self._lost = not synced
        self._start = offset

    @property
    def partial(self) -> Partial | None:
        """The record that has begun and not ended, if any."""
        if self._header is not None:
            content_type, _, length = self._header
            return Partial(content_type, length, HEADER + length - self._want, self._start)
        if self._buffer and not self._lost:
            return Partial(self._buffer[0], None, len(self._buffer), self._start)
        return None

    def feed(self, data: bytes) -> tuple[list[Record], Malformed | None]:
        """Take bytes; return the records that they complete, and the fault that ends it all.

        A fault means that the bytes at its offset are no record header: nothing after
        it can be read, and the caller feeds no more.
        """
        out: list[Record] = []
        pos, size = 0, len(data)
        while True:
            if self._lost:
                pos = self._resync(data, pos)
                if self._lost:
                    return out, None
            if self._header is None:
                if not self._buffer:
                    self._start = self.offset
                need = HEADER - len(self._buffer)
                part = data[pos : pos + need]
                self._buffer += part
                pos += len(part)
                self.offset += len(part)
                if len(self._buffer) < HEADER:
                    return out, None
                fault = self._begin()
                if fault is not None:
                    return out, fault
            if self._header is None:  # pragma: no cover - _begin has just set it
                return out, None
            here = min(self._want, size - pos)
            if self._keep and here:
                self._buffer += data[pos : pos + here]
            self._want -= here
            pos += here
            self.offset += here
            if self._want:
                return out, None
            out.append(self._end(self._header))
            if pos >= size:
                return out, None

    def skip(self, count: int) -> bool:
        """Pass over `count` bytes that nobody saw; True if the reader still knows its place."""
        if self._header is not None and count <= self._want:
            self._want -= count
            self.offset += count
            self._holed, self._keep = True, False
            self._buffer.clear()
            return True
        self.offset += count
        self._header, self._want, self._lost, self._holed = None, 0, True, False
        self._buffer.clear()
        self._start = self.offset
        return False

    def finish_holed(self) -> Record | None:
        """The record whose end fell into a hole, if the hole ended just there."""
        if self._header is not None and not self._want:
            return self._end(self._header)
        return None

    def _begin(self) -> Malformed | None:
        content_type, major, minor = self._buffer[0], self._buffer[1], self._buffer[2]
        length = self._buffer[3] << 8 | self._buffer[4]
        if content_type not in _TYPES:
            return Malformed(
                "TLSPlaintext", "type", self._start, reason=f"is {content_type}, no TLS record type"
            )
        if major not in (3, 0x7F, 0xFE):
            return Malformed(
                "TLSPlaintext",
                "legacy_record_version",
                self._start + 1,
                reason=f"is 0x{major:02X}{minor:02X}, no TLS version",
            )
        if length > MAX_FRAGMENT:
            return Malformed(
                "TLSPlaintext",
                "length",
                self._start + 3,
                reason=f"is {length}, above the limit of {MAX_FRAGMENT}",
            )
        self._header = (content_type, major << 8 | minor, length)
        self._want = length
        self._keep = content_type < APPLICATION_DATA
        self._holed = False
        self._buffer.clear()
        return None

    def _end(self, header: tuple[int, int, int]) -> Record:
        content_type, version, length = header
        record = Record(
            content_type, version, length, bytes(self._buffer), self._start, self._holed
        )
        self._buffer.clear()
        self._header = None
        return record

    def _resync(self, data: bytes, pos: int) -> int:
        """Find the next header after a hole; returns where reading goes on in `data`."""
        window = bytes(self._buffer) + bytes(data[pos:])
        base = self.offset - len(self._buffer)
        for at in range(min(len(window), _SCAN_WINDOW)):
            if _chains(window, at):
                # Bytes before it belong to a record whose header nobody saw.
                taken = at - len(self._buffer)
                self._buffer.clear()
                self._lost = False
                if taken < 0:
                    self._buffer += window[at : at - taken]
                    self._start = base + at
                    return pos
                self.offset += taken
                return pos + taken
        keep = window[-(HEADER - 1) :]
        self.offset = base + len(window)
        self._buffer[:] = b""
        if len(window) < HEADER:
            self._buffer += keep
        return len(data)


def _chains(window: bytes, at: int) -> bool:
    """Whether a plausible header stands at `at` and the next one, if seen, fits too."""
    hops = 0
    while len(window) - at >= HEADER and hops < 3:
        length = window[at + 3] << 8 | window[at + 4]
        if (
            window[at] not in _TYPES
            or window[at + 1] != 3
            or window[at + 2] > 4
            or not 0 < length <= MAX_FRAGMENT
        ):
            return False
        at += HEADER + length
        hops += 1
    return hops > 0
