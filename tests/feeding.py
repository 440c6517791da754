"""The three-way feeder: every parser is tested whole, in pieces, with a tail, and cut short.

`check_reader` is for functions of the form `read(bytes) -> value` that want a whole
structure; `check_stream` is for objects that are fed as bytes arrive. Both return what
the whole input gave, so that a test goes on to look at the value itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

from analyzers.errors import Malformed, ParseError, Truncated

T = TypeVar("T")

TAIL = b"\x00\xff\x16"
"""Bytes that are neither text nor a record header."""


def check_reader(
    read: Callable[[bytes], T],
    data: bytes,
    *,
    whole_at: Collection[int] = (),
    tail: bytes | None = TAIL,
    cut: type[ParseError] = Truncated,
) -> T:
    """Read `data` whole, cut at each length, and with a tail.

    Args:
        read: Reads one structure that must use up its input.
        data: A well-formed structure.
        whole_at: Shorter lengths at which the structure is complete too (optional
            fields at its end); there `read` must not raise.
        tail: Bytes that make the structure too long, so that `read` raises Malformed;
            None where a tail is legal.
        cut: What a cut structure raises; `ParseError` where a length can be a
            contradiction and not only a lack.

    Returns:
        What `read` made of the whole input.
    """
    value = read(data)
    assert read(data) == value, "reading twice gives two answers"
    for length in range(len(data)):
        try:
            read(data[:length])
        except cut as error:
            assert length not in whole_at, f"{length} bytes are complete, yet: {error}"
            assert 0 <= error.offset <= length, f"{error} lies outside of the {length} bytes"
            assert error.struct
            assert error.field
        else:
            assert length in whole_at, f"accepted {length} of {len(data)} bytes"
    if tail is not None:
        try:
            read(data + tail)
        except Malformed as error:
            assert 0 <= error.offset <= len(data) + len(tail)
        else:
            raise AssertionError(f"accepted {len(tail)} bytes too many")
    return value


def check_stream(
    fresh: Callable[[], Callable[[bytes | memoryview], Iterable[T]]],
    data: bytes,
    *,
    tail: bytes | None = TAIL,
    alike: Callable[[T], object] = lambda item: item,
    splits: int = 2048,
) -> list[T]:
    """Feed `data` whole, byte by byte, split at every place, with a tail, and cut short.

    Args:
        fresh: Makes a new parser and returns the function that feeds it: bytes in, the
            items they completed out.
        data: Well-formed input.
        tail: Bytes that begin a further structure and complete none; None where there
            are no such bytes.
        alike: What of an item must not depend on the splitting.
        splits: At most so many split places are tried, evenly spread.

    Returns:
        The items of the whole input.
    """

    def feed(pieces: Iterable[bytes | memoryview]) -> list[T]:
        parser = fresh()
        return [item for piece in pieces for item in parser(piece)]

    def same(got: Sequence[T], want: Sequence[T]) -> bool:
        return [alike(item) for item in got] == [alike(item) for item in want]

    whole = feed([data])
    single = [data[i : i + 1] for i in range(len(data))]
    assert same(feed(single), whole), "byte by byte differs from whole"
    assert same(feed([b"", data, b""]), whole), "empty pieces change the result"

    # A relay reuses its buffer: what was fed must not be looked at again.
    buffer = bytearray(data)
    parser = fresh()
    reused = list(parser(memoryview(buffer)[: len(data) // 2]))
    for i in range(len(data) // 2):
        buffer[i] ^= 0xFF
    reused += parser(memoryview(buffer)[len(data) // 2 :])
    assert same(reused, whole), "the parser kept a view of its caller's buffer"

    for at in range(1, len(data), max(1, len(data) // splits)):
        parser = fresh()
        first = list(parser(data[:at]))
        assert same(first, whole[: len(first)]), f"the first {at} bytes gave something else"
        assert same([*first, *parser(data[at:])], whole), f"split at {at} differs from whole"
    if tail is not None:
        assert same(feed([data + tail]), whole), "a tail changes what came before it"
    return whole
