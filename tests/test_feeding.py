"""The feeder itself must be able to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from analyzers.wire import Reader
from tests.feeding import check_reader, check_stream


def read_pair(data: bytes) -> tuple[int, bytes]:
    reader = Reader(data, "Pair")
    pair = reader.u8("number"), reader.vector(1, "text")
    reader.finish()
    return pair


def read_greedily(data: bytes) -> bytes:
    return data[:2]


def test_a_sound_reader_passes() -> None:
    assert check_reader(read_pair, b"\x07\x02ab") == (7, b"ab")


def test_a_reader_that_ignores_a_tail_is_caught() -> None:
    def lax(data: bytes) -> int:
        return Reader(data, "Lax").u8("number")

    with pytest.raises(AssertionError, match="too many"):
        check_reader(lax, b"\x07")


def test_a_reader_that_accepts_a_cut_structure_is_caught() -> None:
    with pytest.raises(AssertionError, match="accepted 0 of 2 bytes"):
        check_reader(read_greedily, b"ab", tail=None)


def test_optional_fields_at_the_end() -> None:
    def read(data: bytes) -> tuple[int, bytes]:
        reader = Reader(data, "Optional")
        number = reader.u8("number")
        text = reader.vector(1, "text") if reader.left else b""
        reader.finish()
        return number, text

    check_reader(read, b"\x01\x02ab", whole_at={1})
    with pytest.raises(AssertionError, match="accepted 1 of 4 bytes"):
        check_reader(read, b"\x01\x02ab")


class Lines:
    """Splits at newlines."""

    def __init__(self) -> None:
        self.rest = b""

    def __call__(self, piece: bytes | memoryview) -> Iterable[bytes]:
        *lines, self.rest = (self.rest + bytes(piece)).split(b"\n")
        return lines


class Forgetful(Lines):
    """Loses what a piece did not complete."""

    def __call__(self, piece: bytes | memoryview) -> Iterable[bytes]:
        self.rest = b""
        return super().__call__(piece)


class Hoarder:
    """Keeps a view of its caller's buffer."""

    def __init__(self) -> None:
        self.pieces: list[bytes | memoryview] = []
        self.told = 0

    def __call__(self, piece: bytes | memoryview) -> Iterable[bytes]:
        self.pieces.append(piece)
        lines = b"".join(self.pieces).split(b"\n")[:-1]
        new = lines[self.told :]
        self.told = len(lines)
        return new


def test_a_sound_stream_passes() -> None:
    assert check_stream(Lines, b"ab\ncd\n", tail=b"ef") == [b"ab", b"cd"]


@pytest.mark.parametrize(
    ("parser", "fault"), [(Forgetful, "byte by byte"), (Hoarder, "kept a view")]
)
def test_an_unsound_stream_is_caught(
    parser: Callable[[], Callable[[bytes | memoryview], Iterable[bytes]]], fault: str
) -> None:
    with pytest.raises(AssertionError, match=fault):
        check_stream(parser, b"ab\ncd\n", tail=b"ef")
