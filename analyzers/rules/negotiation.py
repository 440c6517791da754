"""Nothing in common: cipher suites, groups, signature schemes."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.codepoints import NamedGroup, SignatureScheme, label
from analyzers.extensions import SIGNATURE_ALGORITHMS, SUPPORTED_GROUPS
from analyzers.finding import Evidence, Finding
from analyzers.offer import Offer, group_names, scheme_names
from analyzers.rules._hello import (
    offer_of,
    pre_shared,
    refused_hello,
)
from analyzers.rules._rule import rule
from analyzers.rules._words import (
    alert,
    at_ending,
    at_event,
    at_extension,
    leaving,
    listed,
    suites,
    suites_place,
)
from analyzers.transcript import SERVER

HANDSHAKE_FAILURE = 40
INSUFFICIENT_SECURITY = 71
_NO_ANSWER = frozenset({10, 20, 40, 47, 51, 71, 80, 109, 115})
"""Alerts with which a server refuses a hello without naming one clear reason."""


@rule("negotiation")
def no_shared_cipher(case: Case) -> Iterator[Finding]:
    """Client and broker have no cipher suite in common.

    What it means:
        The broker supports none of the suites that the client lists, or none of those
        that overlap suits the key of its certificate.
    On the wire:
        handshake_failure (40) or insufficient_security (71) before any ServerHello. The
        broker's own list does not show; what the client lacks does.
    What to do:
        Allow an ECDHE suite with AES-GCM on the stricter side (for example
        ECDHE-RSA-AES128-GCM-SHA256), or TLS 1.3.

    References:
        RFC 5246 section 7.4.1.3 (https://www.rfc-editor.org/rfc/rfc5246#section-7.4.1.3)
    """
    offer, code = offer_of(case), refused_hello(case)
    hello, event = case.tr.client_hello, case.tr.client_hello_event
    if offer is None or hello is None or event is None or code is None:
        return
    if code not in (HANDSHAKE_FAILURE, INSUFFICIENT_SECURITY) or offer.usual_suites:
        return
    if offer.only_psk:
        return
    start, length = suites_place(hello)
    names = suites(offer.suites)
    yield Finding(
        rule="no-shared-cipher",
        role="cause",
        certainty="likely",
        title="Client and broker have no cipher suite in common",
        explanation=f"The client offers {listed(names)}: none of the suites that brokers "
        f"usually support. The broker refused with {alert(code)} before choosing one.",
        evidence=(
            Evidence(
                says=f"cipher_suites: {listed(names)}", event=event, offset=start, length=length
            ),
            at_ending(case, case.outcome.endings[0]),
        ),
        weight=75,
    )


@rule("negotiation")
def no_shared_group(case: Case) -> Iterator[Finding]:
    """Client and broker have no key exchange group in common.

    What it means:
        No elliptic curve (or finite-field group) is on both lists, so no key can be agreed.
    On the wire:
        A HelloRetryRequest that names a group the client did not offer; or a refusal of
        a ClientHello whose supported_groups lacks the usual ones.
    What to do:
        Enable x25519 or secp256r1 on both ends.

    References:
        RFC 8446 section 4.2.7 (https://www.rfc-editor.org/rfc/rfc8446#section-4.2.7)
    """
    offer = offer_of(case)
    hello, event = case.tr.client_hello, case.tr.client_hello_event
    if offer is None or hello is None or event is None:
        return
    names = listed(group_names(offer.groups))
    retry = case.tr.hello_retry_request
    if retry is not None and retry.extensions.key_shares and case.phase == "before_server_hello":
        asked = retry.extensions.key_shares[0]
        if asked not in offer.groups:
            yield Finding(
                rule="no-shared-group",
                role="cause",
                certainty="certain",
                title="The broker wants a key exchange group that the client does not have",
                explanation=f"The broker's HelloRetryRequest asks for "
                f"{label(NamedGroup, asked)}; the client supports {names}.",
                evidence=(at_extension(event, hello, SUPPORTED_GROUPS, names),),
                weight=95,
            )
        return
    code = refused_hello(case)
    if code in (10, HANDSHAKE_FAILURE, INSUFFICIENT_SECURITY, 47, 80) and not offer.usual_groups:
        if not offer.groups:
            return
        yield Finding(
            rule="no-shared-group",
            role="cause",
            certainty="likely",
            title="Client and broker have no key exchange group in common",
            explanation=f"The client supports {names}: none of x25519, secp256r1 and secp384r1, "
            f"which brokers usually have. The broker refused with {alert(code or 0)}.",
            evidence=(
                at_extension(event, hello, SUPPORTED_GROUPS, names),
                at_ending(case, case.outcome.endings[0]),
            ),
            weight=76,
        )


@rule("negotiation")
def no_shared_signature_scheme(case: Case) -> Iterator[Finding]:
    """The client accepts no signature that the broker's key can make.

    What it means:
        The client lists the signature schemes that it can verify. With an RSA key the
        broker needs rsa_pss_rsae_* in TLS 1.3, with an EC key the ecdsa_* of its curve.
    On the wire:
        Extension signature_algorithms against the scheme used in ServerKeyExchange; a
        refusal of a hello that lacks schemes for RSA or EC keys; in TLS 1.3 with Go and
        rustls an alert straight after ServerHello.
    What to do:
        Update the client's TLS library, or give the broker a certificate of the type
        that the client can verify (RSA 2048 or EC P-256 suit nearly all).

    References:
        RFC 8446 section 4.2.3 (https://www.rfc-editor.org/rfc/rfc8446#section-4.2.3)
    """
    offer = offer_of(case)
    hello, event = case.tr.client_hello, case.tr.client_hello_event
    if offer is None or hello is None or event is None:
        return
    names = listed(scheme_names(offer.schemes))
    place = at_extension(event, hello, SIGNATURE_ALGORITHMS, f"signature_algorithms: {names}")
    exchange = case.tr.server_key_exchange
    used = exchange.signature_scheme if exchange is not None else None
    end = case.ending
    if used is not None and offer.schemes and used not in offer.schemes:
        cause = case.server_refused is not None
        yield Finding(
            rule="no-shared-signature-scheme",
            role="cause" if cause else "note",
            certainty="certain",
            title="The broker signed with a scheme that the client did not offer",
            explanation=f"ServerKeyExchange is signed with {label(SignatureScheme, used)}; the "
            f"client offers {names}.",
            evidence=(place,),
            weight=97,
        )
        return
    if (
        end is not None
        and case.tr.tls13
        and end.direction is SERVER
        and end.kind == "hidden"
        and case.phase == "server_flight"
        and case.flights.server_finished is None
        and not hello.extensions.alpn
    ):
        yield Finding(
            rule="no-shared-signature-scheme",
            role="cause",
            certainty="likely",
            title="The broker found no signature scheme that suits its key",
            explanation=f"Straight after ServerHello the broker {leaving(case.tr, end)}. At this "
            f"place a broker picks the scheme to sign with, and no ALPN was asked for that it "
            f"could refuse. The client offers {names}.",
            evidence=(place, at_ending(case, end)),
            weight=70,
        )
        return
    code = refused_hello(case)
    if code in (HANDSHAKE_FAILURE, INSUFFICIENT_SECURITY, 47, 80) and offer.schemes:
        missing = [
            what
            for what, able in (("RSA", offer.rsa_possible), ("EC", offer.ecdsa_possible))
            if not able
        ]
        if missing and offer.usual_groups and offer.usual_suites and not pre_shared(case):
            yield Finding(
                rule="no-shared-signature-scheme",
                role="cause",
                certainty="likely",
                title=f"The client can verify no signature of an {' or '.join(missing)} key",
                explanation=f"The client offers {names}, which leaves out brokers whose "
                f"certificate has an {' or '.join(missing)} key. Suites and groups are usual "
                f"ones. The broker refused with {alert(code or 0)}.",
                evidence=(place, at_ending(case, case.outcome.endings[0])),
                weight=74,
            )


@rule("negotiation")
def hello_retry_refused(case: Case) -> Iterator[Finding]:
    """The second try after a HelloRetryRequest failed.

    What it means:
        The broker asked for another key share. A healthy client sends a second
        ClientHello; here one side stopped instead.
    On the wire:
        A ServerHello with the HelloRetryRequest random, then an alert or a close.
    What to do:
        Put the broker's group first in the client's list, and update the TLS library
        that gave up.

    References:
        RFC 8446 section 4.1.4 (https://www.rfc-editor.org/rfc/rfc8446#section-4.1.4)
    """
    retry, end = case.tr.hello_retry_request, case.ending
    if retry is None or end is None or case.phase != "before_server_hello":
        return
    event = next(e for e, hello in case.tr.messages(type(retry)) if hello.retry)
    yield Finding(
        rule="hello-retry-refused",
        role="cause",
        certainty="likely",
        title="The second try after a HelloRetryRequest failed",
        explanation=f"The broker asked the client to try again; then the {end.direction.sender} "
        f"{leaving(case.tr, end)}.",
        evidence=(at_event(event, "HelloRetryRequest"), at_ending(case, end)),
        weight=60,
    )


@rule("negotiation")
def handshake_refused(case: Case) -> Iterator[Finding]:
    """The broker refused the ClientHello, and the bytes leave several reasons.

    What it means:
        The broker found nothing that suits both ends, or something in the hello that it
        does not accept, and said only that it refuses.
    On the wire:
        handshake_failure (40), insufficient_security (71) or a similar alert in place of
        a ServerHello, to an offer that most servers accept.
    What to do:
        Read the broker's log for this moment: it names the reason. Compare the lists
        below with the broker's configuration.

    References:
        RFC 8446 section 6.2 (https://www.rfc-editor.org/rfc/rfc8446#section-6.2)
    """
    offer, code, end = offer_of(case), case.server_alert, case.ending
    if offer is None or end is None or end.direction is not SERVER:
        return
    instead = case.phase == "before_server_hello" and end.kind in ("alert", "hidden")
    if not instead and not (case.phase == "server_flight" and code in _NO_ANSWER):
        return
    event = case.tr.client_hello_event
    yield Finding(
        rule="handshake-refused",
        role="cause",
        certainty="certain",
        title="The broker refused the handshake without saying why",
        explanation=f"In answer to the ClientHello the broker {leaving(case.tr, end)}. "
        f"{' '.join(_remaining(case, offer))}",
        evidence=(
            *((at_event(event, "The offer."),) if event is not None else ()),
            at_ending(case, end),
        ),
        weight=30,
    )


def _remaining(case: Case, offer: Offer) -> Iterator[str]:
    """What the offer excludes as a reason, and what it leaves."""
    if offer.usual_suites:
        yield (
            "The client offers cipher suites that nearly every broker has, so a missing "
            "common suite is unlikely unless the broker's list was narrowed."
        )
    remain = []
    if not offer.only_tls13 and len(offer.certificate_suites) == 1:
        (key,) = offer.certificate_suites
        remain.append(
            f"the broker's certificate has another key type than {key}, the only one that the "
            f"client's TLS 1.2 suites allow"
        )
    remain.append("the broker's list of suites, groups or signature schemes was narrowed")
    remain.append("the broker has no certificate (or no key) that suits the client's schemes")
    if offer.only_tls13:
        remain.append("the broker does not speak TLS 1.3, the only version on offer")
    if case.sni:
        remain.append(f"it does not serve the name {case.sni}")
    if pre_shared(case):
        remain.append("it does not know the pre-shared key")
    yield f"What remains possible: {'; '.join(remain)}. The broker's log tells which."
