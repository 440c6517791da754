"""The relay is not there: every scenario is played without it too, and must look the same."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.events import Direction, How
from proxy.limits import Limits
from proxy.relay import Relay
from proxy.tap import Accepted, Connected, Endpoint, NotConnected, OutOfResources
from tests.relaying import (
    CLIENT,
    PATIENCE,
    SERVER,
    Peer,
    Recorder,
    Route,
    accept,
    close_peers,
    listening,
    route,
    running,
    until,
)

Play = Callable[[Route], Awaitable[object]]


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    yield
    close_peers()


async def same_both_ways(play: Play, **small: Any) -> Route:
    """Play without and with the relay; what the peers saw must be equal."""
    seen = []
    for relayed in (False, True):
        with trio.fail_after(PATIENCE):
            async with route(relayed, **small) as way:
                seen.append(await play(way))
                if relayed:
                    way.client.close()
                    way.server.close()
                    await way.tap.over.wait()
    assert seen[0] == seen[1]
    return way


def pattern(length: int) -> bytes:
    """Bytes in which no two 4-byte words at a distance below 1 GB are equal."""
    return b"".join(i.to_bytes(4, "big") for i in range((length + 3) // 4))[:length]


# --- bytes and endings -------------------------------------------------------------------------


async def test_bytes_and_closes_both_ways() -> None:
    async def play(way: Route) -> object:
        await way.client.send(b"ping")
        ping = await way.server.receive_exactly(4)
        await way.server.send(b"pong")
        pong = await way.client.receive_exactly(4)
        way.client.finish()
        request = await way.server.receive_all()
        way.server.close()
        return ping, pong, request, await way.client.receive_all()

    way = await same_both_ways(play)
    assert way.tap.seen == {CLIENT: b"ping", SERVER: b"pong"}
    assert [call[0] for call in way.tap.calls] == ["connected", "closed", "closed", "ended"]
    assert way.tap.calls[1:3] == [("closed", CLIENT, How.FIN), ("closed", SERVER, How.FIN)]


@pytest.mark.parametrize("first", [CLIENT, SERVER])
async def test_a_half_closed_side_still_receives(first: Direction) -> None:
    async def play(way: Route) -> object:
        early, late = (way.client, way.server) if first is CLIENT else (way.server, way.client)
        await early.send(b"the question")
        early.finish()
        question = await late.receive_all()
        for _ in range(3):
            await late.send(b"a part of the answer;")
        late.finish()
        return question, await early.receive_all()

    await same_both_ways(play)


@pytest.mark.parametrize("sender", [CLIENT, SERVER])
async def test_much_data_arrives_whole_and_in_order(sender: Direction) -> None:
    data = pattern(3_000_000)

    async def play(way: Route) -> object:
        source, sink = (way.client, way.server) if sender is CLIENT else (way.server, way.client)
        received: list[tuple[bytes, How]] = []

        async def read() -> None:
            received.append(await sink.receive_all())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await source.send(data)
            source.finish()
        return received

    way = await same_both_ways(play, client_buffer=8192, server_buffer=8192, send_buffer=8192)
    assert bytes(way.tap.seen[sender]) == data


async def test_both_directions_at_once_with_tiny_buffers() -> None:
    up, down = pattern(400_000), pattern(500_000)[::-1]

    async def play(way: Route) -> object:
        got: dict[str, tuple[bytes, How]] = {}

        async def write(peer: Peer, data: bytes) -> None:
            await peer.send(data)
            peer.finish()

        async def read(name: str, peer: Peer) -> None:
            got[name] = await peer.receive_all(1000)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, way.client, up)
            nursery.start_soon(write, way.server, down)
            nursery.start_soon(read, "server", way.server)
            nursery.start_soon(read, "client", way.client)
        return got

    await same_both_ways(
        play,
        client_buffer=4096,
        server_buffer=4096,
        send_buffer=4096,
        limits=Limits(chunk=1024, read_ahead=2048),
    )


Step = tuple[Direction, bytes | How]


async def follow(way: Route, steps: list[Step]) -> object:
    """Play a script; what each side received and how it saw the other end."""
    peers = {CLIENT: way.client, SERVER: way.server}
    got: dict[Direction, tuple[bytes, How]] = {}
    reset = next((side for side, what in steps if what is How.RST), None)

    async def read(side: Direction) -> None:
        got[side] = await peers[side].receive_all()

    async with trio.open_nursery() as nursery:
        for side in peers:
            if side is not reset:
                nursery.start_soon(read, side)
        finished = set()
        for side, what in steps:
            if what is How.RST:
                peers[side].reset()
                break
            if side in finished:
                continue
            if isinstance(what, bytes):
                await peers[side].send(what)
            else:
                peers[side].finish()
                finished.add(side)
        else:
            for side in set(peers) - finished:
                peers[side].finish()
    return got


_side = st.sampled_from(list(Direction))
_sends = st.lists(
    st.tuples(_side, st.one_of(st.binary(min_size=1, max_size=3000), st.just(How.FIN))),
    max_size=12,
)
_end: st.SearchStrategy[list[Step]] = st.one_of(
    st.just([]), st.tuples(_side, st.just(How.RST)).map(lambda step: [step])
)


@settings(max_examples=60)
@given(steps=st.builds(lambda sends, end: sends + end, _sends, _end))
def test_any_bytes_and_closes_look_the_same_through_the_relay(steps: list[Step]) -> None:
    trio.run(same_both_ways, lambda way: follow(way, steps))


# --- resets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [CLIENT, SERVER])
async def test_a_reset_is_passed_on_as_a_reset(who: Direction) -> None:
    async def play(way: Route) -> object:
        bad, good = (way.client, way.server) if who is CLIENT else (way.server, way.client)
        await bad.send(b"last words")
        bad.reset()
        return await good.receive_all()

    way = await same_both_ways(play)
    assert ("closed", who, How.RST) in way.tap.calls
    assert [call for call in way.tap.calls if call[:2] == ("closed", _other(who))] == []


@pytest.mark.parametrize("who", [CLIENT, SERVER])
async def test_a_reset_after_a_half_close_is_passed_on(who: Direction) -> None:
    async def play(way: Route) -> object:
        bad, good = (way.client, way.server) if who is CLIENT else (way.server, way.client)
        await bad.send(b"bye")
        bad.finish()
        words = await good.receive_all()
        bad.reset()

        def reset_seen() -> bool:
            return good.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

        await until(reset_seen)
        return words

    way = await same_both_ways(play)
    closes = [call[2] for call in way.tap.calls if call[0] == "closed"]
    assert closes == [How.FIN, How.RST]


@pytest.mark.parametrize("who", [CLIENT, SERVER])
async def test_a_write_to_a_closed_side_is_answered_with_a_reset(who: Direction) -> None:
    """FIN from a program that then goes away; the other's next bytes meet a reset."""

    async def play(way: Route) -> object:
        gone, stays = (way.client, way.server) if who is CLIENT else (way.server, way.client)
        gone.close()
        first = await stays.receive_all()
        await stays.send(b"anybody there?")

        def refused() -> bool:
            try:
                stays.sock.send(b"?")
            except OSError:
                return True
            return False

        await until(refused)
        return first

    await same_both_ways(play)


