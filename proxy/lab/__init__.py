"""The lab: every failure that tlswhy explains, made to happen on this machine.

Light to import: the scenarios and their libraries are loaded by the functions.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.lab._scenario import Scenario
    from proxy.lab.runner import LabResult

__all__ = ["FAMILIES", "UnknownScenario", "catalogue", "find", "run"]

FAMILIES = (
    "healthy",
    "sound-chain",
    "negotiation",
    "psk",
    "certificate",
    "chain",
    "refused",
    "client-certificate",
    "transport",
    "interrupted",
    "mqtt",
)
"""The families in teaching order; each is the file of its scenarios."""


class UnknownScenario(LookupError):
    """No scenario or family has this name; the message says which ones are near."""

    def __str__(self) -> str:
        return str(self.args[0])


def catalogue(family: str | None = None) -> tuple[Scenario, ...]:
    """All scenarios, or those of one family, in teaching order.

    Raises:
        UnknownScenario: there is no such family.
    """
    if family is not None and family not in FAMILIES:
        raise UnknownScenario(f"no family {family!r}: there are {', '.join(FAMILIES)}")
    for name in FAMILIES:
        importlib.import_module(f"proxy.lab.{name.replace('-', '_')}")
    from proxy.lab._scenario import registered

    found = sorted(registered(), key=lambda entry: FAMILIES.index(entry.family))
    return tuple(entry for entry in found if family is None or entry.family == family)


def find(scenario_id: str) -> Scenario:
    """The scenario with this id.

    Raises:
        UnknownScenario: there is none.
    """
    known = {entry.id: entry for entry in catalogue()}
    if scenario_id in known:
        return known[scenario_id]
    near = difflib.get_close_matches(scenario_id, known, n=3, cutoff=0.55)
    hint = f"do you mean {', '.join(near)}?" if near else "see: tlswhy lab list"
    raise UnknownScenario(f"no scenario {scenario_id!r}: {hint}")


def run(scenario_id: str) -> LabResult:
    """Run a scenario through the real relay on loopback, now, and explain it.

    Raises:
        UnknownScenario: there is none of this id.
        OSError: the machine has no loopback port or file descriptor left.
    """
    import trio

    from proxy.lab.runner import run_scenario

    return trio.run(run_scenario, find(scenario_id))
