"""`tlswhy read` as a process, on captures made from real handshakes."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from analyzers import diagnose
from analyzers.context import Context
from analyzers.report import Report
from analyzers.transcript import Transcript
from proxy.__main__ import main
from proxy.record import CaptureWriter
from proxy.replay import End, Hole, Payload
from tests.sessions import TOLD, acme, tls_session

BROKER = ("203.0.113.77", 8883)


def capture(*sessions: Sequence[TOLD], port: int = 50000) -> bytes:
    """A pcapng of sessions from 192.168.7.20 and ports counted from `port`."""
    file = io.BytesIO()
    writer = CaptureWriter(file)
    for number, session in enumerate(sessions):
        flow = writer.flow(("192.168.7.20", port + number), BROKER)
        flow.connected(session[0].at - 0.001)
        for item in session:
            match item:
                case Payload(direction, at, data):
                    flow.data(direction, data, at)
                case Hole(direction, at, count):
                    flow.missing(direction, count, at)
                case End(direction, at, how):
                    flow.close(direction, how, at)
    return file.getvalue()


GOOD = tls_session(acme(), secret=b"some MQTT" * 5)
BAD = tls_session(acme(), trusted=False)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "good.pcapng").write_bytes(capture(GOOD))
    (tmp_path / "bad.pcapng").write_bytes(capture(BAD, GOOD, BAD))
    (tmp_path / "bad.pcapng.gz").write_bytes(gzip.compress(capture(BAD)))
    (tmp_path / "notes.txt").write_text("not a capture, only a text\n" * 100, encoding="ascii")
    return tmp_path


def read(
    *arguments: str | Path, stdin: bytes | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "proxy", "read", *map(str, arguments)],
        capture_output=True,
        timeout=60,
        check=False,
        input=stdin,
        env={**os.environ, **(env or {})},
    )


def test_no_cause_is_0(files: Path) -> None:
    done = read(files / "good.pcapng")
    assert done.returncode == 0
    assert done.stderr == b""
    assert b"1 connection: 1 without a fault." in done.stdout


def test_a_cause_is_1_and_shown(files: Path) -> None:
    done = read(files / "bad.pcapng")
    assert done.returncode == 1
    assert done.stderr == b""
    text = done.stdout.decode()
    assert "certificate-unknown-ca" in text
    assert "3 connections: 1 without a fault, 2 failed." in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "\x1b" not in text


def test_a_client_that_tries_again_is_shown_once_in_full(files: Path) -> None:
    text = read(files / "bad.pcapng").stdout.decode()
    assert text.count("\nWhy\n") == 1
    assert "#3 " in text
    assert "the same as #1" in text


def test_json_is_one_object_a_connection_and_nothing_else(files: Path) -> None:
    done = read(files / "bad.pcapng", "--json")
    assert done.returncode == 1
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(reports) == 3
    assert {report["schema"] for report in reports} == {"tlswhy/1"}
    assert b"3 connections" in done.stderr


def test_failures_alone(files: Path) -> None:
    done = read(files / "bad.pcapng", "--json", "--failures")
    assert len(done.stdout.splitlines()) == 2
    assert b"3 connections: 1 without a fault, 2 failed." in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "count"),
    [
        ("--port", "50001", 1),
        ("--port", "8883", 3),
        ("--port", "1", 0),
        ("--host", "192.168.7.20", 3),
        ("--host", "2001:db8::1", 0),
    ],
)
def test_filters(files: Path, option: str, value: str, count: int) -> None:
    done = read(files / "bad.pcapng", "--json", option, value)
    assert len(done.stdout.splitlines()) == count


def test_several_files_compressed_ones_and_patterns(files: Path) -> None:
    done = read(files / "*.pcapng*", "--json")
    assert done.returncode == 1
    names = [json.loads(line)["source"]["name"] for line in done.stdout.splitlines()]
    assert sorted({Path(name).name for name in names}) == [
        "bad.pcapng",
        "bad.pcapng.gz",
        "good.pcapng",
    ]
    assert b"3 files.\n5 connections: " in done.stderr


def test_standard_input(files: Path) -> None:
    done = read("-", stdin=(files / "bad.pcapng").read_bytes())
    assert done.returncode == 1
    assert b"certificate-unknown-ca" in done.stdout


@pytest.mark.parametrize("name", ["notes.txt", "missing.pcap"])
def test_what_cannot_be_read_is_one_line(files: Path, name: str) -> None:
    done = read(files / name)
    assert done.returncode == 2
    assert done.stdout == b""
    assert len(done.stderr.splitlines()) == 1
    assert name.encode() in done.stderr


def test_a_bad_file_does_not_hide_the_others(files: Path) -> None:
    done = read(files / "notes.txt", files / "bad.pcapng")
    assert done.returncode == 2
    assert b"3 connections" in done.stdout
    assert b"notes.txt" in done.stderr


def test_a_cut_file_is_read_as_far_as_it_goes(files: Path) -> None:
    whole = (files / "bad.pcapng").read_bytes()
    (files / "cut.pcapng").write_bytes(whole[: len(whole) // 2 + 7])
    done = read(files / "cut.pcapng")
    assert done.returncode == 1
    assert b"warning" in done.stderr
    assert b"certificate-unknown-ca" in done.stdout


@pytest.mark.parametrize("redact", [True, False])
def test_bundle(files: Path, redact: bool) -> None:
    path = files / "b.zip"
    done = read(files / "bad.pcapng", "--bundle", path, *(["--redact"] if redact else []))
    assert done.returncode == 1
    assert b"2 failed connections" in done.stderr
    with zipfile.ZipFile(path) as archive:
        reports = archive.read("reports.jsonl")
        again = read("-", "--json", stdin=archive.read("handshakes.pcapng")).stdout
    rules = ["certificate-unknown-ca"] * 2
    assert [json.loads(line)["verdict"]["rule"] for line in reports.splitlines()] == rules
    if not redact:  # with names replaced, signatures do not verify any more
        assert [json.loads(line)["verdict"]["rule"] for line in again.splitlines()] == rules


def test_no_bundle_without_a_failure(files: Path) -> None:
    done = read(files / "good.pcapng", "--bundle", files / "b.zip")
    assert done.returncode == 0
    assert b"no connection failed" in done.stderr
    assert not (files / "b.zip").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_an_interrupt_is_130_and_the_summary_is_printed(files: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "proxy", "read", "--json", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # A connection is over for good when the capture's time has moved on.
        later = [replace(item, at=item.at + 7200) for item in BAD]
        process.stdin.write(capture(BAD, later))
        process.stdin.flush()
        # The reports show that reading has begun; now it waits for more.
        assert process.stdout.readline().startswith(b'{"schema"')
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Interrupted" in err
    assert b"Traceback" not in err
    # What was open then is explained too.
    (line,) = out.splitlines()
    assert line.startswith(b'{"schema"')
    assert b"2 connections: 2 failed" in err


def test_a_closed_pipe_is_silent(files: Path) -> None:
    (files / "many.pcapng").write_bytes(capture(*[BAD] * 50))
    with subprocess.Popen(
        [sys.executable, "-m", "proxy", "read", "--json", str(files / "many.pcapng")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


def test_a_connection_that_we_fail_on_does_not_hide_the_others(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = diagnose.explain

    def sometimes(transcript: Transcript, context: Context) -> Report:
        if context.stream == 0:
            raise RuntimeError("a bug\nof ours")
        return right(transcript, context)

    monkeypatch.setattr(diagnose, "explain", sometimes)
    assert main(["read", str(files / "bad.pcapng")]) == 2
    out, err = capsys.readouterr()
    assert "2 connections: 1 without a fault, 1 failed." in out
    assert len(err.splitlines()) == 1
    assert "stream 0" in err
    assert "RuntimeError: a bug of ours" in err


if sys.platform != "win32":  # there are no pseudo-terminals

    @pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
    def test_colour_only_on_a_terminal_that_wants_it(
        files: Path, no_color: str, coloured: bool
    ) -> None:
        import pty

        terminal, ours = pty.openpty()
        environment = {**os.environ, "NO_COLOR": no_color, "TERM": "xterm"}
        with subprocess.Popen(
            [sys.executable, "-m", "proxy", "read", str(files / "bad.pcapng")],
            stdout=ours,
            stderr=subprocess.PIPE,
            env=environment,
        ) as process:
            os.close(ours)
            shown = b""
            while chunk := _read(terminal):
                shown += chunk
            assert process.wait(30) == 1
        os.close(terminal)
        assert (b"\x1b[" in shown) == coloured

    def _read(terminal: int) -> bytes:
        try:
            return os.read(terminal, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            return b""