async def test_a_slow_client_gets_all_that_the_relay_read_before_the_broker_reset() -> None:
    data = pattern(200_000)
    with trio.fail_after(PATIENCE):
        async with route(True, client_buffer=4096, send_buffer=4096) as way:
            assert way.relay is not None
            relay = way.relay
            await way.server.send(data)
            way.server.reset()
            await until(lambda: ("closed", SERVER, How.RST) in way.tap.calls)
            read = relay.stats().server_bytes
            assert read > 0
            received = await way.client.receive_all(1000)
            assert received == (data[:read], How.RST)
            assert relay.stats().reset == 1


async def test_all_of_it_when_the_relay_could_read_all_of_it() -> None:
    data = pattern(200_000)
    with trio.fail_after(PATIENCE):
        async with route(True, client_buffer=4096, send_buffer=4096) as way:
            assert way.relay is not None
            stats = way.relay.stats
            await way.server.send(data)
            await until(lambda: stats().server_bytes == len(data))
            way.server.reset()
            await until(lambda: ("closed", SERVER, How.RST) in way.tap.calls)
            assert await way.client.receive_all(1000) == (data, How.RST)


async def test_a_client_that_takes_nothing_holds_a_reset_back_only_for_a_while() -> None:
    limits = Limits(reset_wait=0.05)
    with trio.fail_after(PATIENCE):
        async with route(True, client_buffer=4096, send_buffer=4096, limits=limits) as way:
            await way.server.send(pattern(100_000))
            way.server.reset()
            await way.tap.over.wait()
            received, how = await way.client.receive_all()
    assert how is How.RST
    assert pattern(100_000).startswith(received)


