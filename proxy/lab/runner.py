"""Runs a scenario through the real relay on loopback and explains what passed."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field

import trio

from analyzers.connection import Connection
from analyzers.context import Context
from analyzers.events import Direction, How
from analyzers.report import Report
from analyzers.transcript import Transcript
from proxy.lab._scenario import Expected, Plan, Scenario
from proxy.lab.peers import PATIENCE, Peer
from proxy.limits import Limits
from proxy.relay import Relay
from proxy.tap import Accepted, Endpoint, Why
from proxy.upstream import Upstream

LOOPBACK = "127.0.0.1"
BROKER_PORT = 8883
"""The port in the report: the lab's own is a free one that changes with each run."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that passed the relay in one piece."""

    direction: Direction
    data: bytes
    at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Close:
    """One direction ended."""

    direction: Direction
    how: How
    at: float


@dataclass(frozen=True, slots=True)
class Unreached:
    """The broker was not reached."""

    why: Why
    detail: str
    at: float


Seen = Chunk | Close | Unreached


def replay(seen: Iterable[Seen]) -> Transcript:
    """Tell a connection what was seen, in the same order and with the same times."""
    connection = Connection()
    for item in seen:
        match item:
            case Chunk(direction, data, at):
                connection.receive(direction, data, at)
            case Close(direction, how, at):
                connection.close(direction, how, at)
            case Unreached(why, detail, at):
                connection.not_connected(why, detail, at)
    return connection.transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class LabResult:
    """What came of one run."""

    scenario: Scenario
    expected: Expected
    report: Report
    transcript: Transcript
    context: Context
    seen: tuple[Seen, ...]
    """All that passed on the explained connection, for `replay` or for a capture file."""
    client_saw: tuple[str, ...]
    """What each client's user would read, in order."""
    broker_saw: tuple[str, ...]
    """What the broker would write in its log, one line a connection."""

    @property
    def differences(self) -> tuple[str, ...]:
        """Where the explanation is not the expected one; empty when all is well."""
        return tuple(_differences(self.scenario, self.expected, self.report))

    @property
    def as_expected(self) -> bool:
        """The verdict and the outcome are those of the scenario, near misses held."""
        return not self.differences


@dataclass(slots=True)
class _Recorder:
    """The tap of one connection: keeps everything, with wall-clock times."""

    accepted: Accepted
    epoch: float
    seen: list[Seen] = field(default_factory=list)
    server: Endpoint | None = None
    over: trio.Event = field(default_factory=trio.Event)

    def connected(self, server: Endpoint, at: float) -> None:
        """See proxy.tap.Tap."""
        self.server = server

    def data(self, direction: Direction, data: memoryview, at: float) -> bool:
        """See proxy.tap.Tap."""
        self.seen.append(Chunk(direction, bytes(data), self.epoch + at))
        return True

    def skipped(self, direction: Direction, count: int, at: float) -> None:
        """See proxy.tap.Tap; never called, because `data` wants all."""
        raise AssertionError("the lab's relay shows every byte")

    def closed(self, direction: Direction, how: How, at: float) -> None:
        """See proxy.tap.Tap."""
        self.seen.append(Close(direction, how, self.epoch + at))

    def not_connected(self, why: Why, detail: str, at: float) -> None:
        """See proxy.tap.Tap."""
        self.seen.append(Unreached(why, detail, self.epoch + at))

    def stopped(self, reason: str, at: float) -> None:
        """See proxy.tap.Tap."""
        raise OSError(reason)

    def ended(self, at: float) -> None:
        """See proxy.tap.Tap."""
        self.over.set()


