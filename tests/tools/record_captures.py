"""Record `captures/` anew: run lab scenarios and write what passed, with their story.

Usage: python -m tests.tools.record_captures
Keys and times are new each time; verdicts are not, and `tests/test_captures.py` holds
each file to its line of the manifest.
"""

from __future__ import annotations

import json
import platform
import ssl
import tomllib
from pathlib import Path
from typing import Any

from proxy import lab

CAPTURES = Path(__file__).parents[2] / "captures"
MANIFEST = CAPTURES / "manifest.toml"
README = CAPTURES / "README.md"

STORIES = {
    "alert-misleads": """\
MQTTnet 5.0.1 on Windows 11 against RabbitMQ. The user reads "The Local Security Authority
cannot be contacted"; the broker logs `CLIENT ALERT: Fatal - Protocol Version`. Both point to
the TLS version, and TLS 1.2 had been agreed: it was the certificate, whose signature does not
verify (dotnet/MQTTnet#2172, rabbitmq/rabbitmq-server#13712). SChannel does not run here, so a
scripted client sends its bytes; the broker is real.""",
    "client-certificate-missing-tls13": """\
MQTTnet against Azure Event Grid. Under TLS 1.3 the client has finished its handshake when the
broker refuses it for want of a client certificate, and the refusal is encrypted; the program
sees a connection that is lost at its first read (dotnet/MQTTnet#1933). Record lengths give it
away: 25 bytes are an empty Certificate, 19 an alert.""",
}
"""The two stories that this project came from, told first."""

SCENARIOS = (
    *STORIES,
    "client-certificate-missing",
    "client-certificate-missing-intermediate",
    "healthy-tls12",
    "healthy-tls13",
    "healthy-mutual-tls13",
    "version-client-too-old",
    "version-server-too-old",
    "no-shared-cipher",
    "certificate-expired",
    "certificate-name-mismatch",
    "certificate-unknown-ca",
    "certificate-refused-silently",
    "plaintext-to-tls-port",
    "tls-to-plaintext-port",
    "mqtt-connect-refused",
)


def main() -> None:
    """Run every scenario and write its capture, the manifest and the README."""
    CAPTURES.mkdir(exist_ok=True)
    for old in CAPTURES.glob("*.pcapng"):
        old.unlink()
    lines = [
        "# Made by python -m tests.tools.record_captures; tests/test_captures.py holds it true.",
        f'recorded_with = "Python {platform.python_version()}, {ssl.OPENSSL_VERSION}"',
    ]
    for name in SCENARIOS:
        result = lab.run(name)
        if not result.as_expected:
            raise SystemExit(f"{name}: {'; '.join(result.differences)}")
        (CAPTURES / f"{name}.pcapng").write_bytes(result.pcapng)
        outcome, verdict = result.report.outcome, result.report.verdict
        lines += [
            "",
            "[[capture]]",
            f'file = "{name}.pcapng"',
            f"shows = {json.dumps(result.scenario.title)}",
            f'verdict = "{verdict.rule if verdict else ""}"',
            f'failed_by = "{outcome.failed_by or ""}"',
            f'phase = "{outcome.phase or ""}"',
        ]
        print(f"{name}: {verdict.rule if verdict else 'no cause'}")
    MANIFEST.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    README.write_text(readme_text(), encoding="utf-8", newline="\n")


def manifest() -> dict[str, Any]:
    """The manifest as it stands."""
    return tomllib.loads(MANIFEST.read_text(encoding="utf-8"))


def readme_text() -> str:
    """The README that belongs to the manifest."""
    data = manifest()
    stories = "\n\n".join(
        f"## {name}.pcapng\n\n{text}\n\n    tlswhy read captures/{name}.pcapng"
        for name, text in STORIES.items()
    )
    rows = "\n".join(
        f"| `{line['file']}` | {line['shows']} | {line['verdict'] or 'none: it works'} |"
        for line in data["capture"]
    )
    return f"""# Captures

One connection a file, recorded by the lab on loopback: real TLS peers wherever they can be
made to do it, scripted ones where not. Recorded with
{data["recorded_with"]}. Nothing in them is secret: keys and names were made for the occasion.

{stories}

## All

| File | What it shows | First cause |
| --- | --- | --- |
{rows}

Record them anew with `python -m tests.tools.record_captures` (the manifest and this page are
written by it too).
"""


if __name__ == "__main__":
    main()
