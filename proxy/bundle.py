"""`--bundle FILE.zip`: failed connections to attach to a bug report.

A bundle holds the reports (JSON Lines and text), the handshakes as a capture, and a
README that says what is in it and what is not. The capture is built from what the
analysis kept, so application data and passwords cannot get into it.
"""

from __future__ import annotations

import io
import ipaddress
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analyzers.context import Context
from analyzers.render.json import render_json
from analyzers.render.text import render_text
from analyzers.report import Report
from analyzers.transcript import Transcript
from proxy.limits import UsageError
from proxy.record import CaptureWriter, Flow
from proxy.redact import Redactor
from proxy.replay import End, Hole, Payload, replay
from proxy.version import version_text

REPORTS, TEXT, CAPTURE, README = "reports.jsonl", "reports.txt", "handshakes.pcapng", "README.txt"

_ABOUT = """\
What a developer needs to explain {count}, made by tlswhy.

{reports}      what tlswhy says, one JSON object a connection (schema tlswhy/1)
{text}        the same for people
{capture}  the handshakes, for `tlswhy read {capture}` or Wireshark

Not in here, because tlswhy never keeps it: application data (MQTT packets, topics,
payloads, passwords), private keys, session keys.

The capture was built from what tlswhy kept. Handshake messages in clear are byte for
byte what was sent{except_names}. Encrypted records keep their lengths and hold zeros.
TCP details (options, retransmissions, segment sizes) are not those of the network, and
times are those at which tlswhy saw a message. Bytes that were not kept are missing.

{redaction}
Made with:
{versions}
"""

_REDACTED = """\
Names and addresses were replaced, the same by the same and by the same length: server
names, certificate subjects, issuers and alternative names, host addresses (by those of
the documentation ranges; loopback stays). Therefore:

- signatures of certificates and key exchanges do not verify any more: reading the
  capture can give another verdict than the reports, whose verdicts are the true ones;
- certificates' fingerprints and serial numbers are zeros in the reports. Their public
  keys, serial numbers and dates are still in the capture: a certificate of a public CA
  can be found by them. Random values, session ids and tickets are as they were.
"""

_NOT_REDACTED = """\
Names and addresses are the real ones: server names, certificates, IP addresses. Use
--redact to have them replaced.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One connection to put into a bundle."""

    transcript: Transcript
    context: Context
    report: Report


def check_writable(path: Path) -> None:
    """Refuse a place that cannot be written, before a long run and not after it.

    Raises:
        UsageError: with what to do instead.
    """
    folder = path.parent
    if path.is_dir():
        raise UsageError(
            f"--bundle {path} is a folder: give a file name, such as {path}/report.zip"
        )
    if not folder.is_dir():
        raise UsageError(f"--bundle {path}: there is no folder {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(f"--bundle {path}: writing there is not permitted")


def write_bundle(path: Path, cases: Sequence[Case], *, redact: bool = False) -> None:
    """Write the bundle, replacing the file if it exists.

    Raises:
        UsageError: the file cannot be written.
    """
    redactor = Redactor() if redact else None
    if redactor is not None:
        # All names first: one connection's report may speak of another's.
        for case in cases:
            redactor.learn(case.transcript, case.context)
    reports = [
        redactor.report(case.report) if redactor is not None else case.report for case in cases
    ]
    contents = {
        REPORTS: "".join(f"{render_json(report)}\n" for report in reports).encode(),
        TEXT: "\n".join(
            render_text(report, number=number) for number, report in enumerate(reports, 1)
        ).encode(),
        CAPTURE: _capture(cases, redactor),
        README: _about(len(cases), redact=redact).encode(),
    }
    # Beside the target and renamed: a full disk must not leave half a bundle.
    partial = path.with_name(f"{path.name}.part")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(f"--bundle {path}: {error.strerror or error}") from error


def _about(count: int, *, redact: bool) -> str:
    return _ABOUT.format(
        count="one failed connection" if count == 1 else f"{count} failed connections",
        reports=REPORTS,
        text=TEXT,
        capture=CAPTURE,
        except_names=" (but for the names)" if redact else "",
        redaction=_REDACTED if redact else _NOT_REDACTED,
        versions="\n".join(f"  {line}" for line in version_text().splitlines()),
    )


def _capture(cases: Sequence[Case], redactor: Redactor | None) -> bytes:
    """The handshakes as pcapng; a connection of which no packet is known has none."""
    file = io.BytesIO()
    what = "Handshakes kept by tlswhy; encrypted records hold zeros"
    writer = CaptureWriter(file, comment=f"{what}; names replaced" if redactor else what)
    for case in cases:
        context, rule = case.context, case.report.verdict.rule if case.report.verdict else None
        client = _end(context.client_address, context.client_port, redactor)
        server = _end(context.server_address, context.server_port, redactor)
        if client is None or server is None:
            continue
        flow = writer.flow(client, server, comment=f"tlswhy: {rule}" if rule else None)
        _write(flow, case, redactor)
    return file.getvalue()


def _write(flow: Flow, case: Case, redactor: Redactor | None) -> None:
    transcript = case.transcript
    if transcript.not_connected is not None:
        if transcript.not_connected.why == "refused":
            flow.not_connected("refused", case.context.start)
        elif transcript.not_connected.why == "timeout":
            flow.not_connected("timeout", case.context.start)
        return
    flow.connected(case.context.start)
    told = replay(transcript) if redactor is None else replay(transcript, redactor.message)
    for item in told:
        match item:
            case Payload(direction, at, data):
                flow.data(direction, data, at)
            case Hole(direction, at, count):
                flow.missing(direction, count, at)
            case End(direction, at, how):
                flow.close(direction, how, at)


def _end(
    address: str | None, port: int | None, redactor: Redactor | None
) -> tuple[str, int] | None:
    if address is None or port is None:
        return None
    bare = address.partition("%")[0]  # a packet has no room for an IPv6 zone
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        return None
    return (bare if redactor is None else redactor.address(bare)), port
