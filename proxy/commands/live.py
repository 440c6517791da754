"""`tlswhy proxy` and `tlswhy run`: between a client and its broker."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.commands import options
from proxy.endpoint import read_endpoint
from proxy.limits import Limits
from proxy.tap import Endpoint

if TYPE_CHECKING:
    from proxy.bundle import Case
    from proxy.observer import Explained, Hints

_LISTEN = "127.0.0.1:8883"


def proxy(
    broker: options.Broker,
    connect: options.Connect = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT",
            help=f"Where clients connect; may be repeated, port 0 is any free port.  "
            f"[default: {_LISTEN}]",
        ),
    ] = None,
    log: options.Log = None,
    log_size: Annotated[
        str, typer.Option(metavar="SIZE", help="Rotate the log at this size; five are kept.")
    ] = "64M",
    bundle: options.Bundle = None,
    redact: options.Redact = False,
    json: options.Json = False,
    ca_file: options.CaFile = None,
    client: options.ClientName = None,
    broker_program: options.BrokerName = None,
    report_after: options.ReportAfter = 10.0,
    grace: options.Grace = 2.0,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 where a cause was found, as read does.")
    ] = False,
) -> int:
    """Explain live connections: a transparent proxy in front of BROKER.

    Point the client at the proxy; what is printed at the start says how your client
    keeps the broker's name in its certificate check. Bytes pass unchanged in both
    directions, and a report follows as soon as a handshake ends or stalls. Ctrl-C stops.

    \b
    Examples:
      tlswhy proxy broker.example.com
      tlswhy proxy broker.example.com:8883 --client mqttnet
      tlswhy proxy broker.example.com --connect 203.0.113.7 --listen 127.0.0.1:18883
      tlswhy proxy broker.example.com --json --log handshakes.jsonl
      tlswhy proxy broker.example.com --bundle report.zip --redact
    """
    target = read_endpoint(broker, what="BROKER")
    listens = tuple(
        read_endpoint(where, what="--listen", port_zero=True) for where in listen or [_LISTEN]
    )
    upstream = _connect_to(connect, target)
    size = options.read_size(log_size, what="--log-size")
    options.check_bundle(bundle, redact)
    hints = _hints(client, broker_program, ca_file)

    import trio

    from proxy.serve import ServeOptions, serve

    wanted = ServeOptions(
        broker=target,
        connect=upstream,
        listens=listens,
        log=log,
        log_size=size,
        json_to_stdout=json,
        report_after=report_after,
        grace=grace,
        colour=options.use_colour(sys.stdout),
        width=options.text_width(sys.stdout),
        hints=hints,
        bundle=bundle is not None,
        exit_code=exit_code,
    )

    def stopped(failures: Sequence[Explained]) -> None:
        if bundle is not None:
            options.finish_bundle(bundle, _cases(failures), redact=redact)

    async def main() -> int:
        return await serve(wanted, stdout=sys.stdout, stderr=sys.stderr, on_stop=stopped)

    return trio.run(main)


def run(
    broker: options.Broker,
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND [ARG]...",
            help="The client, after --. {host}, {port} and {name} are replaced by the proxy's host "
            "and port and the broker's name; TLSWHY_HOST, TLSWHY_PORT and TLSWHY_BROKER are set.",
        ),
    ],
    connect: options.Connect = None,
    log: options.Log = None,
    bundle: options.Bundle = None,
    redact: options.Redact = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print one JSON object a connection on stdout; the command's own output goes to "
            "stderr.",
        ),
    ] = False,
    ca_file: options.CaFile = None,
    client: options.ClientName = None,
    broker_program: options.BrokerName = None,
    report_after: options.ReportAfter = 10.0,
    grace: options.Grace = 2.0,
) -> int:
    """Explain one client command: run it through a proxy on a free port.

    The exit code is the command's own (127 if there is no such program, 128 + n if
    signal n ended it), so a build step fails or passes as it did. The explanation
    follows when the command has ended.

    \b
    Examples:
      tlswhy run broker.example.com -- mosquitto_pub -h {host} -p {port} --cafile ca.pem -t t -m hi
      tlswhy run broker.example.com -- node client.js mqtts://{host}:{port} {name}
      tlswhy run broker.example.com --log ci.jsonl -- pytest tests/mqtt
    """
    target = read_endpoint(broker, what="BROKER")
    upstream = _connect_to(connect, target)
    options.check_bundle(bundle, redact)
    hints = _hints(client, broker_program, ca_file)

    import trio

    from proxy.run import RunOptions, run_command

    wanted = RunOptions(
        broker=target,
        command=tuple(command),
        connect=upstream,
        log=log,
        json_to_stdout=json,
        report_after=report_after,
        grace=grace,
        colour=options.use_colour(sys.stdout),
        width=options.text_width(sys.stdout),
        hints=hints,
    )

    def ended(connections: Sequence[Explained]) -> None:
        if bundle is not None:
            failed = [item for item in connections if item.report.verdict is not None]
            options.finish_bundle(bundle, _cases(failed)[-Limits().bundled :], redact=redact)

    async def main() -> int:
        return await run_command(wanted, stdout=sys.stdout, stderr=sys.stderr, on_end=ended)

    return trio.run(main)


def _connect_to(text: str | None, broker: Endpoint) -> Endpoint | None:
    if text is None:
        return None
    return read_endpoint(text, what="--connect", default_port=broker.port)


def _hints(client: str | None, broker: str | None, ca_file: Path | None) -> Hints:
    from proxy.observer import Hints

    return Hints(client=client, broker=broker, trust_anchors=options.read_trust_anchors(ca_file))


def _cases(items: Sequence[Explained]) -> list[Case]:
    from proxy.bundle import Case

    return [Case(item.snapshot.transcript, item.snapshot.context, item.report) for item in items]
