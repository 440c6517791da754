from __future__ import annotations

import pytest

from analyzers.connection import Connection
from analyzers.events import AlertSeen, How, ProtectedSeen
from analyzers.messages import CertificateMessage, ClientHello, ServerHello
from proxy.lab.messages import ALERT, HANDSHAKE, connack, record, vector
from tests import hellos
from tests.flights import DATA, FINISHED, SWITCH
from tests.hellos import ECDHE_PARAMS, TLS_1_2, message
from tests.observing import AT, CLIENT, SERVER, watch

SECOND = hellos.hello_13()
FULL = watch(
    (CLIENT, record(HANDSHAKE, hellos.client_hello())),
    (
        SERVER,
        record(
            HANDSHAKE,
            hellos.server_hello()
            + hellos.certificate(b"leaf", b"CA")
            + hellos.signed(TLS_1_2, ECDHE_PARAMS)
            + hellos.certificate_request(TLS_1_2, b"name")
            + message(14, b""),
        ),
    ),
    (
        CLIENT,
        record(
            HANDSHAKE,
            hellos.certificate()
            + message(16, vector(1, bytes(32)))
            + message(15, b"\x04\x01" + vector(2, b"signature")),
        )
        + SWITCH
        + FINISHED,
    ),
    (SERVER, 7),
    (SERVER, SWITCH + FINISHED + DATA + record(ALERT, b"\x02\x28")),
    (CLIENT, How.TIMEOUT),
    (CLIENT, How.FIN),
    (SERVER, How.RST),
)
NOTHING = watch()


def test_lookups_find_what_was_seen() -> None:
    assert isinstance(FULL.client_hello, ClientHello)
    assert FULL.client_hello_event is not None
    assert FULL.client_hello_event.body is FULL.client_hello
    assert isinstance(FULL.server_hello, ServerHello)
    assert FULL.server_hello_event is not None
    assert FULL.server_hello_event.body is FULL.server_hello
    assert FULL.version == TLS_1_2
    assert not FULL.tls13
    assert FULL.certificates(SERVER) == (b"leaf", b"CA")
    assert FULL.certificates(CLIENT) == ()
    assert FULL.server_key_exchange is not None
    assert FULL.certificate_request is not None
    assert FULL.certificate_request.authorities == (b"name",)
    assert FULL.client_key_exchange is not None
    assert FULL.certificate_verify is not None
    assert FULL.certificate_verify.signature == b"signature"
    assert FULL.gaps == 1


def test_lookups_of_nothing_find_nothing() -> None:
    assert NOTHING.events == ()
    for name in (
        *("client_hello", "client_hello_event", "second_client_hello", "hello_retry_request"),
        *("server_hello", "server_hello_event", "version", "certificate_request", "stopped"),
        *("server_key_exchange", "client_key_exchange", "certificate_verify", "not_connected"),
    ):
        assert getattr(NOTHING, name) is None
    assert not NOTHING.tls13
    assert NOTHING.gaps == 0
    assert NOTHING.faults == ()
    assert NOTHING.alerts == ()
    assert NOTHING.closes == ()
    for way in (CLIENT, SERVER):
        assert NOTHING.certificates(way) is None
        assert NOTHING.plaintext(way) is None
        assert NOTHING.ccs(way) is None
        assert NOTHING.close_of(way) is None
        assert NOTHING.protected(way) == ()
        assert NOTHING.bytes_from(way) == 0


def test_events_by_class_and_side() -> None:
    assert len(list(FULL.of(ProtectedSeen))) == len(FULL.protected(CLIENT)) + len(
        FULL.protected(SERVER)
    )
    assert [event.description for event in FULL.alerts] == [40]
    assert FULL.first(AlertSeen, CLIENT) is None
    assert FULL.first(AlertSeen) is FULL.alerts[0]
    assert [event.direction for event, _ in FULL.messages(CertificateMessage)] == [SERVER, CLIENT]
    found = FULL.message(CertificateMessage, CLIENT)
    assert found is not None
    assert found[1].certificates == ()
    assert FULL.message(ClientHello, SERVER) is None


def test_each_side_has_another() -> None:
    assert (CLIENT.other, SERVER.other) == (SERVER, CLIENT)
    assert (CLIENT.sender, SERVER.sender) == ("client", "server")


def test_a_real_ending_is_told_from_our_own_impatience() -> None:
    assert [event.how for event in FULL.closes] == [How.TIMEOUT, How.FIN, How.RST]
    end = FULL.close_of(CLIENT)
    assert end is not None
    assert end.how is How.FIN


def test_bytes_count_what_was_seen() -> None:
    assert FULL.bytes_from(CLIENT) == FULL.client_bytes > 0
    assert FULL.bytes_from(SERVER) == FULL.server_bytes > FULL.client_bytes


def test_only_an_answer_to_a_retry_request_is_a_second_hello() -> None:
    twice = (CLIENT, record(HANDSHAKE, SECOND))
    assert watch(twice, twice).second_client_hello is None
    retry = (SERVER, record(HANDSHAKE, hellos.hello_retry_request()))
    seen = watch(twice, retry)
    assert seen.hello_retry_request is not None
    assert seen.second_client_hello is None
    assert seen.server_hello is None
    assert seen.version is None
    assert watch(twice, retry, twice).second_client_hello == seen.client_hello


@pytest.mark.parametrize(
    ("why", "detail"), [("name", "no such host"), ("timeout", "3 SYN segments in 7.0 s")]
)
def test_who_was_not_reached(why: str, detail: str) -> None:
    connection = Connection()
    connection.not_connected(why, detail, AT)
    found = connection.transcript.not_connected
    assert found is not None
    assert (found.why, found.detail) == (why, detail)


def test_plaintext_by_side() -> None:
    seen = watch((SERVER, connack(0)))
    assert seen.plaintext(CLIENT) is None
    found = seen.plaintext(SERVER)
    assert found is not None
    assert found.kind == "mqtt"
