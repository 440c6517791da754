"""Lengths and order to the course of a handshake: what each protected record was."""

from __future__ import annotations

import pytest

from analyzers.course import Flights
from analyzers.events import HandshakeSeen, ProtectedSeen
from analyzers.flights import read_flights
from analyzers.flights_tls13 import certificate_key_of
from proxy.lab import messages
from proxy.lab.messages import Hello
from tests.transcripts import (
    ASKING,
    CLIENT,
    ESTABLISHED_13,
    FLIGHT,
    SERVER,
    TO_FLIGHT,
    Step,
    asking,
    chain,
    connected_12,
    device,
    established_12,
    ladder,
    leaf,
    reply13,
    to_certificate,
)


def flights(*steps: Step) -> Flights:
    return read_flights(ladder(*steps))


def lengths(found: Flights, places: list[int]) -> list[int]:
    events = [found.transcript.events[place] for place in places]
    return [event.record_length for event in events if isinstance(event, ProtectedSeen)]


def hidden(found: Flights) -> list[tuple[str, int]]:
    return [(event.direction.sender, event.record_length) for _, event, _ in found.hidden_alerts]


def data(found: Flights) -> list[tuple[str, int]]:
    return [(item.direction.sender, item.least) for _, item in found.data]


# -- TLS 1.3: the server's flight --------------------------------------------------------


def test_a_flight_of_four_records_asks_for_no_certificate() -> None:
    found = flights(*ESTABLISHED_13)
    assert (found.requested, found.requested_sure) == (False, "likely")
    assert found.sent == "none"
    assert found.handshake == "complete"


def test_a_flight_of_five_records_asks_for_one() -> None:
    found = flights("C hello", "S sh13", ASKING)
    assert (found.requested, found.requested_sure) == (True, "likely")


def test_a_flight_in_one_record_leaves_the_request_open() -> None:
    found = flights("C hello", "S sh13", "S app 1232")
    assert found.server_finished is not None
    assert found.requested is None


def test_a_client_certificate_proves_the_request_that_a_single_record_hid() -> None:
    found = flights("C hello", "S sh13", "S app 1232", "C app 25 53")
    assert found.requested is True


def test_half_a_flight_is_no_flight() -> None:
    assert flights("C hello", "S sh13", "S app 23").server_finished is None
    assert flights("C hello", "S sh13", "S app 23 1767").server_finished is None


def test_jsse_pads_every_record_by_sixteen_bytes() -> None:
    found = flights("C hello", "S sh13", "S app 39 78 1783 297 69", "C app 53")
    assert found.padding == {SERVER: 16, CLIENT: 0}
    assert found.requested is True
    assert found.encrypted_extensions == 6
    assert found.server_certificate == 1783 - 16 - 17


def test_the_suites_hash_and_tag_set_the_lengths() -> None:
    sha384 = ("C hello", ("S", reply13(suite=0x1302)), "S app 23 1767 281 69")
    assert flights(*sha384).server_finished is not None
    assert flights("C hello", "S sh13", "S app 23 1767 281 61").server_finished is None
    ccm_8 = ("C hello", ("S", reply13(suite=0x1305)), "S app 15 1759 273 45")
    assert flights(*ccm_8).server_finished is not None
    assert hidden(flights(*ccm_8, "C app 11")) == [("client", 11)]
    assert hidden(flights(*TO_FLIGHT, "C app 11")) == []


@pytest.mark.parametrize(
    ("length", "key"),
    [
        (264, "RSA 2048"),
        (136, "RSA 1024"),
        (392, "RSA 3072"),
        (520, "RSA 4096"),
        (72, "Ed25519"),
        (78, "EC P-256"),
        (110, "EC P-384"),
        (200, None),
    ],
)
def test_a_certificate_verify_tells_the_key(length: int, key: str | None) -> None:
    assert certificate_key_of(length) == key
    if key is not None:
        found = flights("C hello", "S sh13", f"S app 23 1767 {length + 17} 53")
        assert found.server_key == key


