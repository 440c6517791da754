"""The chain above the broker's certificate, refused by the client."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.case import Case
from analyzers.finding import Finding
from analyzers.rules._rule import rule
from analyzers.rules._server_certificate import fault
from analyzers.rules._words import at_ending, refusing


@rule("chain")
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
    yield from fault(
        case,
        "bad-signature",
        "The signature on the broker's certificate does not verify",
        hidden="The alert says that a signature could not be verified.",
        ruled_out="Not the signature",
    )


@rule("chain")
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
    yield from fault(
        case,
        "self-signed",
        "The broker's certificate is self-signed and the client does not know it",
    )


@rule("chain")
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
    yield from fault(
        case, "missing-intermediate", "The broker does not send its intermediate certificate"
    )


@rule("chain")
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
    yield from fault(
        case,
        "unknown-ca",
        "The client does not trust the CA behind the broker's certificate",
        hidden="The alert says that the client found no CA it trusts above the certificate.",
        ruled_out="Not the CA",
    )


@rule("chain")
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
    yield from fault(
        case, "issuer-not-ca", "The broker's certificate was issued by one that is not a CA"
    )


@rule("chain")
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
    yield from fault(case, "name-constraints", "The broker's CA may not certify the broker's name")


@rule("chain")
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
    yield from fault(case, "chain-order", "The broker's certificates are in the wrong order")


@rule("chain")
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
    yield from fault(
        case, "intermediate-expired", "An intermediate CA of the broker's chain has expired"
    )


@rule("chain")
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
    yield from fault(case, "root-expired", "The root CA of the broker's chain has expired")


@rule("chain")
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
