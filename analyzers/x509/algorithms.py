"""Public keys and signature algorithms, from object identifiers to names."""

from __future__ import annotations

from dataclasses import dataclass

from analyzers.errors import ParseError
from analyzers.x509.der import (
    BIT_STRING,
    INTEGER,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    DerReader,
    Element,
    read_bit_string,
    read_integer,
    read_oid,
)

_KEY_TYPES = {
    "1.2.840.113549.1.1.1": "RSA",
    "1.2.840.113549.1.1.10": "RSA-PSS",
    "1.2.840.113549.1.1.7": "RSA-OAEP",
    "1.2.840.10040.4.1": "DSA",
    "1.2.840.10046.2.1": "DH",
    "1.2.840.10045.2.1": "EC",
    "1.3.101.110": "X25519",
    "1.3.101.111": "X448",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44",
    "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
    "1.2.643.7.1.1.1.1": "GOST-2012-256",
    "1.2.643.7.1.1.1.2": "GOST-2012-512",
}
_FIXED_BITS = {"Ed25519": 256, "X25519": 256, "Ed448": 456, "X448": 448}

_CURVES = {
    "1.2.840.10045.3.1.1": ("secp192r1", 192),
    "1.3.132.0.33": ("secp224r1", 224),
    "1.2.840.10045.3.1.7": ("secp256r1", 256),
    "1.3.132.0.34": ("secp384r1", 384),
    "1.3.132.0.35": ("secp521r1", 521),
    "1.3.132.0.8": ("secp160r1", 160),
    "1.3.132.0.9": ("secp160k1", 160),
    "1.3.132.0.30": ("secp160r2", 160),
    "1.3.132.0.31": ("secp192k1", 192),
    "1.3.132.0.32": ("secp224k1", 224),
    "1.3.132.0.10": ("secp256k1", 256),
    "1.3.36.3.3.2.8.1.1.7": ("brainpoolP256r1", 256),
    "1.3.36.3.3.2.8.1.1.11": ("brainpoolP384r1", 384),
    "1.3.36.3.3.2.8.1.1.13": ("brainpoolP512r1", 512),
    "1.2.156.10197.1.301": ("curveSM2", 256),
}
"""Object identifier to the IANA name of the TLS group and its size in bits."""

