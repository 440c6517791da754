"""What follows from a cipher suite's name: keys, protection, and lengths on the wire."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from analyzers.codepoints.cipher_suites import CipherSuite
from analyzers.codepoints.tls import ProtocolVersion

SIGNALLING = frozenset(
    {CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV, CipherSuite.TLS_FALLBACK_SCSV}
)
"""Values that say something in the list of suites and can never be chosen."""

_HASH_LENGTHS = {
    "NULL": 0,
    "MD5": 16,
    "SHA": 20,
    "SHA256": 32,
    "SHA384": 48,
    "SHA512": 64,
    "SM3": 32,
    "STREEBOG256": 32,
}

_SHORT_TAGS = ("_CCM_8", "_CCM_8_SHA256")

# Key exchange as the names write it: (key exchange, authentication, key in the certificate).
_KEY_EXCHANGES = {
    "NULL": ("NULL", "NULL", None),
    "RSA": ("RSA", "RSA", "RSA"),
    "DH_DSS": ("DH", "DH", "DH"),
    "DH_RSA": ("DH", "DH", "DH"),
    "DHE_DSS": ("DHE", "DSS", "DSA"),
    "DHE_RSA": ("DHE", "RSA", "RSA"),
    "DH_anon": ("DHE", "anon", None),
    "ECDH_ECDSA": ("ECDH", "ECDH", "EC"),
    "ECDH_RSA": ("ECDH", "ECDH", "EC"),
    "ECDHE_ECDSA": ("ECDHE", "ECDSA", "EC"),
    "ECDHE_RSA": ("ECDHE", "RSA", "RSA"),
    "ECDH_anon": ("ECDHE", "anon", None),
    "PSK": ("PSK", "PSK", None),
    "DHE_PSK": ("DHE_PSK", "PSK", None),
    "PSK_DHE": ("DHE_PSK", "PSK", None),
    "ECDHE_PSK": ("ECDHE_PSK", "PSK", None),
    "RSA_PSK": ("RSA_PSK", "RSA", "RSA"),
    "SRP_SHA": ("SRP", "SRP", None),
    "SRP_SHA_RSA": ("SRP", "RSA", "RSA"),
    "SRP_SHA_DSS": ("SRP", "DSS", "DSA"),
    "KRB5": ("KRB5", "KRB5", None),
    "ECCPWD": ("ECCPWD", "ECCPWD", None),
    "GOSTR341112_256": ("GOST", "GOST", "GOST"),
}

_NAME = re.compile(r"TLS_(?P<kx>\w+?)(?P<export>_EXPORT)?_WITH_(?P<rest>\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteFacts:
    """What a cipher suite's name says."""

    key_exchange: str
    """"RSA", "DHE", "ECDHE", "PSK", "ECDHE_PSK", ...; "TLS13" where groups decide."""
    authentication: str
    """"RSA", "ECDSA", "DSS", "PSK", "anon", ...; "TLS13" where signature schemes decide."""
    certificate_key: str | None
    """The key type that the server's certificate needs: "RSA", "EC", "DSA", "DH", "GOST",
    "any" (TLS 1.3); None where no certificate is sent. Ed25519 and Ed448 count as EC."""
    cipher: str
    """"AES_128", "CHACHA20", "3DES_EDE", "NULL", ..."""
    mode: str
    """"aead", "cbc" or "stream" (which covers NULL)."""
    hash_name: str
    """The hash of the TLS 1.2 or 1.3 key schedule: "SHA256", "SHA384", "SM3", ..."""
    min_version: ProtocolVersion
    """The lowest version in which it may be chosen."""
    max_version: ProtocolVersion
    """The highest version in which it may be chosen."""
    tag: int
    """Bytes of the authentication tag (AEAD) or of the MAC."""
    explicit_nonce: int
    """Bytes of the nonce that a TLS 1.2 AEAD record carries."""
    block: int
    """The cipher's block size in bytes; 1 where it has none."""


def facts(suite: int) -> SuiteFacts | None:
    """What is known of a cipher suite; None for unknown, GREASE and signalling values."""
    if not CipherSuite.knows(suite) or suite in SIGNALLING:
        return None
    return _facts(suite)


@lru_cache(maxsize=512)
def _facts(suite: int) -> SuiteFacts:
    point = CipherSuite(suite)
    parts = _NAME.fullmatch(point.label)
    if parts is None or parts["rest"].endswith(("_MGM_L", "_MGM_S")):
        return _tls13(point.label.removeprefix("TLS_"))
    return _tls12(parts["kx"], parts["rest"])


def key_exchange(suite: int) -> str | None:
    """How keys are agreed: "RSA", "DHE", "ECDHE", "PSK", "TLS13", ...; None if unknown."""
    known = facts(suite)
    return known.key_exchange if known else None


def authentication(suite: int) -> str | None:
    """How the server proves itself: "RSA", "ECDSA", "PSK", "anon", "TLS13", ..."""
    known = facts(suite)
    return known.authentication if known else None


def certificate_key(suite: int) -> str | None:
    """The key type its server certificate needs; None without certificate or knowledge."""
    known = facts(suite)
    return known.certificate_key if known else None


def hash_name(suite: int) -> str | None:
    """The hash of its key schedule ("SHA256"); None if unknown."""
    known = facts(suite)
    return known.hash_name if known else None


def hash_length(suite: int) -> int | None:
    """Bytes of that hash: what a TLS 1.3 Finished holds after its header."""
    known = facts(suite)
    return _HASH_LENGTHS[known.hash_name] if known else None


