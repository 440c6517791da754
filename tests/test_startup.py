"""`tlswhy --help` answers at once and loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = ("trio", "scapy", "cryptography", "OpenSSL", "rich", "msgspec")
LIMIT = 0.2  # seconds of user and system time


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from proxy.__main__ import main; main(['--help']); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.strip() == "[]"
    assert "Usage: tlswhy" in done.stdout


if sys.platform != "win32":  # there the resource module does not exist

    def test_help_costs_little() -> None:
        import resource

        command = [sys.executable, "-m", "proxy", "--help"]
        costs = []
        for _ in range(8):  # the first writes the bytecode
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            costs.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        assert min(costs[1:]) <= LIMIT, costs


def test_the_entry_point_is_our_own() -> None:
    pyproject = Path(__file__).parent.parent / "pyproject.toml"
    assert 'tlswhy = "proxy.__main__:main"' in pyproject.read_text(encoding="utf-8")
