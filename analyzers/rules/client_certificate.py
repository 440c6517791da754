"""The client's certificate, refused by the broker."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.blame import Blame, blame_visible
from analyzers.case import Case
from analyzers.certificates import verify_certificate_verify_tls12
from analyzers.events import HandshakeSeen
from analyzers.finding import Certainty, Evidence, Finding
from analyzers.messages import CertificateMessage, CertificateVerify
from analyzers.rules._rule import rule
from analyzers.rules._words import at_ending, at_event, refusing
from analyzers.transcript import CLIENT


def blamed(case: Case) -> dict[str, Blame]:
    """What the broker's refusal can rest on, by kind of fault."""
    refusal, judged = case.client_refused, case.client_judgement
    if refusal is None or judged is None:
        return {}
    return blame_visible(judged.defects, alert=refusal.alert, sure=refusal.sure, name_known=True)


def _fault(case: Case, kind: str, title: str) -> Iterator[Finding]:
    refusal, blame = case.client_refused, blamed(case).get(kind)
    if refusal is None or blame is None or blame.defect is None:
        return
    detail = blame.defect.detail
    says = detail[:1].upper() + detail[1:].rstrip(".") + "."
    found = case.tr.message(CertificateMessage, CLIENT)
    place: tuple[Evidence, ...] = ()
    if found is not None:
        event, message = found
        index = min(blame.defect.index or 0, len(message.certificates) - 1)
        place = (
            Evidence(
                says=says,
                event=event,
                offset=message.offsets[index],
                length=len(message.certificates[index]),
            ),
        )
    yield Finding(
        rule=f"client-certificate-{kind}",
        role="cause",
        certainty=blame.certainty,
        title=title,
        explanation=" ".join(
            part for part in (says, blame.reason, refusing(case, refusal)) if part
        ),
        evidence=(*place, at_ending(case, refusal.ending)),
        weight=blame.weight,
    )


@rule("client_certificate")
def client_certificate_missing(case: Case) -> Iterator[Finding]:
    """The broker requires a client certificate and the client sent none.

    What it means:
        The broker asked for a certificate and the client answered without one: none is
        configured, its private key is missing (common with .NET and PEM files), or the
        client's library dropped it because its issuer is not on the broker's list.
    On the wire:
        TLS 1.2: CertificateRequest, then an empty Certificate (7 bytes). TLS 1.3: an
        encrypted record of 25 bytes (41 from Java), and the refusal comes when the
        client already believes that it is connected.
    What to do:
        Configure certificate and private key in the client, or do not require one on
        the broker (Mosquitto: require_certificate; RabbitMQ: fail_if_no_peer_cert).

    References:
        RFC 8446 section 4.4.2.4 (https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2.4)
        RFC 5246 section 7.4.6 (https://www.rfc-editor.org/rfc/rfc5246#section-7.4.6)
    """
    refusal = case.client_refused
    if refusal is None or case.flights.sent not in ("empty", "none"):
        return
    clear = not case.tr.tls13
    certainty: Certainty = "certain" if clear and refusal.kind == "alert" else "likely"
    empty = next(
        (
            event
            for event, body in case.tr.messages(CertificateMessage)
            if event.direction is CLIENT
        ),
        None,
    )
    how = (
        "The client's Certificate message is empty."
        if clear
        else "The client's first protected records have the lengths of an empty Certificate and "
        "of Finished."
        if case.flights.sent == "empty"
        else "The client sent no Certificate."
    )
    late = (
        " In TLS 1.3 the client has finished its handshake by then, so it reports a lost "
        "connection rather than a failed handshake."
        if case.tr.tls13
        else ""
    )
    yield Finding(
        rule="client-certificate-missing",
        role="cause",
        certainty=certainty,
        title="The broker requires a client certificate and the client sent none",
        explanation=f"The broker asked for a client certificate. {how} "
        f"{refusing(case, refusal)}{late}",
        evidence=(
            *((at_event(empty, "An empty certificate_list."),) if empty is not None else ()),
            at_ending(case, refusal.ending),
        ),
        weight=96,
    )


