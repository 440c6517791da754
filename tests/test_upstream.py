"""The way to the broker, and the words where there is none."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence

import pytest
import trio

from proxy import upstream as module
from proxy.limits import Limits, UsageError
from proxy.tap import Connected, Endpoint, NotConnected, OutOfResources
from proxy.upstream import Upstream
from tests.relaying import listening

BROKER = Endpoint("broker.example.com", 8883)


class Names(trio.abc.HostnameResolver):
    """A resolver that is told what names mean; addresses mean themselves."""

    def __init__(self, **known: Sequence[str] | OSError) -> None:
        self.known = {name.replace("_", "."): value for name, value in known.items()}
        self.asked: list[str] = []

    async def getaddrinfo(  # type: ignore[override]  # narrower than what trio allows
        self, host: bytes, port: int, family: int = 0, kind: int = 0, proto: int = 0, flags: int = 0
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        name = host.decode()
        self.asked.append(name)
        answer = self.known.get(name, socket.gaierror(socket.EAI_NONAME, "Name not known"))
        if isinstance(answer, OSError):
            raise answer
        return [
            (socket.AF_INET6 if ":" in text else socket.AF_INET, kind, 6, "", (text, port))
            for text in answer
        ]

    async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        raise NotImplementedError


def names(**known: Sequence[str] | OSError) -> Names:
    """Install a resolver for the running trio."""
    resolver = Names(**known)
    trio.socket.set_custom_hostname_resolver(resolver)
    return resolver


def free_port() -> int:
    with listening() as sock:
        return int(sock.getsockname()[1])


async def failure(upstream: Upstream) -> NotConnected:
    with pytest.raises(NotConnected) as caught:
        await upstream.connect()
    return caught.value


async def test_it_connects_without_blocking() -> None:
    with listening() as broker:
        connected = await Upstream(Endpoint(*broker.getsockname())).connect()
        with connected.sock:
            assert connected.error == 0
            assert connected.sock.getpeername() == broker.getsockname()
            assert connected.sock.getblocking() is False


async def test_the_address_to_connect_to_may_differ_from_the_name() -> None:
    resolver = names()
    with listening() as broker:
        upstream = Upstream(BROKER, address=Endpoint(*broker.getsockname()))
        (await upstream.connect()).sock.close()
    assert resolver.asked == []


async def test_nobody_listens() -> None:
    port = free_port()
    error = await failure(Upstream(Endpoint("127.0.0.1", port)))
    assert error.why == "refused"
    assert str(error) == (
        f"127.0.0.1:{port} refused the TCP connection: nothing listens on that port, or a "
        "firewall rejects it"
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (socket.EAI_NONAME, "it does not exist, or has no address"),
        (socket.EAI_AGAIN, "no name server answered"),
        (socket.EAI_FAIL, "the resolver is on fire"),
    ],
)
async def test_a_name_that_cannot_be_resolved(code: int, words: str) -> None:
    names(broker_example_com=socket.gaierror(code, "the resolver is on fire"))
    error = await failure(Upstream(BROKER))
    assert error.why == "name"
    assert str(error) == f"the name broker.example.com cannot be resolved: {words}"


async def test_a_name_that_cannot_exist() -> None:
    error = await failure(Upstream(Endpoint("a" * 64 + ".example", 1)))
    assert error.why == "name"


@pytest.mark.parametrize(
    ("code", "why", "words"),
    [
        (errno.ECONNREFUSED, "refused", "nothing listens on that port"),
        (errno.ETIMEDOUT, "timeout", "did not answer"),
        (errno.ENETUNREACH, "unreachable", "no route to that network"),
        (errno.EHOSTUNREACH, "unreachable", "the network says"),
        (errno.EACCES, "unreachable", "firewall or permissions"),
        (errno.EPROTO, "unreachable", os.strerror(errno.EPROTO)),
    ],
)
async def test_every_refusal_has_words(
    code: int, why: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect_ex", lambda self, where: code)
    error = await failure(Upstream(Endpoint("192.0.2.1", 8883)))
    assert error.why == why
    assert "192.0.2.1:8883" in str(error)
    assert words in str(error)


async def test_our_own_exhaustion_is_not_the_brokers_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_socket(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    upstream = Upstream(Endpoint("192.0.2.1", 8883))
    await upstream.check()
    monkeypatch.setattr(socket, "socket", no_socket)
    with pytest.raises(OutOfResources, match="this machine has no resources"):
        await upstream.connect()


async def test_a_broker_that_accepts_and_resets_at_once_was_reached() -> None:
    """What it said before the reset can still be read, and no errno says "refused"."""
    with listening() as broker:
        connected = None

        async def connect() -> None:
            nonlocal connected
            connected = await Upstream(Endpoint(*broker.getsockname())).connect()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect)
            await trio.lowlevel.wait_readable(broker)
            server = broker.accept()[0]
            server.send(b"go away")
            server.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, (1).to_bytes(4, "little") + bytes(4)
            )
            server.close()
        assert connected is not None
        with connected.sock:
            assert connected.error in (0, errno.ECONNRESET)
            assert connected.sock.recv(100) == b"go away"


# --- several addresses -------------------------------------------------------------------------


async def test_the_next_address_is_tried_at_once_when_one_refuses() -> None:
    with listening() as broker:
        host, port = broker.getsockname()
        names(broker_example_com=["127.0.0.2", host])
        upstream = Upstream(Endpoint(BROKER.host, port), limits=Limits(attempt_delay=3600))
        (await upstream.connect()).sock.close()


async def test_all_refusals_are_told_and_the_most_telling_decides() -> None:
    port = free_port()
    names(broker_example_com=["127.0.0.2", "127.0.0.3"])
    error = await failure(Upstream(Endpoint(BROKER.host, port)))
    assert error.why == "refused"
    assert str(error).count("refused the TCP connection") == 2


async def test_an_address_that_does_not_answer_holds_nothing_up(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as broker:
        host, port = broker.getsockname()
        names(broker_example_com=["192.0.2.1", host])
        really = module._attempt

        async def attempt(family: int, where: module.SocketAddress) -> Connected:
            if where[0] == "192.0.2.1":
                await trio.sleep_forever()
            return await really(family, where)

        monkeypatch.setattr(module, "_attempt", attempt)
        start = trio.current_time()
        upstream = Upstream(Endpoint(BROKER.host, port), limits=Limits(attempt_delay=0.25))
        (await upstream.connect()).sock.close()
        assert trio.current_time() - start == pytest.approx(0.25)


async def test_answers_are_used_again_for_a_second_and_forgotten_after_a_failure(
    autojump_clock: trio.testing.MockClock,
) -> None:
    port = free_port()
    resolver = names(broker_example_com=["127.0.0.1"])
    upstream = Upstream(Endpoint(BROKER.host, port))
    with listening() as broker:
        upstream = Upstream(Endpoint(BROKER.host, broker.getsockname()[1]))
        for _ in range(3):
            (await upstream.connect()).sock.close()
        assert len(resolver.asked) == 1
        await trio.sleep(1.5)
        (await upstream.connect()).sock.close()
        assert len(resolver.asked) == 2
    await failure(upstream)
    await failure(upstream)
    assert len(resolver.asked) == 3


# --- ourselves ---------------------------------------------------------------------------------

OWN = Endpoint("127.0.0.1", 8883)


async def test_a_name_that_leads_back_to_us_is_refused_at_the_start() -> None:
    names(broker_example_com=["127.0.0.1"])
    with pytest.raises(UsageError, match=r"broker\.example\.com leads to .* --connect ADDRESS"):
        await Upstream(BROKER, own=[OWN]).check()


async def test_a_name_that_leads_back_to_us_later_is_refused_then() -> None:
    resolver = names(broker_example_com=["192.0.2.1"])
    upstream = Upstream(BROKER, own=[OWN], limits=Limits(resolve_every=0))
    assert await upstream.check() == [Endpoint("192.0.2.1", 8883)]
    resolver.known["broker.example.com"] = ["127.0.0.1"]
    error = await failure(upstream)
    assert error.why == "unreachable"
    assert "--connect ADDRESS" in str(error)


async def test_an_address_that_is_ours_is_refused() -> None:
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:8883 is this proxy's own listener"):
        await Upstream(BROKER, address=OWN, own=[OWN]).check()


@pytest.mark.parametrize(
    ("address", "listener", "ours"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", False),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("::1", "127.0.0.1", False),
        ("0.0.0.0", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("127.3.2.1", "0.0.0.0", True),
        ("::1", "::", True),
        ("::1", "0.0.0.0", False),
        ("192.0.2.1", "0.0.0.0", False),
        ("2001:db8::1", "::", False),
    ],
)
async def test_which_addresses_are_ours(address: str, listener: str, ours: bool) -> None:
    upstream = Upstream(Endpoint(address, 8883), own=[Endpoint(listener, 8883)])
    if ours:
        with pytest.raises(UsageError):
            await upstream.check()
    else:
        await upstream.check()


async def test_another_port_on_this_machine_is_not_ours() -> None:
    await Upstream(Endpoint("127.0.0.1", 8884), own=[OWN]).check()