async def test_what_a_dead_broker_had_sent_still_reaches_a_client_that_is_writing() -> None:
    """The relay's own write meets the reset first; the answer before it must not be lost."""
    answer = pattern(100_000)
    with trio.fail_after(PATIENCE):
        async with route(True, client_buffer=4096, send_buffer=4096) as way:
            assert way.relay is not None
            stats = way.relay.stats
            await way.server.send(answer)
            await until(lambda: stats().server_bytes == len(answer))
            way.server.reset()
            await way.client.send(b"one more thing")
            assert await way.client.receive_all(1000) == (answer, How.RST)


def _client(where: Endpoint) -> Peer:
    """A connected client; the system accepts at once, whatever the program does."""
    return Peer(socket.create_connection(where))


def _other(side: Direction) -> Direction:
    return SERVER if side is CLIENT else CLIENT


# --- bounds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sender", [CLIENT, SERVER])
async def test_a_slow_reader_stops_the_sender_and_memory_stays_bounded(sender: Direction) -> None:
    limits = Limits(chunk=4096, read_ahead=16384)
    flood = b"x" * (16 << 20)
    async with route(
        True, client_buffer=4096, server_buffer=4096, send_buffer=4096, limits=limits
    ) as way:
        source, sink = (way.client, way.server) if sender is CLIENT else (way.server, way.client)
        relay = way.relay
        assert relay is not None

        def passed() -> int:
            stats = relay.stats()
            return stats.client_bytes if sender is CLIENT else stats.server_bytes

        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.send, flood)
            await until(lambda: passed() >= limits.read_ahead)
            await trio.testing.wait_all_tasks_blocked(0.05)
            held = passed()
            # What it read beyond its own bound sits in the two kernel buffers behind it.
            assert held < limits.read_ahead + limits.chunk + 128 * 1024
            # Room on the far side lets it go on.
            nursery.start_soon(sink.receive_exactly, 1 << 20)
            await until(lambda: passed() > 1 << 20)
            nursery.cancel_scope.cancel()


async def test_one_more_connection_than_allowed_is_reset_at_once() -> None:
    lines: list[str] = []
    with listening() as broker:
        end = Endpoint(*broker.getsockname())
        async with running(end, limits=Limits(connections=2), log=lines.append) as (relay, where):
            peers = [_client(where) for _ in range(2)]
            await until(lambda: relay.stats().open == 2)
            third = _client(where)
            with trio.fail_after(PATIENCE):
                assert await third.receive_all() == (b"", How.RST)
            assert relay.stats().refused == 1
            assert "2 are open, the limit" in lines[0]
            for peer in peers:
                peer.close()
            third.close()
            for _ in range(2):
                (await accept(broker)).close()
            await until(lambda: relay.stats().open == 0)
            fourth = _client(where)
            await until(lambda: relay.stats().open == 1)
            fourth.close()


