from __future__ import annotations

import pytest

from analyzers.connection import MAX_HANDSHAKE_BYTES, MAX_HELLOS, MAX_OPENINGS, Connection
from analyzers.events import (
    ClosedSeen,
    FaultSeen,
    HandshakeSeen,
    How,
    PlaintextSeen,
    ProtectedSeen,
    StoppedSeen,
)
from analyzers.ledger import MAX_EVENTS, MAX_TAIL
from analyzers.messages import ClientHello
from proxy.lab.messages import (
    APPLICATION_DATA,
    HANDSHAKE,
    connack,
    connect,
    record,
)
from tests import hellos
from tests.feeding import check_stream
from tests.flights import (
    ANSWER,
    CERTIFICATE,
    CLIENT_KEYS,
    DATA,
    DONE,
    FULL,
    HELLO,
    HIDDEN_ALERT,
    alert,
    clear,
    one_way,
)
from tests.hellos import TLS_1_2, message
from tests.observing import AT, CLIENT, SERVER, Skip, lasting, names, tell, watch

# -- not TLS ---------------------------------------------------------------------------


def test_plaintext_ends_the_reading_of_its_direction() -> None:
    seen = watch((CLIENT, connect("me", user="joe", password="secret")), (SERVER, connack(0)))
    said = [(event.direction, event.kind) for event in seen.of(PlaintextSeen)]
    assert said == [(CLIENT, "mqtt"), (SERVER, "mqtt")]
    assert "secret" not in repr(seen)
    again = watch((CLIENT, connect("me")), (CLIENT, HELLO))
    assert list(names(again)) == ["PlaintextSeen"]
    assert again.client_bytes == len(connect("me")) + len(HELLO)


def test_a_plaintext_judgement_does_not_depend_on_the_cutting() -> None:
    data = connect("client-id") + bytes(5000)
    found = check_stream(one_way(direction=CLIENT), data, tail=b"more", alike=lasting)
    assert len(found) == 1


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 8883\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12),
    ],
    ids=["v1", "v2"],
)
def test_tls_goes_on_behind_a_proxy_header(header: bytes) -> None:
    found = check_stream(one_way(direction=CLIENT), header + HELLO, tail=b"\x16", alike=lasting)
    assert [type(event) for event in found] == [PlaintextSeen, HandshakeSeen]
    assert found[0].stream_offset == 0
    assert found[1].stream_offset == len(header) + 5
    assert watch((CLIENT, header + HELLO[:2])).pending[CLIENT].stream_offset == len(header)


def test_a_hello_in_ssl_2_framing_is_a_client_hello() -> None:
    raw = hellos.sslv2_client_hello()
    found = check_stream(one_way(direction=CLIENT), raw + CLIENT_KEYS, tail=b"\x16", alike=lasting)
    hello = found[0]
    assert isinstance(hello, HandshakeSeen)
    assert (hello.type, hello.raw, hello.record_version) == (1, raw, 0x0002)
    assert isinstance(hello.body, ClientHello)
    assert hello.body.sslv2
    assert [(event.stream_offset, getattr(event, "type", None)) for event in found[1:]] == [
        (len(raw) + 5, 16)
    ]
    seen = watch((CLIENT, raw[:4]), (CLIENT, raw[4:]), (SERVER, ANSWER))
    assert seen.client_hello == hello.body
    assert seen.version == TLS_1_2
    event = seen.client_hello_event
    assert event is not None
    assert event.segments == 2
    assert event.first_at == pytest.approx(AT + 0.001)


def test_a_hello_in_ssl_2_framing_behind_a_proxy_header() -> None:
    header = b"PROXY UNKNOWN\r\n"
    seen = watch((CLIENT, header + hellos.sslv2_client_hello()))
    event = seen.client_hello_event
    assert event is not None
    assert event.stream_offset == len(header)


def test_half_a_hello_in_ssl_2_framing_is_named_at_the_end() -> None:
    seen = watch((CLIENT, hellos.sslv2_client_hello()[:20]), (CLIENT, How.FIN))
    assert [event.kind for event in seen.of(PlaintextSeen)] == ["sslv2"]
    assert seen.client_hello is None


def test_too_little_to_judge_is_judged_at_the_end() -> None:
    assert list(names(watch((CLIENT, b"GET")))) == []
    seen = watch((CLIENT, b"GET"), (CLIENT, How.FIN))
    assert [event.kind for event in seen.of(PlaintextSeen)] == ["unknown"]
    begun = watch((CLIENT, b"\x16\x03"), (CLIENT, How.FIN))
    assert list(names(begun)) == ["ClosedSeen"]
    assert begun.pending[CLIENT].content_type == 22


@pytest.mark.parametrize("junk", [b"HTTP/1.1 400 Bad Request\r\n", b"\x00" * 100])
def test_bytes_that_break_the_protocol_end_the_reading_of_their_direction(junk: bytes) -> None:
    data = ANSWER + junk + CERTIFICATE
    found = check_stream(one_way((CLIENT, HELLO)), data, tail=b"more", alike=lasting)
    assert [type(event) for event in found] == [HandshakeSeen, FaultSeen]
    fault = found[1]
    assert isinstance(fault, FaultSeen)
    assert fault.raw == junk[:5]
    assert fault.stream_offset == len(ANSWER)
    seen = watch((CLIENT, HELLO), (SERVER, data), (SERVER, 10), (SERVER, DATA), (SERVER, How.FIN))
    assert list(names(seen)) == ["HandshakeSeen", "HandshakeSeen", "FaultSeen", "ClosedSeen"]
    assert seen.server_bytes == len(data) + len(DATA)
    assert seen.closes[0].stream_offset == len(data) + 10 + len(DATA)


