"""Rules about certificates, the broker's and the client's: each fires, each keeps quiet."""

from __future__ import annotations

import functools
from typing import Unpack

import pytest

from analyzers.report import Report
from proxy.lab import hellos, messages
from proxy.lab.authority import DAY, Identity, Oddities, damaged
from proxy.lab.messages import Hello, extension
from tests.transcripts import (
    ASKING,
    CONNECTED_13,
    FLIGHT,
    NAME,
    TO_FLIGHT,
    Step,
    asking,
    authority,
    causes,
    chain,
    client_chain,
    device,
    established_12,
    finding,
    leaf,
    request,
    root,
    to_certificate,
    told,
    verdict,
)


@functools.cache
def intermediate() -> Identity:
    return authority().intermediate(root())


def odd(issuer: Identity | None = None, **oddities: Unpack[Oddities]) -> Identity:
    """A broker's certificate with one fault; its name is in order if nothing else is said."""
    settings: Oddities = {"names": (NAME,), **oddities}
    return authority().server(issuer or root(), **settings)


def refused(*identities: Identity, alert: int = 42) -> Report:
    """A client (OpenSSL's alerts) refuses this chain in TLS 1.2."""
    return told(*to_certificate(*identities), f"C alert {alert}", "C FIN")


def accepted(*identities: Identity) -> Report:
    """The same chain before a client that does not mind."""
    rest = ("C cke", "C ccs", "C hs 40", "S ccs", "S hs 40", "C app 50", "S app 28", "C app 60")
    return told(*to_certificate(*identities), *rest)


# -- the broker's chain, in TLS 1.2 for all to read --------------------------------------


def broker_faults() -> list[tuple[str, tuple[Identity, ...], int]]:
    """(rule, chain, OpenSSL's alert for it)."""
    old = authority().intermediate(root(), starts=-90 * DAY, ends=-DAY)
    no_ca = authority().intermediate(root(), ca=False, path_length=None)
    bound = authority().intermediate(root(), permitted=("elsewhere.example",))
    stranger = authority().root("Another Root CA", slot="another")
    gone = authority().root("Old Root CA", slot="old root", starts=-900 * DAY, ends=-DAY)
    below = authority().server(intermediate(), names=(NAME,))
    return [
        ("certificate-expired", (odd(starts=-90 * DAY, ends=-DAY),), 45),
        ("certificate-not-yet-valid", (odd(starts=DAY, ends=90 * DAY),), 42),
        ("certificate-name-mismatch", (odd(names=("elsewhere.example",)),), 42),
        ("certificate-wrong-eku", (odd(purposes=("client",)),), 43),
        ("certificate-wrong-key-usage", (odd(signs=False),), 43),
        (
            "certificate-unknown-critical-extension",
            (odd(critical_extension="1.3.6.1.5.5"),),
            42,
        ),
        ("certificate-weak-signature", (odd(signature="sha1"),), 42),
        ("certificate-weak-key", (odd(key="rsa-1024"),), 42),
        ("certificate-x509-version-1", (odd(version_1=True),), 43),
        ("certificate-bad-signature", (damaged(leaf()), root()), 51),
        ("certificate-bad-signature", (odd(signed_by=stranger), root()), 51),
        ("certificate-self-signed", (authority().server(None, names=(NAME,)),), 48),
        ("certificate-missing-intermediate", (below,), 48),
        ("certificate-unknown-ca", (odd(stranger),), 48),
        ("certificate-issuer-not-ca", (authority().server(no_ca, names=(NAME,)), no_ca), 48),
        ("certificate-name-constraints", (authority().server(bound, names=(NAME,)), bound), 48),
        ("certificate-intermediate-expired", (authority().server(old, names=(NAME,)), old), 45),
        ("certificate-root-expired", (authority().server(gone, names=(NAME,)), gone), 45),
        ("certificate-revoked", (leaf(),), 44),
    ]


@pytest.mark.parametrize(
    ("rule", "identities", "alert"), broker_faults(), ids=lambda value: str(value)[:40]
)
def test_a_fault_that_can_be_read_is_the_cause(
    rule: str, identities: tuple[Identity, ...], alert: int
) -> None:
    report = refused(*identities, alert=alert)
    assert verdict(report) == rule
    assert (report.outcome.failed_by, report.outcome.phase) == ("client", "server_flight")


@pytest.mark.parametrize(
    ("rule", "identities", "alert"), broker_faults(), ids=lambda value: str(value)[:40]
)
def test_a_fault_that_nobody_minds_is_no_cause(
    rule: str, identities: tuple[Identity, ...], alert: int
) -> None:
    report = accepted(*identities)
    assert causes(report) == []
    assert report.verdict is None
    note = finding(report, rule)
    assert note is None or note.role == "note"


