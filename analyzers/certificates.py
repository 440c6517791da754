"""Certificates and what their keys prove: signatures in chains and in handshakes.

The reading is `analyzers.x509`; this module adds the cryptography, and is the only one
of the analyzers that imports the `cryptography` package (when a signature is checked,
not before). Every check answers True, False, or None where it can't be made.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from hashlib import md5, sha1
from typing import Any

from analyzers.x509.algorithms import PublicKey, SignatureAlgorithm
from analyzers.x509.certificate import Certificate, parse_certificate

INTERNED_CERTIFICATES = 512
"""How many certificates are kept parsed: a fleet of clients meets few different ones."""
INTERNED_VERIFICATIONS = 1024
MAX_INTERNED_BYTES = 8192
"""Larger certificates are parsed each time rather than kept: parsed, one takes up to 20
times its bytes."""
MAX_RSA_BITS = 16_384
"""Larger keys are not used: one check of a stranger's key must not cost seconds."""
MAX_RSA_WORK = 17 * MAX_RSA_BITS**2
"""Exponent bits times the square of the modulus bits: the usual exponent, 65537, with the
largest modulus (3 ms). A longer exponent is used with a smaller modulus only."""
MAX_EXPONENT_BITS = 64
MAX_KEY_BYTES = 4096
"""Other keys (DSA parameters, curves) that are larger are not used."""

_TLS12 = 0x0303
_TLS10 = 0x0301
_HASH_CODES = {1: "md5", 2: "sha1", 3: "sha224", 4: "sha256", 5: "sha384", 6: "sha512"}
_SIGNATURE_CODES = {1: "rsa", 2: "dsa", 3: "ecdsa"}
_NEW_SCHEMES = {
    0x0804: ("rsa-pss", "sha256"),
    0x0805: ("rsa-pss", "sha384"),
    0x0806: ("rsa-pss", "sha512"),
    0x0807: ("Ed25519", None),
    0x0808: ("Ed448", None),
    0x0809: ("rsa-pss", "sha256"),
    0x080A: ("rsa-pss", "sha384"),
    0x080B: ("rsa-pss", "sha512"),
    0x081A: ("ecdsa", "sha256"),
    0x081B: ("ecdsa", "sha384"),
    0x081C: ("ecdsa", "sha512"),
    0x0904: ("ML-DSA-44", None),
    0x0905: ("ML-DSA-65", None),
    0x0906: ("ML-DSA-87", None),
}
_DIGEST_BYTES = {"sha256": 32, "sha384": 48, "sha512": 64}
_KEY_FOR_FAMILY = {
    "rsa": ("RSA",),
    "rsa-pss": ("RSA", "RSA-PSS"),
    "ecdsa": ("EC",),
    "dsa": ("DSA",),
}


def read_certificate(der: bytes) -> Certificate:
    """Read a DER certificate; never raises, faults are listed in `Certificate.faults`.

    The same bytes give the same object while they stay in a bounded cache.
    """
    der = bytes(der)
    return _interned(der) if len(der) <= MAX_INTERNED_BYTES else _read(der)


def _read(der: bytes) -> Certificate:
    certificate = parse_certificate(der)
    if not certificate.self_issued:
        return replace(certificate, self_signed=False)
    return replace(certificate, self_signed=_signed_by(certificate, certificate.key))


_interned = lru_cache(maxsize=INTERNED_CERTIFICATES)(_read)


def signature_valid(certificate: Certificate, issuer: Certificate) -> bool | None:
    """Whether the key of `issuer` verifies the signature on `certificate`.

    Looks at nothing else: neither names nor dates. False also where the algorithm does
    not fit the key, or differs between the signed part and the certificate (RFC 5280
    section 4.1.1.2); None for algorithms and keys that can't be used here.
    """
    if max(len(certificate.der), len(issuer.der)) > MAX_INTERNED_BYTES:
        return _signed_by(certificate, issuer.key)
    return _signature_valid(certificate, issuer)


@lru_cache(maxsize=INTERNED_VERIFICATIONS)
def _signature_valid(certificate: Certificate, issuer: Certificate) -> bool | None:
    return _signed_by(certificate, issuer.key)


def _signed_by(certificate: Certificate, key: PublicKey) -> bool | None:
    if not certificate.tbs or not certificate.signature:
        return None
    if not certificate.signature_algorithms_agree:
        return False
    return _verify(key, certificate.signature_algorithm, certificate.signature, certificate.tbs)


def verify_server_key_exchange(
    leaf: Certificate,
    client_random: bytes,
    server_random: bytes,
    params: bytes,
    signature_scheme: int | None,
    signature: bytes,
    version: int,
) -> bool | None:
    """Whether a ServerKeyExchange was signed by the key of `leaf`.

    RFC 5246 section 7.4.3, RFC 8422 section 5.4; RFC 4346 7.4.3 before TLS 1.2.

    Args:
        leaf: the server's certificate.
        client_random: 32 bytes.
        server_random: 32 bytes.
        params: ServerDHParams or ServerECDHParams as sent, without the signature.
        signature_scheme: the two bytes before the signature; None before TLS 1.2.
        signature: the signature without its length.
        version: the version in the ServerHello (0x0303 is TLS 1.2).
    """
    return _verify_tls(
        leaf, client_random + server_random + params, signature_scheme, signature, version
    )


