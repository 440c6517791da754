"""Rules about the hellos: each fires on its ladder and keeps quiet on a near miss."""

from __future__ import annotations

import pytest

from proxy.lab import messages
from proxy.lab.messages import Hello, extension, handshake, u16s, vector
from tests.transcripts import (
    ESTABLISHED_13,
    FLIGHT,
    NAME,
    TO_FLIGHT,
    Step,
    causes,
    chain,
    connected_12,
    finding,
    leaf,
    reply13,
    to_certificate,
    told,
    verdict,
)

OLD = ("C", Hello(version=messages.TLS_1_1, schemes=()).record)
CAMELLIA = ("C", Hello(suites=(0x0084, 0x0041)).record)
CCM_8 = ("C", Hello(versions=(messages.TLS_1_3,), key_share=True, suites=(0x1305,)).record)
FFDHE = ("C", Hello(groups=(0x0100,)).record)
P521 = ("C", Hello(versions=(messages.TLS_1_3,), groups=(0x0019,), key_share=True).record)
ECDSA = ("C", Hello(schemes=(0x0403,), suites=(0xC02F, 0xC02B)).record)
PKCS1 = (
    "C",
    Hello(versions=(messages.TLS_1_3,), key_share=True, schemes=(0x0401, 0x0403)).record,
)
ALPN = ("C", Hello(alpn=("mqtts",), server_name=NAME).record)
ALPN_13 = (
    "C",
    Hello(versions=(messages.TLS_1_3,), key_share=True, alpn=("mqtts",), server_name=NAME).record,
)
NAMELESS = ("C", Hello().record)
FALLBACK = ("C", Hello(suites=(*messages.MODERN_SUITES, 0x5600)).record)
PSK_SUITES = ("C", Hello(suites=(0x00A8, 0x008C)).record)
PSK_12 = ("S", messages.server_hello(suite=0x00A8))
PSK_FINISHED: tuple[Step, ...] = (PSK_SUITES, PSK_12, "S done", "C cke", "C ccs", "C hs 40")


def pre_shared_key(identity: bytes) -> tuple[str, bytes]:
    """A TLS 1.3 hello with a pre_shared_key extension (RFC 8446 section 4.2.11)."""
    identities = vector(2, vector(2, identity) + bytes(4))
    binders = vector(2, vector(1, bytes(32)))
    hello = Hello(
        versions=(messages.TLS_1_3,), key_share=True, extra=(extension(41, identities + binders),)
    )
    return "C", hello.record


def downgraded(sentinel: bytes) -> tuple[str, bytes]:
    """A TLS 1.2 ServerHello whose random says that the server could do better."""
    return "S", messages.server_hello(random=messages.random_bytes("server")[:24] + sentinel)


PSK_13 = pre_shared_key(b"device-17")
TICKET = pre_shared_key(bytes(200))
TLS12_SENTINEL = b"DOWNGRD\x01"

