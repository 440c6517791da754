"""Processes and conditions: whatever is waited for has a deadline and says what it lacked."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
KILL = 9
"""SIGKILL, which not every system names."""
PATIENCE = 30.0
"""Seconds until a condition that should hold at once is given up."""

ENVIRONMENT = {
    "HOME": os.environ.get("HOME", "/"),
    "LC_ALL": "C.UTF-8",
    "PATH": os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin",
}
"""What every program gets: nothing of the user's TLS or MQTT configuration."""


def wait_until(condition: Callable[[], T | None], what: str, *, patience: float = PATIENCE) -> T:
    """Ask `condition` until its answer is true; that answer.

    Raises:
        AssertionError: it was not true within `patience` seconds.
    """
    deadline = time.monotonic() + patience
    pause = 0.001
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {patience:g} s: {what}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return answer


def is_root() -> bool:
    """Whether we may do everything on this machine."""
    return sys.platform != "win32" and os.geteuid() == 0


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether a loopback port is listened on, without connecting to it.

    A connection would leave its own lines in the broker's log.
    """
    wanted = f"0100007F:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        if state == "0A" and local == wanted:
            return True
    return False


class Running:
    """A program in a process group of its own, with its output in a file.

    As a context manager it ends the group on leaving.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        output: Path,
        *,
        environment: Mapping[str, str] | None = None,
        errors: Path | None = None,
    ) -> None:
        """Start `command`; stderr goes to `errors`, or to `output` too."""
        self.command = [str(part) for part in command]
        self.output = output
        with output.open("ab") as out, (errors or output).open("ab") as err:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**ENVIRONMENT, **(environment or {})},
                cwd=output.parent,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def alive(self) -> bool:
        """True while it runs.

        Raises:
            AssertionError: it has ended, with the end of its output.
        """
        assert self.process.poll() is None, (
            f"{self.command[0]} ended with {self.process.returncode}: {self.text()[-2000:]}"
        )
        return True

    def text(self) -> str:
        """All output so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def until_it_says(self, pattern: str, *, since: int = 0) -> re.Match[str]:
        """Wait for output, from the character `since` on, that matches `pattern`."""
        expression = re.compile(pattern)
        return wait_until(
            lambda: expression.search(self.text(), since) if self.alive() else None,
            f"{self.command[0]} says {pattern!r}",
        )

    def until_it_listens(self, port: int) -> None:
        """Wait until the port is listened on."""
        wait_until(lambda: self.alive() and listens(port), f"{self.command[0]} listens on {port}")

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End the whole process group, by force after a while; the exit code."""
        if self.process.poll() is None:
            self._signal(how)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._signal(KILL)
        code = self.process.wait(PATIENCE)
        self._signal(KILL)  # children that outlived their parent
        return code

    def _signal(self, how: int) -> None:
        if sys.platform == "win32":
            raise NotImplementedError("the interop suite is for Linux")
        try:
            os.killpg(self.process.pid, how)
        except (ProcessLookupError, PermissionError):
            # Nobody left; or sudo's child, which is not ours to kill and ends with sudo.
            return