@pytest.mark.parametrize("alert", [10, 40, 46, 47, 49, 51, 70, 71, 80])
def test_a_proven_fault_is_the_cause_under_any_alert(alert: int) -> None:
    """The headline: protocol_version after a certificate whose signature does not verify."""
    report = refused(damaged(leaf()), root(), alert=alert)
    assert verdict(report) == "certificate-bad-signature"


def test_a_misleading_alert_is_called_so() -> None:
    report = refused(damaged(leaf()), root(), alert=70)
    note = finding(report, "alert-misleads")
    assert note is not None
    assert "TLS version" in note.explanation
    assert finding(refused(damaged(leaf()), root(), alert=42), "alert-misleads") is None


def test_a_sound_chain_rules_its_faults_out() -> None:
    report = refused(leaf(), alert=48)
    out = {item.rule for item in report.findings if item.role == "ruled_out"}
    assert {"certificate-expired", "certificate-name-mismatch", "certificate-wrong-eku"} <= out


def test_a_chain_in_the_wrong_order_is_named() -> None:
    below = authority().server(intermediate(), names=(NAME,))
    second = authority().intermediate(intermediate(), "Lab Second CA", slot="second")
    lowest = authority().server(second, names=(NAME,))
    report = refused(lowest, intermediate(), second, alert=42)
    assert "certificate-chain-order" in causes(report)
    assert "certificate-chain-order" not in causes(refused(below, intermediate(), alert=42))


def test_a_key_that_is_not_the_certificates_is_proven_by_its_signature() -> None:
    exchange = ("S", messages.server_key_exchange(0x0401, bytes(256)))
    steps = ("C hello12", "S sh12", chain(leaf()), exchange, "S done")
    assert verdict(told(*steps, "C alert 51")) == "certificate-wrong-key"
    passed = told(*steps, "C cke", "C ccs", "C hs 40", "S ccs", "S hs 40", "C app 50", "S app 28")
    assert causes(passed) == []


def test_a_demanded_proof_that_did_not_come() -> None:
    staple = odd(must_staple=True)
    asked = ("C", Hello(server_name=NAME, extra=(extension(5, b"\1\0\0\0\0"),)).record)
    rest: tuple[Step, ...] = ("S sh12", chain(staple), "S done", "C alert 42")
    assert verdict(told(asked, *rest)) == "certificate-revocation-unchecked"
    assert "certificate-revocation-unchecked" not in causes(told("C hello12", *rest))
    status = ("S", messages.handshake(22, b"\x01\x00\x00\x01\x00"))
    proven = told(asked, "S sh12", chain(staple), status, "S done", "C alert 42")
    assert "certificate-revocation-unchecked" not in causes(proven)


# -- TLS 1.3 hides the chain -------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        ((*TO_FLIGHT, "C alert 48"), "certificate-unknown-ca"),
        ((*TO_FLIGHT, "C alert 45"), "certificate-expired"),
        ((*TO_FLIGHT, "C alert 42"), "certificate-refused"),
        ((*TO_FLIGHT, "C alert 43"), "certificate-refused"),
        ((*TO_FLIGHT, "C alert 44"), "certificate-revoked"),
        ((*TO_FLIGHT, "C app 19", "C FIN"), "certificate-refused"),
        ((*TO_FLIGHT, "C app 35", "C FIN"), "certificate-refused"),
        (("C hello", "S sh13", "S app 1232", "C app 19"), "certificate-refused"),
        (("C hello", "S sh13", "S app 23 1767 153 53", "C app 19"), "certificate-weak-key"),
    ],
)
def test_what_stays_visible_in_tls13_decides(steps: tuple[Step, ...], rule: str) -> None:
    assert verdict(told(*steps)) == rule


def test_a_client_may_refuse_before_the_whole_flight_has_come() -> None:
    steps = ("C hello", "S sh13", "S app 39 940", "C app 19", "C FIN", "S app 297", "C RST")
    assert verdict(told(*steps)) == "certificate-refused"
    early = told("C hello", "S sh13", "S app 39", "C app 19", "C FIN")
    assert "certificate-refused" not in causes(early)


def test_two_bytes_behind_the_finished_are_no_refusal() -> None:
    assert "certificate-refused" not in causes(told(*CONNECTED_13, "C app 60", "C app 19", "C FIN"))


def test_what_cannot_be_seen_is_never_certain() -> None:
    for alert in (42, 45, 48, 51):
        report = told(*TO_FLIGHT, f"C alert {alert}")
        assert "certain" not in {
            item.certainty
            for item in report.findings
            if item.role == "cause" and item.rule != "certificate-refused"
        }


