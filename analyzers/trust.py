"""Judge a certificate chain as a careful verifier would, at the time of the connection.

Web PKI verifiers are too strict a measure here: private CAs leave out what they insist
on. So the path is built from issuer names and signatures in the list as sent, then
dates, names, usages and constraints are checked one by one (RFC 5280 section 6). What
nobody can see from outside, the verifier's own trust store, stays "possible" unless
`trust_anchors` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analyzers.certificates import read_certificate, signature_valid
from analyzers.x509.certificate import Certificate
from analyzers.x509.checks import (
    KeyExchange,
    check_algorithm,
    check_dates,
    check_form,
    check_issuer,
    check_key,
    check_name,
    check_purpose,
)
from analyzers.x509.constraints import Sieve
from analyzers.x509.defects import KINDS, Certainty, Defect, Passed, Role, describe
from analyzers.x509.issuers import missing_issuer
from analyzers.x509.names import Name
from analyzers.x509.offer import OfferMatch, leaf_matches_offer
from analyzers.x509.path import Link, PathBuilder, leaf_index

MAX_CHAIN = 16
"""Certificates beyond this many are not judged: checking costs time that is not ours."""
MAX_ANCHORS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainJudgement:
    """What is wrong with a chain, and what is not."""

    defects: tuple[Defect, ...]
    """The most telling first: by certainty, then by kind."""
    passed: tuple[Passed, ...]
    path: tuple[Link, ...]
    """From the leaf upward as far as issuers were found; () for an empty list."""
    anchored: bool | None
    """Whether the path ends in a trust anchor; None where none were given."""
    signatures: tuple[bool | None, ...]
    """For each certificate as sent: valid under its issuer; None where that is not known."""

    def first(self, *kinds: str) -> Defect | None:
        """The most telling defect of these kinds (of any kind, without arguments)."""
        return next((d for d in self.defects if not kinds or d.kind in kinds), None)

    def ruled_out(self, kind: str) -> Passed | None:
        """The check that speaks against a kind, unless a defect of that kind was found."""
        if self.first(kind) is not None:
            return None
        return next((p for p in self.passed if kind in p.kinds), None)


def judge_chain(
    chain: Sequence[Certificate],
    *,
    at: float,
    role: Role,
    name: str | None = None,
    trust_anchors: tuple[bytes, ...] | None = None,
    authorities: Sequence[Name] = (),
    key_exchange: KeyExchange = "unknown",
    stapled: bool | None = None,
    clock_tolerance: float = 0.0,
) -> ChainJudgement:
    """Judge the certificates that one side sent. Never raises; pure.

    Args:
        chain: as sent, the leaf first (RFC 8446 section 4.4.2).
        at: the time of the connection, seconds since the Unix epoch.
        role: whose certificates these are.
        name: the host name or IP address that the client wanted; None: not checked.
        trust_anchors: DER of the CAs that the verifier trusts; None: not known.
        authorities: the names in CertificateRequest, for role "client".
        key_exchange: what the handshake needs the leaf's key for.
        stapled: whether an OCSP answer came; None: nobody knows, or nobody asked.
        clock_tolerance: seconds by which the verifier's clock may differ.
    """
    considered = list(chain[:MAX_CHAIN])
    anchors = _read_anchors(trust_anchors)
    first = leaf_index(considered)
    order = [first, *(i for i in range(len(considered)) if i != first)] if considered else []
    judgement = _Judge(
        # Verifiers take the first for the leaf; the faults of the real one say more.
        [considered[i] for i in order],
        leaf_sent_as=first,
        at=at,
        role=role,
        name=name if role == "server" else None,
        anchors=anchors,
        authorities=[name for name in authorities if name],
        key_exchange=key_exchange,
        stapled=stapled,
        tolerance=clock_tolerance,
        unjudged=max(0, len(chain) - MAX_CHAIN),
    ).judge()
    return _as_sent(judgement, order) if first else judgement


def _as_sent(judgement: ChainJudgement, order: list[int]) -> ChainJudgement:
    """The judgement of a list that was reordered, with the places of the original."""

    def place(index: int | None) -> int | None:
        return None if index is None else order[index]

    return replace(
        judgement,
        defects=tuple(replace(d, index=place(d.index)) for d in judgement.defects),
        path=tuple(replace(link, index=place(link.index)) for link in judgement.path),
        signatures=tuple(judgement.signatures[order.index(i)] for i in range(len(order))),
    )


def _read_anchors(ders: tuple[bytes, ...] | None) -> list[Certificate] | None:
    return None if ders is None else [read_certificate(der) for der in ders[:MAX_ANCHORS]]


class _Judge:
    """One judgement: builds the path, then asks every check."""

    def __init__(
        self,
        chain: list[Certificate],
        *,
        leaf_sent_as: int,
        at: float,
        role: Role,
        name: str | None,
        anchors: list[Certificate] | None,
        authorities: list[Name],
        key_exchange: KeyExchange,
        stapled: bool | None,
        tolerance: float,
        unjudged: int,
    ) -> None:
        self._chain = chain
        self._leaf_sent_as = leaf_sent_as
        self._at = at
        self._role: Role = role
        self._name = name
        self._anchors = anchors
        self._authorities = authorities
        self._key_exchange: KeyExchange = key_exchange
        self._stapled = stapled
        self._tolerance = tolerance
        self._unjudged = unjudged
        self._builder = PathBuilder(chain, anchors or (), signature_valid)
        self._path: tuple[Link, ...] = ()
        self._defects: list[Defect] = []
        self._passed: list[Passed] = []

    def judge(self) -> ChainJudgement:
        if self._chain:
            self._path = self._builder.path(0)
            self._add(self._check_order())
            self._add(self._check_links())
            self._add(self._check_certificates())
            self._add(self._check_constraints())
            self._add(self._check_leaf())
            self._add(self._check_trust())
        anchored = None
        if self._anchors is not None and self._chain:
            anchored = self._path[-1].trusted and self._unbroken()
        return ChainJudgement(
            defects=tuple(sorted(self._defects, key=lambda defect: defect.rank)),
            passed=tuple(self._passed),
            path=self._path,
            anchored=anchored,
            signatures=self._signatures(),
        )

    def _add(self, findings: Iterator[Defect | Passed]) -> None:
        for finding in findings:
            if isinstance(finding, Defect):
                self._defects.append(finding)
            else:
                self._passed.append(finding)

    def _defect(
        self, kind: str, reason: str, index: int | None, certainty: Certainty, detail: str
    ) -> Defect:
        return Defect(kind=kind, reason=reason, index=index, certainty=certainty, detail=detail)

    def _called(self, link: Link) -> str:
        return describe(link.certificate, link.index, self._role)

    def _unbroken(self) -> bool:
        return all(link.signature is not False for link in self._path[:-1])

    def _signatures(self) -> tuple[bool | None, ...]:
        known = {link.index: link.signature for link in self._path}
        return tuple(
            known[i] if i in known else self._builder.signature(certificate)
            for i, certificate in enumerate(self._chain)
        )

    def _check_order(self) -> Iterator[Defect | Passed]:
        role, sent = self._role, [link.index for link in self._path if link.index is not None]
        first = self._leaf_sent_as
        if first:
            yield self._defect(
                "chain-order",
                "leaf-not-first",
                0,
                "certain",
                f"the {role}'s own certificate ({self._chain[0].called}) is sent as number "
                f"{first + 1}, after the CA certificate {self._chain[1].called}",
            )
        elif sent != sorted(sent):
            names = ", ".join(certificate.called for certificate in self._chain)
            yield self._defect(
                "chain-order",
                "shuffled",
                None,
                "possible",
                f"the certificates are not sent in the order of the chain: {names}",
            )
        extra = [i for i in range(len(self._chain)) if i not in sent]
        if extra and len(sent) > 1:
            stranger = self._chain[extra[0]]
            again = any(stranger == link.certificate for link in self._path)
            what = "is sent twice" if again else "does not belong to the chain"
            yield self._defect(
                "chain-order",
                "duplicate" if again else "unrelated",
                extra[0],
                "possible",
                f"the certificate {stranger.called} {what}",
            )
        elif not first and sent == sorted(sent) and not self._unjudged and len(sent) > 1:
            yield Passed(
                kinds=("chain-order",), detail="the certificates are sent in the chain's order"
            )

    def _check_links(self) -> Iterator[Defect | Passed]:
        for link, issuer in zip(self._path, self._path[1:], strict=False):
            called, by = self._called(link), self._called(issuer)
            if link.signature is False:
                yield self._bad_link(link, issuer)
            elif link.signature:
                yield Passed(
                    kinds=("bad-signature",),
                    detail=f"the signature on {called} verifies under {by}",
                )
        top = self._path[-1]
        if top.certificate.self_issued and top.certificate.self_signed is False:
            yield from self._self_issued(top)
        elif top.certificate.self_signed and top.index is not None:
            yield Passed(
                kinds=("bad-signature",),
                detail=f"the signature on {self._called(top)} verifies under its own key",
            )

    def _bad_link(self, link: Link, issuer: Link) -> Defect:
        called, by = self._called(link), self._called(issuer)
        detail = f"the signature on {called} does not verify under {by}, which it names as issuer"
        wanted = link.certificate.extensions.authority_key_id
        has = issuer.certificate.extensions.subject_key_id
        if not link.certificate.signature_algorithms_agree:
            return self._defect(
                "bad-signature",
                "algorithms-differ",
                link.index,
                "certain",
                f"{called} names two different signature algorithms, which no verifier accepts",
            )
        if wanted and has and wanted != has:
            # Without the trust store, another CA of that name may be the right one.
            return self._defect(
                "bad-signature",
                "other-issuer-key",
                link.index,
                "certain" if self._anchors is not None else "likely",
                f"{detail}: it asks for the CA key {wanted[:20].hex()}, this CA's key is "
                f"{has[:20].hex()}",
            )
        return self._defect("bad-signature", "not-verified", link.index, "certain", detail)

    def _self_issued(self, top: Link) -> Iterator[Defect]:
        """Names itself as issuer, but its own key did not sign it."""
        certificate, called = top.certificate, self._called(top)
        extensions = certificate.extensions
        own = extensions.authority_key_id and extensions.subject_key_id
        if not certificate.signature_algorithms_agree:
            yield self._bad_link(top, top)
        elif (own and extensions.authority_key_id == extensions.subject_key_id) or (
            certificate.is_ca is True
        ):
            yield self._defect(
                "bad-signature",
                "own-key",
                top.index,
                "certain",
                f"{called} is its own issuer, but its signature does not verify under its own key",
            )
        elif extensions.authority_key_id is None and not top.trusted:
            yield self._same_name(called)

    def _same_name(self, called: str) -> Defect:
        return self._defect(
            "self-signed",
            "same-name-as-issuer",
            0,
            "likely",
            f"{called} names itself as issuer, but another key signed it: it has the same name "
            f"as its CA, which verifiers take for self-signed",
        )

    def _check_certificates(self) -> Iterator[Defect | Passed]:
        for depth, link in enumerate(self._path):
            certificate, role = link.certificate, self._role
            index = link.index
            root = bool(certificate.self_signed) or link.index is None
            known = not root or link.trusted or depth == 0
            yield from check_dates(
                certificate,
                index,
                role,
                self._at,
                self._tolerance,
                root=root,
                # The verifier may hold a renewed copy of a root.
                certainty="certain" if known else "likely",
            )
            yield from check_form(certificate, index, role)
            yield from check_key(certificate, index, role)
            if not link.trusted:
                yield from check_algorithm(certificate, index, role)
            if depth:
                below = sum(not lower.certificate.self_issued for lower in self._path[1:depth])
                yield from check_issuer(certificate, index, role, below=below)

    def _check_constraints(self) -> Iterator[Defect | Passed]:
        for depth, link in enumerate(self._path):
            constraints = link.certificate.extensions.name_constraints
            if constraints is None or not depth:
                continue
            sieve = Sieve(constraints)
            for lower in self._path[:depth]:
                if lower is not self._path[0] and lower.certificate.self_issued:
                    continue
                broken = sieve.breach(lower.certificate)
                if broken:
                    yield self._defect(
                        "name-constraints",
                        "forbidden-name",
                        lower.index,
                        "certain",
                        f"{self._called(link)} may not certify {self._called(lower)}: {broken}",
                    )
                    break
            else:
                yield Passed(
                    kinds=("name-constraints",),
                    detail=f"all names lie within the constraints of {self._called(link)}",
                )

    def _check_leaf(self) -> Iterator[Defect | Passed]:
        leaf = self._path[0].certificate
        called = describe(leaf, 0, self._role)
        if (
            len(self._path) > 1
            and leaf.self_issued
            and leaf.extensions.authority_key_id is None
            and not self._path[0].trusted
        ):
            # OpenSSL stops here even where the CA is at hand.
            yield self._same_name(called)
        yield from check_name(leaf, self._name)
        yield from check_purpose(leaf, self._role, self._key_exchange)
        if leaf.is_ca is True and not leaf.self_signed:
            yield self._defect(
                "wrong-key-usage",
                "ca-as-leaf",
                0,
                "possible",
                f"{called} is a CA certificate, which some verifiers refuse for an end point",
            )
        if leaf.extensions.must_staple and self._stapled is False and self._role == "server":
            yield self._defect(
                "revocation-unchecked",
                "must-staple",
                0,
                "likely",
                f"{called} demands a stapled OCSP answer (must-staple), and none came",
            )

    def _check_trust(self) -> Iterator[Defect | Passed]:
        top = self._path[-1]
        if top.trusted and self._unbroken():
            yield Passed(
                kinds=("unknown-ca", "self-signed", "missing-intermediate"),
                detail=f"the chain ends in {self._called(top)}, which is trusted",
            )
            return
        broken = next((d for d in self._defects if d.kind == "bad-signature"), None)
        if broken is not None:
            # The broken link says it all, unless another CA of that name may be meant.
            if broken.reason == "other-issuer-key":
                yield self._defect(
                    "unknown-ca",
                    "other-issuer-key",
                    broken.index,
                    "possible" if self._anchors is None else "likely",
                    broken.detail,
                )
            return
        yield from missing_issuer(
            [link.certificate for link in self._path],
            top_index=top.index,
            sent=len(self._chain),
            role=self._role,
            anchors=self._anchors,
            authorities=self._authorities,
        )


__all__ = [
    "KINDS",
    "MAX_CHAIN",
    "ChainJudgement",
    "Defect",
    "Link",
    "OfferMatch",
    "Passed",
    "judge_chain",
    "leaf_matches_offer",
]
