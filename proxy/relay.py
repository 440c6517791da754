"""The portable relay: bytes first, observer second, and the manner of ending kept.

Each direction of a connection is a `_Flow`: one task reads the source and writes what
the target takes at once; only what it does not take is kept, and a second task lives
for as long as that lasts. A connection that idles costs two tasks and no buffer.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import trio

from analyzers.events import Direction, How
from proxy.limits import Limits
from proxy.sockets import EXHAUSTED, VANISHED, End, close, name_of, peer_of, prepare, until_taken
from proxy.tap import (
    Accepted,
    Connect,
    Connected,
    Endpoint,
    MakeTap,
    NotConnected,
    OutOfResources,
    SafeTap,
    endpoint_of,
    to_stderr,
)


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
        self._log = log if log is not None else to_stderr
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
                                self, connect, make_tap, limits, buffer, name_of(listener)
                            )
                            acceptors.start_soon(self._accept, listener, handler, limits)
                        task_status.started([name_of(listener) for listener in listeners])
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
                if error.errno not in EXHAUSTED:
                    if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                        raise
                    continue  # the client left while it was waiting (ECONNABORTED and the like)
                self.count(exhausted=1)
                if not exhausted:
                    self.log(f"cannot accept connections for now: {error.strerror}")
                exhausted = True
                await trio.sleep(limits.accept_backoff)
                continue
            exhausted = False
            if self._stats.open >= limits.connections:
                self.count(refused=1)
                if self._stats.refused & (self._stats.refused - 1) == 0:
                    self.log(
                        f"connection of {endpoint_of(address)} refused: {limits.connections} are "
                        f"open, the limit ({self._stats.refused} refused so far)"
                    )
                close(client, reset=True)
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

    def tap_failed(self, number: int, trace: str) -> None:
        """An observer raised: say so, and let the traffic go on."""
        self.count(tap_errors=1)
        self.log(f"the observer of connection {number} failed, its traffic goes on:\n{trace}")

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
            client=endpoint_of(address),
            listener=self.listener,
            at=trio.current_time(),
        )
        tap = SafeTap(self.make_tap, accepted, self.relay.tap_failed)
        reset = True
        server: Connected | None = None
        try:
            prepare(client)
            server = await self._reach(accepted, tap)
            if server is not None:
                prepare(server.sock)
                tap.connected(peer_of(server.sock), trio.current_time())
                pair = _Pair(self, client, server, tap)
                try:
                    await pair.run()
                finally:
                    reset = pair.reset
        except Exception:
            reset = True  # what is cut short must not look complete
            self.relay.count(handler_errors=1)
            self.relay.log(f"connection {number} failed:\n{traceback.format_exc()}")
        finally:
            if server is not None:
                close(server.sock, reset=reset)
            close(client, reset=reset)
            self.relay.count(open=-1, reset=int(reset and server is not None))
            tap.ended(trio.current_time())

    async def _reach(self, accepted: Accepted, tap: SafeTap) -> Connected | None:
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


class _Pair:
    """A client and a broker that are connected."""

    def __init__(
        self, handler: _Handler, client: socket.socket, server: Connected, tap: SafeTap
    ) -> None:
        self.relay = handler.relay
        self.limits = handler.limits
        self.buffer = handler.buffer
        self.tap = tap
        self.reset = False
        """Both sockets are to be closed with a reset."""
        self.scope = trio.CancelScope()
        ends = End(client), End(*server)
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
                    if flow.told is None:
                        self.tap.closed(flow.direction, How.OPEN, trio.current_time())

    async def pass_reset(self, flow: _Flow) -> None:
        """Reset the connection once the flow's target has all bytes that were read for it."""
        target = flow.target
        if not target.dead:
            await until_taken(target.sock, lambda: len(flow.pending), self.limits)
        self.reset = True
        self.scope.cancel()


class _Flow:
    """The bytes of one direction."""

    opposite: _Flow

    def __init__(self, pair: _Pair, direction: Direction, source: End, target: End) -> None:
        self.pair = pair
        self.direction = direction
        self.source = source
        self.target = target
        self.pending = bytearray()
        self.told: How | None = None
        """What the tap knows of this direction's end."""
        self.over = trio.Event()
        """Nothing more will be read, and what was read has been written."""
        self._room = trio.Event()
        self._writing = False

    async def run(self, nursery: trio.Nursery) -> None:
        """Relay until the source ends or the target dies, and pass on how."""
        how = await self._read(nursery)
        if how is not None:
            self._tell(how)
        if how in (How.RST, How.TIMEOUT):
            await self.pair.pass_reset(self)
            return
        while self.pending:
            await self._room.wait()
        if how is How.FIN and not self.target.dead:
            try:
                self.target.sock.shutdown(socket.SHUT_WR)
            except OSError:
                self.target.dead = True
        self.over.set()
        if self.source.dead:
            # A write to it failed: after its FIN, or its last bytes, came a reset.
            self._tell(How.RST)
            await self.pair.pass_reset(self)
        elif self.target.dead and self.opposite.over.is_set():
            # The target had sent FIN before it died, so nobody reads from it any more.
            self.opposite._tell(How.RST)
            await self.pair.pass_reset(self.opposite)
        elif how is How.FIN:
            await self._watch_half_closed()
        # Else the opposite flow drains what the dead target sent before, then ends.

    async def _read(self, nursery: trio.Nursery) -> How | None:
        """Read to the end of the source: how it ended, or None if the target died first."""
        sock, buffer, tap = self.source.sock, self.pair.buffer, self.pair.tap
        read_ahead = self.pair.limits.read_ahead
        while not self.target.dead:
            if len(self.pending) >= read_ahead:
                await self._room.wait()
                continue
            await trio.lowlevel.wait_readable(sock)
            try:
                count = sock.recv_into(buffer)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                self.source.dead = True
                return How.TIMEOUT if error.errno in VANISHED else How.RST
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

    def _signal(self) -> None:
        self._room.set()
        self._room = trio.Event()

    async def _watch_half_closed(self) -> None:
        """Until the other direction ends too, look whether the source has been reset."""
        while not self.opposite.over.is_set():
            with trio.move_on_after(self.pair.limits.half_closed_check):
                await self.opposite.over.wait()
            if self.source.dead or self.source.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.source.dead = True
                self._tell(How.RST)
                await self.pair.pass_reset(self)
                return

    def _tell(self, how: How) -> None:
        if self.told is not How.RST:
            self.told = how
            self.pair.tap.closed(self.direction, how, trio.current_time())
