"""The parts of a full report below the ladder: why, what it is not, the fix, the rest."""

from __future__ import annotations

from collections.abc import Iterable

from analyzers.fixes import link_for
from analyzers.printable import printable
from analyzers.render.ladder import message_name
from analyzers.render.layout import Paint, shorten, wrap
from analyzers.render.verdict import side
from analyzers.report import EvidenceReport, FindingReport, FixReport, Report

MAX_EVIDENCE = 6
MAX_OTHERS = 4
MAX_RULED_OUT = 8
MISLEADING = "alert-misleads"

# What any failure of this kind is called; says nothing beside a verdict that names the fault.
_FAMILIES = frozenset(
    ("certificate-refused", "client-certificate-refused", "handshake-refused", "idle-closed")
    + ("client-closed-mid-handshake", "client-reset-mid-handshake", "client-closed-unused")
    + ("server-closed-mid-handshake", "server-reset-mid-handshake")
)


def why(report: Report, cause: FindingReport, columns: int, paint: Paint) -> list[str]:
    """The explanation, with the places of the bytes that prove it."""
    lines = ["", paint("head", "Why")]
    lines += _prose(cause.explanation, columns)
    places: list[str] = []
    for evidence in cause.evidence[:MAX_EVIDENCE]:
        place = _place(evidence)
        text = printable(evidence.says).rstrip(".")
        if not _said(text, cause.explanation):
            lines += wrap(f"{text} [{place}]" if place else text, columns, first="  - ")
        elif place and place not in places:
            places.append(place)
    filters = [proof.wireshark for proof in cause.evidence if proof.wireshark]
    if filters and report.source.kind != "proxy":
        places.append(f"Wireshark: {printable(filters[0])}")
    if places:
        proof = wrap("; ".join(places), columns, first="  Proof: ", rest="    ")
        lines += [paint("dim", line) for line in proof]
    return lines


def _said(text: str, explanation: str) -> bool:
    """Whether the explanation contains a piece of evidence already."""
    told = printable(explanation).casefold()
    words = text.casefold()
    return words in told or words.removeprefix("the client ").removeprefix("the broker ") in told


def _place(evidence: EvidenceReport) -> str:
    parts = []
    message = evidence.message and message_name(evidence.message)
    sender = side(evidence.from_) if evidence.from_ else None
    who = " ".join(part for part in (sender, message) if part)
    if who:
        parts.append(who)
    if evidence.offset is not None:
        last = evidence.offset + max(evidence.length or 1, 1) - 1
        span = f"{evidence.offset}-{last}" if last > evidence.offset else f"{evidence.offset}"
        parts.append(f"byte{'s' * (last > evidence.offset)} {span}")
    elif evidence.stream_offset is not None:
        parts.append(f"stream offset {evidence.stream_offset}")
    if evidence.frame is not None:
        parts.append(f"frame {evidence.frame}")
    return ", ".join(parts)


def what_it_is_not(report: Report, columns: int, paint: Paint) -> list[str]:
    """A misleading alert first, then what was ruled out and by what."""
    ruled_out = with_role(report, "ruled_out")
    misleading = [finding for finding in with_role(report, "note") if finding.rule == MISLEADING]
    if not ruled_out and not misleading:
        return []
    lines = ["", paint("head", "What it is not")]
    for finding in misleading:
        lines += wrap(sentence(finding.title, finding.explanation), columns, first="  - ")
    for finding in ruled_out[:MAX_RULED_OUT]:
        reason = " ".join(printable(finding.explanation).split())
        title = printable(finding.title).rstrip(".")
        text = f"{title}: {reason[:1].lower()}{reason[1:]}" if reason else title
        lines += wrap(text, columns, first="  - ")
    rest = ", ".join(printable(finding.rule) for finding in ruled_out[MAX_RULED_OUT:])
    if rest:
        lines += wrap(f"Nor {rest}", columns, first="  - ")
    return lines