# -- silent refusals ---------------------------------------------------------------------


NODE = ("C", hellos.node(NAME))
NODE_12: tuple[Step, ...] = (NODE, "S sh12", chain(leaf()), "S done")


def test_a_stack_that_never_alerts_refuses_by_leaving() -> None:
    assert verdict(told(NODE, "S sh13", FLIGHT, "+0.2", "C FIN")) == "certificate-refused"
    after = (*NODE_12, "C cke", "C ccs", "C hs 40", "S ccs", "S hs 40", "C FIN")
    report = told(*after)
    assert causes(report)[0].startswith("certificate-")
    assert report.outcome.phase == "after_handshake"


def test_a_stack_that_alerts_has_just_left() -> None:
    steps = (*TO_FLIGHT, "+0.2", "C FIN")
    report = told(*steps)
    assert verdict(report) == "client-closed-mid-handshake"
    assert "certificate-refused" in causes(report, "possible")


def test_a_proven_fault_makes_a_silent_departure_a_refusal() -> None:
    expired = odd(starts=-90 * DAY, ends=-DAY)
    report = told(*to_certificate(expired), "+0.2", "C FIN")
    assert verdict(report) == "certificate-expired"
    assert report.verdict is not None
    assert report.verdict.certainty == "likely"


def test_a_resumed_session_has_no_certificate_to_refuse() -> None:
    report = told("C hello", "S sh13psk", "S app 23 53", "C app 19", "C FIN")
    assert "certificate-refused" not in causes(report)


def test_an_encrypted_alert_before_the_servers_finished_is_about_the_certificate() -> None:
    """NSS checks the certificate beside the handshake."""
    steps = (*to_certificate(), "C cke", "C ccs", "C hs 40", "C secret 26", "C FIN", "S ccs")
    report = told(*steps, "S hs 40")
    assert causes(report)[0].startswith("certificate-")


# -- the client's certificate ------------------------------------------------------------


def client_faults() -> list[tuple[str, Identity, int]]:
    lab = authority()
    stranger = lab.root("Another Root CA", slot="another")
    return [
        ("client-certificate-expired", lab.device(root(), starts=-90 * DAY, ends=-DAY), 45),
        ("client-certificate-not-yet-valid", lab.device(root(), starts=DAY, ends=90 * DAY), 42),
        ("client-certificate-wrong-eku", lab.device(root(), purposes=("server",)), 43),
        ("client-certificate-self-signed", lab.device(None), 48),
        ("client-certificate-missing-intermediate", lab.device(intermediate()), 48),
        ("client-certificate-unknown-ca", lab.device(stranger), 48),
        ("client-certificate-weak-key", lab.device(root(), key="rsa-1024"), 42),
        ("client-certificate-weak-signature", lab.device(root(), signature="sha1"), 42),
        ("client-certificate-revoked", device(), 44),
    ]


@pytest.mark.parametrize(
    ("rule", "identity", "alert"), client_faults(), ids=lambda value: str(value)[:45]
)
def test_a_fault_of_the_clients_certificate_is_the_cause(
    rule: str, identity: Identity, alert: int
) -> None:
    report = told(*asking(identity), f"S alert {alert}", "S FIN")
    assert verdict(report) == rule
    assert (report.outcome.failed_by, report.outcome.phase) == ("server", "client_certificate")


@pytest.mark.parametrize(
    ("rule", "identity", "alert"), client_faults(), ids=lambda value: str(value)[:45]
)
def test_a_clients_certificate_that_is_accepted_is_no_cause(
    rule: str, identity: Identity, alert: int
) -> None:
    rest = ("S ccs", "S hs 40", "C app 50", "S app 28", "C app 60")
    assert causes(told(*asking(identity), *rest)) == []


def test_a_signature_that_does_not_verify_under_the_clients_certificate() -> None:
    signed = ("C", messages.certificate_verify(0x0401, bytes(256)))
    before = asking(device())[:-2]
    report = told(*before, signed, "C ccs", "C hs 40", "S alert 51")
    assert verdict(report) == "client-certificate-wrong-key"


def test_a_bad_signature_in_the_clients_chain() -> None:
    identity = authority().device(root(), signed_by=intermediate())
    steps = ("C hello12", "S sh12", chain(leaf()), "S request", "S done")
    answer = (client_chain(identity, root()), "C cke", "C ccs", "C hs 40")
    report = told(*steps, *answer, "S alert 51")
    assert verdict(report) == "client-certificate-bad-signature"


