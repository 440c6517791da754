"""Strangers' bytes as text that a terminal shows and never obeys.

What is not a visible character becomes its code, `\\x1b`, `\\u202e` or `\\U000e0001`:
control characters (C0, C1, DEL), bidirectional controls, zero-width and other format
characters, surrogates, private-use and unassigned code points, exotic spaces, letters
that look like nothing, and combining marks stacked to smear over other lines.
"""

from __future__ import annotations

import unicodedata

MAX_MARKS = 2
"""Combining marks in a row that are shown; scripts that need them rarely need more."""

# Letters, marks and symbols that Unicode calls printable and that show nothing.
_INVISIBLE = frozenset(
    [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0]
    + [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]
)


def code(character: str) -> str:
    """The escape of one character: `\\xNN`, `\\uNNNN` or `\\UNNNNNNNN`."""
    point = ord(character)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def printable(text: str) -> str:
    """`text` with everything that is not plainly visible written as its code.

    A backslash stays as it is, so that escaping twice changes nothing.
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = MAX_MARKS  # a mark at the very start would sit on our own text
    for character in text:
        if not character.isprintable() or ord(character) in _INVISIBLE:
            shown.append(code(character))
            marks = MAX_MARKS
        elif unicodedata.category(character).startswith("M"):
            shown.append(character if marks < MAX_MARKS else code(character))
            marks += 1
        else:
            shown.append(character)
            marks = 0
    return "".join(shown)


def printable_bytes(data: bytes, *, limit: int | None = None) -> str:
    """Bytes as ASCII text; any other byte, and the backslash, as `\\xNN`.

    Different bytes never give the same text. With `limit`, only that many bytes are
    shown, and the count of the rest is said.
    """
    shown = data if limit is None else data[:limit]
    text = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in shown
    )
    rest = len(data) - len(shown)
    return f"{text}... ({rest} more bytes)" if rest else text