FIRES: list[tuple[str, tuple[Step, ...]]] = [
    ("version-client-too-old", ("C hello12", "S alert 70", "S FIN")),
    ("version-client-too-old", (OLD, "S alert 70")),
    ("version-client-too-old", (OLD, "S alert 40")),
    ("version-client-too-old", (OLD, "S alert 80")),
    ("version-server-too-old", ("C hello13", "S alert 70", "S FIN")),
    ("version-server-too-old", ("C hello13", "S sh12", "C alert 70")),
    ("version-server-too-old", ("C hello13", "S sh12", chain(leaf()), "S done", "C FIN")),
    ("inappropriate-fallback", (FALLBACK, "S alert 86", "S FIN")),
    ("inappropriate-fallback", ("C hello", downgraded(TLS12_SENTINEL), "C alert 47")),
    ("no-shared-cipher", (CAMELLIA, "S alert 40")),
    ("no-shared-cipher", (CAMELLIA, "S alert 71")),
    ("no-shared-cipher", (CCM_8, "S alert 40")),
    ("no-shared-group", (FFDHE, "S alert 40")),
    ("no-shared-group", (P521, "S alert 71")),
    ("no-shared-group", (P521, "S hrr", "C alert 47")),
    ("no-shared-signature-scheme", (ECDSA, "S alert 40")),
    ("no-shared-signature-scheme", (PKCS1, "S alert 40")),
    ("no-shared-signature-scheme", ("C hello", "S sh13", "S app 19", "S FIN")),
    ("no-shared-signature-scheme", ("C hello", "S sh13", "S app 39 35", "S FIN")),
    ("hello-retry-refused", ("C hello", "S hrr", "C alert 47", "C FIN")),
    ("hello-retry-refused", ("C hello", "S hrr", "C hello", "S alert 47")),
    ("handshake-refused", ("C hello", "S alert 40", "S FIN")),
    ("handshake-refused", ("C hello", "S alert 80")),
    ("alpn-mismatch", (ALPN, "S alert 120", "S FIN")),
    ("alpn-mismatch", (ALPN_13, "S sh13", "S app 19", "S FIN")),
    ("sni-refused", ("C hello", "S alert 112")),
    ("sni-missing", (NAMELESS, "S alert 112")),
    ("sni-missing", (NAMELESS, "S alert 109")),
    ("psk-unknown-identity", (PSK_SUITES, PSK_12, "S done", "C cke", "S alert 115")),
    ("psk-unknown-identity", (PSK_13, "S alert 40")),
    ("psk-wrong-key", (*PSK_FINISHED, "S alert 20")),
    ("psk-wrong-key", (PSK_13, "S alert 47")),
    ("psk-wrong-key", (PSK_13, "S alert 51")),
    ("psk-instead-of-certificate", (PSK_SUITES, "S alert 40")),
    ("renegotiation-refused", (*connected_12(), "C app 60", "C hs 300", "S secret 26", "S FIN")),
    ("renegotiation-refused", (*connected_12(), "C hs 300", "S secret 26", "C secret 26", "C FIN")),
]

NEAR_MISSES: list[tuple[str, tuple[Step, ...]]] = [
    # An alert of that name after the version was agreed is about something else.
    ("version-server-too-old", (*to_certificate(), "C alert 70")),
    ("version-server-too-old", (*TO_FLIGHT, "C alert 70")),
    ("version-client-too-old", (*to_certificate(), "C alert 70")),
    ("version-client-too-old", ("C hello13", "S alert 70")),
    ("version-client-too-old", ("C hello12", "S alert 40")),
    ("version-server-too-old", ("C hello12", "S alert 70")),
    ("version-server-too-old", ("C hello12", "S sh12", "C FIN")),
    # The sentinel alone is no refusal, nor is the alert alone.
    ("inappropriate-fallback", ("C hello", downgraded(TLS12_SENTINEL), chain(leaf()), "S done")),
    ("inappropriate-fallback", ("C hello", "S sh12", "C alert 47")),
    ("inappropriate-fallback", (FALLBACK, "S alert 40")),
    ("no-shared-cipher", ("C hello", "S alert 40")),
    ("no-shared-cipher", (CAMELLIA, "S alert 70")),
    ("no-shared-cipher", (CAMELLIA, "S FIN")),
    ("no-shared-group", ("C hello", "S alert 40")),
    ("no-shared-group", ("C hello", "S hrr", "C hello", "S sh13", FLIGHT, "C app 53")),
    ("no-shared-group", (P521, "S hrr", "C hello", "S sh13", FLIGHT, "C app 53")),
    ("no-shared-signature-scheme", (ALPN_13, "S sh13", "S app 19", "S FIN")),
    ("no-shared-signature-scheme", (*TO_FLIGHT, "S app 19", "S FIN")),
    ("no-shared-signature-scheme", ("C hello", "S alert 40")),
    ("hello-retry-refused", ("C hello", "S hrr", "C hello", "S sh13", FLIGHT, "C alert 48")),
    ("handshake-refused", (*TO_FLIGHT, "C alert 40")),
    ("handshake-refused", ("C hello", "S FIN")),
    ("handshake-refused", (*ESTABLISHED_13, "C app 40", "S app 21", "C app 60")),
    ("alpn-mismatch", (ALPN, "S alert 40")),
    ("alpn-mismatch", ("C hello", "S sh13", "S app 19", "S FIN")),
    ("alpn-mismatch", (ALPN_13, "S sh13", FLIGHT, "S app 19", "S FIN")),
    # A warning is an answer, and the handshake goes on.
    ("sni-refused", ("C hello12", "S warning 112", "S sh12", chain(leaf()), "S done")),
    ("sni-refused", (NAMELESS, "S alert 112")),
    ("sni-missing", ("C hello", "S alert 112")),
    ("psk-unknown-identity", ("C hello", "S alert 40")),
    ("psk-unknown-identity", (TICKET, "S alert 40")),
    ("psk-wrong-key", ("C hello", "S alert 47")),
    ("psk-wrong-key", (TICKET, "S alert 47")),
    ("psk-wrong-key", (*to_certificate(), "C cke", "C ccs", "C hs 40", "S alert 20")),
    ("psk-instead-of-certificate", (PSK_SUITES, "S alert 115")),
    ("psk-instead-of-certificate", (CAMELLIA, "S alert 40")),
    ("renegotiation-refused", (*connected_12(), "C hs 300", "S hs 100", "C app 60")),
    ("renegotiation-refused", (*connected_12(), "C app 60", "S secret 26", "S FIN")),
]


