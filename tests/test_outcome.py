"""How a connection ended: status, who gave up, in which phase, and how far it had come."""

from __future__ import annotations

import pytest

from analyzers.connection import Connection
from analyzers.outcome import classify
from analyzers.transcript import Transcript
from proxy.lab.messages import Hello
from tests.transcripts import (
    ASKING,
    AT,
    CLIENT,
    CONNECTED_13,
    ESTABLISHED_13,
    FLIGHT,
    NAME,
    TO_FLIGHT,
    Step,
    asking,
    chain,
    client_chain,
    connected_12,
    device,
    established_12,
    ladder,
    leaf,
    outcome,
    to_certificate,
)

DONE_12 = established_12()


def judged(*steps: Step) -> tuple[str, str | None, str | None]:
    found = outcome(*steps)
    return found.status, found.failed_by, found.phase


# -- before TLS --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "party"),
    [("refused", "server"), ("timeout", "network"), ("unreachable", "network"), ("name", None)],
)
def test_a_server_that_was_never_reached(why: str, party: str | None) -> None:
    connection = Connection(opened_at=AT)
    connection.not_connected(why, "as the system says", AT + 1)
    found = classify(connection.transcript)
    assert (found.status, found.failed_by, found.phase) == ("failed", party, "tcp")


def test_a_short_visit_without_data_is_a_port_check() -> None:
    assert judged("C FIN", "S FIN") == ("no_data", None, None)


def test_what_the_server_says_to_a_port_check_is_a_reaction() -> None:
    assert judged("C FIN", "S alert 50", "C RST") == ("no_data", None, None)


def test_a_long_silence_or_a_reset_is_no_port_check() -> None:
    assert judged("+3", "C FIN") == ("no_data", "client", "tcp")
    assert judged("C RST") == ("no_data", "client", "tcp")
    assert judged("S FIN") == ("no_data", "server", "tcp")
    assert judged("+9", "C TIMEOUT") == ("no_data", "client", "tcp")
    assert judged("C OPEN") == ("no_data", None, None)


def test_the_tail_of_a_connection_blames_nobody() -> None:
    found = outcome("C FIN", "S FIN", client_start=False)
    assert (found.status, found.failed_by, found.phase) == ("no_data", None, None)


def test_a_capture_from_the_middle_says_what_it_shows() -> None:
    found = outcome("C app 60", "S app 60", "S FIN", client_start=False)
    assert (found.status, found.failed_by, found.certainty) == ("established", None, "likely")


def test_plain_mqtt_answered_in_kind_is_sound() -> None:
    connect, connack = (
        ("C", b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02ab"),
        ("S", b"\x20\x02\0\0"),
    )
    assert judged(connect, connack, "C FIN") == ("not_tls", None, None)
    assert judged(connect, "S FIN") == ("not_tls", "server", "before_server_hello")
    assert judged(connect, "S alert 10", "S FIN") == ("not_tls", "server", "before_server_hello")


# -- phases ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "party", "phase"),
    [
        (("C hello", "S alert 40", "S FIN"), "server", "before_server_hello"),
        (("C hello", "S hrr", "S FIN"), "server", "before_server_hello"),
        (("C hello", "S RST"), "server", "before_server_hello"),
        (("C hello12", "S sh12", chain(leaf()), "S FIN"), "server", "server_flight"),
        ((*to_certificate(), "C alert 48"), "client", "server_flight"),
        ((*TO_FLIGHT, "C alert 48"), "client", "server_flight"),
        ((*TO_FLIGHT, "C app 19", "C FIN"), "client", "server_flight"),
        ((*TO_FLIGHT, "C FIN"), "client", "server_flight"),
        ((*to_certificate(), "C cke", "C ccs", "C hs 40", "S alert 20"), "server", "finished"),
        ((*asking(device()), "S alert 48"), "server", "client_certificate"),
        ((*asking(), "S FIN"), "server", "client_certificate"),
        ((*TO_FLIGHT[:3], ASKING, "C app 25 53", "S app 19"), "server", "client_certificate"),
        (
            ("C hello", "S sh13", ASKING, "C app 1000 281 53", "S FIN"),
            "server",
            "client_certificate",
        ),
        ((*ESTABLISHED_13, "S FIN"), "server", "finished"),
    ],
)
def test_the_phase_is_where_the_first_side_left(
    steps: tuple[Step, ...], party: str, phase: str
) -> None:
    assert judged(*steps) == ("failed", party, phase)


def test_what_crossed_the_ending_does_not_move_the_phase() -> None:
    assert judged(*TO_FLIGHT, "S FIN", "C app 53", "S RST") == ("failed", "server", "server_flight")


def test_a_broker_that_hangs_up_on_data_does_so_after_the_handshake() -> None:
    assert judged(*ESTABLISHED_13, "C app 40", "S FIN") == (
        "established",
        "server",
        "after_handshake",
    )


def test_with_tickets_a_silent_refusal_comes_after_the_handshake() -> None:
    """Nginx completes the handshake and then closes for want of a certificate."""
    steps: tuple[Step, ...] = ("C hello", "S sh13", ASKING, "C app 25 53", "S app 250 250")
    assert judged(*steps, "S app 19", "S FIN") == ("established", "server", "after_handshake")


