from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers import report as shape
from analyzers.certificates import read_certificate
from analyzers.events import HandshakeSeen, How
from analyzers.messages import CertificateMessage, ClientHello
from analyzers.report import FindingReport
from proxy.lab import messages as wire
from proxy.redact import Redactor
from proxy.replay import End, Payload, replay
from tests import samples
from tests.sessions import (
    AT,
    CLIENT,
    NAME,
    SERVER,
    acme,
    bytes_of,
    context,
    observe,
    tls_session,
)

TELLING = re.compile(rb"acme|widgets|\bIssuing", re.IGNORECASE)


def test_the_same_name_gets_the_same_placeholder_of_the_same_length() -> None:
    redactor = Redactor()
    first = redactor.text(b"hub-77.Acme-Widgets.com")
    assert first == redactor.text(b"HUB-77.acme-widgets.com")
    assert len(first) == len(b"hub-77.acme-widgets.com")
    assert not TELLING.search(first)
    assert first.endswith(b".com")


def test_labels_keep_their_relations() -> None:
    redactor = Redactor()
    name = redactor.text(b"broker.plant9.acme.com")
    wildcard = redactor.text(b"*.plant9.acme.com")
    parent = redactor.text(b".acme.com")
    assert wildcard.startswith(b"*.")
    assert name.split(b".", 1)[1] == wildcard[2:]
    assert name.endswith(parent)


def test_what_the_diagnosis_needs_is_kept() -> None:
    assert Redactor().text(b"localhost") == b"localhost"


@given(st.lists(st.text("abcdefghij-. ", min_size=1, max_size=12), max_size=30))
def test_text_keeps_length_and_different_words_stay_different(names: list[str]) -> None:
    redactor = Redactor()
    replaced = {name: redactor.text(name.encode()) for name in names}
    for name, value in replaced.items():
        assert len(value) == len(name)
    words = {w for name in names for w in re.split(r"[-. ]", name) if len(w) >= 3}
    assert len({redactor.text(word.encode()) for word in words}) == len(words)


def test_certificates_keep_their_structure_and_lose_their_names() -> None:
    redactor = Redactor()
    leaf = acme()
    for identity in leaf.chain:
        changed = redactor.der(identity.certificate)
        assert len(changed) == len(identity.certificate)
        assert not TELLING.search(changed)
        before, after = read_certificate(identity.certificate), read_certificate(changed)
        assert after.not_after == before.not_after
        assert after.key == before.key
        assert after.faults == before.faults
    issuer = read_certificate(redactor.der(leaf.chain[1].certificate))
    assert read_certificate(redactor.der(leaf.certificate)).issuer == issuer.subject


def test_an_ip_address_in_a_certificate_is_one_for_documentation() -> None:
    changed = read_certificate(Redactor().der(acme().certificate))
    assert "192.0.2.1" in str(changed)
    assert "10.1.2.3" not in str(changed)


@given(st.binary(max_size=200))
def test_der_of_anything_keeps_its_length(data: bytes) -> None:
    assert len(Redactor().der(data)) == len(data)


def test_der_nested_without_end_is_left() -> None:
    deep = b"\x30\x80" * 5000
    assert Redactor().der(deep) == deep
    nested = b""
    for _ in range(100):
        nested = wire_der(nested)
    assert len(Redactor().der(nested)) == len(nested)


def wire_der(content: bytes) -> bytes:
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content


def test_a_session_without_its_names() -> None:
    seen = observe(tls_session(acme()))
    redactor = Redactor()
    told = replay(seen, redactor.message)
    for direction in (CLIENT, SERVER):
        assert TELLING.search(bytes_of(replay(seen), direction))
        assert not TELLING.search(bytes_of(told, direction))
    again = observe(told)
    assert [type(event.body) for event in again.of(HandshakeSeen)] == [
        type(event.body) for event in seen.of(HandshakeSeen)
    ]
    assert not any(event.fault for event in again.of(HandshakeSeen))
    hello = again.message(ClientHello)
    chain = again.message(CertificateMessage)
    assert hello is not None
    assert chain is not None
    name = redactor.text(NAME.encode())
    assert name in hello[0].raw
    assert name in chain[1].certificates[0]


def test_a_message_that_cannot_be_read_loses_every_run_of_text() -> None:
    hello = wire.client_hello([0xC02F], [wire.extension(0, wire.server_name_list("x.acme.com"))])
    broken = bytearray(hello)
    broken[-12:-10] = b"\xff\xff"  # the name's length lies
    seen = observe([Payload(CLIENT, AT, bytes(broken)), End(CLIENT, AT, How.FIN)])
    told = replay(seen, Redactor().message)
    assert not TELLING.search(bytes_of(told, CLIENT))
    assert len(bytes_of(told, CLIENT)) == len(broken)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("192.168.7.20", "192.0.2.1"),
        ("2a00:1450:4001::1", "2001:db8::1"),
        ("fe80::1%eth0", "2001:db8::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
    ],
)
def test_addresses(before: str, after: str) -> None:
    redactor = Redactor()
    assert redactor.address(before) == after
    assert redactor.address(before) == after


def test_different_addresses_stay_different() -> None:
    redactor = Redactor()
    found = {redactor.address(f"10.0.0.{host}") for host in range(1, 100)}
    assert len(found) == 99


def finding(explanation: str) -> FindingReport:
    return samples.finding("certificate-expired", "The certificate has expired", explanation)


