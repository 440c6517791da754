from __future__ import annotations

import time

import pytest

from proxy.endpoint import is_address, read_endpoint
from proxy.limits import UsageError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("broker.example.com", "broker.example.com", 8883),
        ("broker.example.com:443", "broker.example.com", 443),
        ("broker.example.com.:443", "broker.example.com", 443),
        ("localhost:18883", "localhost", 18883),
        ("my_host-1:1", "my_host-1", 1),
        ("10.0.0.1:8884", "10.0.0.1", 8884),
        ("::1", "::1", 8883),
        ("[::1]", "::1", 8883),
        ("[2001:db8::1]:443", "2001:db8::1", 443),
        ("[fe80::1%eth0]:443", "fe80::1%eth0", 443),
        ("  mqtts://broker.example.com:8883/  ", "broker.example.com", 8883),
        ("ssl://user:secret@broker.example.com", "broker.example.com", 8883),
        ("wss://broker.example.com:443/mqtt", "broker.example.com", 443),
    ],
)
def test_reads_what_people_write(text: str, host: str, port: int) -> None:
    assert read_endpoint(text, what="BROKER") == (host, port)


def test_other_defaults() -> None:
    assert read_endpoint("b", what="BROKER", default_port=1).port == 1
    assert read_endpoint("127.0.0.1:0", what="--listen", port_zero=True).port == 0


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "write HOST[:PORT]"),
        (":8883", "write HOST[:PORT]"),
        ("two words", "write HOST[:PORT]"),
        ("evil\x1b[31m.example", "write HOST[:PORT]"),
        ("-v", "write HOST[:PORT]"),
        ("broker:", "port ''"),
        ("broker:0", "1 to 65535"),
        ("broker:65536", "1 to 65535"),
        ("broker:mqtt", "1 to 65535"),
        ("broker:-1", "1 to 65535"),
        ("broker:٣", "1 to 65535"),
        ("[::1", "[2001:db8::1]:8883"),
        ("[::1]8883", "[2001:db8::1]:8883"),
        ("[name]:1", "[2001:db8::1]:8883"),
        ("mqtt://broker.example.com", "not TLS"),
        ("ws://broker.example.com", "not TLS"),
        ("a" * 64 + ".example", "write HOST[:PORT]"),
        ("1:2:3:4", "write HOST[:PORT]"),
    ],
)
def test_says_what_to_write_instead(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_endpoint(text, what="BROKER")
    message = str(caught.value)
    assert message.startswith("BROKER")
    assert hint in message
    assert message.isprintable()


def test_a_password_in_a_url_never_reaches_the_message() -> None:
    with pytest.raises(UsageError) as caught:
        read_endpoint("mqtts://user:hunter2@broker:notaport", what="BROKER")
    assert "hunter2" not in str(caught.value)


def test_a_long_wrong_name_is_refused_at_once() -> None:
    started = time.process_time()
    with pytest.raises(UsageError):
        read_endpoint("a" * 250 + "!", what="BROKER")
    assert time.process_time() - started < 1


def test_is_address() -> None:
    assert is_address("192.0.2.1")
    assert is_address("2001:db8::1")
    assert not is_address("localhost")
    assert not is_address("192.0.2.256")
