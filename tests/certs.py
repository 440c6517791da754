"""Certificates for tests, made with `cryptography`: sound ones, and ones that state an oddity.

All dates hang on `AT`, so that no test depends on the day it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import (
    dsa,
    ec,
    ed448,
    ed25519,
    padding,
    rsa,
)
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    NameOID,
    ObjectIdentifier,
)

from analyzers.certificates import read_certificate
from analyzers.x509.certificate import Certificate

AT = datetime(2026, 5, 17, 12, 0, tzinfo=UTC).timestamp()
"""The moment of the connections under test."""
DAY = 86_400.0
NAME = "broker.example.com"

_CURVES: dict[str, ec.EllipticCurve] = {
    "p192": ec.SECP192R1(),
    "p256": ec.SECP256R1(),
    "p384": ec.SECP384R1(),
    "p521": ec.SECP521R1(),
}


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A certificate, its key and its name."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def read(self) -> Certificate:
        return read_certificate(self.der)


@cache
def key(kind: str = "p256", slot: str = "") -> CertificateIssuerPrivateKeyTypes:
    """A private key; the same kind and slot give the same key."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65_537, int(kind[3:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    if kind == "dsa":
        return dsa.generate_private_key(2048)
    return ec.generate_private_key(_CURVES[kind])


def name(common_name: str, organisation: str | None = "Test") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def make(
    subject: str | x509.Name = NAME,
    issuer: Made | None = None,
    *,
    kind: str = "p256",
    slot: str | None = None,
    starts: float = -30 * DAY,
    ends: float = 365 * DAY,
    names: Sequence[str] | None = None,
    ca: bool | None = False,
    path_length: int | None = None,
    usage: Sequence[str] | None = (),
    purposes: Sequence[str] | None = (),
    hash_name: str | None = "SHA256",
    pss: bool = False,
    signer: CertificateIssuerPrivateKeyTypes | None = None,
    issuer_name: x509.Name | None = None,
    key_ids: bool = True,
    authority_issuer: x509.Name | None = None,
    permitted: Sequence[str] = (),
    excluded: Sequence[str] = (),
    unknown_critical: str | None = None,
    must_staple: bool = False,
    ca_issuers: str | None = None,
    raw: Sequence[tuple[str, bool, bytes]] = (),
) -> Made:
    """A certificate; what is left out is sound. Empty usage or purposes: the usual ones.

    `names`: None gives a leaf its subject as DNS name; [] leaves the extension out.
    """
    own = key(kind, str(subject) if slot is None else slot)
    subject_name = name(subject) if isinstance(subject, str) else subject
    by_name = issuer_name or (issuer.certificate.subject if issuer else subject_name)
    by_key = signer or (issuer.key if issuer else own)
    moment = datetime.fromtimestamp(AT, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject_name)
        .issuer_name(by_name)
        .public_key(own.public_key())
        .serial_number(int.from_bytes(str(subject).encode()[:15].rjust(1, b"\1"), "big") or 1)
        .not_valid_before(moment + timedelta(seconds=starts))
        .not_valid_after(moment + timedelta(seconds=ends))
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if ca is not None:
        extensions.append((x509.BasicConstraints(ca, path_length if ca else None), True))
    if usage is not None:
        bits = tuple(usage) or (("key_cert_sign", "crl_sign") if ca else ("digital_signature",))
        extensions.append((_key_usage(bits), True))
    if purposes is not None and (purposes or not ca):
        oids = [_purpose(p) for p in (purposes or ("serverAuth",))]
        extensions.append((x509.ExtendedKeyUsage(oids), False))
    if names is None and not ca and isinstance(subject, str):
        names = [subject]
    if names:
        extensions.append((x509.SubjectAlternativeName([_general(n) for n in names]), False))
    if key_ids:
        extensions.append((x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False))
        if issuer is not None:
            public = issuer.key.public_key()
            extensions.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False))
    if authority_issuer is not None:
        extensions.append(
            (x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(authority_issuer)], 7), False)
        )
    if permitted or excluded:
        trees = [[_subtree(t) for t in trees] or None for trees in (permitted, excluded)]
        extensions.append((x509.NameConstraints(*trees), True))
    if must_staple:
        extensions.append((x509.TLSFeature([x509.TLSFeatureType.status_request]), False))
    if ca_issuers:
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS,
            x509.UniformResourceIdentifier(ca_issuers),
        )
        extensions.append((x509.AuthorityInformationAccess([access]), False))
    if unknown_critical:
        oid = ObjectIdentifier(unknown_critical)
        extensions.append((x509.UnrecognizedExtension(oid, b"\x05\x00"), True))
    for dotted, critical, value in raw:
        oid = ObjectIdentifier(dotted)
        extensions.append((x509.UnrecognizedExtension(oid, value), critical))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    plain = isinstance(by_key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    digest = None if plain or hash_name is None else getattr(hashes, hash_name)()
    if pss:
        assert digest is not None
        scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return Made(builder.sign(by_key, digest, rsa_padding=scheme), own)
    return Made(builder.sign(by_key, digest), own)


def root(subject: str = "Test Root CA", **odd: object) -> Made:
    """A self-signed CA."""
    return make(subject, ca=True, **odd)  # type: ignore[arg-type]  # passed on as they are


def intermediate(issuer: Made, subject: str = "Test Issuing CA", **odd: object) -> Made:
    """A CA below another."""
    return make(subject, issuer, ca=True, **odd)  # type: ignore[arg-type]  # passed on as they are


def _key_usage(bits: Sequence[str]) -> x509.KeyUsage:
    kinds = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    assert set(bits) <= set(kinds), bits
    return x509.KeyUsage(**{kind: kind in bits for kind in kinds})


def _purpose(purpose: str) -> ObjectIdentifier:
    known = {
        "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
        "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
        "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING,
    }
    return known.get(purpose) or ObjectIdentifier(purpose)


def _general(text: str) -> x509.GeneralName:
    kind, colon, value = text.partition(":")
    if colon and kind == "URI":
        return x509.UniformResourceIdentifier(value)
    if colon and kind == "EMAIL":
        return x509.RFC822Name(value)
    if colon and kind == "DNS":
        return x509.DNSName(value)
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _subtree(text: str) -> x509.GeneralName:
    if "=" in text:
        return x509.DirectoryName(
            x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text.partition("=")[2])])
        )
    if "@" in text:
        return x509.RFC822Name(text.removeprefix("@"))
    if "/" in text:
        return x509.IPAddress(ip_network(text))
    return x509.DNSName(text)
