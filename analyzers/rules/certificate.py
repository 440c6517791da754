"""The broker's own certificate, refused by the client."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case, Refusal
from analyzers.events import HandshakeSeen
from analyzers.finding import Finding
from analyzers.rules._rule import rule
from analyzers.rules._server_certificate import fault
from analyzers.rules._words import alert, at_ending, at_event, refusing
from analyzers.transcript import SERVER


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
    yield from fault(
        case,
        "expired",
        "The broker's certificate has expired",
        hidden="The alert says that a certificate of the chain is out of date.",
        ruled_out="Not the dates",
    )


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
    yield from fault(case, "not-yet-valid", "The broker's certificate is not valid yet")


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
    title = "The broker's certificate is not for the name that the client wanted"
    if case.points_at_proxy:
        title = (
            f"The client looked for {case.checked_name} in the broker's certificate, because it "
            "was pointed at this proxy"
        )
    yield from fault(
        case,
        "name-mismatch",
        title,
        hidden="In TLS 1.3 the certificate's names cannot be seen.",
        ruled_out="Not the name",
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
    yield from fault(
        case,
        "wrong-eku",
        "The broker's certificate is not meant for servers",
        hidden="The alert says that the certificate may not be used for this purpose.",
        ruled_out="Not the purpose",
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
    yield from fault(
        case, "wrong-key-usage", "The broker's certificate forbids the use of its key for TLS"
    )


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
    yield from fault(
        case,
        "unknown-critical-extension",
        "The broker's certificate has a critical extension that clients do not know",
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
    yield from fault(
        case,
        "weak-signature",
        "The broker's certificate is signed with a hash that is too weak",
        ruled_out="Not the hash",
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
    yield from fault(
        case, "weak-key", "A key in the broker's chain is too short", ruled_out="Not the key"
    )


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
    yield from fault(case, "x509-version-1", "The broker's certificate is X.509 version 1")


@rule("certificate")
def certificate_revocation_unchecked(case: Case) -> Iterator[Finding]:
    """The client could not find out whether the broker's certificate is revoked.

    What it means:
        The certificate demands that the broker sends a fresh OCSP answer along
        (must-staple), and none came; or the answer that came was not accepted.
    On the wire:
        TLS 1.2: the TLS feature extension in the leaf, status_request in the
        ClientHello and no CertificateStatus; the alert
        bad_certificate_status_response (113).
    What to do:
        Switch OCSP stapling on in the broker, or issue the certificate without
        must-staple.

    References:
        RFC 7633 section 4 (https://www.rfc-editor.org/rfc/rfc7633#section-4)
    """
    yield from fault(
        case,
        "revocation-unchecked",
        "No proof came that the broker's certificate is not revoked",
        hidden="The alert says that the stapled OCSP answer was not accepted.",
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
    if refusal.alert == 43:
        return "an extendedKeyUsage without serverAuth, or a keyUsage without digitalSignature"
    if refusal.alert is not None and refusal.alert != 46:
        return f"what stacks report as {alert(refusal.alert)}"
    return "an unknown CA, a missing intermediate, a name that does not match, a date"
