"""What a direction begins with: TLS or something else, however its bytes were cut."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from analyzers.events import Direction
from analyzers.plaintext import Fact, looks_like_tls, recognise
from analyzers.records import RECORD_TYPES

MAX_PREFIX = 4096
"""Bytes looked at to recognise what is not TLS."""


class _Tls(enum.Enum):
    TLS = 1


TLS: Final = _Tls.TLS
"""The answer for a TLS record."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Something else than TLS."""

    kind: str
    says: str
    detail: dict[str, Fact]
    consumed: int
    """Bytes of it after which something else begins; 0 if it goes on for good."""
    length: int
    """Fewest bytes on which the judgement rests."""


def read_opening(direction: Direction, data: bytes, *, final: bool) -> Opening | _Tls | None:
    """Judge a direction's first bytes (at least one); None while more of them are needed.

    `final` says that no more will come: then there is always an answer.
    """
    verdict = looks_like_tls(data)
    if verdict or (verdict is None and final and data[0] in RECORD_TYPES):
        return TLS
    if verdict is None and not final:
        return None
    data = data[:MAX_PREFIX]
    found = recognise(direction, data, final=final or len(data) == MAX_PREFIX)
    if found is None:
        return None
    length = len(data) if final else _fewest(direction, data)
    return Opening(found.kind, found.says, dict(found.detail), found.consumed, length)


def _fewest(direction: Direction, data: bytes) -> int:
    """How many bytes the recogniser needs: with more, its answer stays."""
    low, high = 1, len(data)
    while low < high:
        middle = (low + high) // 2
        if recognise(direction, data[:middle]) is None:
            low = middle + 1
        else:
            high = middle
    return low
