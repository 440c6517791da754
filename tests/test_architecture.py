"""The arrows between files hold, and a wrong one shows in plain pytest."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ANALYZERS = sorted((ROOT / "analyzers").rglob("*.py"))
SOURCES = [*ANALYZERS, *sorted((ROOT / "proxy").rglob("*.py"))]
HEAVY = ("trio", "scapy", "cryptography", "OpenSSL", "jinja2", "asyncio")
CPU_LIMIT = 0.2
"""Seconds of user and system time for `tlswhy --help`."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_import_contracts() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as c; c()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", ANALYZERS, ids=name)
def test_analyzers_open_no_file_and_read_no_clock(path: Path) -> None:
    """What an import contract cannot see: built-in names and methods of harmless modules."""
    wrong = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="open" | "print" | "input" | "exec" | "eval" as call)):
                wrong.append(f"line {node.lineno}: {call}()")
            case ast.Call(func=ast.Attribute(attr="now" | "utcnow" | "today" as call)):
                wrong.append(f"line {node.lineno}: .{call}()")
            case ast.Global(names=names):
                wrong.append(f"line {node.lineno}: global {', '.join(names)}")
    assert not wrong


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_has_one_reason_to_change(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 450, "split it: nobody reads a file of this length"


def test_every_source_file_opens_with_its_purpose() -> None:
    silent = [
        name(path)
        for path in SOURCES
        if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert not silent


def test_both_packages_are_typed_and_have_one_version() -> None:
    assert (ROOT / "proxy/py.typed").exists()
    assert (ROOT / "analyzers/py.typed").exists()
    assert metadata.version("tlswhy")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from proxy.__main__ import main; code = main(['--help']); "
        f"print('loaded:', *sorted(set({HEAVY}) & sys.modules.keys())); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_help_costs_little() -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no wait4")
    # Without what measures coverage in every child.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    costs = []
    for _ in range(7):
        child = subprocess.Popen(
            [sys.executable, "-m", "proxy", "--help"], stdout=subprocess.DEVNULL, env=environment
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        costs.append(used.ru_utime + used.ru_stime)
    assert min(costs) <= CPU_LIMIT, costs
