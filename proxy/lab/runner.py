"""Runs a scenario through the real relay on loopback and explains what passed."""

from __future__ import annotations

import contextlib
import functools
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

import trio

from analyzers.context import Context
from analyzers.events import Direction, How
from analyzers.report import Report
from analyzers.transcript import Transcript
from proxy.lab._scenario import Expected, Plan, Scenario
from proxy.lab.peers import PATIENCE, Peer
from proxy.lab.recording import Chunk, Close, Seen, Unreached, capture
from proxy.live import open_proxy
from proxy.observer import Explained
from proxy.tap import Accepted, Endpoint, Tap, Why

LOOPBACK = "127.0.0.1"


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
    def pcapng(self) -> bytes:
        """The explained connection as a capture file."""
        comment = f"tlswhy lab: {self.scenario.title}"
        return capture(self.seen, self.context, comment=comment)

    @property
    def as_expected(self) -> bool:
        """The verdict and the outcome are those of the scenario, near misses held."""
        return not self.differences


class _Recorder:
    """A tap that writes down what it passes on to another one."""

    def __init__(self, inner: Tap) -> None:
        self.seen: list[tuple[float, Seen]] = []
        self.over = trio.Event()
        self._inner = inner

    def connected(self, server: Endpoint, at: float) -> None:
        """See proxy.tap.Tap."""
        self._inner.connected(server, at)

    def data(self, direction: Direction, data: memoryview, at: float) -> bool:
        """See proxy.tap.Tap."""
        self.seen.append((at, Chunk(direction, bytes(data), at)))
        return self._inner.data(direction, data, at)

    def skipped(self, direction: Direction, count: int, at: float) -> None:
        """See proxy.tap.Tap."""
        self._inner.skipped(direction, count, at)

    def closed(self, direction: Direction, how: How, at: float) -> None:
        """See proxy.tap.Tap."""
        self.seen.append((at, Close(direction, how, at)))
        self._inner.closed(direction, how, at)

    def not_connected(self, why: Why, detail: str, at: float) -> None:
        """See proxy.tap.Tap."""
        self.seen.append((at, Unreached(why, detail, at)))
        self._inner.not_connected(why, detail, at)

    def stopped(self, reason: str, at: float) -> None:
        """See proxy.tap.Tap."""
        self._inner.stopped(reason, at)

    def ended(self, at: float) -> None:
        """See proxy.tap.Tap."""
        self._inner.ended(at)
        self.over.set()


async def run_scenario(scenario: Scenario) -> LabResult:
    """Run a scenario on loopback, now, and explain its last connection.

    Raises:
        trio.TooSlowError: the run took longer than any scenario may.
        OSError: no loopback port or no file descriptor was left.
    """
    plan = scenario.plan(time.time())
    bench = _Bench(plan)
    with trio.fail_after(3 * PATIENCE):
        await bench.run()
    last = bench.explained[-1]
    to_epoch = last.snapshot.context.start - bench.accepted_at
    return LabResult(
        scenario=scenario,
        expected=plan.expected,
        report=last.report,
        transcript=last.snapshot.transcript,
        context=last.snapshot.context,
        seen=tuple(replace(item, at=at + to_epoch) for at, item in bench.recorder.seen),
        client_saw=tuple(bench.client_saw),
        broker_saw=tuple(bench.broker_saw),
    )


class _Bench:
    """Broker, proxy and clients of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.client_saw: list[str] = []
        self.broker_saw: list[str] = []
        self.explained: list[Explained] = []
        """One for each connection, when it had ended."""
        self.recorder: _Recorder
        """Of the last connection."""
        self.accepted_at: float
        """When that was accepted, on trio's clock."""
        self._complaints: list[str] = []

    async def run(self) -> None:
        """All clients, one after the other."""
        # The serving nursery is left when every broker has written its line of log.
        async with trio.open_nursery() as serving, trio.open_nursery() as accepting:
            address = await self._start_broker(accepting, serving)
            if self.plan.broker_address is not None:
                address = Endpoint(self.plan.broker_address, address.port)
            async with open_proxy(
                Endpoint(self.plan.broker_name, address.port),
                address=address,
                report_after=PATIENCE,
                on_explained=self._take,
                log=self._complaints.append,
                wrap_tap=self._wrap_tap,
            ) as proxy:
                for client in self.plan.clients:
                    await self._visit(client, proxy.listeners[0])
            accepting.cancel_scope.cancel()
        if self._complaints:
            raise RuntimeError("the proxy complained: " + "\n".join(self._complaints))

    def _wrap_tap(self, accepted: Accepted, tap: Tap) -> Tap:
        self.recorder = _Recorder(tap)
        self.accepted_at = accepted.at
        return self.recorder

    def _take(self, item: Explained) -> None:
        if item.snapshot.moment == "closed":
            self.explained.append(item)

    async def _visit(self, client: Peer, door: Endpoint) -> None:
        stream = await trio.open_tcp_stream(door.host, door.port)
        async with _closing(stream):
            self.client_saw.append(await client(stream))
        await self.recorder.over.wait()

    async def _start_broker(self, accepting: trio.Nursery, serving: trio.Nursery) -> Endpoint:
        listener = _listen()
        host, port = listener.getsockname()
        broker = self.plan.broker
        if broker is None:
            listener.close()
            return Endpoint(host, port)

        async def serve(stream: trio.SocketStream) -> None:
            async with _closing(stream):
                self.broker_saw.append(await broker(stream))

        listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(listener))]
        await accepting.start(
            functools.partial(trio.serve_listeners, serve, listeners, handler_nursery=serving)
        )
        return Endpoint(host, port)


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
    from analyzers.rules import catalogue

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
    notes = {rule.id for rule in catalogue() if rule.note}
    for finding in report.findings:
        # What is merely possible may be listed; a note misfires by speaking at all.
        misfired = finding.role == "cause" and finding.certainty != "possible"
        if finding.rule in notes:
            misfired = finding.role != "ruled_out"
        if misfired and finding.rule in scenario.near_miss:
            yield f"near miss: {finding.rule} is found"
