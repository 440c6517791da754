from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzers.capture.files import NotACapture
from analyzers.context import Context
from analyzers.events import (
    AlertSeen,
    ClosedSeen,
    GapSeen,
    HandshakeSeen,
    How,
    NotConnectedSeen,
    PlaintextSeen,
)
from analyzers.offline import Reading, Summary, first_sender, read_connections
from analyzers.transcript import Transcript
from tests.framing import ACK, FIN, PSH, SYN, ethernet, ip4, ip6, pcap, tcp, udp

CAPTURES = Path(__file__).parent / "data" / "captures"
HELLO = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"


def read(data: bytes, step: int | None = None, **options: object) -> Reading:
    step = step or len(data) or 1
    chunks = [data[i : i + step] for i in range(0, len(data), step)]
    return read_connections(chunks, name="a.pcap", **options)  # type: ignore[arg-type]  # passed on


def one(name: str) -> tuple[Transcript, Context]:
    (found,) = read((CAPTURES / name).read_bytes())
    return found


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.pcap")), ids=lambda path: path.stem)
def test_the_chunks_make_no_difference(path: Path) -> None:
    data = path.read_bytes()
    (whole,) = read(data)
    for step in (1, 17, 1000):
        assert list(read(data, step)) == [whole]


def test_every_capture_of_the_tests_is_described() -> None:
    text = (CAPTURES / "README.md").read_text(encoding="utf-8")
    for path in CAPTURES.glob("*.pcap"):
        assert f"`{path.name}`" in text


def test_a_refused_certificate() -> None:
    transcript, context = one("tls12-expired-certificate.pcap")
    assert [event.type for event in transcript.of(HandshakeSeen)] == [1, 2, 11, 12, 14]
    alert = transcript.first(AlertSeen)
    assert alert is not None
    assert (alert.description, alert.frame, alert.direction.sender) == (45, 8, "client")
    assert [(end.direction.sender, end.how) for end in transcript.of(ClosedSeen)] == [
        ("client", How.RST)
    ]
    assert (context.client_address, context.client_port) == ("127.0.0.1", 39806)
    assert (context.server_address, context.server_port) == ("127.0.0.1", 8883)
    assert (context.kind, context.name) == ("capture", "a.pcap")
    assert (context.stream, context.first_frame) == (0, 1)
    assert 1_700_000_000 < context.start < alert.at < context.start + 1


def test_a_refused_connection() -> None:
    transcript, context = one("refused.pcap")
    (event,) = transcript.events
    assert isinstance(event, NotConnectedSeen)
    assert event.why == "refused"
    assert event.frame == 2
    assert context.server_port == 8883


def test_plaintext_and_reset() -> None:
    plain, _ = one("plaintext-mqtt.pcap")
    seen = plain.first(PlaintextSeen)
    assert seen is not None
    assert seen.kind == "mqtt"
    reset, _ = one("reset-after-client-hello.pcap")
    assert [(end.direction.sender, end.how) for end in reset.of(ClosedSeen)] == [
        ("server", How.RST)
    ]
    psk, _ = one("tls13-psk-wrong-key.pcap")
    assert [event.description for event in psk.of(AlertSeen)] == [47]


def frames(*packets: bytes, start: float = 1_700_000_000.0) -> bytes:
    return pcap([(start + i, ethernet(packet)) for i, packet in enumerate(packets)])


def test_a_cut_capture_has_gaps_and_addresses_of_both_families() -> None:
    syn = tcp(seq=0, flags=SYN)
    data = tcp(HELLO + bytes(30), seq=1, ack=1, flags=PSH | ACK)
    capture = pcap(
        [(1.0, ethernet(ip6(syn), 0x86DD)), (2.0, ethernet(ip6(data), 0x86DD))], snaplen=84
    )
    ((transcript, context),) = read(capture)
    gap = transcript.first(GapSeen)
    assert gap is not None
    assert gap.count == 30
    assert context.client_address == "2001:db8::1"


def test_hints_anchors_and_filters_are_passed_on() -> None:
    data = (CAPTURES / "refused.pcap").read_bytes()
    reading = read(data, trust_anchors=(b"DER",), client_hint="MQTTnet", broker_hint="EMQX")
    ((_, context),) = reading
    assert context.trust_anchors == (b"DER",)
    assert (context.client_hint, context.broker_hint) == ("MQTTnet", "EMQX")
    assert list(read(data, ports=[1883])) == []
    assert len(list(read(data, ports=[8883], hosts=["127.0.0.1"]))) == 1
    assert list(read(data, hosts=["::1"])) == []
    with pytest.raises(ValueError, match=r"broker\.local"):
        read(data, hosts=["broker.local"])


