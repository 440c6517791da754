"""`tlswhy demo`: the main job with nothing else installed.

A broker, clients and the proxy between them, all on free ports of this machine: one
connection that works, and the failure whose alert misleads everybody.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import trio

from analyzers.render.text import render_text
from proxy.lab import find
from proxy.lab.runner import run_scenario


@dataclass(frozen=True, slots=True)
class Act:
    """One part of the demo."""

    scenario: str
    heading: str
    story: str


ACTS = (
    Act(
        "healthy-tls13",
        "A client that connects",
        "The client trusts the broker's CA and keeps the broker's name, although it "
        "connects to the proxy.",
    ),
    Act(
        "alert-misleads",
        "A client that does not, and whose alert misleads",
        "What MQTTnet on Windows 11 sends to a broker whose certificate is invalid. Windows' TLS "
        "runs nowhere else, so a script plays it after the recorded case; the broker is real.",
    ),
)


def run_demo(write: Callable[[str], object], *, width: int = 80, colour: bool = False) -> int:
    """Run both acts and print what happens; the exit code, 0 where both are explained right.

    Raises:
        OSError: no loopback port or no file descriptor was left.
    """
    return trio.run(_perform, write, width, colour)


async def _perform(write: Callable[[str], object], width: int, colour: bool) -> int:
    _say(
        write,
        width,
        "A small MQTT broker with TLS, a client, and the proxy between them, on free ports of "
        "127.0.0.1. Nothing is decrypted and nothing leaves this machine.",
    )
    wrong: list[str] = []
    for number, act in enumerate(ACTS, 1):
        write(f"\n{number}. {act.heading}\n")
        _say(write, width, act.story, indent="   ")
        result = await run_scenario(find(act.scenario))
        _say(write, width, f"The client's user reads: {result.client_saw[-1]}", indent="   ")
        _say(write, width, f"The broker logs: {result.broker_saw[-1]}", indent="   ")
        write("   tlswhy explains:\n\n")
        write(render_text(result.report, width=width, colour=colour, number=number))
        wrong += [f"{act.scenario}: {difference}" for difference in result.differences]
    write("\n")
    if wrong:
        _say(write, width, "This is not the expected explanation: " + "; ".join(wrong))
        return 1
    _say(
        write,
        width,
        "Both explanations are right. Now your own client: start `tlswhy proxy BROKER` and point "
        "the client at localhost:8883. More failures: `tlswhy lab list`.",
    )
    return 0


def _say(write: Callable[[str], object], width: int, text: str, *, indent: str = "") -> None:
    columns = max(40, width)
    write(textwrap.fill(text, columns, initial_indent=indent, subsequent_indent=indent) + "\n")
