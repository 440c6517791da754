from __future__ import annotations

import pytest

from analyzers.connection import Connection
from analyzers.events import (
    GapSeen,
    How,
    ProtectedSeen,
    SkippedSeen,
)
from proxy.lab.messages import (
    HANDSHAKE,
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
    FINISHED,
    FLIGHT,
    FULL,
    HELLO,
    HELLO_13,
    HIDDEN_ALERT,
    KEYS,
    RETRY,
    SWITCH,
    alert,
    clear,
    one_way,
)
from tests.hellos import TLS_1_2
from tests.observing import AT, CLIENT, SERVER, Skip, Step, lasting, names, tell, watch

# -- holes -----------------------------------------------------------------------------


def test_a_hole_inside_application_data_keeps_the_chain() -> None:
    seen = watch(*FULL, (SERVER, DATA[:50]), (SERVER, 55), (SERVER, DATA + HIDDEN_ALERT))
    assert [(event.record_length, event.complete) for event in seen.protected(SERVER)] == [
        (40, True),
        (100, False),
        (100, True),
    ]
    assert len(seen.alerts) == 1
    assert seen.gaps == 1
    start = len(FLIGHT + SWITCH + FINISHED)
    assert [event.stream_offset for event in seen.of(GapSeen)] == [start + 50]
    assert seen.alerts[0].stream_offset == start + 210


def test_a_hole_inside_a_handshake_record() -> None:
    seen = watch((CLIENT, HELLO), (SERVER, ANSWER + CERTIFICATE[:100]), (SERVER, 50))
    assert seen.pending[SERVER].record_had == 150
    seen = watch(
        (CLIENT, HELLO),
        (SERVER, ANSWER + CERTIFICATE[:100]),
        (SERVER, 50),
        (SERVER, CERTIFICATE[150:] + KEYS + DONE),
    )
    assert clear(seen) == [1, 2, 12, 14]
    (lost,) = seen.protected(SERVER)
    assert (lost.content_type, lost.record_length, lost.complete) == (
        22,
        len(CERTIFICATE) - 5,
        False,
    )


def test_a_record_with_a_hole_does_not_settle_the_handshake() -> None:
    steps: list[Step] = [(CLIENT, HELLO[:20]), (CLIENT, len(HELLO) - 20)]
    connection = tell(Connection(), [*steps, (SERVER, ANSWER[:20]), (SERVER, len(ANSWER) - 20)])
    assert [event.complete for event in connection.transcript.of(ProtectedSeen)] == [False, False]
    assert not connection.settled


def test_a_hole_that_cuts_through_an_alert_leaves_its_content_open() -> None:
    seen = watch((CLIENT, HELLO), (SERVER, alert((2, 40))[:6]), (SERVER, 1), (SERVER, How.FIN))
    assert not seen.alerts
    assert [event.content_type for event in seen.protected(SERVER)] == [21]


def test_a_change_cipher_spec_needs_no_content() -> None:
    seen = watch(*FULL[:2], (CLIENT, CLIENT_KEYS + SWITCH[:5]), (CLIENT, 1), (CLIENT, FINISHED))
    assert seen.ccs(CLIENT) is not None
    assert [event.complete for event in seen.protected(CLIENT)] == [True]


def test_reading_goes_on_after_a_hole_over_headers() -> None:
    fresh = one_way((CLIENT, HELLO), (SERVER, ANSWER + CERTIFICATE[:100]), (SERVER, 1000))
    found = check_stream(fresh, CERTIFICATE[-50:] + KEYS + DONE, tail=None, alike=lasting)
    assert [getattr(event, "type", None) for event in found] == [12, 14]


def test_the_rest_of_a_message_after_a_hole_is_not_taken_for_another_one() -> None:
    raw = hellos.certificate(bytes([200]) * 3000)
    pieces = [record(HANDSHAKE, raw[at : at + 1000]) for at in range(0, len(raw), 1000)]
    seen = watch(
        (CLIENT, HELLO),
        (SERVER, ANSWER + pieces[0]),
        (SERVER, len(pieces[1])),
        (SERVER, pieces[2] + pieces[3] + DONE),
        (SERVER, How.FIN),
    )
    assert clear(seen) == [1, 2, 14]
    assert [event.record_length for event in seen.protected(SERVER)] == [1000, len(raw) - 3000]
    assert not seen.faults


def test_records_found_after_a_hole_keep_the_times_at_which_they_came() -> None:
    seen = watch(
        (CLIENT, DATA[:60]),
        (CLIENT, DATA[60:]),
        (SERVER, b"\x17"),
        (CLIENT, DATA),
        client_start=False,
    )
    first, second = seen.protected(CLIENT)
    assert first.at == pytest.approx(AT + 0.002)
    assert (first.frame, second.frame) == (2, 4)


