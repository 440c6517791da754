"""`tlswhy run`: a proxy for the life of one client command, then the explanation.

For scripts and CI: the command's exit code is ours, its output passes through, and what
its connections ran into follows when it has ended.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

import trio

from analyzers.render.json import render_json
from analyzers.render.text import render_text
from proxy.limits import Limits
from proxy.live import ANY_PORT, open_proxy
from proxy.log import ReportLog
from proxy.observer import Explained, Hints
from proxy.tap import Endpoint, message

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""The codes of shells, env and timeout for a command that could not be started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What `tlswhy run` was asked for."""

    broker: Endpoint
    command: tuple[str, ...]
    """Program and arguments; {host}, {port} and {name} are filled in."""
    connect: Endpoint | None = None
    log: Path | None = None
    json_to_stdout: bool = False
    """One JSON object a connection on stdout; the command's own output goes to stderr."""
    report_after: float = 10.0
    grace: float = 2.0
    """Seconds that connections get to end after the command has."""
    colour: bool = False
    width: int = 80
    hints: Hints = field(default_factory=Hints)
    limits: Limits = field(default_factory=Limits)


def fill_in(command: Sequence[str], host: str, port: int, name: str) -> list[str]:
    """The command with {host}, {port} and {name} replaced; other braces stay."""
    values = {"{host}": host, "{port}": str(port), "{name}": name}
    filled = []
    for argument in command:
        for placeholder, value in values.items():
            argument = argument.replace(placeholder, value)
        filled.append(argument)
    return filled


def exit_code(returncode: int) -> int:
    """A process's return code as a shell gives it: death by signal n is 128 + n."""
    return 128 - returncode if returncode < 0 else returncode


async def run_command(
    options: RunOptions,
    *,
    stdout: TextIO,
    stderr: TextIO,
    on_end: Callable[[Sequence[Explained]], None] | None = None,
) -> int:
    """Run the command behind a proxy on a free port; its exit code.

    `on_end` gets every explained connection (at most `Limits.finished_kept`).

    Raises:
        UsageError: the broker is the proxy itself, or the log cannot be written.
    """
    ended: list[Explained] = []
    dropped = 0
    log = ReportLog(options.log) if options.log is not None else None

    def explained(item: Explained) -> None:
        nonlocal dropped
        if item.snapshot.moment != "closed":
            return
        if log is not None:
            log.write(render_json(item.report))
        if len(ended) < options.limits.finished_kept:
            ended.append(item)
        else:
            dropped += 1

    def say(line: str) -> None:
        print(message(line), file=stderr, flush=True)

    try:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with open_proxy(
                options.broker,
                address=options.connect,
                listens=(ANY_PORT,),
                told=options.hints,
                limits=replace(options.limits, finished_kept=0),
                report_after=options.report_after,
                on_explained=explained,
                log=say,
            ) as proxy:
                if proxy.unresolved is not None:
                    say(f"warning: {proxy.unresolved}")
                listener = proxy.listeners[0]
                host = await _host_for(options, listener)
                code = await _supervise(options, host, listener, signals, stderr)
                if code is not None:
                    await proxy.relay.drain(trio.current_time() + options.grace)
    finally:
        if log is not None:
            log.close()
    if code is None:
        return _cannot_start(options.command[0], stderr)
    if not proxy.stats().accepted:
        say(
            f"the command made no connection to {listener}: write {{host}} and {{port}} where it "
            "takes the broker's host and port (or let it read TLSWHY_HOST and TLSWHY_PORT)"
        )
    if options.json_to_stdout:
        for item in ended:
            print(render_json(item.report), file=stdout, flush=True)
    else:
        _print_reports(ended, options, stdout)
    if dropped:
        say(f"{dropped} more connections are not shown")
    if on_end is not None:
        on_end(ended)
    return code


async def _host_for(options: RunOptions, listener: Endpoint) -> str:
    """The host for {host}: the broker's name where it leads to the proxy's address already.

    A hosts file that points the name here is the one way for many clients to keep the
    name in their certificate check, so it must be used where it exists.
    """
    name = options.broker.host
    try:
        found = await trio.socket.getaddrinfo(name, listener.port, type=trio.socket.SOCK_STREAM)
    except OSError:
        return listener.host
    addresses = {str(entry[4][0]) for entry in found}
    # A name with ::1 beside it (as localhost often has) is tried there first, and then here.
    return name if listener.host in addresses else listener.host


async def _supervise(
    options: RunOptions,
    host: str,
    listener: Endpoint,
    signals: AsyncIterator[int],
    stderr: TextIO,
) -> int | None:
    """The command's exit code, or None where it could not be started."""
    command = fill_in(options.command, host, listener.port, options.broker.host)
    environment = {
        **os.environ,
        "TLSWHY_HOST": host,
        "TLSWHY_PORT": str(listener.port),
        "TLSWHY_BROKER": options.broker.host,
    }
    try:
        process = await trio.lowlevel.open_process(
            command,
            stdout=stderr.fileno() if options.json_to_stdout else None,
            env=environment,
        )
    except OSError:
        return None
    async with trio.open_nursery() as nursery:

        async def pass_on() -> None:
            async for number in signals:
                if not _reached_both(number):
                    process.send_signal(number)

        nursery.start_soon(pass_on)
        try:
            code = await process.wait()
        finally:
            # Only an error of our own can leave it running here.
            if process.returncode is None:
                process.kill()
        nursery.cancel_scope.cancel()
    return exit_code(code)


def _reached_both(number: int) -> bool:
    """Whether the command has received the signal too, as Ctrl-C reaches a whole group."""
    if number != signal.SIGINT:
        return False
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False  # no terminal: somebody has sent it to us alone


def _cannot_start(program: str, stderr: TextIO) -> int:
    """Say why a program did not start, by looking where the system looked."""
    import shutil

    if shutil.which(program) is not None or Path(program).exists():
        print(f"tlswhy: {program} is there and cannot be executed", file=stderr)
        return NOT_EXECUTABLE
    print(
        f"tlswhy: no program {program}: write the command after --, for example "
        "tlswhy run BROKER -- mosquitto_pub -h {host} -p {port} -t test -m hello",
        file=stderr,
    )
    return NOT_FOUND


def _print_reports(ended: Sequence[Explained], options: RunOptions, stdout: TextIO) -> None:
    """Each way to end in full once; a client that tries again and again is counted."""
    groups: dict[tuple[object, ...], list[Explained]] = {}
    for item in ended:
        report = item.report
        rule = report.verdict.rule if report.verdict is not None else None
        key = (report.outcome.status, report.outcome.phase, report.outcome.failed_by, rule)
        groups.setdefault(key, []).append(item)
    for first, *rest in groups.values():
        text = render_text(
            first.report, width=options.width, colour=options.colour, number=first.number
        )
        print(f"\n{text}", end="", file=stdout)
        if rest:
            numbers = ", ".join(str(item.number) for item in rest[:10])
            more = f" and {len(rest) - 10} more" if len(rest) > 10 else ""
            plural = "s" if len(rest) > 1 else ""
            print(f"\nThe same again: connection{plural} {numbers}{more}.", file=stdout)
    stdout.flush()
