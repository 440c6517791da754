"""What a judgement of a chain consists of, and the words that its parts share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from analyzers.x509.certificate import Certificate

Certainty = Literal["certain", "likely", "possible"]
Role = Literal["server", "client"]

KINDS = (
    "chain-order",
    "bad-signature",
    "expired",
    "not-yet-valid",
    "intermediate-expired",
    "root-expired",
    "issuer-not-ca",
    "name-constraints",
    "unknown-critical-extension",
    "wrong-eku",
    "wrong-key-usage",
    "self-signed",
    "missing-intermediate",
    "unknown-ca",
    "name-mismatch",
    "weak-signature",
    "weak-key",
    "x509-version-1",
    "revocation-unchecked",
)
"""All kinds: a rule's id without "certificate-" or "client-certificate-". Of two defects
that are equally certain, the one whose kind stands first is the more telling."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CERTAINTIES: tuple[Certainty, ...] = ("certain", "likely", "possible")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One thing that is wrong, or may be wrong, with a chain."""

    kind: str
    """One of `KINDS`."""
    reason: str
    """The finer reason within the kind, a slug."""
    index: int | None
    """Which certificate of the list as sent, from 0; None: a trust anchor, or none."""
    certainty: Certainty
    """certain: every verifier that follows RFC 5280 objects; likely: common ones do;
    possible: some do, or what decides (the trust store) is not visible."""
    detail: str
    """A clause that begins in lower case and has no full stop; printable."""

    @property
    def rank(self) -> tuple[int, int]:
        """The lower, the more telling."""
        return _CERTAINTIES.index(self.certainty), KINDS.index(self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A check that found nothing wrong."""

    kinds: tuple[str, ...]
    """The defects that it rules out."""
    detail: str
    """A clause like `Defect.detail`."""


def describe(certificate: Certificate, index: int | None, role: Role) -> str:
    """What to call a certificate in a clause, by its place in the list as sent."""
    if index == 0:
        owner = "broker" if role == "server" else "client"
        return f"the {owner}'s certificate ({certificate.called})"
    if index is None:
        return f"the trusted CA certificate {certificate.called}"
    kind = "issuing" if certificate.is_ca is False else "CA"
    return f"the {kind} certificate {certificate.called}"


def moment(seconds: float) -> str:
    """Epoch seconds as "2026-11-19 01:51:47 UTC"."""
    try:
        return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:
        return "a date out of range"


def span(seconds: float) -> str:
    """A duration in the largest unit that keeps it above 1: "3 days", "1 hour"."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(seconds // size)
        if count:
            return f"{count} {unit}" + ("s" if count > 1 else "")
    return f"{max(1, int(seconds))} seconds" if seconds >= 2 else "1 second"
