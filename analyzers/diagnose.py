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
FAMILY = 30
"""The weight of findings that only name the family of a cause."""
ONLY_THE_END = frozenset({"server-closed-after-client-hello", "server-reset-after-client-hello"})
"""Certain of how a connection ended, not of why: beside them what is possible stays."""
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
    """Drop what the verdict makes pointless.

    A family ("refused") says nothing beside a cause that names the reason, and a certain
    cause needs no list of maybes. Otherwise a few of the possible ones stay.
    """
    causes = [finding for finding in findings if finding.role == "cause"]
    if not causes:
        return findings
    verdict = causes[0]
    named = verdict.certainty != "possible" and verdict.weight > FAMILY
    possible = [finding for finding in causes if finding.certainty == "possible"]
    if named and verdict.certainty == "certain" and verdict.rule not in ONLY_THE_END:
        possible = []
    kept = {id(finding) for finding in possible[:MAX_POSSIBLE]}
    blamed = {finding.rule for finding in causes}

    def keep(finding: Finding) -> bool:
        if finding.role == "ruled_out":
            return finding.rule not in blamed
        if finding.role != "cause" or finding is verdict:
            return True
        if finding.certainty == "possible":
            return id(finding) in kept
        return not (named and finding.weight <= FAMILY)

    return [finding for finding in findings if keep(finding)]