@pytest.mark.parametrize(("rule", "steps"), FIRES)
def test_a_rule_names_the_cause(rule: str, steps: tuple[Step, ...]) -> None:
    report = told(*steps)
    assert verdict(report) == rule
    found = finding(report, rule)
    assert found is not None
    assert found.evidence
    assert report.outcome.failed_by is not None


@pytest.mark.parametrize(("rule", "steps"), NEAR_MISSES)
def test_a_rule_keeps_quiet_on_a_near_miss(rule: str, steps: tuple[Step, ...]) -> None:
    assert rule not in causes(told(*steps), "certain", "likely")


def test_an_agreed_version_is_ruled_out() -> None:
    found = finding(told(*to_certificate(), "C alert 70"), "version-server-too-old")
    assert found is not None
    assert (found.role, found.certainty) == ("ruled_out", "certain")


@pytest.mark.parametrize("version", ["C hello12", "C hello13"])
def test_a_sole_version_stays_possible_behind_a_bare_refusal(version: str) -> None:
    """GnuTLS, wolfSSL and OpenSSL 1.0.2 say handshake_failure for the version too."""
    report = told(version, "S alert 40")
    assert verdict(report) == "handshake-refused"
    assert any(rule.startswith("version-") for rule in causes(report, "possible"))


def test_both_versions_on_offer_leave_no_doubt_about_the_version() -> None:
    assert not any(rule.startswith("version-") for rule in causes(told("C hello", "S alert 40")))


def test_a_broker_that_signs_with_what_was_not_offered() -> None:
    exchange = ("S", messages.server_key_exchange(0x0603, bytes(64)))
    steps = (("C", Hello(schemes=(0x0401,)).record), "S sh12", chain(leaf()), exchange, "S done")
    report = told(*steps, "C alert 47")
    assert "no-shared-signature-scheme" in causes(report)
    sound = told(*steps[:4], "S done", "C cke", "C ccs", "C hs 40", "S ccs", "S hs 40")
    assert "no-shared-signature-scheme" not in causes(sound)


def test_the_refusal_lists_what_remains_possible() -> None:
    hello = Hello(suites=(0xC02F,), server_name=NAME)
    found = finding(told(("C", hello.record), "S alert 40"), "handshake-refused")
    assert found is not None
    assert "another key type than RSA" in found.explanation
    assert NAME in found.explanation


def test_an_identity_that_is_not_text_does_not_break_the_sentence() -> None:
    report = told(pre_shared_key(b"\xff\x1b[31m"), "S alert 40")
    found = finding(report, "psk-unknown-identity")
    assert found is not None
    assert "\x1b" not in found.explanation


def test_a_psk_that_serves_is_no_cause() -> None:
    steps = (PSK_13, ("S", reply13(psk=True)), "S app 23 53", "C app 53", "C app 40", "S app 21")
    assert verdict(told(*steps, "C app 60")) is None


def test_a_certificate_request_message_can_be_anything() -> None:
    odd = ("S", handshake(messages.CERTIFICATE_REQUEST, u16s((0xFFFF,))))
    steps = ("C hello12", "S sh12", chain(leaf()), odd, "S done", "C alert 50")
    assert told(*steps).outcome.phase == "server_flight"


def test_the_identity_of_tls_1_2_is_shown_where_it_stands() -> None:
    exchange = messages.client_key_exchange(b"\x00\x04dev9")
    steps: tuple[Step, ...] = (PSK_SUITES, PSK_12, "S done", ("C", exchange), "S alert 115")
    found = finding(told(*steps), "psk-unknown-identity")
    assert found is not None
    proof = found.evidence[0]
    assert (proof.message, proof.offset, proof.length) == ("client_key_exchange", 4, 6)
