"""The checks of single certificates: dates, purposes, keys, algorithms, extensions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from analyzers.x509.certificate import Certificate
from analyzers.x509.defects import Certainty, Defect, Passed, Role, describe, moment, span
from analyzers.x509.matching import match_name

KeyExchange = Literal["signature", "rsa", "unknown"]
"""What the handshake uses the server's key for: signing ((EC)DHE, TLS 1.3) or decrypting."""

MIN_RSA_BITS = 2048
MIN_EC_BITS = 224
_BROKEN_HASHES = ("md2", "md4", "md5", "sha1")
_PURPOSE: dict[Role, str] = {"server": "serverAuth", "client": "clientAuth"}
_USABLE = ("digitalSignature", "keyEncipherment", "keyAgreement")

Findings = Iterator[Defect | Passed]


def check_dates(
    certificate: Certificate,
    index: int | None,
    role: Role,
    at: float,
    tolerance: float,
    *,
    root: bool,
    certainty: Certainty = "certain",
) -> Findings:
    """Is it valid at `at` (RFC 5280 section 4.1.2.5)?"""
    called = describe(certificate, index, role)
    begin, end = certificate.not_before, certificate.not_after
    if end is not None and at > end + tolerance:
        kind = "expired" if index == 0 else "root-expired" if root else "intermediate-expired"
        yield Defect(
            kind=kind,
            reason="expired",
            index=index,
            certainty=certainty,
            detail=f"{called} expired on {moment(end)}, {span(at - end)} before this connection",
        )
    elif begin is not None and at < begin - tolerance:
        yield Defect(
            kind="not-yet-valid",
            reason="not-yet-valid",
            index=index,
            certainty=certainty,
            detail=f"{called} is valid from {moment(begin)} only, "
            f"{span(begin - at)} after this connection",
        )
    elif begin is not None and end is not None:
        kinds = ("expired", "not-yet-valid") if index == 0 else ("intermediate-expired",)
        yield Passed(
            kinds=("root-expired",) if root and index != 0 else kinds,
            detail=f"{called} is valid from {moment(begin)[:10]} to {moment(end)[:10]}",
        )


def check_name(certificate: Certificate, name: str | None) -> Findings:
    """Is it for the name that the client wanted? Likely at most: SNI need not be that name."""
    if not name:
        return
    match = match_name(certificate, name)
    if match.matches:
        yield Passed(kinds=("name-mismatch",), detail=match.detail)
        return
    # Some clients still accept these two.
    lenient = match.reason in ("cn-only", "wildcard-partial", "wildcard-too-wide")
    yield Defect(
        kind="name-mismatch",
        reason=match.reason,
        index=0,
        certainty="possible" if lenient else "likely",
        detail=match.detail,
    )


def check_purpose(leaf: Certificate, role: Role, key_exchange: KeyExchange) -> Findings:
    """The leaf's extKeyUsage and keyUsage (RFC 5280 sections 4.2.1.3 and 4.2.1.12)."""
    needed = _PURPOSE[role]
    called = describe(leaf, 0, role)
    purposes = leaf.extended_key_usage
    if purposes is None:
        yield Passed(
            kinds=("wrong-eku",), detail=f"{called} is not limited to purposes (no extKeyUsage)"
        )
    elif needed in purposes:
        yield Passed(kinds=("wrong-eku",), detail=f"{called} allows {', '.join(purposes)}")
    elif "anyExtendedKeyUsage" in purposes:
        # RFC 5280 lets it stand for all; OpenSSL does not.
        yield Defect(
            kind="wrong-eku",
            reason="any-only",
            index=0,
            certainty="possible",
            detail=f"{called} allows any purpose, which OpenSSL does not take for {needed}",
        )
    else:
        yield Defect(
            kind="wrong-eku",
            reason="missing-" + needed,
            index=0,
            certainty="certain",
            detail=f"{called} allows {', '.join(purposes) or 'no purpose'} only, not {needed}",
        )
    yield from _check_key_usage(leaf, role, key_exchange, called)


def _check_key_usage(
    leaf: Certificate, role: Role, key_exchange: KeyExchange, called: str
) -> Findings:
    usage = leaf.key_usage
    if usage is None:
        return
    shown = ", ".join(usage) or "nothing"
    if role == "client" or key_exchange == "signature":
        wanted: tuple[str, ...] = ("digitalSignature",)
    elif key_exchange == "rsa":
        wanted = ("keyEncipherment",)
    else:
        wanted = _USABLE
    if any(bit in usage for bit in wanted):
        yield Passed(kinds=("wrong-key-usage",), detail=f"{called} has the key usage {shown}")
        return
    # With one of the others, as OpenSSL asks for any of them, a part of the stacks agrees.
    certain = not any(bit in usage for bit in _USABLE)
    yield Defect(
        kind="wrong-key-usage",
        reason="missing-" + wanted[0],
        index=0,
        certainty="certain" if certain else "likely",
        detail=f"{called} has the key usage {shown}, but the handshake needs {' or '.join(wanted)}",
    )


