"""The arrows between files hold, and a wrong one shows in plain pytest."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ANALYZERS = sorted((ROOT / "analyzers").rglob("*.py"))
SOURCES = [*ANALYZERS, *sorted((ROOT / "proxy").rglob("*.py"))]
CRYPTOGRAPHY = ("analyzers/certificates.py", "analyzers/trust.py")


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
