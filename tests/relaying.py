"""Two real sockets with a relay between them, or without one: for comparing the two."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import trio

from analyzers.events import Direction, How
from proxy.limits import Limits
from proxy.relay import Relay
from proxy.tap import Accepted, Connected, Endpoint, Why

CLIENT, SERVER = Direction
PATIENCE = 10.0
"""Seconds after which a test that waits for something fails."""


def listening(*, receive_buffer: int | None = None) -> socket.socket:
    """A non-blocking listener on a free loopback port."""
    sock = socket.socket()
    if receive_buffer is not None:  # before listen: accepted sockets inherit it
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.bind(("127.0.0.1", 0))
    sock.listen(1024)
    sock.setblocking(False)
    return sock


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something outside trio's knowledge has become true."""
    with trio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110  (no event exists for it)
            await trio.sleep(0.001)


def close_peers() -> None:
    """Close what a test has left open, so that it need not on every path."""
    while Peer.opened:
        Peer.opened.pop().close()


class Peer:
    """One end, as an application would use its socket."""

    opened: ClassVar[list[socket.socket]] = []

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        # Otherwise small pieces wait for an acknowledgement, and a reset drops them.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.opened.append(sock)
        self.sock = sock

    async def send(self, data: bytes) -> None:
        """Send it all, waiting for room."""
        left = memoryview(data)
        while left:
            try:
                left = left[self.sock.send(left) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self.sock)

    async def receive(self, limit: int = 1 << 16) -> bytes | How:
        """Some bytes, or how the other side ended."""
        while True:
            try:
                return self.sock.recv(limit) or How.FIN
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self.sock)
            except OSError:
                return How.RST

    async def receive_all(self, step: int = 1 << 16) -> tuple[bytes, How]:
        """Everything to the end, and the manner of ending."""
        data = bytearray()
        while not isinstance(some := await self.receive(step), How):
            data += some
        return bytes(data), some

    async def receive_exactly(self, count: int) -> bytes:
        """So many bytes, no more."""
        data = bytearray()
        while len(data) < count:
            some = await self.receive(count - len(data))
            assert isinstance(some, bytes), f"{some} after {len(data)} of {count} bytes"
            data += some
        return bytes(data)

    def finish(self) -> None:
        """Half-close."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        """Close as a program that has had enough; harmless when closed already."""
        self.sock.close()


async def accept(broker: socket.socket) -> Peer:
    """The next connection of a listener."""
    with trio.fail_after(PATIENCE):
        await trio.lowlevel.wait_readable(broker)
    return Peer(broker.accept()[0])


@dataclass
class Recorder:
    """A tap that writes everything down."""

    calls: list[tuple[object, ...]] = field(default_factory=list)
    seen: dict[Direction, bytearray] = field(
        default_factory=lambda: {CLIENT: bytearray(), SERVER: bytearray()}
    )
    over: trio.Event = field(default_factory=trio.Event)

    def connected(self, server: Endpoint, at: float) -> None:
        self.calls.append(("connected", server))

    def data(self, direction: Direction, data: memoryview, at: float) -> bool:
        self.seen[direction] += data
        return True

    def skipped(self, direction: Direction, count: int, at: float) -> None:
        self.calls.append(("skipped", direction, count))

    def closed(self, direction: Direction, how: How, at: float) -> None:
        self.calls.append(("closed", direction, how))

    def not_connected(self, why: Why, detail: str, at: float) -> None:
        self.calls.append(("not_connected", why, detail))

    def stopped(self, reason: str, at: float) -> None:
        self.calls.append(("stopped", reason))

    def ended(self, at: float) -> None:
        self.calls.append(("ended",))
        self.over.set()


@dataclass
class Route:
    """A client and a server that are connected."""

    client: Peer
    server: Peer
    relay: Relay | None = None
    tap: Recorder = field(default_factory=Recorder)


@asynccontextmanager
async def running(
    upstream: Endpoint,
    *,
    limits: Limits | None = None,
    make_tap: Callable[[Accepted], Recorder] | None = None,
    log: Callable[[str], None] = lambda line: None,
    send_buffer: int | None = None,
) -> AsyncIterator[tuple[Relay, Endpoint]]:
    """A relay before `upstream` and where it listens."""

    async def connect(accepted: Accepted) -> Connected:
        sock = socket.socket()
        if send_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        sock.setblocking(False)
        sock.connect_ex(upstream)
        await trio.lowlevel.wait_writable(sock)
        return Connected(sock, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    relay = Relay(log)
    listener = listening()
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            relay.run,
            [listener],
            connect,
            make_tap or (lambda accepted: Recorder()),
            limits or Limits(half_closed_check=0.01),
        )
        yield relay, listeners[0]
        with trio.fail_after(PATIENCE):
            await relay.drain(trio.current_time())


@asynccontextmanager
async def route(
    relayed: bool,
    *,
    limits: Limits | None = None,
    client_buffer: int | None = None,
    server_buffer: int | None = None,
    send_buffer: int | None = None,
) -> AsyncIterator[Route]:
    """A connected pair of peers, directly or through a relay; small buffers where asked for."""
    with listening(receive_buffer=server_buffer) as broker:
        end = Endpoint(*broker.getsockname())
        if not relayed:
            client, server = await _join(end, broker, client_buffer)
            with client.sock, server.sock:
                yield Route(client, server)
            return
        tap = Recorder()
        async with running(
            end, limits=limits, make_tap=lambda accepted: tap, send_buffer=send_buffer
        ) as (relay, where):
            client, server = await _join(where, broker, client_buffer)
            with client.sock, server.sock:
                yield Route(client, server, relay, tap)


async def _join(where: Endpoint, broker: socket.socket, buffer: int | None) -> tuple[Peer, Peer]:
    client = socket.socket()
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(where)  # the system accepts at once, whatever the program does
    return Peer(client), await accept(broker)
