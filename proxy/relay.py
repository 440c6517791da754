"""The portable relay: bytes first, observer second, and the manner of ending kept.

Each direction of a connection is a `_Flow`: one task reads the source and writes what
the target takes at once; only what it does not take is kept, and a second task lives
for as long as that lasts. A connection that idles costs two tasks and no buffer.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import trio

from analyzers.events import Direction, How
from proxy.limits import Limits
from proxy.tap import Accepted, Connect, Endpoint, MakeTap, NotConnected, OutOfResources, Tap

if sys.platform == "linux":
    import fcntl
    import termios

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_VANISHED = {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}
_SO_NWRITE = 0x1024  # macOS, <sys/socket.h>: bytes in the send buffer
_NO_LINGER = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayStats:
    """Counts since the start, except `open`."""

    open: int = 0
    accepted: int = 0
    refused: int = 0
    """Reset at once because `Limits.connections` was reached."""
    not_connected: int = 0
    reset: int = 0
    """Connections that ended with a reset, which was passed on."""
    exhausted: int = 0
    """Times that accepting paused because the system had no file descriptor left."""
    client_bytes: int = 0
    server_bytes: int = 0
    tap_errors: int = 0
    handler_errors: int = 0


class Relay:
    """Passes connections on until it is drained. `log` gets one line of text a time."""

    def __init__(self, log: Callable[[str], None] | None = None) -> None:
        self._log = log if log is not None else _to_stderr
        self._stats = RelayStats()
        self._passed = dict.fromkeys(Direction, 0)
        self._accepting = trio.CancelScope()
        self._connections: trio.Nursery | None = None
        self._over = trio.Event()

    def stats(self) -> RelayStats:
        """The counts at this moment."""
        return replace(
            self._stats,
            client_bytes=self._passed[Direction.CLIENT_TO_SERVER],
            server_bytes=self._passed[Direction.SERVER_TO_CLIENT],
        )

    async def run(
        self,
        listeners: Sequence[socket.socket],
        connect: Connect,
        make_tap: MakeTap,
        limits: Limits,
        *,
        task_status: trio.TaskStatus[list[Endpoint]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept and relay until `drain`. To be called once.

        Resource handling: the listeners (listening, non-blocking) are this call's from
        the start and are closed when it ends, as is every connection. `task_status` is
        told the listeners' addresses as soon as connections are accepted.
        Error handling: what goes wrong in a connection ends that connection only. An
        error of a listener other than exhaustion propagates.
        """
        buffer = memoryview(bytearray(limits.chunk))
        try:
            async with trio.open_nursery() as connections:
                self._connections = connections
                with self._accepting:
                    async with trio.open_nursery() as acceptors:
                        for listener in listeners:
                            handler = _Handler(
                                self, connect, make_tap, limits, buffer, _name(listener)
                            )
                            acceptors.start_soon(self._accept, listener, handler, limits)
                        task_status.started([_name(listener) for listener in listeners])
                for listener in listeners:
                    listener.close()
        finally:
            for listener in listeners:
                listener.close()
            self._over.set()

    async def drain(self, deadline: float) -> None:
        """Accept no more, wait for open connections, cut them at `deadline`.

        `deadline` is an absolute time on trio's clock. A connection that is cut is
        closed without a reset, and its tap hears How.OPEN. Returns when `run` is over.
        """
        self._accepting.cancel()
        if self._connections is not None:
            scope = self._connections.cancel_scope
            scope.deadline = min(scope.deadline, deadline)
            await self._over.wait()

    async def _accept(self, listener: socket.socket, handler: _Handler, limits: Limits) -> None:
        assert self._connections is not None
        exhausted = False
        while True:
            await trio.lowlevel.wait_readable(listener)
            try:
                client, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                        raise
                    continue  # the client left while it was waiting (ECONNABORTED and the like)
                self.count(exhausted=1)
                if not exhausted:
                    self._log(f"cannot accept connections for now: {error.strerror}")
                exhausted = True
                await trio.sleep(limits.accept_backoff)
                continue
            exhausted = False
            if self._stats.open >= limits.connections:
                self.count(refused=1)
                if self._stats.refused & (self._stats.refused - 1) == 0:
                    self._log(
                        f"connection of {_endpoint(address)} refused: {limits.connections} are "
                        f"open, the limit ({self._stats.refused} refused so far)"
                    )
                _close(client, reset=True)
                continue
            self.count(open=1, accepted=1)
            self._connections.start_soon(handler.serve, client, address, self._stats.accepted)

    def count(self, **deltas: int) -> None:
        """Add to the named counts."""
        stats = self._stats
        self._stats = replace(stats, **{k: getattr(stats, k) + v for k, v in deltas.items()})

    def passed(self, direction: Direction, count: int) -> None:
        """Count relayed bytes."""
        self._passed[direction] += count

    def log(self, line: str) -> None:
        """Say it to the operator; a full or closed stderr is no reason to stop."""
        with contextlib.suppress(OSError, ValueError):
            self._log(line)


