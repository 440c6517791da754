from __future__ import annotations

from collections.abc import Callable

import pytest

from analyzers.handshake import MAX_MESSAGE, HandshakeReader, RawMessage
from tests.feeding import check_stream
from tests.hellos import message

SHORT, LONG, EMPTY = message(2, b"short"), message(11, bytes(range(256)) * 3), message(14, b"")


def feeder(
    reader: HandshakeReader, *, base: int = 5
) -> Callable[[bytes | memoryview], list[RawMessage]]:
    """Feeds each piece as a record of its own in a chunk of its own."""
    fed = 0
    chunk = 0

    def feed(piece: bytes | memoryview) -> list[RawMessage]:
        nonlocal fed, chunk
        chunk += 1
        done, fault = reader.feed(
            bytes(piece),
            offset=base + fed,
            version=0x0303,
            at=float(chunk),
            first_segment=chunk,
            segment=chunk,
        )
        assert fault is None
        fed += len(piece)
        return done

    return feed


def test_messages_are_joined_and_split_however_records_cut_them() -> None:
    found = check_stream(
        lambda: feeder(HandshakeReader()),
        SHORT + LONG + EMPTY + EMPTY + SHORT,
        tail=b"\x0b\x00\x00",
        alike=lambda m: (m.type, m.raw, m.stream_offset, m.record_version),
    )
    assert [m.raw for m in found] == [SHORT, LONG, EMPTY, EMPTY, SHORT]
    assert [m.stream_offset for m in found] == [5, 14, 786, 790, 794]


def test_the_records_and_segments_of_a_message_are_counted() -> None:
    reader = HandshakeReader()

    def feed(part: bytes, first: int, last: int) -> list[RawMessage]:
        done, _ = reader.feed(
            part, offset=5, version=0x0301, at=first, first_segment=first, segment=last
        )
        return done

    # Its header alone, in one chunk; then a record over three chunks that holds the rest of
    # it and a whole message; then a record in the chunk where the one before ended.
    assert feed(LONG[:2], 1, 1) == []
    first, second = feed(LONG[2:] + SHORT, 2, 4)
    (third,) = feed(EMPTY, 4, 4)
    assert (first.records, first.segments, first.first_at) == (2, 4, 1)
    assert (second.records, second.segments, second.first_at) == (1, 3, 2)
    assert (third.records, third.segments) == (1, 1)


def test_records_that_share_a_chunk_count_it_once() -> None:
    reader = HandshakeReader()
    for at in range(0, len(LONG), 100):
        done, _ = reader.feed(
            LONG[at : at + 100], offset=0, version=0x0303, at=0, first_segment=7, segment=7
        )
    assert [(m.records, m.segments) for m in done] == [(8, 1)]


def test_what_has_begun_is_known_as_far_as_it_came() -> None:
    reader = HandshakeReader()
    feed = feeder(reader)
    pending = [reader.pending]
    for start, end in ((0, 1), (1, 3), (3, 10), (10, len(LONG))):
        feed(LONG[start:end])
        pending.append(reader.pending)
    assert pending == [
        (None, None, 0, 0),
        (11, None, 1, 5),
        (11, None, 3, 5),
        (11, 768, 10, 5),
        (None, None, 0, 0),
    ]


def test_a_message_with_a_hole_is_forgotten() -> None:
    reader = HandshakeReader()
    feed = feeder(reader)
    feed(LONG[:100])
    reader.abandon()
    assert reader.pending == (None, None, 0, 0)
    assert [m.raw for m in feed(SHORT)] == [SHORT]


def test_an_empty_fragment_is_nothing() -> None:
    assert feeder(HandshakeReader())(b"") == []


@pytest.mark.parametrize("split", [0, 1, 3, 4])
def test_a_message_above_the_cap_is_a_fault(split: int) -> None:
    reader = HandshakeReader()
    header = b"\x0b" + (MAX_MESSAGE + 1).to_bytes(3, "big")
    before = message(2, b"fine")
    for part in (before + header[:split], header[split:]):
        done, fault = reader.feed(part, offset=0, version=0x0303, at=0, first_segment=1, segment=1)
        if fault is not None:
            break
    assert fault is not None
    assert str(fault) == (
        "Handshake.length claims 1048577 bytes, above the limit of 1048576 (offset 1)"
    )
    assert [m.raw for m in done] == ([before] if split == 4 else [])


def test_a_message_at_the_cap_is_read() -> None:
    raw = message(11, bytes(MAX_MESSAGE))
    feed = feeder(HandshakeReader())
    done = [m for at in range(0, len(raw), 1 << 14) for m in feed(raw[at : at + (1 << 14)])]
    assert [m.raw == raw for m in done] == [True]
    assert done[0].records == 65
