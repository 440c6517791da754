"""Case and findings to the report's structs: what is known, and null for what is not."""

from __future__ import annotations

import pytest

from analyzers.connection import Connection
from analyzers.diagnose import explain
from analyzers.events import HandshakeSeen
from analyzers.render.json import render_json
from proxy.lab import messages
from proxy.lab.messages import Hello
from tests.transcripts import (
    AT,
    BOTH,
    CLIENT,
    CONNECTED_13,
    NAME,
    SERVER,
    TO_FLIGHT,
    Step,
    chain,
    connected_12,
    context,
    established_12,
    finding,
    ladder,
    leaf,
    to_certificate,
    told,
)

CONNECT = ("C", messages.connect("sensor-1", user="sam", password="very-secret"))


def test_where_and_when() -> None:
    report = told("C hello", "S alert 40", "S FIN")
    assert report.schema == "tlswhy/1"
    assert (report.source.kind, report.source.name) == ("capture", "steps")
    assert (report.client.address, report.client.port) == ("192.0.2.7", 50123)
    assert (report.server.address, report.server.port) == ("203.0.113.9", 8883)
    assert report.start == "2026-05-17T12:00:00.000000Z"
    assert report.duration_ms == pytest.approx(3, abs=0.01)
    assert report.community_id is not None
    assert report.community_id.startswith("1:")


def test_bytes_are_tcp_payload() -> None:
    report = told("C hello", "S alert 40")
    assert (report.bytes.client, report.bytes.server) == (len(BOTH.record), 7)


def test_the_servers_name_is_the_users_or_else_the_clients() -> None:
    assert told("C hello").server.name == NAME
    assert told("C hello", server_name="broker.other").server.name == "broker.other"
    assert told("C FIN").server.name is None


def test_an_id_is_the_same_however_the_connection_was_observed() -> None:
    live, captured = told("C hello", server_name=NAME), told("C hello", "S alert 40")
    assert live.id == captured.id
    assert told("C hello12").id == told("C hello12", "S FIN").id


def test_endings_come_with_their_times() -> None:
    report = told("C hello", "+1", "S FIN", "C RST")
    assert [(close.from_, close.how) for close in report.closes] == [
        ("server", "fin"),
        ("client", "rst"),
    ]
    assert report.closes[0].at_ms == pytest.approx(1002, abs=1)


@pytest.mark.parametrize(
    ("steps", "client", "server"),
    [
        (("C FIN",), "none", "none"),
        (("C hello",), "tls", "none"),
        (("C hello", "S alert 40"), "tls", "tls"),
        ((CONNECT, "S FIN"), "mqtt", "none"),
        (("C hello", ("S", messages.connack(0))), "tls", "mqtt"),
        (("C hello", ("S", b"HTTP/1.1 400 Bad Request\r\n\r\n"), "S FIN"), "tls", "http"),
        ((("C", BOTH.record[:40]), "C FIN"), "tls", "none"),
        ((("C", bytes(range(40, 90))), "C FIN"), "unknown", "none"),
        ((("C", bytes(range(40, 60))),), "unknown", "none"),
    ],
)
def test_what_each_side_speaks(steps: tuple[Step, ...], client: str, server: str) -> None:
    report = told(*steps)
    assert (report.protocol, report.server_protocol) == (client, server)


def test_what_was_not_seen_is_said() -> None:
    report = explain(ladder("C app 60", "S app 60", client_start=False), context())
    assert (report.complete.client_start, report.complete.server_start) == (False, False)
    assert told("C hello", "C OPEN").complete.truncated
    assert not told("C hello", "C FIN", "C OPEN").complete.truncated


def test_holes_are_counted_and_warned_of() -> None:
    connection = Connection(opened_at=AT)
    connection.receive(CLIENT, BOTH.record, AT)
    connection.missing(SERVER, 1400, AT)
    report = explain(connection.transcript, context())
    assert report.complete.gaps == 1
    assert any("hole" in warning for warning in report.analysis.warnings)


def test_malformed_bytes_are_warned_of_in_print() -> None:
    report = told(
        "C hello", ("S", messages.record(messages.HANDSHAKE, b"\x02\0\0\2\x1b[")), "C FIN"
    )
    assert report.analysis.warnings
    assert all(text.isprintable() for text in report.analysis.warnings)


