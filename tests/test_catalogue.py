"""Rules and scenarios belong together: each rule is shown, and each is held back."""

from __future__ import annotations

import time

import pytest

from analyzers import rules
from analyzers.connection import Connection
from analyzers.context import Context
from analyzers.diagnose import explain
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
NOT_ON_LOOPBACK = {"tcp-timeout"}
"""No peer can be silent to a SYN on loopback unless the machine's firewall is changed."""
HELD_BACK = {rule for scenario in catalogue() for rule in scenario.near_miss}


@every_rule
def test_a_rule_has_a_scenario(rule: Rule) -> None:
    assert rule.id in SHOWN or rule.id in NOT_ON_LOOPBACK


def test_a_host_that_does_not_answer() -> None:
    connection = Connection()
    connection.not_connected("timeout", "no answer from 192.0.2.1:8883", 10.0)
    context = Context(kind="proxy", name="lab", start=0.0, server_name="broker.example")
    report = explain(connection.transcript, context)
    assert report.verdict is not None
    assert report.verdict.rule == "tcp-timeout"
    assert report.outcome.failed_by == "network"


@every_rule
def test_a_rule_has_a_near_miss(rule: Rule) -> None:
    assert rule.id in HELD_BACK


@every_rule
def test_a_rule_explains_itself(rule: Rule) -> None:
    assert rule.title.endswith(".")
    assert set(rule.sections) == set(HEADINGS)
    assert all(rule.sections.values())


def test_scenarios_expect_rules_that_exist() -> None:
    known = {rule.id for rule in RULES}
    assert set(SHOWN) <= known


def test_rule_ids_are_unique_words() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    assert all(part.isalnum() for rule_id in ids for part in rule_id.split("-"))
