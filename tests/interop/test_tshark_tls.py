"""What we read of a handshake beside what Wireshark reads."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from analyzers import fingerprints
from analyzers.events import AlertSeen, Direction, HandshakeSeen
from analyzers.messages import (
    CertificateMessage,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    ServerHello,
    ServerKeyExchange,
)
from analyzers.offline import read_connections
from analyzers.transcript import CLIENT, SERVER, Transcript

ROOT = Path(__file__).parents[2]
CAPTURES = sorted(
    [*(ROOT / "tests/data/captures").glob("*.pcap"), *(ROOT / "captures").glob("*.pcapng")]
)
HELLO_FIELDS = (
    "tls.handshake.version",
    "tls.handshake.random",
    "tls.handshake.session_id",
    "tls.handshake.ciphersuite",
    "tls.handshake.comp_method",
    "tls.handshake.extension.type",
    "tls.handshake.extensions_server_name",
    "tls.handshake.extensions_supported_group",
    "tls.handshake.extensions_ec_point_format",
    "tls.handshake.extensions_alpn_str",
    "tls.handshake.extensions.supported_version",
    "tls.handshake.extensions_key_share_group",
    "tls.extension.psk_ke_mode",
    "tls.handshake.ja3_full",
    "tls.handshake.ja3s_full",
)
FIELDS = (
    "tls.handshake.type",
    "tls.handshake.length",
    *HELLO_FIELDS,
    "tls.handshake.sig_hash_alg",
    "tls.handshake.certificate_length",
    "tls.handshake.server_named_curve",
    "tls.alert_message.level",
    "tls.alert_message.desc",
)
Read = dict[str, list[str]]


def theirs(path: Path, server_port: int) -> dict[str, Read]:
    """Every field of tshark, in order, by the sender's port."""
    command = ["tshark", "-n", "-r", str(path), "-d", f"tcp.port=={server_port},tls", "-Y", "tls"]
    command += ["-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;", "-e", "tcp.srcport"]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, Read] = defaultdict(lambda: defaultdict(list))
    for line in done.stdout.splitlines():
        port, *values = line.split("\t")
        for field, value in zip(FIELDS, values, strict=True):
            found[port][field] += value.split(";") if value else []
    return found


def ours(transcript: Transcript, direction: Direction) -> Read:
    """The same from a transcript, as tshark spells it."""
    found: Read = defaultdict(list)
    for event in transcript.events:
        if event.direction is not direction:
            continue
        for field, value in _fields(event):
            found[field].append(value)
    return found


def _fields(event: object) -> Iterator[tuple[str, str]]:
    if isinstance(event, AlertSeen) and not event.encrypted:
        yield "tls.alert_message.level", str(event.level)
        yield "tls.alert_message.desc", str(event.description)
    if not isinstance(event, HandshakeSeen):
        return
    yield "tls.handshake.type", str(event.type)
    yield "tls.handshake.length", str(len(event.raw) - 4)
    schemes: tuple[int | None, ...] = ()
    match event.body:
        case ClientHello() | ServerHello():
            yield from _hello(event.body)
            read = event.body.extensions
            schemes = (*read.signature_algorithms, *read.signature_algorithms_cert)
        case CertificateMessage(certificates=chain):
            for der in chain:
                yield "tls.handshake.certificate_length", str(len(der))
        case CertificateRequest(signature_algorithms=offered):
            schemes = offered
        case ServerKeyExchange(group=group, signature_scheme=scheme):
            schemes = (scheme,)
            if group is not None:
                yield "tls.handshake.server_named_curve", f"0x{group:04x}"
        case CertificateVerify(signature_scheme=scheme):
            schemes = (scheme,)
    for scheme in schemes:
        if scheme is not None:
            yield "tls.handshake.sig_hash_alg", f"0x{scheme:04x}"


def _hello(hello: ClientHello | ServerHello) -> Iterator[tuple[str, str]]:
    read = hello.extensions
    yield "tls.handshake.version", f"0x{hello.legacy_version:04x}"
    yield "tls.handshake.random", hello.random.hex()
    if hello.session_id:
        yield "tls.handshake.session_id", hello.session_id.hex()
    if isinstance(hello, ClientHello):
        suites, methods = hello.cipher_suites, hello.compression_methods
        _, ja3 = fingerprints.ja3(
            hello.legacy_version, suites, hello.extension_types, read.groups, read.point_formats
        )
        yield "tls.handshake.ja3_full", ja3
    else:
        suites, methods = (hello.cipher_suite,), (hello.compression_method,)
        _, ja3s = fingerprints.ja3s(hello.legacy_version, *suites, hello.extension_types)
        yield "tls.handshake.ja3s_full", ja3s
    if read.server_name:
        yield "tls.handshake.extensions_server_name", read.server_name.decode("latin-1")
    for name in read.alpn:
        yield "tls.handshake.extensions_alpn_str", name.decode("latin-1")
    numbers: Iterable[tuple[str, Iterable[int], str]] = (
        ("tls.handshake.ciphersuite", suites, "0x{:04x}"),
        ("tls.handshake.comp_method", methods, "{}"),
        ("tls.handshake.extension.type", hello.extension_types, "{}"),
        ("tls.handshake.extensions_supported_group", read.groups, "0x{:04x}"),
        ("tls.handshake.extensions_ec_point_format", read.point_formats, "{}"),
        ("tls.handshake.extensions.supported_version", read.versions, "0x{:04x}"),
        ("tls.handshake.extensions_key_share_group", read.key_shares, "{}"),
        ("tls.extension.psk_ke_mode", read.psk_modes, "{}"),
    )
    for field, values, spelling in numbers:
        for value in values:
            yield field, spelling.format(value)


@pytest.mark.parametrize("path", CAPTURES, ids=[path.stem for path in CAPTURES])
def test_the_same_fields_as_tshark(path: Path) -> None:
    compared = 0
    for transcript, context in read_connections([path.read_bytes()], name=path.name):
        assert context.server_port is not None
        found = theirs(path, context.server_port)
        for direction, port in ((CLIENT, context.client_port), (SERVER, context.server_port)):
            mine, other = ours(transcript, direction), found[str(port)]
            for field in FIELDS:
                assert mine[field] == other[field], f"{field} of the {direction.sender}"
                compared += len(mine[field])
    assert compared or path.stem in ("refused", "plaintext-mqtt", "plaintext-to-tls-port")
