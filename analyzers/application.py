"""MQTT above TLS, as far as record lengths, order and timing show it.

A CONNECT is the client's first data, at least 14 bytes (MQTT 3.1.1 section 3.1); a
CONNACK is 4 bytes in MQTT 3.1.1, 5 and more in MQTT 5; PINGREQ, PINGRESP and DISCONNECT
are 2. Whether a CONNACK accepts or refuses does not show in its length, only in what
follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analyzers.course import Data, Flights, Sure
from analyzers.endings import Ending
from analyzers.events import Direction, How
from analyzers.stacks import HelloShape, recognise_client
from analyzers.transcript import CLIENT, SERVER

Course = Literal[
    "none",
    "unused",
    "closed_unused",
    "waiting",
    "refused",
    "hung_up",
    "no_answer",
    "keepalive",
    "aborted",
    "closed",
    "open",
]

CONNECT_LEAST = 14
CONNACK = 4
_ANSWER_MOST = 512
"""A CONNACK with MQTT 5 properties stays below; an HTTP answer often does not."""
AT_ONCE = 1.0
"""Seconds within which a close belongs to the answer before it."""
PATIENCE = 1.0
"""Seconds a client waits at least before leaving counts as waiting in vain."""
KEEPALIVE_LEAST = 1.5
"""MQTT 3.1.2.10: a broker hangs up after one and a half keep-alive times, of 1 s or more."""
_BY_RETURN = 0.1
"""Seconds within which a client leaves that does so because of the answer."""
_PARTING_ALERTS = {"go": 1, "node": 1, "jsse": 2}
_CROSSING = 0.25
"""Data this shortly before an ending may have crossed it on the way."""


@dataclass(frozen=True, slots=True)
class Application:
    """What the protected session was."""

    course: Course
    connect_sent: bool | None = None
    connack: bool | None = None
    refused: bool | None = None
    websocket: bool | None = None
    ended_by: Direction | None = None
    certainty: Sure | None = None
    idle: float = 0.0
    """Seconds without client data before the end."""


def read_application(flights: Flights, ends: tuple[Ending, ...]) -> Application:
    """Judge the data phase of a connection whose handshake has finished."""
    if flights.client_finished is None or (
        flights.server_finished is None and not flights.transcript.tls13
    ):
        return Application("none")
    after = tuple(end for end in ends if end.index > (flights.client_finished or 0))
    first = after[0] if after else None
    # What a side says to an ending is a reaction.
    until = first.index if first is not None else len(flights.transcript.events)
    client = [(i, d) for i, d in flights.data if d.direction is CLIENT and i < until]
    websocket = _websocket(flights, client)
    if not client:
        return _without_data(flights, first)
    start, connect = client[0]
    if sum(data.most for _, data in client[:2]) < CONNECT_LEAST:
        return Application("closed" if first else "open", connect_sent=False, websocket=websocket)
    answers = [(i, d) for i, d in flights.data if d.direction is SERVER and i > start]
    if not answers or (first is not None and answers[0][0] > first.index):
        return _unanswered(flights, connect, first, websocket)
    place, answer = answers[0]
    connack = answer.least <= CONNACK <= answer.most or answer.most <= _ANSWER_MOST
    later = [(i, d) for i, d in client if i > place]
    open_ended = Application(
        "open",
        connect_sent=True,
        connack=connack,
        refused=False if later else None,
        websocket=websocket,
        certainty="likely",
    )
    if first is None:
        return open_ended
    if not later and _refused(flights, place, answer, first):
        return Application(
            "refused",
            connect_sent=True,
            connack=connack,
            refused=True,
            websocket=websocket,
            ended_by=SERVER,
            certainty="likely",
        )
    course, ended_by, idle = _ending(flights, client, first, ends)
    return Application(
        course,
        connect_sent=True,
        connack=connack,
        refused=False,
        websocket=websocket,
        ended_by=ended_by,
        certainty="likely",
        idle=idle,
    )


def _websocket(flights: Flights, client: list[tuple[int, Data]]) -> bool | None:
    """HTTP's Upgrade is far longer than most CONNECTs; ALPN decides where it was chosen."""
    tr = flights.transcript
    chosen = tr.server_hello.extensions.alpn if tr.server_hello else ()
    if any(name in (b"http/1.1", b"h2") for name in chosen):
        return True
    if any(name.startswith((b"mqtt", b"x-amzn-mqtt")) for name in chosen):
        return False
    offered = tr.client_hello.extensions.alpn if tr.client_hello else ()
    if b"http/1.1" in offered and client and client[0][1].least >= 120:
        return True
    return False if client and client[0][1].most < 100 else None


