"""Rules about reach, first bytes, interrupted handshakes, sessions, and the notes."""

from __future__ import annotations

import pytest

from analyzers.connection import Connection
from analyzers.diagnose import explain
from analyzers.report import Report
from proxy.lab import messages
from proxy.lab.messages import Hello, extension
from tests.transcripts import (
    ASKING,
    AT,
    CLIENT,
    CONNECTED_13,
    ESTABLISHED_13,
    FLIGHT,
    NAME,
    SERVER,
    TO_FLIGHT,
    Step,
    asking,
    causes,
    chain,
    connected_12,
    context,
    device,
    established_12,
    finding,
    ladder,
    leaf,
    to_certificate,
    told,
    verdict,
)

HELLO = Hello(server_name=NAME).record
CONNECT = ("C", messages.connect("sensor-1"))
HTTP = ("C", b"GET / HTTP/1.1\r\nHost: broker.example\r\n\r\n")
PROXY_1 = ("C", b"PROXY TCP4 10.0.0.1 10.0.0.2 4000 8883\r\n" + HELLO)
PROXY_2 = (
    "C",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x0a\0\0\x01\x0a\0\0\x02\x0f\xa0\x22\xb3" + HELLO,
)
BAD_REQUEST = ("S", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
BANNER = ("S", b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
LARGE = ("C", Hello(server_name=NAME, extra=(extension(51, bytes(1500)),)).record)
HALF = ("C", HELLO[:80])
HALF_ANSWER = ("S", messages.server_hello()[:20])


def in_records(pieces: int) -> tuple[str, bytes]:
    """A ClientHello in several TLS records."""
    message = HELLO[5:]
    size = -(-len(message) // pieces)
    parts = [message[i : i + size] for i in range(0, len(message), size)]
    return "C", b"".join(messages.record(messages.HANDSHAKE, part) for part in parts)


FIRES: list[tuple[str, tuple[Step, ...]]] = [
    ("server-closed-before-hello", ("S FIN", "C FIN")),
    ("server-closed-before-hello", ("S FIN", "C hello", "S RST")),
    ("server-reset-before-hello", ("S RST",)),
    ("client-reset-before-hello", ("C RST",)),
    ("client-silent", ("+3.2", "C FIN", "S FIN")),
    ("client-silent", ("+10", "S FIN")),
    ("client-silent", (HALF, "+10", "S FIN")),
    ("client-silent", ("+10", "C TIMEOUT")),
    ("plaintext-to-tls-port", (CONNECT, "S FIN")),
    ("plaintext-to-tls-port", (CONNECT, "S alert 10", "S FIN")),
    ("plaintext-to-tls-port", (CONNECT, "S RST")),
    ("non-tls-to-tls-port", (HTTP, "S FIN")),
    ("non-tls-to-tls-port", (("C", bytes(range(40, 90))), "S RST")),
    ("non-tls-to-tls-port", (("C", b"SSH-2.0-OpenSSH_9.2\r\n"), "S alert 10")),
    ("proxy-header-unexpected", (PROXY_1, "S FIN")),
    ("proxy-header-unexpected", (PROXY_2, "S alert 10", "S FIN")),
    ("tls-to-plaintext-port", ("C hello", ("S", messages.connack(1)), "S FIN")),
    ("tls-to-other-protocol", ("C hello", BAD_REQUEST, "S FIN")),
    ("tls-to-other-protocol", (BANNER, "C hello", "C FIN")),
    ("tls-to-other-protocol", ("C hello", ("S", bytes(7)), "C RST")),
    ("client-hello-fragments-refused", (in_records(3), "S FIN")),
    ("client-hello-fragments-refused", (in_records(2), "S alert 50")),
    ("server-closed-after-client-hello", ("C hello", "S FIN")),
    ("server-closed-after-client-hello", ("C hello", "S warning 0", "S FIN")),
    ("server-reset-after-client-hello", ("C hello", "S RST")),
    ("server-closed-mid-handshake", ("C hello", "S sh13", "S app 23", "S FIN")),
    ("server-closed-mid-handshake", ("C hello12", "S sh12", chain(leaf()), "S FIN")),
    ("server-closed-mid-handshake", (*to_certificate(), "C cke", "C ccs", "C hs 40", "S FIN")),
    ("server-closed-mid-handshake", (*TO_FLIGHT, "+30", "S app 19", "S FIN")),
    ("server-closed-mid-handshake", ("C hello", HALF_ANSWER, "S FIN")),
    ("server-reset-mid-handshake", ("C hello", HALF_ANSWER, "S RST")),
    ("server-reset-mid-handshake", ("C hello", "S sh13", "S app 23", "S RST")),
    ("server-reset-mid-handshake", (*to_certificate(), "C cke", "C ccs", "C hs 40", "S RST")),
    ("server-silent", ("C hello", "+3", "C FIN")),
    ("server-silent", ("C hello", "+3", "C RST")),
    ("server-silent", ("C hello", "+9", "C TIMEOUT")),
    ("server-stalled-mid-handshake", ("C hello", "S sh13", "S app 23", "+3", "C FIN")),
    ("server-stalled-mid-handshake", ("C hello12", "S sh12", "+9", "C RST")),
    ("server-stalled-mid-handshake", ("C hello", HALF_ANSWER, "+9", "C FIN")),
    ("client-closed-before-hello-complete", (HALF, "C FIN")),
    ("client-closed-before-hello-complete", (HALF, "C RST")),
    ("client-closed-mid-handshake", ("C hello", "C FIN")),
    ("client-closed-mid-handshake", ("C hello", "S sh13", "S app 23", "C FIN")),
    ("client-closed-mid-handshake", (*TO_FLIGHT, "C alert 90")),
    ("client-reset-mid-handshake", ("C hello", "C RST")),
    ("client-reset-mid-handshake", (*TO_FLIGHT, "+0.1", "C RST")),
    ("mqtt-connect-refused", (*connected_12(), "S secret 26", "S FIN")),
    ("mqtt-connect-refused", (*connected_12(), "C FIN")),
    ("mqtt-connect-refused", (*CONNECTED_13, "S app 19", "S FIN")),
    ("mqtt-connect-refused", (*established_12(), "C app 50", "S FIN")),
    ("mqtt-connect-refused", (*ESTABLISHED_13, "S app 250 250", "C app 40", "S app 326", "S FIN")),
    ("mqtt-no-answer", (*established_12(), "C app 50", "+5", "C FIN")),
    ("mqtt-no-answer", (*ESTABLISHED_13, "C app 40", "S app 250 250", "+5", "C FIN")),
    ("mqtt-keepalive-timeout", (*connected_12(), "C app 60", "+9", "S secret 26", "S FIN")),
    ("mqtt-session-aborted", (*connected_12(), "C app 60", "+0.5", "S FIN")),
    ("mqtt-session-aborted", (*CONNECTED_13, "C app 60", "C RST")),
    ("idle-closed", (*established_12(), "+10", "S FIN")),
    ("idle-closed", (*ESTABLISHED_13, "S app 250 250", "+10", "S app 19", "S FIN", "C app 40")),
    ("client-closed-unused", (*established_12(), "+5", "C FIN")),
    ("client-closed-unused", (*ESTABLISHED_13, "S app 250 250", "C app 19", "C FIN")),
]

NEAR_MISSES: list[tuple[str, tuple[Step, ...]]] = [
    ("server-closed-before-hello", ("C FIN", "S FIN")),
    ("server-closed-before-hello", ("C hello", "S FIN")),
    ("server-reset-before-hello", ("C hello", "S RST")),
    ("client-reset-before-hello", ("C hello", "C RST")),
    ("client-silent", ("C FIN",)),
    ("client-silent", ("+0.3", "C FIN")),
    ("client-silent", ("C hello", "+10", "S FIN")),
    ("client-silent", (HALF, "C FIN")),
    # Plain MQTT, answered in kind, on a port that is meant for it.
    ("plaintext-to-tls-port", (CONNECT, ("S", messages.connack(0)), "C FIN")),
    ("plaintext-to-tls-port", (HTTP, "S FIN")),
    ("non-tls-to-tls-port", (CONNECT, "S FIN")),
    ("non-tls-to-tls-port", (HTTP, BAD_REQUEST, "S FIN")),
    ("non-tls-to-tls-port", (PROXY_1, "S FIN")),
    # The header is expected: the handshake goes on behind it.
    ("proxy-header-unexpected", (PROXY_1, "S sh12", chain(leaf()), "S done", "C alert 48")),
    ("tls-to-plaintext-port", ("C hello", "S FIN")),
    ("tls-to-plaintext-port", ("C hello", "S alert 40")),
    ("tls-to-plaintext-port", (*TO_FLIGHT, "S FIN")),
    ("tls-to-other-protocol", ("C hello", ("S", messages.connack(1)))),
    ("tls-to-other-protocol", ("C hello", "S alert 40")),
    ("client-hello-fragments-refused", (in_records(2), "S sh12", "S FIN")),
    ("client-hello-fragments-refused", (in_records(2), "S alert 70")),
    ("client-hello-fragments-refused", ("C hello", "S FIN")),
    ("server-closed-after-client-hello", ("C hello", "S alert 40", "S FIN")),
    ("server-closed-after-client-hello", ("C hello", "C FIN", "S FIN")),
    ("server-reset-after-client-hello", ("C hello", "C FIN", "S RST")),
    ("server-closed-mid-handshake", (*asking(), "S FIN")),
    ("server-closed-mid-handshake", (*to_certificate(), "C alert 48", "S FIN")),
    ("server-reset-mid-handshake", (*TO_FLIGHT, "C alert 48", "S RST")),
    ("server-silent", ("C hello", "C FIN")),
    ("server-silent", ("C hello", "S sh13", "+9", "C FIN")),
    ("server-silent", ("C hello", "C OPEN")),
    ("server-stalled-mid-handshake", (*TO_FLIGHT, "+9", "C app 19", "C FIN")),
    ("server-stalled-mid-handshake", ("C hello", "S sh13", "S app 23", "C FIN")),
    ("client-closed-before-hello-complete", ("C hello", "C FIN")),
    ("client-closed-mid-handshake", (*TO_FLIGHT, "C alert 48")),
    ("client-closed-mid-handshake", (*TO_FLIGHT, "C app 19", "C FIN")),
    ("client-closed-mid-handshake", (*CONNECTED_13, "C app 60", "C app 19", "C FIN")),
    ("client-reset-mid-handshake", (*TO_FLIGHT, "C alert 48", "C RST")),
    ("client-reset-mid-handshake", ("C hello", "S alert 40", "C RST")),
    ("mqtt-connect-refused", (*connected_12(), "C app 26", "C FIN", "S FIN")),
    ("mqtt-connect-refused", (*CONNECTED_13, "C app 19", "C app 19", "C FIN")),
    ("mqtt-connect-refused", (*connected_12(), "C app 60", "S FIN")),
    ("mqtt-no-answer", (*connected_12(), "C app 60", "+9", "C FIN")),
    ("mqtt-no-answer", (*established_12(), "C app 50", "+0.2", "C FIN")),
    ("mqtt-keepalive-timeout", (*connected_12(), "C app 26", "+9", "S FIN", "C FIN")),
    ("mqtt-keepalive-timeout", (*connected_12(), "C app 60", "S FIN")),
    ("mqtt-session-aborted", (*connected_12(), "C app 60", "C app 26", "S FIN", "C FIN")),
    ("mqtt-session-aborted", (*CONNECTED_13, "C app 60", "C app 19", "C FIN", "S RST")),
    ("idle-closed", (*established_12(), "C app 50", "+10", "S FIN")),
    ("idle-closed", (*TO_FLIGHT, "S FIN", "C app 53", "S RST")),
    ("client-closed-unused", (*established_12(), "C app 50", "C FIN")),
    ("client-closed-unused", (*TO_FLIGHT, "C FIN")),
]


@pytest.mark.parametrize(("rule", "steps"), FIRES)
def test_a_rule_names_the_cause(rule: str, steps: tuple[Step, ...]) -> None:
    assert verdict(told(*steps)) == rule


@pytest.mark.parametrize(("rule", "steps"), NEAR_MISSES)
def test_a_rule_keeps_quiet_on_a_near_miss(rule: str, steps: tuple[Step, ...]) -> None:
    assert rule not in causes(told(*steps), "certain", "likely")


# -- the server was never reached -------------------------------


def unreached(why: str) -> Report:
    connection = Connection(opened_at=AT)
    connection.not_connected(why, "what the system says", AT + 1)
    return explain(connection.transcript, context())


@pytest.mark.parametrize(
    ("why", "rule"),
    [
        ("refused", "tcp-refused"),
        ("timeout", "tcp-timeout"),
        ("unreachable", "tcp-timeout"),
        ("name", "name-not-resolved"),
    ],
)
def test_a_server_that_was_not_reached(why: str, rule: str) -> None:
    assert causes(unreached(why)) == [rule]


# -- what hangs on the port -------------------------------------


@pytest.mark.parametrize("port", [1883, 1884])
def test_a_hang_up_on_a_port_for_plain_mqtt_is_its_fault(port: int) -> None:
    assert verdict(told("C hello", "S FIN", port=port)) == "tls-to-plaintext-port"
    report = told("C hello", "S FIN", port=8883)
    assert verdict(report) == "server-closed-after-client-hello"


# -- a certificate was asked for --------------------------------


def test_a_hang_up_behind_a_request_is_about_the_certificate_first() -> None:
    steps: tuple[Step, ...] = ("C hello", "S sh13", ASKING, "C app 25 53", "S app 250 250")
    report = told(*steps, "C app 40", "S app 19", "S FIN")
    assert verdict(report) == "client-certificate-missing"
    assert "mqtt-connect-refused" not in causes(report, "certain", "likely")


# -- sound sessions ---------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        ("C FIN", "S FIN"),
        ("C FIN", "S alert 50", "C RST"),
        ("C hello",),
        ("C hello", "C OPEN"),
        (*connected_12(), "C app 60", "C app 26", "C FIN", "S FIN"),
        (*CONNECTED_13, "C app 60", "C app 19", "C app 19", "C FIN", "S app 19", "C RST"),
        (*ESTABLISHED_13, "S app 250 250", "C app 40", "S app 21", "C app 60", "C OPEN"),
        (
            "C hello",
            "S hrr",
            "C ccs",
            "C hello",
            "S sh13",
            FLIGHT,
            "C app 53",
            "C app 40",
            "S app 21",
        ),
        ("C hello12", "S sh12", "S ccs", "S hs 40", "C ccs", "C hs 40", "C app 50", "S app 28"),
        (*asking(device()), "S ccs", "S hs 40", "C app 50", "S app 28", "C app 60"),
        ("C hello", "S sh13", ASKING, "C app 25 53", "C app 40", "S app 21", "C app 60"),
        (*connected_12(), "C app 60", "+60", "C app 26", "S app 26", "+60", "C app 26", "S app 26"),
        (*CONNECTED_13, "+60", "C app 19", "S app 19", "+60", "C app 19", "S app 19", "C OPEN"),
    ],
)
def test_nothing_is_blamed_where_nothing_is_wrong(steps: tuple[Step, ...]) -> None:
    report = told(*steps)
    assert causes(report) == []
    assert report.outcome.failed_by is None


def test_a_capture_that_begins_in_the_middle_blames_nobody() -> None:
    for steps in (("C app 60", "S app 60", "S FIN"), ("S FIN", "C FIN"), ("S RST",)):
        report = explain(ladder(*steps, client_start=False), context())
        assert causes(report) == []
        assert report.outcome.failed_by is None


# -- notes ------------------------------------------------------


def test_a_large_hello_without_an_answer_is_worth_a_word() -> None:
    report = told(LARGE, "+9", "C FIN")
    found = finding(report, "client-hello-large")
    assert found is not None
    assert found.role == "contributing"
    assert finding(told(LARGE, "S alert 40"), "client-hello-large") is None
    assert finding(told("C hello", "+9", "C FIN"), "client-hello-large") is None


def test_a_reset_on_the_hello_may_come_from_between() -> None:
    assert finding(told("C hello", "S RST"), "middlebox-suspected") is not None
    assert finding(told("C hello", "S FIN"), "middlebox-suspected") is None
    assert finding(told("C hello", "S sh13", "S RST"), "middlebox-suspected") is None


def test_a_malformed_message_is_shown_where_it_is() -> None:
    broken = bytearray(HELLO)
    broken[5 + 4 + 34] = 0xFF  # the length of the session id
    found = finding(told(("C", bytes(broken)), "S alert 50"), "malformed-message")
    assert found is not None
    assert "client_hello" in found.title
    assert finding(told("C hello", "S alert 50"), "malformed-message") is None


def test_bytes_after_tls_that_are_no_tls_are_malformed() -> None:
    found = finding(told("C hello", "S sh13", ("S", b"\xff" * 40), "C FIN"), "malformed-message")
    assert found is not None
    assert "server" in found.title


def test_an_analysis_that_stopped_says_so_and_why() -> None:
    connection = Connection(opened_at=AT)
    connection.receive(CLIENT, HELLO, AT)
    connection.stop("a cap", AT + 1)
    connection.receive(SERVER, b"whatever", AT + 2)
    report = explain(connection.transcript, context())
    found = finding(report, "analysis-stopped")
    assert found is not None
    assert "a cap" in found.explanation
    assert (report.analysis.stopped, report.analysis.reason) == (True, "a cap")
    assert finding(told("C hello"), "analysis-stopped") is None