def test_a_report_without_its_names_keeps_its_verdict() -> None:
    redactor = Redactor()
    redactor.learn(observe(tls_session(acme())), context())
    report = samples.report(
        client=shape.Client(address="192.168.7.20", port=1, process="acme-agent"),
        server=shape.Server(address="203.0.113.77", port=8883, name=NAME),
        verdict=shape.Verdict(rule="certificate-expired", certainty="certain"),
        findings=[
            finding(
                f"The certificate of {NAME} (CN={NAME}) was issued by Acme Issuing CA 7 "
                "and ended; 192.168.7.20 refused it."
            )
        ],
    )
    changed = redactor.report(report)
    text = str(changed)
    assert not TELLING.search(text.encode())
    assert "192.168.7.20" not in text
    assert "203.0.113.77" not in text
    assert changed.verdict == report.verdict
    assert changed.outcome == report.outcome
    assert changed.server.name == redactor.text(NAME.encode()).decode()
    assert changed.findings[0].explanation.startswith("The certificate of mqtt.n")
    assert changed.client.process is None
    assert changed.community_id is None


def test_a_distinguished_name_is_found_as_it_is_shown() -> None:
    redactor = Redactor()
    redactor.text(b"Widgets, Inc")
    redactor.text("Wídgets GmbH".encode())
    report = samples.report(findings=[finding(r"O=Widgets\, Inc and O=Wídgets GmbH")])
    assert not re.search("w.dgets", str(redactor.report(report)), re.IGNORECASE)


def test_a_capture_s_path_goes() -> None:
    report = samples.report(
        source=shape.Source(kind="capture", name="/home/alice/acme.pcap", stream=0, first_frame=1)
    )
    assert Redactor().report(report).source.name == "capture"


def test_wide_strings_of_a_certificate_lose_their_names_too() -> None:
    redactor = Redactor()
    wide = "Acme Wídgets".encode("utf-16-be")
    changed = redactor.der(bytes((0x1E, len(wide))) + wide)
    assert len(changed) == len(wide) + 2
    text = changed[2:].decode("utf-16-be")
    assert not re.search("acme|w.dgets", text, re.IGNORECASE)
    assert text.split(" ")[0] == redactor.text(b"Acme").decode()


def test_an_identity_of_a_pre_shared_key_is_a_name() -> None:
    identity = b"acme-sensor-12"
    ticket = (len(identity) + 6).to_bytes(2, "big") + len(identity).to_bytes(2, "big") + identity
    offer = wire.extension(41, ticket + bytes(4) + b"\x00\x21\x20" + bytes(32))
    seen = observe([Payload(CLIENT, AT, wire.client_hello([0x1301], [offer]))])
    told = bytes_of(replay(seen, Redactor().message), CLIENT)
    assert len(told) == len(bytes_of(replay(seen), CLIENT))
    assert not TELLING.search(told)


def test_a_psk_identity_and_hint_of_tls_1_2_are_names() -> None:
    hello = wire.client_hello([0x00A8], [])  # TLS_PSK_WITH_AES_128_GCM_SHA256
    hint, identity = b"acme-hint", b"acme-sensor"
    told = [
        Payload(CLIENT, AT, hello),
        Payload(SERVER, AT, wire.server_hello(suite=0x00A8)),
        Payload(SERVER, AT, wire.handshake(12, wire.vector(2, hint))),
        Payload(CLIENT, AT, wire.handshake(16, wire.vector(2, identity))),
    ]
    seen = observe(told)
    for direction, name in ((CLIENT, identity), (SERVER, hint)):
        assert name in bytes_of(replay(seen), direction)
        assert not TELLING.search(bytes_of(replay(seen, Redactor().message), direction))


def test_a_stapled_answer_loses_its_names() -> None:
    name = b"Acme OCSP"
    response = bytes((0x30, len(name) + 2, 0x0C, len(name))) + name
    status = wire.handshake(22, b"\x01" + wire.vector(3, response))
    told = [
        Payload(CLIENT, AT, wire.client_hello([0xC02F], [])),
        Payload(SERVER, AT, wire.server_hello() + status),
    ]
    changed = bytes_of(replay(observe(told), Redactor().message), SERVER)
    assert not TELLING.search(changed)
    assert changed[:-12] == (wire.server_hello() + status)[:-12]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"220 mail.acme.com ESMTP ready\r\n", "220 mail.acme.com ESMTP ready"),
        (b"HTTP/1.1 400 Acme says no\r\n\r\n", "HTTP/1.1 400 Acme says no"),
        (b"PROXY TCP4 203.0.113.77 10.1.1.1 1 2\r\n", "203.0.113.77 port 1"),
    ],
)
def test_what_a_plaintext_protocol_named_is_replaced_in_the_report(sent: bytes, says: str) -> None:
    direction = CLIENT if sent.startswith(b"PROXY") else SERVER
    seen = observe([Payload(direction, AT, sent), End(direction, AT, How.FIN)])
    redactor = Redactor()
    redactor.learn(seen, context(server_name=None))
    report = samples.report(findings=[finding(f"It was {says}, not CONNECT.")])
    changed = redactor.report(report).findings[0].explanation
    assert not re.search(r"acme|203\.0\.113\.77", changed, re.IGNORECASE)
    assert changed.startswith("It was ")
    assert changed.endswith(", not CONNECT.")
