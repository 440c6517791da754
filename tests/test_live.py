"""The proxy as programs use it: real sockets, real explanations."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
import trio

from analyzers.events import How
from proxy import observer as observer_module
from proxy.limits import Limits, UsageError
from proxy.live import open_listeners, open_proxy
from proxy.observer import Explained
from proxy.session import Session, Snapshot
from proxy.tap import Endpoint
from tests.relaying import PATIENCE, Peer, accept, close_peers, listening, until
from tests.test_session import FATAL, client_hello
from tests.test_upstream import names


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    yield
    close_peers()


def client_of(where: Endpoint) -> Peer:
    return Peer(socket.create_connection(where))


@contextlib.asynccontextmanager
async def refusing_broker() -> AsyncIterator[Endpoint]:
    """Answers the first bytes of every connection with a fatal alert and FIN."""

    async def refuse(stream: trio.SocketStream) -> None:
        async with stream:
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.receive_some()
                await stream.send_all(FATAL)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, refuse, 0)
        yield Endpoint("127.0.0.1", listeners[0].socket.getsockname()[1])
        nursery.cancel_scope.cancel()


async def fail_once(where: Endpoint) -> tuple[bytes, How]:
    """A client that is refused."""
    client = client_of(where)
    await client.send(client_hello())
    answer = await client.receive_all()
    client.close()
    return answer


async def test_a_connection_is_relayed_and_explained() -> None:
    async with refusing_broker() as broker, open_proxy(broker) as proxy:
        with trio.fail_after(PATIENCE):
            assert await fail_once(proxy.listeners[0]) == (FATAL, How.FIN)
            item = await proxy.finished.receive()
    report = item.report
    assert item.number == 1
    assert item.snapshot.moment == "closed"
    assert report.outcome.status == "failed"
    assert report.outcome.failed_by == "server"
    assert report.source.kind == "proxy"
    assert report.source.name == str(proxy.listeners[0])
    assert report.server.port == broker.port
    assert report.bytes.server == len(FATAL)
    assert proxy.stats().accepted == 1


async def test_what_is_open_when_the_block_ends_is_explained_all_the_same() -> None:
    with listening() as broker:
        async with open_proxy(Endpoint(*broker.getsockname())) as proxy:
            client = client_of(proxy.listeners[0])
            await client.send(client_hello())
            await until(lambda: proxy.stats().client_bytes > 0)
        with trio.fail_after(PATIENCE):
            items = [item async for item in proxy.finished]
    assert [close.how for close in items[0].report.closes] == ["open", "open"]
    broker.close()


async def test_an_unreachable_broker_is_explained() -> None:
    with listening() as sock:
        broker = Endpoint(*sock.getsockname())
    async with open_proxy(broker) as proxy:
        with trio.fail_after(PATIENCE):
            client = client_of(proxy.listeners[0])
            assert await client.receive_all() == (b"", How.RST)
            item = await proxy.finished.receive()
    assert item.report.verdict is not None
    assert item.report.verdict.rule == "tcp-refused"


async def test_a_name_that_does_not_exist_is_a_warning_and_then_a_cause() -> None:
    names()
    async with open_proxy(Endpoint("does-not-exist.invalid", 8883)) as proxy:
        assert proxy.addresses == []
        assert proxy.unresolved is not None
        assert "does-not-exist.invalid cannot be resolved" in proxy.unresolved
        with trio.fail_after(PATIENCE):
            client = client_of(proxy.listeners[0])
            assert await client.receive_all() == (b"", How.RST)
            item = await proxy.finished.receive()
    assert item.report.verdict is not None
    assert item.report.verdict.rule == "name-not-resolved"


async def test_a_stalled_handshake_is_explained_while_it_lives() -> None:
    moments: list[str] = []
    with listening() as broker:
        async with open_proxy(
            Endpoint(*broker.getsockname()),
            report_after=0.01,
            limits=Limits(settle=0.01),
            on_explained=lambda item: moments.append(item.snapshot.moment),
        ) as proxy:
            client = client_of(proxy.listeners[0])
            await client.send(client_hello())
            await until(lambda: moments == ["stalled"])
            assert proxy.stats().open == 1
            server = await accept(broker)
            await server.send(FATAL)
            await until(lambda: moments == ["stalled", "settled"])
            client.close()
            server.close()
            await until(lambda: moments == ["stalled", "settled", "closed"])


@pytest.mark.parametrize("where", ["explaining", "showing"])
async def test_a_bug_in_an_explanation_ends_neither_proxy_nor_traffic(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    shown: list[Explained] = []
    explain = observer_module._explain

    def breaks(snapshot: Snapshot) -> object:
        if snapshot.number == 1:
            raise RuntimeError("a bug")
        return explain(snapshot)

    def show(item: Explained) -> None:
        if where == "showing" and item.number == 1:
            raise RuntimeError("a bug")
        shown.append(item)

    if where == "explaining":
        monkeypatch.setattr(observer_module, "_explain", breaks)
    async with (
        refusing_broker() as broker,
        open_proxy(broker, on_explained=show, log=said.append) as proxy,
    ):
        with trio.fail_after(PATIENCE):
            for _ in range(2):
                assert await fail_once(proxy.listeners[0]) == (FATAL, How.FIN)
            await until(lambda: len(shown) == 1)
        assert proxy.observer.failed == 1
    assert shown[0].number == 2
    assert "connection 1 could not be explained (a bug)" in said[0]


async def test_a_bug_in_a_session_ends_neither_proxy_nor_traffic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    look = Session.look

    def breaks(session: Session, at: float) -> None:
        if session.number == 1:
            raise RuntimeError("a bug")
        look(session, at)

    monkeypatch.setattr(Session, "look", breaks)
    async with (
        refusing_broker() as broker,
        open_proxy(broker, limits=Limits(settle=0.01), log=said.append) as proxy,
    ):
        with trio.fail_after(PATIENCE):
            waiting = client_of(proxy.listeners[0])
            await until(lambda: proxy.observer.failed == 1)
            assert await fail_once(proxy.listeners[0]) == (FATAL, How.FIN)
            await waiting.send(client_hello())
            assert await waiting.receive_all() == (FATAL, How.FIN)
            waiting.close()
            numbers = {(await proxy.finished.receive()).number for _ in range(2)}
    assert numbers == {1, 2}
    assert len(said) == 1
    assert "connection 1 could not be looked at (a bug)" in said[0]


async def test_explanations_are_dropped_by_their_bytes_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go = threading.Event(), threading.Event()
    explain = observer_module._explain

    def slow(snapshot: Snapshot) -> object:
        begun.set()
        assert go.wait(PATIENCE)
        return explain(snapshot)

    monkeypatch.setattr(observer_module, "_explain", slow)
    async with (
        refusing_broker() as broker,
        open_proxy(broker, limits=Limits(waiting_bytes=1), log=lambda line: None) as proxy,
    ):
        with trio.fail_after(PATIENCE):
            for number in range(1, 5):
                await fail_once(proxy.listeners[0])
                await until(lambda: proxy.stats().open == 0)
                if number == 1:
                    await until(begun.is_set)
        # One is being explained, and one may wait however large it is.
        assert proxy.observer.dropped == 2
        go.set()
    assert [item.number async for item in proxy.finished] == [1, 2]


async def test_explanations_that_nobody_has_time_for_are_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    begun, go = threading.Event(), threading.Event()
    explain = observer_module._explain

    def slow(snapshot: Snapshot) -> object:
        begun.set()
        assert go.wait(PATIENCE)
        return explain(snapshot)

    monkeypatch.setattr(observer_module, "_explain", slow)
    explained: list[int] = []
    async with (
        refusing_broker() as broker,
        open_proxy(
            broker,
            limits=Limits(waiting_reports=2),
            on_explained=lambda item: explained.append(item.number),
            log=said.append,
        ) as proxy,
    ):
        with trio.fail_after(PATIENCE):
            for number in range(1, 7):
                await fail_once(proxy.listeners[0])
                await until(lambda: proxy.stats().open == 0)
                if number == 1:
                    await until(begun.is_set)
        assert proxy.observer.dropped == 3
        go.set()
    assert explained == [1, 2, 3]
    assert "1 went without so far" in said[0]


async def test_a_channel_that_nobody_reads_stops_nothing() -> None:
    explained: list[int] = []
    async with (
        refusing_broker() as broker,
        open_proxy(
            broker,
            limits=Limits(finished_kept=1),
            on_explained=lambda item: explained.append(item.number),
        ) as proxy,
    ):
        for _ in range(3):
            await fail_once(proxy.listeners[0])
        await until(lambda: explained == [1, 2, 3])
    assert [item.number async for item in proxy.finished] == [1]


# --- listeners ---------------------------------------------------------------------------------


async def test_several_listeners_lead_to_one_broker() -> None:
    async with (
        refusing_broker() as broker,
        open_proxy(broker, listens=[Endpoint("127.0.0.1", 0)] * 2) as proxy,
    ):
        assert len(set(proxy.listeners)) == 2
        for where in proxy.listeners:
            assert await fail_once(where) == (FATAL, How.FIN)


async def test_a_name_listens_on_those_of_its_addresses_that_exist() -> None:
    names(localhost=["192.0.2.1", "127.0.0.1"])
    opened = await open_listeners([Endpoint("localhost", 0)], backlog=1)
    assert [sock.getsockname()[0] for sock in opened] == ["127.0.0.1"]
    for sock in opened:
        sock.close()


async def test_a_port_in_use_is_one_line() -> None:
    with listening() as taken:
        where = Endpoint(*taken.getsockname())
        with pytest.raises(UsageError, match=f"{where} is in use by another program"):
            await open_listeners([Endpoint("127.0.0.1", 0), where], backlog=1)


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        (Endpoint("192.0.2.1", 0), "192.0.2.1 is not an address of this machine"),
        (Endpoint("no-such-name.invalid", 0), "no-such-name.invalid is not an address"),
    ],
)
async def test_an_address_that_is_not_ours_is_one_line(listen: Endpoint, words: str) -> None:
    names(**{"192_0_2_1": ["192.0.2.1"]})
    with pytest.raises(UsageError, match=words):
        await open_listeners([listen], backlog=1)


async def test_a_forbidden_port_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", forbidden)
    with pytest.raises(UsageError, match="is not permitted: choose a port from 1024 up"):
        await open_listeners([Endpoint("127.0.0.1", 443)], backlog=1)


async def test_a_broker_that_is_the_proxy_itself_is_refused_at_the_start() -> None:
    with listening() as sock:
        where = Endpoint(*sock.getsockname())
    with pytest.raises(UsageError, match="--connect"):
        async with open_proxy(where, listens=[where]):
            pytest.fail("must not start")
    # The listener was closed again.
    for sock in await open_listeners([where], backlog=1):
        sock.close()
