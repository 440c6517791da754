"""Each way to fail, between real programs: the cause is told, and nobody notices the proxy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.brokers import Broker, Mosquitto, OpensslServer, RabbitMq
from tests.interop.clients import Client, MosquittoPub, OpensslClient, Paho
from tests.interop.machine import free_port, wait_until
from tests.interop.pki import Pki
from tests.interop.recording import Recording
from tests.interop.scenarios import SCENARIOS, Scenario
from tests.interop.session import Json, Proxied, findings, handshake, read

CASES = [
    pytest.param(scenario, broker.name, client, id=f"{scenario.name}-{broker.name}-{client.name}")
    # Scenario first: so RabbitMQ changes its options once a scenario.
    for scenario in SCENARIOS
    for broker in (Mosquitto, RabbitMq, OpensslServer)
    for client in (MosquittoPub(), Paho(), OpensslClient())
    if client.fits(scenario, speaks_mqtt=broker.speaks_mqtt)
]


@pytest.mark.parametrize(("scenario", "broker_name", "client"), CASES)
def test_the_cause_is_told_and_nobody_notices(
    scenario: Scenario,
    broker_name: str,
    client: Client,
    brokers: dict[str, Broker],
    pki: Pki,
    tmp_path: Path,
) -> None:
    broker = brokers[broker_name]
    port = broker.port(scenario.setting)
    mqtt = broker.speaks_mqtt
    for leg in ("direct", "proxied"):
        (tmp_path / leg).mkdir()

    before = broker.mark()
    with Recording(port, tmp_path / "direct") as recorded_directly:
        directly = client.run(scenario, pki, port, tmp_path / "direct", mqtt=mqtt)
    wait_until(lambda: broker.since(before), "the broker's log tells of the connection")

    with (
        Proxied(port, tmp_path / "proxied", free_port()) as proxied,
        # The client's leg: what it still says to a broker that has gone gets no further.
        Recording(proxied.port, tmp_path / "proxied") as recorded,
    ):
        broker_said = broker.since(before)
        before = broker.mark()
        through = client.run(scenario, pki, proxied.port, tmp_path / "proxied", mqtt=mqtt)
        report = proxied.report()

    assert (directly.code == 0) is scenario.works, directly
    assert through == directly, "the client noticed the proxy"
    wait_until(lambda: len(broker.since(before)) >= len(broker_said), "the broker's log is whole")
    assert sorted(broker.since(before)) == sorted(broker_said), "the broker noticed the proxy"

    check_verdict(report, scenario)
    captured = read(recorded.file)
    assert handshake(captured) == handshake(report)
    assert captured["outcome"] == report["outcome"]
    assert findings(captured) == findings(report)
    # Another session, in which a record more or less can have been sent before the end.
    check_verdict(read(recorded_directly.file), scenario)


def check_verdict(report: Json, scenario: Scenario) -> None:
    outcome = report["outcome"]
    assert outcome["status"] == scenario.status
    assert (report["verdict"] or {}).get("rule") == scenario.rule, findings(report)
    assert not report["analysis"]["stopped"]
    if scenario.failed_by is not None:
        assert outcome["failed_by"] == scenario.failed_by
    if scenario.version is not None:
        assert report["tls"]["version"] == scenario.version
    if scenario.works:
        assert outcome["handshake"] == "complete"
        assert not [f for f in findings(report) if f[1] == "cause"]
    for finding in report["findings"]:
        assert finding["title"]
        assert finding["explanation"]
    if report["verdict"] is not None:
        assert report["findings"][0]["evidence"], "a verdict without evidence"