def test_an_alert_can_come_straight_after_the_server_hello() -> None:
    assert hidden(flights("C hello", "S sh13", "S app 19")) == [("server", 19)]
    assert hidden(flights("C hello", "S sh13", "S app 39 35")) == [("server", 35)]


def test_a_chosen_psk_leaves_the_certificate_out() -> None:
    found = flights("C hello", "S sh13psk", "S app 23 53", "C app 53")
    assert found.resumed
    assert found.requested is False
    assert found.handshake == "complete"


# -- TLS 1.3: the client's flight --------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "sent"),
    [
        ("53", "none"),
        ("69", "none"),  # JSSE's Finished
        ("25 53", "empty"),
        ("41 69", "empty"),  # JSSE
        ("61", "empty"),  # BoringSSL and rustls, in one record
        ("1000 281 53", "certificate"),
        ("1016 297 69", "certificate"),  # JSSE
        ("1332", "certificate"),  # in one record
    ],
)
def test_the_clients_first_records_tell_what_it_sent(records: str, sent: str) -> None:
    found = flights("C hello", "S sh13", ASKING, f"C app {records}")
    assert found.sent == sent
    assert found.client_finished is not None
    assert hidden(found) == []


def test_without_its_finished_a_client_has_only_sent_a_certificate() -> None:
    found = flights("C hello", "S sh13", ASKING, "C app 1000 281")
    assert found.sent == "certificate"
    assert found.client_finished is None
    assert found.handshake == "partial"


@pytest.mark.parametrize("length", [19, 35])
def test_a_client_record_of_two_bytes_in_place_of_its_finished_is_an_alert(length: int) -> None:
    found = flights(*TO_FLIGHT, f"C app {length}")
    assert hidden(found) == [("client", length)]
    assert found.second_flight is None


def test_early_data_comes_before_the_flight() -> None:
    hello = Hello(
        versions=(messages.TLS_1_3,),
        key_share=True,
        extra=(messages.extension(42, b""),),
    )
    sent = (("C", hello.record), "C app 60", "S sh13psk", "S app 23 53")
    found = flights(*sent, "C app 21 53")
    assert found.client_finished is not None
    assert found.sent == "none"
    assert data(found) == []


def test_after_a_retry_the_second_hello_and_its_dummy_are_no_flight() -> None:
    found = flights("C hello", "S hrr", "S ccs", "C ccs", "C hello", "S sh13", FLIGHT, "C app 53")
    assert found.client_finished is not None
    assert found.handshake == "complete"


# -- TLS 1.3: after the handshake --------------------------------------------------------


def test_tickets_after_the_finished_are_no_data() -> None:
    found = flights(*ESTABLISHED_13, "S app 250 250", "C app 40", "S app 21")
    assert lengths(found, found.tickets) == [250, 250]
    assert data(found) == [("client", 23), ("server", 4)]


@pytest.mark.parametrize("early", ["147", "252 252"])
def test_tickets_of_go_and_gnutls_come_before_the_clients_finished(early: str) -> None:
    found = flights(*TO_FLIGHT, f"S app {early}", "C app 53", "C app 40", "S app 21")
    assert found.tickets == []
    assert data(found) == [("client", 23), ("server", 4)]


def test_a_ticket_may_come_between_connect_and_connack() -> None:
    found = flights(*ESTABLISHED_13, "S app 266", "C app 40", "S app 266", "S app 21")
    assert lengths(found, found.tickets) == [266, 266]
    assert data(found) == [("client", 23), ("server", 4)]


def test_tickets_that_both_cross_the_connect_are_told_from_its_answer() -> None:
    found = flights(*ESTABLISHED_13, "C app 40", "S app 282 282", "S app 19", "S FIN")
    assert lengths(found, found.tickets) == [282, 282]
    assert data(found) == [("client", 23)]
    one = flights(*ESTABLISHED_13, "C app 40", "S app 2040", "S app 21")
    assert lengths(one, one.tickets) == [2040]