@dataclass(frozen=True, slots=True)
class _Handler:
    """What serves the connections of one listener."""

    relay: Relay
    connect: Connect
    make_tap: MakeTap
    limits: Limits
    buffer: memoryview
    listener: Endpoint

    async def serve(self, client: socket.socket, address: Any, number: int) -> None:
        """Serve one connection to its end, whatever happens."""
        accepted = Accepted(
            number=number,
            client=_endpoint(address),
            listener=self.listener,
            at=trio.current_time(),
        )
        tap = _SafeTap(self.relay, self.make_tap, accepted)
        reset = True
        server: socket.socket | None = None
        try:
            _prepare(client)
            server = await self._reach(accepted, tap)
            if server is not None:
                _prepare(server)
                tap.connected(_peer(server), trio.current_time())
                pair = _Pair(self, client, server, tap)
                try:
                    await pair.run()
                finally:
                    reset = pair.reset
        except Exception:
            self.relay.count(handler_errors=1)
            self.relay.log(f"connection {number} failed:\n{traceback.format_exc()}")
        finally:
            if server is not None:
                _close(server, reset=reset)
            _close(client, reset=reset)
            self.relay.count(open=-1, reset=int(reset and server is not None))
            tap.ended(trio.current_time())

    async def _reach(self, accepted: Accepted, tap: _SafeTap) -> socket.socket | None:
        """The broker, or None after the tap was told why not."""
        try:
            return await self.connect(accepted)
        except NotConnected as error:
            self.relay.count(not_connected=1)
            tap.not_connected(error, trio.current_time())
        except OutOfResources as error:
            self.relay.count(not_connected=1)
            self.relay.log(f"connection {accepted.number}: {error}")
            tap.stopped(str(error), trio.current_time())
        return None


class _SafeTap:
    """A tap that may raise: it is then asked no more, and the traffic goes on."""

    __slots__ = ("_blind", "_number", "_relay", "_tap", "_working")

    def __init__(self, relay: Relay, make_tap: MakeTap, accepted: Accepted) -> None:
        self._relay = relay
        self._number = accepted.number
        self._blind: set[Direction] = set()
        self._tap: Tap | None = None
        self._working = True
        try:
            self._tap = make_tap(accepted)
        except Exception:
            self._failed()

    def _failed(self) -> None:
        self._working = False
        self._relay.count(tap_errors=1)
        self._relay.log(
            f"observer of connection {self._number} failed, the traffic goes on:\n"
            + traceback.format_exc()
        )

    def connected(self, server: Endpoint, at: float) -> None:
        if self._working and self._tap is not None:
            try:
                self._tap.connected(server, at)
            except Exception:
                self._failed()

    def data(self, direction: Direction, data: memoryview, at: float) -> None:
        if self._working and self._tap is not None:
            try:
                if direction in self._blind:
                    self._tap.skipped(direction, len(data), at)
                elif not self._tap.data(direction, data, at):
                    self._blind.add(direction)
            except Exception:
                self._failed()

    def closed(self, direction: Direction, how: How, at: float) -> None:
        if self._working and self._tap is not None:
            try:
                self._tap.closed(direction, how, at)
            except Exception:
                self._failed()

    def not_connected(self, error: NotConnected, at: float) -> None:
        if self._working and self._tap is not None:
            try:
                self._tap.not_connected(error.why, error.detail, at)
            except Exception:
                self._failed()

    def stopped(self, reason: str, at: float) -> None:
        if self._working and self._tap is not None:
            try:
                self._tap.stopped(reason, at)
            except Exception:
                self._failed()

    def ended(self, at: float) -> None:
        if self._tap is not None:
            try:
                self._tap.ended(at)
            except Exception:
                self._failed()


