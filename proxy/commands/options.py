"""What several commands take, and the values that need more than a type."""

from __future__ import annotations

import base64
import binascii
import os
import re
import shutil
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from proxy.limits import KIB, MIB, UsageError

Broker = Annotated[
    str,
    typer.Argument(
        metavar="BROKER[:PORT]", help="The broker's name, as clients know it. Port 8883 if none."
    ),
]
Connect = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS[:PORT]",
        help="Where to connect instead of BROKER; BROKER stays the name. Needed where the hosts "
        "file leads BROKER to this proxy.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a connection on stdout, no more.")
]
Log = Annotated[
    Path | None,
    typer.Option(metavar="FILE.jsonl", help="Append one JSON object a connection to FILE."),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The CA certificates that the client trusts (PEM or DER): then tlswhy can say for "
        "certain whether the broker's chain leads to one of them.",
    ),
]
ClientName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The client program (mqttnet, paho-mqtt, mosquitto_pub, mqtt.js, ...): its fix first.",
    ),
]
BrokerName = Annotated[
    str | None,
    typer.Option(
        "--broker",
        metavar="NAME",
        help="The broker program (mosquitto, rabbitmq, emqx, ...): its fix first.",
    ),
]
Bundle = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.zip",
        help="Write failed connections to a zip to attach to a bug report: reports and the "
        "handshake as pcapng. No application data, no passwords.",
    ),
]
Redact = Annotated[
    bool,
    typer.Option("--redact", help="Replace names and addresses in the --bundle, consistently."),
]
ReportAfter = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0.1,
        help="Report a handshake that has made no progress for so long. It is not cut.",
    ),
]
Grace = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", min=0.0, help="How long open connections may go on at the end."
    ),
]

if TYPE_CHECKING:
    from proxy.bundle import Case

_SIZE = re.compile(r"(\d+)\s*([kKmMgG]?)(?:i?[bB])?")
_UNITS = {"": 1, "k": KIB, "m": MIB, "g": KIB * MIB}
_PEM = re.compile(
    rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----(.+?)-----END (?:TRUSTED )?CERTIFICATE-----",
    re.DOTALL,
)


def read_size(text: str, *, what: str) -> int:
    """Bytes from `10000`, `64K`, `10M`, `1GB`.

    Raises:
        UsageError: it is none of these, or too small to hold a report.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None or (size := int(found[1]) * _UNITS[found[2].lower()]) < 64 * KIB:
        raise UsageError(f"{what} {text!r} is not a size of at least 64K: write 500K, 64M or 1G")
    return size


def read_trust_anchors(path: Path | None) -> tuple[bytes, ...] | None:
    """The DER certificates in a PEM or DER file; None where no file was given.

    Raises:
        UsageError: the file cannot be read or holds no certificate.
    """
    if path is None:
        return None
    data = read_file(path, what="--ca-file")
    try:
        found = tuple(base64.b64decode(block, validate=False) for block in _PEM.findall(data))
    except binascii.Error as error:
        raise UsageError(f"--ca-file {path}: the PEM text is damaged ({error})") from error
    if not found and data[:1] == b"\x30":
        found = (data,)
    if not found:
        raise UsageError(
            f"--ca-file {path} holds no certificate: give the CA's certificate as PEM "
            "(-----BEGIN CERTIFICATE-----) or DER"
        )
    return found


def read_file(path: Path, *, what: str) -> bytes:
    """A small file's bytes.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{what} {path}: {error.strerror or error}") from error


def check_bundle(path: Path | None, redact: bool) -> None:
    """Refuse a bundle that could not be written, before the work and not after it.

    Raises:
        UsageError: with what to do instead.
    """
    if path is None:
        if redact:
            raise UsageError("--redact is about the bundle: give --bundle FILE.zip too")
        return
    from proxy.bundle import check_writable

    check_writable(path)


def finish_bundle(path: Path, cases: Collection[Case], *, redact: bool) -> None:
    """Write the failed connections and say so on stderr.

    Raises:
        UsageError: the file cannot be written.
    """
    from proxy.bundle import write_bundle

    if not cases:
        print(f"tlswhy: no connection failed, so {path} was not written", file=sys.stderr)
        return
    write_bundle(path, list(cases), redact=redact)
    plural = "" if len(cases) == 1 else "s"
    print(f"tlswhy: wrote {path} ({len(cases)} failed connection{plural})", file=sys.stderr)


def use_colour(stream: TextIO) -> bool:
    """Whether to colour text on this stream (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def text_width(stream: TextIO) -> int:
    """The columns to fill: the terminal's up to 100, 80 for files and pipes."""
    if not stream.isatty():
        return 80
    return max(40, min(shutil.get_terminal_size().columns, 100))


def progress_wanted() -> bool:
    """Whether somebody watches stderr."""
    return sys.stderr.isatty()