def test_a_single_long_answer_to_the_connect_is_no_ticket() -> None:
    found = flights(*ESTABLISHED_13, "C app 40", "S app 326", "S FIN")
    assert found.tickets == []
    assert data(found) == [("client", 23), ("server", 309)]


def test_two_bytes_are_an_alert_only_where_an_end_follows() -> None:
    pinging = (*ESTABLISHED_13, "C app 40", "S app 21", "C app 19", "S app 19", "C app 19")
    assert hidden(flights(*pinging, "S app 19", "C app 60")) == []
    assert hidden(flights(*pinging, "C FIN"))[-1] == ("client", 19)


def test_two_bytes_before_any_connect_are_an_alert() -> None:
    assert hidden(flights(*ESTABLISHED_13, "S app 19")) == [("server", 19)]
    jsse = ("C hello", "S sh13", FLIGHT, "C app 69", "C app 35 35", "C FIN")
    assert hidden(flights(*jsse)) == [("client", 35), ("client", 35)]


def test_pings_of_jsse_far_apart_are_no_alerts() -> None:
    jsse = ("C hello", "S sh13", FLIGHT, "C app 69", "C app 60", "S app 21")
    found = flights(*jsse, "+30", "C app 35", "S app 19", "+30", "C app 35", "S app 19", "+45")
    assert ("client", 2) in data(found)
    late = flights(*jsse, "+30", "C app 35", "S app 19", "+30", "C app 35", "C app 35", "C FIN")
    assert hidden(late) == [("client", 35), ("client", 35)]


# -- TLS 1.2 -----------------------------------------------------------------------------


def test_tls12_shows_handshake_alert_and_data_apart() -> None:
    found = flights(*connected_12(), "C secret 26")
    assert found.handshake == "complete"
    assert [side for side, _ in data(found)] == ["client", "server"]
    assert found.hidden_alerts == []


def test_tls12_knows_for_certain_whether_a_certificate_was_asked_for() -> None:
    assert flights(*to_certificate()).requested is False
    found = flights(*asking(device()))
    assert (found.requested, found.requested_sure) == (True, "certain")
    assert (found.sent, found.sent_sure) == ("certificate", "certain")
    assert flights(*asking()).sent == "empty"


def test_before_its_end_a_tls12_flight_leaves_the_request_open() -> None:
    assert flights("C hello12", "S sh12", chain(leaf())).requested is None


def test_an_abbreviated_handshake_has_the_servers_finished_first() -> None:
    found = flights("C hello12", "S sh12", "S ccs", "S hs 40", "C ccs", "C hs 40")
    assert found.resumed
    assert found.handshake == "complete"
    full = flights(*established_12())
    assert not full.resumed


def test_a_psk_suite_without_certificate_is_no_resumption() -> None:
    psk = ("S", messages.server_hello(suite=0x00AE))
    found = flights("C hello12", psk, "S done", "C cke", "C ccs", "C hs 40", "S ccs", "S hs 40")
    assert not found.resumed


def test_a_second_handshake_inside_the_session_is_found() -> None:
    found = flights(*connected_12(), "C hs 300")
    assert found.renegotiation is not None
    assert flights(*connected_12()).renegotiation is None


def test_empty_records_of_tls10_are_no_data() -> None:
    old = ("S", messages.server_hello(version=messages.TLS_1_0, suite=0xC013))
    steps: tuple[Step, ...] = (
        "C hello12",
        old,
        chain(leaf()),
        "S done",
        "C cke",
        "C ccs",
        "C hs 48",
    )
    found = flights(*steps, "S ccs", "S hs 48", "C app 32 64", "S app 32 32")
    assert found.transcript.version == messages.TLS_1_0
    assert data(found)[0][0] == "client"


def test_without_a_server_hello_there_is_no_course() -> None:
    found = flights("C hello", "S alert 40")
    assert found.handshake == "none" or found.handshake == "partial"
    assert found.second_flight is None
    assert not any(isinstance(e, HandshakeSeen) and e.type == 2 for e in found.transcript.events)
