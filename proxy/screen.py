"""What the user sees while the proxy runs, and what the log gets."""

from __future__ import annotations

import contextlib
import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import trio

from analyzers.render.json import render_json
from analyzers.render.text import render_text
from analyzers.report import Report
from proxy import hints
from proxy.limits import Latest, Limits
from proxy.live import Proxy
from proxy.log import ReportLog
from proxy.observer import Explained, Hints
from proxy.tap import Endpoint, message
from proxy.writer import Writer, write_text

LOOPBACK = Endpoint("127.0.0.1", 8883)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What `tlswhy proxy` was asked for."""

    broker: Endpoint
    connect: Endpoint | None = None
    listens: tuple[Endpoint, ...] = (LOOPBACK,)
    log: Path | None = None
    """The JSON Lines log."""
    log_size: int = Limits().log_size
    """Bytes at which the log is rotated."""
    json_to_stdout: bool = False
    """The same lines on stdout, and no reports for people there."""
    report_after: float = 10.0
    """Seconds without progress in a handshake until it is reported as it stands."""
    grace: float = 2.0
    """Seconds that open connections get after the first signal to stop."""
    colour: bool = False
    width: int = 80
    hints: Hints = field(default_factory=Hints)
    bundle: bool = False
    """Keep handshake bytes, and give the failed connections to `on_stop`."""
    exit_code: bool = False
    """Return 1 where a cause was found, not only 0."""
    limits: Limits = field(default_factory=Limits)


class Output:
    """What the user sees and what the log gets. Never in the way of the traffic."""

    def __init__(self, options: ServeOptions, *, stdout: TextIO, stderr: TextIO) -> None:
        self._options = options
        self._trio = trio.lowlevel.current_trio_token()
        self._stdout = stdout
        self._stderr = stderr
        self._people = stderr if options.json_to_stdout else stdout
        self.gone = trio.Event()
        """Whoever read stdout has gone."""
        self.rules: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.failures = Latest[Explained](options.limits.bundled, options.limits.bundled_bytes)
        self._shown: dict[int, _Said] = {}
        self._log = (
            ReportLog(options.log, max_size=options.log_size, complain=self.say)
            if options.log is not None
            else None
        )
        # Two, because a paused terminal is no reason to lose lines of the log.
        self._terminal = Writer(options.limits.unwritten)
        self._disk = Writer(options.limits.unwritten)

    def say(self, line: str) -> None:
        """The proxy's own messages."""
        self._terminal.put(lambda: write_text(self._stderr, f"{message(line)}\n"), len(line))

    def started(self, proxy: Proxy) -> None:
        """Say what listens, and how to point a client here."""
        options = self._options
        banner = hints.start_text(
            options.broker,
            proxy.listeners,
            connect=options.connect,
            resolved=proxy.addresses[0].host if proxy.addresses else None,
            client=options.hints.client,
        )
        self._print(self._people, banner)
        if proxy.unresolved is not None:
            self.say(f"warning: {proxy.unresolved}")
        for listener in proxy.listeners:
            if not ipaddress.ip_address(listener.host.partition("%")[0]).is_loopback:
                self.say(
                    f"warning: {listener} is open to other machines: whoever reaches it reaches "
                    f"{options.broker} through this one"
                )

    def explained(self, item: Explained) -> None:
        """Take an explanation: print it if it says something new, log it if it is the last."""
        options, report = self._options, item.report
        if not options.json_to_stdout:
            self._show(item)
        if item.snapshot.moment != "closed":
            return
        self._shown.pop(item.number, None)
        self.outcomes[report.outcome.status] += 1
        if report.verdict is not None:
            self.rules[report.verdict.rule] += 1
            if options.bundle:
                self.failures.add(item, item.snapshot.transcript.handshake_bytes)
        if self._log is not None or options.json_to_stdout:
            line = render_json(report).rstrip("\n")
            log = self._log
            if log is not None:
                self._disk.put(lambda: log.write(line), len(line))
            if options.json_to_stdout:
                self._print(self._stdout, line)

    def _show(self, item: Explained) -> None:
        said, before = _said(item.report), self._shown.get(item.number)
        if before == said:
            return
        self._shown[item.number] = said
        text = render_text(
            item.report,
            width=self._options.width,
            colour=self._options.colour,
            number=item.number,
        ).rstrip("\n")
        if before is not None:
            text = (
                f"Correction: connection {item.number} went on, and there is more to say.\n{text}"
            )
        elif item.snapshot.moment == "stalled":
            text = (
                f"Connection {item.number} has made no progress for "
                f"{self._options.report_after:g} s. It is still open; so far:\n{text}"
            )
        self._print(self._people, f"\n{text}")

    def summary(self, proxy: Proxy) -> None:
        """Say what there was, once the log knows what was lost."""
        self._disk.drain(self._options.limits.output_patience)
        stats = proxy.stats()
        outcomes = ", ".join(f"{n} {_words(name)}" for name, n in self.outcomes.most_common())
        plural = "" if stats.accepted == 1 else "s"
        lines = [f"{stats.accepted} connection{plural}" + (f": {outcomes}" if outcomes else "")]
        lines += [f"  {count:>5} {rule}" for rule, count in self.rules.most_common()]
        for count, what in (
            (stats.refused, "refused because too many were open"),
            (proxy.observer.dropped, "not explained because too many waited"),
            (proxy.observer.failed, "not explained because of a bug"),
            (stats.tap_errors, "not observed because of a bug"),
            (stats.handler_errors, "ended by a bug"),
            (
                self._disk.dropped + (self._log.failed if self._log is not None else 0),
                "lines lost from the log",
            ),
            (self._terminal.dropped, "not shown because the output took nothing"),
            (self._terminal.failed + self._disk.failed, "not written because of a bug"),
        ):
            if count:
                lines.append(f"  {count:>5} {what}")
        self._print(self._people, "\n" + "\n".join(lines))

    def drain(self) -> bool:
        """Wait until all is written that was said; False if an output takes nothing."""
        patience = self._options.limits.output_patience
        return self._disk.drain(patience) and self._terminal.drain(patience)

    def close(self) -> None:
        """Close the log, once what waits for it is written."""
        if self._log is not None:
            self._disk.put(self._log.close, 0)
        self.drain()

    def _print(self, stream: TextIO, text: str) -> None:
        self._terminal.put(lambda: self._write(stream, f"{text}\n"), len(text))

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            write_text(stream, text)
        except BrokenPipeError:
            with contextlib.suppress(trio.RunFinishedError):
                self._trio.run_sync_soon(self.gone.set)
        except OSError as error:  # a full disk behind a redirection
            self.say(f"cannot write the output: {error.strerror or error}")


_Said = tuple[str, str | None, str | None]


def _said(report: Report) -> _Said:
    """What a correction has to change."""
    outcome, verdict = report.outcome, report.verdict
    return outcome.status, outcome.failed_by, verdict.rule if verdict is not None else None


def _words(status: str) -> str:
    return {"not_tls": "not TLS", "no_data": "without data"}.get(status, status)