class _End:
    """One socket of a connection, and what is known of its health."""

    __slots__ = ("dead", "eof_is_reset", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.dead = False
        """It was reset or the system gave it up: nothing can be written to it."""
        self.eof_is_reset = False
        """A write consumed the system's note of the reset, so a read shows only EOF."""

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """How many bytes the system took; 0 where it has no room or the end is dead."""
        if self.dead:
            return 0
        try:
            return self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self.dead = True
            # Linux gives EPIPE to a write after FIN *and* RST have come, ECONNRESET after
            # RST alone; only in the first case is the EOF that a read shows a true one.
            self.eof_is_reset = error.errno != errno.EPIPE
            return 0


class _Pair:
    """A client and a broker that are connected."""

    def __init__(
        self, handler: _Handler, client: socket.socket, server: socket.socket, tap: _SafeTap
    ) -> None:
        self.relay = handler.relay
        self.limits = handler.limits
        self.buffer = handler.buffer
        self.tap = tap
        self.reset = False
        """Both sockets are to be closed with a reset."""
        self.scope = trio.CancelScope()
        ends = _End(client), _End(server)
        self.up = _Flow(self, Direction.CLIENT_TO_SERVER, ends[0], ends[1])
        self.down = _Flow(self, Direction.SERVER_TO_CLIENT, ends[1], ends[0])
        self.up.opposite, self.down.opposite = self.down, self.up

    async def run(self) -> None:
        """Relay until both directions have ended, or one end was reset."""
        try:
            with self.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.up.run, nursery)
                    nursery.start_soon(self.down.run, nursery)
        finally:
            if not self.reset:
                for flow in (self.up, self.down):
                    if not flow.told:
                        self.tap.closed(flow.direction, How.OPEN, trio.current_time())

    async def pass_reset(self, target: _End) -> None:
        """Reset the connection once `target` has all bytes that were meant for it."""
        if not target.dead:
            await _until_taken(target.sock, self.limits)
        self.reset = True
        self.scope.cancel()


