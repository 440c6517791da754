"""Who is missing at the top of a chain: an intermediate, or trust in a CA?

Both look the same to a verifier. A private CA that signs leaves itself is healthy, so a
chain without its root is never a fault by itself; this only weighs the traces that the
certificates carry of their issuer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analyzers.x509.certificate import Certificate
from analyzers.x509.defects import Certainty, Defect, Passed, Role, describe
from analyzers.x509.names import Name

_INTERMEDIATE_WORDS = frozenset({"intermediate", "issuing", "subordinate", "sub", "subca"})
_ROOT_WORDS = frozenset({"root", "rootca"})


def missing_issuer(
    path: Sequence[Certificate],
    *,
    top_index: int | None,
    sent: int,
    role: Role,
    anchors: Sequence[Certificate] | None,
    authorities: Sequence[Name],
) -> Iterator[Defect | Passed]:
    """Defects for a path that ends without a trust anchor, the likelier first."""
    top = path[-1]
    called = describe(top, top_index, role)
    listed = _listed(path, authorities)
    if listed is not None:
        yield Passed(
            kinds=("unknown-ca", "missing-intermediate", "self-signed"),
            detail=f"the server names {listed} among the CAs that it accepts",
        )
        return
    unlisted = bool(authorities)
    if top.self_signed and len(path) == 1:
        yield _self_signed(called, top, top_index, anchors, unlisted=unlisted)
        return
    if top.self_signed:
        yield Defect(
            kind="unknown-ca",
            reason="root-sent",
            index=top_index,
            certainty=_trust_certainty(anchors, unlisted=unlisted),
            detail=f"the chain ends in {called}, a self-signed root"
            + _not_among(anchors, unlisted),
        )
        return
    if top.self_issued and top.extensions.authority_key_id is None:
        return  # Judged with the signatures.
    yield from _open_end(
        path, called, top_index, sent=sent, anchors=anchors, authorities=authorities
    )


def _self_signed(
    called: str,
    top: Certificate,
    index: int | None,
    anchors: Sequence[Certificate] | None,
    *,
    unlisted: bool,
) -> Defect:
    kind = " (a CA certificate used as an end point's)" if top.is_ca else ""
    return Defect(
        kind="self-signed",
        reason="ca-as-leaf" if top.is_ca else "leaf",
        index=index,
        certainty="likely" if anchors is None else "certain",
        detail=f"{called} is self-signed{kind}{_not_among(anchors, unlisted)}",
    )


def _open_end(
    path: Sequence[Certificate],
    called: str,
    index: int | None,
    *,
    sent: int,
    anchors: Sequence[Certificate] | None,
    authorities: Sequence[Name],
) -> Iterator[Defect]:
    top = path[-1]
    issuer = top.issuer_called
    clue, is_root = _clue(top, anchors, authorities)
    unlisted = bool(authorities)
    others = sent - len(path)
    if others > 0 and len(path) == 1:
        clue, is_root = "other CA certificates were sent, but not this one", False
    gap = Defect(
        kind="missing-intermediate",
        reason="issuer-not-sent",
        index=index,
        certainty="likely" if is_root is False else "possible",
        detail=f"{called} was issued by {issuer}, whose certificate was not sent"
        + (f" ({clue})" if clue and is_root is False else ""),
    )
    unknown: Certainty = _trust_certainty(anchors, unlisted=unlisted)
    if is_root is False and unknown != "possible":
        unknown = "possible" if anchors is None and not unlisted else "likely"
    stranger = Defect(
        kind="unknown-ca",
        reason="issuer-not-trusted" if anchors is not None or unlisted else "issuer-not-visible",
        index=index,
        certainty=unknown,
        detail=f"{called} was issued by {issuer}{_not_among(anchors, unlisted)}"
        + (f" ({clue})" if clue and is_root else ""),
    )
    if is_root is not True and (len(path) == 1 or is_root is False):
        yield gap
    yield stranger


def _clue(
    top: Certificate, anchors: Sequence[Certificate] | None, authorities: Sequence[Name]
) -> tuple[str, bool | None]:
    """What tells whether the missing issuer is a root: (words, True/False/None)."""
    issuer = top.issuer_name
    above = top.extensions.authority_issuer
    if above is not None:
        if above.same(issuer):
            return "its key identifier says that this issuer is a root", True
        return "its key identifier says that this issuer is no root", False
    words = set((issuer.common_name or issuer.text).casefold().replace("-", " ").split())
    if words & _ROOT_WORDS:
        return "a root by its name", True
    if words & _INTERMEDIATE_WORDS:
        return "an intermediate by its name", False
    if top.extensions.ca_issuer_urls:
        return "the certificate says where to fetch it, as below an intermediate", False
    organisations = set(issuer.values("O"))
    known = [a.subject_name for a in anchors or ()] + list(authorities)
    if organisations and any(organisations & set(name.values("O")) for name in known):
        return "a trusted CA belongs to the same organisation", False
    return "", None


def _listed(path: Sequence[Certificate], authorities: Sequence[Name]) -> str | None:
    for certificate in path:
        for name in authorities:
            if name.same(certificate.issuer_name) or name.same(certificate.subject_name):
                return name.text
    return None


def _trust_certainty(anchors: Sequence[Certificate] | None, *, unlisted: bool) -> Certainty:
    if anchors is not None:
        return "certain"
    return "likely" if unlisted else "possible"


def _not_among(anchors: Sequence[Certificate] | None, unlisted: bool) -> str:
    if anchors is not None:
        return ", which is none of the trusted CAs"
    return ", which is none of the CAs that the server names" if unlisted else ""
