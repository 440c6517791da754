"""What strangers send on purpose: it costs little, keeps little, and shows as what it is."""

from __future__ import annotations

import io
import itertools
import json
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from analyzers.context import Context
from analyzers.diagnose import explain
from analyzers.events import How
from analyzers.offline import read_connections
from analyzers.printable import printable
from analyzers.render.json import render_json
from analyzers.render.text import render_text
from analyzers.report import Report
from analyzers.transcript import Transcript
from proxy.bundle import Case, write_bundle
from proxy.lab.messages import extension, record, u16s, vector
from tests.certs import intermediate, make, root
from tests.framing import ACK, SYN, ethernet, ip4, pcap, tcp
from tests.hellos import (
    TLS_1_2,
    certificate,
    certificate_request,
    client_hello,
    message,
    server_hello,
)
from tests.observing import AT, CLIENT, SERVER, Step, watch

KIB, MIB = 1024, 1024 * 1024
QUICK = 2.0
"""Seconds of processor time. Each of these takes 0.2 s at most, more where coverage is
measured; with a cost that grows with the square of the input they take far longer."""
ENDS: list[Step] = [(CLIENT, How.FIN), (SERVER, How.FIN)]
HELLO = record(22, client_hello(extensions=[extension(10, vector(2, u16s([29])))]))
ALERT_42 = bytes.fromhex("15030300020 22a".replace(" ", ""))


def records(content: bytes, *, size: int = 16_384) -> bytes:
    """Handshake bytes in records of `size`."""
    return b"".join(record(22, content[i : i + size]) for i in range(0, len(content), size))


def pieces(data: bytes, size: int = 1) -> list[Step]:
    """What the client sends, in segments of `size`."""
    return [(CLIENT, data[i : i + size]) for i in range(0, len(data), size)]


def server_sends(*messages: bytes) -> list[Step]:
    """A client that refuses what a server sends."""
    return [
        (CLIENT, HELLO),
        (SERVER, records(server_hello() + b"".join(messages))),
        (CLIENT, ALERT_42),
        *ENDS,
    ]


def context(name: str = "broker.example.com") -> Context:
    return Context(
        kind="proxy",
        name="127.0.0.1:8883",
        start=AT,
        client_address="127.0.0.1",
        client_port=50_000,
        server_address="192.0.2.1",
        server_port=8883,
        server_name=name,
    )


def judge(steps: Iterable[Step]) -> tuple[Transcript, Report]:
    transcript = watch(*steps)
    return transcript, explain(transcript, context())


def everything(steps: Iterable[Step]) -> str:
    """All that is made of it: the text and the line of JSON."""
    _, report = judge(steps)
    return render_text(report, colour=True) + render_json(report, terminal=True)


# --- time --------------------------------------------------------------------------------------

NUMBERS = u16s(range(0x1000, 0x1000 + 30_000))


def constrained_chain() -> bytes:
    """Nine CAs that exclude a thousand names each, over a leaf with a thousand names."""
    excluded = [f"x{number}.t" for number in range(1000)]
    cas = [root("C0", excluded=excluded)]
    for number in range(1, 9):
        cas.append(intermediate(cas[-1], f"C{number}", excluded=excluded))
    leaf = make("broker", cas[-1], names=[f"a{number}.e" for number in range(1000)])
    return certificate(leaf.der, *(ca.der for ca in reversed(cas)))


def alike_chain() -> bytes:
    """Sixteen CAs of one name that sign each other, with keys that are slow to use."""
    last = root("Same", kind="p521", slot="0")
    same = [
        make("Same", last, ca=True, kind="p521", slot=str(number), signer=last.key)
        for number in range(16)
    ]
    return certificate(*(each.der for each in same))


