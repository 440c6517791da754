"""Real brokers on loopback: each gives a port that behaves as a `Setting` says."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from tests.interop.machine import ENVIRONMENT, LOOPBACK, PATIENCE, Running, free_port, is_root
from tests.interop.pki import Pki
from tests.interop.scenarios import Setting, Version

_RABBITMQ = Path("/usr/lib/rabbitmq/bin")
"""The node's own scripts: those in /usr/sbin insist on being root or rabbitmq."""


class Broker(Protocol):
    """A broker program with a log."""

    name: str
    speaks_mqtt: bool

    def port(self, setting: Setting) -> int:
        """A port that is listened on with that setting."""

    def mark(self) -> int:
        """A place in the log, for `since`."""

    def since(self, mark: int) -> list[str]:
        """The lines about connections since then, without what differs in each run."""


def normalized(line: str) -> str:
    """A log line without times, process ids, ports and client ids."""
    line = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+\+\d\d:\d\d|: )?", "", line)
    line = re.sub(r"<\d+\.\d+\.\d+>", "<pid>", line)
    line = re.sub(r"\b(auto-|mosq-|paho-)[-\w]+", "<client>", line)
    line = re.sub(r"\b[0-9A-F]{16}:error", "<thread>:error", line)
    return re.sub(r"\b\d{4,5}\b", "<port>", line).strip()


def openssl_configuration(path: Path, lowest: Version, highest: Version) -> Path:
    """A configuration that holds every OpenSSL program to these versions."""
    path.write_text(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = versions\n"
        f"[versions]\nMinProtocol = TLSv{lowest}\nMaxProtocol = TLSv{highest}\n"
    )
    return path


