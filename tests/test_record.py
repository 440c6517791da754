from __future__ import annotations

import io
import struct

import pytest

from analyzers.capture.pcapng import PcapngReader
from analyzers.events import ClosedSeen, Direction, GapSeen, How, NotConnectedSeen, PlaintextSeen
from analyzers.offline import Reading, read_connections
from proxy.record import MAX_BURST, SEGMENT, CaptureWriter

CLIENT, SERVER = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
V4 = (("127.0.0.1", 50_000), ("192.0.2.7", 8883))
V6 = (("2001:db8::1", 50_000), ("2001:db8::2", 8883))
MIXED = (("127.0.0.1", 50_000), ("2001:db8::2", 8883))
AT = 1_700_000_000.25


def read(file: io.BytesIO) -> Reading:
    return read_connections([file.getvalue()], name="a.pcapng")


def packets(file: io.BytesIO) -> list[tuple[float, bytes]]:
    seen: list[tuple[float, bytes]] = []
    warnings: list[str] = []
    reader = PcapngReader(
        "a.pcapng",
        lambda view, start, end, wire, link, at, number: seen.append((at, bytes(view[start:end]))),
        warnings,
    )
    reader.feed(file.getvalue())
    reader.finish()
    assert not warnings
    return seen


def ones_complement(data: bytes) -> int:
    """RFC 1071, the plain way."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize("ends", [V4, V6, MIXED], ids=["v4", "v6", "mixed"])
@pytest.mark.parametrize("how", [How.FIN, How.RST])
def test_what_is_written_is_read_back(
    ends: tuple[tuple[str, int], tuple[str, int]], how: How
) -> None:
    file = io.BytesIO()
    flow = CaptureWriter(file).flow(*ends)
    request = b"GET /mqtt HTTP/1.1\r\n" + b"x" * 4000
    flow.data(CLIENT, request, AT)
    flow.data(SERVER, memoryview(b"HTTP/1.1 400 Bad Request\r\n\r\n"), AT + 1)
    flow.close(SERVER, how, AT + 2)
    flow.close(CLIENT, how, AT + 3)
    reading = read(file)
    ((transcript, context),) = reading
    assert not reading.summary.warnings
    assert (transcript.client_bytes, transcript.server_bytes) == (len(request), 28)
    assert [event.kind for event in transcript.of(PlaintextSeen)][:1] == ["http"]
    assert not list(transcript.of(GapSeen))
    closes = [(end.direction, end.how, end.at) for end in transcript.of(ClosedSeen)]
    both = [(SERVER, how, AT + 2), (CLIENT, how, AT + 3)]
    assert closes == (both if how is How.FIN else both[:1] + closes[1:])
    assert context.start == AT
    assert context.server_port == 8883
    address = "::ffff:7f00:1" if ends is MIXED else ends[0][0]
    assert context.client_address in (address, "::ffff:127.0.0.1")


@pytest.mark.parametrize("ends", [V4, V6])
def test_checksums_are_right(ends: tuple[tuple[str, int], tuple[str, int]]) -> None:
    file = io.BytesIO()
    flow = CaptureWriter(file).flow(*ends)
    for size in (1, 2, 7, SEGMENT, SEGMENT + 1):
        flow.data(CLIENT, b"\xff" * size, AT)
    flow.data(SERVER, bytes(9), AT)
    for _, packet in packets(file):
        if packet[0] >> 4 == 4:
            assert ones_complement(packet[:20]) == 0xFFFF
            addresses, segment = packet[12:20], packet[20:]
            assert struct.unpack_from("!H", packet, 2)[0] == len(packet)
        else:
            addresses, segment = packet[8:40], packet[40:]
            assert struct.unpack_from("!H", packet, 4)[0] == len(segment)
        pseudo = addresses + struct.pack("!II", len(segment), 6)
        assert ones_complement(pseudo + segment) == 0xFFFF


def test_long_data_is_cut_into_segments_and_acknowledged_in_time() -> None:
    file = io.BytesIO()
    flow = CaptureWriter(file).flow(*V4)
    flow.data(SERVER, bytes(3 * MAX_BURST), AT)
    unacknowledged = 0
    for _, packet in packets(file)[3:]:
        size = len(packet) - 40
        assert size <= SEGMENT
        unacknowledged = unacknowledged + size if size else 0
        assert unacknowledged <= MAX_BURST + SEGMENT
    assert unacknowledged == 0


def test_bytes_that_were_not_kept_are_a_hole() -> None:
    file = io.BytesIO()
    flow = CaptureWriter(file).flow(*V4)
    flow.data(CLIENT, b"\x16\x03\x01\x20\x00", AT)  # the header of a long record
    flow.missing(CLIENT, 5000, AT + 1)
    flow.data(CLIENT, b"more", AT + 2)
    ((transcript, _),) = read(file)
    assert [gap.count for gap in transcript.of(GapSeen)] == [5000]
    assert transcript.client_bytes == 9


def test_attempts_that_failed() -> None:
    file = io.BytesIO()
    writer = CaptureWriter(file)
    writer.flow(*V4).not_connected("refused", AT)
    unanswered = writer.flow(*V6)
    unanswered.not_connected("timeout", AT)
    unanswered.not_connected("timeout", AT + 1)
    whys = [next(t.of(NotConnectedSeen)).why for t, _ in read(file)]
    assert sorted(whys) == ["refused", "timeout"]


def test_a_connection_without_data_has_its_handshake_and_end() -> None:
    file = io.BytesIO()
    flow = CaptureWriter(file).flow(*V4)
    flow.connected(AT)
    flow.close(CLIENT, How.OPEN, AT + 1)
    flow.close(CLIENT, How.FIN, AT + 1)
    flow.close(CLIENT, How.FIN, AT + 1)
    assert len(packets(file)) == 5
    assert packets(file)[0][0] == AT


def test_comments_are_written_once_and_bounded() -> None:
    file = io.BytesIO()
    writer = CaptureWriter(file, comment="a section", application="some tool")
    flow = writer.flow(*V4, comment="ü" * 40_000)
    flow.data(CLIENT, b"x", AT)
    raw = file.getvalue()
    assert b"a section" in raw
    assert b"some tool" in raw
    assert raw.count("üü".encode()) > 10_000
    assert len(raw) < 70_000
    assert len(packets(file)) == 5


def test_names_are_no_addresses() -> None:
    with pytest.raises(ValueError, match=r"broker\.example\.com"):
        CaptureWriter(io.BytesIO()).flow(("127.0.0.1", 1), ("broker.example.com", 8883))