HOSTILE: dict[str, Callable[[], list[Step]]] = {
    "segments of one byte": lambda: pieces(
        records(client_hello(extensions=[extension(0x5555, bytes(20_000))]))
    ),
    "records of one byte": lambda: [
        (CLIENT, records(client_hello(extensions=[extension(0x5555, bytes(20_000))]), size=1))
    ],
    "empty records": lambda: [(CLIENT, HELLO + bytes.fromhex("1603030000") * 13_000)],
    "empty protected records": lambda: [(CLIENT, HELLO + bytes.fromhex("1703030000") * 13_000)],
    "warnings": lambda: [(CLIENT, HELLO + bytes.fromhex("15030300020100") * 9000)],
    "empty messages": lambda: [(SERVER, records(bytes(4) * 16_000))],
    "hellos": lambda: [(CLIENT, records(client_hello() * 1300))],
    "a message of 1 MiB in small pieces": lambda: [
        (CLIENT, HELLO),
        *((SERVER, chunk) for chunk in _cut(records(message(12, bytes(MIB - 4)), size=100), 99)),
    ],
    "extensions": lambda: [
        (CLIENT, records(client_hello(extensions=[extension(i, b"") for i in range(99, 16_099)])))
    ],
    "one extension again and again": lambda: [
        (CLIENT, records(client_hello(extensions=[extension(77, b"")] * 16_000)))
    ],
    "broken extensions": lambda: [
        (CLIENT, records(client_hello(extensions=[extension(10, b"\0")] * 13_000)))
    ],
    "suites": lambda: [(CLIENT, records(client_hello(suites=range(0x1000, 0x1000 + 30_000))))],
    "groups": lambda: [
        (CLIENT, records(client_hello(extensions=[extension(10, vector(2, NUMBERS))])))
    ],
    "schemes": lambda: [
        (CLIENT, records(client_hello(extensions=[extension(13, vector(2, NUMBERS))])))
    ],
    "protocol names": lambda: [
        (CLIENT, records(client_hello(extensions=[extension(16, vector(2, b"\1\xff" * 30_000))])))
    ],
    "a long server name": lambda: [
        (
            CLIENT,
            records(
                client_hello(
                    extensions=[extension(0, vector(2, b"\0" + vector(2, b"\xff\x1b\n" * 20_000)))]
                )
            ),
        )
    ],
    "pre-shared keys": lambda: [
        (
            CLIENT,
            records(
                client_hello(extensions=[extension(41, vector(2, bytes(6) * 10_000) + bytes(2))])
            ),
        )
    ],
    "what is no protocol": lambda: pieces(bytes(16_000)),
    "a request without an end": lambda: pieces(b"GET /" + b"a" * 16_000),
    "a head without an end": lambda: pieces(b"GET / HTTP/1.1\r\n" + b"upgrade:\t \r\n" * 1500),
    "an endless MQTT packet": lambda: pieces(
        b"\x10\xff\xff\xff\x7f\0\4MQTT\5\xc2\0\0\xff\xff\xff\x7f" + b"a" * 16_000
    ),
    "PROXY headers": lambda: [(CLIENT, b"PROXY UNKNOWN\r\n" * 4000)],
    "holes": lambda: [step for _ in range(10_000) for step in ((CLIENT, 1), (CLIENT, b"\x16\3"))],
    "headers that lead nowhere": lambda: [(CLIENT, 1), (CLIENT, b"\x16\3\3\x40\0" * 13_000)],
    "name constraints": lambda: server_sends(constrained_chain()),
    "CAs of one name": lambda: server_sends(alike_chain()),
    "a chain of empty certificates": lambda: server_sends(certificate(*[b"x"] * 16_000)),
    "a chain of one certificate": lambda: server_sends(certificate(*[make().der] * 1000)),
    "nested elements": lambda: server_sends(certificate(_nested(12_000))),
    "names of CAs": lambda: server_sends(
        certificate(make().der),
        certificate_request(TLS_1_2, *[root().certificate.subject.public_bytes()] * 1500),
    ),
}


