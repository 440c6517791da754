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
MAX_RULED_OUT = 6

# What any failure of this kind is called; says nothing beside a verdict that names the fault.
_FAMILIES = frozenset(
    ("certificate-refused", "client-certificate-refused", "handshake-refused", "idle-closed")
    + ("client-closed-mid-handshake", "client-reset-mid-handshake", "client-closed-unused")
    + ("server-closed-mid-handshake", "server-reset-mid-handshake")
)


def why(report: Report, cause: FindingReport, columns: int, paint: Paint) -> list[str]:
    """The explanation, with the bytes that prove it."""
    lines = ["", paint("head", "Why")]
    lines += _prose(cause.explanation, columns)
    for evidence in cause.evidence[:MAX_EVIDENCE]:
        lines += _evidence(evidence, columns)
    filters = [proof.wireshark for proof in cause.evidence if proof.wireshark]
    if filters and report.source.kind != "proxy":
        lines += wrap(f"Wireshark: {printable(filters[0])}", columns, first="  ", rest="    ")
    return lines


def _evidence(evidence: EvidenceReport, columns: int) -> list[str]:
    place = _place(evidence)
    text = printable(evidence.says).rstrip(".")
    return wrap(f"{text} [{place}]" if place else text, columns, first="  - ")


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
    """Rules that were ruled out, those with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for finding in with_role(report, "ruled_out"):
        reason = " ".join(printable(finding.explanation or finding.title).split())
        reasons.setdefault(reason, []).append(printable(finding.rule))
    if not reasons:
        return []
    lines = ["", paint("head", "What it is not")]
    for reason, rules in list(reasons.items())[:MAX_RULED_OUT]:
        lines += wrap(f"not {' or '.join(rules)}: {reason}", columns, first="  - ")
    rest = [rule for rules in list(reasons.values())[MAX_RULED_OUT:] for rule in rules]
    if rest:
        lines += wrap(f"nor {' or '.join(rest)}", columns, first="  - ")
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
    notes = with_role(report, "note")
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
        unseen.append("packets were cut short")
    skipped = report.records_skipped.client + report.records_skipped.server
    if skipped:
        unseen.append(f"{skipped} records were passed on unread")
    if report.analysis.stopped:
        unseen.append(f"the analysis stopped: {printable(report.analysis.reason or 'no reason')}")
    unseen += [printable(warning) for warning in report.analysis.warnings[:3]]
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
