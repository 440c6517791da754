from __future__ import annotations

from collections.abc import Callable

import pytest

from analyzers.records import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEARTBEAT,
    MAX_FRAGMENT,
    Partial,
    Record,
    RecordReader,
)
from proxy.lab.messages import record
from tests.feeding import check_stream

HELLO = record(HANDSHAKE, b"\x01\x00\x00\x02hi", version=0x0301)
SWITCH = record(CHANGE_CIPHER_SPEC, b"\x01")
WARNING = record(ALERT, b"\x01\x00")
DATA = record(APPLICATION_DATA, bytes(range(256)))
BEAT = record(HEARTBEAT, b"\x01\x00\x00")
HIDDEN = record(ALERT, bytes(range(100, 126)))
EMPTY = record(HANDSHAKE, b"")
STREAM = HELLO + SWITCH + EMPTY + WARNING + DATA + BEAT
NO_HEADERS = bytes(range(32, 128)) * 4
"""Bytes among which no record begins."""


def feeder(reader: RecordReader) -> Callable[[bytes | memoryview], list[Record]]:
    def feed(piece: bytes | memoryview) -> list[Record]:
        done, fault = reader.feed(bytes(piece))
        assert fault is None
        return done

    return feed


def read(reader: RecordReader, data: bytes) -> list[Record]:
    return feeder(reader)(data)


def kinds(records: list[Record]) -> list[tuple[int, int, int]]:
    return [(each.content_type, each.offset, each.length) for each in records]


# -- a stream from its first byte ------------------------------------------------------


def test_records_come_out_however_the_stream_is_cut() -> None:
    found = check_stream(lambda: feeder(RecordReader()), STREAM, tail=b"\x16\x03\x03\x00\x05part")
    assert kinds(found) == [
        (HANDSHAKE, 0, 6),
        (CHANGE_CIPHER_SPEC, 11, 1),
        (HANDSHAKE, 17, 0),
        (ALERT, 22, 2),
        (APPLICATION_DATA, 29, 256),
        (HEARTBEAT, 290, 3),
    ]
    assert [each.fragment for each in found] == [
        b"\x01\0\0\x02hi",
        b"\x01",
        b"",
        b"\x01\0",
        b"",
        b"",
    ]
    assert [each.version for each in found] == [0x0301, *[0x0303] * 5]
    assert found[-1].end == len(STREAM)
    assert not any(each.holed for each in found)


def test_application_data_is_counted_and_not_kept() -> None:
    reader = RecordReader()
    read(reader, record(APPLICATION_DATA, b"secret" * 1000)[:3000])
    assert reader.held == b""
    assert reader.partial == Partial(APPLICATION_DATA, 6000, 3000, 0)


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x03FF])
def test_every_version_3_is_a_record(version: int) -> None:
    assert read(RecordReader(), record(ALERT, b"\x02\x28", version=version))[0].version == version


def test_the_largest_record() -> None:
    reader = RecordReader()
    (found,) = read(reader, record(HANDSHAKE, bytes(MAX_FRAGMENT)))
    assert found.length == len(found.fragment) == MAX_FRAGMENT


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"GET /", "TLSPlaintext.type is 71, no TLS record type (offset 18)"),
        (b"\x19\x03\x03\x00\x01", "TLSPlaintext.type is 25, no TLS record type (offset 18)"),
        (
            b"\x16\x02\x00\x00\x01",
            "TLSPlaintext.legacy_record_version is 0x0200, no TLS version (offset 19)",
        ),
        (
            b"\x17\xfe\xfd\x00\x01",
            "TLSPlaintext.legacy_record_version is 0xFEFD, no TLS version (offset 19)",
        ),
        (
            b"\x17\x03\x03\x48\x01",
            "TLSPlaintext.length is 18433, above the limit of 18432 (offset 21)",
        ),
    ],
)
@pytest.mark.parametrize("cut", [0, 3, 18, 20, 22])
def test_what_is_no_header_ends_the_reading(header: bytes, says: str, cut: int) -> None:
    reader = RecordReader()
    data = HELLO + WARNING + header + b"more"
    done, fault = reader.feed(data[:cut])
    if fault is None:
        more, fault = reader.feed(data[cut:])
        done += more
    assert kinds(done) == [(HANDSHAKE, 0, 6), (ALERT, 11, 2)]
    assert str(fault) == says
    assert reader.held == header


