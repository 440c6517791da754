from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from proxy.hints import client_hints, client_ids, hosts_file, hosts_line, start_text
from proxy.tap import Endpoint

BROKER = Endpoint("broker.example.com", 8883)
HERE = Endpoint("127.0.0.1", 8883)


def test_the_clients_of_the_readme_have_a_hint() -> None:
    assert {"mqttnet", "paho-mqtt", "mosquitto_pub", "mqttjs", "paho-c", "paho-go"} <= set(
        client_ids()
    )


def test_every_entry_says_where_its_behaviour_was_read() -> None:
    text = resources.files("proxy").joinpath("data/clients.toml").read_text(encoding="utf-8")
    for entry in tomllib.loads(text)["client"]:
        assert entry["seen"], entry["id"]
        assert set(entry) <= {"id", "name", "line", "note", "own_hosts", "seen"}


def test_ids_are_unique() -> None:
    assert len(set(client_ids())) == len(client_ids())


def test_every_line_names_broker_and_port() -> None:
    for hint in client_hints(Endpoint("127.0.0.1", 18883), "b.example.net"):
        if hint.line is not None:
            assert "b.example.net" in hint.line
            assert "18883" in hint.line
            assert "$" not in hint.line


def test_mqtt_js_gets_an_address_because_it_overwrites_servername_for_a_name() -> None:
    line = next(h.line for h in client_hints(HERE, "b.example.net") if h.id == "mqttjs")
    assert line == 'mqtt.connect("mqtts://127.0.0.1:8883", { servername: "b.example.net" })'


@pytest.mark.parametrize(
    ("platform", "path"),
    [
        ("linux", "/etc/hosts"),
        ("darwin", "/etc/hosts"),
        ("win32", "C:\\Windows\\System32\\drivers\\etc\\hosts"),
    ],
)
def test_hosts_file_of_each_system(platform: str, path: str) -> None:
    assert hosts_file(platform) == path
    assert path in start_text(BROKER, [HERE], platform=platform)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "localhost"])
def test_the_hosts_line_holds_an_address_that_can_be_reached(host: str) -> None:
    assert hosts_line(Endpoint(host, 8883), "b") == "127.0.0.1  b"


def test_start_text_gives_the_whole_way_for_a_client_without_an_option() -> None:
    text = start_text(BROKER, [HERE], resolved="192.0.2.7")
    assert "127.0.0.1  broker.example.com\n" in text
    # With the hosts line in place our own lookup would lead back to us.
    assert "tlswhy proxy broker.example.com:8883 --connect 192.0.2.7\n" in text
    assert "remove the line afterwards" in text


def test_start_text_without_an_address_says_what_to_fill_in() -> None:
    assert "--connect ADDRESS-OF-THE-BROKER" in start_text(BROKER, [HERE])


def test_start_text_with_connect_does_not_ask_for_it_again() -> None:
    text = start_text(BROKER, [HERE], connect=Endpoint("192.0.2.7", 8883))
    assert "--connect" not in text
    assert "192.0.2.7:8883" in text


def test_start_text_names_every_listener() -> None:
    text = start_text(BROKER, [HERE, Endpoint("::1", 8884)])
    assert "127.0.0.1:8883, [::1]:8884" in text.replace("\n", " ")


def test_another_port_has_to_be_given_to_the_client() -> None:
    text = start_text(BROKER, [Endpoint("127.0.0.1", 18883)])
    assert "Connect to broker.example.com:18883" in text


@pytest.mark.parametrize("word", ["mqttnet", "MQTTnet", " MqttNet "])
def test_one_client_alone(word: str) -> None:
    text = start_text(BROKER, [HERE], client=word)
    assert 'WithTargetHost("broker.example.com")' in text
    assert "MQTT.js" not in text
    assert "Any other client" in text


@pytest.mark.parametrize("word", ["mosquitto_pub", "mosquitto_sub"])
def test_one_client_that_has_no_option(word: str) -> None:
    text = start_text(BROKER, [HERE], client=word)
    assert "mosquitto_pub, mosquitto_sub: by the hosts file" in text
    assert "MQTTnet" not in text


def test_an_unknown_client_gets_all_hints() -> None:
    assert start_text(BROKER, [HERE], client="never-heard-of") == start_text(BROKER, [HERE])


def test_a_broker_given_by_address_has_no_name_to_keep() -> None:
    text = start_text(Endpoint("192.0.2.1", 8883), [HERE])
    assert "--connect 192.0.2.1" in text
    assert "hosts" not in text


def test_a_broker_on_localhost_keeps_its_name_by_itself() -> None:
    text = start_text(Endpoint("localhost", 8883), [Endpoint("127.0.0.1", 18883)])
    assert "localhost:18883" in text
    assert "hosts" not in text


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_prose_fits_80_columns(platform: str) -> None:
    code = [h.line for h in client_hints(HERE, BROKER.host)]
    for line in start_text(BROKER, [HERE], resolved="192.0.2.7", platform=platform).splitlines():
        assert len(line) <= 80 or line.strip() in code, line