@pytest.mark.parametrize(
    ("steps", "sent", "connack", "refused"),
    [
        (("C hello",), None, None, None),
        (established_12(), False, None, None),
        ((*established_12(), "C app 50", "S FIN"), True, False, True),
        ((*connected_12(), "C app 60"), True, True, False),
        ((*connected_12(), "S FIN"), True, True, True),
        ((*CONNECTED_13, "C app 60"), True, True, False),
    ],
)
def test_mqtt_as_far_as_it_shows(
    steps: tuple[str, ...], sent: bool | None, connack: bool | None, refused: bool | None
) -> None:
    found = told(*steps).mqtt
    assert (found.connect_sent, found.connack, found.connect_refused) == (sent, connack, refused)


def test_mqtt_in_clear_is_certain_and_keeps_its_password() -> None:
    report = told(CONNECT, "S FIN")
    assert (report.mqtt.connect_sent, report.mqtt.certainty) == (True, "certain")
    assert "very-secret" not in render_json(report)


# -- findings -----------------------------------------------------------------------------


def test_the_verdict_is_the_first_cause_and_brings_a_fix() -> None:
    report = told(*to_certificate(), "C alert 48", "C FIN")
    assert report.verdict is not None
    first = report.findings[0]
    assert (first.rule, first.role) == (report.verdict.rule, "cause")
    assert first.fixes
    assert first.references


def test_what_is_ruled_out_needs_no_fix() -> None:
    report = told(*to_certificate(), "C alert 48")
    assert all(item.fixes == [] for item in report.findings if item.role in ("ruled_out", "note"))


def test_evidence_points_at_bytes() -> None:
    report = told(*to_certificate(), "C alert 48", "C FIN")
    pointed = report.findings[0].evidence
    message = next(item for item in pointed if item.message == "certificate")
    assert message.from_ == "server"
    assert message.length == len(leaf().certificate)
    assert message.offset is not None
    raw = next(e.raw for e in ladder(*to_certificate()).of(HandshakeSeen) if e.type == 11)
    assert raw[message.offset :][: message.length] == leaf().certificate
    ending = next(item for item in pointed if item.message == "alert")
    assert ending.wireshark == "tls.alert_message"


def test_in_a_capture_evidence_names_the_frame() -> None:
    connection = Connection(opened_at=AT)
    connection.receive(CLIENT, BOTH.record, AT, frame=4)
    connection.receive(SERVER, messages.alert(40), AT, frame=6)
    report = explain(connection.transcript, context())
    shown = {(item.frame, item.wireshark) for item in report.findings[0].evidence}
    assert shown == {(4, "frame.number == 4"), (6, "frame.number == 6")}


def test_a_strangers_name_is_harmless_in_print() -> None:
    hostile = bytearray(Hello(server_name="aaaa.example").record)
    place = hostile.index(b"aaaa")
    hostile[place : place + 4] = b"\x1b[2J"
    report = told(("C", bytes(hostile)), "S alert 112")
    found = finding(report, "sni-refused")
    assert found is not None
    for text in (found.title, found.explanation, report.server.name or ""):
        assert text.isprintable()


def test_an_analysis_of_nothing_is_still_a_report() -> None:
    report = explain(Connection().transcript, context())
    assert report.tls is None
    assert report.findings == []
    assert report.verdict is None
    assert report.outcome.status == "no_data"


def test_a_long_flight_is_reported_in_whole() -> None:
    report = told(*TO_FLIGHT, "C alert 48")
    assert report.tls is not None
    assert [message.name for message in report.tls.messages][:3] == [
        "ClientHello",
        "ServerHello",
        "ChangeCipherSpec",
    ]
    assert report.tls.messages[-1].name == "unknown_ca"


def test_a_chain_is_reported_as_sent() -> None:
    report = told("C hello12", "S sh12", chain(leaf(), leaf()), "S done")
    assert report.tls is not None
    assert report.tls.server_certificates is not None
    assert [item.subject for item in report.tls.server_certificates] == [
        report.tls.server_certificates[0].subject
    ] * 2
