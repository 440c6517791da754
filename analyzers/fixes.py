"""What to change in this client and this broker, from `data/fixes.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template
from typing import Literal

import msgspec

from analyzers.printable import printable

MAX_PROGRAMS = 2
"""Programs named a side, where only the TLS stack is known."""
LONGEST_NAME = 120
"""Longer server names are not written into commands."""


class _RuleFixes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What each side changes; at least one side has something to change."""

    client: str | None = None
    broker: str | None = None
    client_how: str | None = None
    broker_how: str | None = None
    first: Literal["client", "broker"] = "client"


class _Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client, a broker, or a TLS stack where the program is not known."""

    name: str
    link: str
    how: dict[str, str]
    aliases: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    stacks: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    managed: bool = False

    def is_called(self, key: str, hint: str) -> bool:
        """Whether a user's words name this program."""
        wanted = hint.casefold().strip()
        names = (key, self.name, *self.aliases)
        return any(name.casefold() == wanted for name in names)

    def writes(self, stack: str) -> bool:
        """Whether hellos of this stack, as `analyzers.stacks` names it, are this program's."""
        return any(stack.startswith(name) for name in self.stacks)

    def serves(self, host: str) -> bool:
        """Whether `host` is one of this program's (or service's) own names."""
        wanted = host.casefold().rstrip(".")
        return any(
            wanted.endswith(ending) if ending.startswith(".") else wanted == ending
            for ending in self.hosts
        )


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rule: dict[str, _RuleFixes]
    client: dict[str, _Program]
    stack: dict[str, _Program]
    broker: dict[str, _Program]


@dataclass(frozen=True, slots=True)
class Fix:
    """One change: in which program, and what."""

    for_: str
    """The program's name, or "client" or "broker"."""
    text: str
    """Whole sentences; printable."""


@cache
def table() -> _Table:
    """The fix texts as they are shipped."""
    text = resources.files("analyzers").joinpath("data", "fixes.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Table)


def fixes_for(
    rule_id: str,
    *,
    client: str | None = None,
    broker: str | None = None,
    client_family: str | None = None,
    client_stack: str | None = None,
    server_family: str | None = None,
    server_name: str | None = None,
    port: int | None = None,
) -> list[Fix]:
    """What to change for `rule_id`, the side that is probably at fault first.

    `client` and `broker` are the user's words for the programs (keys, names or aliases
    of the table; unknown words become labels); the families and the client's stack (its
    name, more exact) are what the hellos' structure points to; `server_name` also
    reveals hosted brokers. An unknown rule, or one with nothing to change, gives an
    empty list.
    """
    rule = table().rule.get(rule_id)
    if rule is None:
        return []
    clients = client_programs(client, client_family, client_stack)
    brokers = broker_programs(broker, server_family, server_name)
    sides = {
        "client": _side(rule.client, rule.client_how, clients, client or "client"),
        "broker": _side(rule.broker, rule.broker_how, brokers, broker or "broker"),
    }
    other: Literal["client", "broker"] = "broker" if rule.first == "client" else "client"
    names = _names(server_name, port)
    return [
        Fix(printable(fix.for_), Template(fix.text).safe_substitute(names))
        for fix in sides[rule.first] + sides[other]
    ]


def link_for(program: str) -> str | None:
    """The documentation of a program, by the name that a fix is for."""
    known = table()
    for programs in (known.client, known.broker, known.stack):
        for key, entry in programs.items():
            if entry.is_called(key, program):
                return entry.link
    return None


def client_programs(
    hint: str | None, family: str | None, stack: str | None = None
) -> list[_Program]:
    """The client programs meant by the user's word, else by the TLS stack; at most two."""
    known = table()
    if hint is not None:
        return [entry for key, entry in known.client.items() if entry.is_called(key, hint)][:1]
    found = [entry for entry in known.client.values() if stack and entry.writes(stack)]
    found = found or [entry for entry in known.client.values() if family in entry.families]
    if not found and family in known.stack:
        found = [known.stack[family]]
    return found[:MAX_PROGRAMS]


def broker_programs(hint: str | None, family: str | None, host: str | None) -> list[_Program]:
    """The brokers meant by the user's word, else by the host name, else by the stack."""
    known = table().broker
    if hint is not None:
        return [entry for key, entry in known.items() if entry.is_called(key, hint)][:1]
    hosted = [entry for entry in known.values() if host and entry.serves(host)]
    if hosted:
        return hosted[:1]
    return [entry for entry in known.values() if family in entry.families][:MAX_PROGRAMS]


def _side(what: str | None, topic: str | None, programs: list[_Program], label: str) -> list[Fix]:
    """The rule's text with the first program's, then the other programs' alone."""
    if what is None:
        return []
    if programs and programs[0].managed:
        # Nobody but its operator can change the service itself.
        service = programs[0]
        return [Fix(service.name, service.how[topic])] if topic and topic in service.how else []
    hows = [(entry.name, entry.how[topic]) for entry in programs if topic and topic in entry.how]
    if not hows:
        return [Fix(programs[0].name if len(programs) == 1 else label, what)]
    first, *rest = hows
    joined = f"{what.rstrip('.')}: {first[1]}"
    return [Fix(first[0], joined), *(Fix(name, how) for name, how in rest)]


def _names(server_name: str | None, port: int | None) -> dict[str, str]:
    shown = printable(server_name) if server_name else ""
    if not shown or len(shown) > LONGEST_NAME or "\\x" in shown or "\\u" in shown.lower():
        shown = "BROKER"
    return {"name": shown, "port": str(port) if port is not None else "8883"}
