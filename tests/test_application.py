"""MQTT above TLS, from lengths, order and time alone."""

from __future__ import annotations

import pytest

from analyzers.application import Application
from proxy.lab import hellos, messages
from proxy.lab.messages import Hello
from tests.transcripts import (
    CLIENT,
    CONNECTED_13,
    ESTABLISHED_13,
    FLIGHT,
    NAME,
    SERVER,
    Step,
    connected_12,
    established_12,
    outcome,
    to_certificate,
)


def application(*steps: Step) -> Application:
    return outcome(*steps).application


def course(*steps: Step) -> str:
    return application(*steps).course


# -- before there is any -----------------------------------------------------------------


def test_without_both_finished_there_is_no_application() -> None:
    assert course(*to_certificate(), "C cke", "C ccs", "C hs 40") == "none"


def test_a_connection_that_nobody_used_is_told_from_one_that_somebody_left() -> None:
    assert course(*established_12()) == "unused"
    assert course(*established_12(), "C FIN") == "closed_unused"
    left = application(*established_12(), "+10", "S FIN")
    assert (left.course, left.ended_by, left.connect_sent) == ("closed_unused", SERVER, False)


def test_data_after_the_other_side_has_left_is_not_a_connect() -> None:
    found = application(*established_12(), "+10", "S secret 26", "S FIN", "C app 50", "S RST")
    assert found.course == "closed_unused"
    assert found.connect_sent is False


# -- CONNECT and its answer --------------------------------------------------------------


@pytest.mark.parametrize("steps", [connected_12(), CONNECTED_13], ids=["TLS 1.2", "TLS 1.3"])
def test_an_accepted_connect_goes_on(steps: tuple[Step, ...]) -> None:
    found = application(*steps, "C app 60")
    assert (found.course, found.connect_sent, found.connack) == ("open", True, True)
    assert found.refused is False


@pytest.mark.parametrize(
    "end",
    [("S FIN",), ("S secret 26", "S FIN"), ("S RST",), ("C FIN",), ("C secret 26", "C FIN")],
    ids=" ".join,
)
def test_an_answer_with_nothing_but_a_close_behind_it_is_a_refusal(end: tuple[str, ...]) -> None:
    found = application(*connected_12(), *end)
    assert (found.course, found.refused, found.ended_by) == ("refused", True, SERVER)


def test_a_disconnect_before_the_close_makes_it_none() -> None:
    assert course(*connected_12(), "C app 26", "C FIN", "S FIN") == "closed"
    assert course(*CONNECTED_13, "C app 19", "C FIN", "S FIN") == "closed"


def test_a_close_much_later_is_no_refusal() -> None:
    assert course(*connected_12(), "+5", "C FIN") == "closed"
    assert course(*connected_12(), "+5", "S FIN") != "refused"


def test_a_client_that_resets_after_the_answer_aborts() -> None:
    found = application(*connected_12(), "C RST")
    assert (found.course, found.ended_by) == ("aborted", CLIENT)


def node_session(*rest: Step) -> tuple[Step, ...]:
    return (("C", hellos.node(NAME)), "S sh13", FLIGHT, "C app 53", "C app 40", "S app 21", *rest)


def test_a_stack_that_says_close_notify_says_it_after_its_disconnect() -> None:
    """In TLS 1.3 both have two bytes: Node sends one alert, so two records are a farewell."""
    assert course(*node_session("C app 19", "C FIN")) == "refused"
    assert course(*node_session("C app 19 19", "C FIN")) == "closed"


def test_a_client_that_leaves_without_two_bytes_has_read_a_refusal() -> None:
    assert course(*CONNECTED_13, "C FIN", "S FIN") == "refused"


# -- no answer ---------------------------------------------------------------------------


def test_hanging_up_on_the_connect_is_told_from_silence() -> None:
    hung_up = application(*established_12(), "C app 50", "S FIN")
    assert (hung_up.course, hung_up.refused, hung_up.connack) == ("hung_up", True, False)
    silent = application(*established_12(), "C app 50", "+5", "C FIN")
    assert (silent.course, silent.ended_by) == ("no_answer", CLIENT)
    assert silent.idle == pytest.approx(5, abs=0.1)


def test_an_impatient_client_proves_nothing() -> None:
    assert course(*established_12(), "C app 50", "+0.2", "C FIN") == "closed"
    assert course(*established_12(), "C app 50", "+0.2", "C RST") == "aborted"


def test_while_it_lasts_the_answer_is_waited_for() -> None:
    assert course(*established_12(), "C app 50") == "waiting"
    assert course(*established_12(), "C app 50", "+5", "C TIMEOUT") == "no_answer"


def test_tickets_are_no_answer() -> None:
    found = application(*ESTABLISHED_13, "C app 40", "S app 282 282", "S app 19", "S FIN")
    assert found.course == "hung_up"


# -- the end of a session ----------------------------------------------------------------


def test_a_close_after_silence_is_the_brokers_timer() -> None:
    found = application(*connected_12(), "C app 60", "+9", "S FIN")
    assert (found.course, found.ended_by) == ("keepalive", SERVER)
    assert found.idle == pytest.approx(9, abs=0.1)


def test_a_close_in_mid_conversation_is_an_abort() -> None:
    found = application(*connected_12(), "C app 60", "+0.5", "S FIN")
    assert (found.course, found.ended_by) == ("aborted", SERVER)
    assert course(*connected_12(), "C app 60", "+9", "S RST") == "aborted"


def test_the_clients_late_disconnect_does_not_excuse_the_broker() -> None:
    late = (*connected_12(), "C app 60", "S app 27", "S secret 26", "S FIN", "C app 26")
    assert course(*late, "S RST") == "aborted"


def test_a_broker_that_closes_behind_a_disconnect_is_polite() -> None:
    assert course(*connected_12(), "C app 60", "C app 26", "S secret 26", "S FIN", "C FIN") == (
        "closed"
    )


def test_a_late_ping_that_meets_the_brokers_close_is_a_missed_keepalive() -> None:
    found = application(*CONNECTED_13, "C app 60", "+9", "C app 19", "S app 19", "C RST")
    assert (found.course, found.ended_by) == ("keepalive", SERVER)


def test_a_reset_by_the_client_in_mid_session_is_an_abort() -> None:
    found = application(*connected_12(), "C app 60", "+1", "C RST")
    assert (found.course, found.ended_by) == ("aborted", CLIENT)


# -- WebSocket ---------------------------------------------------------------------------


def over(alpn: tuple[str, ...], chosen: bytes | None, length: int) -> bool | None:
    hello = ("C", Hello(server_name=NAME, alpn=alpn).record)
    extensions = [] if chosen is None else [messages.extension(16, alpn_list(chosen))]
    answer = ("S", messages.server_hello(extensions=extensions))
    steps: tuple[Step, ...] = (hello, answer, *to_certificate()[2:], "C cke", "C ccs", "C hs 40")
    return application(*steps, "S ccs", "S hs 40", f"C app {length}").websocket


def alpn_list(name: bytes) -> bytes:
    return messages.vector(2, messages.vector(1, name))


def test_the_chosen_protocol_tells_websocket_from_mqtt() -> None:
    assert over(("http/1.1",), b"http/1.1", 200) is True
    assert over(("mqtt",), b"mqtt", 200) is False


def test_without_a_choice_only_the_length_hints() -> None:
    assert over(("http/1.1",), None, 220) is True
    assert over((), None, 50) is False
    assert over((), None, 220) is None
