"""`tlswhy run` with real processes and real sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.run import exit_code, fill_in

CONNECT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    try:
        s.sendall(bytes.fromhex(sys.argv[3]))
        s.recv(100)
    except OSError:
        pass
print("client is done")
sys.exit(7)
"""
# A whole ClientHello record of TLS 1.2 with one cipher suite and no extension.
HELLO = "160301002d010000290303" + "11" * 32 + "000002c02f0100"


def tlswhy_run(
    broker: str, *options: str | Path, command: list[str], env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy", "run", broker, *map(str, options), "--", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )


def client(hello: str = HELLO) -> list[str]:
    return [sys.executable, "-c", CONNECT, "{host}", "{port}", hello]


@contextmanager
def closing_broker() -> Iterator[str]:
    """Reads what comes first, then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(1000)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_placeholders() -> None:
    filled = fill_in(
        ["-h", "{host}:{port}", "{name}", '{"a": {}}'], "127.0.0.1", 18883, "b.example"
    )
    assert filled == ["-h", "127.0.0.1:18883", "b.example", '{"a": {}}']


def test_exit_codes_as_a_shell_gives_them() -> None:
    assert exit_code(0) == 0
    assert exit_code(3) == 3
    assert exit_code(-9) == 137


def test_the_command_s_code_and_output_pass_and_the_explanation_follows() -> None:
    with closing_broker() as broker:
        done = tlswhy_run(broker, command=client())
    assert done.returncode == 7
    assert done.stdout.startswith("client is done\n")
    assert "server-closed-after-client-hello" in done.stdout
    assert done.stderr == ""


def test_a_broker_that_refuses_tcp() -> None:
    done = tlswhy_run(closed_port(), command=client())
    assert done.returncode == 7
    assert "tcp-refused" in done.stdout


def test_json_alone_on_stdout() -> None:
    with closing_broker() as broker:
        done = tlswhy_run(broker, "--json", command=client())
    assert done.returncode == 7
    [line] = done.stdout.splitlines()
    assert json.loads(line)["verdict"]["rule"] == "server-closed-after-client-hello"
    assert done.stderr == "client is done\n"


def test_log_and_bundle(tmp_path: Path) -> None:
    log, bundle = tmp_path / "log.jsonl", tmp_path / "b.zip"
    with closing_broker() as broker:
        done = tlswhy_run(broker, "--log", log, "--bundle", bundle, command=client())
    [line] = log.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["schema"] == "tlswhy/1"
    assert zipfile.is_zipfile(bundle)
    assert f"wrote {bundle} (1 failed connection)" in done.stderr


def test_a_client_that_tries_again_is_shown_once() -> None:
    twice = f"import sys; code = {CONNECT!r}.replace('sys.exit(7)', '')\nexec(code); exec(code)"
    with closing_broker() as broker:
        done = tlswhy_run(broker, command=[sys.executable, "-c", twice, "{host}", "{port}", HELLO])
    assert done.stdout.count("\nWhy\n") == 1
    assert "The same again: connection 2." in done.stdout


def test_a_command_that_never_connects_is_told_how() -> None:
    done = tlswhy_run(closed_port(), command=[sys.executable, "-c", "print('nothing')"])
    assert done.returncode == 0
    assert "made no connection" in done.stderr
    assert "{port}" in done.stderr


def test_the_environment_tells_where_to_connect() -> None:
    code = "import os; print(*(os.environ['TLSWHY_' + n] for n in ('HOST', 'PORT', 'BROKER')))"
    done = tlswhy_run("127.0.0.2:8883", command=[sys.executable, "-c", code])
    host, port, name = done.stdout.split()
    assert host == "127.0.0.1"
    assert int(port) > 0
    assert name == "127.0.0.2"


def test_a_broker_on_localhost_keeps_its_name() -> None:
    done = tlswhy_run("localhost:1", command=[sys.executable, "-c", "print('{host}')"])
    assert done.stdout == "localhost\n"


def test_no_such_program() -> None:
    done = tlswhy_run(closed_port(), command=["tlswhy-test-no-such-program"])
    assert done.returncode == 127
    assert len(done.stderr.splitlines()) == 1
    assert "no program tlswhy-test-no-such-program" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows decides by the file's name")
def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a program", encoding="ascii")
    done = tlswhy_run(closed_port(), command=[str(path)])
    assert done.returncode == 126
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_command_that_a_signal_ends() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert tlswhy_run(closed_port(), command=[sys.executable, "-c", code]).returncode == 137


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_command(number: signal.Signals) -> None:
    code = (
        "import signal, sys, threading\n"
        "for n in (signal.SIGTERM, signal.SIGINT):\n"
        "    signal.signal(n, lambda number, _: sys.exit(40 + number))\n"
        "print('ready', flush=True)\n"
        "threading.Event().wait(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "proxy", "run", closed_port(), "--", sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(30) == 40 + number
