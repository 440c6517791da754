"""Certificates for the lab: sound by default, so that a scenario states only the oddity.

All dates are relative to an explicit time, so nothing made here expires in a test.
RSA keys are made once per process and shared between scenarios.
"""

from __future__ import annotations

import datetime
import functools
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack, assert_never

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from proxy.lab import _der

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
KeyKind = Literal["rsa-1024", "rsa-2048", "rsa-3072", "p-256", "p-384", "ed25519"]
SignatureKind = Literal["sha256", "sha384", "sha512", "sha1", "md5", "pss-sha256", "pss-sha512"]
Usage = Literal["server", "client", "code"]

DAY = 86400.0
"""One day in seconds."""

BROKER_NAME = "broker.example"
"""The name that every sound broker certificate of the lab is for (RFC 2606)."""

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
    "sha1": hashes.SHA1,
    "md5": hashes.MD5,
}
_PURPOSES = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code": ExtendedKeyUsageOID.CODE_SIGNING,
}
# AlgorithmIdentifiers that cryptography no longer writes (RFC 3279 section 2.2).
_OLD_ALGORITHMS = {
    ("rsa", "md5"): bytes.fromhex("300d06092a864886f70d0101040500"),
    ("rsa", "sha1"): bytes.fromhex("300d06092a864886f70d0101050500"),
    ("ec", "sha1"): bytes.fromhex("300906072a8648ce3d0401"),
}


class Oddities(TypedDict, total=False):
    """What a scenario may state of a certificate; all that it leaves out is sound."""

    key: KeyKind
    slot: str
    """Certificates with the same slot and kind of key share the key."""
    starts: float
    """Seconds from `at` to notBefore."""
    ends: float
    """Seconds from `at` to notAfter."""
    names: Sequence[str]
    """Subject alternative names; host names and IP addresses. Empty: no such extension."""
    common_name: str
    purposes: Sequence[Usage] | None
    """Extended key usage; None: no such extension."""
    ca: bool
    path_length: int | None
    signs_certificates: bool
    """keyCertSign in the key usage."""
    signs: bool
    """digitalSignature and keyEncipherment in the key usage, as a TLS peer's key needs."""
    signature: SignatureKind
    signed_by: Identity
    """Whose key signs instead of the named issuer's: the signature will not verify."""
    version_1: bool
    """X.509 version 1: no extensions at all."""
    permitted: Sequence[str]
    """Name constraints of a CA: the DNS trees for which it may issue."""
    critical_extension: str
    """An OID of an extension that nobody knows, marked critical."""
    must_staple: bool
    """Whether the certificate demands a stapled OCSP answer (RFC 7633)."""


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """A certificate, its private key and the identity that issued it."""

    certificate: bytes
    """DER."""
    key: PrivateKey
    issuer: Identity | None
    """None for a self-signed certificate."""

    @property
    def x509(self) -> x509.Certificate:
        """The certificate as `cryptography` reads it."""
        return x509.load_der_x509_certificate(self.certificate)

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return self.x509.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key as PKCS #8 in PEM, without a pass phrase."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def chain(self) -> tuple[Identity, ...]:
        """This certificate and its intermediates, leaf first, without the root."""
        found = [self]
        above = self.issuer
        while above is not None and above.issuer is not None:
            found.append(above)
            above = above.issuer
        return tuple(found)