@rule("client_certificate")
def client_certificate_wrong_key(case: Case) -> Iterator[Finding]:
    """The client's private key does not belong to its certificate.

    What it means:
        The client proves with a signature that it holds its certificate's key; here the
        signature does not verify under that certificate.
    On the wire:
        TLS 1.2: CertificateVerify, checked under the client's leaf.
    What to do:
        Pair certificate and key again: openssl x509 -noout -pubkey -in client.pem and
        openssl pkey -pubout -in client.key must print the same.

    References:
        RFC 5246 section 7.4.8 (https://www.rfc-editor.org/rfc/rfc5246#section-7.4.8)
    """
    found = case.tr.message(CertificateVerify)
    if found is None or not case.client_chain or case.client_refused is None:
        return
    event, verify = found
    signed = b"".join(
        message.raw
        for message in case.tr.of(HandshakeSeen)
        if message is not event and case.tr.events.index(message) < case.tr.events.index(event)
    )
    version = case.tr.version or 0
    valid = verify_certificate_verify_tls12(
        case.client_chain[0], signed, verify.signature_scheme, verify.signature, version
    )
    if valid is False:
        yield Finding(
            rule="client-certificate-wrong-key",
            role="cause",
            certainty="certain",
            title="The client's key does not belong to its certificate",
            explanation="The signature in the client's CertificateVerify does not verify under "
            f"its certificate. {refusing(case, case.client_refused)}",
            evidence=(at_event(event, "The signature does not verify."),),
            weight=99,
        )


@rule("client_certificate")
def client_certificate_expired(case: Case) -> Iterator[Finding]:
    """The client's certificate has expired.

    What it means:
        At the time of the connection its notAfter lay in the past.
    On the wire:
        TLS 1.2: notAfter of the client's leaf; the alert certificate_expired (45) or a
        close without a word (Node).
    What to do:
        Renew the device's certificate; check the broker's clock.

    References:
        RFC 5280 section 4.1.2.5 (https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5)
    """
    yield from _fault(case, "expired", "The client's certificate has expired")


@rule("client_certificate")
def client_certificate_not_yet_valid(case: Case) -> Iterator[Finding]:
    """The client's certificate is not valid yet.

    What it means:
        At the time of the connection its notBefore lay in the future.
    On the wire:
        TLS 1.2: notBefore of the client's leaf.
    What to do:
        Set the clocks of the CA's machine and the broker right.

    References:
        RFC 5280 section 4.1.2.5 (https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5)
    """
    yield from _fault(case, "not-yet-valid", "The client's certificate is not valid yet")


@rule("client_certificate")
def client_certificate_bad_signature(case: Case) -> Iterator[Finding]:
    """The client's certificate is not signed by the CA that it names.

    What it means:
        The signature does not verify under the named issuer: the CA was made anew under
        the same name, or the file was damaged.
    On the wire:
        TLS 1.2: the signatures along the client's Certificate message.
    What to do:
        Issue the client's certificate again from the CA that the broker trusts.

    References:
        RFC 5280 section 6.1.3 (https://www.rfc-editor.org/rfc/rfc5280#section-6.1.3)
    """
    yield from _fault(
        case, "bad-signature", "The signature on the client's certificate does not verify"
    )


@rule("client_certificate")
def client_certificate_wrong_eku(case: Case) -> Iterator[Finding]:
    """The client's certificate may not be used by a client.

    What it means:
        Its extendedKeyUsage does not contain clientAuth (public CAs have dropped it).
    On the wire:
        TLS 1.2: extendedKeyUsage of the client's leaf.
    What to do:
        Issue it from a private CA with extendedKeyUsage=clientAuth.

    References:
        RFC 5280 section 4.2.1.12 (https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12)
    """
    yield from _fault(case, "wrong-eku", "The client's certificate is not meant for clients")


@rule("client_certificate")
def client_certificate_self_signed(case: Case) -> Iterator[Finding]:
    """The client's certificate is self-signed and the broker does not know it.

    What it means:
        No CA stands behind it; the broker accepts it only if it has exactly this one.
    On the wire:
        TLS 1.2: one certificate whose issuer is its subject.
    What to do:
        Issue it from the CA in the broker's cafile, or add it there.

    References:
        RFC 5280 section 6.1 (https://www.rfc-editor.org/rfc/rfc5280#section-6.1)
    """
    yield from _fault(
        case,
        "self-signed",
        "The client's certificate is self-signed and the broker does not know it",
    )


