"""The command line as a process: exit codes, streams, one line for wrong use."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy import __main__ as entry
from proxy import cli

COMMANDS = ["demo", "proxy", "run", "read", "explain", "lab", "lab list", "lab run"]


def tlswhy(
    *arguments: str | Path,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        input=stdin,
    )


def inside(*arguments: str) -> tuple[int, str, str]:
    """The same in this process, which is quicker: exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = entry.main(arguments)
    return code, out.getvalue(), err.getvalue()


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help_with_an_example(command: str) -> None:
    code, out, err = inside(*command.split(), "--help")
    assert code == 0
    assert err == ""
    assert f"Usage: tlswhy {command}".strip() in out
    assert f"  tlswhy {command}".rstrip() in out.partition("Usage:")[2] or command == "lab"


def test_help_names_every_command_and_no_other() -> None:
    listed = tlswhy("--help").stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    names = {line.split()[0] for line in listed.splitlines() if line.startswith("  ")}
    assert names == {command for command in COMMANDS if " " not in command}


def test_short_option_for_help() -> None:
    assert tlswhy("-h").stdout == tlswhy("--help").stdout


def test_no_command_shows_the_help_as_wrong_use() -> None:
    done = tlswhy()
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Usage: tlswhy" in done.stderr


def test_version() -> None:
    done = tlswhy("--version")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("tlswhy ")
    assert {line.split()[0] for line in lines[1:]} >= {"Python", "trio", "OpenSSL"}


