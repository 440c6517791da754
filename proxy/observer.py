"""Behind the relay: sessions, their timers, and the one worker that explains them.

The relay's taps only put snapshots into a bounded queue; certificates are parsed and
rules run in a worker thread, one connection after the other, so that traffic does not
wait. What does not fit the queue is dropped and counted.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import trio

from analyzers.context import Context
from analyzers.report import Report
from proxy.limits import Limits
from proxy.session import Session, Snapshot
from proxy.tap import Accepted, Endpoint


@dataclass(frozen=True, slots=True)
class Explained:
    """A snapshot with its explanation."""

    snapshot: Snapshot
    report: Report

    @property
    def number(self) -> int:
        """The connection's running number, from 1."""
        return self.snapshot.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the user told about the connections to come; see `analyzers.context`."""

    client: str | None = None
    broker: str | None = None
    trust_anchors: tuple[bytes, ...] | None = None


class Observer:
    """Makes taps for a relay and explains what they saw."""

    def __init__(
        self,
        broker: Endpoint,
        *,
        explained: Callable[[Explained], None],
        log: Callable[[str], None],
        hints: Hints,
        limits: Limits,
        report_after: float,
    ) -> None:
        """`explained` is called in trio's thread, in the order of the snapshots."""
        self.dropped = 0
        """Connections that ended without an explanation because too many waited."""
        self.failed = 0
        """Connections whose explanation failed: a bug, said on stderr."""
        self._broker = broker
        self._explained = explained
        self._log = log
        self._hints = hints
        self._limits = limits
        self._report_after = report_after
        self._unsettled: dict[int, Session] = {}
        self._awaited = trio.Event()
        self._waiting = 0  # handshake bytes
        self._send, self._receive = trio.open_memory_channel[Snapshot](limits.waiting_reports)

    def make_tap(self, accepted: Accepted) -> Session:
        """A session for a new connection; the only place where the wall clock is read."""
        context = Context(
            kind="proxy",
            name=str(accepted.listener),
            start=time.time() - (trio.current_time() - accepted.at),
            client_address=accepted.client.host,
            client_port=accepted.client.port,
            server_name=self._broker.host,
            server_port=self._broker.port,
            trust_anchors=self._hints.trust_anchors,
            client_hint=self._hints.client,
            broker_hint=self._hints.broker,
        )
        session = Session(
            accepted,
            context=context,
            emit=self._take,
            limits=self._limits,
            report_after=self._report_after,
        )
        self._unsettled[accepted.number] = session
        self._awaited.set()
        return session

    def _take(self, snapshot: Snapshot) -> None:
        if snapshot.moment == "closed":
            self._unsettled.pop(snapshot.number, None)
        elif self._receive.statistics().current_buffer_used > self._limits.waiting_reports // 2:
            return  # the last word on a connection matters more than the first
        weight = snapshot.transcript.handshake_bytes
        try:
            if self._waiting and self._waiting + weight > self._limits.waiting_bytes:
                raise trio.WouldBlock
            self._send.send_nowait(snapshot)
            self._waiting += weight
        except trio.WouldBlock:
            self.dropped += 1
            if self.dropped & (self.dropped - 1) == 0:
                self._log(
                    f"too many connections wait for their explanation: "
                    f"{self.dropped} went without so far"
                )

    async def watch(self) -> None:
        """Look after the sessions' timers, until cancelled."""
        while True:
            now = trio.current_time()
            for session in list(self._unsettled.values()):
                try:
                    session.look(now)
                except Exception:
                    self.failed += 1
                    self._unsettled.pop(session.number, None)
                    self._log(
                        f"connection {session.number} could not be looked at (a bug):\n"
                        + traceback.format_exc()
                    )
                if session.due is None and session.settled:
                    self._unsettled.pop(session.number, None)
            self._awaited = trio.Event()
            # Timers only ever move later or to `settle` from now, so this is soon enough.
            with trio.move_on_after(self._limits.settle / 2 if self._unsettled else float("inf")):
                await self._awaited.wait()

    async def explain(self) -> None:
        """Explain what the sessions emit, until `finish` and everything is explained."""
        # The first explanation should not wait for a second of imports.
        await trio.to_thread.run_sync(_get_ready)
        async for snapshot in self._receive:
            self._waiting -= snapshot.transcript.handshake_bytes
            try:
                report = await trio.to_thread.run_sync(_explain, snapshot)
                self._explained(Explained(snapshot, report))
            except Exception:
                self.failed += 1
                self._log(
                    f"connection {snapshot.number} could not be explained (a bug):\n"
                    + traceback.format_exc()
                )

    def finish(self) -> None:
        """No session will emit anything any more: let `explain` end."""
        self._send.close()


def _get_ready() -> None:
    import analyzers.diagnose  # noqa: F401  (for its side effect on the next import)


def _explain(snapshot: Snapshot) -> Report:
    from analyzers.diagnose import explain

    return explain(snapshot.transcript, snapshot.context)
