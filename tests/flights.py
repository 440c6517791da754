"""Records and flights that tests of a connection feed, and their readings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from analyzers.connection import Connection
from analyzers.events import Direction, Event, HandshakeSeen
from analyzers.transcript import Transcript
from proxy.lab.messages import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    record,
    vector,
)
from tests import hellos
from tests.hellos import ECDHE_PARAMS, TLS_1_0, TLS_1_2, message
from tests.observing import AT, CLIENT, SERVER, Step, tell

HELLO = record(HANDSHAKE, hellos.client_hello(), version=TLS_1_0)
HELLO_13 = record(HANDSHAKE, hellos.hello_13(), version=TLS_1_0)
ANSWER = record(HANDSHAKE, hellos.server_hello())
ANSWER_13 = record(HANDSHAKE, hellos.server_hello_13())
RETRY = record(HANDSHAKE, hellos.hello_retry_request())
CERTIFICATE = record(HANDSHAKE, hellos.certificate(b"leaf" * 100, b"CA" * 200))
KEYS = record(HANDSHAKE, hellos.signed(TLS_1_2, ECDHE_PARAMS))
DONE = record(HANDSHAKE, message(14, b""))
CLIENT_KEYS = record(HANDSHAKE, message(16, vector(1, bytes(32))))
SWITCH = record(CHANGE_CIPHER_SPEC, b"\x01")
FINISHED = record(HANDSHAKE, bytes([200]) + bytes(39))
"""Encrypted: nothing in it looks like a message."""
DATA = record(APPLICATION_DATA, bytes(100))
HIDDEN_ALERT = record(ALERT, bytes(26))
BEAT = record(24, b"\x01\x00\x00")
FLIGHT = ANSWER + CERTIFICATE + KEYS + DONE
FULL: tuple[Step, ...] = (
    (CLIENT, HELLO),
    (SERVER, FLIGHT),
    (CLIENT, CLIENT_KEYS + SWITCH + FINISHED),
    (SERVER, SWITCH + FINISHED),
)


def alert(*pairs: tuple[int, int]) -> bytes:
    """A record of clear alerts, each (level, description)."""
    return record(ALERT, b"".join(bytes(pair) for pair in pairs))


def clear(transcript: Transcript) -> list[int]:
    """Types of the clear handshake messages."""
    return [event.type for event in transcript.of(HandshakeSeen)]


def one_way(
    *before: Step, direction: Direction = SERVER
) -> Callable[[], Callable[[bytes | memoryview], Iterator[Event]]]:
    """For `check_stream`: the new events of a direction after some steps."""

    def fresh() -> Callable[[bytes | memoryview], Iterator[Event]]:
        connection = tell(Connection(), before)
        seen = len(connection.transcript.events)

        def feed(piece: bytes | memoryview) -> Iterator[Event]:
            nonlocal seen
            connection.receive(direction, piece, AT)
            events = connection.transcript.events[seen:]
            seen += len(events)
            return iter(events)

        return feed

    return fresh
