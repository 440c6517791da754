"""What the relay needs to know of sockets, and where systems differ."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import sys
from collections.abc import Callable

import trio

from proxy.limits import Limits
from proxy.tap import Endpoint, endpoint_of

if sys.platform == "linux":
    import fcntl
    import termios

EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, 10024}  # WSAEMFILE
"""This machine has no descriptor or memory left."""
VANISHED = {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}
"""The system gave the peer up without having heard from it."""
_SO_NWRITE = 0x1024  # macOS, <sys/socket.h>: bytes in the send buffer
_NO_LINGER = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)


class End:
    """One socket of a connection, and what is known of its health."""

    __slots__ = ("dead", "eof_is_reset", "sock")

    def __init__(self, sock: socket.socket, error: int = 0) -> None:
        self.sock = sock
        self.dead = False
        """It was reset or the system gave it up: nothing can be written to it."""
        self.eof_is_reset = False
        """Somebody took the system's note of the reset, so a read shows only EOF."""
        if error:
            self.failed(error)

    def failed(self, error: int | None) -> None:
        """Take note of an error that the system tells only once."""
        self.dead = True
        # After FIN *and* RST Linux says EPIPE, after RST alone ECONNRESET; only in the
        # first case is the EOF that a read shows a true one.
        self.eof_is_reset = error != errno.EPIPE

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """How many bytes the system took; 0 where it has no room or the end is dead."""
        if self.dead:
            return 0
        try:
            return self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self.failed(error.errno)
            return 0


async def until_taken(sock: socket.socket, waiting: Callable[[], int], limits: Limits) -> None:
    """Wait until the peer's system has acknowledged everything.

    `waiting` tells how many bytes somebody else has still to write. Gives up after
    `Limits.reset_wait` seconds in which the peer has taken nothing.
    """
    pause, deadline = 0.001, trio.current_time() + limits.reset_wait
    queued = _unacknowledged(sock)
    left = waiting() + (queued or 0)
    while left and trio.current_time() < deadline:
        await trio.sleep(pause)
        pause = min(pause * 2, 0.05)
        before, left = left, waiting() + (_unacknowledged(sock) or 0)
        if left < before:
            deadline = trio.current_time() + limits.reset_wait
    if queued is None:
        await trio.sleep(limits.reset_grace)


def _unacknowledged(sock: socket.socket) -> int | None:
    """Bytes written that the peer's system has not acknowledged; None: nobody can say."""
    if sys.platform == "linux":
        # SIOCOUTQ has the number of TIOCOUTQ (tcp(7)).
        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return int.from_bytes(answer, sys.byteorder)
    if sys.platform == "darwin":
        try:
            return sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)
        except OSError:
            return None
    return None


def prepare(sock: socket.socket) -> None:
    """Non-blocking, no delay, keepalive. A socket that is dead already refuses options."""
    sock.setblocking(False)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def close(sock: socket.socket, *, reset: bool) -> None:
    """Close; with `reset` the peer gets RST, and what it had not taken is dropped."""
    with contextlib.suppress(OSError):
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    with contextlib.suppress(OSError):
        sock.close()


def name_of(sock: socket.socket) -> Endpoint:
    """The socket's own address."""
    return endpoint_of(sock.getsockname())


def peer_of(sock: socket.socket) -> Endpoint:
    """The peer's address; empty where the connection has been reset already."""
    try:
        return endpoint_of(sock.getpeername())
    except OSError:
        return Endpoint("", 0)
