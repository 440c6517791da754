"""Between a relay and whoever listens: what a relay tells, and what it asks for."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from analyzers.events import Direction, How

Why = Literal["refused", "timeout", "unreachable", "name"]


class Endpoint(NamedTuple):
    """A TCP address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


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


Connect = Callable[[Accepted], Awaitable[socket.socket]]
"""Gives a connected, non-blocking socket that the relay then owns.

Raises NotConnected or OutOfResources.
"""
MakeTap = Callable[[Accepted], Tap]
