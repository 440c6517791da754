"""`tlswhy proxy` from its start to a signal: what is said, logged and returned."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
import trio

from analyzers.connection import Connection
from analyzers.context import Context
from analyzers.events import How
from analyzers.report import Report
from proxy.limits import Limits, UsageError
from proxy.live import Proxy
from proxy.observer import Explained
from proxy.screen import Output, ServeOptions
from proxy.serve import fit_descriptors, serve
from proxy.session import Moment, Snapshot
from proxy.tap import Endpoint
from tests import samples
from tests.relaying import PATIENCE, accept, close_peers, listening, until
from tests.test_live import client_of, fail_once, refusing_broker
from tests.test_session import FATAL

ANYWHERE = (Endpoint("127.0.0.1", 0),)
needs_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="a process cannot send itself SIGTERM on Windows"
)


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    yield
    close_peers()


class Served:
    """A `serve` that runs in the background."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self.err = io.StringIO()
        self.proxy: Proxy
        self.code: int | None = None
        self.bundled: list[Sequence[Explained]] = []

    def stop(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    @property
    def where(self) -> Endpoint:
        return self.proxy.listeners[0]


def shows(served: Served, words: str) -> bool:
    return words in served.out.getvalue()


@contextlib.asynccontextmanager
async def serving(options: ServeOptions, *, stop: bool = True) -> AsyncIterator[Served]:
    """Serve; at the end of the block a signal stops it, and `code` is set afterwards."""
    served = Served()

    async def run(task_status: trio.TaskStatus[Proxy]) -> None:
        served.code = await serve(
            options,
            stdout=served.out,
            stderr=served.err,
            on_stop=served.bundled.append,
            task_status=task_status,
        )

    async with trio.open_nursery() as nursery:
        served.proxy = await nursery.start(run)
        with trio.fail_after(PATIENCE):
            yield served
            if stop:
                served.stop()


@needs_signals
async def test_the_whole_of_it(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    async with refusing_broker() as broker:
        options = ServeOptions(broker=broker, listens=ANYWHERE, log=log)
        async with serving(options) as served:
            assert str(served.where) in served.out.getvalue()  # how to point a client here
            await fail_once(served.where)
            await until(lambda: "FAILED" in served.out.getvalue())
            await fail_once(served.where)
            await until(lambda: "#2" in served.out.getvalue())
    text = served.out.getvalue()
    assert served.code == 0
    assert served.err.getvalue() == ""
    assert text.count("FAILED") == 2
    assert "\n2 connections: 2 failed\n" in text
    rules = [json.loads(line)["verdict"]["rule"] for line in log.read_text().splitlines()]
    assert len(rules) == 2
    assert f"    2 {rules[0]}\n" in text
    assert served.bundled == []


@needs_signals
async def test_json_is_all_there_is_on_stdout() -> None:
    async with refusing_broker() as broker:
        options = ServeOptions(broker=broker, listens=ANYWHERE, json_to_stdout=True, exit_code=True)
        async with serving(options) as served:
            await fail_once(served.where)
            await until(lambda: bool(served.out.getvalue()))
    lines = served.out.getvalue().splitlines()
    assert [json.loads(line)["schema"] for line in lines] == ["tlswhy/1"]
    assert str(served.where) in served.err.getvalue()
    assert "1 connection: 1 failed" in served.err.getvalue()
    assert served.code == 1


@needs_signals
async def test_without_a_cause_the_exit_code_is_0() -> None:
    with listening() as broker:
        options = ServeOptions(
            broker=Endpoint(*broker.getsockname()), listens=ANYWHERE, exit_code=True
        )
        async with serving(options) as served:
            client_of(served.where).close()
            server = await accept(broker)
            assert await server.receive_all() == (b"", How.FIN)
            server.close()
            await until(lambda: served.proxy.stats().open == 0)
    assert served.code == 0


@needs_signals
async def test_failed_connections_are_given_to_the_bundle() -> None:
    async with refusing_broker() as broker:
        options = ServeOptions(
            broker=broker, listens=ANYWHERE, bundle=True, limits=Limits(bundled=2)
        )
        async with serving(options) as served:
            for number in range(1, 4):
                await fail_once(served.where)
                await until(functools.partial(shows, served, f"#{number}"))
    assert [[item.number for item in items] for items in served.bundled] == [[2, 3]]


@needs_signals
async def test_open_connections_get_their_grace_and_a_second_signal_cuts_them(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log.jsonl"
    with listening() as broker:
        options = ServeOptions(
            broker=Endpoint(*broker.getsockname()), listens=ANYWHERE, grace=3600, log=log
        )
        async with serving(options) as served:
            client = client_of(served.where)
            await until(lambda: served.proxy.stats().open == 1)
            server = await accept(broker)
            served.stop()
            await until(lambda: "stopping: 1 connection is open" in served.err.getvalue())
            await client.send(b"still")
            assert await server.receive_exactly(5) == b"still"
    assert [close["how"] for close in json.loads(log.read_text())["closes"]] == ["open", "open"]
    assert served.code == 0


@needs_signals
async def test_a_connection_that_ends_within_the_grace_is_not_cut() -> None:
    with listening() as broker:
        options = ServeOptions(
            broker=Endpoint(*broker.getsockname()), listens=ANYWHERE, grace=PATIENCE
        )
        async with serving(options, stop=False) as served:
            client = client_of(served.where)
            await until(lambda: served.proxy.stats().open == 1)
            server = await accept(broker)
            served.stop()
            await until(lambda: "stopping" in served.err.getvalue())
            client.finish()
            assert await server.receive_all() == (b"", How.FIN)
            server.close()
            assert await client.receive_all() == (b"", How.FIN)
    assert served.code == 0


async def test_a_reader_of_the_output_that_goes_away_ends_the_proxy() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            if "#1" in text:
                raise BrokenPipeError
            return super().write(text)

    async with refusing_broker() as broker:
        options = ServeOptions(broker=broker, listens=ANYWHERE)
        ended = trio.Event()

        async def run(task_status: trio.TaskStatus[Proxy]) -> None:
            with pytest.raises(BrokenPipeError):
                await serve(options, stdout=Gone(), stderr=io.StringIO(), task_status=task_status)
            ended.set()

        async with trio.open_nursery() as nursery:
            proxy = await nursery.start(run)
            assert await fail_once(proxy.listeners[0]) == (FATAL, How.FIN)
            with trio.fail_after(PATIENCE):
                await ended.wait()


if sys.platform != "win32":

    async def test_an_output_that_nobody_reads_stops_neither_the_traffic_nor_the_end(
        tmp_path: Path,
    ) -> None:
        """As with a paused terminal: the pipe is full before the first word."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, bytes(4096))
        os.set_blocking(writer, True)
        log = tmp_path / "log.jsonl"
        async with refusing_broker() as broker:
            options = ServeOptions(
                broker=broker, listens=ANYWHERE, log=log, limits=Limits(output_patience=0.01)
            )
            code: list[int] = []
            with os.fdopen(writer, "w") as stdout:

                async def run(task_status: trio.TaskStatus[Proxy]) -> None:
                    code.append(
                        await serve(options, stdout=stdout, stderr=stdout, task_status=task_status)
                    )

                async with trio.open_nursery() as nursery:
                    proxy = await nursery.start(run)
                    with trio.fail_after(PATIENCE):
                        for _ in range(3):
                            assert await fail_once(proxy.listeners[0]) == (FATAL, How.FIN)
                        await until(lambda: proxy.stats().open == 0)
                        os.kill(os.getpid(), signal.SIGTERM)
                assert code == [0]
                assert len(log.read_text().splitlines()) == 3
                os.close(reader)  # lets go of the thread that hangs


async def test_wrong_use_is_one_plain_error() -> None:
    """Not a group of exceptions: the command line prints its text and exits with 2."""
    with listening() as taken:
        options = ServeOptions(
            broker=Endpoint("127.0.0.1", 1), listens=(Endpoint(*taken.getsockname()),)
        )
        with pytest.raises(UsageError, match="in use"):
            await serve(options, stdout=io.StringIO(), stderr=io.StringIO())


async def test_a_log_that_cannot_be_opened_is_wrong_use(tmp_path: Path) -> None:
    options = ServeOptions(broker=Endpoint("127.0.0.1", 1), log=tmp_path / "no" / "log")
    with pytest.raises(UsageError, match="--log"):
        await serve(options, stdout=io.StringIO(), stderr=io.StringIO())


@needs_signals
async def test_a_listener_for_everybody_comes_with_a_warning() -> None:
    async with refusing_broker() as broker:
        options = ServeOptions(broker=broker, listens=(Endpoint("0.0.0.0", 0),))
        async with serving(options) as served:
            await until(lambda: "is open to other machines" in served.err.getvalue())


# --- what is printed, and what again -----------------------------------------------------------


def item(report: Report, moment: Moment) -> Explained:
    """An explanation of connection 1; the screen looks at the report, not at what it is of."""
    context = Context(kind="proxy", name="127.0.0.1:8883", start=0.0)
    transcript = Connection().transcript
    return Explained(
        Snapshot(number=1, moment=moment, transcript=transcript, context=context), report
    )


def screen() -> tuple[Output, io.StringIO]:
    stdout = io.StringIO()
    options = ServeOptions(broker=Endpoint("broker.example.com", 8883))
    return Output(options, stdout=stdout, stderr=io.StringIO()), stdout


async def test_what_was_said_is_not_said_again() -> None:
    output, stdout = screen()
    report = samples.misleading_alert()
    output.explained(item(report, "settled"))
    assert output.drain()
    once = stdout.getvalue()
    output.explained(item(report, "closed"))
    assert output.drain()
    assert stdout.getvalue() == once
    assert "Correction" not in once


async def test_a_changed_verdict_is_a_correction_under_the_same_number() -> None:
    output, stdout = screen()
    output.explained(item(samples.established(), "settled"))
    output.explained(item(samples.misleading_alert(), "closed"))
    assert output.drain()
    text = stdout.getvalue()
    assert "Correction: connection 1 went on" in text
    assert text.index("OK") < text.index("Correction") < text.index("FAILED")


async def test_a_stalled_handshake_is_said_to_be_still_open() -> None:
    output, stdout = screen()
    output.explained(item(samples.silent_server(), "stalled"))
    assert output.drain()
    assert "Connection 1 has made no progress for 10 s. It is still open; so far:" in (
        stdout.getvalue()
    )


async def test_a_full_disk_behind_stdout_is_no_reason_to_stop() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    stderr = io.StringIO()
    output = Output(
        ServeOptions(broker=Endpoint("broker.example.com", 8883)), stdout=Full(), stderr=stderr
    )
    output.explained(item(samples.misleading_alert(), "closed"))
    assert output.drain()
    assert "cannot write the output: No space left on device" in stderr.getvalue()
    assert not output.gone.is_set()
    assert sum(output.rules.values()) == 1


# --- descriptors -------------------------------------------------------------------------------

if sys.platform != "win32":
    import resource

    UNLIMITED = resource.RLIM_INFINITY

    @pytest.mark.parametrize(
        ("soft", "hard", "fits", "soft_after"),
        [
            (1024, 100_000, 4096, 2 * 4096 + 64),
            (1024, 2064, 1000, 2064),
            (100_000, 100_000, 4096, 100_000),
            (1024, UNLIMITED, 4096, 2 * 4096 + 64),
            (UNLIMITED, UNLIMITED, 4096, UNLIMITED),
        ],
    )
    def test_the_descriptor_limit_is_raised_as_far_as_it_goes(
        soft: int, hard: int, fits: int, soft_after: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        current = [(soft, hard)]
        monkeypatch.setattr(resource, "getrlimit", lambda _: current[-1])
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: current.append(limits))
        assert fit_descriptors(4096) == fits
        assert current[-1] == (soft_after, hard)
