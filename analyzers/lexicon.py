"""What a rule id, an alert or a pasted error line means: `tlswhy explain TEXT`."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec

from analyzers import rules as rule_families
from analyzers.codepoints import AlertDescription
from analyzers.codepoints.alerts import words
from analyzers.fixes import fixes_for
from analyzers.fixes import table as fix_table
from analyzers.phrases import SpokenAlert, alert_code, alert_names, alerts_in
from analyzers.printable import printable
from analyzers.texts import meanings_of

LONGEST_TEXT = 20_000
"""Characters of a pasted text that are looked at."""
MAX_PARTS = 4
MAX_SUGGESTIONS = 4
MAX_RULES = 8

CAPTURE = (
    "To be sure, let tlswhy see the handshake: tlswhy proxy BROKER, or "
    "tcpdump -w failure.pcap port 8883 and then tlswhy read failure.pcap"
)

_STEPS = {
    "before_server_hello": "before the ServerHello",
    "server_flight": "after the broker's first messages",
    "client_certificate": "where the broker judges the client's certificate",
    "finished": "at the end of the handshake",
    "after_handshake": "after the handshake",
}

_SPEAKERS = {
    "received": "The side that prints this received the alert: the other side complained.",
    "sent": "The side that prints this sent the alert: it complained itself.",
    "unknown": "Look whether it was received or generated: that tells who complained.",
}


class _Error(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pattern: str
    title: str
    who: str
    says: str
    rules: tuple[str, ...]
    capture: str | None = None
    general: bool = False


class _Schannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    name: str
    text: str
    alerts: tuple[int, ...]
    rules: tuple[str, ...]
    local: str | None = None


class _Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    says: str
    rules: tuple[str, ...]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    error: tuple[_Error, ...]
    schannel: tuple[_Schannel, ...]
    erlang: dict[str, str]
    bearssl: dict[str, _Number]


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was recognised."""

    title: str
    """What it is, in a few words; no full stop."""
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    """What is known of it case by case."""
    rules: tuple[tuple[str, str], ...] = ()
    """What it may be: rule id and one sentence."""
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to one text; strangers' characters are printable already."""

    parts: tuple[Part, ...]
    capture: str | None
    """What to capture to be sure; None where that makes no sense."""


