"""The real `tlswhy` as a program: a proxy before a port, and the reading of a capture."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.interop.machine import ENVIRONMENT, LOOPBACK, PATIENCE, Running, wait_until

TLSWHY: tuple[str | Path, ...] = (sys.executable, "-m", "proxy")

Json = dict[str, Any]
"""A report, read as any other program would read it."""


class Proxied:
    """`tlswhy proxy` before a broker's port; `port` is where clients connect."""

    def __init__(self, broker_port: int, folder: Path, port: int) -> None:
        self.port = port
        self._log = folder / "log.jsonl"
        self.screen = folder / "screen.txt"
        command = [*TLSWHY, "proxy", f"localhost:{broker_port}"]
        command += ["--connect", LOOPBACK, "--listen", f"{LOOPBACK}:{port}", "--log", self._log]
        self._running = Running(command, self.screen)

    def __enter__(self) -> Self:
        try:
            self._running.until_it_listens(self.port)
        except BaseException:
            self._running.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        code = self._running.stop(signal.SIGINT)
        if kind is None:
            assert code == 0, f"the proxy ended with {code}: {self._running.text()}"

    def report(self) -> Json:
        """The one connection, as the log tells it once the connection has ended."""
        wait_until(
            lambda: self._running.alive() and self._log.exists() and self._log.stat().st_size,
            "the log has a line",
        )
        (line,) = self._log.read_text(encoding="utf-8").splitlines()
        return dict(json.loads(line))


def read(capture: Path) -> Json:
    """The one connection of a capture, as `tlswhy read --json` tells it."""
    done = subprocess.run(
        [*TLSWHY, "read", "--json", capture],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=PATIENCE,
        check=False,
    )
    (line,) = done.stdout.splitlines() or [""]
    assert done.returncode in (0, 1), done.stderr
    report = dict(json.loads(line))
    assert done.returncode == (1 if report["verdict"] else 0), "the exit code tells of a cause"
    return report


def findings(report: Json) -> list[tuple[str, str, str]]:
    """Rule, role and certainty of each finding, in order."""
    return [(f["rule"], f["role"], f["certainty"]) for f in report["findings"]]


def handshake(report: Json) -> Json | None:
    """All facts of the handshake that do not depend on where it was observed."""
    if report["tls"] is None:
        return None
    tls: Json = json.loads(json.dumps(report["tls"]))
    for entry in (*tls["alerts"], *tls["messages"]):
        del entry["at_ms"]
    # What both say at the same moment passes two observers in two orders; the sort is
    # stable, so the order within a direction counts.
    for entries in (tls["messages"], tls["alerts"]):
        entries.sort(key=lambda entry: entry["from"])
    if report["outcome"]["failed_by"] is None:
        # Two farewells that cross: which of them answers the other depends on the place.
        for alert in tls["alerts"]:
            del alert["reaction"]
    tls["history"] = "".join(sorted(tls["history"], key=str.isupper))
    if tls["client_hello"]:
        del tls["client_hello"]["fragments"]["segments"]
    return tls