class Authority:
    """Issues certificates relative to one moment.

    Args:
        at: the moment at which sound certificates are valid, seconds since the epoch.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self._serial = 0x1000

    def root(self, name: str = "Lab Root CA", **odd: Unpack[Oddities]) -> Identity:
        """A self-signed CA."""
        settings: Oddities = {"slot": "root", "ca": True, "purposes": None, "starts": -365 * DAY}
        return self._issue(None, {**settings, "ends": 3650 * DAY, "common_name": name, **odd})

    def intermediate(
        self, issuer: Identity, name: str = "Lab Issuing CA", **odd: Unpack[Oddities]
    ) -> Identity:
        """A CA below another one."""
        settings: Oddities = {"slot": "intermediate", "ca": True, "purposes": None}
        return self._issue(issuer, {**settings, "common_name": name, "path_length": 0, **odd})

    def server(self, issuer: Identity | None, **odd: Unpack[Oddities]) -> Identity:
        """A broker's certificate; self-signed where `issuer` is None."""
        names = odd.get("names", (BROKER_NAME,))
        settings: Oddities = {"slot": "server", "purposes": ("server",), "names": names}
        common_name = names[0] if names else BROKER_NAME
        return self._issue(issuer, {**settings, "common_name": common_name, **odd})

    def device(self, issuer: Identity | None, **odd: Unpack[Oddities]) -> Identity:
        """A client's certificate; self-signed where `issuer` is None."""
        settings: Oddities = {"slot": "client", "purposes": ("client",), "names": ()}
        return self._issue(issuer, {**settings, "common_name": "device-17", **odd})

    def _issue(self, issuer: Identity | None, odd: Oddities) -> Identity:
        key = private_key(odd.get("key", "rsa-2048"), odd["slot"])
        signer = odd["signed_by"].key if "signed_by" in odd else (issuer.key if issuer else key)
        self._serial += 1
        builder = self._builder(issuer, key, odd)
        signature = odd.get("signature", "sha256")
        version_1 = odd.get("version_1", False)
        if signature in ("sha1", "md5") or version_1:
            sound = _sign(builder, signer, "sha256")
            old = signature if signature in ("sha1", "md5") else None
            der = _der.resign(
                sound,
                algorithm=_OLD_ALGORITHMS[_family(signer), old] if old else None,
                version_1=version_1,
                sign=functools.partial(_raw_signature, signer, old or "sha256"),
            )
        else:
            der = _sign(builder, signer, signature)
        return Identity(der, key, issuer)

    def _builder(
        self, issuer: Identity | None, key: PrivateKey, odd: Oddities
    ) -> x509.CertificateBuilder:
        subject = _name(odd["common_name"])
        issuer_name = issuer.x509.subject if issuer else subject
        issuer_key = (issuer.key if issuer else key).public_key()
        ca = odd.get("ca", False)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer_name)
            .public_key(key.public_key())
            .serial_number(self._serial)
            .not_valid_before(self._date(odd.get("starts", -30 * DAY)))
            .not_valid_after(self._date(odd.get("ends", 335 * DAY)))
            .add_extension(x509.BasicConstraints(ca, odd.get("path_length")), critical=True)
            .add_extension(_key_usage(key, ca, odd), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            # The named issuer's key, also where another one signs: so that verifiers
            # get as far as the signature instead of calling the issuer unknown.
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
            )
        )
        if names := odd.get("names", ()):
            alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        if purposes := odd.get("purposes"):
            usage = x509.ExtendedKeyUsage([_PURPOSES[purpose] for purpose in purposes])
            builder = builder.add_extension(usage, critical=False)
        if permitted := odd.get("permitted"):
            trees = [x509.DNSName(tree) for tree in permitted]
            builder = builder.add_extension(x509.NameConstraints(trees, None), critical=True)
        if oid := odd.get("critical_extension"):
            unknown = x509.UnrecognizedExtension(ObjectIdentifier(oid), b"\x05\x00")
            builder = builder.add_extension(unknown, critical=True)
        if odd.get("must_staple", False):
            feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
            builder = builder.add_extension(feature, critical=False)
        return builder

    def _date(self, offset: float) -> datetime.datetime:
        # Whole seconds: X.509 has no fractions, and cryptography would cut them silently.
        return datetime.datetime.fromtimestamp(int(self.at + offset), datetime.UTC)


@functools.lru_cache(maxsize=64)
def private_key(kind: KeyKind, slot: str) -> PrivateKey:
    """A key of the given kind; the same one for the same slot in this process."""
    match kind:
        case "rsa-1024" | "rsa-2048" | "rsa-3072":
            return rsa.generate_private_key(65537, int(kind[4:]))
        case "p-256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            assert_never(kind)


def damaged(identity: Identity) -> Identity:
    """The same certificate with one bit of its signature flipped, as in a spoilt file."""
    broken = identity.certificate[:-1] + bytes((identity.certificate[-1] ^ 1,))
    return Identity(broken, identity.key, identity.issuer)


def revocation_list(
    issuer: Identity, revoked: Sequence[Identity]
) -> x509.CertificateRevocationList:
    """A CRL of this CA, as old and as lasting as the CA's own certificate."""
    own = issuer.x509
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(own.subject)
        .last_update(own.not_valid_before_utc)
        .next_update(own.not_valid_after_utc)
    )
    for identity in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(identity.x509.serial_number)
            .revocation_date(own.not_valid_before_utc)
            .build()
        )
    return builder.sign(issuer.key, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "TLS lab"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(key: PrivateKey, ca: bool, odd: Oddities) -> x509.KeyUsage:
    signs = odd.get("signs", not ca)
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=signs and isinstance(key, rsa.RSAPrivateKey),
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=odd.get("signs_certificates", ca),
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(builder: x509.CertificateBuilder, signer: PrivateKey, signature: str) -> bytes:
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        certificate = builder.sign(signer, None)
    elif signature.startswith("pss-"):
        algorithm = _HASHES[signature.removeprefix("pss-")]()
        assert isinstance(signer, rsa.RSAPrivateKey), "RSA-PSS needs an RSA key"
        assert isinstance(algorithm, hashes.SHA256 | hashes.SHA512)
        scheme = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        certificate = builder.sign(signer, algorithm, rsa_padding=scheme)
    else:
        modern = _HASHES[signature]()
        assert isinstance(modern, hashes.SHA256 | hashes.SHA384 | hashes.SHA512)
        certificate = builder.sign(signer, modern)
    return certificate.public_bytes(serialization.Encoding.DER)


def _raw_signature(signer: PrivateKey, hash_name: str, data: bytes) -> bytes:
    algorithm = _HASHES[hash_name]()
    if isinstance(signer, rsa.RSAPrivateKey):
        return signer.sign(data, padding.PKCS1v15(), algorithm)
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        return signer.sign(data, ec.ECDSA(algorithm))
    return signer.sign(data)


def _family(key: PrivateKey) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "rsa"
    return "ec" if isinstance(key, ec.EllipticCurvePrivateKey) else "ed25519"