class _Flow:
    """The bytes of one direction."""

    opposite: _Flow

    def __init__(self, pair: _Pair, direction: Direction, source: _End, target: _End) -> None:
        self.pair = pair
        self.direction = direction
        self.source = source
        self.target = target
        self.pending = bytearray()
        self.told = False
        """The tap knows how this direction ended."""
        self.over = trio.Event()
        """Nothing more will be read, and what was read has been written."""
        self._room = trio.Event()
        self._writing = False

    async def run(self, nursery: trio.Nursery) -> None:
        """Relay until the source ends or the target dies, and pass on how."""
        how = await self._read(nursery)
        if how is not None:
            self._tell(how)
        while self.pending:
            await self._wait_for_room()
        if how is How.FIN and not self.target.dead:
            try:
                self.target.sock.shutdown(socket.SHUT_WR)
            except OSError:
                self.target.dead = True
        self.over.set()
        if how in (How.RST, How.TIMEOUT):
            await self.pair.pass_reset(self.target)
        elif how is How.FIN:
            await self._watch_half_closed()
        elif self.opposite.over.is_set():
            # The target is dead and had sent FIN before, so nobody reads from it any more.
            self.opposite.tell_reset()
            await self.pair.pass_reset(self.source)
        # Else the opposite flow drains what the dead target sent before, then ends.

    async def _read(self, nursery: trio.Nursery) -> How | None:
        """Read to the end of the source: how it ended, or None if the target died first."""
        sock, buffer, tap = self.source.sock, self.pair.buffer, self.pair.tap
        read_ahead = self.pair.limits.read_ahead
        while not self.target.dead:
            if len(self.pending) >= read_ahead:
                await self._wait_for_room()
                continue
            await trio.lowlevel.wait_readable(sock)
            try:
                count = sock.recv_into(buffer)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                self.source.dead = True
                return How.TIMEOUT if error.errno in _VANISHED else How.RST
            if count == 0:
                return How.RST if self.source.eof_is_reset else How.FIN
            at = trio.current_time()
            chunk = buffer[:count]
            taken = 0 if self.pending else self.target.write(chunk)
            if taken < count and not self.target.dead:
                self.pending += chunk[taken:]
                if not self._writing:
                    self._writing = True
                    nursery.start_soon(self._write)
            self.pair.relay.passed(self.direction, count)
            tap.data(self.direction, chunk, at)
        return None

    async def _write(self) -> None:
        """Write what waits, until nothing does."""
        target = self.target
        while self.pending and not target.dead:
            await trio.lowlevel.wait_writable(target.sock)
            taken = target.write(self.pending[: self.pair.limits.chunk])
            if taken:
                del self.pending[:taken]
                self._signal()
        if target.dead:
            self.pending.clear()
        self._writing = False
        self._signal()

    async def _wait_for_room(self) -> None:
        await self._room.wait()

    def _signal(self) -> None:
        self._room.set()
        self._room = trio.Event()

    async def _watch_half_closed(self) -> None:
        """Until the other direction ends too, look whether the source has been reset."""
        while not self.opposite.over.is_set():
            if not self.source.dead:
                with trio.move_on_after(self.pair.limits.half_closed_check):
                    await self.opposite.over.wait()
                    return
                if self.source.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    continue
                self.source.dead = True
            self.tell_reset()
            await self.pair.pass_reset(self.target)
            return

    def _tell(self, how: How) -> None:
        self.told = True
        self.pair.tap.closed(self.direction, how, trio.current_time())

    def tell_reset(self) -> None:
        """A source that had half-closed was then reset."""
        self._tell(How.RST)


async def _until_taken(sock: socket.socket, limits: Limits) -> None:
    """Wait until the peer's system has acknowledged everything, within the limits."""
    left = _unacknowledged(sock)
    if left is None:
        await trio.sleep(limits.reset_grace)
        return
    pause, deadline = 0.001, trio.current_time() + limits.reset_wait
    while left and trio.current_time() < deadline:
        await trio.sleep(pause)
        pause = min(pause * 2, 0.05)
        before, left = left, _unacknowledged(sock) or 0
        if left < before:
            deadline = trio.current_time() + limits.reset_wait


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


def _prepare(sock: socket.socket) -> None:
    """Non-blocking, no delay, keepalive. A socket that is dead already refuses options."""
    sock.setblocking(False)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _close(sock: socket.socket, *, reset: bool) -> None:
    """Close; with `reset` the peer gets RST, and what it had not taken is dropped."""
    with contextlib.suppress(OSError):
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    with contextlib.suppress(OSError):
        sock.close()


def _endpoint(address: Any) -> Endpoint:
    return Endpoint(str(address[0]), int(address[1]))


def _name(sock: socket.socket) -> Endpoint:
    return _endpoint(sock.getsockname())


def _peer(sock: socket.socket) -> Endpoint:
    try:
        return _endpoint(sock.getpeername())
    except OSError:  # reset in the moment since it was connected
        return Endpoint("", 0)


def _to_stderr(line: str) -> None:
    print(f"tlswhy: {line}", file=sys.stderr, flush=True)
