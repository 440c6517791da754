"""What an alert means from this stack, at this step, from `data/alerts.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

Certainty = Literal["certain", "likely", "possible"]
ANY_STACK = "*"


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stacks: tuple[str, ...]
    sender: Literal["client", "server"]
    phases: tuple[str, ...]
    code: int
    rules: tuple[str, ...]
    certainty: Certainty
    note: str
    source: str
    versions: tuple[str, ...] = ()


class _Stack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a TLS stack refuses; None where it is not known."""

    silent_client: bool | None = None
    silent_server: bool | None = None
    clear_alerts: bool | None = None
    padding: int = 0


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stack: dict[str, _Stack]
    meaning: tuple[_Row, ...]


@dataclass(frozen=True, slots=True)
class Meaning:
    """One cause that an alert may stand for."""

    rule: str
    """The rule id of the cause."""
    certainty: Certainty
    """How far the alert alone, from this stack at this step, points to it."""
    note: str
    """One sentence that says why."""
    source: str
    """Where this was learnt: "captures", a document, or addresses."""


@cache
def _table() -> _Table:
    text = resources.files("analyzers").joinpath("data", "alerts.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Table)


@cache
def alert_meanings(
    family: str | None,
    sender: Literal["client", "server"],
    phase: str,
    code: int,
    version: str | None,
) -> tuple[Meaning, ...]:
    """The causes that an alert may stand for, the likeliest first; () where none is known.

    What is known of the stack `family` comes before what holds for any stack; if the
    stack is known, the general causes are "possible" at most, unless they are certain by
    the alert's definition. `phase` is the report's outcome.phase, `version` as in
    "TLS 1.2" (None: not agreed).
    """
    rows = [
        row
        for row in _table().meaning
        if row.sender == sender and row.code == code and phase in row.phases
    ]
    rows = [row for row in rows if not row.versions or version is None or version in row.versions]
    own = [row for row in rows if family in row.stacks]
    general = [row for row in rows if ANY_STACK in row.stacks]
    found: dict[str, Meaning] = {}
    for meaning in _meanings(own, weaken=False):
        found.setdefault(meaning.rule, meaning)
    for meaning in _meanings(general, weaken=bool(own)):
        found.setdefault(meaning.rule, meaning)
    return tuple(found.values())


def _meanings(rows: list[_Row], *, weaken: bool) -> Iterator[Meaning]:
    for row in rows:
        for place, rule in enumerate(row.rules):
            certainty: Certainty = row.certainty if place == 0 else "possible"
            if weaken and certainty == "likely":
                certainty = "possible"
            yield Meaning(rule, certainty, row.note, row.source)


def known_alert_codes() -> frozenset[int]:
    """The alert numbers of which the table says anything."""
    return frozenset(row.code for row in _table().meaning)


def meanings_of(code: int) -> tuple[tuple[str, tuple[str, ...], str, tuple[str, ...]], ...]:
    """All that is known of an alert: (sender, phases, note, rules), the general first."""
    rows = [row for row in _table().meaning if row.code == code]
    rows.sort(key=lambda row: ANY_STACK not in row.stacks)
    return tuple((row.sender, row.phases, row.note, row.rules) for row in rows)


def _stack(family: str | None) -> _Stack:
    return _table().stack.get(family or "", _Stack())


def silent_refuser(family: str | None) -> bool | None:
    """Whether a client of this stack refuses the server's certificate without an alert.

    None where it is not known. A program may differ from its stack: gmqtt uses OpenSSL
    and closes silently.
    """
    return _stack(family).silent_client


def silent_server(family: str | None) -> bool | None:
    """Whether a server of this stack refuses client certificates without an alert."""
    return _stack(family).silent_server


def sends_clear_alerts(family: str | None) -> bool | None:
    """Whether a TLS 1.3 client of this stack refuses the certificate by a readable alert.

    Its write keys are not switched yet when it reads the certificate; the server then
    cannot decrypt what it takes for an encrypted record.
    """
    return _stack(family).clear_alerts


def alert_padding(family: str | None) -> int:
    """Bytes of padding that this stack adds to TLS 1.3 records (0 where not known)."""
    return _stack(family).padding
