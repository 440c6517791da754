"""The broker's certificate, refused by the client."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.blame import Blame, blame_hidden, blame_visible
from analyzers.case import Case, Refusal
from analyzers.events import HandshakeSeen
from analyzers.finding import Evidence, Finding
from analyzers.messages import CertificateMessage
from analyzers.rules._rule import rule
from analyzers.rules._words import alert, at_ending, at_event, refusing
from analyzers.transcript import SERVER


def blamed(case: Case) -> dict[str, Blame]:
    """What the refusal can rest on, by kind of fault; empty if nothing was refused."""
    refusal = case.server_refused
    if refusal is None:
        return {}
    judged = case.server_judgement
    if judged is not None:
        return blame_visible(
            judged.defects,
            alert=refusal.alert,
            sure=refusal.sure,
            name_known=case.checked_name is not None,
        )
    return blame_hidden(
        alert=refusal.alert,
        meanings=case.meanings(refusal.alert),
        points_at_proxy=case.points_at_proxy,
        server_key=case.flights.server_key,
    )


def _place(case: Case, index: int | None, says: str) -> Iterator[Evidence]:
    found = case.tr.message(CertificateMessage, SERVER)
    if found is None:
        return
    event, message = found
    if index is None or index >= len(message.certificates):
        yield at_event(event, says)
    else:
        yield Evidence(
            says=says,
            event=event,
            offset=message.offsets[index],
            length=len(message.certificates[index]),
        )


def _fault(case: Case, kind: str, title: str, *, hidden: str = "") -> Iterator[Finding]:
    """The finding for one kind of fault: cause, note on an accepted one, or ruled out."""
    identifier = f"certificate-{kind}"
    refusal = case.server_refused
    judged = case.server_judgement
    blame = blamed(case).get(kind)
    if refusal is not None and blame is not None:
        says = (
            _sentence(blame.defect.detail) if blame.defect else hidden or "It cannot be seen here."
        )
        evidence = list(_place(case, blame.defect.index, says)) if blame.defect else []
        yield Finding(
            rule=identifier,
            role="cause",
            certainty=blame.certainty,
            title=title,
            explanation=" ".join(
                part for part in (says, blame.reason, refusing(case, refusal)) if part
            ),
            evidence=(*evidence, at_ending(case, refusal.ending)),
            weight=blame.weight,
        )
        return
    if judged is None:
        return
    passed = judged.ruled_out(kind)
    if refusal is not None and refusal.sure != "possible" and passed is not None:
        yield Finding(
            rule=identifier,
            role="ruled_out",
            certainty="certain",
            title=_not(title),
            explanation=_sentence(passed.detail),
            evidence=tuple(_place(case, 0, _sentence(passed.detail))),
        )
        return
    defect = judged.first(kind)
    if refusal is None and defect is not None and defect.certainty == "certain":
        yield Finding(
            rule=identifier,
            role="note",
            certainty="certain",
            title=title,
            explanation=f"{_sentence(defect.detail)} This client did not object to it here; "
            f"another one may.",
            evidence=tuple(_place(case, defect.index, _sentence(defect.detail))),
        )


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:].rstrip(".") + "."


def _not(title: str) -> str:
    return f"Not the reason: {title[:1].lower()}{title[1:]}"


@rule("certificate")
def certificate_wrong_key(case: Case) -> Iterator[Finding]:
    """The broker's ServerKeyExchange is not signed with the key of its certificate.

    What it means:
        The broker proves with a signature that it holds the private key of its
        certificate. Here the signature does not verify under the certificate's public
        key: certificate and key file do not belong together, or bytes were altered.
    On the wire:
        TLS 1.2 and earlier: the signature in ServerKeyExchange, checked under the leaf
        of the Certificate message.
    What to do:
        Configure the private key that the certificate was issued for. Compare:
        openssl x509 -noout -pubkey -in server.pem and openssl pkey -pubout -in server.key.

    References:
        RFC 5246 section 7.4.3 (https://www.rfc-editor.org/rfc/rfc5246#section-7.4.3)
    """
    if case.server_key_exchange_valid is False:
        event = next(e for e in case.tr.of(HandshakeSeen, SERVER) if e.type == 12)
        refused = case.server_refused is not None
        yield Finding(
            rule="certificate-wrong-key",
            role="cause" if refused else "note",
            certainty="certain",
            title="The broker's key does not belong to its certificate",
            explanation="The signature in ServerKeyExchange does not verify under the public key "
            "of the broker's certificate, so the broker uses another private key.",
            evidence=(at_event(event, "Its signature does not verify under the leaf's key."),),
            weight=99,
        )


@rule("certificate")
def certificate_bad_signature(case: Case) -> Iterator[Finding]:
    """A certificate in the broker's chain is not signed by the CA that it names.

    What it means:
        The certificate says that it was issued by a CA, but the signature does not
        verify under that CA's key: the CA was made anew under the same name, the file
        was damaged, or the wrong CA file was put into the chain.
    On the wire:
        TLS 1.2: each certificate's signature is checked under its issuer in the chain.
        TLS 1.3: only an alert decrypt_error (51) or bad_certificate (42) hints at it.
    What to do:
        Issue the broker's certificate again from the CA whose certificate the clients
        have, and serve that CA's chain. Check with: openssl verify -CAfile ca.pem server.pem
    References:
        RFC 5280 section 6.1.3 (https://www.rfc-editor.org/rfc/rfc5280#section-6.1.3)
    """
    yield from _fault(
        case,
        "bad-signature",
        "The signature on the broker's certificate does not verify",
        hidden="The alert says that a signature could not be verified.",
    )


@rule("certificate")
def certificate_expired(case: Case) -> Iterator[Finding]:
    """The broker's certificate has expired.

    What it means:
        At the time of the connection the certificate's notAfter lay in the past.
    On the wire:
        TLS 1.2: notAfter of the leaf against the time of the connection. TLS 1.3: the
        alert certificate_expired (45), in clear from OpenSSL clients.
    What to do:
        Renew the broker's certificate and reload the broker. If the dates are right,
        check the client's clock.

    References:
        RFC 5280 section 4.1.2.5 (https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5)
    """
    yield from _fault(
        case,
        "expired",
        "The broker's certificate has expired",
        hidden="The alert says that a certificate of the chain is out of date.",
    )


@rule("certificate")
def certificate_intermediate_expired(case: Case) -> Iterator[Finding]:
    """An intermediate CA in the broker's chain has expired.

    What it means:
        The broker's own certificate is in date, but a CA certificate between it and the
        root is not.
    On the wire:
        TLS 1.2: notAfter of a certificate after the first in the Certificate message.
    What to do:
        Put the current intermediate into the broker's chain file and reload it.

    References:
        RFC 5280 section 6.1.3 (https://www.rfc-editor.org/rfc/rfc5280#section-6.1.3)
    """
    yield from _fault(
        case, "intermediate-expired", "An intermediate CA of the broker's chain has expired"
    )


@rule("certificate")
def certificate_root_expired(case: Case) -> Iterator[Finding]:
    """The root CA of the broker's chain has expired.

    What it means:
        The chain ends in a CA certificate whose time is over.
    On the wire:
        TLS 1.2: notAfter of the self-signed certificate, if the broker sends it.
    What to do:
        Move clients and broker to the CA's new root certificate.

    References:
        RFC 5280 section 6.1 (https://www.rfc-editor.org/rfc/rfc5280#section-6.1)
    """
    yield from _fault(case, "root-expired", "The root CA of the broker's chain has expired")


@rule("certificate")
def certificate_not_yet_valid(case: Case) -> Iterator[Finding]:
    """The broker's certificate is not valid yet.

    What it means:
        At the time of the connection notBefore lay in the future: the certificate was
        just made on a machine whose clock is ahead, or the verifier's clock is behind.
    On the wire:
        TLS 1.2: notBefore of the leaf against the time of the connection.
    What to do:
        Set the clocks right (NTP on both ends; a device without a battery starts in
        1970), or issue the certificate with an earlier notBefore.

    References:
        RFC 5280 section 4.1.2.5 (https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5)
    """
    yield from _fault(case, "not-yet-valid", "The broker's certificate is not valid yet")


@rule("certificate")
def certificate_issuer_not_ca(case: Case) -> Iterator[Finding]:
    """A certificate in the broker's chain was issued by one that is not a CA.

    What it means:
        The issuer's certificate lacks basicConstraints CA:TRUE (or keyCertSign), so
        nothing that it signed may be trusted.
    On the wire:
        TLS 1.2: basicConstraints of the certificates after the first.
    What to do:
        Make the CA certificate again with basicConstraints=critical,CA:TRUE and
        keyUsage=keyCertSign,cRLSign, then issue the broker's certificate again.

    References:
        RFC 5280 section 4.2.1.9 (https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.9)
    """
    yield from _fault(
        case, "issuer-not-ca", "The broker's certificate was issued by one that is not a CA"
    )


@rule("certificate")
def certificate_name_constraints(case: Case) -> Iterator[Finding]:
    """The broker's name lies outside what its CA may certify.

    What it means:
        A CA of the chain has name constraints, and a name in the broker's certificate
        is not within them.
    On the wire:
        TLS 1.2: nameConstraints of the CA against the leaf's subjectAltName.
    What to do:
        Use a name that the CA permits, or a CA without that constraint.

    References:
        RFC 5280 section 4.2.1.10 (https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.10)
    """
    yield from _fault(case, "name-constraints", "The broker's CA may not certify the broker's name")


@rule("certificate")
def certificate_unknown_critical_extension(case: Case) -> Iterator[Finding]:
    """A certificate has a critical extension that verifiers do not know.

    What it means:
        A critical extension that a verifier cannot process must make it refuse.
    On the wire:
        TLS 1.2: an extension with critical=TRUE and an unusual OID.
    What to do:
        Issue the certificate without that extension, or not critical.

    References:
        RFC 5280 section 4.2 (https://www.rfc-editor.org/rfc/rfc5280#section-4.2)
    """
    yield from _fault(
        case,
        "unknown-critical-extension",
        "The broker's certificate has a critical extension that clients do not know",
    )


@rule("certificate")
def certificate_wrong_eku(case: Case) -> Iterator[Finding]:
    """The broker's certificate may not be used by a server.

    What it means:
        Its extendedKeyUsage does not contain serverAuth; often a client certificate was
        configured on the broker.
    On the wire:
        TLS 1.2: extendedKeyUsage of the leaf. TLS 1.3: the alert
        unsupported_certificate (43), in clear from OpenSSL clients.
    What to do:
        Issue the broker's certificate with extendedKeyUsage=serverAuth.

    References:
        RFC 5280 section 4.2.1.12 (https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12)
    """
    yield from _fault(
        case,
        "wrong-eku",
        "The broker's certificate is not meant for servers",
        hidden="The alert says that the certificate may not be used for this purpose.",
    )


@rule("certificate")
def certificate_wrong_key_usage(case: Case) -> Iterator[Finding]:
    """The keyUsage of the broker's certificate forbids what TLS needs.

    What it means:
        With (EC)DHE and TLS 1.3 the key must sign (digitalSignature), with RSA key
        exchange it must decrypt (keyEncipherment); keyUsage allows neither.
    On the wire:
        TLS 1.2: keyUsage of the leaf against the chosen suite.
    What to do:
        Issue the certificate with keyUsage=digitalSignature,keyEncipherment.

    References:
        RFC 5280 section 4.2.1.3 (https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.3)
    """
    yield from _fault(
        case, "wrong-key-usage", "The broker's certificate forbids the use of its key for TLS"
    )


@rule("certificate")
def certificate_self_signed(case: Case) -> Iterator[Finding]:
    """The broker's certificate is self-signed and the client does not trust it.

    What it means:
        No CA stands behind it: a client accepts it only if it has exactly this
        certificate among those that it trusts.
    On the wire:
        TLS 1.2: one certificate whose issuer is its subject. TLS 1.3: the alert
        unknown_ca (48), in clear from OpenSSL clients.
    What to do:
        Give the client this certificate as its CA file, or (better) make a CA of your
        own and issue the broker's certificate from it.

    References:
        RFC 5280 section 6.1 (https://www.rfc-editor.org/rfc/rfc5280#section-6.1)
    """
    yield from _fault(
        case,
        "self-signed",
        "The broker's certificate is self-signed and the client does not know it",
    )


@rule("certificate")
def certificate_missing_intermediate(case: Case) -> Iterator[Finding]:
    """The broker does not send the intermediate CA of its certificate.

    What it means:
        The client trusts the root, but cannot get from the broker's certificate to it
        without the intermediate in between.
    On the wire:
        TLS 1.2: the last certificate's issuer is not in the chain and is no root.
    What to do:
        Serve the full chain: leaf first, then every intermediate (fullchain.pem rather
        than cert.pem).

    References:
        RFC 8446 section 4.4.2 (https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2)
    """
    yield from _fault(
        case, "missing-intermediate", "The broker does not send its intermediate certificate"
    )


@rule("certificate")
def certificate_unknown_ca(case: Case) -> Iterator[Finding]:
    """The client does not trust the CA that issued the broker's certificate.

    What it means:
        The chain ends in a CA that is not in the client's trust store. With a private
        CA that is the normal state until the client is given the CA's certificate.
    On the wire:
        The alert unknown_ca (48) from OpenSSL, Erlang and Mbed TLS; bad_certificate (42)
        from Go and GnuTLS, certificate_unknown (46) from Java, silence from Node and .NET.
    What to do:
        Give the client the CA's certificate (not the broker's own): cafile, ca, or the
        system's store.

    References:
        RFC 8446 section 6.2 (https://www.rfc-editor.org/rfc/rfc8446#section-6.2)
    """
    yield from _fault(
        case,
        "unknown-ca",
        "The client does not trust the CA behind the broker's certificate",
        hidden="The alert says that the client found no CA it trusts above the certificate.",
    )


@rule("certificate")
def certificate_name_mismatch(case: Case) -> Iterator[Finding]:
    """The broker's certificate is not for the name that the client wanted.

    What it means:
        Clients compare the name they connect to with the certificate's subjectAltName
        (the common name alone no longer counts).
    On the wire:
        TLS 1.2: SNI against subjectAltName. It need not be the name that the client
        checks, so this is likely at most. TLS 1.3: internal_error (80) from libmosquitto.
    What to do:
        Connect by a name that the certificate has, or issue it with the name (for an
        address: as an IP entry) in subjectAltName.

    References:
        RFC 9525 section 6 (https://www.rfc-editor.org/rfc/rfc9525#section-6)
    """
    yield from _fault(
        case,
        "name-mismatch",
        "The broker's certificate is not for the name that the client wanted",
        hidden="In TLS 1.3 the certificate's names cannot be seen.",
    )


@rule("certificate")
def certificate_weak_signature(case: Case) -> Iterator[Finding]:
    """A certificate of the broker's chain is signed with a hash that is no longer accepted.

    What it means:
        MD5 and SHA-1 signatures can be forged, so today's verifiers refuse them (OpenSSL
        at security level 1 and up, browsers, Go, Java).
    On the wire:
        TLS 1.2: signatureAlgorithm of each certificate below the root.
    What to do:
        Issue the certificate again with SHA-256.

    References:
        RFC 9155 (https://www.rfc-editor.org/rfc/rfc9155)
    """
    yield from _fault(
        case, "weak-signature", "The broker's certificate is signed with a hash that is too weak"
    )


@rule("certificate")
def certificate_weak_key(case: Case) -> Iterator[Finding]:
    """A key in the broker's chain is shorter than verifiers accept.

    What it means:
        RSA below 2048 bits is refused by most of today's verifiers (OpenSSL at security
        level 2, Mbed TLS, GnuTLS, browsers).
    On the wire:
        TLS 1.2: the public key of each certificate. TLS 1.3: the length of the
        CertificateVerify record gives the leaf's key away.
    What to do:
        Issue the certificate with RSA 2048 or more, or EC P-256.

    References:
        NIST SP 800-57 Part 1 (https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final)
    """
    yield from _fault(case, "weak-key", "A key in the broker's chain is too short")


@rule("certificate")
def certificate_x509_version_1(case: Case) -> Iterator[Finding]:
    """A certificate of the broker's chain is X.509 version 1.

    What it means:
        Version 1 has no extensions: no subjectAltName, no usages, no CA flag. rustls
        refuses it, others miss the name or the CA flag. "openssl x509 -req" without an
        extensions file makes such certificates.
    On the wire:
        TLS 1.2: the version field.
    What to do:
        Issue the certificate with extensions (openssl x509 -req -extfile ...).

    References:
        RFC 5280 section 4.1.2.1 (https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.1)
    """
    yield from _fault(case, "x509-version-1", "The broker's certificate is X.509 version 1")


@rule("certificate")
def certificate_chain_order(case: Case) -> Iterator[Finding]:
    """The broker sends its certificates in the wrong order.

    What it means:
        The first must be the broker's own, each next one the issuer of the one before.
        TLS 1.3 lets clients sort them; older and small stacks do not.
    On the wire:
        TLS 1.2: subject and issuer names along the Certificate message.
    What to do:
        Put the chain file in order: leaf, intermediates, and no strangers.

    References:
        RFC 5246 section 7.4.2 (https://www.rfc-editor.org/rfc/rfc5246#section-7.4.2)
    """
    yield from _fault(case, "chain-order", "The broker's certificates are in the wrong order")


@rule("certificate")
def certificate_revoked(case: Case) -> Iterator[Finding]:
    """The client found the broker's certificate revoked.

    What it means:
        A CRL or an OCSP answer says that the CA has withdrawn the certificate.
    On the wire:
        The alert certificate_revoked (44).
    What to do:
        Get a new certificate; if it should not be revoked, ask the CA.

    References:
        RFC 8446 section 6.2 (https://www.rfc-editor.org/rfc/rfc8446#section-6.2)
    """
    refusal = case.server_refused
    if refusal is not None and refusal.alert == 44:
        yield Finding(
            rule="certificate-revoked",
            role="cause",
            certainty="certain",
            title="The client found the broker's certificate revoked",
            explanation=refusing(case, refusal),
            evidence=(at_ending(case, refusal.ending),),
            weight=95,
        )


@rule("certificate")
def certificate_refused(case: Case) -> Iterator[Finding]:
    """The client refused the broker's certificate, and the bytes do not show why.

    What it means:
        The client left when it had the broker's certificate in hand. In TLS 1.3 the
        certificate is encrypted; some clients say nothing or one alert for everything.
    On the wire:
        An alert (clear from OpenSSL, encrypted from others), or a close without a word
        from Node and .NET, right after the server's flight.
    What to do:
        Read the client's own error. Check the CA file first, then the name, then the
        dates: openssl s_client -connect broker:8883 -CAfile ca.pem -verify_hostname NAME
    References:
        RFC 8446 section 4.4.2.4 (https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2.4)
    """
    refusal = case.server_refused
    if refusal is None:
        return
    why = (
        "In TLS 1.3 the certificate is encrypted, so which of its properties was refused "
        "cannot be seen here."
        if case.server_judgement is None
        else "The chain shows no fault that every client would refuse."
    )
    yield Finding(
        rule="certificate-refused",
        role="cause",
        certainty=refusal.sure,
        title="The client refused the broker's certificate",
        explanation=f"{refusing(case, refusal)} {_habit(case, refusal)}{why} Possible reasons: "
        f"{_reasons(refusal)}. The client's own error message tells them apart.",
        evidence=(at_ending(case, refusal.ending),),
        weight=30,
    )


def _habit(case: Case, refusal: Refusal) -> str:
    stack = case.client_stack
    if refusal.kind != "silent" or stack is None or refusal.sure == "possible":
        return ""
    return f"{stack.name} refuses certificates that way, without an alert. "


def _reasons(refusal: Refusal) -> str:
    if refusal.alert == 42:
        return "a name that does not match, a date in the future, a weak key or hash"
    if refusal.alert is not None and refusal.alert != 46:
        return f"what stacks report as {alert(refusal.alert)}"
    return "an unknown CA, a missing intermediate, a name that does not match, a date"