WRONG = [
    (["nonsense"], "No such command"),
    (["--nonsense"], "No such option"),
    (["proxy"], "tlswhy proxy broker.example.com:8883"),
    (["proxy", "broker:99999"], "1 to 65535"),
    (["proxy", "bad name"], "HOST[:PORT]"),
    (["proxy", "mqtt://broker"], "not TLS"),
    (["proxy", "broker", "--listen", "127.0.0.1:mqtt"], "0 to 65535"),
    (["proxy", "broker", "--listne", "x"], "No such option"),
    (["proxy", "broker", "--connect", "a b"], "--connect"),
    (["proxy", "broker", "--log-size", "1"], "64M"),
    (["proxy", "broker", "--report-after", "soon"], "--report-after"),
    (["proxy", "broker", "--redact"], "--bundle"),
    (["proxy", "broker", "--bundle", "no-such-folder/x.zip"], "no folder"),
    (["proxy", "broker", "--bundle", "."], "is a folder"),
    (["proxy", "broker", "--ca-file", "no-such-file.pem"], "No such file"),
    (["proxy", "127.0.0.1:1", "--listen", "127.0.0.1:0", "--log", "no/such/log"], "no/such/log"),
    (["run"], "tlswhy run broker.example.com"),
    (["run", "broker"], "COMMAND"),
    (["explain"], "tlswhy explain protocol_version"),
    (["read"], "tlswhy read failing.pcapng"),
    (["read", "no-such-file.pcap"], "no-such-file.pcap"),
    (["read", "no-such-*.pcap"], "no file matches"),
    (["read", "."], "is a folder"),
    (["read", "x.pcap", "--host", "broker.example.com"], "not an IP address"),
    (["read", "x.pcap", "--port", "0"], "--port"),
    (["read", "x.pcap", "--redact"], "--bundle"),
    (["lab"], "tlswhy lab --help"),
    (["lab", "run"], "tlswhy lab list"),
    (["lab", "run", "certificate-expird"], "certificate-expired"),
    (["lab", "list", "--family", "x"], "certificate"),
]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    WRONG,
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_one_line_that_says_what_to_do(
    arguments: list[str], hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = inside(*arguments)
    assert code == 2
    assert out == ""
    assert hint in err
    assert err.startswith("tlswhy: ")
    assert len(err.splitlines()) == 1, err
    assert list(tmp_path.iterdir()) == []


def test_wrong_use_as_a_process() -> None:
    done = tlswhy("proxy")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_a_port_in_use_is_one_line() -> None:
    with taken_port() as port:
        done = tlswhy("proxy", "127.0.0.1:1", "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert f"127.0.0.1:{port} is in use" in done.stderr
    assert "--listen" in done.stderr


def test_the_proxy_itself_as_broker_is_one_line() -> None:
    with taken_port() as free:
        pass
    done = tlswhy("proxy", f"localhost:{free}", "--listen", f"127.0.0.1:{free}")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "--connect" in done.stderr


def test_a_file_without_certificates_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN PRIVATE KEY-----\n", encoding="ascii")
    done = tlswhy("proxy", "broker", "--ca-file", path)
    assert done.returncode == 2
    assert "holds no certificate" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_control_characters_of_an_argument_are_shown_not_obeyed() -> None:
    done = tlswhy("proxy", "bro\x1b[31mker\r\n")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_proxy_explains_logs_and_bundles(tmp_path: Path) -> None:
    log, bundle = tmp_path / "log.jsonl", tmp_path / "b.zip"
    with taken_port() as free:
        pass
    command = ["proxy", f"127.0.0.1:{free}", "--listen", "127.0.0.1:0", "--exit-code"]
    with subprocess.Popen(
        [sys.executable, "-m", "proxy", *command, "--log", str(log), "--bundle", str(bundle)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split("127.0.0.1:")[1].split()[0])
        with socket.create_connection(("127.0.0.1", port)) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(b"x")
            with contextlib.suppress(ConnectionError):
                assert client.recv(1) == b""
        # The report appears when the connection has ended.
        while "tcp-refused" not in (line := process.stdout.readline()):
            assert line
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert json.loads(log.read_text(encoding="utf-8"))["verdict"]["rule"] == "tcp-refused"
    assert zipfile.is_zipfile(bundle)
    assert f"wrote {bundle} (1 failed connection)" in err


def test_a_scenario_of_the_lab() -> None:
    done = tlswhy("lab", "run", "certificate-expired")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "The client says: " in done.stdout
    assert "certificate-expired, certain" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_a_scenario_as_json() -> None:
    done = tlswhy("lab", "run", "certificate-expired", "--json")
    assert done.returncode == 0
    [line] = done.stdout.splitlines()
    assert json.loads(line)["verdict"]["rule"] == "certificate-expired"


def test_scenarios_of_a_family() -> None:
    done = tlswhy("lab", "list", "--family", "transport")
    assert done.returncode == 0
    assert done.stdout.startswith("transport:\n")
    assert "certificate-expired" not in done.stdout
    assert "\nmqtt:\n" in tlswhy("lab", "list").stdout


def test_demo() -> None:
    done = tlswhy("demo")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "certificate-bad-signature" in done.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (["certificate-expired"], "certificate-expired"),
        (["70"], "protocol_version"),
        (["unknown", "ca"], "unknown_ca"),
        (["CLIENT ALERT: Fatal - Protocol Version"], "protocol_version"),
        (["The Local Security Authority cannot be contacted"], "Schannel"),
    ],
)
def test_explain(text: list[str], says: str) -> None:
    code, out, err = inside("explain", *text)
    assert code == 0
    assert err == ""
    assert says in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_explain_reads_a_log_from_standard_input() -> None:
    line = "2026-01-01 [notice] In state certify received CLIENT ALERT: Fatal - Unknown CA\n"
    done = tlswhy("explain", "-", stdin=line)
    assert done.returncode == 0
    assert "unknown_ca" in done.stdout


@pytest.mark.parametrize(
    ("text", "hint"), [("certificate-expird", "certificate-expired"), ("a\x1b[2Jb", "rule id")]
)
def test_explain_says_when_it_knows_nothing(text: str, hint: str) -> None:
    done = tlswhy("explain", text)
    assert done.returncode == 1
    assert done.stdout == ""
    assert hint in done.stderr
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("json", [True, False])
def test_the_proxy_stops_cleanly(number: signal.Signals, json: bool) -> None:
    command = [sys.executable, "-m", "proxy", "proxy", "localhost:1", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        [*command, *(["--json"] if json else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        stream = process.stderr if json else process.stdout
        assert stream is not None
        assert "tlswhy listens on 127.0.0.1:" in stream.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "0 connections" in (err if json else out)
    assert (out if json else err) == ""


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "proxy", "lab", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(30) == entry.PIPE_CLOSED


def test_an_internal_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(argv: list[str]) -> int:
        raise RuntimeError(f"a bug\nin {argv}")

    monkeypatch.setattr(cli, "run", broken)
    monkeypatch.delenv("TLSWHY_DEBUG", raising=False)
    assert entry.main(["x"]) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1
    assert "RuntimeError: a bug in ['x']" in message
    assert "TLSWHY_DEBUG=1" in message
    monkeypatch.setenv("TLSWHY_DEBUG", "1")
    assert entry.main(["x"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(argv: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupted)
    assert entry.main([]) == entry.INTERRUPTED


def test_explain_takes_any_bytes_and_looks_at_the_beginning_only() -> None:
    line = b"\xff\xfe\x1b[31m CLIENT ALERT: Fatal - Unknown CA \x00\n"
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "explain", "-"],
        input=line + b"x" * 1_000_000,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert b"unknown_ca" in done.stdout
    assert b"\x1b" not in done.stdout + done.stderr


posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")


def shell(redirections: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command with streams that a shell has closed or sent elsewhere."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-m", "proxy"]
        + [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@posix
@pytest.mark.parametrize(
    ("redirections", "arguments", "code"),
    [
        (">&-", ["explain", "70"], 0),
        (">&-", ["--help"], 0),
        ("2>&-", ["read", "no-such-file"], 2),
        ("<&- >&- 2>&-", ["explain", "-"], 2),
    ],
)
def test_closed_streams_are_no_error_of_ours(
    redirections: str, arguments: list[str], code: int
) -> None:
    done = shell(redirections, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@posix
@pytest.mark.parametrize("command", ["read", "explain"])
def test_closed_standard_input_is_named(command: str) -> None:
    done = shell("<&-", command, "-")
    assert done.returncode == 2
    assert done.stderr.startswith("tlswhy: standard input is closed")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["explain", "70"], ["lab", "list"]])
def test_a_full_disk_behind_the_output_is_one_clear_line(arguments: list[str]) -> None:
    done = shell(">/dev/full", *arguments)
    assert done.returncode == 2
    assert done.stderr == "tlswhy: cannot write the output: No space left on device\n"
    # Nobody can be told; at least the code is right.
    assert shell(">/dev/full 2>/dev/full", *arguments).returncode == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"TERM": "dumb", "COLUMNS": "20", "NO_COLOR": "1"},
    ],
    ids=["C", "ascii", "dumb"],
)
def test_any_locale_and_terminal_will_do(settings: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "read", str(tmp_path / "nö\x1b\n.pcap")],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **settings},
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"tlswhy: cannot read ")
    assert done.stderr.count(b"\n") == 1
    assert b"\x1b" not in done.stderr