def min_version(suite: int) -> ProtocolVersion | None:
    """The lowest version in which it may be chosen; None if unknown."""
    known = facts(suite)
    return known.min_version if known else None


def max_version(suite: int) -> ProtocolVersion | None:
    """The highest version in which it may be chosen; None if unknown."""
    known = facts(suite)
    return known.max_version if known else None


def fits(suite: int, version: int) -> bool:
    """Whether a suite may be chosen in a version; False where the suite is unknown."""
    known = facts(suite)
    return known is not None and known.min_version <= version <= known.max_version


def protected_length(
    suite: int, version: int, plaintext: int, *, encrypt_then_mac: bool = False
) -> int | None:
    """The length field of the record that protects `plaintext` bytes.

    Without padding beyond what the cipher needs (RFC 8446 section 5.2, RFC 5246 section
    6.2.3). None where the suite is unknown or does not belong to the version.
    """
    known = facts(suite)
    if known is None or not known.min_version <= version <= known.max_version:
        return None
    if version >= ProtocolVersion.TLS_1_3:
        return plaintext + 1 + known.tag
    if known.mode == "aead":
        return known.explicit_nonce + plaintext + known.tag
    if known.mode == "stream":
        return plaintext + known.tag
    vector = known.block if version >= ProtocolVersion.TLS_1_1 else 0
    if encrypt_then_mac:
        return vector + _padded(plaintext, known.block) + known.tag
    return vector + _padded(plaintext + known.tag, known.block)


def plaintext_range(
    suite: int, version: int, length: int, *, encrypt_then_mac: bool = False
) -> tuple[int, int] | None:
    """The fewest and most plaintext bytes that a record of `length` can protect.

    If its sender adds no padding of its own: CBC then hides less than a block, and every
    other mode gives the length away. None where no plaintext gives this length.
    """
    least = protected_length(suite, version, 0, encrypt_then_mac=encrypt_then_mac)
    known = facts(suite)
    if least is None or known is None or length < least:
        return None
    if known.mode != "cbc" or version >= ProtocolVersion.TLS_1_3:
        return length - least, length - least
    most = length - known.tag - 1
    if version >= ProtocolVersion.TLS_1_1:
        most -= known.block
    if (length - least) % known.block:
        return None
    return max(0, most - known.block + 1), most


def _padded(count: int, block: int) -> int:
    # At least one byte: the padding's own length.
    return (count // block + 1) * block


def _tls13(rest: str) -> SuiteFacts:
    cipher, _, digest = rest.rpartition("_")
    gost = digest in ("L", "S")
    if gost:
        cipher, digest, tag = rest, "STREEBOG256", 16 if "KUZNYECHIK" in rest else 8
    elif cipher in _HASH_LENGTHS:
        tag = _HASH_LENGTHS[cipher]  # integrity only (RFC 9150)
    else:
        tag = 8 if rest.endswith(_SHORT_TAGS) else 16
    return SuiteFacts(
        key_exchange="TLS13",
        authentication="TLS13",
        certificate_key="any",
        cipher=re.sub(r"_(GCM|CCM|CCM_8|POLY1305)$", "", cipher),
        mode="aead",
        hash_name=digest,
        min_version=ProtocolVersion.TLS_1_3,
        max_version=ProtocolVersion.TLS_1_3,
        tag=tag,
        explicit_nonce=0,
        block=1,
    )


def _tls12(kx: str, rest: str) -> SuiteFacts:
    exchange, proof, key = _KEY_EXCHANGES[kx.removesuffix("_EXPORT")]
    aead = re.fullmatch(r"(\w+?)_(GCM|CCM|CCM_8|POLY1305)(?:_(SHA256|SHA384))?", rest)
    tag, nonce, block, digest = 16, 0, 1, "SHA256"
    if aead:
        mode, cipher = "aead", aead[1]
        digest = aead[3] or "SHA256"
        tag = 8 if aead[2] == "CCM_8" else 16
        nonce = 0 if aead[2] == "POLY1305" else 8
    elif exchange == "GOST":
        mode, cipher = "stream", rest
        tag = {"KUZNYECHIK_CTR_OMAC": 16, "MAGMA_CTR_OMAC": 8}.get(rest, 4)
        digest = "STREEBOG256"
    else:
        cipher, _, mac = rest.rpartition("_")
        cbc = "_CBC" in cipher
        mode, tag = ("cbc" if cbc else "stream"), _HASH_LENGTHS[mac]
        block = (8 if re.match("(3?DES|RC2|IDEA)", cipher) else 16) if cbc else 1
        cipher = re.sub(r"_CBC(_40)?$", r"\1", cipher)
        digest = mac if mac == "SHA384" else "SHA256"
    modern = aead is not None or exchange == "GOST"
    if rest.endswith(("SHA256", "SHA384")) and not exchange.endswith("PSK"):
        # RFC 5487 and RFC 5489 allow these hashes with PSK in any version.
        modern = True
    return SuiteFacts(
        key_exchange=exchange,
        authentication=proof,
        certificate_key=key,
        cipher=cipher,
        mode=mode,
        hash_name=digest,
        min_version=ProtocolVersion.TLS_1_2 if modern else ProtocolVersion.SSL_3_0,
        max_version=ProtocolVersion.TLS_1_2,
        tag=tag,
        explicit_nonce=nonce,
        block=block,
    )