def test_a_refused_connect_is_the_servers_even_where_the_client_closes() -> None:
    assert judged(*connected_12(), "C FIN") == ("established", "server", "after_handshake")


# -- sound sessions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        (*connected_12(), "C app 60", "C app 26", "C FIN", "S FIN"),
        (*connected_12(), "C app 60", "C app 26", "C secret 26", "C FIN", "S RST"),
        (*CONNECTED_13, "C app 60", "C app 19", "C app 19", "C FIN", "S app 19", "C RST"),
        (*CONNECTED_13, "C app 60", "C OPEN"),
        (*ESTABLISHED_13, "S app 250 250", "C app 40", "S app 21", "C app 19", "C FIN"),
        ("C hello", "S sh13psk", "S app 23 53", "C app 53", "C app 40", "S app 21", "C app 60"),
        ("C hello", "S hrr", "C hello", "S sh13", FLIGHT, "C app 53", "C app 40", "S app 21"),
        (*asking(device()), "S ccs", "S hs 40", "C app 50", "S app 28", "C app 60"),
    ],
)
def test_a_sound_session_has_no_failing_side(steps: tuple[Step, ...]) -> None:
    assert judged(*steps) == ("established", None, None)


def test_tls13_is_never_certain_about_what_it_infers() -> None:
    assert outcome(*CONNECTED_13, "C app 60").certainty == "likely"
    assert outcome(*connected_12(), "C app 60").certainty == "certain"


# -- silence -----------------------------------------------------------------------------


def test_a_handshake_that_waits_is_incomplete_until_somebody_gives_up() -> None:
    assert judged("C hello") == ("incomplete", None, "before_server_hello")
    assert judged("C hello", "C OPEN") == ("incomplete", None, "before_server_hello")
    assert judged("C hello", "+9", "C OPEN") == ("incomplete", None, "before_server_hello")
    assert judged("C hello", "+9", "C TIMEOUT") == ("failed", "client", "before_server_hello")
    assert judged("C hello", "+11", "C OPEN") == ("failed", "client", "before_server_hello")
    assert judged("+11", "C OPEN", "S OPEN") == ("no_data", "client", "tcp")
    assert judged("C hello", "+9", "C FIN") == ("failed", "client", "before_server_hello")


# -- renegotiation -----------------------------------------------------------------------


def test_a_renegotiation_that_is_answered_is_sound() -> None:
    steps = (*connected_12(), "C hs 300", "S hs 100", "C app 60", "C app 26", "C FIN")
    assert judged(*steps) == ("established", None, None)


def test_a_renegotiation_that_the_server_ends_is_the_servers() -> None:
    assert judged(*connected_12(), "C hs 300", "S secret 26", "S FIN") == (
        "established",
        "server",
        "after_handshake",
    )


def test_after_the_servers_warning_it_is_the_client_that_gives_up() -> None:
    steps = (*connected_12(), "C hs 300", "S secret 26", "C secret 26", "C FIN")
    assert judged(*steps) == ("established", "client", "after_handshake")


# -- the handshake itself ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "handshake"),
    [
        (("C FIN",), "none"),
        (("C hello",), "partial"),
        (to_certificate(), "partial"),
        ((*to_certificate(), "C cke", "C ccs", "C hs 40"), "client_complete"),
        (DONE_12, "complete"),
        (ESTABLISHED_13, "complete"),
        ((*TO_FLIGHT[:3], ASKING, "C app 25 53", "S app 19"), "client_complete"),
    ],
)
def test_how_far_the_handshake_came(steps: tuple[Step, ...], handshake: str) -> None:
    assert outcome(*steps).handshake == handshake


def test_what_was_not_opened_in_sight_is_judged_without_a_clock() -> None:
    transcript: Transcript = ladder("+9", "C FIN", opened=False)
    assert classify(transcript).failed_by is None


def test_each_sides_first_ending_can_be_asked_for() -> None:
    found = outcome("C hello", "S alert 40", "C FIN")
    assert found.first_ending is found.endings[0]
    ending = found.ending_of(CLIENT)
    assert ending is not None
    assert ending.kind == "fin"


def test_a_half_sent_hello_counts_as_the_clients_bytes() -> None:
    half = Hello(server_name=NAME).record[:60]
    assert judged(("C", half), "C FIN") == ("failed", "client", "before_server_hello")
    assert judged(("C", half), "+5", "S FIN") == ("failed", "server", "before_server_hello")


def test_a_capture_from_the_server_hello_on_is_judged_like_a_whole_one() -> None:
    whole = asking()[1:]
    found = outcome(*whole, "S alert 40", "S FIN", client_start=False)
    assert (found.status, found.failed_by, found.phase) == (
        "failed",
        "server",
        "client_certificate",
    )
    only_server = [step for step in whole if step[0][0] == "S"]
    assert outcome(*only_server, "S FIN", client_start=False).phase is None


def test_a_clear_alert_in_the_middle_is_a_failure() -> None:
    found = outcome("C cke", "C ccs", "C hs 40", "S alert 20", "S FIN", client_start=False)
    assert (found.status, found.failed_by, found.phase) == ("failed", "server", None)


def test_a_client_certificate_proves_the_request_that_was_not_captured() -> None:
    steps = ("C hello12", "S sh12", client_chain(), "C cke", "C ccs", "C hs 40", "S alert 40")
    assert outcome(*steps).phase == "client_certificate"
