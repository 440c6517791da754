from __future__ import annotations

import ssl

import pytest

from analyzers.events import GapSeen, HandshakeSeen, How
from analyzers.transcript import Transcript
from proxy.lab import messages as wire
from proxy.replay import End, Hole, Payload, replay
from tests.hellos import sslv2_client_hello
from tests.sessions import AT, CLIENT, SERVER, TOLD, acme, bytes_of, observe, tls_session

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def shape(transcript: Transcript) -> list[tuple[object, ...]]:
    """All that the analysis sees, but for the bytes of what it cannot read."""
    return [
        (
            type(event).__name__,
            event.direction,
            event.stream_offset,
            getattr(event, "raw", None),
            getattr(event, "record_length", None),
            getattr(event, "records", None),
            getattr(event, "description", None),
        )
        for event in transcript.events
        if not isinstance(event, GapSeen)
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("trusted", [True, False])
def test_a_replayed_session_looks_the_same(version: ssl.TLSVersion, trusted: bool) -> None:
    seen = observe(tls_session(acme(), version=version, trusted=trusted))
    again = observe(replay(seen))
    assert shape(again) == shape(seen)
    assert (again.client_bytes, again.server_bytes) == (seen.client_bytes, seen.server_bytes)


def test_clear_messages_come_back_byte_for_byte() -> None:
    told = tls_session(acme())
    # Everything but the protected Finished messages was in clear.
    again = replay(observe(told))
    assert bytes_of(again, SERVER).startswith(bytes_of(told, SERVER)[:1500])
    assert len(bytes_of(again, CLIENT)) == len(bytes_of(told, CLIENT))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_encrypted_comes_back_as_zeros(version: ssl.TLSVersion) -> None:
    told = tls_session(acme(), version=version, secret=b"user=alice password=hunter2" * 20)
    again = bytes_of(replay(observe(told)), CLIENT)
    last = bytes_of(told, CLIENT)[-300:]
    assert len(again) == len(bytes_of(told, CLIENT))
    assert again[-300:] != last
    assert again[-300:] == bytes(300)


def test_plaintext_with_a_password_is_a_hole() -> None:
    connect = wire.connect("device-7", user="alice", password="hunter2")
    seen = observe([Payload(CLIENT, AT, connect), End(SERVER, AT + 1, How.RST)])
    again = replay(seen)
    assert Hole(CLIENT, AT + 1, len(connect)) in again
    assert b"hunter2" not in bytes_of(again, CLIENT)
    assert bytes_of(again, CLIENT) == b""


def test_a_hole_of_the_capture_stays_a_hole_of_its_size() -> None:
    first = wire.client_hello([0xC02F], [])
    later = wire.alert(40)
    told: list[TOLD] = [
        Payload(CLIENT, AT, first),
        Hole(CLIENT, AT, 1000),
        Payload(CLIENT, AT + 1, later),
        End(CLIENT, AT + 2, How.FIN),
    ]
    again = replay(observe(told))
    assert sum(item.count for item in again if isinstance(item, Hole)) == 1000
    assert bytes_of(again, CLIENT) == first + later


def test_messages_that_shared_a_record_share_it_again() -> None:
    hello = wire.server_hello()
    done = wire.server_hello_done()
    fragment = hello[5:] + done[5:]
    told = [
        Payload(CLIENT, AT, wire.client_hello([0xC02F], [])),
        Payload(SERVER, AT, wire.record(wire.HANDSHAKE, fragment)),
    ]
    assert bytes_of(replay(observe(told)), SERVER) == wire.record(wire.HANDSHAKE, fragment)


@pytest.mark.parametrize("size", [100, 1 << 14])
def test_a_message_over_several_records_keeps_their_number(size: int) -> None:
    chain = [identity.certificate for identity in acme().chain] * 20
    message = wire.certificate(chain)[5:]
    records = b"".join(
        wire.record(wire.HANDSHAKE, message[at : at + size]) for at in range(0, len(message), size)
    )
    told = [
        Payload(CLIENT, AT, wire.client_hello([0xC02F], [])),
        Payload(SERVER, AT, wire.server_hello() + records),
    ]
    seen = observe(told)
    again = observe(replay(seen))
    assert [event.records for event in again.of(HandshakeSeen)] == [
        event.records for event in seen.of(HandshakeSeen)
    ]
    assert shape(again) == shape(seen)


def test_a_hello_in_ssl_2_framing_comes_back_as_it_came() -> None:
    hello = sslv2_client_hello()
    told = [
        Payload(CLIENT, AT, hello + wire.client_key_exchange(bytes(16))),
        Payload(SERVER, AT, wire.server_hello()),
    ]
    seen = observe(told)
    again = replay(seen)
    assert bytes_of(again, CLIENT) == bytes_of(told, CLIENT)
    assert shape(observe(again)) == shape(seen)


def test_nothing_seen_is_nothing_told() -> None:
    assert replay(observe([])) == []
