from __future__ import annotations

import pytest

from analyzers.connection import Connection
from analyzers.events import (
    AlertSeen,
    ChangeCipherSpecSeen,
    HandshakeSeen,
    HeartbeatSeen,
    How,
    NotConnectedSeen,
    ProtectedSeen,
)
from analyzers.messages import ServerHello
from analyzers.transcript import Pending
from proxy.lab.messages import (
    ALERT,
    HANDSHAKE,
    extension,
    record,
    u16s,
    vector,
)
from tests import hellos
from tests.feeding import check_stream
from tests.flights import (
    ANSWER,
    ANSWER_13,
    BEAT,
    CERTIFICATE,
    CLIENT_KEYS,
    DATA,
    DONE,
    FINISHED,
    FLIGHT,
    FULL,
    HELLO,
    HELLO_13,
    HIDDEN_ALERT,
    RETRY,
    SWITCH,
    alert,
    clear,
    one_way,
)
from tests.hellos import ECDHE_PARAMS, TLS_1_0, TLS_1_2, TLS_1_3, message
from tests.observing import AT, CLIENT, SERVER, Step, lasting, names, tell, watch

# -- however the bytes come ------------------------------------------------------------


def test_a_server_flight_is_the_same_however_it_is_cut() -> None:
    found = check_stream(
        one_way((CLIENT, HELLO)), FLIGHT + SWITCH + FINISHED + DATA, tail=b"\x17", alike=lasting
    )
    assert [type(event).__name__ for event in found] == [
        *["HandshakeSeen"] * 4,
        "ChangeCipherSpecSeen",
        "ProtectedSeen",
        "ProtectedSeen",
    ]


def test_a_client_flight_is_the_same_however_it_is_cut() -> None:
    early = record(HANDSHAKE, hellos.hello_13(extensions=[extension(42, b"")]))
    data = early + SWITCH + DATA + DATA + BEAT
    found = check_stream(one_way(direction=CLIENT), data, tail=b"\x17\x03", alike=lasting)
    assert [getattr(event, "offered", None) for event in found] == [None, None, True, True, None]


def test_messages_over_many_records_and_several_in_one() -> None:
    whole = hellos.server_hello() + hellos.certificate(b"leaf" * 300) + message(14, b"")
    pieces = [whole[at : at + 50] for at in range(0, len(whole), 50)]
    many = b"".join(record(HANDSHAKE, piece) for piece in pieces)
    seen = watch((CLIENT, HELLO), (SERVER, many))
    one = watch((CLIENT, HELLO), (SERVER, record(HANDSHAKE, whole)))
    assert clear(seen) == clear(one) == [1, 2, 11, 14]
    assert [event.raw for event in seen.of(HandshakeSeen)] == [
        event.raw for event in one.of(HandshakeSeen)
    ]
    certificate = list(seen.of(HandshakeSeen))[2]
    assert certificate.records == len(pieces)
    assert [event.records for event in one.of(HandshakeSeen)] == [1, 1, 1, 1]
    assert [event.stream_offset for event in one.of(HandshakeSeen, SERVER)] == [
        5,
        5 + len(hellos.server_hello()),
        5 + len(whole) - 4,
    ]


def test_records_over_many_segments_know_when_they_began_and_ended() -> None:
    pieces: list[Step] = [(CLIENT, HELLO[at : at + 10]) for at in range(0, len(HELLO), 10)]
    event = watch(*pieces).client_hello_event
    assert event is not None
    assert event.segments == len(pieces)
    assert event.first_at == pytest.approx(AT + 0.001)
    assert event.at == pytest.approx(AT + len(pieces) / 1000)
    assert event.frame == len(pieces)
    assert event.record_version == TLS_1_0
    assert event.stream_offset == 5


def test_the_callers_buffer_is_not_kept() -> None:
    connection = Connection()
    buffer = bytearray(60)
    for at in range(0, len(HELLO), 60):
        part = HELLO[at : at + 60]
        buffer[: len(part)] = part
        connection.receive(CLIENT, memoryview(buffer)[: len(part)], AT)
    hello = connection.transcript.client_hello_event
    assert hello is not None
    assert hello.raw == hellos.client_hello()


# -- handshakes ------------------------------------------------------------------------