@cache
def _table() -> _Table:
    text = resources.files("analyzers").joinpath("data", "errors.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Table)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], _Error], ...]:
    return tuple((re.compile(error.pattern, re.IGNORECASE), error) for error in _table().error)


def explain_text(text: str) -> Explanation | None:
    """What `text` means, or None where nothing in it is known.

    `text` is a rule id, an alert's name or number, or any piece of an error message or
    log, several lines included.
    """
    asked = text.strip()[:LONGEST_TEXT]
    rule = _rule(asked)
    alert = alert_code(asked)
    # "certificate-expired" is the rule, "certificate_expired" and the words are the alert.
    if rule is not None and ("-" in asked or alert is None):
        return Explanation((rule,), None)
    if alert is not None:
        return Explanation((_alert(alert),), CAPTURE)
    number = _bearssl(asked)
    if number is not None:
        return Explanation((number,), CAPTURE)
    parts: dict[str, Part] = {}
    capture = CAPTURE
    for part, extra in _lines(asked):
        if part.title not in parts and len(parts) < MAX_PARTS:
            parts[part.title] = part
            capture = f"{extra} {CAPTURE}" if extra and capture == CAPTURE else capture
    return Explanation(tuple(parts.values()), capture) if parts else None


def suggestions(text: str) -> list[str]:
    """Rule ids and alert names that resemble `text`, the nearest first."""
    asked = printable(text.strip().lower())[:100]
    choices = [*_rule_ids(), *alert_names()]
    close = difflib.get_close_matches(asked.replace(" ", "-"), choices, MAX_SUGGESTIONS, 0.6)
    return close or difflib.get_close_matches(
        asked.replace(" ", "_"), choices, MAX_SUGGESTIONS, 0.6
    )


def rule_title(rule: str) -> str:
    """One sentence for a rule id, from the catalogue; else the id in words."""
    for known in rule_families.catalogue():
        if known.id == rule:
            return known.title
    return rule.replace("-", " ")


def _rule_ids() -> list[str]:
    ids = [rule.id for rule in rule_families.catalogue()]
    return ids + [rule for rule in fix_table().rule if rule not in ids]


def _rule(asked: str) -> Part | None:
    identifier = asked.lower().replace("_", "-").replace(" ", "-")
    known = next((rule for rule in rule_families.catalogue() if rule.id == identifier), None)
    fixes = tuple(f"{fix.for_}: {fix.text}" for fix in fixes_for(identifier))
    if known is not None:
        paragraphs = tuple(
            f"{heading}: {' '.join(body.split())}"
            for heading, body in known.sections.items()
            if heading != "References"
        )
        title = f"{known.id}: {known.title}"
        return Part(title.rstrip("."), paragraphs, fixes, (), known.references)
    if identifier in fix_table().rule:
        said = "It is part of the vocabulary, and this version has no rule that finds it."
        return Part(identifier, (said,), fixes)
    return None


def _alert(code: int, sender: str | None = None, phase: str | None = None) -> Part:
    """An alert in words; with `sender` or `phase` only what holds for those."""
    alert = AlertDescription(code)
    said = words(code)
    paragraphs = [f"Its sender {said.says}. {said.means}", f"What to look at: {said.check}"]
    windows = next((entry for entry in _table().schannel if code in entry.alerts), None)
    if windows is not None:
        shown = f'"{windows.text}" ({windows.code}, {windows.name})'
        paragraphs.append(f"A Windows program (Schannel) that receives it shows {shown}.")
    notes: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    causes: list[tuple[str, ...]] = []
    for who, phases, note, rules in meanings_of(code):
        if sender in (None, who) and (phase is None or phase in phases):
            notes.setdefault((who, phases), []).append(note)
            causes.append(rules)
    title = f"TLS alert {code}, {alert.label}"
    points = tuple(f"{_where(*key)}: {' '.join(said)}" for key, said in notes.items())
    # The likeliest cause of each case before anybody's second one.
    first = dict.fromkeys(rules[0] for rules in causes)
    others = dict.fromkeys(rule for rules in causes for rule in rules[1:])
    return Part(title, tuple(paragraphs), points, _titles(first | others))


def _where(sender: str, phases: tuple[str, ...]) -> str:
    steps = " or ".join(_STEPS[phase] for phase in phases)
    return f"From the {'broker' if sender == 'server' else 'client'}, {steps}"


def _titles(rules: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple((rule, rule_title(rule)) for rule in list(rules)[:MAX_RULES])


def _bearssl(asked: str) -> Part | None:
    match = re.fullmatch(r"(?:\w+ ){0,4}(?:error|code)?[ :=#]*(\d{2,3})", asked.lower())
    if not match:
        return None
    number = int(match[1])
    own = _table().bearssl.get(str(number))
    if own is not None:
        return Part(
            f"BearSSL error {number}", (f"The client says: {own.says}.",), (), _titles(own.rules)
        )
    code = number % 256
    if number < 256 or number >= 768 or not AlertDescription(code).is_known:
        return None
    verb = "received" if number < 512 else "sent"
    part = _alert(code, "server" if number < 512 else "client")
    said = f"256 + n is alert n received, 512 + n is alert n sent: the client {verb} alert {code}."
    title = f"BearSSL error {number}: {part.title}"
    return Part(title, (said, *part.paragraphs), part.points, part.rules)


def _lines(asked: str) -> Iterator[tuple[Part, str | None]]:
    """What is known in a pasted text, in the order of the table."""
    lowered = asked.lower()
    for entry in _table().schannel:
        if (
            entry.code.lower() in lowered
            or entry.name.lower() in lowered
            or (entry.text.lower() in lowered)
        ):
            yield _schannel(entry), None
    matching = [error for pattern, error in _patterns() if pattern.search(asked)]
    alerts = list(_alert_lines(asked))
    specific = [error for error in matching if not error.general]
    for error in specific or ([] if alerts else matching):
        yield Part(error.title, (error.who, error.says), (), _titles(error.rules)), error.capture
    yield from ((part, None) for part in alerts)


def _schannel(entry: _Schannel) -> Part:
    paragraphs = ["The client speaks (Schannel, Windows' TLS)."]
    if entry.alerts:
        names = " or ".join(f"{AlertDescription(code).label} ({code})" for code in entry.alerts)
        paragraphs.append(f"Either the broker sent the alert {names}, which the wire shows;")
    if entry.local:
        word = "or no alert came" if entry.alerts else "No alert is behind it"
        paragraphs[-1:] = [f"{paragraphs[-1]} {word}: {entry.local}."]
    elif entry.alerts:
        paragraphs[-1] = f"The broker sent the alert {names}, which the wire shows."
    return Part(
        f"{entry.code} {entry.name}: {entry.text}", tuple(paragraphs), (), _titles(entry.rules)
    )


def _alert_lines(asked: str) -> Iterator[Part]:
    for spoken in alerts_in(asked):
        part = _alert(spoken.code, spoken.sender, _phase(spoken))
        if not part.points:
            part = _alert(spoken.code, spoken.sender)
        who = _SPEAKERS[spoken.complaint]
        if spoken.state in _table().erlang:
            who += f' The state "{spoken.state}" means: {_table().erlang[spoken.state]}.'
        yield Part(part.title, (who, *part.paragraphs), part.points, part.rules)


def _phase(spoken: SpokenAlert) -> str | None:
    """The step that a state of Erlang's machine stands for, where it is but one."""
    if spoken.state in ("hello", "start") and spoken.sender == "server":
        return "before_server_hello"
    if spoken.state in ("certify", "wait_cert", "wait_cert_cr", "wait_cv"):
        return "server_flight" if spoken.sender == "client" else "client_certificate"
    return "after_handshake" if spoken.state == "connection" else None
