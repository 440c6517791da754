"""Which library wrote a hello: right or silent, never wrong.

`data/hellos.jsonl` and `data/server_hellos.jsonl` hold hellos of real stacks (named in
`stack`), extracted with tshark from captures made on Debian 12 in 2026. To see every
judgement: `pytest tests/test_stacks.py -k table -s`.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.codepoints import GREASE_16
from analyzers.extensions import Extension, Extensions
from analyzers.messages import ClientHello, ServerHello
from analyzers.stacks import (
    HelloShape,
    ServerShape,
    load,
    matches,
    recognise_client,
    recognise_server,
)

DATA = Path(__file__).parent / "data"
FAMILIES = {
    "openssl", "node", "dotnet", "go", "rustls", "jsse", "boringssl", "gnutls", "nss", "mbedtls",
    "wolfssl", "erlang", "botan", "schannel", "bearssl", "tlslite", "mono",
}  # fmt: skip


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def shape_of(row: dict[str, Any]) -> HelloShape:
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in row.items()
        if key not in ("stack", "family", "alpn")
    }
    return HelloShape(**fields, alpn=tuple(name.encode() for name in row["alpn"]))


def answer(version: int, kinds: tuple[int, ...], offered: tuple[int, ...]) -> ServerShape:
    return ServerShape(version=version, extensions=kinds, offered=frozenset(offered))


def answer_of(row: dict[str, Any]) -> ServerShape:
    return answer(row["version"], tuple(row["extensions"]), tuple(row["offered"]))


CLIENTS = [(row["stack"], row["family"], shape_of(row)) for row in read("hellos.jsonl")]
SERVERS = read("server_hellos.jsonl")


def sample(stack: str) -> HelloShape:
    return next(shape for name, _, shape in CLIENTS if name.startswith(stack))


def test_table_of_clients() -> None:
    for stack, _, shape in CLIENTS:
        guess = recognise_client(shape)
        print(f"{stack[:56]:56} {guess.name if guess else '-'} {guess.families if guess else ''}")


@pytest.mark.parametrize(("stack", "family", "shape"), CLIENTS)
def test_measured_clients_are_recognised(stack: str, family: str, shape: HelloShape) -> None:
    guess = recognise_client(shape)
    assert guess is not None
    assert family in guess.families
    # Where the entry is sure of one family, nothing later in the data may disagree with
    # an equally special one: only programs and the library they are built on overlap.
    others = {name for other in matches(shape) for name in other.families}
    assert others <= {"openssl", "node", "dotnet"} or others == set(guess.families)


@pytest.mark.parametrize("row", SERVERS, ids=lambda row: row["stack"][:20])
def test_measured_servers_are_recognised_or_not_named(row: dict[str, Any]) -> None:
    guess = recognise_server(answer_of(row))
    assert guess is None or row["family"] in guess.families


def test_table_of_servers() -> None:
    named = set()
    for row in SERVERS:
        guess = recognise_server(answer_of(row))
        print(f"{row['stack'][:56]:56} {row['version']:04x} {guess.name if guess else '-'}")
        if guess:
            named.add(guess.name)
    assert named == {"BoringSSL", "Go crypto/tls", "OpenSSL", "Erlang/OTP ssl", "wolfSSL"}


@pytest.mark.parametrize(
    ("stack", "name"),
    [
        ("MQTT.js 5.16.0 / Node.js v24", "Node.js (OpenSSL 3.5 or later)"),
        ("MQTT.js 5.16.0 / Node.js v20", "Node.js (OpenSSL 3.0 or 3.1)"),
        ("MQTT.js 3.0.0 / Node.js v12", "Node.js (OpenSSL 1.1.1)"),
        ("MQTTnet 4.3.7.1207 / .NET 8", ".NET on Linux (OpenSSL 3.0 or 3.1)"),
        ("MQTTnet 4.3.7.1207 / .NET Core 3.1", "OpenSSL 1.1.1"),
        ("MQTTnet 4.3.7.1207 / Mono", "Mono (BTLS)"),
        ("paho-mqtt", "Python ssl (OpenSSL 3.0 or 3.1)"),
        ("Go crypto/tls", "Go crypto/tls up to 1.20"),
        ("Mbed TLS", "Mbed TLS 2"),
        ("JSSE", "JSSE (Java)"),
        ("Erlang", "Erlang/OTP ssl"),
    ],
)
def test_names(stack: str, name: str) -> None:
    guess = recognise_client(sample(stack))
    assert guess is not None
    assert guess.name == name


def test_every_program_that_looks_alike_is_listed() -> None:
    node = recognise_client(sample("MQTT.js 5"))
    core = recognise_client(sample("MQTTnet 4.3.7.1207 / .NET Core"))
    assert node is not None
    assert core is not None
    assert (node.family, node.families) == ("node", ("node",))
    assert (core.family, core.families) == ("openssl", ("openssl", "dotnet"))


def hexes(text: str) -> tuple[int, ...]:
    return tuple(int(word, 16) for word in text.split())


def decimals(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split("-"))


SCHANNEL_SCHEMES = hexes("0804 0805 0806 0401 0501 0201 0403 0503 0203 0202 0601 0603")

# From published JA3 strings; versions as their publishers name them.
PUBLISHED = [
    (
        "schannel",
        "Windows SChannel",
        HelloShape(
            record_version=0x0303,
            legacy_version=0x0303,
            cipher_suites=decimals(
                "4866-4865-49196-49195-49200-49199-49188-49187-49192-49191-49162-49161-49172-"
                "49171-157-156-61-60-53-47"
            ),
            extensions=decimals("0-5-43-13-35-10-11-16-51-49-23-65281-45"),
            groups=(29, 23, 24),
            point_formats=(0,),
            psk_modes=(1,),
            versions=(0x0304, 0x0303),
            session_id_length=32,
            signature_algorithms=SCHANNEL_SCHEMES,
        ),
    ),
    (
        "schannel",
        "Windows SChannel",
        HelloShape(
            record_version=0x0303,
            legacy_version=0x0303,
            cipher_suites=decimals(
                "49196-49195-49200-49199-159-158-49188-49187-49192-49191-49162-49161-49172-49171-"
                "157-156-61-60-53-47-10"
            ),
            extensions=decimals("0-5-10-11-13-35-23-65281"),
            groups=(29, 23, 24),
            point_formats=(0,),
            signature_algorithms=SCHANNEL_SCHEMES,
        ),
    ),
    (
        "rustls",
        "rustls",
        HelloShape(
            record_version=0x0301,
            legacy_version=0x0303,
            cipher_suites=decimals("4866-4865-4867-49196-49195-52393-49200-49199-52392-255"),
            extensions=decimals("43-11-10-13-23-5-0-18-51-45-35"),
            groups=(29, 23, 24),
            point_formats=(0,),
            psk_modes=(1,),
            versions=(0x0304, 0x0303),
            signature_algorithms=hexes("0503 0403 0807 0806 0805 0804 0601 0501 0401"),
        ),
    ),
    (
        "boringssl",
        "BoringSSL",
        HelloShape(
            record_version=0x0301,
            legacy_version=0x0303,
            cipher_suites=(
                0x1A1A,
                *decimals(
                    "4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53"
                ),
            ),
            extensions=(
                0x2A2A,
                *decimals("0-27-18-16-11-13-17613-5-43-10-51-65281-45-65037-35-23"),
                0x3A3A,
            ),
            groups=(0x4A4A, 4588, 29, 23, 24),
            point_formats=(0,),
            psk_modes=(1,),
            versions=(0x5A5A, 0x0304, 0x0303),
            signature_algorithms=hexes("0403 0804 0401 0503 0805 0501 0806 0601"),
        ),
    ),
    (
        "nss",
        "NSS",
        HelloShape(
            record_version=0x0301,
            legacy_version=0x0303,
            cipher_suites=decimals(
                "4865-4867-4866-49195-49199-52393-52392-49196-49200-49162-49161-49171-49172-156-"
                "157-47-53"
            ),
            extensions=decimals("0-23-65281-10-11-35-16-5-34-51-43-13-45-28-21"),
            groups=(29, 23, 24, 25, 256, 257),
            point_formats=(0,),
            psk_modes=(1,),
            versions=(0x0304, 0x0303),
            signature_algorithms=hexes("0403 0503 0603 0804 0805 0806 0401 0501 0601 0203 0201"),
        ),
    ),
]


@pytest.mark.parametrize(("family", "name", "shape"), PUBLISHED)
def test_published_hellos(family: str, name: str, shape: HelloShape) -> None:
    guess = recognise_client(shape)
    if family == "nss":
        # Firefox orders its schemes unlike tstclnt: better silent than wrong.
        assert guess is None
        return
    assert guess is not None
    assert (guess.family, guess.name) == (family, name)


def test_bearssl_and_mbedtls_3_by_their_sources() -> None:
    bear = HelloShape(
        record_version=0x0303,
        legacy_version=0x0303,
        cipher_suites=hexes("cca9 cca8 c02b c02f c02c c030"),
        extensions=(65281, 0, 1, 13, 10, 11),
        groups=(29, 23, 24),
        point_formats=(0,),
        signature_algorithms=hexes("0403 0503 0603 0401 0501 0601"),
    )
    esp = replace(
        bear,
        cipher_suites=hexes("c02c c030 009f c02b c02f 009e 00ff"),
        extensions=(0, 16, 10, 13, 11, 22, 23, 35),
    )
    for shape, family in ((bear, "bearssl"), (esp, "mbedtls")):
        guess = recognise_client(shape)
        assert guess is not None
        assert (guess.family, guess.certainty) == (family, "possible")


@pytest.mark.parametrize(
    ("shares", "kinds", "name"),
    [
        ((0x11EC, 29, 23), (0, 11, 65281, 23, 18, 5, 10, 13, 43, 51), "1.24 or later"),
        ((0x6399, 29, 23), (0, 11, 65281, 23, 18, 5, 10, 13, 43, 51), "1.23"),
        ((29, 23), (0, 5, 10, 11, 65281, 23, 13, 18, 43, 51), "1.21 or later"),
    ],
)
def test_later_versions_of_go(shares: tuple[int, ...], kinds: tuple[int, ...], name: str) -> None:
    guess = recognise_client(replace(sample("Go crypto/tls"), groups=shares, extensions=kinds))
    assert guess is not None
    assert guess.name == f"Go crypto/tls {name}"


def test_openssl_3_2() -> None:
    shape = sample("MQTT.js 5.16.0 / Node.js v24")
    older = tuple(s for s in shape.signature_algorithms if s >> 8 != 9)
    guess = recognise_client(replace(shape, signature_algorithms=older, groups=(29, 23, 30, 256)))
    assert guess is not None
    assert guess.name == "Node.js (OpenSSL 3.2 to 3.4)"


def test_groups_of_the_users_choice_leave_the_version_open() -> None:
    guess = recognise_client(replace(sample("paho"), groups=(29,)))
    assert guess is not None
    assert guess.name == "Python ssl (OpenSSL 1.1.1 or 3.x)"


def test_suites_of_the_users_choice_leave_the_program_open() -> None:
    for stack in ("MQTT.js 5", "MQTTnet 4.3.7.1207 / .NET 8", "openssl s_client", "paho"):
        guess = recognise_client(replace(sample(stack), cipher_suites=(0xC02F, 0x00FF)))
        assert guess is not None
        assert guess.families == ("openssl", "node", "dotnet")
        assert guess.certainty == "possible"


# -- near misses: one habit changed, and the library is no longer named ----------------


@pytest.mark.parametrize(
    ("stack", "changes"),
    [
        ("openssl s_client", {"point_formats": (0,)}),
        ("openssl s_client", {"record_version": 0x0303}),
        ("JSSE", {"record_version": 0x0301}),
        ("Go crypto/tls", {"record_version": 0x0303}),
        ("gnutls-cli", {"psk_modes": (0, 1)}),
        ("rustls", {"psk_modes": (0, 1)}),
        ("Mbed TLS", {"session_id_length": 7}),
        ("Botan", {"groups": (0x001C, 0x001D)}),
        ("wolfSSL", {"point_formats": (0, 1)}),
        ("Erlang", {"cipher_suites": (0x1302, 0x1301, 0xC02C, 0x00FF)}),
        ("tlslite", {"cipher_suites": (0xC02C, 0x00FF, 0xC030)}),
    ],
)
def test_near_misses(stack: str, changes: dict[str, Any]) -> None:
    shape = sample(stack)
    before = recognise_client(shape)
    after = recognise_client(replace(shape, **changes))
    assert before is not None
    assert after is None or not set(after.families) & set(before.families)


def test_order_is_what_tells_openssl_and_content_what_tells_rustls() -> None:
    rng = random.Random(1)
    for stack, told in (("openssl s_client", False), ("rustls", True), ("NSS", False)):
        shape = sample("tstclnt" if stack == "NSS" else stack)
        shuffled = list(shape.extensions)
        while tuple(shuffled) == shape.extensions:
            rng.shuffle(shuffled)
        guess = recognise_client(replace(shape, extensions=tuple(shuffled)))
        assert (guess is not None) is told


def test_a_server_is_not_judged_by_what_the_client_never_offered() -> None:
    # mosquitto answering Go, which offers neither tickets nor extended master secret,
    # looks as RabbitMQ does.
    assert recognise_server(answer(0x0303, (65281, 11), (0, 10, 11, 13, 65281))) is None
    rabbit = recognise_server(answer(0x0303, (65281, 11), (0, 10, 11, 13, 23, 35, 65281)))
    assert rabbit is not None
    assert rabbit.family == "erlang"
    assert recognise_server(answer(0x0304, (65281, 11), (0, 10, 11, 13, 23, 35, 65281))) is None
    assert recognise_server(answer(0x0303, (), (23, 35, 65281))) is None


# -- the data --------------------------------------------------------------------------


def test_every_entry_has_a_source_and_known_families() -> None:
    stacks = load()
    for stack in (*stacks.client, *stacks.server):
        assert stack.source
        assert stack.families
        assert set(stack.families) <= FAMILIES
        assert stack.name or stack.library in stacks.libraries
    named = {family for stack in stacks.client for family in stack.families}
    assert named == FAMILIES


def test_every_library_has_a_last_entry_that_always_fits() -> None:
    empty = HelloShape(record_version=0, legacy_version=0, cipher_suites=(), extensions=())
    for entries in load().libraries.values():
        # All conditions but the last entry's must be able to fail.
        assert [entry.name for entry in entries if entry.match == type(entry.match)()] == [
            entries[-1].name
        ]
    assert recognise_client(empty) is None


CODES = st.integers(0, 0xFFFF)


@given(
    st.lists(CODES, max_size=30),
    st.lists(st.sampled_from([0, 5, 10, 11, 13, 16, 23, 35, 43, 45, 51, 65281, 9999]), max_size=12),
    st.lists(CODES, max_size=8),
    st.sampled_from([0x0301, 0x0303]),
)
def test_any_hello_is_survived(
    suites: list[int], kinds: list[int], schemes: list[int], record: int
) -> None:
    shape = HelloShape(
        record_version=record,
        legacy_version=0x0303,
        cipher_suites=tuple(suites),
        extensions=tuple(kinds),
        signature_algorithms=tuple(schemes),
    )
    guess = recognise_client(shape)
    if guess:
        assert set(guess.families) <= FAMILIES
    recognise_server(answer(0x0303, tuple(kinds), tuple(kinds)))


@given(st.sampled_from(CLIENTS), st.sampled_from(sorted(GREASE_16)), st.integers(0, 5))
def test_grease_changes_nothing(case: tuple[str, str, HelloShape], grease: int, place: int) -> None:
    _, _, shape = case

    def greased(values: tuple[int, ...]) -> tuple[int, ...]:
        return (*values[:place], grease, *values[place:])

    assert recognise_client(shape) == recognise_client(
        replace(
            shape,
            cipher_suites=greased(shape.cipher_suites),
            extensions=greased(shape.extensions),
            groups=greased(shape.groups),
            signature_algorithms=greased(shape.signature_algorithms),
        )
    )


def test_shapes_of_parsed_hellos() -> None:
    shape = sample("JSSE")
    hello = ClientHello(
        legacy_version=shape.legacy_version,
        random=bytes(32),
        session_id=bytes(shape.session_id_length),
        cipher_suites=shape.cipher_suites,
        compression_methods=shape.compression_methods,
        raw_extensions=tuple(Extension(kind, b"", 0) for kind in shape.extensions),
        extensions=Extensions(
            groups=shape.groups,
            point_formats=shape.point_formats,
            signature_algorithms=shape.signature_algorithms,
            alpn=shape.alpn,
            versions=shape.versions,
            key_shares=shape.key_shares,
            psk_modes=shape.psk_modes,
        ),
        faults=(),
    )
    assert HelloShape.of(hello, shape.record_version) == shape
    back = ServerHello(
        legacy_version=0x0303,
        random=bytes(32),
        session_id=b"",
        cipher_suite=0xC02F,
        compression_method=0,
        raw_extensions=tuple(Extension(kind, b"", 0) for kind in (65281, 11)),
        extensions=Extensions(),
        faults=(),
    )
    # JSSE offers renegotiation_info as a cipher suite.
    assert 65281 not in hello.extension_types
    assert ServerShape.of(back, hello).offered == {*shape.extensions, 65281}
    without = replace(hello, cipher_suites=(0xC02F,))
    assert 65281 not in ServerShape.of(back, without).offered
    rabbit = recognise_server(ServerShape.of(back, hello))
    assert rabbit is not None
    assert rabbit.family == "erlang"
    assert recognise_server(ServerShape.of(back, None)) is None
