"""From the leaf upward: who issued whom, among the certificates sent and trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analyzers.x509.certificate import Certificate

MAX_TRIED = 4
"""Signatures tried a link, where several CAs have the same name."""
MAX_VERIFIED = 40
"""Signatures checked in all: a chain of sixteen needs thirty if it is odd; a hostile one
could ask for hundreds. What is not checked counts as not known."""

Verify = Callable[[Certificate, Certificate], bool | None]
"""Does the key of the second verify the signature on the first?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One certificate of the path from the leaf upward."""

    certificate: Certificate
    index: int | None
    """Its place in the list as sent; None: a trust anchor that was not sent."""
    signature: bool | None
    """Whether it verifies under the next link (its own key at a self-signed top)."""
    trusted: bool
    """It is one of the trust anchors."""


def leaf_index(chain: Sequence[Certificate]) -> int:
    """Which is the end entity: 0, unless the first is a CA and exactly one other is none."""
    if not chain or chain[0].is_ca is not True:
        return 0
    ends = [i for i, certificate in enumerate(chain) if certificate.is_ca is not True]
    return ends[0] if len(ends) == 1 else 0


class PathBuilder:
    """Finds issuers by name and signature, in whatever order the list was sent."""

    def __init__(
        self, chain: Sequence[Certificate], anchors: Sequence[Certificate], verify: Verify
    ) -> None:
        self._chain = chain
        self._anchors = anchors
        self._check = verify
        self._checked: dict[tuple[Certificate, Certificate], bool | None] = {}

    def _verify(self, certificate: Certificate, issuer: Certificate) -> bool | None:
        pair = certificate, issuer
        if pair not in self._checked:
            if len(self._checked) >= MAX_VERIFIED:
                return None
            self._checked[pair] = self._check(certificate, issuer)
        return self._checked[pair]

    def path(self, first: int) -> tuple[Link, ...]:
        """The links from certificate `first` as far as an issuer of that name is at hand."""
        path: list[Link] = []
        used: set[int | None] = set()
        index: int | None = first
        certificate = self._chain[first]
        while True:
            used.add(index)
            trusted = self.is_anchor(certificate)
            own = certificate.self_issued and certificate.self_signed is True
            issuer = None if trusted or own else self._issuer(certificate, used)
            if issuer is not None:
                valid = self._verify(certificate, issuer[1])
            else:
                valid = certificate.self_signed if certificate.self_issued else None
            path.append(
                Link(certificate=certificate, index=index, signature=valid, trusted=trusted)
            )
            if issuer is None:
                return tuple(path)
            index, certificate = issuer
            if index is None:
                # An anchor ends the path; nobody looks above it.
                own_signature = certificate.self_signed if certificate.self_issued else None
                path.append(
                    Link(certificate=certificate, index=None, signature=own_signature, trusted=True)
                )
                return tuple(path)

    def signature(self, certificate: Certificate) -> bool | None:
        """Whether a certificate off the path verifies under its issuer; None: not at hand."""
        if certificate.self_issued:
            return certificate.self_signed
        issuer = self._issuer(certificate, set())
        return None if issuer is None else self._verify(certificate, issuer[1])

    def is_anchor(self, certificate: Certificate) -> bool:
        """Whether it is trusted: the same certificate, or the same name with the same key."""
        return any(
            certificate == anchor
            or (
                certificate.key.der == anchor.key.der
                and certificate.subject_name.same(anchor.subject_name)
            )
            for anchor in self._anchors
        )

    def _issuer(
        self, certificate: Certificate, used: set[int | None]
    ) -> tuple[int | None, Certificate] | None:
        """The best certificate with the issuer's name: one that verifies, if any."""
        name = certificate.issuer_name
        candidates: list[tuple[int | None, Certificate]] = [
            (self._sent_as(anchor, used), anchor)
            for anchor in self._anchors
            if anchor.subject_name.same(name)
        ]
        candidates += [
            (i, sent)
            for i, sent in enumerate(self._chain)
            if i not in used and sent != certificate and sent.subject_name.same(name)
        ]
        wanted = certificate.extensions.authority_key_id
        # Stable: anchors before sent ones, these in their order.
        candidates.sort(key=lambda c: wanted not in (None, c[1].extensions.subject_key_id))
        for candidate in candidates[:MAX_TRIED]:
            if self._verify(certificate, candidate[1]):
                return candidate
        return candidates[0] if candidates else None

    def _sent_as(self, anchor: Certificate, used: set[int | None]) -> int | None:
        """Where in the list a trust anchor was sent, if it was."""
        return next(
            (i for i, sent in enumerate(self._chain) if i not in used and sent == anchor), None
        )
