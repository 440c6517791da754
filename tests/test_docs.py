"""The README and the help say what is so."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from analyzers.connection import MAX_HANDSHAKE_BYTES
from proxy import cli
from proxy.hints import client_hints
from proxy.limits import Limits
from proxy.tap import Endpoint
from tests.test_cli import COMMANDS, inside
from tests.tools.refresh_readme import README, ROOT, outputs, run

TEXT = README.read_text(encoding="utf-8")
PROSE = " ".join(TEXT.split())


def shown_commands() -> Iterator[str]:
    """Every command line in the README's code blocks and in the examples of the help."""
    for block in re.findall(r"```(?:sh|bat)\n(.*?)```", TEXT, re.DOTALL):
        yield from block.splitlines()
    for command in ["", *COMMANDS]:
        examples = inside(*command.split(), "--help")[1].partition("Example")[2]
        yield from examples.splitlines()


def tlswhy_of(line: str) -> str | None:
    """The part of a command line that runs tlswhy."""
    for part in line.split("|"):
        if part.strip().startswith("tlswhy "):
            return part.strip()
    return None


LINES = sorted({found for line in shown_commands() if (found := tlswhy_of(line)) is not None})


@pytest.mark.parametrize("line", LINES)
def test_a_shown_command_line_parses(line: str) -> None:
    arguments = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(cli.app)
    while arguments and arguments[0] in getattr(command, "commands", {}):
        command = getattr(command, "commands")[arguments.pop(0)]  # noqa: B009  (no public type)
    # Raises for an unknown option, a missing argument or a value that does not fit.
    with command.make_context("tlswhy", arguments):
        pass


def test_there_are_command_lines_to_check() -> None:
    assert len(LINES) > 20


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"tlswhy {command}" in TEXT or f"proxy {command}" in TEXT


@pytest.mark.parametrize(("command", "shown"), outputs(TEXT), ids=lambda value: value[:30])
def test_shown_output_is_real(command: str, shown: str) -> None:
    """Refresh it with: python -m tests.tools.refresh_readme."""
    assert shown == run(command)


def test_the_readme_shows_output() -> None:
    assert outputs(TEXT)


@pytest.mark.parametrize("client", ["mqttnet", "mqttjs", "paho-go"])
def test_the_readme_s_client_lines_are_those_of_the_program(client: str) -> None:
    hints = client_hints(Endpoint("127.0.0.1", 8883), "broker.example.com")
    line = next(hint.line for hint in hints if hint.id == client)
    assert line is not None
    assert line in TEXT


def test_python_in_the_readme_compiles() -> None:
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")


def test_paths_in_the_readme_exist() -> None:
    named = set(re.findall(r"`((?:proxy|analyzers|tests|captures)/[\w./-]*)`", TEXT))
    named |= set(re.findall(r"\]\(((?!http|#)[^)]+)\)", TEXT))
    assert named
    for path in named:
        assert (ROOT / path).exists(), path


def test_make_targets_in_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake ([a-z]+)`?", TEXT)) - {"each"}:
        if f"`make {target}`" in TEXT or f"\nmake {target}" in TEXT:
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_limits_in_the_readme_are_the_real_ones() -> None:
    limits = Limits()
    assert f"At most {limits.connections} connections" in PROSE
    assert f"{(limits.read_ahead + limits.chunk) // 1024} KiB a direction" in PROSE
    assert f"{MAX_HANDSHAKE_BYTES >> 20} MiB of handshake messages" in PROSE


def test_the_readme_is_linked_from_the_package() -> None:
    assert 'readme = "README.md"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert Path(README).stat().st_size > 0
