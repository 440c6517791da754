"""`tlswhy lab` and `tlswhy demo`: failures made on this machine, and explained."""

from __future__ import annotations

import sys
from textwrap import fill, indent
from typing import Annotated

import typer

from proxy.commands import options
from proxy.lab import FAMILIES, UnknownScenario
from proxy.limits import UsageError

lab = typer.Typer(
    name="lab",
    help="Every failure that tlswhy explains, made to happen on loopback.",
    rich_markup_mode=None,
)


@lab.command("list")
def list_scenarios(
    family: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"Only one family: {', '.join(FAMILIES)}."),
    ] = None,
) -> int:
    """List the scenarios by family.

    \b
    Examples:
      tlswhy lab list
      tlswhy lab list --family certificate
    """
    from proxy.lab import catalogue

    try:
        scenarios = catalogue(family)
    except UnknownScenario as error:
        raise UsageError(str(error)) from error
    width = max(len(entry.id) for entry in scenarios)
    shown = None
    for entry in scenarios:
        if entry.family != shown:
            print(f"{entry.family}:" if shown is None else f"\n{entry.family}:")
            shown = entry.family
        print(f"  {entry.id:{width}}  {entry.title}")
    return 0


@lab.command("run")
def run_scenario(
    scenario: Annotated[str, typer.Argument(metavar="ID", help="As tlswhy lab list shows it.")],
    json: options.Json = False,
) -> int:
    """Run one scenario and explain it.

    Broker and client are started on loopback with certificates made for the occasion,
    and connect through the proxy. The exit code is 0 where the verdict is the expected
    one, 1 where it is not.

    \b
    Examples:
      tlswhy lab run certificate-expired
      tlswhy lab run certificate-expired --json
    """
    from proxy.lab import run

    try:
        result = run(scenario)
    except UnknownScenario as error:
        raise UsageError(str(error)) from error
    if json:
        from analyzers.render.json import render_json

        print(render_json(result.report, terminal=sys.stdout.isatty()))
    else:
        from analyzers.render.text import render_text

        width = options.text_width(sys.stdout)
        print(f"{result.scenario.id}: {result.scenario.title}\n")
        for paragraph in result.scenario.lesson.split("\n\n"):
            print(fill(" ".join(paragraph.split()), width) + "\n")
        for who, lines in (("client", result.client_saw), ("broker", result.broker_saw)):
            for line in lines:
                print(indent(fill(f"The {who} says: {line}", width - 2), "  "))
        print()
        text = render_text(result.report, width=width, colour=options.use_colour(sys.stdout))
        print(text, end="")
    for difference in result.differences:
        print(f"tlswhy: not the expected explanation: {difference}", file=sys.stderr)
    return 0 if result.as_expected else 1


def demo() -> int:
    """Show the main job on a broker and clients of our own.

    One connection that works and the failure whose alert misleads everybody, on free
    ports of 127.0.0.1. The exit code is 0 where both explanations are right.

    \b
    Example:
      tlswhy demo
    """
    from proxy.demo import run_demo

    return run_demo(
        _write, width=options.text_width(sys.stdout), colour=options.use_colour(sys.stdout)
    )


def _write(text: str) -> None:
    # Flushed, so that the story appears as it happens.
    print(text, end="", flush=True)
