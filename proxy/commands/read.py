"""`tlswhy read`: explain the connections of captures."""

from __future__ import annotations

import ipaddress
import sys
from collections import Counter, deque
from typing import TYPE_CHECKING, Annotated

import typer

from analyzers.printable import printable
from proxy.commands import options
from proxy.limits import Limits, UsageError

if TYPE_CHECKING:
    from analyzers.offline import Reading
    from analyzers.report import Report
    from proxy.bundle import Case

NO_CAUSE, CAUSE, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
_FULL_MEMORY = 4096
"""Ways to fail that are remembered, to show each in full once."""


def read(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="pcap or pcapng, also as .gz or .zst; - is standard input."
        ),
    ],
    json: options.Json = False,
    failures: Annotated[
        bool, typer.Option("--failures", help="Show only connections with a cause.")
    ] = False,
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Only connections with this IP address; repeatable."),
    ] = None,
    port: Annotated[
        list[int] | None,
        typer.Option(
            metavar="PORT", min=1, max=65535, help="Only connections with this port; repeatable."
        ),
    ] = None,
    ca_file: options.CaFile = None,
    client: options.ClientName = None,
    broker: options.BrokerName = None,
    bundle: options.Bundle = None,
    redact: options.Redact = False,
) -> int:
    """Explain the connections of a capture.

    Judged at the time of the capture: a certificate that has expired since then was
    valid. The exit code is 0 where no cause was found, 1 where at least one was, 2 for
    wrong use, 130 after Ctrl-C (with the summary of what was read until then).

    \b
    Examples:
      tlswhy read failing.pcapng
      tlswhy read *.pcap.gz --failures
      tlswhy read big.pcap --host 10.0.0.7 --port 8883 --json
      tcpdump -w - port 8883 | tlswhy read -
    """
    hosts = [_address(text) for text in host] if host else None
    anchors = options.read_trust_anchors(ca_file)
    options.check_bundle(bundle, redact)

    from proxy.reading.sources import CannotRead, find_files, read_file

    run = _Run(json=json, failures=failures, keep=bundle is not None)
    problems: list[str] = []
    interrupted = False
    names: list[str] = []
    try:
        try:
            names = find_files(files)
        except CannotRead as error:
            raise UsageError(str(error)) from error
        for name in names:
            line = _ProgressLine(name)
            try:
                run.take(
                    read_file(
                        name,
                        ports=port,
                        hosts=hosts,
                        trust_anchors=anchors,
                        client_hint=client,
                        broker_hint=broker,
                        progress=line.show if options.progress_wanted() else None,
                    ),
                    line,
                )
            except CannotRead as error:
                # The other files may be fine; the exit code tells that not all was read.
                problems.append(str(error))
            finally:
                line.clear()
    except KeyboardInterrupt:
        interrupted = True
    if interrupted or len(names) > len(problems):
        run.summary(len(names), interrupted=interrupted)
    problems += run.bugs
    for problem in problems:
        print(f"tlswhy: {printable(' '.join(problem.split()))}", file=sys.stderr)
    if bundle is not None:
        options.finish_bundle(bundle, run.kept, redact=redact)
    if interrupted:
        return INTERRUPTED
    if problems:
        return WRONG_USE
    return CAUSE if run.rules else NO_CAUSE


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise UsageError(
            f"--host {text!r} is not an IP address: a capture holds addresses, not names"
        ) from error


class _ProgressLine:
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


class _Run:
    """What was explained so far, over all files."""

    def __init__(self, *, json: bool, failures: bool, keep: bool) -> None:
        self.rules: Counter[str] = Counter()
        self.bugs: list[str] = []
        """What is wrong with us."""
        self.kept: deque[Case] = deque(maxlen=Limits().bundled if keep else 0)
        self._statuses: Counter[str] = Counter()
        self._seen: dict[tuple[object, ...], int] = {}
        self._warnings: list[str] = []
        self._number = 0
        self._json = json
        self._failures = failures
        self._colour = options.use_colour(sys.stdout)
        self._width = options.text_width(sys.stdout)

    def take(self, connections: Reading, line: _ProgressLine) -> None:
        """Explain and show one file's connections as they come.

        Raises:
            CannotRead: the file cannot be read any further.
        """
        from analyzers.diagnose import explain
        from proxy.bundle import Case

        try:
            for transcript, context in connections:
                self._number += 1
                try:
                    report = explain(transcript, context)
                except Exception as error:
                    # One connection that we fail on must not hide the others.
                    self.bugs.append(
                        f"connection {self._number} of {context.name} (stream {context.stream}) "
                        f"could not be explained, a bug: {type(error).__name__}: {error}"
                    )
                    continue
                self._statuses[report.outcome.status] += 1
                if report.verdict is not None:
                    self.rules[report.verdict.rule] += 1
                    self.kept.append(Case(transcript, context, report))
                elif self._failures:
                    continue
                line.clear()
                self._show(report)
        finally:
            self._warnings += connections.summary.warnings

    def _show(self, report: Report) -> None:
        if self._json:
            from analyzers.render.json import render_json

            # Flushed, because a capture may come from a pipe and be read by one, live.
            print(render_json(report, terminal=sys.stdout.isatty()), flush=True)
            return
        from analyzers.render.text import render_text

        text = render_text(report, width=self._width, colour=self._colour, number=self._number)
        first = self._first_like(report)
        if first is not None:
            # A client that tries again and again fails in the same way each time.
            head = text.splitlines()[0]
            assert report.verdict is not None
            print(
                f"{head}\n    the same as connection {first}: {report.verdict.rule}\n", flush=True
            )
        else:
            print(text, flush=True)

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
        total = sum(self._statuses.values())
        words = {"not_tls": "not TLS", "no_data": "without data"}
        parts = [f"{count} {words.get(name, name)}" for name, count in self._statuses.most_common()]
        head = f"{total} connection{'' if total == 1 else 's'}"
        head += f" in {files} files" if files > 1 else ""
        head += ": " + ", ".join(parts) if parts else ""
        head += " (interrupted: the rest was not read)" if interrupted else ""
        lines = [head] + [f"  {count:>5} {rule}" for rule, count in self.rules.most_common()]
        print("\n".join(lines), file=sys.stderr if self._json else sys.stdout)