class Mosquitto:
    """Eclipse Mosquitto: one process a range of versions, one listener a setting."""

    name = "mosquitto"
    speaks_mqtt = True
    _noise = re.compile(r"Warning|Saving in-memory|mosquitto version|Config loaded|listen socket")
    _error = re.compile(r"error:[0-9A-F]{8}:[\w ]*:\w*:[\w ]+")

    def __init__(self, pki: Pki, folder: Path, settings: list[Setting]) -> None:
        self._ports = {setting: free_port() for setting in settings}
        self._log = folder / "mosquitto.log"
        with contextlib.ExitStack() as stack:
            for lowest, highest in sorted({(s.lowest, s.highest) for s in settings}):
                mine = [s for s in settings if (s.lowest, s.highest) == (lowest, highest)]
                base = folder / f"mosquitto-{lowest}-{highest}"
                configuration = base.with_name(base.name + ".conf")
                configuration.write_text(self._configuration(pki, mine))
                versions = openssl_configuration(
                    base.with_name(base.name + ".openssl"), lowest, highest
                )
                running = stack.enter_context(
                    Running(
                        ["mosquitto", "-c", configuration],
                        self._log,
                        environment={"OPENSSL_CONF": str(versions)},
                    )
                )
                for setting in mine:
                    running.until_it_listens(self._ports[setting])
            self.stop = stack.pop_all().close

    def _configuration(self, pki: Pki, settings: list[Setting]) -> str:
        lines = ["log_type all", "log_dest stderr", "log_timestamp_format %Y-%m-%dT%H:%M:%S"]
        if is_root():
            # As root it would become a user that may not read what we wrote.
            lines.append("user root")
        for setting in settings:
            files = pki.servers[setting.certificate]
            lines += [
                "",
                f"listener {self._ports[setting]} {LOOPBACK}",
                "allow_anonymous true",
                f"cafile {pki.cas}",
                f"certfile {files.chain}",
                f"keyfile {files.key}",
                f"require_certificate {str(setting.wants_certificate).lower()}",
                f"tls_version tlsv{setting.lowest}",
            ]
        return "\n".join(lines) + "\n"

    def port(self, setting: Setting) -> int:
        return self._ports[setting]

    def _text(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def mark(self) -> int:
        return len(self._text())

    def since(self, mark: int) -> list[str]:
        # Where a handshake fails, the sentence depends on whether the ClientHello was
        # there already when Mosquitto accepted. Both sentences hold OpenSSL's words.
        lines = self._text()[mark:].splitlines()
        if errors := [found[0] for line in lines if (found := self._error.search(line))]:
            return errors
        return [normalized(line) for line in lines if line and not self._noise.search(line)]


class RabbitMq:
    """RabbitMQ with its MQTT plugin: one node, whose `ssl_options` change while it runs."""

    name = "rabbitmq"
    speaks_mqtt = True

    def __init__(self, pki: Pki, folder: Path) -> None:
        self._pki = pki
        self._setting: Setting | None = None
        self._port = free_port()
        self._log = folder / "rabbitmq.log"
        epmd = free_port()
        (folder / "plugins").write_text("[rabbitmq_mqtt].\n")
        (folder / "rabbitmq-env.conf").touch()
        (folder / ".erlang.cookie").write_text(secrets.token_hex(16))
        (folder / ".erlang.cookie").chmod(0o400)
        (folder / "rabbitmq.conf").write_text(
            "listeners.tcp = none\nmqtt.listeners.tcp = none\n"
            f"mqtt.listeners.ssl.1 = {LOOPBACK}:{self._port}\n"
            "mqtt.default_user = guest\nmqtt.default_pass = guest\nmqtt.allow_anonymous = true\n"
            f"ssl_options.cacertfile = {pki.cas}\n"
            f"ssl_options.certfile = {pki.servers['sound'].chain}\n"
            f"ssl_options.keyfile = {pki.servers['sound'].key}\n"
            "log.file.level = info\ndisk_free_limit.absolute = 1MB\n"
        )
        # Nothing of the machine's own RabbitMQ is read, written or talked to.
        self._environment = {
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(epmd),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": str(self._log),
            "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_NODENAME": "tlswhy-interop@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none"
            ),
        }
        with contextlib.ExitStack() as stack:
            # Ours and in the foreground: a node would start one that outlives it.
            names = stack.enter_context(
                Running(
                    ["epmd", "-address", LOOPBACK, "-port", str(epmd)],
                    folder / "epmd.log",
                    environment=self._environment,
                )
            )
            names.until_it_listens(epmd)
            node = stack.enter_context(
                Running(
                    [_RABBITMQ / "rabbitmq-server"],
                    folder / "rabbitmq.out",
                    environment=self._environment,
                )
            )
            node.until_it_says(r"completed with \d+ plugins")
            node.until_it_listens(self._port)
            self.stop = stack.pop_all().close

    def port(self, setting: Setting) -> int:
        if setting != self._setting:
            self._reconfigure(setting)
            self._setting = setting
        return self._port

    def _reconfigure(self, setting: Setting) -> None:
        files = self._pki.servers[setting.certificate]
        versions = [v for v in ("1.3", "1.2") if setting.lowest <= v <= setting.highest]
        options = [
            f'{{cacertfile, "{self._pki.cas}"}}',
            f'{{certfile, "{files.chain}"}}',
            f'{{keyfile, "{files.key}"}}',
            "{versions, [" + ", ".join(f"'tlsv{version}'" for version in versions) + "]}",
            "{verify, verify_peer}" if setting.wants_certificate else "{verify, verify_none}",
        ]
        if setting.wants_certificate:
            options.append("{fail_if_no_peer_cert, true}")
        # The plugin reads the options when its listeners start.
        self._evaluate(
            f"ok = application:set_env(rabbit, ssl_options, [{', '.join(options)}]), "
            "ok = application:stop(rabbitmq_mqtt), ok = application:start(rabbitmq_mqtt)."
        )

    def _evaluate(self, erlang: str) -> None:
        done = subprocess.run(
            [_RABBITMQ / "rabbitmqctl", "--quiet", "eval", erlang],
            env={**ENVIRONMENT, **self._environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _text(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def mark(self) -> int:
        return len(self._text())

    def since(self, mark: int) -> list[str]:
        return [
            normalized(line)
            for line in self._text()[mark:].splitlines()
            if re.search(r"TLS |CLIENT ALERT|SERVER ALERT|MQTT|mqtt|tls_alert", line)
            and not re.search(r"MQTT: will wait|MQTT retained|listener|Application|mqtt_node", line)
        ]


class OpensslServer:
    """`openssl s_server`: a TLS server that says nothing of its own; one process a setting."""

    name = "openssl"
    speaks_mqtt = False

    def __init__(self, pki: Pki, folder: Path, settings: list[Setting]) -> None:
        self._ports: dict[Setting, int] = {}
        self._log = folder / "openssl.log"
        with contextlib.ExitStack() as stack:
            for number, setting in enumerate(settings):
                port = self._ports[setting] = free_port()
                running = stack.enter_context(
                    Running(
                        self._command(pki, setting, port),
                        self._log,
                        environment={
                            "OPENSSL_CONF": str(
                                openssl_configuration(
                                    folder / f"openssl-{number}.cnf",
                                    setting.lowest,
                                    setting.highest,
                                )
                            )
                        },
                    )
                )
                running.until_it_listens(port)
            self.stop = stack.pop_all().close

    def _command(self, pki: Pki, setting: Setting, port: int) -> list[str | Path]:
        files = pki.servers[setting.certificate]
        command: list[str | Path] = ["openssl", "s_server", "-rev", "-accept", f"{LOOPBACK}:{port}"]
        command += ["-cert", files.chain, "-cert_chain", files.chain, "-key", files.key]
        if setting.wants_certificate:
            command += ["-CAfile", pki.cas, "-Verify", "3", "-verify_return_error"]
        return command

    def port(self, setting: Setting) -> int:
        return self._ports[setting]

    def _text(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def mark(self) -> int:
        return len(self._text())

    def since(self, mark: int) -> list[str]:
        return [normalized(line) for line in self._text()[mark:].splitlines() if line]


def missing_programs() -> list[str]:
    """The programs of the suite that this machine lacks."""
    path = ENVIRONMENT["PATH"]
    wanted = ["mosquitto", "mosquitto_pub", "openssl", "tcpdump", "tshark", "epmd"]
    absent = [program for program in wanted if shutil.which(program, path=path) is None]
    if not (_RABBITMQ / "rabbitmq-server").exists():
        absent.append("rabbitmq-server")
    return absent
