"""A fault of the broker's certificate as a finding."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.blame import Blame, blame_hidden, blame_visible
from analyzers.case import Case
from analyzers.finding import Evidence, Finding
from analyzers.messages import CertificateMessage
from analyzers.rules._words import at_ending, at_event, refusing
from analyzers.transcript import SERVER
from analyzers.x509.defects import describe

_HIDDEN = "TLS 1.3 hides the certificate, so this cannot be excluded."


def blamed(case: Case) -> dict[str, Blame]:
    """What the refusal can rest on, by kind of fault; empty if nothing was refused."""
    refusal = case.server_refused
    if refusal is None:
        return {}
    judged = case.server_judgement
    if judged is not None:
        return blame_visible(
            judged.defects,
            alert=refusal.alert,
            sure=refusal.sure,
            name_known=case.checked_name is not None,
        )
    return blame_hidden(
        alert=refusal.alert,
        meanings=case.meanings(refusal.alert),
        points_at_proxy=case.points_at_proxy,
        server_key=case.flights.server_key,
    )


def _place(case: Case, index: int | None, says: str) -> Iterator[Evidence]:
    found = case.tr.message(CertificateMessage, SERVER)
    if found is None:
        return
    event, message = found
    if index is None or index >= len(message.certificates):
        yield at_event(event, says)
    else:
        yield Evidence(
            says=says,
            event=event,
            offset=message.offsets[index],
            length=len(message.certificates[index]),
        )


def fault(
    case: Case, kind: str, title: str, *, hidden: str = "", ruled_out: str = ""
) -> Iterator[Finding]:
    """The finding for one kind of fault: cause, note on an accepted one, or ruled out.

    `hidden` is what to say where the chain is encrypted; `ruled_out` the short title where
    the chain shows that this is not the reason ("" for faults that nobody would suspect).
    """
    identifier = f"certificate-{kind}"
    refusal = case.server_refused
    judged = case.server_judgement
    blame = blamed(case).get(kind)
    if refusal is not None and blame is not None:
        says = _sentence(blame.defect.detail) if blame.defect else hidden or _HIDDEN
        evidence = list(_place(case, blame.defect.index, says)) if blame.defect else []
        yield Finding(
            rule=identifier,
            role="cause",
            certainty=blame.certainty,
            title=title,
            explanation=" ".join(
                part for part in (says, blame.reason, refusing(case, refusal)) if part
            ),
            evidence=(*evidence, at_ending(case, refusal.ending)),
            weight=blame.weight,
        )
        return
    if judged is None:
        return
    passed = judged.ruled_out(kind)
    if refusal is not None and passed is not None:
        if refusal.sure == "possible" or not ruled_out:
            return
        yield Finding(
            rule=identifier,
            role="ruled_out",
            # The name that a client checks need not be the one it sends (SNI).
            certainty="likely" if kind == "name-mismatch" else "certain",
            title=ruled_out,
            explanation=_sentence(_of_leaf(case, passed.detail)),
            evidence=tuple(_place(case, 0, _sentence(passed.detail))),
        )
        return
    defect = judged.first(kind)
    if refusal is None and defect is not None and defect.certainty == "certain":
        yield Finding(
            rule=identifier,
            role="note",
            certainty="certain",
            title=title,
            explanation=f"{_sentence(defect.detail)} This client did not object to it here; "
            f"another one may.",
            evidence=tuple(_place(case, defect.index, _sentence(defect.detail))),
        )


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:].rstrip(".") + "."


def _of_leaf(case: Case, detail: str) -> str:
    """A clause about the leaf without its long name, which every one of them begins with."""
    if not case.server_chain:
        return detail
    return detail.replace(describe(case.server_chain[0], 0, "server"), "it", 1)
