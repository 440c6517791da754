"""The lab's catalogue, and every scenario through the real proxy."""

from __future__ import annotations

import ast
import functools
import inspect
import subprocess
import sys
import textwrap

import msgspec
import pytest
import trio

from analyzers.diagnose import explain
from analyzers.events import Direction, How
from analyzers.offline import read_connections
from analyzers.report import Report
from proxy.lab import FAMILIES, UnknownScenario, catalogue, find, run
from proxy.lab._scenario import Expected, Lab, Registry, Scenario
from proxy.lab.recording import Chunk, Close, Seen, Unreached, replay
from proxy.lab.runner import LabResult, run_scenario

SCENARIOS = catalogue()
every_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda entry: entry.id)


@functools.cache
def result_of(scenario: Scenario) -> LabResult:
    """One run a scenario, shared by the tests of this file."""
    return trio.run(run_scenario, scenario)


@every_scenario
def test_a_scenario_gets_its_verdict(scenario: Scenario) -> None:
    result = result_of(scenario)
    said = f"client: {result.client_saw}, broker: {result.broker_saw}"
    assert result.differences == (), said
    assert result.as_expected


@every_scenario
def test_replayed_bytes_are_explained_alike(scenario: Scenario) -> None:
    result = result_of(scenario)
    assert explain(replay(result.seen), result.context) == result.report


@every_scenario
def test_chunking_changes_nothing_that_matters(scenario: Scenario) -> None:
    result = result_of(scenario)
    single = explain(replay(in_single_bytes(result.seen)), result.context)
    assert essence(single) == essence(result.report)


@every_scenario
def test_a_capture_of_it_is_explained_alike(scenario: Scenario) -> None:
    result = result_of(scenario)
    read = list(read_connections([result.pcapng], name="lab.pcapng"))
    if scenario.id == "name-not-resolved":
        assert read == [], "no packet was sent"
        return
    [(transcript, context)] = read
    report = explain(transcript, context)
    assert report.outcome == result.report.outcome
    assert report.verdict == result.report.verdict
    assert findings(report) == findings(result.report)
    assert handshake(report) == handshake(result.report)


def findings(report: Report) -> list[tuple[str, str, str]]:
    # Which name a client was pointed at by a proxy is known to the proxy alone.
    return [
        (finding.rule, finding.role, finding.certainty)
        for finding in report.findings
        if finding.rule != "client-points-at-proxy-name"
    ]


def handshake(report: Report) -> object:
    """The handshake's facts, without times and counts of segments."""
    return without(msgspec.to_builtins(report.tls), {"at_ms", "fragments"})


def without(value: object, keys: set[str]) -> object:
    if isinstance(value, dict):
        return {key: without(inner, keys) for key, inner in value.items() if key not in keys}
    if isinstance(value, list):
        return [without(inner, keys) for inner in value]
    return value


def in_single_bytes(seen: tuple[Seen, ...]) -> list[Seen]:
    cut: list[Seen] = []
    for item in seen:
        if isinstance(item, Chunk):
            pieces = (item.data[i : i + 1] for i in range(len(item.data)))
            cut += [Chunk(item.direction, piece, item.at) for piece in pieces]
        else:
            cut.append(item)
    return cut


def essence(report: Report) -> object:
    """What a report says, without counts of segments."""
    findings = [(f.rule, f.role, f.certainty, f.explanation) for f in report.findings]
    tls = report.tls
    messages = [] if tls is None else [(m.from_, m.name, m.length) for m in tls.messages]
    return report.outcome, report.verdict, findings, messages, report.mqtt


@every_scenario
def test_a_scenario_teaches(scenario: Scenario) -> None:
    assert scenario.family in FAMILIES
    assert scenario.id == scenario.id.lower()
    assert not scenario.title.endswith(".")
    assert len(scenario.title) <= 78
    assert len(scenario.lesson.split()) >= 12, "a lesson is more than a caption"
    assert scenario.id not in scenario.near_miss


