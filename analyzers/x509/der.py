"""A bounded cursor over DER (X.690) and the few universal types certificates use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from analyzers.errors import Malformed, Truncated

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
TELETEX_STRING = 0x14
IA5_STRING = 0x16
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
VISIBLE_STRING = 0x1A
UNIVERSAL_STRING = 0x1C
BMP_STRING = 0x1E
SEQUENCE = 0x30
SET = 0x31

MAX_OID_BYTES = 64
"""Longer object identifiers are refused: their arcs cost quadratic time."""
MAX_TIME_BYTES = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Element:
    """One tag-length-value; offsets count from the start of `data`."""

    data: bytes
    struct: str
    tag: int
    """The identifier octet: class, constructed bit and number."""
    start: int
    body: int
    """Where the value begins."""
    end: int

    @property
    def raw(self) -> bytes:
        """Tag, length and value."""
        return self.data[self.start : self.end]

    @property
    def content(self) -> bytes:
        """The value alone."""
        return self.data[self.body : self.end]

    def inside(self, struct: str | None = None) -> DerReader:
        """A reader that sees the value only."""
        return DerReader(self.data, struct or self.struct, start=self.body, end=self.end)

    def fault(self, field: str, reason: str) -> Malformed:
        """The error that says what is wrong with this element."""
        return Malformed(self.struct, field, self.start, reason=reason)


class DerReader:
    """Reads elements one after another and never beyond its end.

    Lengths that are not minimal are accepted, for there is no doubt what they mean;
    indefinite lengths and multi-byte tags are refused.
    """

    __slots__ = ("_data", "_end", "_pos", "struct")

    def __init__(self, data: bytes, struct: str, *, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._pos = start
        self._end = len(data) if end is None else end
        self.struct = struct

    @property
    def left(self) -> int:
        """How many bytes are still unread."""
        return self._end - self._pos

    @property
    def offset(self) -> int:
        """Bytes from the start of the data to the next unread byte."""
        return self._pos

    def next(self, field: str, *tags: int) -> Element:
        """Read the next element, which must have one of `tags` if any are given.

        Raises:
            Truncated: it reaches beyond the end.
            Malformed: another tag, or a length that DER does not allow.
        """
        data, start, end = self._data, self._pos, self._end
        if end - start < 2:
            raise Truncated(self.struct, field, start, needed=2, had=end - start)
        tag = data[start]
        if tag & 0x1F == 0x1F:
            raise Malformed(self.struct, field, start, reason="has a tag of several bytes")
        if tags and tag not in tags:
            raise Malformed(self.struct, field, start, reason=f"has the unexpected tag 0x{tag:02X}")
        length = data[start + 1]
        body = start + 2
        if length & 0x80:
            width = length & 0x7F
            if not width:
                raise Malformed(self.struct, field, start, reason="has an indefinite length")
            if width > 4:
                raise Malformed(self.struct, field, start, reason="has an absurd length")
            if width > end - body:
                raise Truncated(self.struct, field, start, needed=2 + width, had=end - start)
            length = int.from_bytes(data[body : body + width], "big")
            body += width
        if length > end - body:
            raise Truncated(
                self.struct, field, start, needed=body - start + length, had=end - start
            )
        self._pos = body + length
        return Element(data, self.struct, tag, start, body, body + length)

    def optional(self, field: str, tag: int) -> Element | None:
        """Read the next element if it has this tag, else leave everything as it is."""
        if self.left and self._data[self._pos] == tag:
            return self.next(field, tag)
        return None

    def enter(self, field: str, tag: int = SEQUENCE, struct: str | None = None) -> DerReader:
        """Read the next element and open it."""
        return self.next(field, tag).inside(struct)

    def each(self, field: str, *, limit: int, tags: tuple[int, ...] = ()) -> Iterator[Element]:
        """The remaining elements, at most `limit`.

        Raises:
            Malformed: there are more than `limit`.
        """
        count = 0
        while self.left:
            if count == limit:
                raise Malformed(self.struct, field, self._pos, reason=f"has over {limit} elements")
            count += 1
            yield self.next(field, *tags)


def read_oid(element: Element, field: str) -> str:
    """An OBJECT IDENTIFIER in dotted form."""
    content = element.content
    if not content or len(content) > MAX_OID_BYTES or content[-1] & 0x80:
        raise element.fault(field, "is no object identifier")
    arcs: list[int] = []
    value = 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def read_integer(element: Element, field: str, *, most: int = 8192) -> int:
    """An INTEGER of at most `most` bytes."""
    content = element.content
    if not content or len(content) > most:
        raise element.fault(field, f"is an integer of {len(content)} bytes")
    return int.from_bytes(content, "big", signed=True)


def read_boolean(element: Element, field: str) -> bool:
    """A BOOLEAN; any non-zero byte is true, as in BER."""
    if len(element.content) != 1:
        raise element.fault(field, "is no boolean")
    return element.content != b"\x00"


def read_bit_string(element: Element, field: str) -> bytes:
    """The bytes of a BIT STRING that holds whole bytes."""
    content = element.content
    if not content:
        raise element.fault(field, "is empty")
    if content[0]:
        raise element.fault(field, "does not hold whole bytes")
    return content[1:]


def read_named_bits(element: Element, names: tuple[str, ...], field: str) -> tuple[str, ...]:
    """The names of the bits that are set in a BIT STRING, in bit order."""
    content = element.content
    if not content or content[0] > 7:
        raise element.fault(field, "is no bit string")
    bits = content[1:]
    return tuple(
        name
        for index, name in enumerate(names)
        if index // 8 < len(bits) and bits[index // 8] & 0x80 >> index % 8
    )


def read_time(element: Element, field: str) -> float:
    """A UTCTime or GeneralizedTime in seconds since the Unix epoch (RFC 5280 4.1.2.5).

    Seconds may be missing and an offset present, which RFC 5280 forbids and old
    programs write.
    """
    try:
        text = element.content[:MAX_TIME_BYTES].decode("ascii")
        return _seconds(text, short=element.tag == UTC_TIME)
    except (ValueError, OverflowError):
        raise element.fault(field, "is no date") from None


def _seconds(text: str, *, short: bool) -> float:
    """Seconds since the epoch of "YYMMDDHHMM[SS](Z|+hhmm|-hhmm)", or with four year digits."""
    offset = 0
    if text.endswith("Z"):
        digits = text[:-1]
    elif len(text) > 5 and text[-5] in "+-" and text[-4:].isdecimal():
        digits = text[:-5]
        offset = (int(text[-4:-2]) * 60 + int(text[-2:])) * 60
        if text[-5] == "-":
            offset = -offset
    else:
        raise ValueError(text)
    digits = digits.partition(".")[0]
    if not (digits.isascii() and digits.isdecimal()):
        raise ValueError(text)
    width = 2 if short else 4
    if len(digits) not in (width + 8, width + 10):
        raise ValueError(text)
    year = int(digits[:width])
    if short:
        year += 1900 if year >= 50 else 2000
    month, day, hour, minute, second = (
        int(digits[at : at + 2] or "0") for at in range(width, width + 10, 2)
    )
    moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    return (moment - _EPOCH).total_seconds() - offset


_ENCODINGS = {
    UTF8_STRING: "utf-8",
    PRINTABLE_STRING: "utf-8",
    IA5_STRING: "utf-8",
    VISIBLE_STRING: "utf-8",
    TELETEX_STRING: "latin-1",
    UNIVERSAL_STRING: "utf-32-be",
    BMP_STRING: "utf-16-be",
}


def read_text(element: Element) -> str | None:
    """A character string of any kind; None for another type.

    Not printable yet. Bytes that do not fit the declared kind are read as Latin-1,
    so that something can be shown.
    """
    encoding = _ENCODINGS.get(element.tag)
    if encoding is None:
        return None
    try:
        return element.content.decode(encoding)
    except ValueError:
        return element.content.decode("latin-1")