def test_an_issuer_that_the_broker_does_not_list_is_not_trusted() -> None:
    listed = ("S", request((b"\x30\x13\x31\x11\x30\x0f\x06\x03\x55\x04\x03\x0c\x08Other CA",)))
    before = ("C hello12", "S sh12", chain(leaf()), listed, "S done")
    answer = (client_chain(device()), "C cke", "C ccs", "C hs 40")
    report = told(*before, *answer, "S alert 42")
    assert verdict(report) == "client-certificate-unknown-ca"


MISSING: list[tuple[Step, ...]] = [
    (*asking(), "S alert 40", "S FIN"),
    (*asking(), "S alert 42"),
    (*asking(), "S FIN"),
    ("C hello", "S sh13", ASKING, "C app 25 53", "S app 19", "S FIN"),
    ("C hello", "S sh13", "S app 39 78 1783 297 69", "C app 25 53", "S app 35", "S FIN"),
    ("C hello", "S sh13", ASKING, "C app 41 69", "S app 19"),
    ("C hello", "S sh13", "S app 1232", "C app 61", "S app 19", "S FIN"),
    ("C hello", "S sh13", ASKING, "C app 25 53", "S app 250 250 19", "S FIN"),
    ("C hello", "S sh13", ASKING, "C app 25 53 40", "S app 282 282 19", "S FIN"),
    ("C hello", "S sh13", ASKING, "C app 25 53 40", "S app 19", "S FIN"),
]


@pytest.mark.parametrize("steps", MISSING, ids=range(len(MISSING)))
def test_no_certificate_where_one_is_required(steps: tuple[Step, ...]) -> None:
    report = told(*steps)
    assert verdict(report) == "client-certificate-missing"
    assert report.outcome.failed_by == "server"
    assert report.tls is not None
    assert report.tls.client_auth.sent == "empty"


@pytest.mark.parametrize(
    "steps",
    [
        # Asked for and not required.
        ("C hello", "S sh13", ASKING, "C app 25 53", "C app 40", "S app 21", "C app 60"),
        (*asking(), "S ccs", "S hs 40", "C app 50", "S app 28", "C app 60"),
        # Not asked for at all.
        (*TO_FLIGHT, "C app 53", "C app 40", "S FIN"),
        (*established_12(), "C app 50", "S FIN"),
        # Damage on the way is no opinion about a certificate.
        (*asking(), "S alert 20"),
    ],
)
def test_a_certificate_that_is_not_missed(steps: tuple[Step, ...]) -> None:
    assert "client-certificate-missing" not in causes(told(*steps))


@pytest.mark.parametrize(
    "steps",
    [
        ("C hello", "S sh13", ASKING, "C app 1000 281 53", "S app 19", "S FIN"),
        ("C hello", "S sh13", ASKING, "C app 1000 281 53", "S app 19", "S RST"),
        ("C hello", "S sh13", "S app 1232", "C app 1200", "S app 19", "S FIN"),
        ("C hello", "S sh13", ASKING, "C app 1000 281 53", "S FIN"),
        ("C hello", "S sh13", ASKING, "C app 1000 281 53 40", "S app 1146 1146 19", "S FIN"),
        (*asking(device()), "S alert 46", "S FIN"),
    ],
)
def test_a_refused_certificate_whose_fault_does_not_show(steps: tuple[Step, ...]) -> None:
    assert causes(told(*steps))[0] in (
        "client-certificate-refused",
        "client-certificate-unknown-ca",
    )
    assert told(*steps).outcome.failed_by == "server"


def test_a_certificate_that_served_is_not_blamed_for_a_refused_connect() -> None:
    steps = ("C hello", "S sh13", ASKING, "C app 1000 281 53", "S app 1146 1146")
    report = told(*steps, "C app 40", "S app 21", "S app 19", "S FIN")
    assert verdict(report) == "mqtt-connect-refused"


# -- pointed at the proxy ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["localhost", None])
def test_a_client_pointed_at_the_proxy_fails_the_name_check(name: str | None) -> None:
    hello = ("C", Hello(server_name=name).record)
    steps = (hello, "S sh12", chain(leaf()), "S done", "C alert 42")
    report = told(*steps, server_name=NAME)
    assert verdict(report) == "certificate-name-mismatch"
    found = finding(report, "client-points-at-proxy-name")
    assert found is not None
    assert found.role == "contributing"


def test_a_client_that_keeps_the_brokers_name_is_not_pointed_at_the_proxy() -> None:
    report = told(*to_certificate(), "C alert 48", server_name=NAME)
    assert finding(report, "client-points-at-proxy-name") is None
    assert "certificate-name-mismatch" not in causes(report)


def test_in_a_capture_nobody_is_pointed_at_a_proxy() -> None:
    hello = ("C", Hello(server_name="localhost").record)
    report = told(hello, "S sh12", chain(leaf()), "S done", "C alert 42")
    assert finding(report, "client-points-at-proxy-name") is None
