"""`tlswhy demo`, as a user sees it."""

from __future__ import annotations

import dataclasses

import pytest

from proxy import demo
from proxy.lab import find


def test_the_demo_explains_both_connections() -> None:
    shown: list[str] = []
    assert demo.run_demo(shown.append) == 0
    text = "".join(shown)
    assert "connected (TLSv1.3), CONNACK 0" in text
    assert "The Local Security Authority cannot be contacted" in text
    assert "certificate-bad-signature" in text
    assert "Both explanations are right" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "\x1b" not in text


def test_a_wrong_explanation_fails_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:

    def mistaken(scenario_id: str) -> object:
        entry = find(scenario_id)
        return dataclasses.replace(
            entry,
            build=lambda lab: dataclasses.replace(entry.build(lab), rule="certificate-expired"),
        )

    monkeypatch.setattr(demo, "find", mistaken)
    shown: list[str] = []
    assert demo.run_demo(shown.append, width=60) == 1
    assert "not the expected explanation" in "".join(shown)
