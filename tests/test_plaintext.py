"""What is not TLS: recognised alike however it is cut, and never quoting a secret."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.events import Direction
from analyzers.plaintext import (
    UNKNOWN_WINDOW,
    Fact,
    Recognised,
    looks_like_tls,
    recognise,
)

C, S = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT


def connect(level: int, flags: int = 0x02, *, client_id: bytes = b"me", more: bytes = b"") -> bytes:
    name = b"MQIsdp" if level == 3 else b"MQTT"
    body = struct.pack(">H", len(name)) + name + bytes((level, flags)) + b"\0\x3c"
    if level == 5:
        body += b"\x05\x11\0\0\0\x0a"
    body += struct.pack(">H", len(client_id)) + client_id + more
    length = len(body)
    varint = b""
    while True:
        length, byte = length >> 7, length & 0x7F
        varint += bytes((byte | (0x80 if length else 0),))
        if not length:
            return b"\x10" + varint + body


SECRET = struct.pack(">H", 5) + b"alice" + struct.pack(">H", 6) + b"hunter"

PROXY_V2 = bytes.fromhex("0d0a0d0a000d0a515549540a")
V2_TCP4 = PROXY_V2 + bytes.fromhex("2111000cc0000201c6336402d4312" + "2b3")
V2_TCP6 = PROXY_V2 + b"\x21\x21\0\x24" + bytes(15) + b"\1" + bytes(15) + b"\2" + b"\0\1\0\2"
V2_LOCAL = PROXY_V2 + b"\x20\0\0\0"
V2_TLV = PROXY_V2 + b"\x21\x11\0\x10" + bytes.fromhex("7f0000017f000001000100020400012a")

SSLV2_SPECS = bytes.fromhex("01008000002f00000a")
SSLV2 = bytes((0x80, 9 + 9 + 16, 1, 3, 1, 0, 9, 0, 0, 0, 16)) + SSLV2_SPECS + bytes(16)

# (direction, first bytes, kind, part of what is said, part of the facts)
KNOWN: list[tuple[Direction, bytes, str, str, dict[str, Fact]]] = [
    (
        C,
        connect(4),
        "mqtt",
        "an MQTT 3.1.1 CONNECT packet in clear",
        {
            "packet": "CONNECT",
            "protocol_name": "MQTT",
            "protocol_level": 4,
            "keepalive": 60,
            "clean_start": True,
            "has_will": False,
            "has_username": False,
            "has_password": False,
            "client_id_length": 2,
        },
    ),
    (C, connect(3), "mqtt", "an MQTT 3.1 CONNECT", {"protocol_name": "MQIsdp"}),
    (C, connect(5), "mqtt", "an MQTT 5.0 CONNECT", {"version": "5.0", "client_id_length": 2}),
    (
        C,
        connect(4, 0xC2, more=SECRET),
        "mqtt",
        "CONNECT",
        {"has_username": True, "has_password": True},
    ),
    (C, connect(4, client_id=b"x" * 300), "mqtt", "CONNECT", {"client_id_length": 300}),
    (C, connect(0x84), "mqtt", "an MQTT 3.1.1 CONNECT", {"protocol_level": 0x84}),
    (C, connect(9), "mqtt", "of unknown level 9", {"protocol_level": 9}),
    (
        S,
        b"\x20\x02\x00\x05",
        "mqtt",
        "connection refused, not authorized (code 5)",
        {"packet": "CONNACK", "return_code": 5, "return_name": "not authorized"},
    ),
    (S, b"\x20\x02\x01\x00", "mqtt", "connection accepted", {"session_present": True}),
    (S, b"\x20\x02\x00\x63", "mqtt", "refused, 0x63", {"return_code": 99}),
    (
        S,
        b"\x20\x03\x00\x87\x00",
        "mqtt",
        "connection refused, not authorized (code 135)",
        {"version": "5.0", "return_code": 135},
    ),
    (S, b"\xe0\x02\x82\x00", "mqtt", "DISCONNECT packet in clear: protocol error", {}),
    (S, b"\xe0\x00", "mqtt", "DISCONNECT packet in clear: success", {"return_code": 0}),
    (
        C,
        b"GET /mqtt?token=hunter HTTP/1.1\r\nHost: b\r\n\r\n",
        "http",
        "an HTTP request in clear (GET /mqtt)",
        {"method": "GET", "path": "/mqtt", "websocket": False},
    ),
    (C, b"CONNECT al:hunter@b:1 HTTP/1.1\r\n\r\n", "http", "(CONNECT b:1)", {}),
    (C, b"GET /x;key=hunter#y HTTP/1.1\r\n\r\n", "http", "(GET /x)", {}),
    (C, b"PUT http://alice:hunter@b/x HTTP/1.1\r\n\r\n", "http", "(PUT http://b/x)", {}),
    (C, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http", "(PRI *)", {}),
    (
        C,
        b"GET /mqtt HTTP/1.1\r\nUpgrade: WebSocket\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
        "websocket",
        "a WebSocket upgrade request in clear (GET /mqtt)",
        {"websocket": True, "subprotocol": "mqtt"},
    ),
    (
        S,
        b"HTTP/1.1 400 Bad Request\r\n",
        "http",
        "an HTTP response in clear (HTTP/1.1 400 Bad Request)",
        {"status": 400},
    ),
    (S, b"HTTP/1.1 101 Switching Protocols\r\n", "websocket", "101", {"websocket": True}),
    (S, b"HTTP/weird\r\n", "http", "HTTP/weird", {"status": None}),
    (
        C,
        b"PROXY TCP4 192.0.2.1 198.51.100.2 54321 8883\r\n",
        "proxy",
        "a PROXY protocol version 1 header for 192.0.2.1 port 54321",
        {"version": 1, "protocol": "TCP4", "destination_port": 8883, "length": 46},
    ),
    (C, b"PROXY UNKNOWN\r\n", "proxy", "version 1 header", {"protocol": "UNKNOWN"}),
    (
        C,
        V2_TCP4,
        "proxy",
        "a PROXY protocol version 2 header for 192.0.2.1 port 54321",
        {"protocol": "TCP4", "destination": "198.51.100.2", "destination_port": 8883},
    ),
    (C, V2_TCP6, "proxy", "for ::1 port 1", {"protocol": "TCP6", "destination": "::2"}),
    (C, V2_LOCAL, "proxy", "version 2 header", {"protocol": "LOCAL", "length": 16}),
    (C, V2_TLV, "proxy", "for 127.0.0.1 port 1", {"length": 32}),
    (
        C,
        SSLV2,
        "sslv2",
        "a hello in SSL 2.0 framing that offers up to TLS 1.0",
        {"version": "TLS 1.0", "cipher_specs": 3, "length": len(SSLV2)},
    ),
    (C, b"\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\x20", "dtls", "DTLS 1.2", {"version": "DTLS 1.2"}),
    (C, b"\x05\x02\x00\x02", "socks", "SOCKS 5", {"version": 5}),
    (C, b"\x04\x01\x22\xb3\x7f\0\0\1\0", "socks", "SOCKS 4", {"version": 4}),
    (C, b"AMQP\0\0\x09\x01", "amqp", "AMQP 0-9-1", {"version": "0-9-1", "protocol_id": 0}),
    (S, b"AMQP\x03\x01\0\0", "amqp", "AMQP 1.0", {"raw": "3-1-0-0"}),
    (C, bytes.fromhex("0000000804d2162f"), "postgresql", "start TLS", {"message": "SSLRequest"}),
    (C, bytes.fromhex("0000002900030000") + b"user\0", "postgresql", "startup", {}),
    (S, b"\x4a\0\0\0\x0a8.0.36\0\x08", "mysql", "version 8.0.36", {"version": "8.0.36"}),
    (C, bytes.fromhex("030000130ee000000000000100080003000000"), "rdp", "Remote Desktop", {}),
    (S, bytes.fromhex("030000130ed000001234000200080003000000"), "rdp", "", {"answer": True}),
    (C, bytes.fromhex("000100002112a442") + bytes(12), "stun", "STUN", {}),
    (C, b"SSH-2.0-OpenSSH_9.2\r\n", "ssh", "an SSH banner (SSH-2.0-OpenSSH_9.2)", {}),
    (S, b"SSH-2.0-dropbear\r\n", "ssh", "an SSH banner", {"line": "SSH-2.0-dropbear"}),
    (C, b"EHLO client.example\r\n", "smtp", "an SMTP greeting", {}),
    (S, b"220 mail.example ESMTP Postfix\r\n", "smtp", "ESMTP Postfix", {}),
    (S, b"220 ProFTPD Server ready\r\n", "ftp", "an FTP greeting", {}),
    (C, b"USER alice\r\n", "ftp", "an FTP or POP3 command in clear", {}),
    (C, b"a1 LOGIN alice hunter\r\n", "imap", "an IMAP command in clear", {}),
    (S, b"* OK ready\r\n", "imap", "an IMAP greeting", {}),
    (S, b"+OK POP3 ready\r\n", "pop3", "a POP3 greeting", {}),
    (S, b"+OK\r\n", "redis", "a Redis reply", {}),
    (S, b"-ERR unknown command\r\n", "redis", "a Redis reply", {}),
    (C, b"*1\r\n$4\r\nPING\r\n", "redis", "a Redis command", {}),
]

# Followed by other bytes these are read as the same thing, so only whole they are tested cut.
IDS = [
    f"{direction.sender}-{kind}-{place}" for place, (direction, _, kind, _, _) in enumerate(KNOWN)
]


@pytest.mark.parametrize(("direction", "data", "kind", "says", "facts"), KNOWN, ids=IDS)
class TestKnown:
    def test_whole(
        self, direction: Direction, data: bytes, kind: str, says: str, facts: dict[str, Fact]
    ) -> None:
        found = recognise(direction, data)
        assert found is not None
        assert found.kind == kind
        assert says in found.says
        assert facts.items() <= dict(found.detail).items()

    def test_byte_by_byte_and_with_a_tail(
        self, direction: Direction, data: bytes, kind: str, says: str, facts: dict[str, Fact]
    ) -> None:
        whole = recognise(direction, data)
        decided = False
        for end in range(len(data)):
            part = recognise(direction, data[:end])
            assert part is None or part == whole, end
            assert part is not None or not decided, "an answer was taken back"
            decided = part is not None
        for tail in (b"\0", b"\xff" * 40, b"GET / HTTP/1.1\r\n\r\n"):
            assert recognise(direction, data + tail) == whole

    def test_cut_at_each_length_there_is_an_answer_in_the_end(
        self, direction: Direction, data: bytes, kind: str, says: str, facts: dict[str, Fact]
    ) -> None:
        for end in range(len(data) + 1):
            found = recognise(direction, data[:end], final=True)
            assert found is not None
            assert found.consumed <= end
            assert found.says.isascii()
            assert found.says.isprintable()

    def test_it_is_not_tls_and_no_secret_is_repeated(
        self, direction: Direction, data: bytes, kind: str, says: str, facts: dict[str, Fact]
    ) -> None:
        assert looks_like_tls(data) is False
        for end in range(len(data) + 1):
            found = recognise(direction, data[:end], final=True)
            assert found is not None
            if found.kind != "unknown":
                assert "hunter" not in f"{found.says}{found.detail}"
                assert "alice" not in f"{found.says}{found.detail}"


@pytest.mark.parametrize("header", [V2_TCP4, V2_TCP6, V2_LOCAL, V2_TLV, b"PROXY UNKNOWN\r\n"])
def test_a_proxy_header_says_where_tls_begins(header: bytes) -> None:
    hello = b"\x16\x03\x01\x00\x05"
    found = recognise(C, header + hello)
    assert found is not None
    assert (header + hello)[found.consumed :] == hello


def test_after_a_hello_in_ssl_2_framing_tls_may_follow() -> None:
    found = recognise(C, SSLV2 + b"\x16\x03\x01\x00\x05")
    assert found is not None
    assert found.consumed == len(SSLV2)


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (b"", None),
        (b"\x16", None),
        (b"\x16\x03\x01\x02", None),
        (b"\x16\x03\x01\x02\x00", True),
        (b"\x15\x03\x03\x00\x02\x02\x46", True),
        (b"\x18\x03\x04\x00\x10", True),
        (b"\x16\x03\x09\x00\x10", True),
        (b"\x16\x03\x01\x48\x00", True),
        (b"\x16\x03\x01\x48\x01", False),
        (b"\x16\x02", False),
        (b"\x19\x03\x03\x00\x10", False),
        (b"\x10", False),
        (b"\x80", False),
    ],
)
def test_what_looks_like_tls(data: bytes, verdict: bool | None) -> None:
    assert looks_like_tls(data) is verdict


@pytest.mark.parametrize("direction", list(Direction))
def test_unknown_bytes_are_shown_as_numbers(direction: Direction) -> None:
    data = b"\xde\xad\xbe\xef" * 4
    assert recognise(direction, data[: UNKNOWN_WINDOW - 1]) is None
    found = recognise(direction, data + b"more")
    assert found == recognise(direction, data)
    assert found is not None
    assert found.kind == "unknown"
    assert "de ad be ef" in found.says
    assert found.consumed == 0
    assert recognise(direction, b"", final=True) == Recognised(
        kind="unknown", says="nothing", detail={"first_bytes": ""}
    )


@pytest.mark.parametrize(
    ("direction", "data"),
    [
        (C, b"\x10\xff\xff\xff\xff\x00" + bytes(16)),  # a length of five bytes
        (C, b"\x10\x10\x00\x04MQTX" + bytes(16)),
        (C, b"\x10\x03\x00\x04M" + bytes(16)),  # ends within the name
        (C, bytes((0x80, 30, 1, 9, 9, 0, 9, 0, 0, 0, 16)) + bytes(20)),  # no version
        (C, bytes((0x80, 30, 1, 3, 1, 0, 9, 0, 0, 0, 16)) + bytes(20)),  # lengths disagree
        (C, b"\x05\x09" + bytes(20)),
        (C, b"\x04\x07" + bytes(20)),
        (C, b"\x16\xfe\x00" + bytes(20)),
        (C, b"\x03\x00\x00\x13\x0e\x11" + bytes(20)),
        (C, b"\x00\x00\x00\x08\x00\x00\x00\x00" + bytes(20)),
        (C, b"POST\x00/ HTTP" + bytes(20)),
        (C, b"GET nothing\r\n" + bytes(20)),
        (C, b"Nothing known\r\n" + bytes(20)),
        (S, b"\x20\x02\x07\x00" + bytes(20)),
        (S, b"\x20\x01\x00" + bytes(20)),
        (S, b"\xe0\x01\x77" + bytes(20)),
        (S, b"\x4a\0\0\0\x0anot a version\0" + bytes(20)),
        (S, b"\x4a\0\0\0\x0a" + b"1" * 80),
    ],
)
def test_near_misses_are_unknown(direction: Direction, data: bytes) -> None:
    found = recognise(direction, data)
    assert found is not None
    assert found.kind == "unknown"
    assert looks_like_tls(data) is not True


def test_endless_lines_are_not_waited_for_beyond_a_limit() -> None:
    assert recognise(S, b"220 " + b"x" * 507) is None
    found = recognise(S, b"220 " + b"x" * 508)
    assert found is not None
    assert found.kind == "smtp"
    assert recognise(C, b"PROXY " + b"x" * 100) is None
    assert recognise(C, b"PROXY " + b"x" * 101) is not None
    assert recognise(C, b"GET /" + b"x" * 4000) is None


def test_strangers_bytes_become_printable() -> None:
    found = recognise(S, b"HTTP/1.1 200 \x1b]0;pwned\x07\r\n")
    assert found is not None
    assert "\x1b" not in found.says


@given(st.sampled_from(list(Direction)), st.binary(max_size=200), st.booleans())
def test_anything_is_survived(direction: Direction, data: bytes, final: bool) -> None:
    looks_like_tls(data)
    found = recognise(direction, data, final=final)
    assert found is not None or not final
    if found:
        assert found.says.isprintable()
        assert found.consumed <= len(data)


@given(
    st.sampled_from(KNOWN),
    st.integers(0, 400),
    st.integers(0, 255),
    st.lists(st.integers(0, 400), max_size=4),
)
def test_mutated_bytes_give_the_same_answer_however_cut(
    case: tuple[Direction, bytes, str, str, dict[str, Fact]],
    place: int,
    byte: int,
    cuts: list[int],
) -> None:
    direction, data, *_ = case
    mutated = bytearray(data + bytes(UNKNOWN_WINDOW))
    mutated[place % len(mutated)] = byte
    whole = recognise(direction, bytes(mutated))
    for cut in cuts:
        part = recognise(direction, bytes(mutated[:cut]))
        assert part is None or part == whole
