"""The `tls` part of a report: what was not seen is null, what was provably not sent is []."""

from __future__ import annotations

import pytest

from analyzers.report import TlsReport
from proxy.lab import messages
from proxy.lab.messages import Hello, extension
from tests.transcripts import (
    ASKING,
    AT,
    CONNECTED_13,
    ESTABLISHED_13,
    FLIGHT,
    NAME,
    TO_FLIGHT,
    Step,
    asking,
    authority,
    chain,
    established_12,
    leaf,
    request,
    root,
    to_certificate,
    told,
)

SHARED_KEY = ("C hello12", "S sh12", "S done", "C cke", "C ccs", "C hs 40")
RESUMED_12 = ("C hello12", "S sh12", "S ccs", "S hs 40", "C ccs", "C hs 40")
RESUMED_13 = ("C hello", "S sh13psk", "S ccs", "S app 23 53", "C ccs", "C app 53")


def tls(*steps: Step) -> TlsReport:
    """The `tls` part of these steps' report."""
    report = told(*steps)
    assert report.tls is not None
    return report.tls


def test_a_server_that_provably_sends_no_certificate() -> None:
    for steps in (SHARED_KEY, RESUMED_12, RESUMED_13):
        assert tls(*steps).server_certificates == [], steps


def test_a_certificate_that_is_not_visible() -> None:
    unseen: tuple[tuple[Step, ...], ...] = (
        CONNECTED_13,
        ("C hello12", "S sh12"),
        ("C hello12", "S alert 40"),
    )
    for steps in unseen:
        assert tls(*steps).server_certificates is None, steps


def test_a_certificate_that_is_there() -> None:
    seen = tls("C hello12", "S sh12", chain(leaf()), "S done").server_certificates
    assert seen is not None
    assert len(seen) == 1


def test_client_certificates() -> None:
    assert tls(*asking()).client_certificates == [], "an empty list"
    assert tls(*established_12()).client_certificates == [], "none was asked for"
    assert tls(*CONNECTED_13).client_certificates is None, "encrypted"
    assert tls("C hello12", "S sh12").client_certificates is None, "not yet"


def test_the_history_has_zeeks_letters() -> None:
    assert tls(*asking()).history == "CsxrnXGIF"
    assert tls(*established_12()).history == "CsxnGIFif"
    assert tls(*RESUMED_12).history == "CsifIF"
    assert tls("C hello", "S hrr", "C hello", "S sh13", "C alert 40").history == "CjCsL"


# -- what was agreed ------------------------------------------------------------------------


def test_version_suite_and_group() -> None:
    found = tls(*CONNECTED_13)
    assert (found.version, found.cipher, found.group) == (
        "TLS 1.3",
        "TLS_AES_128_GCM_SHA256",
        "x25519",
    )
    older = tls(*established_12())
    assert (older.version, older.group) == ("TLS 1.2", None)
    assert tls("C hello", "S alert 40").version is None


def test_the_group_of_an_older_version_is_in_its_key_exchange() -> None:
    exchange = ("S", messages.server_key_exchange(0x0401, bytes(256)))
    found = tls("C hello12", "S sh12", chain(leaf()), exchange, "S done")
    assert found.group == "x25519"
    assert found.server_key_exchange is not None
    assert found.server_key_exchange.signature_scheme == "rsa_pkcs1_sha256"
    assert found.server_key_exchange.signature_valid is False


@pytest.mark.parametrize(
    ("steps", "resumption"),
    [
        (("C hello",), "unknown"),
        (("C hello12", "S sh12"), "unknown"),
        (to_certificate(), "none"),
        (CONNECTED_13, "none"),
        (RESUMED_12, "session_id"),
        (RESUMED_13, "psk"),
        ((("C", Hello(extra=(extension(35, bytes(180)),)).record), *RESUMED_12[1:]), "ticket"),
    ],
)
def test_resumption(steps: tuple[Step, ...], resumption: str) -> None:
    assert tls(*steps).resumption == resumption


def test_the_offer_is_reported_in_wire_order_and_by_name() -> None:
    found = tls("C hello").client_hello
    assert found is not None
    assert found.versions == ["TLS 1.3", "TLS 1.2"]
    assert found.cipher_suites[0] == "TLS_AES_256_GCM_SHA384"
    assert found.groups == ["x25519", "secp256r1", "secp384r1"]
    assert found.key_shares == ["x25519"]
    assert found.server_name == NAME
    assert (found.fragments.records, found.fragments.segments) == (1, 1)
    assert found.ja4.startswith("t13d")


def test_a_second_hello_is_compared_with_the_first() -> None:
    found = tls("C hello", "S hrr", "C hello12")
    assert found.hello_retry_request is not None
    assert found.hello_retry_request.group == "secp256r1"
    assert found.second_client_hello is not None
    assert "supported_versions" in found.second_client_hello.changed