def test_what_has_begun_is_known_as_far_as_it_came() -> None:
    for cut in range(len(HELLO + SWITCH)):
        reader = RecordReader()
        read(reader, (HELLO + SWITCH)[:cut])
        if cut in (0, 11):
            assert reader.partial is None
        elif cut < 5:
            assert reader.partial == Partial(HANDSHAKE, None, cut, 0)
        elif cut < 11:
            assert reader.partial == Partial(HANDSHAKE, 6, cut, 0)
        elif cut < 16:
            assert reader.partial == Partial(CHANGE_CIPHER_SPEC, None, cut - 11, 11)
        else:
            assert reader.partial == Partial(CHANGE_CIPHER_SPEC, 1, 5, 11)


# -- holes -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 100, 256])
def test_a_hole_inside_a_record_keeps_the_chain(size: int) -> None:
    reader = RecordReader()
    seen = 256 - size
    assert read(reader, DATA[: 5 + seen]) == []
    done = reader.skip(size)
    assert not reader.lost
    assert kinds(done) == [(APPLICATION_DATA, 0, 256)]
    assert done[0].holed
    assert kinds(read(reader, WARNING)) == [(ALERT, 261, 2)]


def test_a_hole_in_the_middle_of_a_record() -> None:
    reader = RecordReader()
    assert read(reader, HELLO[:7]) == []
    assert reader.skip(2) == []
    assert reader.partial == Partial(HANDSHAKE, 6, 9, 0)
    holed, after = read(reader, HELLO[9:] + SWITCH)
    assert (holed.holed, holed.fragment, holed.length) == (True, b"", 6)
    assert (after.holed, after.fragment) == (False, b"\x01")


def test_a_hole_that_swallows_the_end_of_a_record_still_shows_its_type_and_length() -> None:
    reader = RecordReader()
    read(reader, DATA[:50])
    done = reader.skip(1000)
    assert kinds(done) == [(APPLICATION_DATA, 0, 256)]
    assert done[0].holed
    assert reader.lost
    assert reader.offset == 1050


@pytest.mark.parametrize("begun", [b"", HELLO, HELLO[:3], HELLO[:5], HELLO[:8]])
@pytest.mark.parametrize(
    "rubbish", [b"", b"\x16", b"\x17\x03", b"\x16\x03\x03\x00\x00", NO_HEADERS]
)
def test_after_a_hole_over_a_header_reading_goes_on_where_two_headers_chain(
    begun: bytes, rubbish: bytes
) -> None:
    def fresh() -> Callable[[bytes | memoryview], list[Record]]:
        reader = RecordReader()
        read(reader, begun)
        reader.skip(1000)
        assert reader.lost
        return feeder(reader)

    at = len(begun) + 1000 + len(rubbish)
    found = check_stream(fresh, rubbish + STREAM[:-1], tail=None)
    assert [(each.content_type, each.offset) for each in found] == [
        (HANDSHAKE, at),
        (CHANGE_CIPHER_SPEC, at + 11),
        (HANDSHAKE, at + 17),
        (ALERT, at + 22),
        (APPLICATION_DATA, at + 29),
    ]


def test_what_only_looks_like_a_header_is_passed_over() -> None:
    decoys = [
        b"\x16\x03\x03\x00\x00",  # an empty record
        b"\x17\x03\x03\xff\xff",  # too long
        b"\x16\x03\x05\x00\x03",  # no version
        b"\x17\x03\x03\x00\x04abcd",  # followed by no header
        b"\x17\x03\x03\x00\x02ab\x17\x03\x03\xff\xff",  # followed by one too long
    ]
    data = NO_HEADERS + NO_HEADERS.join(decoys) + NO_HEADERS + STREAM
    found = check_stream(lambda: feeder(RecordReader(synced=False)), data, tail=None)
    assert found[0].offset == len(data) - len(STREAM)
    assert len(found) == 6