@every_scenario
def test_the_last_line_of_a_scenario_is_its_verdict(scenario: Scenario) -> None:
    source = textwrap.dedent(inspect.getsource(scenario.build))
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    last = function.body[-1]
    assert isinstance(last, ast.Return)
    assert isinstance(last.value, ast.Call)
    assert isinstance(last.value.func, ast.Attribute)
    assert last.value.func.attr in ("fails", "established")


def test_ids_are_unique_and_families_in_order() -> None:
    ids = [entry.id for entry in SCENARIOS]
    assert len(ids) == len(set(ids))
    order = [FAMILIES.index(entry.family) for entry in SCENARIOS]
    assert order == sorted(order)
    assert {entry.family for entry in SCENARIOS} == set(FAMILIES)


def test_one_family() -> None:
    assert {entry.family for entry in catalogue("mqtt")} == {"mqtt"}
    with pytest.raises(UnknownScenario, match="no family 'tls'"):
        catalogue("tls")


def test_an_unknown_scenario_gets_suggestions() -> None:
    assert find("certificate-expired").id == "certificate-expired"
    with pytest.raises(UnknownScenario, match="certificate-expired"):
        find("certificate-expried")
    with pytest.raises(UnknownScenario, match="tlswhy lab list"):
        find("zzz")


def test_run_is_for_callers_without_an_event_loop() -> None:
    assert run("healthy-tls12").as_expected


def test_the_registry_refuses_duplicates_and_silence() -> None:
    registry = Registry()

    def some_failure(lab: Lab) -> Expected:
        """A title.

        A lesson.
        """
        return lab.established()

    def no_lesson(lab: Lab) -> Expected:
        """Only a title."""
        return lab.established()

    registry.scenario(near_miss="certificate-expired", family="test")(some_failure)
    [entry] = registry.catalogue()
    assert (entry.id, entry.family, entry.title) == ("some-failure", "test", "A title")
    assert entry.near_miss == ("certificate-expired",)
    with pytest.raises(ValueError, match="some-failure is already registered"):
        registry.scenario()(some_failure)
    with pytest.raises(ValueError, match="needs a title and a lesson"):
        registry.scenario()(no_lesson)


def test_differences_name_what_is_wrong() -> None:
    sound = result_of(find("healthy-tls12"))
    wrong = LabResult(
        scenario=Scenario(
            id="wrong",
            family="test",
            title="t",
            lesson="l",
            near_miss=("certificate-expired",),
            build=lambda lab: sound.expected,
        ),
        expected=Expected(
            rule="certificate-expired",
            status="failed",
            failed_by="client",
            phase="tcp",
            also=("alert-misleads",),
        ),
        report=result_of(find("certificate-expired")).report,
        transcript=sound.transcript,
        context=sound.context,
        seen=(),
        client_saw=(),
        broker_saw=(),
    )
    assert wrong.differences == (
        "outcome.phase server_flight, expected tcp",
        "no finding alert-misleads",
        "near miss: certificate-expired is found",
    )
    assert not wrong.as_expected


def test_what_was_seen_begins_and_ends_as_tcp_does() -> None:
    seen = result_of(find("healthy-tls12")).seen
    first = seen[0]
    assert isinstance(first, Chunk)
    assert first.direction is Direction.CLIENT_TO_SERVER
    assert first.data[0] == 22
    ends = [item for item in seen if isinstance(item, Close)]
    assert {end.direction for end in ends} == set(Direction)
    assert all(end.how is How.FIN for end in ends)
    times = [item.at for item in seen]
    assert times == sorted(times)
    [unreached] = result_of(find("tcp-refused")).seen[:1]
    assert isinstance(unreached, Unreached)
    assert unreached.why == "refused"


def test_the_lab_is_light_to_import() -> None:
    code = (
        "import sys, proxy.lab; "
        "print([m for m in ('trio', 'cryptography', 'OpenSSL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