def _without_data(flights: Flights, first: Ending | None) -> Application:
    if first is None or flights.renegotiation is not None:
        return Application("unused" if first is None else "closed", connect_sent=False)
    return Application(
        "closed_unused", connect_sent=False, ended_by=first.direction, certainty="likely"
    )


def _unanswered(
    flights: Flights, connect: Data, first: Ending | None, websocket: bool | None
) -> Application:
    waited = (first.at if first else flights.transcript.events[-1].at) - connect.event.at
    if first is None:
        course: Course = "waiting"
        if waited >= PATIENCE and any(c.how is How.TIMEOUT for c in flights.transcript.closes):
            course = "no_answer"
    elif first.direction is SERVER:
        course = "hung_up"
    else:
        course = "no_answer" if waited >= PATIENCE else "aborted"
        if course == "aborted" and first.kind != "rst":
            course = "closed"
    return Application(
        course,
        connect_sent=True,
        connack=False,
        refused=True if course == "hung_up" else None,
        websocket=websocket,
        ended_by=first.direction if first else None,
        certainty="likely",
        idle=waited,
    )


def _refused(flights: Flights, place: int, answer: Data, first: Ending) -> bool:
    """An answer with nothing but a close behind it."""
    waited = first.at - answer.event.at
    if first.index < place or waited > AT_ONCE:
        return False
    if first.direction is SERVER:
        return True
    # A client that leaves without a DISCONNECT as soon as it has read the answer.
    if waited >= _BY_RETURN or first.kind == "rst":
        return False
    tls13 = flights.transcript.tls13
    return not tls13 or _farewells(flights, first) <= _parting_alerts(flights)


def _farewells(flights: Flights, first: Ending) -> int:
    """How many records of two bytes the client ends with: alerts, or a DISCONNECT and alerts."""
    places = [index for index, event, _ in flights.hidden_alerts if event.direction is CLIENT]
    return sum(1 for index in places if index >= first.index)


def _parting_alerts(flights: Flights) -> int:
    """How many alerts a client of this stack ends a TLS 1.3 connection with.

    Go's Conn.Close and Node's end send close_notify, JSSE user_canceled before it; OpenSSL
    sends nothing unless its program asks for it.
    """
    hello, event = flights.transcript.client_hello, flights.transcript.client_hello_event
    if hello is None or event is None:
        return 0
    stack = recognise_client(HelloShape.of(hello, event.record_version))
    return _PARTING_ALERTS.get(stack.family, 0) if stack is not None else 0


def _ending(
    flights: Flights, client: list[tuple[int, Data]], first: Ending, ends: tuple[Ending, ...]
) -> tuple[Course, Direction | None, float]:
    """How a session that had been accepted came to its end."""
    tr = flights.transcript
    before = [d.event.at for _, d in client if d.event.at < first.at - _CROSSING]
    idle = first.at - max(before, default=first.at)
    if first.direction is CLIENT and first.kind == "hidden" and tr.tls13 and idle > 0:
        # Two bytes after a silence, answered by two bytes, then a reset: a late PINGREQ
        # that crossed the broker's close_notify. A DISCONNECT would be followed by a FIN.
        others = [end for end in ends if end.index > first.index]
        if (
            idle >= KEEPALIVE_LEAST
            and len(others) >= 2
            and others[0].direction is SERVER
            and others[0].is_alert
            and others[1].direction is CLIENT
            and others[1].kind == "rst"
        ):
            return "keepalive", SERVER, idle
    if first.direction is SERVER:
        left = next((end for end in ends if end.direction is CLIENT), None)
        polite = left is not None and left.kind != "rst"
        if _said_goodbye(client) and (polite or idle < KEEPALIVE_LEAST):
            return "closed", None, idle
        if idle >= KEEPALIVE_LEAST and first.kind != "rst":
            return "keepalive", SERVER, idle
        return "aborted", SERVER, idle
    if first.kind == "rst" and not _said_goodbye(client):
        return "aborted", CLIENT, idle
    return "closed", None, idle


def _said_goodbye(client: list[tuple[int, Data]]) -> bool:
    """Whether the last client data can be a DISCONNECT."""
    return bool(client) and client[-1][1].least <= 4
