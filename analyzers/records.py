"""One direction's bytes to TLS records (RFC 8446 section 5.1, RFC 5246 section 6.2.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from analyzers.errors import Malformed
from analyzers.handshake import CLEAR_TYPES

HEADER = 5
MAX_FRAGMENT = (1 << 14) + 2048
"""The largest length a record may carry: RFC 5246 6.2.3 allows 2048 bytes of expansion."""

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = 20, 21, 22, 23, 24
RECORD_TYPES = frozenset((CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT))
_HEADER_START = re.compile(rb"[\x14-\x18]\x03[\x00-\x04]", re.DOTALL)


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

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.offset + HEADER + self.length


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

    Application data is counted and not kept. After a hole that swallowed a header, and
    in a stream whose beginning was not seen, the reader looks for a place where two
    headers chain; until they have arrived it holds the record between them. A record whose
    first bytes can hardly be anything else needs no other behind it.
    """

    __slots__ = ("_buffer", "_header", "_holed", "_keep", "_start", "_want", "lost", "offset")

    def __init__(self, *, offset: int = 0, synced: bool = True) -> None:
        self.offset = offset
        """Bytes taken so far, holes included."""
        self.lost = not synced
        """Whether it looks for a place to begin."""
        self._buffer = bytearray()
        self._header: tuple[int, int, int] | None = None
        self._want = 0
        self._keep = True
        self._holed = False
        self._start = offset

    @property
    def between(self) -> bool:
        """Whether no record has begun."""
        return self._header is None and not self._buffer

    @property
    def partial(self) -> Partial | None:
        """The record that has begun and not ended, if any."""
        if self._header is not None:
            content_type, _, length = self._header
            return Partial(content_type, length, HEADER + length - self._want, self._start)
        if self._buffer and not self.lost:
            return Partial(self._buffer[0], None, len(self._buffer), self._start)
        return None

    @property
    def held(self) -> bytes:
        """The bytes in hand; after a fault the header that is none."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> tuple[list[Record], Malformed | None]:
        """Take bytes; return the records that they complete, and the fault that ends it all.

        A fault means that the bytes at its offset are no record header: nothing after
        it can be read, and the caller feeds no more.
        """
        if not self.lost:
            return self._cut(data)
        self._buffer += data
        self.offset += len(data)
        return self._go_on() if self._find(final=False) else ([], None)

    def settle(self) -> tuple[list[Record], Malformed | None]:
        """Read what is held though no second header will come: an end or a hole follows."""
        return self._go_on() if self.lost and self._find(final=True) else ([], None)

    def skip(self, count: int) -> list[Record]:
        """Pass over `count` bytes that nobody saw; return the record that they complete.

        Call `settle` before.
        """
        self.offset += count
        self._buffer.clear()
        self.lost = self._header is None or count > self._want
        if self._header is None:
            return []
        self._holed, self._keep = True, False
        self._want -= min(count, self._want)
        return [] if self._want else [self._end(self._header)]

    def _cut(self, data: bytes) -> tuple[list[Record], Malformed | None]:
        out: list[Record] = []
        pos, size = 0, len(data)
        while True:
            if self._header is None:
                if not self._buffer:
                    self._start = self.offset
                part = data[pos : pos + HEADER - len(self._buffer)]
                self._buffer += part
                pos += len(part)
                self.offset += len(part)
                if len(self._buffer) < HEADER:
                    return out, None
                header = self._read_header()
                if isinstance(header, Malformed):
                    return out, header
                self._begin(header)
            else:
                header = self._header
            here = min(self._want, size - pos)
            if self._keep and here:
                self._buffer += data[pos : pos + here]
            self._want -= here
            pos += here
            self.offset += here
            if self._want:
                return out, None
            out.append(self._end(header))
            if pos >= size:
                return out, None

    def _read_header(self) -> tuple[int, int, int] | Malformed:
        content_type, major, minor = self._buffer[0], self._buffer[1], self._buffer[2]
        length = self._buffer[3] << 8 | self._buffer[4]
        if content_type not in RECORD_TYPES:
            return Malformed(
                "TLSPlaintext", "type", self._start, reason=f"is {content_type}, no TLS record type"
            )
        if major != 3:
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
        return content_type, major << 8 | minor, length

    def _begin(self, header: tuple[int, int, int]) -> None:
        self._header = header
        self._want = header[2]
        self._keep = header[0] < APPLICATION_DATA
        self._holed = False
        self._buffer.clear()

    def _end(self, header: tuple[int, int, int]) -> Record:
        content_type, version, length = header
        record = Record(
            content_type, version, length, bytes(self._buffer), self._start, self._holed
        )
        self._buffer.clear()
        self._header = None
        return record

    def _find(self, *, final: bool) -> bool:
        """Drop bytes up to the next place where headers chain; False if none is sure yet."""
        while True:
            found = _HEADER_START.search(self._buffer)
            if found is None:
                # A header may begin with the last bytes.
                del self._buffer[:-2]
                return False
            del self._buffer[: found.start()]
            chains = _chains(self._buffer, final=final)
            if chains is not False:
                return chains is True
            del self._buffer[0]

    def _go_on(self) -> tuple[list[Record], Malformed | None]:
        data = bytes(self._buffer)
        self._buffer.clear()
        self.offset -= len(data)
        self.lost = False
        return self._cut(data)


def _chains(held: bytearray, *, final: bool) -> bool | None:
    """Whether a header stands at the beginning and another one behind its record.

    None while more bytes are needed; if no more will come, what is there decides.
    """
    if len(held) < HEADER:
        return False if final else None
    length = held[3] << 8 | held[4]
    if not 0 < length <= MAX_FRAGMENT:
        return False
    if _speaks_for_itself(held[0], length, held[HEADER : HEADER + 4]):
        return True
    following = held[HEADER + length :][:HEADER]
    if len(following) < HEADER:
        if not final:
            return None
        return not following or following[0] in RECORD_TYPES
    return (
        _HEADER_START.match(following) is not None
        and (following[3] << 8 | following[4]) <= MAX_FRAGMENT
    )


def _speaks_for_itself(content_type: int, length: int, body: bytearray) -> bool:
    """Whether a fragment's first bytes leave no doubt that it is one, in clear."""
    if content_type == HANDSHAKE and len(body) == 4:
        return body[0] in CLEAR_TYPES and 4 + int.from_bytes(body[1:], "big") <= length
    if content_type == ALERT:
        return length == 2 and bytes(body[:1]) in (b"\x01", b"\x02")
    return content_type == CHANGE_CIPHER_SPEC and length == 1 and body[:1] == b"\x01"