def test_a_downgrade_sentinel_is_read() -> None:
    marked = messages.random_bytes("server")[:24] + b"DOWNGRD\x01"
    found = tls("C hello", ("S", messages.server_hello(random=marked))).server_hello
    assert found is not None
    assert found.downgrade == "TLS 1.2"
    plain = tls("C hello", "S sh12").server_hello
    assert plain is not None
    assert plain.downgrade is None


def test_a_certificate_says_what_clients_look_at() -> None:
    found = (tls(*to_certificate()).server_certificates or [])[0]
    assert found.san == [f"DNS:{NAME}"]
    assert (found.key.type, found.key.bits) == ("RSA", 2048)
    assert found.extended_key_usage == ["serverAuth"]
    assert (found.is_ca, found.self_signed, found.signature_valid) == (False, False, None)
    assert found.not_before is not None
    assert found.not_before < "2026-05-17"
    both = tls("C hello12", "S sh12", chain(leaf(), root())).server_certificates or ()
    assert [item.signature_valid for item in both] == [True, True]


def test_a_certificate_request_names_its_cas() -> None:
    name = root().x509.subject.public_bytes()
    steps = ("C hello12", "S sh12", chain(leaf()), ("S", request((name,))), "S done")
    found = tls(*steps).certificate_request
    assert found is not None
    assert len(found.authorities) == 1
    assert "Tests Root CA" in found.authorities[0]


def test_client_authentication_as_far_as_it_is_known() -> None:
    assert tls(*CONNECTED_13).client_auth.requested is False
    asked = tls("C hello", "S sh13", ASKING, "C app 1000 281 53").client_auth
    assert (asked.requested, asked.sent, asked.certainty) == (True, "certificate", "likely")
    assert tls("C hello").client_auth.requested is None
    assert tls(*asking()).client_auth.sent == "empty"


# -- what lengths give away --------------------------------------------------------------------


def test_inferred_facts_of_tls13() -> None:
    found = tls(*ESTABLISHED_13).inferred
    assert found.server_key == "RSA 2048"
    assert found.certificate_message_length == 1767 - 17
    assert tls(*established_12()).inferred.server_key is None


@pytest.mark.parametrize(
    ("length", "alpn"), [(23, None), (27, None), (34, "mqtt"), (38, "mqtt"), (30, None)]
)
def test_the_length_of_encrypted_extensions_tells_the_protocol(
    length: int, alpn: str | None
) -> None:
    versions = (messages.TLS_1_3, messages.TLS_1_2)
    hello = Hello(versions=versions, key_share=True, server_name=NAME, alpn=("mqtt",)).record
    found = tls(("C", hello), "S sh13", f"S app {length} 1767 281 53", "C app 53")
    assert found.inferred.alpn == alpn


# -- the ladder ----------------------------------------------------------------------------------


def names(*steps: Step) -> list[str]:
    return [message.name for message in tls(*steps).messages]


def test_the_ladder_names_what_is_encrypted() -> None:
    steps = ("C hello", "S sh13", ASKING, "C app 25 53", "S app 250", "C app 40", "S app 21")
    assert names(*steps)[2:] == [
        "EncryptedExtensions",
        "CertificateRequest",
        "Certificate",
        "CertificateVerify",
        "Finished",
        "empty Certificate",
        "Finished",
        "session ticket",
        "data",
        "data",
    ]


def test_the_ladder_does_not_name_what_it_cannot_know() -> None:
    assert names("C hello", "S sh13", "S app 23 900")[2:] == ["encrypted", "encrypted"]


def test_a_flight_in_one_record_is_named_as_one() -> None:
    found = names("C hello", "S sh13", "S app 1232", "C app 1200")
    assert found[2:] == ["EncryptedExtensions to Finished", "Certificate to Finished"]


def test_a_retry_is_called_by_its_name() -> None:
    assert names("C hello", "S hrr")[1] == "HelloRetryRequest"
    assert names(*TO_FLIGHT[:2], FLIGHT)[1] == "ServerHello"


# -- alerts --------------------------------------------------------------------------------------


def test_alerts_clear_and_hidden() -> None:
    (clear,) = tls(*TO_FLIGHT, "C alert 48").alerts
    assert (clear.from_, clear.name, clear.kind) == ("client", "unknown_ca", "error")
    assert (clear.encrypted, clear.certainty) == (False, "certain")
    (hidden,) = tls(*TO_FLIGHT, "C app 19", "C FIN").alerts
    assert (hidden.encrypted, hidden.code, hidden.kind) == (True, None, "error")


def test_an_alert_behind_the_others_is_a_reaction() -> None:
    found = tls(*to_certificate(), "C alert 48", "S alert 80").alerts
    assert [alert.reaction for alert in found] == [False, True]


def test_a_farewell_is_no_error() -> None:
    (found,) = tls(*to_certificate(), "C warning 0").alerts
    assert found.kind == "close_notify"


def test_times_count_from_the_start() -> None:
    assert authority().at == AT
    (first, *_) = tls("C hello").messages
    assert first.at_ms == pytest.approx(1, abs=0.01)
