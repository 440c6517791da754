"""The brokers, started once for all tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.interop.brokers import Broker, Mosquitto, OpensslServer, RabbitMq, missing_programs
from tests.interop.pki import Pki
from tests.interop.scenarios import SCENARIOS

SETTINGS = list(dict.fromkeys(scenario.setting for scenario in SCENARIOS))


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def brokers(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Broker]]:
    absent = missing_programs()
    if absent:
        pytest.fail(f"the interop suite needs {', '.join(absent)}: apt-get install them")
    with contextlib.ExitStack() as stack:
        mosquitto = Mosquitto(pki, tmp_path_factory.mktemp("mosquitto"), SETTINGS)
        stack.callback(mosquitto.stop)
        openssl = OpensslServer(pki, tmp_path_factory.mktemp("openssl"), SETTINGS)
        stack.callback(openssl.stop)
        rabbitmq = RabbitMq(pki, tmp_path_factory.mktemp("rabbitmq"))
        stack.callback(rabbitmq.stop)
        yield {broker.name: broker for broker in (mosquitto, openssl, rabbitmq)}