def test_the_search_holds_no_more_than_a_record() -> None:
    reader = RecordReader(synced=False)
    for _ in range(100):
        assert read(reader, NO_HEADERS) == []
    assert len(reader.held) <= 2
    assert reader.offset == 100 * len(NO_HEADERS)
    # The worst case: a header that fits, behind whose record no header stands.
    for _ in range(100):
        read(reader, b"\x17\x03\x03\x48\x00" + bytes(1000))
    assert len(reader.held) <= 5 + MAX_FRAGMENT + 5 + 1005


def test_a_lone_record_is_read_once_nothing_will_follow() -> None:
    reader = RecordReader(synced=False)
    assert read(reader, NO_HEADERS + HIDDEN) == []
    assert reader.lost
    assert reader.partial is None
    done, fault = reader.settle()
    assert fault is None
    assert kinds(done) == [(ALERT, len(NO_HEADERS), 26)]
    assert reader.settle() == ([], None)


@pytest.mark.parametrize("lone", [HELLO, WARNING, record(ALERT, b"\x02\xff"), SWITCH])
def test_what_can_be_nothing_else_is_read_at_once(lone: bytes) -> None:
    data = NO_HEADERS + lone
    (found,) = check_stream(lambda: feeder(RecordReader(synced=False)), data, tail=b"\xff")
    assert (found.offset, found.fragment) == (len(NO_HEADERS), lone[5:])


@pytest.mark.parametrize(
    "doubtful",
    [
        record(ALERT, b"\x03\x28"),
        record(ALERT, b"\x02\x28\x02"),
        record(CHANGE_CIPHER_SPEC, b"\x02"),
        record(CHANGE_CIPHER_SPEC, b"\x01\x01"),
        record(HANDSHAKE, b"\xc8\x00\x00\x00"),
        record(HANDSHAKE, b"\x0b\x00\x00\x05hide"),
        record(HANDSHAKE, b"\x0e\x00\x00"),
        record(HEARTBEAT, b"\x01\x00"),
        DATA,
    ],
)
def test_what_could_be_chance_waits_for_a_record_behind_it(doubtful: bytes) -> None:
    reader = RecordReader(synced=False)
    assert read(reader, doubtful) == []
    assert [each.offset for each in read(reader, WARNING)] == [0, len(doubtful)]


@pytest.mark.parametrize("tail", [b"\x17", b"\x17\x03\x03", DATA[:100]])
def test_the_beginning_of_a_record_behind_it_counts_for_it(tail: bytes) -> None:
    reader = RecordReader(synced=False)
    done = read(reader, HIDDEN + tail) + reader.settle()[0]
    assert kinds(done) == [(ALERT, 0, 26)]
    assert reader.partial is not None
    assert reader.partial.had == len(tail)


@pytest.mark.parametrize("tail", [b"", b"\x17", b"\x17\x03\x03\x00", NO_HEADERS, HIDDEN + b"x"])
def test_nothing_is_made_of_bytes_that_form_no_chain(tail: bytes) -> None:
    reader = RecordReader(synced=False)
    assert read(reader, tail) == []
    assert reader.settle() == ([], None)
    assert reader.offset == len(tail)


def test_a_record_cut_short_by_a_hole_is_found_too() -> None:
    reader = RecordReader(synced=False)
    assert read(reader, NO_HEADERS + DATA[:100]) == []
    assert reader.settle() == ([], None)
    assert not reader.lost
    (found,) = reader.skip(161)
    assert (found.holed, found.length, found.offset) == (True, 256, len(NO_HEADERS))
    assert kinds(read(reader, WARNING)) == [(ALERT, len(NO_HEADERS) + 261, 2)]


def test_holes_in_a_row() -> None:
    reader = RecordReader()
    read(reader, DATA[:10])
    assert reader.skip(10) == []
    assert reader.skip(1000) != []
    assert reader.skip(7) == []
    assert reader.offset == 1027
    assert kinds(read(reader, WARNING + SWITCH)) == [
        (ALERT, 1027, 2),
        (CHANGE_CIPHER_SPEC, 1034, 1),
    ]


def test_offsets_can_begin_elsewhere() -> None:
    assert kinds(read(RecordReader(offset=108), WARNING)) == [(ALERT, 108, 2)]
