"""A live connection's clock, and when there is something to say about it."""

from __future__ import annotations

import ssl

import pytest

from analyzers.connection import Connection
from analyzers.context import Context
from analyzers.events import ClosedSeen, Direction, HandshakeSeen, How, NotConnectedSeen
from proxy.limits import Limits
from proxy.session import Session, Snapshot
from proxy.tap import Accepted, Endpoint
from tests.relaying import CLIENT, SERVER

START = 1_700_000_000.0
"""The wall time of the accept, in seconds since the epoch."""
ACCEPTED_AT = 5_000.0
"""The same moment on trio's clock."""
SETTLE = 0.5
FATAL = bytes.fromhex("15 0303 0002 0228".replace(" ", ""))
"""An alert record: fatal handshake_failure."""
PROTECTED = bytes.fromhex("17 0303 0010".replace(" ", "")) + bytes(16)


def client_hello() -> bytes:
    """A real one, from this Python's ssl."""
    outgoing = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(
        ssl.MemoryBIO(), outgoing, server_hostname="broker.example.com"
    )
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


class Watched:
    """A session whose snapshots are kept."""

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []
        accepted = Accepted(
            number=7,
            client=Endpoint("127.0.0.1", 50000),
            listener=Endpoint("127.0.0.1", 8883),
            at=ACCEPTED_AT,
        )
        context = Context(
            kind="proxy",
            name=str(accepted.listener),
            start=START,
            server_name="broker.example.com",
            server_port=8883,
        )
        self.session = Session(
            accepted,
            context=context,
            emit=self.snapshots.append,
            limits=Limits(settle=SETTLE),
            report_after=10.0,
        )

    def connect(self, after: float = 0.001) -> None:
        self.session.connected(Endpoint("192.0.2.1", 8883), ACCEPTED_AT + after)

    def data(self, direction: Direction, data: bytes, after: float) -> bool:
        return self.session.data(direction, memoryview(data), ACCEPTED_AT + after)

    def look(self, after: float) -> list[str]:
        self.session.look(ACCEPTED_AT + after)
        return [snapshot.moment for snapshot in self.snapshots]

    @property
    def due(self) -> float | None:
        """When the session wants to be looked at, in seconds after the accept."""
        return None if self.session.due is None else self.session.due - ACCEPTED_AT


def test_times_are_wall_times_from_one_reading_at_the_accept() -> None:
    watched = Watched()
    watched.connect()
    watched.data(CLIENT, client_hello(), 0.25)
    watched.session.closed(CLIENT, How.FIN, ACCEPTED_AT + 1.5)
    watched.session.ended(ACCEPTED_AT + 1.5)
    transcript = watched.snapshots[-1].transcript
    hello = transcript.first(HandshakeSeen)
    assert hello is not None
    assert hello.at == pytest.approx(START + 0.25)
    assert transcript.closes[0].at == pytest.approx(START + 1.5)
    assert transcript.opened_at == START


def test_the_servers_address_is_known_once_it_is_connected() -> None:
    watched = Watched()
    watched.connect()
    watched.session.ended(ACCEPTED_AT + 1)
    context = watched.snapshots[0].context
    assert (context.server_name, context.server_address, context.server_port) == (
        "broker.example.com",
        "192.0.2.1",
        8883,
    )


def test_an_address_that_was_gone_at_once_changes_nothing() -> None:
    watched = Watched()
    watched.session.connected(Endpoint("", 0), ACCEPTED_AT)
    watched.session.ended(ACCEPTED_AT)
    assert watched.snapshots[0].context.server_address is None
    assert watched.snapshots[0].context.server_port == 8883


def test_a_finished_handshake_is_reported_after_a_moment() -> None:
    watched = Watched()
    watched.connect()
    watched.data(CLIENT, client_hello(), 0.1)
    watched.data(SERVER, FATAL, 0.2)
    assert watched.session.settled
    assert watched.due == pytest.approx(0.2 + SETTLE)
    assert watched.look(0.2 + SETTLE / 2) == []
    assert watched.look(0.2 + SETTLE) == ["settled"]
    assert watched.look(100) == ["settled"]
    watched.session.ended(ACCEPTED_AT + 101)
    assert [snapshot.moment for snapshot in watched.snapshots] == ["settled", "closed"]
    assert watched.snapshots[0].number == 7


def test_a_connection_that_ends_before_that_is_reported_once() -> None:
    watched = Watched()
    watched.connect()
    watched.data(CLIENT, client_hello(), 0.1)
    watched.data(SERVER, FATAL, 0.2)
    watched.session.closed(SERVER, How.FIN, ACCEPTED_AT + 0.21)
    watched.session.ended(ACCEPTED_AT + 0.22)
    assert watched.look(100) == ["closed"]


def test_a_handshake_without_progress_is_reported_as_it_stands() -> None:
    watched = Watched()
    watched.connect()
    watched.data(CLIENT, client_hello(), 3)
    assert watched.look(12.9) == []
    assert watched.look(13) == ["stalled"]
    closes = watched.snapshots[0].transcript.closes
    assert [(close.direction, close.how) for close in closes] == [
        (CLIENT, How.TIMEOUT),
        (SERVER, How.TIMEOUT),
    ]
    # The connection lives on: its own transcript has no such close.
    assert watched.data(SERVER, FATAL, 60)
    watched.session.closed(SERVER, How.FIN, ACCEPTED_AT + 60)
    watched.session.ended(ACCEPTED_AT + 60)
    last = watched.snapshots[-1]
    assert last.moment == "closed"
    assert [close.how for close in last.transcript.closes] == [How.FIN]
    assert len(last.transcript.alerts) == 1


