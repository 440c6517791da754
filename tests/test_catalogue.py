"""Rules and scenarios belong together: each rule is shown, and each is held back."""

from __future__ import annotations

import time

import pytest

from analyzers import rules
from analyzers.rules._rule import HEADINGS, Rule
from proxy.lab import catalogue

RULES = rules.catalogue()
every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)


def shown() -> dict[str, set[str]]:
    """Scenario ids by the rule whose finding they expect."""
    at = time.time()
    found: dict[str, set[str]] = {}
    for scenario in catalogue():
        expected = scenario.plan(at).expected
        for rule in (expected.rule, *expected.also):
            if rule is not None:
                found.setdefault(rule, set()).add(scenario.id)
    return found


SHOWN = shown()
HELD_BACK = {rule for scenario in catalogue() for rule in scenario.near_miss}


@every_rule
def test_a_rule_has_a_scenario(rule: Rule) -> None:
    assert rule.id in SHOWN


@every_rule
def test_a_rule_has_a_near_miss(rule: Rule) -> None:
    assert rule.id in HELD_BACK


@every_rule
def test_a_rule_explains_itself(rule: Rule) -> None:
    assert not rule.title.endswith(".")
    assert set(rule.sections) == set(HEADINGS)
    assert all(rule.sections.values())


def test_scenarios_expect_rules_that_exist() -> None:
    known = {rule.id for rule in RULES}
    assert set(SHOWN) <= known


def test_rule_ids_are_unique_words() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    assert all(part.isalnum() for rule_id in ids for part in rule_id.split("-"))