@pytest.mark.parametrize("version", hellos.VERSIONS)
def test_a_handshake_up_to_tls_1_2(version: int) -> None:
    hello = record(HANDSHAKE, hellos.client_hello(version=version), version=version)
    answer = hellos.server_hello(version=version)
    flight = answer + hellos.certificate(b"der") + hellos.certificate_request(version, b"CA")
    # No ServerKeyExchange: with RSA key exchange there is none.
    reply = hellos.certificate() + message(16, vector(2, bytes(256)))
    seen = watch(
        (CLIENT, hello),
        (SERVER, record(HANDSHAKE, flight + message(14, b""), version=version)),
        (CLIENT, record(HANDSHAKE, reply, version=version) + SWITCH + FINISHED),
        (SERVER, SWITCH + FINISHED + DATA),
    )
    assert clear(seen) == [1, 2, 11, 13, 14, 11, 16]
    assert seen.version == version
    assert not seen.tls13
    assert seen.certificates(SERVER) == (b"der",)
    assert seen.certificates(CLIENT) == ()
    assert seen.certificate_request is not None
    assert [event.content_type for event in seen.protected(SERVER)] == [22, 23]
    assert not seen.faults
    assert not seen.pending


@pytest.mark.parametrize("version", [TLS_1_3, hellos.DRAFT_28, hellos.DRAFT_22])
def test_a_handshake_of_tls_1_3(version: int) -> None:
    answer = record(HANDSHAKE, hellos.server_hello_13(version=version))
    seen = watch((CLIENT, HELLO_13), (SERVER, answer + SWITCH + DATA), (CLIENT, SWITCH + DATA))
    assert seen.tls13
    assert list(names(seen)) == [
        "HandshakeSeen",
        "HandshakeSeen",
        "ChangeCipherSpecSeen",
        "ProtectedSeen",
        "ChangeCipherSpecSeen",
        "ProtectedSeen",
    ]
    assert not any(event.offered for event in seen.of(ProtectedSeen))


def test_a_draft_before_22() -> None:
    share = extension(40, hellos.SERVER_SHARE)
    answer = hellos.server_hello(version=hellos.DRAFT_18, session_id=None, extensions=[share])
    seen = watch((CLIENT, HELLO_13), (SERVER, record(HANDSHAKE, answer) + DATA))
    assert seen.version == hellos.DRAFT_18
    assert seen.tls13


@pytest.mark.parametrize(
    "retry",
    [hellos.hello_retry_request(), hellos.draft_retry_request(hellos.DRAFT_21)],
    ids=["final", "draft"],
)
def test_a_second_hello_after_a_retry_request_is_in_clear(retry: bytes) -> None:
    second = record(HANDSHAKE, hellos.hello_13(extensions=[extension(44, vector(2, b"c"))]))
    seen = watch(
        (CLIENT, HELLO_13),
        (SERVER, record(HANDSHAKE, retry) + SWITCH),
        (CLIENT, SWITCH + second),
        (SERVER, ANSWER_13 + DATA),
        (CLIENT, DATA),
    )
    assert clear(seen) == [1, retry[0], 1, 2]
    assert seen.hello_retry_request is not None
    assert seen.second_client_hello is not None
    assert seen.second_client_hello.extensions.cookie
    assert seen.version == TLS_1_3


def test_a_second_hello_is_known_by_its_form_where_the_request_was_lost() -> None:
    second = record(HANDSHAKE, hellos.hello_13(extensions=[extension(44, vector(2, b"c"))]))
    seen = watch((CLIENT, HELLO_13), (SERVER, len(RETRY)), (CLIENT, SWITCH + second))
    assert clear(seen) == [1, 1]


def test_early_data_is_told_from_what_follows_the_server_hello() -> None:
    early = record(HANDSHAKE, hellos.hello_13(extensions=[extension(42, b"")]))
    seen = watch((CLIENT, early + SWITCH + DATA + DATA), (SERVER, ANSWER_13 + DATA), (CLIENT, DATA))
    assert [event.offered for event in seen.protected(CLIENT)] == [True, True, False]


def test_data_that_nobody_offered_is_no_early_data() -> None:
    seen = watch((CLIENT, HELLO_13 + DATA), (SERVER, 5000))
    assert [event.offered for event in seen.protected(CLIENT)] == [False]


def test_what_follows_a_change_cipher_spec_cannot_be_read() -> None:
    seen = watch(*FULL, (CLIENT, record(HANDSHAKE, hellos.client_hello())), (SERVER, DATA))
    assert clear(seen) == [1, 2, 11, 12, 14, 16]
    assert [(event.content_type, event.record_length) for event in seen.protected(CLIENT)] == [
        (22, 40),
        (22, len(hellos.client_hello())),
    ]


def test_a_client_alone_ends_its_clear_part_with_its_change_cipher_spec() -> None:
    seen = watch((CLIENT, HELLO + CLIENT_KEYS + SWITCH + FINISHED + DATA), (CLIENT, How.FIN))
    assert clear(seen) == [1, 16]
    assert [event.content_type for event in seen.protected(CLIENT)] == [22, 23]


