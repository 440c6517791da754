"""The lab's byte builders, read back by the analyzers' parsers."""

from __future__ import annotations

import pytest

from analyzers import messages as parsers
from proxy.lab import hellos, messages
from proxy.lab.authority import BROKER_NAME


def body(record: bytes) -> bytes:
    """The handshake message in a record that holds exactly one."""
    assert int.from_bytes(record[3:5], "big") == len(record) - 5
    message = record[5:]
    assert int.from_bytes(message[1:4], "big") == len(message) - 4
    return message


def test_a_hello_says_what_it_was_told() -> None:
    hello = messages.Hello(
        versions=(messages.TLS_1_3, messages.TLS_1_2),
        suites=(0x1301, 0xC02F),
        groups=(0x001D,),
        schemes=(0x0403,),
        server_name=BROKER_NAME,
        alpn=("mqtt",),
        session_id=b"\x07" * 32,
        key_share=True,
        extra=(messages.extension(0x4A4A, b""),),
    )
    read = parsers.read_client_hello(body(hello.record))
    assert read.faults == ()
    assert read.legacy_version == messages.TLS_1_2
    assert read.session_id == b"\x07" * 32
    assert read.cipher_suites == (0x1301, 0xC02F)
    assert read.versions == (messages.TLS_1_3, messages.TLS_1_2)
    assert read.extensions.groups == (0x001D,)
    assert read.extensions.signature_algorithms == (0x0403,)
    assert read.extension_types == (0, 10, 11, 13, 16, 23, 43, 45, 51, 0xFF01, 0x4A4A)


def test_an_old_hello_has_no_new_extensions() -> None:
    hello = messages.Hello(version=messages.TLS_1_1, schemes=(), groups=())
    read = parsers.read_client_hello(body(hello.record))
    assert read.versions == (messages.TLS_1_1,)
    assert read.extension_types == (23, 0xFF01)


@pytest.mark.parametrize("build", [hellos.schannel, hellos.node])
def test_captured_hellos_are_sound(build: object) -> None:
    assert callable(build)
    read = parsers.read_client_hello(body(build(BROKER_NAME)))
    assert read.faults == ()
    assert 0 in read.extension_types


def test_node_offers_both_versions_and_schannel_tls12() -> None:
    node = parsers.read_client_hello(body(hellos.node("a.example")))
    assert node.versions == (messages.TLS_1_3, messages.TLS_1_2)
    schannel = parsers.read_client_hello(body(hellos.schannel("a.example")))
    assert schannel.versions == (messages.TLS_1_2,)


def test_a_server_hello_comes_back() -> None:
    record = messages.server_hello(
        suite=0xC030, session_id=b"s", extensions=(messages.extension(0xFF01, b"\x00"),)
    )
    read = parsers.read_server_hello(body(record))
    assert (read.legacy_version, read.cipher_suite) == (messages.TLS_1_2, 0xC030)
    bare = parsers.read_server_hello(body(messages.server_hello(version=messages.TLS_1_0)))
    assert bare.legacy_version == messages.TLS_1_0
    assert bare.raw_extensions == ()


def test_certificates_and_done() -> None:
    record = messages.certificate([b"leaf", b"root"])
    assert record[5] == messages.CERTIFICATE
    assert b"\x00\x00\x04leaf\x00\x00\x04root" in record
    assert messages.server_hello_done() == bytes.fromhex("1603030004 0e000000")


def test_alerts() -> None:
    assert messages.alert(70) == bytes.fromhex("15 0303 0002 02 46")
    assert messages.alert(0, level=messages.WARNING) == bytes.fromhex("15 0303 0002 01 00")


def test_the_hello_retry_random_is_the_standards() -> None:
    assert messages.HELLO_RETRY_REQUEST.hex().startswith("cf21ad74e59a6111be1d8c021e65b891")


def test_mqtt_packets() -> None:
    assert messages.connect("lab") == bytes.fromhex("10 0f 0004 4d515454 04 02 003c 0003 6c6162")
    flags = messages.connect("lab", user="u", password="p")[9]
    assert flags == 0xC2
    assert messages.connack(5) == bytes.fromhex("20 02 00 05")


@pytest.mark.parametrize(
    ("size", "length"), [(0, "00"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (16384, "808001")]
)
def test_the_remaining_length_is_a_variable_integer(size: int, length: str) -> None:
    assert messages.packet(0x30, bytes(size))[1 : 1 + len(length) // 2].hex() == length
