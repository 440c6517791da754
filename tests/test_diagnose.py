"""All rules together: one verdict, ranked, nothing certain that is inferred, nothing raised."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.connection import Connection
from analyzers.diagnose import FAMILY, MAX_POSSIBLE, ONLY_THE_END, explain, find
from analyzers.finding import Finding
from analyzers.rules import catalogue
from tests.test_rules_certificates import broker_faults, client_faults
from tests.test_rules_connection import FIRES as CONNECTION
from tests.test_rules_hello import FIRES as HELLO
from tests.transcripts import (
    ASKING,
    CONNECTED_13,
    ESTABLISHED_13,
    TO_FLIGHT,
    Step,
    asking,
    case,
    causes,
    connected_12,
    context,
    device,
    established_12,
    ladder,
    to_certificate,
    told,
    verdict,
)

STAGES: dict[str, tuple[Step, ...]] = {
    "nothing": (),
    "hello": ("C hello",),
    "only 1.2": ("C hello12",),
    "only 1.3": ("C hello13",),
    "retry": ("C hello", "S hrr"),
    "ServerHello 1.2": ("C hello12", "S sh12"),
    "ServerHello 1.3": ("C hello", "S sh13"),
    "half a flight": ("C hello", "S sh13", "S app 23"),
    "flight 1.2": to_certificate(),
    "flight 1.3": TO_FLIGHT,
    "asking 1.3": ("C hello", "S sh13", ASKING),
    "answered 1.2": (*to_certificate(), "C cke", "C ccs", "C hs 40"),
    "certificate sent 1.2": asking(device()),
    "no certificate sent 1.2": asking(),
    "no certificate sent 1.3": ("C hello", "S sh13", ASKING, "C app 25 53"),
    "certificate sent 1.3": ("C hello", "S sh13", ASKING, "C app 1000 281 53"),
    "resumed": ("C hello", "S sh13psk", "S app 23 53"),
    "established 1.2": established_12(),
    "established 1.3": ESTABLISHED_13,
    "connected 1.2": connected_12(),
    "connected 1.3": CONNECTED_13,
}
ALERTS = (10, 20, 22, 40, 42, 47, 48, 49, 50, 51, 70, 71, 80, 86, 90, 109, 112, 115, 116, 120, 200)
LEAVING = ("FIN", "RST", "secret 26", "app 19", "warning 0", *(f"alert {n}" for n in ALERTS))
PAUSES: tuple[tuple[Step, ...], ...] = ((), ("+5",))


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
@pytest.mark.parametrize("side", ["C", "S"])
def test_whoever_fails_in_whatever_way_there_is_a_cause(stage: tuple[Step, ...], side: str) -> None:
    for leaving, pause in itertools.product(LEAVING, PAUSES):
        report = told(*stage, *pause, f"{side} {leaving}", "C FIN", "S FIN")
        blamed = report.outcome.failed_by is not None
        assert blamed == (report.verdict is not None), (leaving, pause, report.outcome)


ALL = [steps for _, steps in (*HELLO, *CONNECTION)]
ALL += [(*to_certificate(*chain), f"C alert {alert}") for _, chain, alert in broker_faults()]
ALL += [(*asking(identity), f"S alert {alert}") for _, identity, alert in client_faults()]


@pytest.mark.parametrize("steps", ALL, ids=range(len(ALL)))
def test_the_best_cause_comes_first(steps: tuple[Step, ...]) -> None:
    found = [item for item in find(case(*steps)) if item.role == "cause"]
    assert [item.rank for item in found] == sorted(item.rank for item in found)
    report = told(*steps)
    assert report.verdict is not None
    assert (report.verdict.rule, report.verdict.certainty) == (found[0].rule, found[0].certainty)


@pytest.mark.parametrize("steps", ALL, ids=range(len(ALL)))
def test_each_rule_speaks_once_and_does_not_contradict_itself(steps: tuple[Step, ...]) -> None:
    found = [item for item in find(case(*steps)) if item.role != "note"]
    rules = [item.rule for item in found]
    assert len(rules) == len(set(rules))


@pytest.mark.parametrize("steps", ALL, ids=range(len(ALL)))
def test_a_list_of_maybes_is_short_and_never_stands_behind_certainty(
    steps: tuple[Step, ...],
) -> None:
    found = [item for item in find(case(*steps)) if item.role == "cause"]
    maybes = [item for item in found[1:] if item.certainty == "possible"]
    assert len(maybes) <= MAX_POSSIBLE
    reason = found[0].rule not in ONLY_THE_END
    if reason and found[0].certainty == "certain" and found[0].weight > FAMILY:
        assert maybes == []


def test_a_named_cause_needs_no_family_beside_it() -> None:
    _, chain, alert = broker_faults()[0]
    report = told(*to_certificate(*chain), f"C alert {alert}")
    assert "certificate-refused" not in causes(report)


def test_what_is_merely_possible_is_no_verdict_beside_something_better() -> None:
    report = told("C hello13", "S alert 40")
    assert verdict(report) == "handshake-refused"
    assert causes(report, "possible") == ["version-server-too-old"]


def test_the_same_bytes_give_the_same_report() -> None:
    transcript = ladder(*ALL[0])
    assert explain(transcript, context()) == explain(transcript, context())


def test_certainty_outranks_weight_only_where_one_is_a_guess() -> None:
    def made(certainty: str, weight: int) -> Finding:
        return Finding(
            rule="x",
            role="cause",
            certainty=certainty,  # type: ignore[arg-type]  # one of the three words
            title="",
            explanation="",
            weight=weight,
        )

    guess, special, general = made("possible", 99), made("likely", 80), made("certain", 30)
    assert sorted((guess, general, special), key=lambda item: item.rank) == [
        special,
        general,
        guess,
    ]


WORDS = st.sampled_from(
    [
        *("hello", "hello12", "hello13", "hrr", "sh12", "sh13", "sh13psk", "done", "cke", "ccs"),
        *("request", "app 19", "app 21", "app 25", "app 53", "app 300", "app 1767 281 53"),
        *("hs 40", "secret 26", "alert 40", "alert 48", "warning 0", "FIN", "RST", "TIMEOUT"),
    ]
)
STEPS = st.lists(
    st.one_of(st.tuples(st.sampled_from("CS"), WORDS).map(" ".join), st.just("+2")), max_size=16
)


@given(st.sampled_from(["C hello", "C hello12", "C hello13"]), STEPS)
def test_no_order_of_events_confuses_it(hello: str, steps: list[Step]) -> None:
    report = told(hello, *steps)
    if report.outcome.failed_by is not None:
        assert report.verdict is not None, report.outcome
    elif report.verdict is not None:
        assert "TIMEOUT" in " ".join(map(str, steps)), "only the observer's patience ran out"


@pytest.mark.parametrize(
    ("end", "rule"),
    [("FIN", "server-closed-after-client-hello"), ("RST", "server-reset-after-client-hello")],
)
def test_no_answer_to_a_hello_leaves_a_port_without_tls_possible(end: str, rule: str) -> None:
    report = told("C hello", f"S {end}")
    assert verdict(report) == rule
    assert "tls-to-plaintext-port" in causes(report, "possible")
    plain = told("C hello", f"S {end}", port=1883)
    assert verdict(plain) == "tls-to-plaintext-port"


def test_the_rules_that_keep_what_is_possible_exist() -> None:
    assert {rule.id for rule in catalogue()} >= ONLY_THE_END


def test_where_no_connection_came_about_there_is_no_stream_to_point_into() -> None:
    for why, pointed in (("refused", "tcp.flags.syn == 1"), ("name", None)):
        connection = Connection()
        connection.not_connected(why, "no way to broker.example", 10.0)
        [proof] = explain(connection.transcript, context()).findings[0].evidence
        assert proof.message == "connect"
        assert proof.stream_offset is None
        assert proof.wireshark == pointed


def test_a_name_is_ruled_out_no_more_surely_than_a_mismatch_is_seen() -> None:
    report = told(*to_certificate(), "C alert 48")
    sure = {item.rule: item.certainty for item in report.findings if item.role == "ruled_out"}
    assert sure["certificate-name-mismatch"] == "likely"
    assert sure["certificate-expired"] == "certain"


def test_the_observers_own_patience_is_no_word_from_the_server() -> None:
    report = told("C hello", "+12", "C TIMEOUT", "S TIMEOUT")
    assert causes(report) == ["server-silent"]
