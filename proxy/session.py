"""One live connection as the analysis sees it: bytes to a `Connection`, trio's clock to ours.

A session never delays the relay: it copies, counts and hands out snapshots; explaining
them is somebody else's work. What goes wrong here ends the analysis of this one
connection, and the report says so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from analyzers.connection import Connection
from analyzers.context import Context
from analyzers.events import Direction, How
from analyzers.transcript import Transcript
from proxy.limits import Limits
from proxy.tap import Accepted, Endpoint, Why

Moment = Literal["stalled", "settled", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A connection at the moment when there is something to say about it."""

    number: int
    """The connection's running number, from 1."""
    moment: Moment
    transcript: Transcript
    context: Context


class Session:
    """A tap (see `proxy.tap.Tap`) that feeds a `Connection` and says when to report.

    `due` is the time on trio's clock at which `look` wants to be called. A snapshot is
    emitted once when nothing has happened for `report_after` seconds of an unfinished
    handshake ("stalled": the traffic goes on), once when the handshake is over
    ("settled"), and at the end ("closed").
    """

    def __init__(
        self,
        accepted: Accepted,
        *,
        context: Context,
        emit: Callable[[Snapshot], None],
        limits: Limits,
        report_after: float,
    ) -> None:
        """`context.start` is the wall time at which the connection was accepted."""
        self.number = accepted.number
        self.due: float | None = accepted.at + report_after
        self._context = context
        self._to_epoch = context.start - accepted.at
        self._emit = emit
        self._limits = limits
        self._report_after = report_after
        self._connection = Connection(opened_at=context.start)
        self._reached = False
        self._broken = False
        self.settled = False
        """The handshake is over, one way or the other."""
        self._ended: set[Direction] = set()

    def connected(self, server: Endpoint, at: float) -> None:
        """The broker has accepted the connection; the wait for the handshake begins."""
        if server.host:
            self._context = replace(
                self._context, server_address=server.host, server_port=server.port
            )
        self._reached = True
        self.due = at + self._report_after

    def data(self, direction: Direction, data: memoryview, at: float) -> bool:
        """Take bytes; False once the analysis has broken down."""
        if self._broken:
            return False
        try:
            self._connection.receive(direction, data, at + self._to_epoch)
        except Exception as error:
            self._stop(f"internal error: {type(error).__name__}: {error}", at)
        self._moved(at)
        return not self._broken

    def skipped(self, direction: Direction, count: int, at: float) -> None:
        """Take note of bytes that were passed on unseen."""
        try:
            self._connection.skipped(direction, count, at + self._to_epoch)
        except Exception as error:
            self._stop(f"internal error: {type(error).__name__}: {error}", at)

    def closed(self, direction: Direction, how: How, at: float) -> None:
        """Take note of how a direction ended."""
        self._ended.add(direction)
        try:
            self._connection.close(direction, how, at + self._to_epoch)
        except Exception as error:
            self._stop(f"internal error: {type(error).__name__}: {error}", at)
        self._moved(at)

    def not_connected(self, why: Why, detail: str, at: float) -> None:
        """Take note that the broker was not reached."""
        self._connection.not_connected(why, detail, at + self._to_epoch)

    def stopped(self, reason: str, at: float) -> None:
        """Take note that we, not the broker, are why there is nothing to see."""
        self._stop(reason, at)

    def ended(self, at: float) -> None:
        """The connection is over: emit the last snapshot."""
        self.due = None
        self._emit(self._snapshot("closed", self._connection.transcript))

    def look(self, at: float) -> None:
        """Emit what is due at this time, if anything is."""
        if self.due is None or at < self.due:
            return
        self.due = None
        if self.settled:
            self._emit(self._snapshot("settled", self._connection.transcript))
            return
        # The observer stops waiting, the connection does not: the close is a copy's.
        # Events never change, and copying them could take long.
        kept = {id(event): event for event in self._connection.transcript.events}
        so_far = copy.deepcopy(self._connection, kept)
        if not self._reached:
            so_far.not_connected(
                "timeout",
                f"no TCP connection to {self._context.server_name}:{self._context.server_port} "
                f"after {self._report_after:g} s; still trying",
                at + self._to_epoch,
            )
        for direction in Direction:
            if direction not in self._ended:
                so_far.close(direction, How.TIMEOUT, at + self._to_epoch)
        self._emit(self._snapshot("stalled", so_far.transcript))

    def _moved(self, at: float) -> None:
        if self.settled:
            return
        if self._connection.settled:
            self.settled = True
            self.due = at + self._limits.settle
        elif self.due is not None:  # once said to be stalled, not again for the same handshake
            self.due = at + self._report_after

    def _stop(self, reason: str, at: float) -> None:
        self._broken = True
        self._connection.stop(reason, at + self._to_epoch)

    def _snapshot(self, moment: Moment, transcript: Transcript) -> Snapshot:
        return Snapshot(
            number=self.number,
            moment=moment,
            transcript=transcript,
            context=self._context,
        )
