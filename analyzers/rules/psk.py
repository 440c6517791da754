"""Pre-shared keys, resumption and renegotiation."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.codepoints.suites import key_exchange
from analyzers.extensions import PRE_SHARED_KEY
from analyzers.finding import Certainty, Evidence, Finding
from analyzers.messages import ClientKeyExchange
from analyzers.offer import Offer
from analyzers.outcome import renegotiation_refused_by
from analyzers.rules._rule import rule
from analyzers.rules._words import alert, at_ending, at_event, at_extension, leaving, side

_TICKET_LENGTH = 100
"""Identities from this length on are session tickets; people choose shorter ones."""


def _external_identity(case: Case) -> bytes | None:
    """The identity of a configured key in the ClientHello; None for tickets and none."""
    hello = case.tr.client_hello
    if hello is None or not hello.extensions.psk_identities:
        return None
    identity = hello.extensions.psk_identity or b""
    return identity if len(identity) < _TICKET_LENGTH else None


def _chosen_psk(case: Case) -> bool:
    """Whether a TLS 1.2 suite with a pre-shared key was chosen."""
    hello = case.tr.server_hello
    return hello is not None and "PSK" in (key_exchange(hello.cipher_suite) or "")


@rule("psk")
def psk_unknown_identity(case: Case) -> Iterator[Finding]:
    """The broker does not know the client's pre-shared key identity.

    What it means:
        The identity that the client names is not in the broker's list of keys.
    On the wire:
        The alert unknown_psk_identity (115); in TLS 1.3 servers that fall back to
        certificates and have none say handshake_failure (40).
    What to do:
        Add the identity and its key to the broker (Mosquitto: psk_file, psk_hint), spelled
        exactly as in the client.

    References:
        RFC 4279 section 2 (https://www.rfc-editor.org/rfc/rfc4279#section-2)
        RFC 8446 section 4.2.11 (https://www.rfc-editor.org/rfc/rfc8446#section-4.2.11)
    """
    code, end = case.server_alert, case.ending
    if end is None or code is None:
        return
    external = _external_identity(case)
    certainty: Certainty
    if code == 115:
        certainty = "certain"
    elif code in (40, 71) and external is not None and case.phase == "before_server_hello":
        certainty = "likely"
    else:
        return
    event, hello = case.tr.client_hello_event, case.tr.client_hello
    exchange = case.tr.message(ClientKeyExchange)
    identity = external or (exchange[1].psk_identity if exchange else None)
    proof: tuple[Evidence, ...] = ()
    if external is not None and event is not None and hello is not None:
        proof = (at_extension(event, hello, PRE_SHARED_KEY, "pre_shared_key"),)
    elif exchange is not None and identity is not None:
        proof = (
            Evidence(says="psk_identity", event=exchange[0], offset=4, length=2 + len(identity)),
        )
    name = identity.decode("utf-8", "backslashreplace") if identity else "the client's identity"
    yield Finding(
        rule="psk-unknown-identity",
        role="cause",
        certainty=certainty,
        title="The broker does not know the client's pre-shared key identity",
        explanation=f"The client named the identity {name}; the broker {leaving(case.tr, end)}.",
        evidence=(*proof, at_ending(case, end)),
        weight=90 if code == 115 else 78,
    )


@rule("psk")
def psk_wrong_key(case: Case) -> Iterator[Finding]:
    """Client and broker have different keys for the same identity.

    What it means:
        The identity is known, but the keys behind it differ, so the first protected
        message (or the binder, in TLS 1.3) does not verify.
    On the wire:
        TLS 1.2: bad_record_mac (20) or decrypt_error (51) after the client's Finished.
        TLS 1.3: illegal_parameter (47) or decrypt_error (51) in answer to a ClientHello
        with pre_shared_key.
    What to do:
        Put the same hexadecimal key on both ends.

    References:
        RFC 4279 section 2 (https://www.rfc-editor.org/rfc/rfc4279#section-2)
        RFC 8446 section 4.2.11.2 (https://www.rfc-editor.org/rfc/rfc8446#section-4.2.11.2)
    """
    code, end = case.server_alert, case.ending
    if end is None or code is None:
        return
    early = case.phase == "before_server_hello" and _external_identity(case) is not None
    late = case.phase == "finished" and _chosen_psk(case)
    if not ((early and code in (20, 47, 51)) or (late and code in (20, 21, 51))):
        return
    # RFC 4279 lets a server answer an unknown identity in the same way.
    yield Finding(
        rule="psk-wrong-key",
        role="cause",
        certainty="likely",
        title="Client and broker have different pre-shared keys",
        explanation=f"The client proved its pre-shared key and the broker "
        f"{leaving(case.tr, end)}: the proof does not fit the broker's key. A broker may also "
        f"answer an identity that it does not know in this way.",
        evidence=(at_ending(case, end),),
        weight=80,
    )


@rule("psk")
def psk_instead_of_certificate(case: Case) -> Iterator[Finding]:
    """The client can only use a pre-shared key, and the broker works with certificates.

    What it means:
        All cipher suites of the client need a pre-shared key; a listener with a
        certificate and no keys has none in common with it.
    On the wire:
        Only PSK suites in the ClientHello, and handshake_failure (40).
    What to do:
        Point the client at the broker's PSK listener, or give it a CA file in place of
        the key.

    References:
        RFC 4279 section 1 (https://www.rfc-editor.org/rfc/rfc4279#section-1)
    """
    hello, end = case.tr.client_hello, case.ending
    if hello is None or end is None or case.phase != "before_server_hello":
        return
    if case.server_alert not in (40, 71) or hello.extensions.psk_identities:
        return
    event = case.tr.client_hello_event
    if Offer.of(hello).only_psk and event is not None and not Offer.of(hello).tls13:
        yield Finding(
            rule="psk-instead-of-certificate",
            role="cause",
            certainty="likely",
            title="The client wants a pre-shared key, the broker a certificate",
            explanation=f"Every cipher suite of the client needs a pre-shared key. The broker "
            f"refused with {alert(case.server_alert or 0)}: it has no such suite.",
            evidence=(at_event(event, "Only PSK cipher suites."), at_ending(case, end)),
            weight=82,
        )


@rule("psk")
def renegotiation_refused(case: Case) -> Iterator[Finding]:
    """A second handshake inside the session was refused.

    What it means:
        One side began a renegotiation (TLS 1.2 and earlier). Most servers refuse it
        since 2009, and TLS 1.3 has none.
    On the wire:
        Handshake records after both Finished, answered by an alert or a close.
    What to do:
        Switch renegotiation off in the side that begins it; to change the client
        certificate, connect anew.

    References:
        RFC 5746 section 4.4 (https://www.rfc-editor.org/rfc/rfc5746#section-4.4)
    """
    by = renegotiation_refused_by(case.flights, case.outcome.endings)
    begun = case.flights.renegotiation
    if by is None or begun is None:
        return
    event = case.tr.events[begun]
    yield Finding(
        rule="renegotiation-refused",
        role="cause",
        certainty="likely",
        title="A second handshake inside the session was refused",
        explanation=f"{side(event.direction).capitalize()} began another handshake on the "
        f"established connection; it was not answered with one, and {side(by)} gave up.",
        evidence=(at_event(event, "A handshake record after both Finished."),),
        weight=85,
    )