_HASHES = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.8": "sha3-256",
    "2.16.840.1.101.3.4.2.9": "sha3-384",
    "2.16.840.1.101.3.4.2.10": "sha3-512",
}
_PSS = "1.2.840.113549.1.1.10"
_SIGNATURES = {
    "1.2.840.113549.1.1.2": ("md2WithRSAEncryption", "rsa", "md2"),
    "1.2.840.113549.1.1.3": ("md4WithRSAEncryption", "rsa", "md4"),
    "1.2.840.113549.1.1.4": ("md5WithRSAEncryption", "rsa", "md5"),
    "1.2.840.113549.1.1.5": ("sha1WithRSAEncryption", "rsa", "sha1"),
    "1.3.14.3.2.29": ("sha1WithRSA", "rsa", "sha1"),
    "1.2.840.113549.1.1.14": ("sha224WithRSAEncryption", "rsa", "sha224"),
    "1.2.840.113549.1.1.11": ("sha256WithRSAEncryption", "rsa", "sha256"),
    "1.2.840.113549.1.1.12": ("sha384WithRSAEncryption", "rsa", "sha384"),
    "1.2.840.113549.1.1.13": ("sha512WithRSAEncryption", "rsa", "sha512"),
    "1.2.840.10045.4.1": ("ecdsa-with-SHA1", "ecdsa", "sha1"),
    "1.2.840.10045.4.3.1": ("ecdsa-with-SHA224", "ecdsa", "sha224"),
    "1.2.840.10045.4.3.2": ("ecdsa-with-SHA256", "ecdsa", "sha256"),
    "1.2.840.10045.4.3.3": ("ecdsa-with-SHA384", "ecdsa", "sha384"),
    "1.2.840.10045.4.3.4": ("ecdsa-with-SHA512", "ecdsa", "sha512"),
    "1.2.840.10040.4.3": ("dsa-with-sha1", "dsa", "sha1"),
    "2.16.840.1.101.3.4.3.1": ("dsa-with-sha224", "dsa", "sha224"),
    "2.16.840.1.101.3.4.3.2": ("dsa-with-sha256", "dsa", "sha256"),
    "2.16.840.1.101.3.4.3.3": ("dsa-with-sha384", "dsa", "sha384"),
    "2.16.840.1.101.3.4.3.4": ("dsa-with-sha512", "dsa", "sha512"),
    "2.16.840.1.101.3.4.3.10": ("ecdsa-with-SHA3-256", "ecdsa", "sha3-256"),
    "2.16.840.1.101.3.4.3.11": ("ecdsa-with-SHA3-384", "ecdsa", "sha3-384"),
    "2.16.840.1.101.3.4.3.12": ("ecdsa-with-SHA3-512", "ecdsa", "sha3-512"),
    "2.16.840.1.101.3.4.3.14": ("RSA-SHA3-256", "rsa", "sha3-256"),
    "2.16.840.1.101.3.4.3.15": ("RSA-SHA3-384", "rsa", "sha3-384"),
    "2.16.840.1.101.3.4.3.16": ("RSA-SHA3-512", "rsa", "sha3-512"),
    "1.3.101.112": ("Ed25519", "Ed25519", None),
    "1.3.101.113": ("Ed448", "Ed448", None),
    "2.16.840.1.101.3.4.3.17": ("ML-DSA-44", "ML-DSA-44", None),
    "2.16.840.1.101.3.4.3.18": ("ML-DSA-65", "ML-DSA-65", None),
    "2.16.840.1.101.3.4.3.19": ("ML-DSA-87", "ML-DSA-87", None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureAlgorithm:
    """How a certificate was signed."""

    name: str
    """As OpenSSL prints it ("sha256WithRSAEncryption", "rsassaPss(sha512)"), else dotted."""
    family: str | None
    """"rsa" (PKCS #1 v1.5), "rsa-pss", "ecdsa", "dsa" or a key type; None if unknown."""
    hash: str | None
    """"sha256"; None where the algorithm brings its own, or is unknown."""
    mgf_hash: str | None = None
    """The mask generation hash of RSASSA-PSS."""
    salt_length: int | None = None
    """The salt of RSASSA-PSS in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A subjectPublicKeyInfo (RFC 5280 section 4.1.2.7)."""

    type: str
    """"RSA", "RSA-PSS", "EC", "DSA", "Ed25519", ..., or the dotted identifier."""
    bits: int | None
    curve: str | None
    """The IANA name of the TLS group ("secp256r1"), or the dotted identifier."""
    der: bytes
    """The SubjectPublicKeyInfo."""
    modulus: int | None = None
    exponent: int | None = None
    restricted_to: str | None = None
    """The only hash that an RSA-PSS key allows; None: any."""

    @property
    def label(self) -> str:
        """Like "RSA 2048" or "EC secp256r1"."""
        detail = self.curve or self.bits
        return f"{self.type} {detail}" if detail and self.type not in _FIXED_BITS else self.type


UNKNOWN_KEY = PublicKey(type="unknown", bits=None, curve=None, der=b"")
UNKNOWN_SIGNATURE = SignatureAlgorithm(name="unknown", family=None, hash=None)


def read_signature_algorithm(element: Element) -> SignatureAlgorithm:
    """An AlgorithmIdentifier of a signature.

    Raises:
        ParseError: it can't be read.
    """
    reader = element.inside("AlgorithmIdentifier")
    oid = read_oid(reader.next("algorithm", OBJECT_IDENTIFIER), "algorithm")
    if oid == _PSS:
        parameters = reader.optional("parameters", SEQUENCE)
        digest, mask, salt = _read_pss(parameters)
        return SignatureAlgorithm(
            name=f"rsassaPss({digest})",
            family="rsa-pss",
            hash=digest,
            mgf_hash=mask,
            salt_length=salt,
        )
    name, family, digest_or_none = _SIGNATURES.get(oid, (oid, None, None))
    return SignatureAlgorithm(name=name, family=family, hash=digest_or_none)


def _read_pss(parameters: Element | None) -> tuple[str, str, int]:
    """RSASSA-PSS-params: hash, mask hash and salt length with their defaults (RFC 8017 A.2.3)."""
    digest, mask, salt = "sha1", "sha1", 20
    if parameters is None:
        return digest, mask, salt
    reader = parameters.inside("RSASSA-PSS-params")
    if (field := reader.optional("hashAlgorithm", 0xA0)) is not None:
        digest = _read_hash(field.inside())
    if (field := reader.optional("maskGenAlgorithm", 0xA1)) is not None:
        mgf = field.inside().enter("maskGenAlgorithm")
        mgf.next("algorithm", OBJECT_IDENTIFIER)
        mask = _read_hash(mgf)
    if (field := reader.optional("saltLength", 0xA2)) is not None:
        salt = read_integer(field.inside().next("saltLength", INTEGER), "saltLength", most=4)
    return digest, mask, salt


def _read_hash(reader: DerReader) -> str:
    inner = reader.enter("hashAlgorithm")
    oid = read_oid(inner.next("algorithm", OBJECT_IDENTIFIER), "algorithm")
    return _HASHES.get(oid, oid)


def read_public_key(element: Element) -> PublicKey:
    """A SubjectPublicKeyInfo; what can't be read of the key itself stays None.

    Raises:
        ParseError: not even its algorithm can be read.
    """
    reader = element.inside("SubjectPublicKeyInfo")
    algorithm = reader.enter("algorithm")
    oid = read_oid(algorithm.next("algorithm", OBJECT_IDENTIFIER), "algorithm")
    kind = _KEY_TYPES.get(oid, oid)
    bits = _FIXED_BITS.get(kind)
    curve: str | None = None
    modulus = exponent = None
    restricted: str | None = None
    try:
        if kind == "EC":
            curve, bits = _read_curve(algorithm)
        elif kind == "DSA":
            bits = _magnitude(algorithm.enter("parameters", struct="Dss-Parms"), "p").bit_length()
        elif kind in ("RSA", "RSA-PSS"):
            if kind == "RSA-PSS" and (p := algorithm.optional("parameters", SEQUENCE)) is not None:
                restricted = _read_pss(p)[0]
            key = reader.next("subjectPublicKey", BIT_STRING)
            raw = read_bit_string(key, "subjectPublicKey")
            numbers = DerReader(raw, "RSAPublicKey").enter("RSAPublicKey")
            modulus = _magnitude(numbers, "modulus")
            exponent = _magnitude(numbers, "publicExponent")
            bits = modulus.bit_length()
    except ParseError:
        pass
    return PublicKey(
        type=kind,
        bits=bits,
        curve=curve,
        der=element.raw,
        modulus=modulus,
        exponent=exponent,
        restricted_to=restricted,
    )


def _magnitude(reader: DerReader, field: str) -> int:
    """An INTEGER that is meant to be positive, even if its sign byte was forgotten."""
    content = reader.next(field, INTEGER).content
    return int.from_bytes(content[:8192], "big")


def _read_curve(algorithm: DerReader) -> tuple[str | None, int | None]:
    named = algorithm.optional("parameters", OBJECT_IDENTIFIER)
    if named is None:
        return None, None
    oid = read_oid(named, "namedCurve")
    return _CURVES.get(oid, (oid, None))
