"""Real captures between many stacks get the truth as verdict, and healthy ones none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analyzers.diagnose import explain
from analyzers.offline import read_connections
from analyzers.report import Report

JUDGED = Path(__file__).parent / "data" / "judged"
LINES: list[dict[str, Any]] = [
    json.loads(line) for line in (JUDGED / "labels.jsonl").read_text("utf-8").splitlines()
]
every_line = pytest.mark.parametrize("line", LINES, ids=[line["file"][:-5] for line in LINES])


def reports(line: dict[str, Any]) -> list[Report]:
    """The connections that a line is about, explained."""
    chunks = [(JUDGED / line["file"]).read_bytes()]
    return [
        explain(transcript, context)
        for transcript, context in read_connections(chunks, name=line["file"])
        if line["client_port"] in (None, context.client_port)
    ]


@every_line
def test_who_gave_up_and_where(line: dict[str, Any]) -> None:
    found = reports(line)
    assert found
    for report in found:
        assert (report.outcome.failed_by, report.outcome.phase) == (
            line["failed_by"],
            line["phase"],
        )


@every_line
def test_the_verdict_is_the_truth(line: dict[str, Any]) -> None:
    right = {line["cause"], *line["also_right"]}
    for report in reports(line):
        rule = report.verdict.rule if report.verdict else None
        assert rule in right, [(item.rule, item.certainty) for item in report.findings]


@pytest.mark.parametrize(
    "line",
    [line for line in LINES if line["cause"] is None],
    ids=[line["file"][:-5] for line in LINES if line["cause"] is None],
)
def test_no_cause_is_claimed_where_nothing_is_wrong(line: dict[str, Any]) -> None:
    for report in reports(line):
        assert [item.rule for item in report.findings if item.role == "cause"] == []


def test_every_capture_has_its_line() -> None:
    files = sorted(path.name for path in JUDGED.glob("*.pcap"))
    assert files == sorted(line["file"] for line in LINES)
    assert max(path.stat().st_size for path in JUDGED.glob("*.pcap")) < 20_000