def _cut(data: bytes, size: int) -> Iterable[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


def _nested(depth: int) -> bytes:
    """An element in an element, and so on; lengths of three bytes throughout."""
    inner = b"\x05\x00"
    heads = []
    size = len(inner)
    for _ in range(depth):
        heads.append(b"\x30\x83" + size.to_bytes(3, "big"))
        size += 5
    return b"".join(reversed(heads)) + inner


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_input_costs_little_time_and_memory(what: str) -> None:
    steps = HOSTILE[what]()
    everything([(CLIENT, HELLO), *ENDS])  # what is loaded once is not counted
    began = time.process_time()
    made = everything([*steps, *ENDS])
    took = time.process_time() - began
    assert took < QUICK
    assert len(made) < MIB
    tracemalloc.start()
    try:
        everything([*steps, *ENDS])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB


def test_what_a_connection_keeps_is_bounded_whatever_it_is_sent() -> None:
    large = client_hello(
        suites=range(0x1000, 0x1000 + 30_000),
        extensions=[extension(10, vector(2, NUMBERS))],
    )
    tracemalloc.start()
    try:
        transcript = watch(*[(CLIENT, records(large))] * 100)
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert transcript.stopped is not None
    assert kept < 32 * MIB


def test_more_certificates_than_are_read_are_counted() -> None:
    _, report = judge(server_sends(certificate(*[make().der] * 100)))
    assert report.tls is not None
    assert len(report.tls.server_certificates or ()) == 64
    assert "server: 100 certificates, of which 64 were read" in report.analysis.warnings


# --- captures ----------------------------------------------------------------------------------


def read_all(data: bytes) -> int:
    """How many connections a capture has, read in one chunk."""
    return sum(1 for _ in read_connections([data], name="hostile.pcap"))


def flood(count: int, payload: bytes, flags: int) -> bytes:
    """One packet of each of many connections."""
    parts = [pcap([])]
    for number in range(count):
        source = (0x0A000000 + number).to_bytes(4, "big")
        frame = ethernet(ip4(tcp(payload, seq=number, flags=flags), source=source))
        parts.append(struct.pack("<IIII", int(AT), number, len(frame), len(frame)) + frame)
    return b"".join(parts)


@pytest.mark.parametrize("flags", [SYN, ACK])
def test_a_flood_of_connections_is_read_in_little_time_and_memory(flags: int) -> None:
    data = flood(4000, b"" if flags == SYN else b"\x16", flags)
    began = time.process_time()
    assert read_all(data) == 4000
    assert time.process_time() - began < 4 * QUICK
    tracemalloc.start()
    try:
        read_all(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A connection takes its room when there is something to tell of it.
    assert peak < (8 if flags == SYN else 20) * MIB


# --- what is shown -----------------------------------------------------------------------------

EVIL = "a\x1b[31m\x07\n\r\0\x7f\x9b\u202e\u2066\u200b\u2028\ufeff\U000e0041\u0301\u0301\u0301b"


def shown(steps: Iterable[Step], name: str = "broker.example.com") -> str:
    """Every form of a report, each of which has been held to plain characters."""
    transcript = watch(*steps)
    report = explain(transcript, context(name))
    texts = [render_text(report, width=width, number=1) for width in (40, 80, 200)]
    lines = [render_json(report), render_json(report, terminal=True)]
    assert json.loads(lines[0]) == json.loads(lines[1])
    for text in (*texts, *lines):
        for line in text.split("\n"):
            assert printable(line) == line
    assert all(len(text) < 8000 for text in texts)
    return "".join((*texts, *lines))


@pytest.mark.parametrize(
    "evil",
    [EVIL.encode(), EVIL.encode() * 300, b"\xff\xfe\x80" * 30, b"x" * 10_000],
    ids=["controls", "long", "no UTF-8", "10 kB"],
)
@pytest.mark.parametrize("alert", [42, 46, 70])
def test_hostile_names_are_shown_and_never_obeyed(evil: bytes, alert: int) -> None:
    hello = client_hello(
        extensions=[
            extension(0, vector(2, b"\0" + vector(2, evil))),
            extension(16, vector(2, vector(1, evil[:255]) * 3)),
        ]
    )
    text = evil.decode("latin-1")[:2000]
    leaf = make("leaf", root(), names=[], raw=[("2.5.29.17", False, _names(evil))])
    chain = certificate(leaf.der.replace(b"leaf", evil[:4].ljust(4)), leaf.der)
    answer = server_hello(extensions=[extension(16, vector(2, vector(1, evil[:255])))])
    steps: list[Step] = [
        (CLIENT, records(hello)),
        (SERVER, records(answer + chain)),
        (CLIENT, record(21, bytes((2, alert)))),
        *ENDS,
    ]
    assert "certificate" in shown(steps)
    assert "certificate" in shown(steps, name=text)


def _names(evil: bytes) -> bytes:
    """A subjectAltName of hostile names of each kind of text."""
    names = b"".join(_element(tag, evil) for tag in (0x82, 0x81, 0x86))
    return _element(0x30, names)


def _element(tag: int, content: bytes) -> bytes:
    return bytes((tag, 0x83)) + len(content).to_bytes(3, "big") + content


SECRET = b"hunter"
CONNECT = b"\0\x04MQTT\x04\xc2\0\x3c" + vector(2, b"client") + vector(2, b"me") + vector(2, SECRET)
SECRETS = {
    "MQTT": b"\x10" + bytes((len(CONNECT),)) + CONNECT,
    "HTTP": b"GET /?p=hunter HTTP/1.1\r\nAuthorization: hunter\r\nCookie: hunter\r\n\r\n",
    "HTTP proxy": b"CONNECT u:hunter@b:1 HTTP/1.1\r\nProxy-Authorization: hunter\r\n\r\n",
    "FTP": b"USER me\r\nPASS hunter\r\n",
    "IMAP": b"a1 LOGIN me hunter\r\n",
    "Redis": b"*2\r\n$4\r\nAUTH\r\n$6\r\nhunter\r\n",
}


@pytest.mark.parametrize("protocol", SECRETS)
@pytest.mark.parametrize("size", [1, 10, 1000])
@pytest.mark.parametrize("redact", [False, True])
def test_no_password_is_kept_or_shown(
    protocol: str, size: int, redact: bool, tmp_path: Path
) -> None:
    steps = [*pieces(SECRETS[protocol], size), *ENDS]
    transcript, report = judge(steps)
    kept = repr(transcript) + shown(steps)
    bundle = tmp_path / "report.zip"
    write_bundle(bundle, [Case(transcript, context(), report)], redact=redact)
    with zipfile.ZipFile(io.BytesIO(bundle.read_bytes())) as archive:
        stored = b"".join(archive.read(name) for name in archive.namelist())
    for secret in (SECRET, SECRET.hex().encode(), SECRET.hex(" ").encode()):
        assert secret.decode() not in kept
        assert secret not in stored


def test_no_application_data_is_kept_after_a_handshake(tmp_path: Path) -> None:
    """Not even of a peer that stops to encrypt."""
    steps: list[Step] = [
        (CLIENT, HELLO),
        (SERVER, records(server_hello())),
        *itertools.chain.from_iterable(
            ((side, record(23, SECRET * 20)), (side, SECRETS["MQTT"])) for side in (CLIENT, SERVER)
        ),
        *ENDS,
    ]
    transcript, report = judge(steps)
    bundle = tmp_path / "report.zip"
    write_bundle(bundle, [Case(transcript, context(), report)])
    with zipfile.ZipFile(bundle) as archive:
        stored = b"".join(archive.read(name) for name in archive.namelist())
    assert SECRET not in stored
    assert SECRET.decode() not in repr(transcript) + shown(steps)