async def test_three_hundred_connections_at_a_time() -> None:
    done = 0
    with listening() as broker:
        end = Endpoint(*broker.getsockname())

        async def echo() -> None:
            async with trio.open_nursery() as nursery:
                while True:
                    await trio.lowlevel.wait_readable(broker)
                    nursery.start_soon(answer, await accept(broker))

        async def answer(peer: Peer) -> None:
            with peer.sock:
                while isinstance(some := await peer.receive(), bytes):
                    await peer.send(some)

        async def ask(number: int) -> None:
            nonlocal done
            peer = _client(where)
            with peer.sock:
                await peer.send(b"%d" % number)
                peer.finish()
                assert await peer.receive_all() == (b"%d" % number, How.FIN)
            done += 1

        with trio.fail_after(PATIENCE * 2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(echo)
                async with running(end) as (relay, where):
                    async with trio.open_nursery() as clients:
                        for number in range(300):
                            clients.start_soon(ask, number)
                    await until(lambda: relay.stats().open == 0)
                    stats = relay.stats()
                nursery.cancel_scope.cancel()
    assert done == stats.accepted == 300
    assert stats.client_bytes == stats.server_bytes == sum(len(str(n)) for n in range(300))
    assert stats.handler_errors == stats.tap_errors == stats.reset == 0


# --- what can go wrong -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (NotConnected("refused", "nobody listens"), ("not_connected", "refused", "nobody listens")),
        (OutOfResources("no files left"), ("stopped", "no files left")),
    ],
)
async def test_without_a_broker_the_client_is_reset_before_any_byte(
    error: Exception, call: tuple[object, ...]
) -> None:
    tap = Recorder()
    asked = trio.Event()
    answer = trio.Event()

    async def connect(accepted: Accepted) -> Connected:
        asked.set()
        await answer.wait()
        raise error

    relay = Relay(lambda line: None)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            where = (
                await nursery.start(relay.run, [listening()], connect, lambda _: tap, Limits())
            )[0]
            peer = _client(where)
            await peer.send(b"hello?")
            await asked.wait()
            assert tap.calls == []
            answer.set()
            assert await peer.receive_all() == (b"", How.RST)
            await relay.drain(trio.current_time())
    assert tap.calls == [call, ("ended",)]
    assert tap.seen[CLIENT] == b""
    assert relay.stats().not_connected == 1


async def test_bytes_sent_before_the_broker_is_reached_wait() -> None:
    with listening() as broker:
        go = trio.Event()

        async def connect(accepted: Accepted) -> Connected:
            await go.wait()
            return Connected(_client(Endpoint(*broker.getsockname())).sock)

        relay = Relay()
        async with trio.open_nursery() as nursery:
            where = (
                await nursery.start(
                    relay.run, [listening()], connect, lambda _: Recorder(), Limits()
                )
            )[0]
            client = _client(where)
            await client.send(b"early")
            go.set()
            server = await accept(broker)
            assert await server.receive_exactly(5) == b"early"
            client.close()
            server.close()
            await relay.drain(trio.current_time() + PATIENCE)


