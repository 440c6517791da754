"""Transcript to report: run the rules, rank their answers, keep what is ruled out."""

from __future__ import annotations

from analyzers.case import Case
from analyzers.context import Context
from analyzers.finding import Finding
from analyzers.outcome import classify
from analyzers.report import Report
from analyzers.rules import catalogue
from analyzers.summary import build_report
from analyzers.transcript import Transcript

MAX_POSSIBLE = 4
"""Causes that are merely possible, kept behind a better one."""
_ROLES = ("cause", "contributing", "ruled_out", "note")


def find(case: Case) -> tuple[Finding, ...]:
    """All findings of a case: causes best first, then what contributed, is ruled out, noted."""
    found: list[Finding] = []
    for rule in catalogue():
        found.extend(rule.check(case))
    ranked: list[Finding] = []
    for role in _ROLES:
        group = sorted((f for f in found if f.role == role), key=lambda f: f.rank)
        ranked.extend(_only_one_of_each(group))
    return tuple(_trim(ranked))


def explain(transcript: Transcript, context: Context) -> Report:
    """Explain one connection. Pure: the same bytes and times give the same report."""
    case = Case(transcript, classify(transcript), context)
    return build_report(case, find(case))


def _only_one_of_each(findings: list[Finding]) -> list[Finding]:
    seen: set[str] = set()
    kept = []
    for finding in findings:
        if finding.rule not in seen or finding.role == "note":
            seen.add(finding.rule)
            kept.append(finding)
    return kept


def _trim(findings: list[Finding]) -> list[Finding]:
    """Demote what the verdict makes pointless: a certain cause needs no list of maybes."""
    causes = [f for f in findings if f.role == "cause"]
    possible = [f for f in causes if f.certainty == "possible"]
    firm = len(causes) > len(possible)
    keep = set(map(id, possible[: MAX_POSSIBLE if firm else 2 * MAX_POSSIBLE]))
    if firm and causes[0].certainty == "certain" and causes[0].weight > 30:
        keep = set()
    blamed = {f.rule for f in causes if f.certainty != "possible" or id(f) in keep}
    return [
        f
        for f in findings
        if not (f.role == "cause" and f.certainty == "possible" and id(f) not in keep)
        and not (f.role == "ruled_out" and f.rule in blamed)
    ]
