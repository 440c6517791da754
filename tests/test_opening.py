from __future__ import annotations

import pytest

from analyzers.events import Direction
from analyzers.opening import MAX_PREFIX, TLS, Opening, read_opening
from analyzers.transcript import CLIENT, SERVER
from proxy.lab.messages import connack, connect
from tests import hellos

PROXY = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 8883\r\n"


@pytest.mark.parametrize("first", [20, 21, 22, 23, 24])
def test_a_record_header_is_tls(first: int) -> None:
    header = bytes((first, 3, 3, 0, 9))
    for cut in range(1, 5):
        assert read_opening(CLIENT, header[:cut], final=False) is None
        assert read_opening(CLIENT, header[:cut], final=True) is TLS
    assert read_opening(CLIENT, header, final=False) is TLS
    assert read_opening(SERVER, header + b"more", final=True) is TLS


@pytest.mark.parametrize(
    ("direction", "data", "kind", "consumed"),
    [
        (CLIENT, connect("client"), "mqtt", 0),
        (SERVER, connack(5), "mqtt", 0),
        (CLIENT, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http", 0),
        (CLIENT, PROXY, "proxy", len(PROXY)),
        (CLIENT, hellos.sslv2_client_hello(), "sslv2", len(hellos.sslv2_client_hello())),
        (SERVER, bytes(20), "unknown", 0),
        (CLIENT, b"\x16\x03\x03\xff\xff" + bytes(20), "unknown", 0),
        (CLIENT, b"\x16\xfe\xfd" + bytes(20), "dtls", 0),
    ],
)
def test_the_answer_rests_on_the_same_bytes_however_many_follow(
    direction: Direction, data: bytes, kind: str, consumed: int
) -> None:
    first = next(
        found
        for cut in range(1, len(data) + 1)
        if (found := read_opening(direction, data[:cut], final=False)) is not None
    )
    assert isinstance(first, Opening)
    assert (first.kind, first.consumed) == (kind, consumed)
    for more in (b"", b"x", data, bytes(3 * MAX_PREFIX)):
        assert read_opening(direction, data + more, final=False) == first


def test_there_is_an_answer_once_enough_has_come() -> None:
    endless = b"GET /" + b"a" * (2 * MAX_PREFIX)
    found = read_opening(CLIENT, endless, final=False)
    assert isinstance(found, Opening)
    assert found.length <= MAX_PREFIX


@pytest.mark.parametrize("data", [b"G", b"\x10", b"\x80\x2e\x01", b"\xff"])
def test_at_the_end_there_is_always_an_answer(data: bytes) -> None:
    assert read_opening(CLIENT, data, final=False) is None
    found = read_opening(CLIENT, data, final=True)
    assert isinstance(found, Opening)
    assert found.length == len(data)
    assert found.consumed == 0
