"""Can the client's offer verify the server's key and the signatures of its chain?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analyzers.codepoints import NamedGroup, SignatureScheme
from analyzers.codepoints.suites import certificate_key, fits, key_exchange
from analyzers.x509.algorithms import PublicKey, SignatureAlgorithm
from analyzers.x509.certificate import Certificate

_TLS12 = 0x0303
_TLS13 = 0x0304
_HASH_CODES = {"md5": 1, "sha1": 2, "sha224": 3, "sha256": 4, "sha384": 5, "sha512": 6}
_FAMILY_CODES = {"rsa": 1, "dsa": 2, "ecdsa": 3}
_RSAE = {"sha256": 0x0804, "sha384": 0x0805, "sha512": 0x0806}
_PSS = {"sha256": 0x0809, "sha384": 0x080A, "sha512": 0x080B}
_FIXED = {
    "Ed25519": 0x0807,
    "Ed448": 0x0808,
    "ML-DSA-44": 0x0904,
    "ML-DSA-65": 0x0905,
    "ML-DSA-87": 0x0906,
}
_CURVES_TLS13 = {
    "secp256r1": 0x0403,
    "secp384r1": 0x0503,
    "secp521r1": 0x0603,
    "brainpoolP256r1": 0x081A,
    "brainpoolP384r1": 0x081B,
    "brainpoolP512r1": 0x081C,
    "curveSM2": 0x0708,
}
_DEFAULT_TLS12 = (0x0201, 0x0202, 0x0203)
"""What a TLS 1.2 client without signature_algorithms accepts (RFC 5246 section 7.4.1.4.1)."""
_SUITE_KEYS = {"RSA": "RSA", "RSA-PSS": "RSA", "EC": "EC", "DSA": "DSA"}
_SUITE_KEYS |= {"Ed25519": "EC", "Ed448": "EC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferMatch:
    """Whether a client's offer fits a server's certificates; None: can't be said."""

    key: bool | None
    """A signature scheme was offered that the leaf's key can make."""
    suites: bool | None
    """A cipher suite was offered that works with the leaf's kind of key (TLS 1.2)."""
    group: bool | None
    """The curve of an EC key was offered (TLS 1.2 and earlier, RFC 8422 section 5.1)."""
    chain: bool | None
    """All signatures of the chain were offered. RFC 8446 lets a server go on if not."""
    schemes: tuple[int, ...]
    """The offered schemes that the leaf's key can make, in the client's order."""
    details: tuple[str, ...]
    """A clause for each of the four that is False."""

    @property
    def fits(self) -> bool:
        """Nothing of it rules the handshake out; the chain's signatures aside."""
        return False not in (self.key, self.suites, self.group)


def leaf_matches_offer(
    chain: Sequence[Certificate],
    *,
    signature_algorithms: Sequence[int],
    signature_algorithms_cert: Sequence[int] = (),
    groups: Sequence[int] = (),
    version: int,
    suites: Sequence[int] = (),
) -> OfferMatch:
    """Compare the server's chain with a ClientHello.

    Args:
        chain: as sent, the leaf first; empty: nothing can be said.
        signature_algorithms: extension 13; empty: not offered.
        signature_algorithms_cert: extension 50; empty: extension 13 counts.
        groups: extension 10; empty: not offered.
        version: the version chosen, or the best one in common (0x0303 is TLS 1.2).
        suites: the cipher suites offered, or the chosen one alone.
    """
    if not chain:
        return OfferMatch(key=None, suites=None, group=None, chain=None, schemes=(), details=())
    key = chain[0].key
    details: list[str] = []
    offered = tuple(signature_algorithms)
    if not offered and version == _TLS12:
        offered = _DEFAULT_TLS12
    able = schemes_of(key, version)
    usable = tuple(s for s in offered if s in able)
    key_fits = _key_fits(key, version, able, usable, suites)
    if key_fits is False:
        names = ", ".join(SignatureScheme(s).label for s in sorted(able)[:4])
        details.append(
            f"the server's key is {key.label}, which signs with {names}; "
            f"the client offers none of these"
        )
    suites_fit = _suites_fit(key, version, suites)
    if suites_fit is False:
        details.append(f"the client offers no cipher suite for the server's {key.label} key")
    group = _group_fits(key, version, groups)
    if group is False:
        details.append(f"the client does not offer the curve of the server's key ({key.curve})")
    chain_fits, said = _chain_fits(chain, tuple(signature_algorithms_cert) or offered)
    details.extend(said)
    return OfferMatch(
        key=key_fits,
        suites=suites_fit,
        group=group,
        chain=chain_fits,
        schemes=usable,
        details=tuple(details),
    )


