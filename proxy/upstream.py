"""The way to the broker: resolve, refuse ourselves, connect, and say in words why not."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Sequence

import trio

from proxy.limits import Limits, UsageError
from proxy.sockets import EXHAUSTED
from proxy.tap import Accepted, Connected, Endpoint, NotConnected, OutOfResources, Why, endpoint_of

SocketAddress = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
Address = tuple[int, SocketAddress]
"""An address family and what `socket.connect` takes there."""

_UNDER_WAY = {errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY}
_SINCE_RESET = {0, errno.ECONNRESET, errno.EPIPE}
"""The connection was accepted; what came before the reset can still be read."""
_NO_WAY = {
    errno.EHOSTUNREACH: "the network says that this machine cannot be reached",
    errno.ENETUNREACH: "this machine has no route to that network",
    errno.EADDRNOTAVAIL: "this machine has no local address or free port for that",
    errno.EACCES: "this machine's own firewall or permissions forbid the connection",
    errno.EPERM: "this machine's own firewall or permissions forbid the connection",
    errno.EAFNOSUPPORT: "this machine does not speak that kind of address",
}
# Where attempts differ, the most telling comes first.
_RANK: dict[Why, int] = {"refused": 0, "timeout": 1, "unreachable": 2, "name": 3}


class Upstream:
    """One broker. `name` is what clients know; `address` is where to connect, if elsewhere."""

    def __init__(
        self,
        broker: Endpoint,
        *,
        address: Endpoint | None = None,
        own: Sequence[Endpoint] = (),
        limits: Limits | None = None,
    ) -> None:
        """`own` are the proxy's listeners: the broker may not be one of them."""
        self.broker = broker
        self.address = address if address is not None else broker
        self._own = tuple(own)
        self._limits = limits if limits is not None else Limits()
        self._known: list[Address] = []
        self._known_until = -float("inf")

    async def check(self) -> list[Endpoint]:
        """The broker's addresses; to be called before the first connection.

        Raises:
            UsageError: the broker is the proxy itself.
            NotConnected: the name cannot be resolved, which need not be so later.
        """
        found = await self._resolve()
        loop = self._loop(found)
        if loop is not None:
            raise UsageError(self._loop_text(loop))
        return [endpoint_of(where) for _, where in found]

    async def connect(self, accepted: Accepted | None = None) -> Connected:
        """A connected non-blocking socket, which the caller then owns.

        Gives up only when the operating system does. The next address is tried beside
        the one before after `Limits.attempt_delay`, or at once when that failed.

        Raises:
            NotConnected: with the reason in words.
            OutOfResources: no file descriptor or memory for a socket.
        """
        found = await self._resolve()
        loop = self._loop(found)
        if loop is not None:
            self._forget()
            raise NotConnected("unreachable", self._loop_text(loop))
        connected, errors = await _first_of(found, self._limits.attempt_delay)
        if connected is not None:
            return connected
        self._forget()
        for error in errors:
            if isinstance(error, OutOfResources):
                raise error
        raise _one_reason([error for error in errors if isinstance(error, NotConnected)])

    def _forget(self) -> None:
        self._known_until = -float("inf")

    async def _resolve(self) -> list[Address]:
        if self._known and trio.current_time() < self._known_until:
            return self._known
        host, port = self.address
        try:
            found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NotConnected("name", _name_text(host, error)) from error
        except UnicodeError as error:
            raise NotConnected("name", f"{host!r} is not a name that can exist") from error
        self._known = [(int(family), where) for family, _, _, _, where in found]
        self._known_until = trio.current_time() + self._limits.resolve_every
        return self._known

    def _loop(self, found: Sequence[Address]) -> Endpoint | None:
        """Which of our own listeners an address leads to."""
        for _, where in found:
            for listener in self._own:
                if int(where[1]) == listener.port and _is_ours(str(where[0]), listener.host):
                    return listener
        return None

    def _loop_text(self, listener: Endpoint) -> str:
        host = self.address.host
        if self.address != self.broker or _is_literal(host):
            return (
                f"{self.address} is this proxy's own listener: give the broker's address with "
                f"--connect ADDRESS, or another port with --listen"
            )
        return (
            f"{host} leads to this proxy's own listener {listener} (a hosts file entry?): give "
            "the broker's address with --connect ADDRESS"
        )


def _one_reason(attempts: list[NotConnected]) -> NotConnected:
    """One reason from all attempts: the most telling one, the others in its words."""
    attempts.sort(key=lambda error: _RANK[error.why])
    text = "; ".join(dict.fromkeys(error.detail for error in attempts))
    return NotConnected(attempts[0].why if attempts else "name", text or "no address to connect to")


async def _first_of(
    addresses: Sequence[Address], delay: float
) -> tuple[Connected | None, list[NotConnected | OutOfResources]]:
    """The first connection that succeeds (RFC 8305 section 5), or why each attempt failed."""
    winner: Connected | None = None
    errors: list[NotConnected | OutOfResources] = []
    async with trio.open_nursery() as nursery:

        async def attempt(family: int, where: SocketAddress, failed: trio.Event) -> None:
            nonlocal winner
            try:
                connected = await _attempt(family, where)
            except (NotConnected, OutOfResources) as error:
                errors.append(error)
                failed.set()
                return
            if winner is not None:  # both succeeded in the same moment
                connected.sock.close()
                return
            winner = connected
            nursery.cancel_scope.cancel()

        for family, where in addresses:
            failed = trio.Event()
            nursery.start_soon(attempt, family, where, failed)
            with trio.move_on_after(delay):
                await failed.wait()
    return winner, errors


async def _attempt(family: int, where: SocketAddress) -> Connected:
    target = endpoint_of(where)
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _in_words(target, error.errno or 0) from error
    try:
        sock.setblocking(False)
        code = sock.connect_ex(where)
        if code in _UNDER_WAY:
            await trio.lowlevel.wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code not in _SINCE_RESET:
            raise _in_words(target, code)
    except BaseException:
        sock.close()
        raise
    return Connected(sock, code)


def _in_words(target: Endpoint, code: int) -> NotConnected | OutOfResources:
    if code in EXHAUSTED:
        return OutOfResources(
            f"this machine has no resources for a connection to the broker: {os.strerror(code)}"
        )
    if code == errno.ECONNREFUSED:
        return NotConnected(
            "refused",
            f"{target} refused the TCP connection: nothing listens on that port, or a firewall "
            "rejects it",
        )
    if code == errno.ETIMEDOUT:
        return NotConnected(
            "timeout",
            f"{target} did not answer: the machine is down, the address is wrong, or a firewall "
            "drops the packets",
        )
    reason = _NO_WAY.get(code, os.strerror(code))
    return NotConnected("unreachable", f"{target} cannot be reached: {reason}")


def _name_text(host: str, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            return f"the name {host} cannot be resolved: it does not exist, or has no address"
        if error.errno == socket.EAI_AGAIN:
            return f"the name {host} cannot be resolved: no name server answered"
    return f"the name {host} cannot be resolved: {error.strerror or error}"


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_ours(host: str, listener: str) -> bool:
    """Whether a connection to `host` would reach a listener bound to `listener`."""
    target, bound = _plain(host), _plain(listener)
    if target == bound:
        return True
    if target.is_unspecified:  # a connection to 0.0.0.0 goes to this machine
        return bound.is_loopback or bound.is_unspecified
    if not bound.is_unspecified:
        return False
    if target.version == 6 and bound.version == 4:
        return False
    return target.is_loopback or _is_local(target)


def _plain(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an interface of this machine has the address: only then can one bind to it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
