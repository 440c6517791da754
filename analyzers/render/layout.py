"""Lines that fit: display width, wrapping, names shortened in the middle, and colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

ELLIPSIS = "..."
LONGEST_WORD = 2
"""A word of more lines than this loses its middle instead of filling the screen."""

_STYLES = {"bold": "1", "dim": "2", "bad": "1;31", "good": "1;32", "warn": "33", "head": "1;36"}


def width_of(text: str) -> int:
    """How many terminal columns `text` takes (printable text only)."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _split(text: str, columns: int) -> int:
    """The index at which `text` fills `columns`; at least one character."""
    used = 0
    for index, character in enumerate(text):
        used += _columns(character)
        if used > columns:
            return max(index, 1)
    return len(text)


def shorten(text: str, columns: int) -> str:
    """`text` in at most `columns` columns, its middle left out if it is longer."""
    if width_of(text) <= columns:
        return text
    if columns <= len(ELLIPSIS) + 1:
        return text[: _split(text, columns)] if columns > 0 else ""
    room = columns - len(ELLIPSIS)
    head = text[: _split(text, (room + 1) // 2)]
    tail = text[::-1]
    tail = tail[: _split(tail, room // 2)][::-1]
    return head + ELLIPSIS + tail


def wrap(text: str, columns: int, *, first: str = "", rest: str | None = None) -> list[str]:
    """Break `text` between words into lines of at most `columns` columns.

    `first` stands before the first line, `rest` (spaces as wide as `first`, unless
    given) before the others; both count. A word that is too long is broken, a much too
    long one also loses its middle.
    """
    lead = " " * width_of(first) if rest is None else rest
    lines: list[str] = []
    line, used = first, width_of(first)
    empty = True
    for word in _words(text, max(1, columns - max(width_of(first), width_of(lead)))):
        wide = width_of(word)
        if not empty and used + 1 + wide > columns:
            lines.append(line.rstrip())
            line, used, empty = lead, width_of(lead), True
        if empty:
            line, used, empty = line + word, used + wide, False
        else:
            line, used = f"{line} {word}", used + 1 + wide
    lines.append(line.rstrip())
    return lines


def _break(word: str, most: int) -> int:
    """Where to break a word of which `most` characters fit: after punctuation, if any."""
    for at in range(most, most // 2, -1):
        if word[at - 1] in "/.,;:)(]}=&?-_":
            return at
    return most


def _words(text: str, columns: int) -> Iterator[str]:
    for word in text.split():
        rest = shorten(word, LONGEST_WORD * columns)
        while width_of(rest) > columns:
            at = _break(rest, _split(rest, columns))
            yield rest[:at]
            rest = rest[at:]
        yield rest


def justify(left: str, right: str, columns: int) -> str:
    """`left` and `right` at the two ends of a line, at least two spaces between.

    Whoever is too long for that loses the middle of `left`.
    """
    room = columns - width_of(right) - 2
    shown = shorten(left, max(room, 0))
    return shown + " " * max(columns - width_of(shown) - width_of(right), 0) + right


class Paint:
    """Puts ANSI styles around finished lines, or nothing where colour is off."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, style: str, line: str) -> str:
        """`line` in `style`, one of the names above; an unknown style changes nothing."""
        if not self._colour or not line.strip() or style not in _STYLES:
            return line
        return f"\x1b[{_STYLES[style]}m{line}\x1b[0m"