def test_a_message_that_claims_too_much_ends_the_reading() -> None:
    data = ANSWER + record(HANDSHAKE, b"\x0b\xff\xff\xff" + bytes(200)) + DONE
    found = check_stream(one_way((CLIENT, HELLO)), data, tail=b"more", alike=lasting)
    assert [type(event) for event in found] == [HandshakeSeen, FaultSeen]
    fault = found[1]
    assert isinstance(fault, FaultSeen)
    assert len(fault.raw) == 64


# -- caps ------------------------------------------------------------------------------


def test_handshake_bytes_are_capped() -> None:
    connection = tell(Connection(), [(CLIENT, HELLO)])
    big = hellos.certificate(bytes(1 << 19))
    for _ in range(10):
        for at in range(0, len(big), 1 << 14):
            connection.receive(SERVER, record(HANDSHAKE, big[at : at + (1 << 14)]), AT)
    seen = connection.transcript
    assert connection.settled
    assert seen.stopped is not None
    assert seen.stopped.reason == "more than 2097152 handshake bytes"
    assert sum(len(event.raw) for event in seen.of(HandshakeSeen)) <= MAX_HANDSHAKE_BYTES
    assert seen.server_bytes > 10 * len(big)
    assert list(names(seen))[-1] == "StoppedSeen"


def test_the_first_and_the_last_records_of_a_long_session_are_kept() -> None:
    connection = tell(Connection(), FULL)
    for number in range(5000):
        way = SERVER if number % 4 else CLIENT
        connection.receive(way, record(APPLICATION_DATA, bytes(number % 1000)), AT + number)
    connection.close(CLIENT, How.FIN, AT + 5000)
    seen = connection.transcript
    assert len(seen.events) == MAX_EVENTS + MAX_TAIL
    lengths = [event.record_length for event in seen.of(ProtectedSeen)]
    assert lengths[2:5] == [0, 1, 2]
    assert lengths[-3:] == [997, 998, 999]
    assert isinstance(seen.events[-1], ClosedSeen)
    kept = len(list(seen.of(ProtectedSeen))) - 2
    assert seen.client_skipped + seen.server_skipped == 5000 - kept
    assert seen.server_skipped > 2 * seen.client_skipped > 0
    assert seen.stopped is None


def test_what_stands_out_is_kept_between_dropped_records() -> None:
    connection = tell(Connection(), FULL)
    for number in range(3000):
        raw = HIDDEN_ALERT if number == 1500 else DATA
        connection.receive(SERVER, raw, AT + number)
    assert [event.at for event in connection.transcript.alerts] == [AT + 1500]


def test_a_flood_of_small_messages_ends_the_analysis() -> None:
    connection = tell(Connection(), [(CLIENT, HELLO)])
    for _ in range(3000):
        connection.receive(SERVER, alert((1, 0), (1, 0), (1, 0), (1, 0)), AT)
        connection.missing(CLIENT, 1, AT)
    connection.close(CLIENT, How.FIN, AT)
    seen = connection.transcript
    assert seen.stopped is not None
    assert seen.stopped.reason == "more messages than are kept"
    assert len(seen.events) < 2000
    assert seen.server_bytes == 3000 * len(alert((1, 0), (1, 0), (1, 0), (1, 0)))
    assert isinstance(seen.events[-1], ClosedSeen)


def test_a_stopped_connection_only_counts() -> None:
    connection = tell(Connection(), [(CLIENT, HELLO)])
    connection.stop("the caller said so", AT)
    connection.stop("and again", AT)
    tell(connection, [(SERVER, ANSWER), (SERVER, 100), (SERVER, Skip(7)), (SERVER, How.FIN)])
    seen = connection.transcript
    assert [event.reason for event in seen.of(StoppedSeen)] == ["the caller said so"]
    assert list(names(seen)) == ["HandshakeSeen", "StoppedSeen", "ClosedSeen"]
    assert seen.server_bytes == len(ANSWER) + 7
    assert seen.closes[0].stream_offset == len(ANSWER) + 107


def test_a_stop_in_the_middle_of_a_chunk_reads_no_further() -> None:
    connection = tell(Connection(), [(CLIENT, HELLO)])
    big = hellos.certificate(bytes(1_000_000))
    parts = [record(HANDSHAKE, big[at : at + (1 << 14)]) for at in range(0, len(big), 1 << 14)]
    several = record(HANDSHAKE, message(14, b"") * 3)
    connection.receive(SERVER, b"".join(parts * 3) + several + DATA, AT)
    seen = connection.transcript
    assert clear(seen) == [1, 11, 11]
    assert list(names(seen))[-1] == "StoppedSeen"


def test_nothing_is_pending_where_reading_has_ended() -> None:
    too_long = record(HANDSHAKE, b"\x0b\xff\xff\xff")
    assert watch((CLIENT, HELLO), (SERVER, ANSWER + too_long + DONE[:7])).pending == {}
    connection = tell(Connection(), [(CLIENT, HELLO[:20])])
    assert connection.transcript.pending
    connection.stop("the caller said so", AT)
    assert connection.transcript.pending == {}


def test_hellos_are_capped() -> None:
    connection = tell(Connection(), [(CLIENT, HELLO)] * (MAX_HELLOS + 2))
    seen = connection.transcript
    assert clear(seen) == [1] * MAX_HELLOS
    assert seen.stopped is not None
    assert seen.stopped.reason == "more than 8 hellos"


def test_headers_before_tls_are_capped() -> None:
    header = b"PROXY UNKNOWN\r\n"
    found = check_stream(one_way(direction=CLIENT), header * 9 + HELLO, tail=b"x", alike=lasting)
    assert [type(event) for event in found] == [PlaintextSeen] * MAX_OPENINGS + [StoppedSeen]
