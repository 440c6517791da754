from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from analyzers.capture.blocks import BlockReader
from analyzers.capture.pcap import PcapReader
from tests.feeding import check_stream
from tests.framing import pcap

Seen = tuple[int, float, int, int, bytes]
FRAMES = [(1_700_000_000 + i + 0.25, bytes([i]) * (20 + i)) for i in range(6)]


def feeder(
    kind: type[BlockReader], warnings: list[str]
) -> Callable[[], Callable[[bytes | memoryview], list[Seen]]]:
    """For `check_stream`: a fresh reader that gives the frames that its input completed."""

    def fresh() -> Callable[[bytes | memoryview], list[Seen]]:
        seen: list[Seen] = []

        def frame(
            view: memoryview, start: int, end: int, wire: int, link: int, at: float, number: int
        ) -> None:
            seen.append((number, at, wire, link, bytes(view[start:end])))

        reader = kind("a.pcap", frame, warnings)

        def feed(data: bytes | memoryview) -> list[Seen]:
            seen.clear()
            reader.feed(data)
            return seen[:]

        return feed

    return fresh


def read(data: bytes, step: int | None = None) -> tuple[list[Seen], list[str]]:
    seen: list[Seen] = []
    warnings: list[str] = []
    reader = PcapReader(
        "a.pcap",
        lambda view, start, end, wire, link, at, number: seen.append(
            (number, at, wire, link, bytes(view[start:end]))
        ),
        warnings,
    )
    for i in range(0, len(data), step or len(data) or 1):
        reader.feed(data[i : i + (step or len(data))])
    reader.finish()
    assert reader.frames == len(seen)
    return seen, warnings


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("nano", "modified"), [(False, False), (True, False), (False, True)])
def test_reads_each_variant_in_pieces_of_any_size(order: str, nano: bool, modified: bool) -> None:
    warnings: list[str] = []
    data = pcap(FRAMES, order=order, nano=nano, modified=modified, link=101)
    seen = check_stream(feeder(PcapReader, warnings), data)
    assert [(at, body) for _, at, _, _, body in seen] == FRAMES
    assert [number for number, *_ in seen] == [1, 2, 3, 4, 5, 6]
    assert {link for _, _, _, link, _ in seen} == {101}
    assert not warnings


def test_a_snap_length_leaves_the_length_on_the_wire() -> None:
    seen, warnings = read(pcap([(1.0, bytes(100))], snaplen=60))
    assert [(wire, len(body)) for _, _, wire, _, body in seen] == [(100, 60)]
    assert not warnings


def test_the_upper_bits_of_the_link_type_tell_of_the_frame_check_sequence() -> None:
    seen, _ = read(pcap(FRAMES, link=0x4400_0001))
    assert {link for _, _, _, link, _ in seen} == {1}


@pytest.mark.parametrize("cut", range(1, 46))
def test_a_cut_last_packet_is_used_as_far_as_it_goes(cut: int) -> None:
    data = pcap(FRAMES[:2] + [(1_700_000_003.0, b"x" * 30)])
    seen, warnings = read(data[:-cut])
    assert [body for *_, body in seen[:2]] == [body for _, body in FRAMES[:2]]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"a.pcap: at byte {len(data) - 46}: the file ends in the middle")
    if cut <= 30:
        assert seen[2][2] == 30
        assert seen[2][4] == b"x" * (30 - cut)
    else:
        assert len(seen) == 2


def test_a_file_that_is_only_a_header_is_empty_and_whole() -> None:
    assert read(pcap([])) == ([], [])


@pytest.mark.parametrize("length", [4, 12, 23])
def test_a_cut_file_header_is_said(length: int) -> None:
    seen, warnings = read(pcap([])[:length])
    assert not seen
    assert warnings == [
        f"a.pcap: at byte 0: the file ends inside its header ({length} of 24 bytes)"
    ]


def test_another_major_version_is_not_guessed_at() -> None:
    data = bytearray(pcap(FRAMES))
    data[4] = 3
    seen, warnings = read(bytes(data))
    assert not seen
    assert "version 3.4 is not known" in warnings[0]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("length", [0xFFFF_FFFF, 300_000, 200_000, 60])