async def run_scenario(scenario: Scenario, *, at: float | None = None) -> LabResult:
    """Run a scenario on loopback and explain its last connection.

    Args:
        scenario: what to run.
        at: the moment of the run in seconds since the epoch; None: now. The real peers
            look at the real clock, so any other moment is for scripted ones.

    Raises:
        trio.TooSlowError: the run took longer than any scenario may.
        OSError: no loopback port or no file descriptor was left.
    """
    # Imported here: the catalogue is listed without the rules.
    from analyzers.diagnose import explain

    plan = scenario.plan(time.time() if at is None else at)
    bench = _Bench(plan)
    with trio.fail_after(3 * PATIENCE):
        recorder = await bench.run()
    context = Context(
        kind="proxy",
        name="lab",
        start=plan.at,
        client_address=LOOPBACK,
        client_port=recorder.accepted.client.port,
        server_address=LOOPBACK,
        server_port=BROKER_PORT,
        server_name=plan.broker_name,
    )
    seen = tuple(recorder.seen)
    transcript = replay(seen)
    return LabResult(
        scenario=scenario,
        expected=plan.expected,
        report=explain(transcript, context),
        transcript=transcript,
        context=context,
        seen=seen,
        client_saw=tuple(bench.client_saw),
        broker_saw=tuple(bench.broker_saw),
    )


class _Bench:
    """Broker, relay and clients of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.client_saw: list[str] = []
        self.broker_saw: list[str] = []
        self._recorders: list[_Recorder] = []
        self._log: list[str] = []

    async def run(self) -> _Recorder:
        """All clients, one after the other; gives the last connection's recording."""
        async with trio.open_nursery() as nursery:
            broker = await self._start_broker(nursery)
            listener = _listen()
            relay = Relay(self._log.append)
            upstream = Upstream(broker)
            [door] = await nursery.start(
                relay.run, [listener], upstream.connect, self._make_tap, Limits()
            )
            for client in self.plan.clients:
                await self._visit(client, door)
            nursery.cancel_scope.cancel()
        if self._log:
            raise RuntimeError("the relay complained: " + "\n".join(self._log))
        return self._recorders[-1]

    def _make_tap(self, accepted: Accepted) -> _Recorder:
        epoch = self.plan.at - accepted.at if not self._recorders else self._recorders[0].epoch
        recorder = _Recorder(accepted, epoch)
        self._recorders.append(recorder)
        return recorder

    async def _visit(self, client: Peer, door: Endpoint) -> None:
        stream = await trio.open_tcp_stream(door.host, door.port)
        async with _closing(stream):
            self.client_saw.append(await client(stream))
        await self._recorders[-1].over.wait()

    async def _start_broker(self, nursery: trio.Nursery) -> Endpoint:
        listener = _listen()
        where = Endpoint(*listener.getsockname())
        broker = self.plan.broker
        if broker is None:
            listener.close()
            return where

        async def serve(stream: trio.SocketStream) -> None:
            async with _closing(stream):
                self.broker_saw.append(await broker(stream))

        listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(listener))]
        await nursery.start(trio.serve_listeners, serve, listeners)
        return where


@contextlib.asynccontextmanager
async def _closing(stream: trio.SocketStream) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await trio.aclose_forcefully(stream)


def _listen() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((LOOPBACK, 0))
    listener.listen()
    listener.setblocking(False)
    return listener


def _differences(scenario: Scenario, expected: Expected, report: Report) -> Iterator[str]:
    got = report.verdict.rule if report.verdict else None
    if got != expected.rule:
        yield f"verdict {got}, expected {expected.rule}"
    for name in ("status", "failed_by", "phase"):
        value, wanted = getattr(report.outcome, name), getattr(expected, name)
        if value != wanted:
            yield f"outcome.{name} {value}, expected {wanted}"
    blamed = {finding.rule for finding in report.findings if finding.role != "ruled_out"}
    for rule in expected.also:
        if rule not in blamed:
            yield f"no finding {rule}"
    causes = {finding.rule for finding in report.findings if finding.role == "cause"}
    for rule in scenario.near_miss:
        if rule in causes:
            yield f"near miss: {rule} is given as a cause"
