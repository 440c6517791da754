"""How a rule is declared: once, beside its words.

A rule is a generator function named for the fault. Its docstring has a first line (the
title) and the headings below; `tlswhy explain` prints it. It yields nothing where it
does not apply.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from analyzers.case import Case
from analyzers.finding import Finding

HEADINGS = ("What it means", "On the wire", "What to do", "References")
Check = Callable[[Case], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the catalogue."""

    id: str
    """The function's name in words with hyphens; part of the public vocabulary."""
    family: str
    note: bool
    """It never names a cause."""
    title: str
    sections: dict[str, str]
    """The docstring's text under each heading."""
    check: Check

    @property
    def references(self) -> tuple[str, ...]:
        """The lines under "References"."""
        return tuple(line.strip() for line in self.sections["References"].splitlines() if line)


_CATALOGUE: dict[str, Rule] = {}


def rule(family: str, *, note: bool = False) -> Callable[[Check], Check]:
    """Declare a rule.

    Raises:
        ValueError: the id is taken, or the docstring lacks a heading.
    """

    def declare(check: Check) -> Check:
        identifier = check.__name__.replace("_", "-")
        title, sections = _read_docstring(identifier, inspect.getdoc(check) or "")
        if identifier in _CATALOGUE:
            raise ValueError(f"rule {identifier} is declared twice")
        _CATALOGUE[identifier] = Rule(identifier, family, note, title, sections, check)
        return check

    return declare


def declared() -> tuple[Rule, ...]:
    """Every rule declared so far, in order of declaration."""
    return tuple(_CATALOGUE.values())


def _read_docstring(identifier: str, text: str) -> tuple[str, dict[str, str]]:
    title, _, rest = text.partition("\n")
    sections: dict[str, str] = {}
    current: list[str] | None = None
    heading = ""
    for line in rest.splitlines():
        if line.rstrip(":") in HEADINGS:
            heading, current = line.rstrip(":"), []
            sections[heading] = ""
        elif current is not None:
            current.append(line.strip())
            sections[heading] = "\n".join(current).strip()
    missing = [name for name in HEADINGS if not sections.get(name)]
    if not title.strip() or missing:
        raise ValueError(f"rule {identifier} lacks {', '.join(missing) or 'a title'}")
    return title.strip(), sections