def test_events_stay_in_order_though_a_record_was_held_back() -> None:
    seen = watch(
        (CLIENT, DATA), (SERVER, DATA), (CLIENT, DATA), (SERVER, HIDDEN_ALERT), client_start=False
    )
    assert [(event.frame, event.direction) for event in seen.events] == [
        (1, CLIENT),
        (2, SERVER),
        (3, CLIENT),
        (4, SERVER),
    ]


def test_a_hello_after_a_hole_is_read_at_once() -> None:
    seen = watch((CLIENT, 20), (CLIENT, HELLO), (SERVER, FLIGHT))
    assert clear(seen) == [1, 2, 11, 12, 14]
    assert seen.version == TLS_1_2


def test_a_lone_record_after_a_hole_is_read_at_the_end_and_keeps_its_time() -> None:
    seen = watch(*FULL, (SERVER, 3000), (SERVER, HIDDEN_ALERT), (CLIENT, DATA), (SERVER, How.FIN))
    (found,) = seen.alerts
    assert found.frame == 6
    assert found.at == pytest.approx(AT + 0.006)
    assert [event.frame for event in seen.events[-3:]] == [6, 7, 8]


@pytest.mark.parametrize("count", [1, 3, 100])
def test_a_capture_that_lacks_the_first_bytes(count: int) -> None:
    seen = watch((CLIENT, count), (CLIENT, HELLO[count:] + DATA + DATA), (SERVER, ANSWER))
    assert not seen.client_start
    assert seen.server_start
    assert [event.count for event in seen.of(GapSeen)] == [count]
    assert clear(seen) == [2]
    assert len(seen.protected(CLIENT)) == 2


def test_a_hole_after_too_few_bytes_to_judge_shifts_what_follows() -> None:
    seen = watch((CLIENT, HELLO[:3]), (CLIENT, 10), (CLIENT, HELLO[13:] + DATA + DATA))
    assert seen.client_start
    assert [event.stream_offset for event in seen.of(GapSeen)] == [3]
    assert [event.stream_offset for event in seen.protected(CLIENT)] == [
        len(HELLO),
        len(HELLO) + len(DATA),
    ]


def test_a_hole_inside_plaintext_that_was_being_judged() -> None:
    seen = watch((CLIENT, connect("x" * 60)[:8]), (CLIENT, 5), (CLIENT, b"more"))
    assert list(names(seen)) == ["PlaintextSeen", "GapSeen"]


@pytest.mark.parametrize("count", [0, -5])
def test_a_hole_of_nothing_is_none(count: int) -> None:
    seen = watch((CLIENT, HELLO), (CLIENT, count), (CLIENT, Skip(count)))
    assert seen.gaps == 0
    assert seen.client_bytes == len(HELLO)


def test_a_hole_in_a_retried_hello() -> None:
    seen = watch(
        (CLIENT, HELLO_13), (SERVER, RETRY), (CLIENT, SWITCH + HELLO_13[:9]), (CLIENT, 5000)
    )
    assert seen.second_client_hello is None
    assert clear(seen) == [1, 2]


# -- from the middle -------------------------------------------------------------------


def test_a_capture_from_the_middle_finds_its_place() -> None:
    seen = watch(
        (CLIENT, bytes(40) + DATA + DATA[:10]),
        (SERVER, b"\x17" + DATA + HIDDEN_ALERT),
        (SERVER, How.FIN),
        client_start=False,
        server_start=False,
    )
    assert (seen.client_start, seen.server_start) == (False, False)
    assert [event.stream_offset for event in seen.protected(CLIENT)] == [40]
    assert [event.stream_offset for event in seen.protected(SERVER)] == [1]
    assert len(seen.alerts) == 1
    assert not seen.faults


def test_an_encrypted_finished_in_the_middle_is_not_taken_for_a_message() -> None:
    seen = watch((CLIENT, FINISHED + DATA + DATA), client_start=False)
    assert [event.content_type for event in seen.protected(CLIENT)] == [22, 23, 23]
    assert not seen.faults


# -- passed on unseen ------------------------------------------------------------------


def test_bytes_passed_on_unseen_count_and_leave_a_mark() -> None:
    seen = watch(*FULL, (SERVER, DATA[:5]), (SERVER, Skip(100)), (SERVER, DATA))
    assert [event.count for event in seen.of(SkippedSeen)] == [100]
    assert [event.record_length for event in seen.protected(SERVER)] == [40, 100, 100]
    assert seen.server_bytes == len(FLIGHT + SWITCH + FINISHED) + 2 * len(DATA)
    assert seen.gaps == 0


def test_first_bytes_that_were_passed_on_unseen() -> None:
    seen = watch((CLIENT, Skip(10)), (CLIENT, DATA + DATA))
    assert not seen.client_start
    assert [event.stream_offset for event in seen.protected(CLIENT)] == [10, 115]


def test_bytes_passed_on_after_the_end_of_reading_only_count() -> None:
    seen = watch((CLIENT, connect("me")), (CLIENT, Skip(1000)))
    assert list(names(seen)) == ["PlaintextSeen"]
    assert seen.client_bytes == len(connect("me")) + 1000