def schemes_of(key: PublicKey, version: int) -> frozenset[int]:
    """The signature schemes that a key can make in a handshake of this version."""
    if key.type in _FIXED:
        return frozenset({_FIXED[key.type]})
    if key.type == "RSA-PSS":
        only = key.restricted_to
        return frozenset(code for name, code in _PSS.items() if only in (None, name))
    old = frozenset(code << 8 | _family(key) for code in _HASH_CODES.values())
    if key.type == "RSA":
        return frozenset(_RSAE.values()) | (old if version < _TLS13 else frozenset())
    if version < _TLS13:
        return old if _family(key) else frozenset()
    if key.type == "EC" and key.curve in _CURVES_TLS13:
        return frozenset({_CURVES_TLS13[key.curve]})
    return frozenset()


def _family(key: PublicKey) -> int:
    return {"RSA": 1, "DSA": 2, "EC": 3}.get(key.type, 0)


def _key_fits(
    key: PublicKey,
    version: int,
    able: frozenset[int],
    usable: tuple[int, ...],
    suites: Sequence[int],
) -> bool | None:
    if key.type == "unknown" or not able or version < _TLS12:
        return None
    if version == _TLS12 and suites and all(key_exchange(s) == "RSA" for s in suites):
        return None  # Nothing is signed.
    return bool(usable)


def _suites_fit(key: PublicKey, version: int, suites: Sequence[int]) -> bool | None:
    needed = _SUITE_KEYS.get(key.type)
    if version >= _TLS13 or needed is None:
        return None
    kinds = {certificate_key(suite) for suite in suites if fits(suite, version)}
    return needed in kinds if kinds else None


def _group_fits(key: PublicKey, version: int, groups: Sequence[int]) -> bool | None:
    if version >= _TLS13 or key.type != "EC" or key.curve is None or not groups:
        return None
    labels = {NamedGroup(group).label for group in groups}
    return key.curve in labels


def _chain_fits(
    chain: Sequence[Certificate], offered: tuple[int, ...]
) -> tuple[bool | None, list[str]]:
    if not offered:
        return None, []
    said: list[str] = []
    for certificate in chain:
        if certificate.self_signed:
            continue  # Nobody verifies the signature of a trust anchor.
        codes = _codes(certificate.signature_algorithm)
        if codes and not codes & set(offered):
            name = certificate.signature_algorithm.name
            said.append(
                f"the certificate {certificate.called} is signed with {name}, "
                f"which the client does not offer"
            )
    return not said, said


def _codes(algorithm: SignatureAlgorithm) -> frozenset[int]:
    """The schemes of which any covers a certificate's signature; empty: none is known."""
    if algorithm.family == "rsa-pss":
        found = (_RSAE.get(algorithm.hash or ""), _PSS.get(algorithm.hash or ""))
        return frozenset(code for code in found if code is not None)
    if algorithm.family in _FIXED:
        return frozenset({_FIXED[algorithm.family]})
    family = _FAMILY_CODES.get(algorithm.family or "")
    digest = _HASH_CODES.get(algorithm.hash or "")
    return frozenset({digest << 8 | family}) if family and digest else frozenset()
