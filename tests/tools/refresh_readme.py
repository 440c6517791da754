"""Puts the real output into README.md: `python -m tests.tools.refresh_readme`.

An output block is a fenced block of text after a comment that names its command.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
README = ROOT / "README.md"
_BLOCK = re.compile(r"(<!-- output of: tlswhy (.+?) -->\n```text\n)(.*?)(```\n)", re.DOTALL)


def outputs(text: str) -> list[tuple[str, str]]:
    """The commands whose output the README shows, and what it shows."""
    return [(match[2], match[3]) for match in _BLOCK.finditer(text)]


def run(command: str) -> str:
    """What `tlswhy COMMAND` prints at 80 columns, without its last, counting lines."""
    done = subprocess.run(
        [sys.executable, "-m", "proxy", *shlex.split(command)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == "", done.stderr
    return done.stdout.rpartition("\n\n")[0] + "\n"


def refreshed(text: str) -> str:
    """The README with every output as it is today."""
    return _BLOCK.sub(lambda match: match[1] + run(match[2]) + match[4], text)


if __name__ == "__main__":
    README.write_text(refreshed(README.read_text(encoding="utf-8")), encoding="utf-8")
