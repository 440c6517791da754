"""`tlswhy read`: explain the connections of captures."""

from __future__ import annotations

import ipaddress
import sys
from typing import Annotated

import typer

from analyzers.printable import printable
from proxy.commands import options
from proxy.limits import UsageError

NO_CAUSE, CAUSE, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


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

    from proxy.read import CaptureRun, ProgressLine
    from proxy.reading.sources import CannotRead, find_files, read_file

    run = CaptureRun(
        json=json,
        failures=failures,
        keep=bundle is not None,
        width=options.text_width(sys.stdout),
        colour=options.use_colour(sys.stdout) and not json,
    )
    problems: list[str] = []
    interrupted = False
    names: list[str] = []
    try:
        try:
            names = find_files(files)
        except CannotRead as error:
            raise UsageError(str(error)) from error
        for name in names:
            line = ProgressLine(name)
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
        options.finish_bundle(bundle, list(run.kept), redact=redact)
    if interrupted:
        return INTERRUPTED
    if problems:
        return WRONG_USE
    return CAUSE if run.tally.causes else NO_CAUSE


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise UsageError(
            f"--host {text!r} is not an IP address: a capture holds addresses, not names"
        ) from error