def check_key(certificate: Certificate, index: int | None, role: Role) -> Findings:
    """Is the key as strong as today's verifiers ask?"""
    key = certificate.key
    called = describe(certificate, index, role)
    weak = ""
    if key.type in ("RSA", "RSA-PSS") and key.bits is not None and key.bits < MIN_RSA_BITS:
        weak = f"{called} has an RSA key of {key.bits} bits, less than {MIN_RSA_BITS}"
    elif key.type == "EC" and key.bits is not None and key.bits < MIN_EC_BITS:
        weak = f"{called} has an elliptic-curve key of {key.bits} bits, less than {MIN_EC_BITS}"
    elif key.type == "DSA":
        weak = f"{called} has a DSA key, which today's TLS stacks have dropped"
    if weak:
        reason = "dsa" if key.type == "DSA" else "short"
        yield Defect(kind="weak-key", reason=reason, index=index, certainty="likely", detail=weak)
    elif index == 0 and key.bits is not None:
        yield Passed(kinds=("weak-key",), detail=f"{called} has a strong key ({key.label})")


def check_algorithm(certificate: Certificate, index: int | None, role: Role) -> Findings:
    """Is the hash under the signature still accepted? Not asked of self-signed ones."""
    algorithm = certificate.signature_algorithm
    called = describe(certificate, index, role)
    if certificate.self_signed:
        return
    if algorithm.hash in _BROKEN_HASHES:
        yield Defect(
            kind="weak-signature",
            reason=algorithm.hash,
            index=index,
            certainty="likely",
            detail=f"{called} is signed with {algorithm.name}, which today's verifiers refuse",
        )
    elif index == 0 and algorithm.family is not None:
        yield Passed(kinds=("weak-signature",), detail=f"{called} is signed with {algorithm.name}")


def check_form(certificate: Certificate, index: int | None, role: Role) -> Findings:
    """Version and critical extensions (RFC 5280 sections 4.1.2.1 and 4.2)."""
    called = describe(certificate, index, role)
    if certificate.version in (1, 2):
        issuer = index != 0 and not certificate.self_signed
        yield Defect(
            kind="x509-version-1",
            reason="issuer" if issuer else "leaf" if index == 0 else "root",
            index=index,
            certainty="certain" if issuer else "possible",
            detail=f"{called} is X.509 version {certificate.version}, "
            f"without the extensions that a verifier looks for",
        )
    unknown = certificate.extensions.unknown_critical
    if unknown:
        yield Defect(
            kind="unknown-critical-extension",
            reason="unknown",
            index=index,
            certainty="certain",
            detail=f"{called} has a critical extension that verifiers do not know "
            f"({', '.join(unknown[:5])})",
        )


def check_issuer(
    certificate: Certificate, index: int | None, role: Role, *, below: int
) -> Findings:
    """May this one issue certificates? `below`: CA certificates between it and the leaf."""
    called = describe(certificate, index, role)
    if certificate.is_ca is False:
        missing = certificate.extensions.is_ca is None
        why = "has no basicConstraints" if missing else "says CA:FALSE"
        yield Defect(
            kind="issuer-not-ca",
            reason="no-basic-constraints" if missing else "not-a-ca",
            index=index,
            certainty="certain",
            detail=f"{called} issued a certificate of this chain, but {why}",
        )
    elif certificate.key_usage is not None and "keyCertSign" not in certificate.key_usage:
        yield Defect(
            kind="issuer-not-ca",
            reason="no-key-cert-sign",
            index=index,
            certainty="certain",
            detail=f"{called} issued a certificate of this chain, "
            f"but its key usage lacks keyCertSign",
        )
    elif certificate.path_length is not None and below > certificate.path_length:
        yield Defect(
            kind="issuer-not-ca",
            reason="path-length",
            index=index,
            certainty="certain",
            detail=f"{called} allows {certificate.path_length} CA certificates below it, "
            f"but there are {below}",
        )
    purposes = certificate.extended_key_usage
    if (
        purposes is not None
        and _PURPOSE[role] not in purposes
        and "anyExtendedKeyUsage" not in purposes
        and not certificate.self_signed
    ):
        yield Defect(
            kind="wrong-eku",
            reason="issuer-limits-purposes",
            index=index,
            certainty="likely",
            detail=f"{called} limits what it issues to {', '.join(purposes) or 'nothing'}, "
            f"without {_PURPOSE[role]}",
        )
