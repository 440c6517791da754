"""Between a relay and whoever listens: what a relay tells, and what it asks for."""

from __future__ import annotations

import socket
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from analyzers.events import Direction, How
from analyzers.printable import printable

Why = Literal["refused", "timeout", "unreachable", "name"]


class Endpoint(NamedTuple):
    """A TCP address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoint_of(address: Any) -> Endpoint:
    """An IPv4 or IPv6 socket address without flow label and scope."""
    return Endpoint(str(address[0]), int(address[1]))


def to_stderr(line: str) -> None:
    """Where the proxy's own messages go unless somebody wants them."""
    print(message(line), file=sys.stderr, flush=True)


def message(text: str) -> str:
    """A message of the proxy as lines for a terminal: it may quote what strangers sent."""
    return "tlswhy: " + "\n".join(printable(line) for line in text.split("\n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A client's connection that was accepted."""

    number: int
    """Counts from 1 over the life of the relay."""
    client: Endpoint
    listener: Endpoint
    at: float
    """When, on trio's clock."""


class NotConnected(Exception):
    """The broker was not reached: `why` for rules, `detail` as a sentence for people."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(why, detail)
        self.why = why
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class OutOfResources(Exception):
    """This machine, not the broker, is why no connection could be opened."""


class Tap(Protocol):
    """Told what passes. Synchronous; `at` is seconds on trio's clock, never wall time.

    A tap should not raise. One that does is not called again, except for `ended`.
    """

    def connected(self, server: Endpoint, at: float) -> None:
        """The broker has accepted the connection."""

    def data(self, direction: Direction, data: memoryview, at: float) -> bool:
        """These bytes were passed on. Valid only during the call.

        False: from now on `skipped` tells this direction's lengths only.
        """

    def skipped(self, direction: Direction, count: int, at: float) -> None:
        """So many bytes were passed on without being shown."""

    def closed(self, direction: Direction, how: How, at: float) -> None:
        """The sender of this direction has ended it.

        FIN may be followed by RST. OPEN: the relay stopped first. TIMEOUT: the system
        gave the sender up. After RST or TIMEOUT the other direction is not told of.
        """

    def not_connected(self, why: Why, detail: str, at: float) -> None:
        """The broker was not reached."""

    def stopped(self, reason: str, at: float) -> None:
        """No connection for a reason of our own (no file descriptors left)."""

    def ended(self, at: float) -> None:
        """The connection is over: the last call, made exactly once."""


class Connected(NamedTuple):
    """A socket on which the broker has accepted a connection."""

    sock: socket.socket
    error: int = 0
    """The errno with which it was reset since; asking the system took it off the socket."""


Connect = Callable[[Accepted], Awaitable[Connected]]
"""Gives a connected, non-blocking socket that the relay then owns.

Raises NotConnected or OutOfResources.
"""
MakeTap = Callable[[Accepted], Tap]


class SafeTap:
    """A tap that may raise: it is then asked no more, and the traffic goes on.

    `failed` is called once for it, with the number of the connection and a traceback.
    """

    __slots__ = ("_blind", "_failed", "_number", "_tap", "_working")

    def __init__(
        self, make_tap: MakeTap, accepted: Accepted, failed: Callable[[int, str], None]
    ) -> None:
        self._failed = failed
        self._number = accepted.number
        self._blind: set[Direction] = set()
        self._tap: Tap | None = None
        self._working = True
        try:
            self._tap = make_tap(accepted)
        except Exception:
            self._give_up()

    def _give_up(self) -> None:
        if self._working:
            self._working = False
            self._failed(self._number, traceback.format_exc())

    def _tell(self, call: Callable[[Tap], object]) -> None:
        if self._working and self._tap is not None:
            try:
                call(self._tap)
            except Exception:
                self._give_up()

    def data(self, direction: Direction, data: memoryview, at: float) -> None:
        """Show bytes, or only their number to a tap that wanted no more."""
        if self._working and self._tap is not None:
            try:
                if direction in self._blind:
                    self._tap.skipped(direction, len(data), at)
                elif not self._tap.data(direction, data, at):
                    self._blind.add(direction)
            except Exception:
                self._give_up()

    def connected(self, server: Endpoint, at: float) -> None:
        """See Tap."""
        self._tell(lambda tap: tap.connected(server, at))

    def closed(self, direction: Direction, how: How, at: float) -> None:
        """See Tap."""
        self._tell(lambda tap: tap.closed(direction, how, at))

    def not_connected(self, error: NotConnected, at: float) -> None:
        """See Tap."""
        self._tell(lambda tap: tap.not_connected(error.why, error.detail, at))

    def stopped(self, reason: str, at: float) -> None:
        """See Tap."""
        self._tell(lambda tap: tap.stopped(reason, at))

    def ended(self, at: float) -> None:
        """See Tap; said even to a tap that has raised."""
        if self._tap is not None:
            try:
                self._tap.ended(at)
            except Exception:
                self._give_up()
