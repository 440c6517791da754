from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.fixes import Fix, broker_programs, client_programs, fixes_for, link_for, table

FAMILIES = [
    "openssl", "node", "dotnet", "schannel", "go", "rustls", "jsse", "boringssl", "gnutls",
    "nss", "mbedtls", "wolfssl", "erlang", "botan", "bearssl", "tlslite", "mono", None,
]  # fmt: skip

NEGOTIATION = """
version-client-too-old version-server-too-old inappropriate-fallback no-shared-cipher
no-shared-group no-shared-signature-scheme alpn-mismatch sni-refused sni-missing
psk-unknown-identity psk-wrong-key psk-instead-of-certificate renegotiation-refused
extended-master-secret-required hello-retry-refused resumption-refused
session-ticket-mishandled record-too-large client-hello-fragments-refused handshake-refused
"""
CERTIFICATE = """
unknown-ca self-signed missing-intermediate chain-order bad-signature expired not-yet-valid
intermediate-expired root-expired name-mismatch wrong-eku wrong-key-usage weak-key
weak-signature issuer-not-ca name-constraints unknown-critical-extension x509-version-1
revoked revocation-unchecked wrong-key refused
"""
TRANSPORT = """
tcp-refused tcp-timeout name-not-resolved plaintext-to-tls-port proxy-header-unexpected
proxy-header-missing non-tls-to-tls-port tls-to-plaintext-port tls-to-other-protocol
server-closed-before-hello server-reset-before-hello server-closed-after-client-hello
server-reset-after-client-hello server-closed-mid-handshake server-reset-mid-handshake
server-stalled-mid-handshake server-silent client-closed-before-hello-complete
client-closed-mid-handshake client-reset-before-hello client-reset-mid-handshake client-silent
"""
MQTT = """
mqtt-connect-refused mqtt-no-answer mqtt-keepalive-timeout mqtt-session-aborted
mqtt-session-taken-over idle-closed client-closed-unused websocket-instead-of-mqtt
mqtt-instead-of-websocket
"""
RULES = [
    *NEGOTIATION.split(),
    *(f"certificate-{fault}" for fault in CERTIFICATE.split()),
    *(f"client-certificate-{fault}" for fault in CERTIFICATE.split()),
    "client-certificate-missing",
    *TRANSPORT.split(),
    *MQTT.split(),
]
NOTES = {"client-points-at-proxy-name", "middlebox-suspected", "client-hello-large"}


def all_texts() -> list[str]:
    known = table()
    texts = [text for rule in known.rule.values() for text in (rule.client, rule.broker) if text]
    for programs in (known.client, known.stack, known.broker):
        texts += [text for entry in programs.values() for text in entry.how.values()]
    return texts


def test_every_rule_of_the_vocabulary_and_no_other_has_a_fix() -> None:
    assert set(table().rule) == {*RULES, *NOTES}


@pytest.mark.parametrize("rule", RULES)
def test_something_to_change_is_known_even_if_no_program_is(rule: str) -> None:
    fixes = fixes_for(rule)
    assert 1 <= len(fixes) <= 2
    assert {fix.for_ for fix in fixes} <= {"client", "broker"}
    for fix in fixes:
        assert fix.text[0].isupper()
        assert fix.text.isprintable()


@pytest.mark.parametrize("family", FAMILIES)
def test_each_side_has_at_most_two_fixes(family: str | None) -> None:
    for rule in table().rule:
        fixes = fixes_for(rule, client_family=family, server_family=family)
        assert 1 <= len(fixes) <= 4


def test_topics_are_known_to_some_program() -> None:
    known = table()
    clients = {topic for entry in known.client.values() for topic in entry.how}
    stacks = {topic for entry in known.stack.values() for topic in entry.how}
    brokers = {topic for entry in known.broker.values() for topic in entry.how}
    used_by_clients = {rule.client_how for rule in known.rule.values() if rule.client_how}
    used_by_brokers = {rule.broker_how for rule in known.rule.values() if rule.broker_how}
    assert clients | stacks <= used_by_clients
    assert brokers <= used_by_brokers
    assert used_by_clients <= clients
    assert used_by_brokers <= brokers
    for rule in known.rule.values():
        assert rule.client or not rule.client_how
        assert rule.broker or not rule.broker_how
        assert rule.client if rule.first == "client" else rule.broker


def test_no_text_switches_verification_off() -> None:
    words = re.compile(
        r"insecure|rejectUnauthorized|AllowUntrusted|IgnoreCertificate|verify_none|CERT_NONE"
        r"|InsecureSkipVerify|setInsecure|skip_cert|enableServerCertAuth",
        re.IGNORECASE,
    )
    # On a listener verify_none only means that clients need no certificate of their own.
    texts = [text for text in all_texts() if not text.startswith("listeners.ssl.default")]
    assert not [text for text in texts if words.search(text)]