@pytest.mark.parametrize(
    ("direction", "raw"),
    [
        (CLIENT, hellos.server_hello()),
        (CLIENT, hellos.certificate_request(TLS_1_2)),
        (CLIENT, hellos.signed(TLS_1_2, ECDHE_PARAMS)),
        (SERVER, hellos.client_hello()),
        (SERVER, message(16, b"")),
    ],
)
def test_a_message_from_the_wrong_side_decides_nothing(direction: object, raw: bytes) -> None:
    way = CLIENT if direction is CLIENT else SERVER
    seen = watch((CLIENT, HELLO), (way, record(HANDSHAKE, raw)), (SERVER, ANSWER))
    event = list(seen.of(HandshakeSeen))[1]
    assert event.body is None
    assert str(event.fault) == (
        f"Handshake.msg_type is {raw[0]}, which a {way.sender} never sends (offset 0)"
    )
    assert seen.version == TLS_1_2


def test_a_malformed_message_is_told_and_the_next_one_read() -> None:
    broken = bytearray(hellos.server_hello())
    broken[38] = 0xFF  # legacy_session_id_echo claims more than there is
    seen = watch((CLIENT, HELLO), (SERVER, record(HANDSHAKE, bytes(broken)) + CERTIFICATE))
    event = next(seen.of(HandshakeSeen, SERVER))
    assert event.body is None
    assert event.raw == bytes(broken)
    assert str(event.fault).startswith("ServerHello.legacy_session_id_echo needs 256 bytes")
    assert clear(seen) == [1, 2, 11]
    assert seen.server_hello is None


# -- alerts ----------------------------------------------------------------------------


def alerts(*steps: Step) -> list[tuple[int | None, int | None, bool]]:
    return [(each.level, each.description, each.encrypted) for each in watch(*steps).alerts]


def test_several_alerts_in_one_record() -> None:
    seen = watch((CLIENT, HELLO), (SERVER, alert((1, 112), (2, 40))))
    assert [(each.level, each.description) for each in seen.alerts] == [(1, 112), (2, 40)]
    assert [each.stream_offset for each in seen.alerts] == [0, 7]
    assert [each.record_length for each in seen.alerts] == [4, 4]


@pytest.mark.parametrize("pair", [(2, 0), (2, 255), (1, 0), (0, 0), (77, 77)])
def test_unknown_levels_and_descriptions_survive(pair: tuple[int, int]) -> None:
    assert alerts((CLIENT, HELLO), (SERVER, alert(pair))) == [(*pair, False)]


def test_a_clear_alert_after_a_change_cipher_spec() -> None:
    assert alerts(*FULL, (CLIENT, alert((2, 20)))) == [(2, 20, False)]


def test_an_encrypted_alert_is_known_by_its_length() -> None:
    assert alerts(*FULL, (SERVER, HIDDEN_ALERT)) == [(None, None, True)]


@pytest.mark.parametrize("length", [4, 8])
def test_after_a_change_cipher_spec_only_two_bytes_are_clear(length: int) -> None:
    assert alerts(*FULL, (SERVER, record(ALERT, bytes(length)))) == [(None, None, True)]


@pytest.mark.parametrize("length", [1, 3, 10, 300])
def test_alerts_of_no_clear_length(length: int) -> None:
    assert alerts((CLIENT, HELLO), (SERVER, record(ALERT, bytes(length)))) == [(None, None, True)]


def test_a_clear_alert_in_tls_1_3() -> None:
    steps: list[Step] = [(CLIENT, HELLO_13), (SERVER, ANSWER_13 + SWITCH + DATA)]
    connection = tell(Connection(), [*steps, (CLIENT, SWITCH + alert((2, 48)))])
    assert [each.description for each in connection.transcript.alerts] == [48]
    assert connection.settled


def test_an_empty_alert_breaks_the_protocol() -> None:
    seen = watch((CLIENT, HELLO), (SERVER, record(ALERT, b"") + ANSWER))
    assert [str(fault.error) for fault in seen.faults] == [
        "Alert.level is missing: an empty record (offset 5)"
    ]
    assert seen.server_hello is None


def test_heartbeats() -> None:
    assert [event.record_length for event in watch(*FULL, (CLIENT, BEAT)).of(HeartbeatSeen)] == [3]


# -- settled ---------------------------------------------------------------------------


def settled(*steps: Step) -> bool:
    return tell(Connection(), steps).settled


def test_a_handshake_settles_when_both_sides_are_protected() -> None:
    assert [settled(*FULL[:count]) for count in range(5)] == [False, False, False, False, True]
    assert settled((CLIENT, HELLO_13), (SERVER, ANSWER_13 + DATA), (CLIENT, SWITCH + DATA))


def test_early_data_settles_nothing() -> None:
    early = record(HANDSHAKE, hellos.hello_13(extensions=[extension(42, b"")]))
    assert not settled((CLIENT, early + DATA), (SERVER, ANSWER_13 + DATA))