def test_the_summary_counts_what_was_and_was_not_read() -> None:
    data = frames(
        ip4(tcp(seq=0, flags=SYN)),
        ip4(udp(bytes(20), 53), protocol=17),
        ip4(tcp(bytes(20)), fragment=0x2000),
    )
    told: list[int] = []
    reading = read(data[:-3], 50, progress=lambda summary: told.append(summary.bytes))
    assert len(list(reading)) == 1
    summary = reading.summary
    assert (summary.packets, summary.bytes, summary.connections) == (3, len(data) - 3, 1)
    assert summary.others == {"UDP (IP protocol 17)": 1, "cut or malformed headers": 1}
    assert [warning.split(":")[0] for warning in summary.warnings] == ["a.pcap"]
    assert "the file ends in the middle of packet 3" in summary.warnings[0]
    assert told == sorted(told)
    assert told[-1] == len(data) - 3


def test_incomplete_datagrams_are_a_warning_in_a_list_of_the_callers() -> None:
    warnings = ["from the source"]
    reading = read(frames(ip4(tcp(bytes(20)), fragment=0x2000)), warnings=warnings)
    assert list(reading) == []
    assert reading.summary.warnings is warnings
    assert warnings == [
        "from the source",
        "a.pcap: 1 fragmented IP datagrams were not captured whole",
    ]


def test_connections_come_out_while_the_capture_goes_on() -> None:
    packets = []
    for i in range(3):
        ports = (50_000 + i, 8883)
        packets += [
            ip4(tcp(seq=0, flags=SYN, ports=ports)),
            ip4(tcp(seq=1, ack=1, flags=FIN | ACK, ports=ports)),
            ip4(tcp(seq=1, ack=2, flags=FIN | ACK, ports=ports[::-1]), source=b"\n\0\0\2",
                target=b"\n\0\0\1"),
        ]  # fmt: skip
    data = frames(*packets)
    asked = 0

    def chunks() -> Iterator[bytes]:
        nonlocal asked
        for i in range(0, len(data), 70):
            asked += 1
            yield data[i : i + 70]

    reading = read_connections(chunks(), name="pipe")
    _, first = next(reading)
    assert first.stream == 0
    assert asked < len(data) // 70
    assert [context.stream for _, context in reading] == [1, 2]


def test_reading_can_be_stopped_in_the_middle() -> None:
    data = frames(ip4(tcp(seq=0, flags=SYN)), ip4(tcp(HELLO, seq=1, ack=1)))

    def chunks() -> Iterator[bytes]:
        yield data
        raise KeyboardInterrupt

    reading = read_connections(chunks(), name="pipe")
    with pytest.raises(KeyboardInterrupt):
        next(reading)
    reading.stop()
    ((transcript, _),) = reading
    assert {end.how for end in transcript.of(ClosedSeen)} == {How.OPEN}
    assert list(reading) == []


def test_what_is_no_capture_is_refused() -> None:
    for data in (b"", b"short", b"-----BEGIN CERTIFICATE-----" * 9):
        with pytest.raises(NotACapture, match=r"a\.pcap is not a pcap"):
            list(read(data))


@pytest.mark.parametrize(
    ("data", "sender"),
    [
        (HELLO, "client"),
        (b"\x16\x03\x03\x00\x05\x02\x00", "server"),
        (b"\x16\x03\x03\x00\x05\x0e\x00", "server"),
        (b"\x16\x03\x03\x00\x05\x10\x00", "client"),
        (b"\x16\x03\x03\x00\x05\x0b\x00", None),  # both sides send certificates
        (b"\x16\x03\x03", None),
        (b"\x17\x03\x03\x00\x20abcdef", None),
        (b"\x80\x2e\x01\x03\x01\x00", "client"),
        (b"\x10\x10\x00\x04MQTT\x04", "client"),
        (b"\x10\x10\x00\x06MQIsdp\x03", "client"),
        (b"\x20\x02\x00\x00", "server"),
        (b"GET /mqtt HTTP/1.1", "client"),
        (b"HTTP/1.1 400 Bad Request", "server"),
        (b"220 mail.example.com ESMTP", "server"),
        (b"PROXY TCP4 10.0.0.1", "client"),
        (b"", None),
    ],
)
def test_who_sends_such_bytes(data: bytes, sender: str | None) -> None:
    assert first_sender(data) == sender


def test_a_summary_begins_empty() -> None:
    assert Summary() == Summary(packets=0, bytes=0, connections=0, others={}, warnings=[])
