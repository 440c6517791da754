"""A running proxy for programs: `tlswhy proxy`, `run`, the demo and the lab."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from proxy.limits import Limits, UsageError
from proxy.observer import Explained, Hints, Observer
from proxy.relay import Relay, RelayStats
from proxy.tap import Accepted, Endpoint, NotConnected, Tap, endpoint_of, to_stderr
from proxy.upstream import Upstream

ANY_PORT = Endpoint("127.0.0.1", 0)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy, as `open_proxy` gives it."""

    listeners: list[Endpoint]
    """Where it listens, with the real ports."""
    finished: trio.MemoryReceiveChannel[Explained]
    """One item for each connection that has ended, in the order of their ends. Items
    that nobody takes are dropped beyond `Limits.finished_kept`."""
    addresses: list[Endpoint]
    """The broker's addresses; empty where its name could not be resolved at the start."""
    unresolved: str | None
    """Why it could not, in words."""
    relay: Relay
    observer: Observer

    def stats(self) -> RelayStats:
        """The relay's counts."""
        return self.relay.stats()


@asynccontextmanager
async def open_proxy(
    broker: Endpoint,
    *,
    address: Endpoint | None = None,
    listens: Sequence[Endpoint] = (ANY_PORT,),
    told: Hints | None = None,
    limits: Limits | None = None,
    report_after: float = 10.0,
    on_explained: Callable[[Explained], None] | None = None,
    log: Callable[[str], None] | None = None,
    wrap_tap: Callable[[Accepted, Tap], Tap] | None = None,
) -> AsyncIterator[Proxy]:
    """Run a proxy before `broker` for as long as the block lasts.

    `address` is where to connect, if not to the broker's name. `on_explained` is called
    for every explanation, also those that come before the connection has ended. `log`
    gets the proxy's own messages, a line a call; by default they go to stderr. `wrap_tap`
    may put a tap of its own before each connection's, to see the bytes too.

    Resource handling: when the block is left, connections that are still open are cut
    (`Proxy.relay.drain` has more patience), explained and then offered in `finished`,
    which is closed after the last one. It can be read after the block.
    Error handling: an error inside the block propagates in an ExceptionGroup.

    Raises:
        UsageError: a listener cannot be opened, or the broker is the proxy itself.
    """
    bounds = limits if limits is not None else Limits()
    say = log if log is not None else to_stderr
    sockets = await open_listeners(listens, backlog=bounds.backlog)
    try:
        own = [endpoint_of(sock.getsockname()) for sock in sockets]
        upstream = Upstream(broker, address=address, own=own, limits=bounds)
        addresses, unresolved = await _first_look(upstream)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    send, receive = trio.open_memory_channel[Explained](bounds.finished_kept)

    def explained(item: Explained) -> None:
        if on_explained is not None:
            on_explained(item)
        if item.snapshot.moment == "closed":
            # Whoever does not read the channel has on_explained or the log.
            with contextlib.suppress(trio.WouldBlock, trio.BrokenResourceError):
                send.send_nowait(item)

    observer = Observer(
        broker,
        explained=explained,
        log=say,
        hints=told if told is not None else Hints(),
        limits=bounds,
        report_after=report_after,
    )

    def make_tap(accepted: Accepted) -> Tap:
        session = observer.make_tap(accepted)
        return session if wrap_tap is None else wrap_tap(accepted, session)

    relay = Relay(say)
    with send:
        async with trio.open_nursery() as explaining:
            explaining.start_soon(observer.explain)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(observer.watch)
                    listening = await nursery.start(
                        relay.run, sockets, upstream.connect, make_tap, bounds
                    )
                    yield Proxy(listening, receive, addresses, unresolved, relay, observer)
                    await relay.drain(trio.current_time())
                    nursery.cancel_scope.cancel()
            finally:
                observer.finish()


async def open_listeners(listens: Sequence[Endpoint], *, backlog: int) -> list[socket.socket]:
    """Listening, non-blocking sockets; a name gives one for each of its addresses.

    Raises:
        UsageError: in one line, with what to do about it.
    """
    opened: list[socket.socket] = []
    try:
        for listen in listens:
            try:
                found = await trio.socket.getaddrinfo(
                    listen.host,
                    listen.port,
                    type=socket.SOCK_STREAM,
                    flags=socket.AI_PASSIVE,
                )
            except OSError as error:
                raise UsageError(
                    f"--listen {listen}: {listen.host} is not an address of this machine "
                    f"({error.strerror or error})"
                ) from error
            missing: OSError | None = None
            before = len(opened)
            for family, kind, protocol, _, where in dict.fromkeys(found):
                try:
                    opened.append(_listener(family, kind, protocol, where, backlog))
                except OSError as error:
                    # localhost means ::1 too, also on a machine without IPv6.
                    if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                        raise UsageError(_listen_text(listen, error)) from error
                    missing = error
            if missing is not None and len(opened) == before:
                raise UsageError(_listen_text(listen, missing)) from missing
    except BaseException:
        for sock in opened:
            sock.close()
        raise
    return opened


def _listener(family: int, kind: int, protocol: int, where: object, backlog: int) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        if sys.platform == "win32":
            # There SO_REUSEADDR would let any program take the port over.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(where)  # type: ignore[arg-type]  # getaddrinfo's own answer
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _listen_text(listen: Endpoint, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{listen} is in use by another program (a broker on this machine?): choose another "
            "port with --listen HOST:PORT"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"listening on {listen} is not permitted: choose a port from 1024 up with "
            "--listen HOST:PORT"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{listen.host} is not an address of this machine: give --listen one that is"
    return f"cannot listen on {listen}: {error.strerror or error}"


async def _first_look(upstream: Upstream) -> tuple[list[Endpoint], str | None]:
    """The broker's addresses or why there are none; a name may begin to exist later."""
    try:
        return await upstream.check(), None
    except NotConnected as error:
        return [], error.detail