class Faulty(Recorder):
    """A tap that breaks where it is told to."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def connected(self, server: Endpoint, at: float) -> None:
        self._may_break("connected")

    def data(self, direction: Direction, data: memoryview, at: float) -> bool:
        self._may_break("data")
        return super().data(direction, data, at)

    def closed(self, direction: Direction, how: How, at: float) -> None:
        self._may_break("closed")

    def ended(self, at: float) -> None:
        super().ended(at)
        self._may_break("ended")

    def _may_break(self, name: str) -> None:
        if name == self.where:
            raise RuntimeError(f"a bug in {name}")


@pytest.mark.parametrize("where", ["make", "connected", "data", "closed", "ended"])
async def test_a_tap_that_raises_does_not_touch_the_traffic(where: str) -> None:
    lines: list[str] = []
    tap = Faulty(where)

    def make_tap(accepted: Accepted) -> Recorder:
        if where == "make":
            raise RuntimeError("a bug in make")
        return tap

    with listening() as broker:
        end = Endpoint(*broker.getsockname())
        async with running(end, make_tap=make_tap, log=lines.append) as (relay, listener):
            client = _client(listener)
            server = await accept(broker)
            await client.send(b"question")
            assert await server.receive_exactly(8) == b"question"
            await server.send(b"answer")
            server.finish()
            assert await client.receive_all() == (b"answer", How.FIN)
            client.close()
            assert await server.receive_all() == (b"", How.FIN)
            server.close()
            await until(lambda: relay.stats().open == 0)
            assert relay.stats().tap_errors == 1
            assert relay.stats().handler_errors == 0
    assert f"a bug in {where}" in lines[0]
    assert tap.over.is_set() == (where != "make")


async def test_a_tap_that_wants_no_more_hears_lengths() -> None:
    class Sated(Recorder):
        def data(self, direction: Direction, data: memoryview, at: float) -> bool:
            super().data(direction, data, at)
            return direction is SERVER

    tap = Sated()
    with listening() as broker:
        end = Endpoint(*broker.getsockname())
        async with running(end, make_tap=lambda _: tap) as (_, listener):
            client = _client(listener)
            server = await accept(broker)
            for peer, other in ((client, server), (server, client), (client, server)):
                await peer.send(b"abc")
                await other.receive_exactly(3)
            client.close()
            server.close()
            await tap.over.wait()
    assert tap.seen == {CLIENT: b"abc", SERVER: b"abc"}
    assert ("skipped", CLIENT, 3) in tap.calls


async def test_an_error_in_a_handler_ends_its_connection_only() -> None:
    lines: list[str] = []
    with listening() as broker:
        end = Endpoint(*broker.getsockname())
        failed = False

        async def connect(accepted: Accepted) -> Connected:
            nonlocal failed
            if not failed:
                failed = True
                raise ZeroDivisionError("a bug")
            return Connected(_client(end).sock)

        relay = Relay(lines.append)
        async with trio.open_nursery() as nursery:
            where = (
                await nursery.start(
                    relay.run, [listening()], connect, lambda _: Recorder(), Limits()
                )
            )[0]
            with trio.fail_after(PATIENCE):
                first = _client(where)
                assert await first.receive_all() == (b"", How.RST)
                second = _client(where)
                server = await accept(broker)
                await second.send(b"ok")
                assert await server.receive_exactly(2) == b"ok"
                second.close()
                server.close()
                await relay.drain(trio.current_time() + PATIENCE)
    assert relay.stats().handler_errors == 1
    assert "ZeroDivisionError: a bug" in lines[0]


class Troubled(socket.socket):
    """A listener whose next accepts fail."""

    troubles: list[int]

    def accept(self) -> tuple[socket.socket, Any]:
        if self.troubles:
            code = self.troubles.pop(0)
            raise OSError(code, os.strerror(code))
        return super().accept()


async def accept_in_spite_of(*troubles: int) -> tuple[Relay, list[str]]:
    """Let a listener fail so, then serve one connection."""
    lines: list[str] = []
    listener = Troubled(fileno=listening().detach())
    listener.setblocking(False)
    listener.troubles = list(troubles)
    relay = Relay(lines.append)
    with listening() as broker:

        async def connect(accepted: Accepted) -> Connected:
            return Connected(_client(Endpoint(*broker.getsockname())).sock)

        async with trio.open_nursery() as nursery:
            where = (
                await nursery.start(
                    relay.run,
                    [listener],
                    connect,
                    lambda _: Recorder(),
                    Limits(accept_backoff=0.001),
                )
            )[0]
            client = _client(where)
            await accept(broker)
            client.close()
            await relay.drain(trio.current_time())
    return relay, lines


async def test_accepting_pauses_while_the_system_has_no_descriptors() -> None:
    relay, lines = await accept_in_spite_of(*[errno.EMFILE] * 3)
    assert relay.stats().exhausted == 3
    assert lines == ["cannot accept connections for now: Too many open files"]


async def test_a_client_that_left_the_backlog_is_no_trouble() -> None:
    relay, lines = await accept_in_spite_of(errno.ECONNABORTED, errno.EAGAIN, errno.EPROTO)
    assert (relay.stats().accepted, relay.stats().exhausted, lines) == (1, 0, [])


async def test_a_listener_that_is_none_is_a_bug_and_not_hidden() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await accept_in_spite_of(errno.EINVAL)
    assert caught.group_contains(OSError, match="Invalid argument")


async def test_a_broker_that_vanished_resets_the_client_and_is_called_a_timeout() -> None:
    """Keepalive has found out; no packet came, so the tap must not hear of a reset."""

    class Vanished(socket.socket):
        def recv_into(self, *_: object) -> int:
            raise OSError(errno.ETIMEDOUT, "Connection timed out")

    tap = Recorder()
    relay = Relay()
    with listening() as broker:

        async def connect(accepted: Accepted) -> Connected:
            near = _client(Endpoint(*broker.getsockname()))
            return Connected(Vanished(fileno=near.sock.detach()))

        async with trio.open_nursery() as nursery:
            where = (
                await nursery.start(relay.run, [listening()], connect, lambda _: tap, Limits())
            )[0]
            client = _client(where)
            server = await accept(broker)
            await server.send(b"never arrives")
            with trio.fail_after(PATIENCE):
                assert await client.receive_all() == (b"", How.RST)
                await tap.over.wait()
            await relay.drain(trio.current_time())
    assert ("closed", SERVER, How.TIMEOUT) in tap.calls


# --- the end -----------------------------------------------------------------------------------


async def test_drain_waits_for_connections_and_accepts_no_more() -> None:
    with listening() as broker:
        end = Endpoint(*broker.getsockname())
        async with running(end) as (relay, where):
            client = _client(where)
            server = await accept(broker)
            drained = trio.Event()

            async def drain() -> None:
                await relay.drain(trio.current_time() + PATIENCE)
                drained.set()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(drain)
                await trio.testing.wait_all_tasks_blocked()
                with pytest.raises(OSError, match="refused"):
                    _client(where)
                await client.send(b"still here")
                assert await server.receive_exactly(10) == b"still here"
                assert not drained.is_set()
                client.close()
                server.close()
            assert drained.is_set()


async def test_drain_cuts_what_is_still_open_at_the_deadline() -> None:
    async with route(True) as way:
        assert way.relay is not None
        await way.client.send(b"x")
        await way.server.receive_exactly(1)
        await way.relay.drain(trio.current_time())
        assert await way.client.receive_all() == (b"", How.FIN)
        assert await way.server.receive_all() == (b"", How.FIN)
    assert way.tap.calls[1:] == [
        ("closed", CLIENT, How.OPEN),
        ("closed", SERVER, How.OPEN),
        ("ended",),
    ]


async def test_sockets_are_told_to_be_quick_and_to_notice_the_dead() -> None:
    sockets: list[socket.socket] = []
    with listening() as broker:

        async def connect(accepted: Accepted) -> Connected:
            sockets.append(_client(Endpoint(*broker.getsockname())).sock)
            return Connected(sockets[0])

        relay = Relay()
        tap = Recorder()
        async with trio.open_nursery() as nursery:
            where = (
                await nursery.start(relay.run, [listening()], connect, lambda _: tap, Limits())
            )[0]
            client = _client(where)
            await until(lambda: bool(tap.calls))
            assert sockets[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            client.close()
            await relay.drain(trio.current_time())
