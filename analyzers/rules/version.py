"""No common TLS version."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.finding import Certainty, Evidence, Finding
from analyzers.offer import FALLBACK_SCSV, TLS12, Offer, rank
from analyzers.rules._hello import (
    offer_of,
    offered_words,
    pre_shared,
    refused_hello,
    versions_evidence,
)
from analyzers.rules._rule import rule
from analyzers.rules._words import (
    alert,
    at_ending,
    at_event,
    leaving,
    suites_place,
    version,
)
from analyzers.transcript import CLIENT

PROTOCOL_VERSION = 70
HANDSHAKE_FAILURE = 40


@rule("version")
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
    offer, code = offer_of(case), refused_hello(case)
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
    words = offered_words(offer)
    yield Finding(
        rule="version-client-too-old",
        role="cause",
        certainty=certainty,
        title=f"The client speaks {version(offer.highest)} at most; the broker wants newer",
        explanation=f"The client offers {words}. The broker answered with {alert(code)} before "
        f"choosing a version, so its lowest version is above {version(offer.highest)}.",
        evidence=(
            *versions_evidence(case, f"The client offers {words}."),
            at_ending(case, case.outcome.endings[0]),
        ),
        weight=85,
    )


@rule("version")
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
    offer = offer_of(case)
    if offer is None:
        return
    yield from _agreed(case, offer)
    code = refused_hello(case)
    words = offered_words(offer)
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
            and not pre_shared(case)
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
                *versions_evidence(case, f"The client offers {words}."),
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
            *versions_evidence(case, f"The client offers {words}."),
            at_event(event, f"The broker chose {version(hello.version)}."),
            at_ending(case, end),
        ),
        weight=98,
    )


def _agreed(case: Case, offer: Offer) -> Iterator[Finding]:
    """Say that the version is not the reason where an alert of that name suggests it."""
    hello, event = case.tr.server_hello, case.tr.server_hello_event
    if hello is None or event is None or case.client_alert != PROTOCOL_VERSION:
        return
    if offer.has_version(hello.version):
        yield Finding(
            rule="version-server-too-old",
            role="ruled_out",
            certainty="certain",
            title="Not the TLS version",
            explanation=f"The client offered {version(hello.version)} and the broker chose it.",
            evidence=(at_event(event, f"{version(hello.version)} was agreed."),),
        )


@rule("version")
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