@pytest.mark.parametrize("step", [None, 1, 7])
def test_reading_goes_on_behind_a_bogus_length(order: str, length: int, step: int | None) -> None:
    data = bytearray(pcap(FRAMES, order=order))
    at = 24 + 16 + 20 + 16 + 21  # the third packet
    struct.pack_into(order + "I", data, at + 8, length)
    seen, warnings = read(bytes(data), step)
    assert [body for *_, body in seen] == [body for i, (_, body) in enumerate(FRAMES) if i != 2]
    assert len(warnings) == 1
    assert f"at byte {at}: packet 3 claims a length of {length} bytes" in warnings[0]


def test_packets_behind_a_large_damage_are_found_in_pieces() -> None:
    first = pcap(FRAMES[:3])
    junk = struct.pack("<IIII", 1_700_000_003, 0, 0xFFFF_FF00, 60) + b"\xab\x65" * 20_000
    last = pcap(FRAMES[3:])[24:]
    for step in (None, 1000):
        seen, warnings = read(first + junk + last, step)
        assert [body for *_, body in seen] == [body for _, body in FRAMES]
        assert len(warnings) == 1


def test_damage_with_nothing_behind_it_is_said() -> None:
    data = pcap(FRAMES[:2]) + struct.pack("<IIII", 1_700_000_003, 0, 0xFFFF_FF00, 60) + bytes(5000)
    seen, warnings = read(data)
    assert len(seen) == 2
    assert "nothing more that makes sense was found" in warnings[-1]


def test_a_bogus_first_length_ends_the_reading() -> None:
    data = bytearray(pcap(FRAMES))
    struct.pack_into("<I", data, 24 + 8, 1 << 31)
    seen, warnings = read(bytes(data))
    assert not seen
    assert "the first packet claims a length of 2147483648 bytes" in warnings[0]
    assert "the rest of the file is not read" in warnings[0]


def test_writers_that_leave_the_wire_length_at_zero_are_believed() -> None:
    data = bytearray(pcap(FRAMES))
    at = 24
    for _, body in FRAMES:
        struct.pack_into("<I", data, at + 12, 0)
        at += 16 + len(body)
    for step in (None, 1):
        seen, warnings = read(bytes(data), step)
        assert [body for *_, body in seen] == [body for _, body in FRAMES]
        assert not warnings


@pytest.mark.parametrize("step", [None, 1])
def test_packets_swallowed_by_two_bogus_lengths_are_found_at_the_end(step: int | None) -> None:
    data = bytearray(pcap(FRAMES))
    at = 24 + 16 + 20 + 16 + 21
    struct.pack_into("<II", data, at + 8, 200_000, 200_000)
    seen, warnings = read(bytes(data), step)
    assert [body for *_, body in seen] == [body for i, (_, body) in enumerate(FRAMES) if i != 2]
    (warning,) = warnings
    assert warning.startswith(f"a.pcap: at byte {at}: packet 3 claims a length of 200000 bytes, ")
    assert warning.endswith("more than the file has; it was passed over")


def test_a_first_packet_that_makes_no_sense_ends_the_reading_of_a_short_file() -> None:
    data = bytearray(pcap(FRAMES[:2]))
    struct.pack_into("<I", data, 24 + 8, 100_000)
    seen, warnings = read(bytes(data))
    assert not seen
    assert "the first packet claims a length of 100000 bytes" in warnings[0]


def test_what_only_looks_like_a_packet_is_not_taken_for_one() -> None:
    """Behind a damage come a lone time stamp, a lying header, a cut header, then packets."""
    seconds = 1_700_000_002
    lone = struct.pack("<IIII", seconds, 2_000_000, 9, 9)  # more than a second's parts
    lying = struct.pack("<IIII", seconds, 0, 9, 9) + bytes(200)  # nothing where it ends
    damaged = struct.pack("<IIII", seconds, 0, 0xFFFF_0000, 60)
    packets = pcap(FRAMES[3:])[24:]
    for step in (None, 1, 100):
        seen, _ = read(pcap(FRAMES[:2]) + damaged + lone + lying + packets, step)
        assert [body for *_, body in seen] == [body for i, (_, body) in enumerate(FRAMES) if i != 2]
        seen, warnings = read(pcap(FRAMES[:2]) + damaged + packets[:10], step)
        assert len(seen) == 2
        assert "nothing more that makes sense" in warnings[-1]


def test_nothing_is_read_after_the_end() -> None:
    seen: list[int] = []
    reader = PcapReader("a.pcap", lambda *_: seen.append(1), [])
    reader.feed(pcap(FRAMES))
    reader.finish()
    reader.feed(pcap(FRAMES)[24:])
    reader.finish()
    assert len(seen) == len(FRAMES)
