"""Nothing in common: versions, cipher suites, groups, signature schemes, names."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.codepoints import NamedGroup, SignatureScheme, label
from analyzers.extensions import ALPN, SERVER_NAME, SIGNATURE_ALGORITHMS, SUPPORTED_GROUPS
from analyzers.extensions import SUPPORTED_VERSIONS as VERSIONS
from analyzers.finding import Certainty, Evidence, Finding
from analyzers.offer import FALLBACK_SCSV, TLS12, Offer, group_names, rank, scheme_names
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
    version,
)
from analyzers.transcript import CLIENT, SERVER

PROTOCOL_VERSION, HANDSHAKE_FAILURE, INSUFFICIENT_SECURITY = 70, 40, 71
_NO_ANSWER = frozenset({10, 20, 40, 47, 51, 71, 80, 109, 115})
"""Alerts with which a server refuses a hello without naming one clear reason."""


def _offer(case: Case) -> Offer | None:
    hello = case.tr.client_hello
    return Offer.of(hello) if hello is not None else None


def _versions_evidence(case: Case, says: str) -> Iterator[Evidence]:
    hello, event = case.tr.client_hello, case.tr.client_hello_event
    if hello is None or event is None:
        return
    if hello.extensions.versions:
        yield at_extension(event, hello, VERSIONS, says)
    else:
        yield Evidence(says=says, event=event, offset=4, length=2)


def _refused_hello(case: Case) -> int | None:
    """The clear alert with which the server refused the first hello, if it did."""
    if case.phase != "before_server_hello" or case.tr.hello_retry_request is not None:
        return None
    return case.server_alert


def _offered_words(offer: Offer) -> str:
    names = [version(number) for number in offer.versions]
    if not offer.listed and offer.versions:
        return f"{names[0]} at most"
    return listed(names)


@rule("negotiation")
def version_client_too_old(case: Case) -> Iterator[Finding]:
    """The client's highest TLS version is below the broker's lowest.

    What it means:
        The broker insists on a newer TLS version than the client can (or is set to) speak.
    On the wire:
        The ClientHello offers no TLS 1.3 and the server answers with protocol_version
        (70) before any ServerHello; some stacks say handshake_failure (40) or
        internal_error (80).
    What to do:
        Allow a newer version in the client (or update its TLS library); only if the
        device cannot, lower the broker's minimum.

    References:
        RFC 8446 section 4.2.1 (https://www.rfc-editor.org/rfc/rfc8446#section-4.2.1)
    """
    offer, code = _offer(case), _refused_hello(case)
    if offer is None or code is None or offer.tls13:
        return
    certainty: Certainty
    if code == PROTOCOL_VERSION:
        certainty = "certain"
    elif offer.highest < TLS12 and code in (HANDSHAKE_FAILURE, 47, 71, 80):
        certainty = "likely"
    elif code == HANDSHAKE_FAILURE and offer.usual_suites and offer.usual_groups:
        certainty = "possible"
    else:
        return
    words = _offered_words(offer)
    yield Finding(
        rule="version-client-too-old",
        role="cause",
        certainty=certainty,
        title=f"The client speaks {version(offer.highest)} at most; the broker wants newer",
        explanation=f"The client offers {words}. The broker answered with {alert(code)} before "
        f"choosing a version, so its lowest version is above {version(offer.highest)}.",
        evidence=(
            *_versions_evidence(case, f"The client offers {words}."),
            at_ending(case, case.outcome.endings[0]),
        ),
        weight=85,
    )


@rule("negotiation")
def version_server_too_old(case: Case) -> Iterator[Finding]:
    """The broker's highest TLS version is below the client's lowest.

    What it means:
        The client insists on a newer TLS version than the broker can (or is set to) speak.
    On the wire:
        The server refuses an offer that contains TLS 1.3 with protocol_version (70), or
        it chooses a version that the client did not offer and the client leaves.
    What to do:
        Enable the newer version on the broker (or update it); only if it cannot, lower
        the client's minimum.

    References:
        RFC 8446 section 4.2.1 (https://www.rfc-editor.org/rfc/rfc8446#section-4.2.1)
    """
    offer = _offer(case)
    if offer is None:
        return
    code = _refused_hello(case)
    words = _offered_words(offer)
    if code is not None and offer.tls13:
        if code == PROTOCOL_VERSION:
            certainty: Certainty = "certain"
        elif (
            code in (HANDSHAKE_FAILURE, 47, 80)
            and offer.only_tls13
            and offer.usual_suites
            and offer.usual_groups
            and offer.rsa_possible
            and offer.ecdsa_possible
            and not _pre_shared(case)
        ):
            certainty = "possible"
        else:
            return
        yield Finding(
            rule="version-server-too-old",
            role="cause",
            certainty=certainty,
            title=f"The client wants {version(offer.versions[-1])} or newer; the broker is older",
            explanation=f"The client offers {words}. The broker answered with {alert(code)} "
            f"before choosing a version, so it supports none of these.",
            evidence=(
                *_versions_evidence(case, f"The client offers {words}."),
                at_ending(case, case.outcome.endings[0]),
            ),
            weight=85,
        )
        return
    yield from _chosen_not_offered(case, offer, words)


def _chosen_not_offered(case: Case, offer: Offer, words: str) -> Iterator[Finding]:
    hello, event, end = case.tr.server_hello, case.tr.server_hello_event, case.ending
    if hello is None or event is None or end is None or end.direction is not CLIENT:
        return
    if case.phase != "server_flight":
        return
    offered = offer.has_version(hello.version)
    if offered is True or (rank(hello.version) >= rank(offer.highest) and offered is None):
        return
    told = case.client_alert == PROTOCOL_VERSION
    if offered is None and not told:
        return
    yield Finding(
        rule="version-server-too-old",
        role="cause",
        certainty="certain" if offered is False else "likely",
        title=f"The broker chose {version(hello.version)}, which the client does not accept",
        explanation=f"The client offers {words}; the broker answered with "
        f"{version(hello.version)}. The client then {leaving(case.tr, end)}.",
        evidence=(
            *_versions_evidence(case, f"The client offers {words}."),
            at_event(event, f"The broker chose {version(hello.version)}."),
            at_ending(case, end),
        ),
        weight=98,
    )


def _pre_shared(case: Case) -> bool:
    hello = case.tr.client_hello
    return hello is not None and bool(hello.extensions.psk_identities)


@rule("negotiation")
def inappropriate_fallback(case: Case) -> Iterator[Finding]:
    """The client tried again with a lower version, and one side noticed.

    What it means:
        The client fell back to an older TLS version although both ends can do better:
        an earlier try failed for another reason, or somebody forces a downgrade.
    On the wire:
        TLS_FALLBACK_SCSV in the ClientHello and the server's alert
        inappropriate_fallback (86); or the downgrade sentinel in ServerHello.random and
        the client's alert illegal_parameter (47).
    What to do:
        Find out why the first try failed, and take the fallback out of the client.

    References:
        RFC 7507 (https://www.rfc-editor.org/rfc/rfc7507)
        RFC 8446 section 4.1.3 (https://www.rfc-editor.org/rfc/rfc8446#section-4.1.3)
    """
    hello, event = case.tr.client_hello, case.tr.client_hello_event
    if hello is None or event is None:
        return
    scsv = FALLBACK_SCSV in hello.cipher_suites
    start, length = suites_place(hello)
    if case.server_alert == 86:
        yield Finding(
            rule="inappropriate-fallback",
            role="cause",
            certainty="certain",
            title="The client fell back to an older version, and the broker refused it",
            explanation=f"The client offers {version(Offer.of(hello).highest)} at most and marks "
            f"it as a fallback (TLS_FALLBACK_SCSV). The broker can do better and said so.",
            evidence=(
                Evidence(says="TLS_FALLBACK_SCSV", event=event, offset=start, length=length),
                at_ending(case, case.outcome.endings[0]),
            ),
            weight=95,
        )
    server = case.tr.server_hello
    if server is not None and server.downgrade and case.client_alert == 47:
        answer = case.tr.server_hello_event
        yield Finding(
            rule="inappropriate-fallback",
            role="cause",
            certainty="certain" if scsv else "likely",
            title="The client found that the version was lowered, and stopped",
            explanation=f"ServerHello.random ends in the downgrade sentinel: the broker can do "
            f"more than the {version(server.version)} that it chose. The client is able to do "
            f"more as well, read this as a downgrade and sent illegal_parameter (47).",
            evidence=(
                Evidence(
                    says="The downgrade sentinel in ServerHello.random.",
                    event=answer,
                    offset=4 + 2 + 24,
                    length=8,
                ),
                at_ending(case, case.outcome.endings[0]),
            ),
            weight=95,
        )


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
    offer, code = _offer(case), _refused_hello(case)
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
    offer = _offer(case)
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
    code = _refused_hello(case)
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
    offer = _offer(case)
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
    code = _refused_hello(case)
    if code in (HANDSHAKE_FAILURE, INSUFFICIENT_SECURITY, 47, 80) and offer.schemes:
        missing = [
            what
            for what, able in (("RSA", offer.rsa_possible), ("EC", offer.ecdsa_possible))
            if not able
        ]
        if missing and offer.usual_groups and offer.usual_suites and not _pre_shared(case):
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
def alpn_mismatch(case: Case) -> Iterator[Finding]:
    """The broker supports none of the application protocols that the client offers.

    What it means:
        The client offers protocols by ALPN, and the broker insists on others: a typing
        error ("mqtts"), http/1.1 on an MQTT port, or AWS IoT's x-amzn-mqtt-ca on port 443.
    On the wire:
        The alert no_application_protocol (120); from Go and rustls encrypted, straight
        after ServerHello.
    What to do:
        Set the client's ALPN list to what the broker expects ("mqtt"), or leave it out.

    References:
        RFC 7301 section 3.2 (https://www.rfc-editor.org/rfc/rfc7301#section-3.2)
    """
    hello, event, end = case.tr.client_hello, case.tr.client_hello_event, case.ending
    if hello is None or event is None or end is None or end.direction is not SERVER:
        return
    names = listed([name.decode("ascii", "backslashreplace") for name in hello.extensions.alpn])
    early = case.phase in ("before_server_hello", "server_flight")
    hidden = end.kind == "hidden" and case.tr.tls13 and case.phase == "server_flight"
    if not ((case.server_alert == 120 and early) or (hidden and hello.extensions.alpn)):
        return
    yield Finding(
        rule="alpn-mismatch",
        role="cause",
        certainty="certain" if case.server_alert == 120 else "likely",
        title="The broker supports none of the client's application protocols",
        explanation=f"The client offers {names} by ALPN. The broker {leaving(case.tr, end)}"
        + (
            "."
            if case.server_alert == 120
            else " straight after ServerHello, where a broker compares application protocols."
        ),
        evidence=(at_extension(event, hello, ALPN, f"ALPN: {names}"), at_ending(case, end)),
        weight=94 if case.server_alert == 120 else 72,
    )


@rule("negotiation")
def sni_refused(case: Case) -> Iterator[Finding]:
    """The broker does not know the name that the client asked for.

    What it means:
        The client named a host (SNI) that the broker or its front end does not serve: a
        typing error, an alias, or localhost through a proxy.
    On the wire:
        server_name in the ClientHello and the fatal alert unrecognized_name (112).
    What to do:
        Connect by the name that the broker is configured for.

    References:
        RFC 6066 section 3 (https://www.rfc-editor.org/rfc/rfc6066#section-3)
    """
    hello, event = case.tr.client_hello, case.tr.client_hello_event
    if hello is None or event is None or case.server_alert != 112 or not case.sni:
        return
    yield Finding(
        rule="sni-refused",
        role="cause",
        certainty="certain",
        title=f"The broker does not serve the name {case.sni}",
        explanation=f"The client asked for {case.sni}; the broker answered with {alert(112)}.",
        evidence=(
            at_extension(event, hello, SERVER_NAME, f"server_name: {case.sni}"),
            at_ending(case, case.outcome.endings[0]),
        ),
        weight=94,
    )


@rule("negotiation")
def sni_missing(case: Case) -> Iterator[Finding]:
    """The client names no host, and the broker needs one.

    What it means:
        Cloud brokers serve many names on one address and pick the tenant by SNI. A
        client that connects by IP address, or is not told to send SNI, sends none.
    On the wire:
        No server_name in the ClientHello, and the server's alert unrecognized_name (112)
        or missing_extension (109).
    What to do:
        Connect by name, and switch SNI on in the client.

    References:
        RFC 8446 section 9.2 (https://www.rfc-editor.org/rfc/rfc8446#section-9.2)
    """
    event = case.tr.client_hello_event
    if event is None or case.sni or case.server_alert not in (109, 112):
        return
    yield Finding(
        rule="sni-missing",
        role="cause",
        certainty="certain" if case.server_alert == 112 else "likely",
        title="The client names no host, and the broker needs the name",
        explanation=f"The ClientHello has no server_name, and the broker refused it with "
        f"{alert(case.server_alert or 0)}.",
        evidence=(
            at_event(event, "No server_name extension."),
            at_ending(case, case.outcome.endings[0]),
        ),
        weight=90,
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
    offer, code, end = _offer(case), case.server_alert, case.ending
    if offer is None or end is None or code is None:
        return
    early = case.phase in ("before_server_hello", "server_flight")
    if not early or code not in _NO_ANSWER or code in (115, 20):
        return
    event = case.tr.client_hello_event
    yield Finding(
        rule="handshake-refused",
        role="cause",
        certainty="certain",
        title="The broker refused the handshake without saying why",
        explanation=f"The broker answered the ClientHello with {alert(code)}. "
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
    if _pre_shared(case):
        remain.append("it does not know the pre-shared key")
    yield f"What remains possible: {'; '.join(remain)}. The broker's log tells which."