def test_progress_puts_the_report_off() -> None:
    watched = Watched()
    watched.connect()
    hello = client_hello()
    for second, byte in enumerate(hello[:30]):
        watched.data(CLIENT, bytes([byte]), float(second))
        assert watched.look(second + 9.0) == []
    assert watched.look(39) == ["stalled"]


def test_it_is_said_once_that_a_handshake_stalls() -> None:
    watched = Watched()
    watched.connect()
    hello = client_hello()
    watched.data(CLIENT, hello[:5], 1)
    assert watched.look(11) == ["stalled"]
    watched.data(CLIENT, hello[5:9], 12)
    assert watched.look(50) == ["stalled"]
    watched.data(CLIENT, hello[9:], 51)
    watched.data(SERVER, FATAL, 52)
    assert watched.look(53) == ["stalled", "settled"]


def test_a_side_that_had_ended_is_not_said_to_be_awaited() -> None:
    watched = Watched()
    watched.connect()
    watched.data(SERVER, PROTECTED[:3], 1)
    watched.session.closed(CLIENT, How.OPEN, ACCEPTED_AT + 1)
    watched.look(11)
    closes = watched.snapshots[0].transcript.closes
    assert [(close.direction, close.how) for close in closes] == [
        (CLIENT, How.OPEN),
        (SERVER, How.TIMEOUT),
    ]


def test_a_broker_that_is_not_reached_for_long_is_reported_meanwhile() -> None:
    watched = Watched()
    assert watched.look(9.9) == []
    assert watched.look(10) == ["stalled"]
    seen = watched.snapshots[0].transcript.first(NotConnectedSeen)
    assert seen is not None
    assert seen.why == "timeout"
    assert seen.detail == ("no TCP connection to broker.example.com:8883 after 10 s; still trying")
    # Reached after all: nothing of that remains, and the wait begins anew.
    watched.connect(20)
    assert watched.due == pytest.approx(30)
    watched.session.ended(ACCEPTED_AT + 21)
    assert watched.snapshots[-1].transcript.not_connected is None


def test_a_broker_that_is_not_reached_at_all() -> None:
    watched = Watched()
    watched.session.not_connected("refused", "nobody there", ACCEPTED_AT + 1)
    watched.session.ended(ACCEPTED_AT + 1)
    seen = watched.snapshots[0].transcript.not_connected
    assert seen is not None
    assert (seen.why, seen.detail, seen.at) == ("refused", "nobody there", START + 1)


def test_our_own_exhaustion_stops_the_analysis() -> None:
    watched = Watched()
    watched.session.stopped("no file descriptors left", ACCEPTED_AT)
    watched.session.ended(ACCEPTED_AT)
    stopped = watched.snapshots[0].transcript.stopped
    assert stopped is not None
    assert stopped.reason == "no file descriptors left"


def test_bytes_passed_unseen_are_counted() -> None:
    watched = Watched()
    watched.connect()
    watched.data(CLIENT, client_hello(), 0.1)
    watched.session.skipped(CLIENT, 1000, ACCEPTED_AT + 0.2)
    watched.session.ended(ACCEPTED_AT + 1)
    assert watched.snapshots[0].transcript.client_bytes > 1000


@pytest.mark.parametrize("method", ["receive", "skipped", "close"])
def test_a_bug_in_the_analysis_ends_the_analysis_and_says_so(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(Connection, method, fails)
    watched = Watched()
    watched.connect()
    wants_more = watched.data(CLIENT, b"\x16", 0.1)
    watched.session.skipped(SERVER, 1, ACCEPTED_AT + 0.2)
    watched.session.closed(CLIENT, How.FIN, ACCEPTED_AT + 0.3)
    assert wants_more == (method != "receive")
    assert watched.data(CLIENT, b"\x16", 0.4) is False
    watched.session.ended(ACCEPTED_AT + 1)
    stopped = watched.snapshots[0].transcript.stopped
    assert stopped is not None
    assert stopped.reason == "internal error: KeyError: 'a bug'"


def test_closes_reach_the_transcript_in_order() -> None:
    watched = Watched()
    watched.connect()
    watched.session.closed(CLIENT, How.FIN, ACCEPTED_AT + 1)
    watched.session.closed(CLIENT, How.RST, ACCEPTED_AT + 2)
    watched.session.ended(ACCEPTED_AT + 2)
    events = list(watched.snapshots[0].transcript.of(ClosedSeen))
    assert [event.how for event in events] == [How.FIN, How.RST]


def test_a_stalled_handshake_with_a_faulty_message_can_be_looked_at() -> None:
    """The copy that is looked at holds errors, which are not copied as a matter of course."""
    watched = Watched()
    watched.connect()
    hello = bytearray(client_hello())
    at = hello.index(bytes.fromhex("000a 00".replace(" ", "")))  # supported_groups
    hello[at + 5] += 1  # a vector one byte longer than its extension
    watched.data(CLIENT, bytes(hello), 0.25)
    assert watched.look(20) == ["stalled"]
    seen = watched.snapshots[0].transcript.client_hello
    assert seen is not None
    assert "offset" in str(seen.faults[0])
