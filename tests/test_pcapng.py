from __future__ import annotations

import struct

import pytest

from analyzers.capture.pcapng import PcapngReader
from tests.feeding import check_stream
from tests.framing import block, enhanced, interface, section
from tests.test_pcap import Seen, feeder

BODIES = [bytes([i]) * (21 + i) for i in range(5)]
START = 1_700_000_000
SECRETS = block(10, b"SLKT" + struct.pack("<I", 8) + b"CLIENT_R")
STATISTICS = block(5, bytes(12))


def read(data: bytes, step: int | None = None) -> tuple[list[Seen], list[str]]:
    seen: list[Seen] = []
    warnings: list[str] = []
    reader = PcapngReader(
        "a.pcapng",
        lambda view, start, end, wire, link, at, number: seen.append(
            (number, at, wire, link, bytes(view[start:end]))
        ),
        warnings,
    )
    for i in range(0, len(data), step or len(data)):
        reader.feed(data[i : i + (step or len(data))])
    reader.finish()
    return seen, warnings


def plain(order: str = "<") -> bytes:
    packets = [
        enhanced(body, (START + i) * 1_000_000 + 250_000, order=order)
        for i, body in enumerate(BODIES)
    ]
    return section(order) + interface(order=order) + b"".join(packets)


@pytest.mark.parametrize("order", ["<", ">"])
def test_reads_both_byte_orders_in_pieces_of_any_size(order: str) -> None:
    seen = check_stream(feeder(PcapngReader, []), plain(order))
    assert [body for *_, body in seen] == BODIES
    assert [at for _, at, *_ in seen] == [START + i + 0.25 for i in range(5)]


@pytest.mark.parametrize(
    ("resolution", "stamp"),
    [
        (None, START * 10**6 + 500_000),
        (6, START * 10**6 + 500_000),
        (9, START * 10**9 + 500_000_000),
        (3, START * 10**3 + 500),
        (0, START),
        (0x80 | 10, START * 1024 + 512),
        (0x80 | 32, START * 2**32 + 2**31),
    ],
)
def test_time_resolutions(resolution: int | None, stamp: int) -> None:
    options = b"" if resolution is None else struct.pack("<HHB3xHH", 9, 1, resolution, 0, 0)
    seen, warnings = read(section() + interface(options=options) + enhanced(BODIES[0], stamp))
    assert seen[0][1] == START + (0.5 if resolution != 0 else 0)
    assert not warnings


def test_a_time_offset_is_added() -> None:
    options = struct.pack("<HHqHHB3x", 14, 8, START, 9, 1, 6)
    seen, _ = read(section() + interface(options=options) + enhanced(BODIES[0], 1_500_000))
    assert seen[0][1] == START + 1.5


def test_sections_and_interfaces_have_their_own_link_types_and_byte_orders() -> None:
    first = section("<") + interface(1) + interface(101)
    first += enhanced(BODIES[0], START * 10**6, index=1) + enhanced(BODIES[1], START * 10**6)
    second = section(">") + interface(113, order=">")
    second += enhanced(BODIES[2], START * 10**6, order=">")
    for step in (None, 1, 13):
        seen, warnings = read(first + SECRETS + STATISTICS + second, step)
        assert [(link, body) for *_, link, body in seen] == [
            (101, BODIES[0]),
            (1, BODIES[1]),
            (113, BODIES[2]),
        ]
        assert not warnings


def test_simple_and_obsolete_packet_blocks() -> None:
    simple = block(3, struct.pack("<I", 100) + bytes(40))
    stamp = START * 10**6
    obsolete = block(
        2, struct.pack("<HHIIII", 0, 0, stamp >> 32, stamp & 0xFFFFFFFF, 3, 9) + b"abc"
    )
    seen, warnings = read(section() + interface(snaplen=40) + obsolete + simple)
    assert [(at, wire, body) for _, at, wire, _, body in seen] == [
        (START, 9, b"abc"),
        (START, 100, bytes(40)),  # no time of its own: its neighbour's
    ]
    assert not warnings


def test_blocks_that_wireshark_shows_count_as_frames() -> None:
    custom = block(0xBAD, struct.pack("<I", 32473) + bytes(8))
    seen, _ = read(section() + interface() + custom + enhanced(BODIES[0], START * 10**6))
    assert [number for number, *_ in seen] == [2]


