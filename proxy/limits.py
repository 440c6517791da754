"""Every bound of the proxy with its default, and the error for wrong use.

This module imports nothing heavy: the command line shows these defaults in its help.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
KIB = 1024
MIB = 1024 * KIB


class UsageError(Exception):
    """The user asked for something that cannot be done; one line says what to do instead.

    The command line prints the message alone on stderr and exits with code 2.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the proxy holds at most. No limit ends a live connection.

    Memory of a connection: nothing while it idles but two tasks; while a reader is
    slow, at most `read_ahead` + one chunk in each direction, (256 + 64) KiB * 2 by
    default; and for the analysis what `analyzers.connection.Connection` keeps: 2 kB at
    first, 7 kB after a usual TLS 1.3 handshake, 12 kB after one of TLS 1.2 with two
    certificates, 25 MB where a peer does its worst (measured).
    """

    connections: int = 4096
    """Connections at a time. One more is accepted and reset at once, counted and named
    on stderr: a client left waiting in the backlog would look like a silent broker."""
    chunk: int = 64 * KIB
    """Bytes taken from a socket in one read; the buffer is shared by all connections."""
    read_ahead: int = 256 * KIB
    """Bytes a direction may have read that the other side has not taken: reading goes on
    until then, because some systems discard unread data when a reset arrives."""
    reset_wait: float = 1.0
    """Seconds in which the other side takes nothing, after which a reset is passed on
    although that side has not acknowledged all bytes before it."""
    reset_grace: float = 0.25
    """Seconds for that where the system cannot say what was acknowledged (Windows)."""
    half_closed_check: float = 0.5
    """Seconds between looks for a reset from a side that has half-closed already."""
    accept_backoff: float = 0.1
    """Seconds without accepting after the system ran out of file descriptors."""
    backlog: int = 1024
    """Connections the system may hold that were not accepted yet."""
    resolve_every: float = 1.0
    """Seconds a resolved broker address is used again without asking; a failed connect
    ends that at once."""
    attempt_delay: float = 0.25
    """Seconds until the broker's next address is tried beside the one that has not
    answered (RFC 8305, section 5)."""
    settle: float = 0.3
    """Seconds between the end of a handshake and its report on the terminal: a refusal
    that follows at once, as in TLS 1.3, is then part of the report."""
    waiting_reports: int = 1024
    """Connections that wait for their explanation; more are dropped and counted."""
    waiting_bytes: int = 16 * MIB
    """Handshake bytes of those; usual ones have 5 kB. In memory they are up to 20 times as
    big, because a list of code points takes more room than its bytes."""
    finished_kept: int = 1024
    """Explained connections that the reader of the in-process channel has not taken."""
    bundled: int = 100
    """Connections in a bundle: the last failed ones."""
    bundled_bytes: int = 16 * MIB
    """Handshake bytes of those."""
    unwritten: int = 16 * MIB
    """Characters that wait for a terminal or a log that takes nothing; more are dropped."""
    output_patience: float = 2.0
    """Seconds in which such an output takes nothing, after which nobody waits for it at the
    end."""
    log_size: int = 64 * MIB
    """Bytes of a log file before it is rotated."""
    log_files: int = 5
    """Rotated log files kept beside the current one."""


class Latest(Generic[T]):
    """The last items, as far as they stay within a count and a total weight."""

    def __init__(self, count: int, weight: int) -> None:
        self._count = count
        self._most = weight
        self._items: deque[tuple[T, int]] = deque()
        self._weight = 0

    def add(self, item: T, weight: int) -> None:
        """Keep an item; the oldest make room for it."""
        self._items.append((item, weight))
        self._weight += weight
        while self._items and (len(self._items) > self._count or self._weight > self._most):
            self._weight -= self._items.popleft()[1]

    def __iter__(self) -> Iterator[T]:
        return (item for item, _ in self._items)

    def __len__(self) -> int:
        return len(self._items)