def test_placeholders_are_known_and_filled() -> None:
    for text in all_texts():
        assert set(re.findall(r"\$(\w+)", text.replace("$$", ""))) <= {"name", "port"}, text
    for rule in table().rule:
        for fix in fixes_for(rule, client="MQTTnet", broker="Mosquitto", server_name="b.example"):
            assert "$" not in fix.text


def test_the_headline_case_names_the_broker_first() -> None:
    fixes = fixes_for(
        "certificate-bad-signature",
        client_family="schannel",
        broker="RabbitMQ",
        server_name="broker.example.com",
    )
    assert [fix.for_ for fix in fixes] == ["RabbitMQ", "MQTTnet"]
    assert "rabbitmqctl eval 'ssl:clear_pem_cache().'" in fixes[0].text
    assert "WithTrustChain" in fixes[1].text


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("abc-ats.iot.eu-west-1.amazonaws.com", "AWS IoT Core"),
        ("ns.westeurope-1.ts.eventgrid.azure.net", "Azure Event Grid"),
        ("HUB.azure-devices.net.", "Azure IoT Hub"),
        ("x.s1.eu.hivemq.cloud", "HiveMQ Cloud"),
        ("x.ala.us-east-1.emqxsl.com", "EMQX Cloud"),
        ("test.mosquitto.org", "Mosquitto"),
    ],
)
def test_hosted_brokers_are_known_by_their_names(host: str, name: str) -> None:
    assert [entry.name for entry in broker_programs(None, None, host)] == [name]


def test_a_name_that_only_looks_alike_is_no_hosted_broker() -> None:
    assert broker_programs(None, None, "notamazonaws.com") == []
    assert broker_programs(None, None, "amazonaws.com.evil.example") == []


def test_a_service_gets_only_what_its_users_can_do() -> None:
    host = "abc-ats.iot.eu-west-1.amazonaws.com"
    fixes = fixes_for("certificate-unknown-ca", client="paho-mqtt", server_name=host)
    assert [fix.for_ for fix in fixes] == ["paho-mqtt", "AWS IoT Core"]
    assert fixes[1].text.startswith("The endpoint's certificate is Amazon's")
    assert fixes_for("certificate-bad-signature", server_name=host)
    assert [fix.for_ for fix in fixes_for("renegotiation-refused", server_name=host)] == ["client"]


@pytest.mark.parametrize(
    ("hint", "family", "names"),
    [
        ("mqttnet", None, ["MQTTnet"]),
        ("MOSQUITTO_SUB", "node", ["mosquitto_pub / mosquitto_sub"]),
        (None, "dotnet", ["MQTTnet"]),
        (None, "openssl", ["paho-mqtt", "mosquitto_pub / mosquitto_sub"]),
        (None, "gnutls", ["GnuTLS client"]),
        (None, "nss", []),
        ("my own client", "openssl", []),
    ],
)
def test_the_client_program(hint: str | None, family: str | None, names: list[str]) -> None:
    assert [entry.name for entry in client_programs(hint, family)] == names


def test_an_unknown_program_is_the_label() -> None:
    fixes = fixes_for("certificate-unknown-ca", client="my \x1b client", broker="my broker")
    assert [fix.for_ for fix in fixes] == ["my \\x1b client", "my broker"]


def test_a_known_program_without_the_topic_still_gets_its_label() -> None:
    fixes = fixes_for("name-not-resolved", client="paho-mqtt", server_name="b.example")
    assert fixes == [
        Fix(
            "paho-mqtt", "Correct the host name, or let the name server know it: nslookup b.example"
        )
    ]


def test_an_erlang_server_may_be_either_broker() -> None:
    fixes = fixes_for("version-server-too-old", server_family="erlang")
    assert [fix.for_ for fix in fixes if "versions" in fix.text] == ["RabbitMQ", "EMQX"]


def test_an_unknown_rule_has_no_fix() -> None:
    assert fixes_for("no-such-rule") == []


@given(st.text(alphabet=st.characters(), max_size=200), st.integers(0, 65535))
def test_a_hostile_name_stays_text(name: str, port: int) -> None:
    for fix in fixes_for("certificate-refused", server_name=name, client=name, port=port):
        assert fix.text.isprintable()
        assert fix.for_.isprintable()


def test_links_are_https_and_found_by_name() -> None:
    known = table()
    for programs in (known.client, known.stack, known.broker):
        for entry in programs.values():
            assert entry.link.startswith("https://")
            assert link_for(entry.name) == entry.link
    assert link_for("nothing") is None


def test_the_stack_is_more_exact_than_its_family() -> None:
    found = client_programs(None, "openssl", "Python ssl (OpenSSL 3.0 or 3.1)")
    assert [entry.name for entry in found] == ["paho-mqtt"]
    assert len(client_programs(None, "openssl", "OpenSSL 3.0 or 3.1")) == 2