def verify_certificate_verify_tls12(
    leaf: Certificate,
    handshake_messages: bytes,
    signature_scheme: int | None,
    signature: bytes,
    version: int,
) -> bool | None:
    """Whether a CertificateVerify of TLS 1.0 to 1.2 was signed by the key of `leaf`.

    `handshake_messages`: all handshake messages from the ClientHello up to, but without
    the CertificateVerify, each with its header (RFC 5246 section 7.4.8).
    """
    return _verify_tls(leaf, handshake_messages, signature_scheme, signature, version)


def _verify_tls(
    leaf: Certificate, data: bytes, scheme: int | None, signature: bytes, version: int
) -> bool | None:
    if not _TLS10 <= version <= _TLS12:
        return None
    if version < _TLS12:
        return _verify_before_tls12(leaf.key, signature, data)
    if scheme is None:
        return None
    algorithm = _scheme_algorithm(scheme)
    return None if algorithm is None else _verify(leaf.key, algorithm, signature, data)


def _scheme_algorithm(scheme: int) -> SignatureAlgorithm | None:
    """What a SignatureScheme or SignatureAndHashAlgorithm code means; None if unknown."""
    name = f"0x{scheme:04X}"
    if scheme in _NEW_SCHEMES:
        family, digest = _NEW_SCHEMES[scheme]
        salt = _DIGEST_BYTES[digest] if family == "rsa-pss" and digest else None
        return SignatureAlgorithm(
            name=name, family=family, hash=digest, mgf_hash=digest, salt_length=salt
        )
    old_family = _SIGNATURE_CODES.get(scheme & 0xFF)
    old_digest = _HASH_CODES.get(scheme >> 8)
    if old_family is None or old_digest is None:
        return None
    return SignatureAlgorithm(name=name, family=old_family, hash=old_digest)


def _verify_before_tls12(key: PublicKey, signature: bytes, data: bytes) -> bool | None:
    """RSA signs MD5 and SHA-1 together without naming them; the others sign SHA-1."""
    if key.type == "EC":
        return _verify(
            key, SignatureAlgorithm(name="", family="ecdsa", hash="sha1"), signature, data
        )
    if key.type == "DSA":
        return _verify(key, SignatureAlgorithm(name="", family="dsa", hash="sha1"), signature, data)
    if key.type != "RSA":
        return None
    expected = (
        md5(data, usedforsecurity=False).digest() + sha1(data, usedforsecurity=False).digest()
    )

    def check(public: Any) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        if public.recover_data_from_signature(signature, PKCS1v15(), None) != expected:
            raise InvalidSignature

    return _attempt(key, check)


def _verify(
    key: PublicKey, algorithm: SignatureAlgorithm, signature: bytes, data: bytes
) -> bool | None:
    family = algorithm.family
    if family is None or key.type == "unknown":
        return None
    if key.type not in _KEY_FOR_FAMILY.get(family, (family,)):
        # Another kind of key can't have made this signature.
        return False if not key.type[0].isdigit() else None
    if key.restricted_to not in (None, algorithm.hash):
        return False

    def check(public: Any) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec, padding

        if family == "rsa":
            public.verify(signature, data, padding.PKCS1v15(), _hash(algorithm.hash))
        elif family == "rsa-pss":
            mask = padding.MGF1(_hash(algorithm.mgf_hash))
            salt = algorithm.salt_length or 0
            public.verify(signature, data, padding.PSS(mask, salt), _hash(algorithm.hash))
        elif family == "ecdsa":
            public.verify(signature, data, ec.ECDSA(_hash(algorithm.hash)))
        elif family == "dsa":
            public.verify(signature, data, _hash(algorithm.hash))
        else:
            public.verify(signature, data)

    return _attempt(key, check)


def _hash(name: str | None) -> Any:
    """The hash object of `cryptography`.

    Raises:
        ValueError: there is none of this name.
    """
    from cryptography.hazmat.primitives import hashes

    kinds: dict[str | None, Callable[[], hashes.HashAlgorithm]] = {
        "md5": hashes.MD5,
        "sha1": hashes.SHA1,
        "sha224": hashes.SHA224,
        "sha256": hashes.SHA256,
        "sha384": hashes.SHA384,
        "sha512": hashes.SHA512,
        "sha3-256": hashes.SHA3_256,
        "sha3-384": hashes.SHA3_384,
        "sha3-512": hashes.SHA3_512,
    }
    if name not in kinds:
        raise ValueError(name)
    return kinds[name]()


def _attempt(key: PublicKey, check: Callable[[Any], None]) -> bool | None:
    """Run one check with the library's key object: True, False, or None if it can't."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    with warnings.catch_warnings():
        # Deprecations concern keys that are judged here, not used.
        warnings.simplefilter("ignore")
        try:
            check(_public(key))
        except InvalidSignature:
            return False
        except (UnsupportedAlgorithm, ValueError, TypeError, AttributeError, OverflowError):
            return None
    return True


def _public(key: PublicKey) -> Any:
    """The key as an object of `cryptography`.

    Raises:
        ValueError: it is too large, or broken.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    if key.modulus is not None and key.exponent is not None:
        bits, exponent_bits = key.modulus.bit_length(), key.exponent.bit_length()
        if bits > MAX_RSA_BITS or exponent_bits > MAX_EXPONENT_BITS:
            raise ValueError("key too large")
        if bits * bits * exponent_bits > MAX_RSA_WORK:
            raise ValueError("key too costly")
        # From the numbers: the library refuses some encodings that peers accept.
        return RSAPublicNumbers(key.exponent, key.modulus).public_key()
    if len(key.der) > MAX_KEY_BYTES:
        raise ValueError("key too large")
    return load_der_public_key(key.der)