def test_a_packet_of_an_unknown_interface_is_passed_over() -> None:
    data = section() + interface() + enhanced(BODIES[0], 0, index=7) + enhanced(BODIES[1], 0)
    seen, warnings = read(data)
    assert [(number, body) for number, *_, body in seen] == [(2, BODIES[1])]
    assert "packet 1 is of interface 7" in warnings[0]


def test_a_packet_longer_than_its_block_is_cut() -> None:
    body = struct.pack("<IIIII", 0, 0, 0, 5000, 5000) + b"abcd"
    seen, warnings = read(section() + interface() + block(6, body))
    assert [(wire, data) for _, _, wire, _, data in seen] == [(5000, b"abcd")]
    assert "packet 1 claims 5000 bytes, its block has 4" in warnings[0]


@pytest.mark.parametrize("kind", [1, 2, 3, 6])
def test_a_block_shorter_than_its_fields_is_passed_over(kind: int) -> None:
    data = section() + interface() + block(kind, b"") + enhanced(BODIES[0], 0)
    seen, warnings = read(data)
    assert [body for *_, body in seen] == [BODIES[0]]
    assert "shorter than its own fields" in warnings[0]


@pytest.mark.parametrize("cut", range(1, 80))
def test_a_cut_last_block_is_used_as_far_as_it_goes(cut: int) -> None:
    data = section() + interface() + enhanced(BODIES[0], 0) + enhanced(b"x" * 36, 0)
    seen, warnings = read(data[:-cut])
    assert [body for *_, body in seen[:1]] == [BODIES[0]]
    assert len(warnings) == 1
    assert "the file ends in the middle of a block" in warnings[0]
    if len(seen) == 2:
        assert seen[1][2] == 36
        assert (b"x" * 36).startswith(seen[1][4])


@pytest.mark.parametrize("length", [0, 8, 13, 44, 60_000, 0xFFFF_FFF0])
@pytest.mark.parametrize("step", [None, 1])
def test_reading_goes_on_behind_a_bogus_block_length(length: int, step: int | None) -> None:
    before = section() + interface() + enhanced(BODIES[0], 0)
    bad = bytearray(enhanced(BODIES[1], 0))
    struct.pack_into("<I", bad, 4, length)
    seen, warnings = read(before + bytes(bad) + enhanced(BODIES[2], 0), step)
    assert [body for *_, body in seen] == [BODIES[0], BODIES[2]]
    assert len(warnings) == 1
    assert f"at byte {len(before)}: " in warnings[0]


def test_damage_with_nothing_behind_it_is_said() -> None:
    seen, warnings = read(plain() + struct.pack("<II", 6, 5) + b"\xee" * 9000)
    assert len(seen) == 5
    assert "nothing more that makes sense" in warnings[-1]


def test_an_unknown_byte_order_ends_the_reading() -> None:
    bad = bytearray(section())
    bad[8:12] = b"\x01\x02\x03\x04"
    seen, warnings = read(plain() + bytes(bad) + plain())
    assert len(seen) == 5
    assert "unknown byte-order mark 01020304" in warnings[0]


@pytest.mark.parametrize("step", [None, 1, 50])
def test_what_only_looks_like_a_block_is_not_taken_for_one(step: int | None) -> None:
    """Behind a damage come types with an odd length, another at the end, one too long."""
    kind = struct.pack("<I", 6)
    lying = kind + struct.pack("<I", 33) + kind + struct.pack("<I", 32) + bytes(40)
    too_long = kind + struct.pack("<I", 6000)
    damaged = struct.pack("<II", 6, 5)
    seen, _ = read(plain() + damaged + lying + too_long + enhanced(BODIES[0], 0), step)
    assert [body for *_, body in seen] == [*BODIES, BODIES[0]]
    seen, warnings = read(plain() + damaged + bytes(40) + kind + b"ab", step)
    assert len(seen) == 5
    assert "nothing more that makes sense" in warnings[-1]


def test_interface_options_that_are_not_read() -> None:
    name = struct.pack("<HH4s", 2, 3, b"eth\0")
    odd = struct.pack("<HH4s", 9, 2, b"\x09\x09\0\0")  # a resolution has one byte
    end = struct.pack("<HHHHB3x", 0, 0, 9, 1, 9)  # nothing counts behind the end
    data = section() + interface(options=name + odd + end) + enhanced(BODIES[0], START * 10**6)
    seen, warnings = read(data)
    assert seen[0][1] == START
    assert not warnings
