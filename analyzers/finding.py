"""One answer: what was found, how sure it is, and the bytes that show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from analyzers.events import Event

Role = Literal["cause", "contributing", "ruled_out", "note"]
Certainty = Literal["certain", "likely", "possible"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A place in the bytes and what it says."""

    says: str
    event: Event | None = None
    """What was seen there; None for evidence that is an absence."""
    offset: int | None = None
    """Within the handshake message, header included."""
    length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An answer of one rule."""

    rule: str
    role: Role
    certainty: Certainty
    title: str
    """One sentence: what is wrong."""
    explanation: str
    """Why, in plain words, with the facts of this connection."""
    evidence: tuple[Evidence, ...] = field(default=())
    references: tuple[str, ...] = field(default=())
    weight: int = 50
    """How specific it is, 0 to 100: orders causes of comparable certainty."""

    @property
    def rank(self) -> tuple[int, int, int]:
        """Sort key, best first.

        What is merely possible comes after what is not; among the rest the most
        specific comes first, because a family ("refused") is always as certain.
        """
        sure = {"certain": 0, "likely": 1, "possible": 2}[self.certainty]
        return (1 if sure == 2 else 0, -self.weight, sure)