def fixes(found: Iterable[FindingReport], columns: int, paint: Paint) -> list[str]:
    """What to change, program by program."""
    fixes: list[FixReport] = []
    for finding in found:
        fixes += [fix for fix in finding.fixes if fix not in fixes]
    if not fixes:
        return []
    lines = ["", paint("head", "Fix")]
    for fix in fixes:
        label = f"{shorten(printable(fix.for_), columns // 2)}:"
        first, *rest = wrap(printable(fix.text), columns, first=f"  {label} ", rest="    ")
        lines += [f"  {paint('bold', label)}{first.removeprefix('  ' + label)}", *rest]
        link = link_for(fix.for_)
        if link is not None and len(link) + 4 <= columns:  # a broken address is no use
            lines.append(paint("dim", f"    {link}"))
    return lines


def worth_telling(found: list[FindingReport]) -> list[FindingReport]:
    """The causes after the verdict, without those that only repeat it in general words."""
    if not found or found[0].rule in _FAMILIES or found[0].certainty == "possible":
        return found[1:]
    return [finding for finding in found[1:] if finding.rule not in _FAMILIES]


def _first_sentence(finding: FindingReport) -> str:
    """The title and the first sentence of the explanation."""
    first, stop, _ = finding.explanation.partition(". ")
    return sentence(finding.title, first + stop.strip())


def others(report: Report, less: list[FindingReport], columns: int, paint: Paint) -> list[str]:
    """What contributed, and the causes `less` that are possible besides the verdict."""
    lines: list[str] = []
    for title, findings in (
        ("Also contributing", with_role(report, "contributing")),
        ("Other possible causes", less),
    ):
        if not findings:
            continue
        lines += ["", paint("head", title)]
        for finding in findings[:MAX_OTHERS]:
            text = f"{_first_sentence(finding)} [{printable(finding.rule)}, {finding.certainty}]"
            lines += wrap(text, columns, first="  - ")
        if len(findings) > MAX_OTHERS:
            rules = ", ".join(printable(finding.rule) for finding in findings[MAX_OTHERS:])
            lines += wrap(f"and also: {rules}", columns, first="  - ")
    return lines


def notes(report: Report, columns: int, paint: Paint) -> list[str]:
    """What is worth knowing and caused nothing."""
    notes = [finding for finding in with_role(report, "note") if finding.rule != MISLEADING]
    if not notes:
        return []
    lines = ["", paint("head", "Notes")]
    for finding in notes:
        lines += wrap(sentence(finding.title, finding.explanation), columns, first="  - ")
        for fix in finding.fixes[:2]:
            text = f"{printable(fix.for_)}: {printable(fix.text)}"
            lines += wrap(text, columns, first="    ", rest="      ")
    return lines


def limits(report: Report, columns: int, paint: Paint) -> list[str]:
    """What the observer could not see: the reader must know it before trusting a word."""
    unseen = []
    complete = report.complete
    some = report.bytes.client or report.bytes.server
    if some and not (complete.client_start and complete.server_start):
        unseen.append("the beginning was not captured")
    if complete.gaps:
        unseen.append(f"{complete.gaps} hole{'s' * (complete.gaps > 1)} in the capture")
    if complete.truncated:
        unseen.append("what was seen ends before the connection did")
    skipped = report.records_skipped.client + report.records_skipped.server
    if skipped:
        unseen.append(f"{skipped} records were passed on unread")
    if report.analysis.stopped:
        unseen.append(f"the analysis stopped: {printable(report.analysis.reason or 'no reason')}")
    warnings = [printable(warning) for warning in report.analysis.warnings]
    unseen += [warning for warning in warnings if warning not in unseen][:3]
    if not unseen:
        return []
    text = wrap("; ".join(unseen) + ".", columns, first="  Not seen: ", rest="    ")
    return [paint("warn", line) for line in text]


def with_role(report: Report, role: str) -> list[FindingReport]:
    """The findings in one role, in the report's order."""
    return [finding for finding in report.findings if finding.role == role]


def sentence(title: str, explanation: str) -> str:
    """A title and what follows it, as sentences."""
    shown = printable(title).strip().rstrip(".:")
    rest = " ".join(printable(line) for line in explanation.split("\n")).strip()
    return f"{shown}. {rest}" if rest else f"{shown}."


def _prose(text: str, columns: int) -> list[str]:
    lines: list[str] = []
    for paragraph in text.split("\n"):
        if paragraph.strip():
            lines += wrap(printable(paragraph), columns, first="  ")
    return lines
