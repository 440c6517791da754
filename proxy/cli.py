"""The command line: parsing, help and exit codes. What a command does lives elsewhere.

Everything heavy (trio, cryptography, scapy, msgspec) is imported inside the commands,
so that `--help` and a mistyped option answer at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from analyzers.printable import printable
from proxy.commands import lab, live
from proxy.commands.explain import explain
from proxy.commands.read import read
from proxy.limits import UsageError

_EXAMPLES = {
    "tlswhy proxy": "for example: tlswhy proxy broker.example.com:8883",
    "tlswhy run": "for example: tlswhy run broker.example.com -- mqtt-client {host} {port}",
    "tlswhy read": "for example: tlswhy read failing.pcapng",
    "tlswhy explain": "for example: tlswhy explain protocol_version",
    "tlswhy lab run": "tlswhy lab list shows the scenarios",
}
"""What the line about a missing argument ends with."""

app = typer.Typer(
    name="tlswhy",
    help=(
        "Tells why an MQTT client cannot connect over TLS, from the bytes alone.\n\n"
        "Put it between client and broker (proxy, run), or give it a capture (read). Nothing is "
        "decrypted, no certificate is replaced, no byte is changed."
    ),
    epilog=(
        "\b\nExamples:\n"
        "  tlswhy demo\n"
        "  tlswhy proxy broker.example.com:8883\n"
        "  tlswhy read failing.pcapng\n"
        '  tlswhy explain "CLIENT ALERT: Fatal - Protocol Version"'
    ),
    # Rich's help costs 40 ms of start-up and has to be told about every backslash.
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        from proxy.version import version_text

        print(version_text())
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _tlswhy(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Show the versions of tlswhy, Python, trio and OpenSSL, and exit.",
        ),
    ] = False,
) -> int:
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        return 2
    return 0


app.command("demo")(lab.demo)
app.command("proxy")(live.proxy)
app.command("run")(live.run)
app.command("read")(read)
app.command("explain")(explain)
app.add_typer(lab.lab)


def run(argv: list[str]) -> int:
    """Run one command and return its exit code.

    Wrong use becomes one line on stderr and code 2. Raises KeyboardInterrupt,
    BrokenPipeError and whatever is our own fault.
    """
    command = typer.main.get_command(app)
    try:
        # Not command.main(), which has its own ideas about interrupts and closed pipes.
        with command.make_context("tlswhy", argv) as context:
            result = command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except UsageError as problem:
        return _complain(str(problem))
    except Exception as error:
        # Typer's errors of use have no public base class in all versions that we allow.
        if not hasattr(error, "format_message"):
            raise
        path = getattr(getattr(error, "ctx", None), "command_path", "tlswhy")
        hint = f"{path} --help shows how"
        if type(error).__name__ == "MissingParameter":
            hint = _EXAMPLES.get(path, hint)
        return _complain(f"{error.format_message()} ({hint})")
    return result if isinstance(result, int) else 0


def _complain(message: str) -> int:
    print(f"tlswhy: {printable(' '.join(message.split()))}", file=sys.stderr)
    return 2
