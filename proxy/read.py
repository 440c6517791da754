"""`tlswhy read`: connections of captures, explained and shown as they come."""

from __future__ import annotations

import sys
from typing import TypedDict

from analyzers import diagnose
from analyzers.offline import Reading
from analyzers.printable import printable
from analyzers.render.json import render_json
from analyzers.render.summary import Tally, render_summary_line
from analyzers.render.text import render_text
from analyzers.report import Report
from proxy.bundle import Case
from proxy.limits import Latest, Limits

_FULL_MEMORY = 4096
"""Ways to fail that are remembered, to show each in full once."""


class ProgressLine:
    """One line on the terminal that says how far a file has been read."""

    def __init__(self, name: str) -> None:
        self._name = printable(name)[-40:]
        self._shown = 0

    def show(self, read: int, total: int | None) -> None:
        """Take the bytes read and those there are, as they lie on disk."""
        share = f"{read * 100 // total} %" if total else f"{read / 1e6:.0f} MB"
        text = f"reading {self._name}: {share}"
        print(f"\r{text:{self._shown}}", end="", file=sys.stderr, flush=True)
        self._shown = len(text)

    def clear(self) -> None:
        """Wipe the line, so that something else can be printed there."""
        if self._shown:
            print(f"\r{'':{self._shown}}\r", end="", file=sys.stderr, flush=True)
            self._shown = 0


class _Look(TypedDict):
    width: int
    colour: bool
    number: int


class CaptureRun:
    """What was explained so far, over all files."""

    def __init__(self, *, json: bool, failures: bool, keep: bool, width: int, colour: bool) -> None:
        """`keep` the failed ones for a bundle; `failures`: show no others."""
        self.tally = Tally()
        self.bugs: list[str] = []
        """What is wrong with us."""
        self.kept = Latest[Case](Limits().bundled if keep else 0, Limits().bundled_bytes)
        self._seen: dict[tuple[object, ...], int] = {}
        self._warnings: list[str] = []
        self._number = 0
        self._json = json
        self._failures = failures
        self._colour = colour
        self._width = width

    def take(self, connections: Reading, line: ProgressLine) -> None:
        """Explain and show one file's connections as they come.

        Raises:
            CannotRead: the file cannot be read any further.
            KeyboardInterrupt: after the connections that were open then; at once for a
                second one.
        """
        try:
            try:
                self._take(connections, line)
            except KeyboardInterrupt:
                connections.stop()
                self._take(connections, line)
                raise
        finally:
            self._warnings += connections.summary.warnings

    def _take(self, connections: Reading, line: ProgressLine) -> None:
        for transcript, context in connections:
            self._number += 1
            try:
                report = diagnose.explain(transcript, context)
            except Exception as error:
                # One connection that we fail on must not hide the others.
                self.bugs.append(
                    f"connection {self._number} of {context.name} (stream {context.stream}) "
                    f"could not be explained, a bug: {type(error).__name__}: {error}"
                )
                continue
            self.tally.add(report, self._number)
            if report.verdict is not None:
                self.kept.add(Case(transcript, context, report), transcript.handshake_bytes)
            elif self._failures:
                continue
            line.clear()
            self._show(report)

    def _show(self, report: Report) -> None:
        # Flushed, because a capture may come from a pipe and be read by one, live.
        if self._json:
            print(render_json(report, terminal=sys.stdout.isatty()), flush=True)
            return
        look: _Look = {"width": self._width, "colour": self._colour, "number": self._number}
        first = self._first_like(report)
        if first is not None:
            # A client that tries again and again fails in the same way each time.
            print(
                f"{render_summary_line(report, **look)}\n       the same as #{first}\n", flush=True
            )
        else:
            print(render_text(report, **look), flush=True)

    def _first_like(self, report: Report) -> int | None:
        """The number of an earlier connection between the same two that failed the same."""
        if report.verdict is None:
            return None
        key = (
            report.client.address,
            report.server.address,
            report.server.port,
            report.verdict,
            report.outcome,
            tuple(finding.rule for finding in report.findings),
            report.tls.client_hello.ja3 if report.tls and report.tls.client_hello else None,
        )
        if key in self._seen:
            return self._seen[key]
        if len(self._seen) < _FULL_MEMORY:
            self._seen[key] = self._number
        return None

    def summary(self, files: int, *, interrupted: bool) -> None:
        """Say what was read, on stdout for people and on stderr beside JSON."""
        for warning in self._warnings:
            print(f"tlswhy: warning: {printable(warning)}", file=sys.stderr)
        out = sys.stderr if self._json else sys.stdout
        if interrupted:
            print("Interrupted: what follows was read until then.", file=out)
        elif files > 1:
            print(f"{files} files.", file=out)
        print(self.tally.render(width=self._width, colour=self._colour), end="", file=out)
