"""Every file of captures/ shows what its line of the manifest says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analyzers.diagnose import explain
from analyzers.offline import read_connections
from tests.tools.record_captures import CAPTURES, README, STORIES, manifest, readme_text

LINES: list[dict[str, Any]] = manifest()["capture"]


@pytest.mark.parametrize("line", LINES, ids=[line["file"] for line in LINES])
def test_a_capture_shows_what_its_line_says(line: dict[str, Any]) -> None:
    data = (CAPTURES / line["file"]).read_bytes()
    (found,) = read_connections([data], name=line["file"])
    report = explain(*found)
    assert (report.verdict.rule if report.verdict else "") == line["verdict"]
    assert (report.outcome.failed_by or "") == line["failed_by"]
    assert (report.outcome.phase or "") == line["phase"]


def test_no_capture_is_without_a_line_and_none_is_large() -> None:
    files = sorted(path.name for path in CAPTURES.glob("*.pcapng"))
    assert files == sorted(line["file"] for line in LINES)
    assert sum(path.stat().st_size for path in CAPTURES.iterdir()) < 5_000_000


def test_both_stories_that_the_project_came_from_are_told_first() -> None:
    assert [Path(line["file"]).stem for line in LINES[:2]] == list(STORIES)
    assert README.read_text(encoding="utf-8") == readme_text()