@pytest.mark.parametrize(
    "step", [(SERVER, alert((2, 40))), (CLIENT, How.FIN), (SERVER, How.RST)], ids=str
)
def test_a_failure_settles(step: Step) -> None:
    assert settled((CLIENT, HELLO), step)


@pytest.mark.parametrize(
    "step", [(SERVER, alert((1, 112))), (CLIENT, How.TIMEOUT), (SERVER, How.OPEN)], ids=str
)
def test_a_warning_or_our_own_impatience_does_not(step: Step) -> None:
    assert not settled((CLIENT, HELLO), step)


def test_who_was_not_reached_is_settled() -> None:
    connection = Connection()
    connection.not_connected("refused", "Connection refused", AT, 3)
    assert connection.settled
    event = connection.transcript.not_connected
    assert event == NotConnectedSeen(
        direction=SERVER,
        at=AT,
        stream_offset=0,
        frame=3,
        why="refused",
        detail="Connection refused",
    )


# -- endings ---------------------------------------------------------------------------


def test_an_ending_stands_behind_all_bytes_missing_ones_included() -> None:
    seen = watch((CLIENT, HELLO), (CLIENT, 100), (CLIENT, How.FIN), (SERVER, How.RST))
    assert [(event.direction, event.how, event.stream_offset) for event in seen.closes] == [
        (CLIENT, How.FIN, len(HELLO) + 100),
        (SERVER, How.RST, 0),
    ]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ([How.FIN, How.FIN], [How.FIN]),
        ([How.FIN, How.RST, How.RST], [How.FIN, How.RST]),
        ([How.RST, How.FIN], [How.RST]),
        ([How.FIN, How.TIMEOUT, How.OPEN], [How.FIN]),
        ([How.TIMEOUT, How.FIN], [How.TIMEOUT, How.FIN]),
        ([How.TIMEOUT, How.OPEN], [How.TIMEOUT, How.OPEN]),
    ],
)
def test_an_ending_is_told_once(told: list[How], kept: list[How]) -> None:
    assert [event.how for event in watch(*((CLIENT, how) for how in told)).closes] == kept


@pytest.mark.parametrize(
    ("cut", "pending"),
    [
        (0, None),
        (3, Pending(None, None, 3, None, None, 0, 0)),
        (5, Pending(22, len(HELLO) - 5, 5, None, None, 0, 0)),
        (20, Pending(22, len(HELLO) - 5, 20, None, None, 0, 0)),
    ],
)
def test_what_has_begun_is_pending(cut: int, pending: Pending | None) -> None:
    assert watch((CLIENT, HELLO[:cut])).pending.get(CLIENT) == pending


def test_a_message_of_which_a_record_is_missing_is_pending() -> None:
    raw = hellos.certificate(bytes(1000))
    begun = len(ANSWER)
    seen = watch((CLIENT, HELLO), (SERVER, ANSWER + record(HANDSHAKE, raw[:500])))
    assert seen.pending == {SERVER: Pending(22, None, 0, 11, len(raw) - 4, 500, begun + 5)}


def test_bytes_after_an_ending_are_still_read() -> None:
    assert clear(watch((CLIENT, HELLO), (SERVER, How.TIMEOUT), (SERVER, ANSWER))) == [1, 2]


# -- the transcript ------------------------------------------------------------


def test_the_transcript_is_a_snapshot() -> None:
    connection = Connection(opened_at=AT - 1)
    before = connection.transcript
    tell(connection, FULL)
    assert before.events == ()
    assert before.opened_at == AT - 1
    assert isinstance(connection.transcript.server_hello, ServerHello)
    assert connection.transcript.ccs(SERVER) == ChangeCipherSpecSeen(
        direction=SERVER, at=AT + 0.004, stream_offset=len(FLIGHT), frame=4
    )


def test_an_alert_is_told_in_full() -> None:
    assert watch((CLIENT, HELLO), (SERVER, alert((2, 70)))).alerts == (
        AlertSeen(
            direction=SERVER,
            at=AT + 0.002,
            stream_offset=0,
            frame=2,
            level=2,
            description=70,
            encrypted=False,
            record_length=2,
        ),
    )


def test_a_suite_decides_how_key_exchanges_are_read() -> None:
    answer = record(HANDSHAKE, hellos.server_hello(suite=hellos.PSK))
    hint = record(HANDSHAKE, message(12, vector(2, b"hint")))
    identity = record(HANDSHAKE, message(16, vector(2, b"device-7")))
    seen = watch((CLIENT, HELLO), (SERVER, answer + hint + DONE), (CLIENT, identity))
    assert seen.server_key_exchange is not None
    assert seen.server_key_exchange.psk_hint == b"hint"
    assert seen.client_key_exchange is not None
    assert seen.client_key_exchange.psk_identity == b"device-7"
    assert u16s([hellos.PSK]) in answer
