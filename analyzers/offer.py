"""What a ClientHello offers, compared with what nearly every server accepts.

When a server refuses without saying why, its own list stays invisible. But an offer that
contains what (nearly) every server of the last ten years supports cannot fail for that
reason, and one that lacks all of it very likely does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analyzers.codepoints import GREASE_16, NamedGroup, SignatureScheme, labels
from analyzers.codepoints.suites import SIGNALLING, facts, fits
from analyzers.messages import ClientHello, is_tls13

TLS12, TLS13 = 0x0303, 0x0304
_COMMON_GROUPS = frozenset({23, 24, 29})
"""secp256r1, secp384r1, x25519: RFC 8446 section 9.1 makes the first mandatory."""
_COMMON_13 = frozenset({0x1301, 0x1302, 0x1303})
"""RFC 8446 section 9.1: TLS_AES_128_GCM_SHA256 is mandatory, the others usual."""
_RSA_13 = frozenset({0x0804, 0x0805, 0x0806})
_RSA_12 = frozenset({0x0401, 0x0501, 0x0601, 0x0804, 0x0805, 0x0806, 0x0201})
_ECDSA = frozenset({0x0403, 0x0503, 0x0603, 0x0203})
FALLBACK_SCSV = 0x5600


@dataclass(frozen=True, slots=True)
class Offer:
    """A ClientHello's offer without GREASE, and what is unusual about it."""

    versions: tuple[int, ...]
    """Highest first; what a hello without supported_versions may mean is left open."""
    listed: bool
    """Whether supported_versions says so; else only the highest is known."""
    suites: tuple[int, ...]
    groups: tuple[int, ...]
    schemes: tuple[int, ...]

    @classmethod
    def of(cls, hello: ClientHello) -> Offer:
        """Read the offer of a hello."""
        return cls(
            tuple(sorted(_plain(hello.versions), key=rank, reverse=True)),
            bool(hello.extensions.versions),
            tuple(s for s in _plain(hello.cipher_suites) if s not in SIGNALLING),
            _plain(hello.extensions.groups),
            _plain(hello.extensions.signature_algorithms),
        )

    @property
    def highest(self) -> int:
        """The highest version offered."""
        return self.versions[0] if self.versions else 0

    @property
    def tls13(self) -> bool:
        """Whether TLS 1.3 (or a draft) is offered."""
        return any(is_tls13(version) for version in self.versions)

    @property
    def only_tls13(self) -> bool:
        """Whether nothing but TLS 1.3 is offered."""
        return bool(self.versions) and all(is_tls13(version) for version in self.versions)

    @property
    def allows_tls12(self) -> bool:
        """Whether TLS 1.2 is offered."""
        return TLS12 in self.versions

    @property
    def usual_suites(self) -> bool:
        """Whether a suite that nearly every server has is offered."""
        if self.tls13 and _COMMON_13 & set(self.suites):
            return True
        return not self.only_tls13 and any(_usual(suite) for suite in self.suites)

    @property
    def usual_groups(self) -> bool:
        """Whether a group that nearly every server has is offered (or none is needed)."""
        if not self.groups:
            return not self.only_tls13
        return bool(_COMMON_GROUPS & set(self.groups))

    @property
    def rsa_possible(self) -> bool:
        """Whether a server with an RSA key finds a scheme to sign with."""
        if not self.schemes:
            return not self.only_tls13
        return bool((_RSA_13 if self.only_tls13 else _RSA_12) & set(self.schemes))

    @property
    def ecdsa_possible(self) -> bool:
        """Whether a server with an EC key finds a scheme to sign with."""
        if not self.schemes:
            return not self.only_tls13
        return bool(_ECDSA & set(self.schemes))

    @property
    def certificate_suites(self) -> frozenset[str]:
        """Key types of certificates that the TLS 1.2 suites can use: "RSA", "EC"."""
        keys = {known.certificate_key for known in map(facts, self.suites) if known}
        return frozenset(key for key in keys if key in ("RSA", "EC"))

    @property
    def only_psk(self) -> bool:
        """Whether every TLS 1.2 suite needs a pre-shared key."""
        older = [known for known in map(facts, self.suites) if known and fits_tls12(known)]
        return bool(older) and all("PSK" in known.key_exchange for known in older)

    def has_version(self, version: int) -> bool | None:
        """Whether a version was offered; None where only the highest is known."""
        if version in self.versions:
            return True
        if self.listed:
            return False
        return None if rank(version) < rank(self.highest) else False


def fits_tls12(known: object) -> bool:
    """Whether a suite's facts are those of TLS 1.2 or earlier."""
    return getattr(known, "key_exchange", "TLS13") != "TLS13"


def rank(version: int) -> int:
    """Versions in order; drafts of TLS 1.3 count as TLS 1.3."""
    return TLS13 if is_tls13(version) else version


def _usual(suite: int) -> bool:
    """(EC)DHE or RSA with AES-GCM, ChaCha20 or AES-CBC under TLS 1.2."""
    known = facts(suite)
    if known is None or not fits(suite, TLS12):
        return False
    return (
        known.key_exchange == "ECDHE"
        and known.authentication in ("RSA", "ECDSA")
        and known.mode == "aead"
        and known.cipher in ("AES_128", "AES_256", "CHACHA20")
    )


def _plain(values: Sequence[int]) -> tuple[int, ...]:
    return tuple(value for value in values if value not in GREASE_16)


def group_names(groups: Sequence[int]) -> list[str]:
    """Groups by name."""
    return labels(NamedGroup, tuple(groups))


def scheme_names(schemes: Sequence[int]) -> list[str]:
    """Signature schemes by name."""
    return labels(SignatureScheme, tuple(schemes))
