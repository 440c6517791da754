"""Real MQTT and TLS clients, each run once as a program of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.interop.brokers import openssl_configuration
from tests.interop.machine import ENVIRONMENT, PATIENCE, wait_until
from tests.interop.pki import Pki
from tests.interop.scenarios import Scenario

# MQTT 3.1.1 sections 3.1 (clean session, client id "s_client", keep-alive 30 s), 3.2, 3.14.
_CONNECT = b"\x10\x14\x00\x04MQTT\x04\x02\x00\x1e\x00\x08s_client"
_CONNACK = b"\x20\x02\x00\x00"
_DISCONNECT = b"\xe0\x00"


@dataclass(frozen=True, slots=True)
class Result:
    """What a client program told its user."""

    code: int
    """Its exit code."""
    complaints: tuple[str, ...]
    """Its words about the connection, without what differs in each run."""


class Client(Protocol):
    """A client program that tries one connection."""

    name: str

    def fits(self, scenario: Scenario, *, speaks_mqtt: bool) -> bool:
        """Whether the scenario means something with this client and such a broker."""

    def run(self, scenario: Scenario, pki: Pki, port: int, folder: Path, *, mqtt: bool) -> Result:
        """Try to connect to `localhost:port`; `mqtt` where an MQTT broker is there."""


def _execute(
    command: list[str | Path], *, environment: dict[str, str] | None = None
) -> tuple[int, str]:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**ENVIRONMENT, **(environment or {})},
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _complaints(text: str, pattern: str) -> tuple[str, ...]:
    lines = [line.strip() for line in text.splitlines() if re.search(pattern, line)]
    return tuple(re.sub(r"\b[0-9A-F]{16}:|:\d+:$|\(_ssl\.c:\d+\)", "", line) for line in lines)


def _trusted(scenario: Scenario, pki: Pki) -> Path:
    return pki.ca if scenario.trusts_ca else pki.other_ca


class MosquittoPub:
    """mosquitto_pub, of Debian's mosquitto-clients."""

    name = "mosquitto_pub"

    def fits(self, scenario: Scenario, *, speaks_mqtt: bool) -> bool:
        return speaks_mqtt or not scenario.works

    def run(self, scenario: Scenario, pki: Pki, port: int, folder: Path, *, mqtt: bool) -> Result:
        command: list[str | Path] = ["mosquitto_pub", "-d", "-h", "localhost", "-p", str(port)]
        command += ["-i", "mosq-interop", "-t", "interop/greeting", "-m", "hello", "-q", "1"]
        environment = {}
        if scenario.tls:
            # Its own --tls-version sets the lowest version only.
            versions = openssl_configuration(
                folder / "client.openssl", scenario.lowest, scenario.highest
            )
            environment["OPENSSL_CONF"] = str(versions)
            command += ["--cafile", _trusted(scenario, pki)]
            command += ["--tls-version", f"tlsv{scenario.lowest}"]
        code, text = _execute(command, environment=environment)
        complaints = _complaints(text, "(?i)error|received CONNACK|PUBACK|lost|refused")
        if "A TLS error occurred" in text:
            # 1 or 8, each with its own sentence: whether the error comes while it connects
            # or in its first round afterwards is a matter of microseconds.
            code, complaints = 8, complaints[1:]
        if scenario.refused_late and code in (1, 7):
            # It believes that it is connected and writes. Whether its write or the alert
            # comes first decides between "Protocol error" and "The connection was lost".
            code, complaints = 7, ()
        return Result(code, complaints)


class Paho:
    """paho-mqtt, the Python client."""

    name = "paho"

    def fits(self, scenario: Scenario, *, speaks_mqtt: bool) -> bool:
        return speaks_mqtt or not scenario.works

    def run(self, scenario: Scenario, pki: Pki, port: int, folder: Path, *, mqtt: bool) -> Result:
        program = Path(__file__).with_name("paho_publish.py")
        command: list[str | Path] = [sys.executable, program, "localhost", str(port)]
        if scenario.tls:
            command += ["--cafile", _trusted(scenario, pki)]
            command += ["--lowest", scenario.lowest, "--highest", scenario.highest]
        else:
            command.append("--plain")
        code, text = _execute(command)
        return Result(code, _complaints(text, "."))


class OpensslClient:
    """`openssl s_client`."""

    name = "s_client"

    def fits(self, scenario: Scenario, *, speaks_mqtt: bool) -> bool:
        return scenario.tls

    def run(self, scenario: Scenario, pki: Pki, port: int, folder: Path, *, mqtt: bool) -> Result:
        command: list[str | Path] = ["openssl", "s_client", "-connect", f"localhost:{port}"]
        command += ["-servername", "localhost", "-verify_hostname", "localhost"]
        command += ["-CAfile", _trusted(scenario, pki), "-verify_return_error"]
        versions = openssl_configuration(
            folder / "client.openssl", scenario.lowest, scenario.highest
        )
        environment = {**ENVIRONMENT, "OPENSSL_CONF": str(versions)}
        output = folder / "s_client.txt"
        with (
            output.open("wb") as out,
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=out, stderr=out, env=environment
            ) as program,
        ):
            assert program.stdin is not None
            if scenario.works:
                # Says something, waits for the answer, says goodbye.
                says, answer = (_CONNECT, _CONNACK) if mqtt else (b"hello\n", b"\nolleh\n")
                program.stdin.write(says)
                program.stdin.flush()
                wait_until(lambda: answer in output.read_bytes(), "s_client shows the answer")
                if mqtt:
                    program.stdin.write(_DISCONNECT)
                program.stdin.close()
            # Else it waits for the refusal, which under TLS 1.3 comes late: at the end of
            # its input it would leave at once.
            code = program.wait(PATIENCE)
        text = output.read_text(encoding="utf-8", errors="replace")
        return Result(code, _complaints(text, r"(?i)error|alert|Verif|^New, |Protocol *:"))