@rule("client_certificate")
def client_certificate_missing_intermediate(case: Case) -> Iterator[Finding]:
    """The client does not send the intermediate CA of its certificate.

    What it means:
        The broker trusts the root, but cannot get from the client's certificate to it.
    On the wire:
        TLS 1.2: the issuer of the client's last certificate is not sent.
    What to do:
        Put the intermediate into the client's certificate file (leaf first), or into the
        broker's CA file.

    References:
        RFC 8446 section 4.4.2 (https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2)
    """
    yield from _fault(
        case, "missing-intermediate", "The client does not send its intermediate certificate"
    )


@rule("client_certificate")
def client_certificate_unknown_ca(case: Case) -> Iterator[Finding]:
    """The broker does not trust the CA that issued the client's certificate.

    What it means:
        The issuer is not among those that the broker's CA file names.
    On the wire:
        TLS 1.2: the client's issuer against CertificateRequest.certificate_authorities;
        the alert unknown_ca (48) or bad_certificate (42).
    What to do:
        Add the client's CA (with its intermediates) to the broker's CA file.

    References:
        RFC 5246 section 7.4.4 (https://www.rfc-editor.org/rfc/rfc5246#section-7.4.4)
    """
    yield from _fault(
        case, "unknown-ca", "The broker does not trust the CA behind the client's certificate"
    )


@rule("client_certificate")
def client_certificate_weak_key(case: Case) -> Iterator[Finding]:
    """The key of the client's certificate is shorter than brokers accept.

    What it means:
        RSA below 2048 bits is refused by most of today's verifiers.
    On the wire:
        TLS 1.2: the public key of the client's leaf.
    What to do:
        Issue it with RSA 2048 or more, or EC P-256.

    References:
        NIST SP 800-57 Part 1 (https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final)
    """
    yield from _fault(case, "weak-key", "The key of the client's certificate is too short")


@rule("client_certificate")
def client_certificate_weak_signature(case: Case) -> Iterator[Finding]:
    """The client's certificate is signed with a hash that is no longer accepted.

    What it means:
        MD5 and SHA-1 signatures are refused by today's verifiers.
    On the wire:
        TLS 1.2: signatureAlgorithm along the client's chain.
    What to do:
        Issue it again with SHA-256.

    References:
        RFC 9155 (https://www.rfc-editor.org/rfc/rfc9155)
    """
    yield from _fault(
        case, "weak-signature", "The client's certificate is signed with a hash that is too weak"
    )


@rule("client_certificate")
def client_certificate_revoked(case: Case) -> Iterator[Finding]:
    """The broker found the client's certificate revoked.

    What it means:
        The CA has withdrawn the certificate, and the broker's CRL or OCSP answer says so.
    On the wire:
        The alert certificate_revoked (44); encrypted in TLS 1.3.
    What to do:
        Give the device a new certificate.

    References:
        RFC 8446 section 6.2 (https://www.rfc-editor.org/rfc/rfc8446#section-6.2)
    """
    refusal = case.client_refused
    if refusal is not None and refusal.alert == 44:
        yield Finding(
            rule="client-certificate-revoked",
            role="cause",
            certainty="certain",
            title="The broker found the client's certificate revoked",
            explanation=refusing(case, refusal),
            evidence=(at_ending(case, refusal.ending),),
            weight=98,
        )


@rule("client_certificate")
def client_certificate_refused(case: Case) -> Iterator[Finding]:
    """The broker refused the client's certificate, and the bytes do not show why.

    What it means:
        The broker had the client's certificate in hand and ended the connection.
    On the wire:
        TLS 1.3: a long encrypted client record (Certificate), then an alert-sized record
        from the server and a close. Node and nginx close without a word.
    What to do:
        Read the broker's log for this moment. Check that its CA file has the client's
        issuer, that the client sends its intermediates, and the dates.

    References:
        RFC 8446 section 4.4.2.4 (https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2.4)
    """
    refusal = case.client_refused
    if refusal is None or case.flights.sent != "certificate":
        return
    hidden = (
        " In TLS 1.3 the certificate is encrypted, so its fault cannot be seen here."
        if case.tr.tls13
        else ""
    )
    yield Finding(
        rule="client-certificate-refused",
        role="cause",
        certainty="certain" if refusal.kind == "alert" else refusal.sure,
        title="The broker refused the client's certificate",
        explanation=f"{refusing(case, refusal)}{hidden} Possible "
        "reasons: an issuer that the broker does not trust, an intermediate that was not sent, a "
        "date, a purpose other than clientAuth, or a revoked certificate. The broker's log "
        "tells which.",
        evidence=(at_ending(case, refusal.ending),),
        weight=30,
    )
