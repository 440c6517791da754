from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from analyzers.errors import Malformed, ParseError, Truncated
from analyzers.wire import Reader
from tests.feeding import check_reader


def whole(read: Callable[[Reader], object]) -> Callable[[bytes], object]:
    """A function over bytes that must use them up."""

    def function(data: bytes) -> object:
        reader = Reader(data, "Struct")
        value = read(reader)
        reader.finish()
        return value

    return function


@pytest.mark.parametrize(
    ("read", "data", "value"),
    [
        (lambda r: r.u8("f"), b"\xfe", 0xFE),
        (lambda r: r.u16("f"), b"\xfe\x01", 0xFE01),
        (lambda r: r.u24("f"), b"\xfe\x01\x02", 0xFE0102),
        (lambda r: r.u32("f"), b"\xfe\x01\x02\x03", 0xFE010203),
        (lambda r: r.take(3, "f"), b"abc", b"abc"),
        (lambda r: r.vector(1, "f"), b"\x03abc", b"abc"),
        (lambda r: r.vector(2, "f"), b"\x00\x03abc", b"abc"),
        (lambda r: r.vector(3, "f"), b"\x00\x00\x03abc", b"abc"),
        (lambda r: r.vector(2, "f"), b"\x00\x00", b""),
        (lambda r: r.u16s(2, "f"), b"\x00\x04\x00\x01\xff\xff", (1, 0xFFFF)),
        (lambda r: r.u16s(1, "f"), b"\x00", ()),
        (lambda r: (r.u8("f"), r.u16("g"), r.vector(1, "h")), b"\x01\x02\x03\x01x", (1, 515, b"x")),
    ],
)
def test_values(read: Callable[[Reader], object], data: bytes, value: object) -> None:
    assert check_reader(whole(read), data) == value


def test_nested_structures_end_where_their_length_says() -> None:
    def read(reader: Reader) -> list[bytes]:
        found = []
        with reader.nested(2, "list", "List") as items:
            while items.left:
                found.append(items.vector(1, "item"))
        return found

    assert check_reader(whole(read), b"\x00\x05\x01a\x02bc") == [b"a", b"bc"]


def test_a_nested_reader_cannot_see_past_its_end() -> None:
    reader = Reader(b"\x02\x03abcd", "Outer")
    with pytest.raises(Truncated) as caught, reader.nested(1, "block", "Inner") as inner:
        inner.vector(1, "name")
    assert str(caught.value) == "Inner.name needs 4 bytes, only 2 are left (offset 1)"


def test_a_nested_structure_must_be_used_up() -> None:
    reader = Reader(b"\x03abc", "Outer")
    with pytest.raises(Malformed) as caught, reader.nested(1, "block") as inner:
        inner.u8("first")
    error = caught.value
    assert (error.struct, error.field, error.offset) == ("Outer", "block", 2)
    assert str(error) == "Outer.block is followed by 2 unexpected bytes (offset 2)"


def test_left_overs_do_not_hide_the_first_error() -> None:
    reader = Reader(b"\x03abc", "Outer")
    with pytest.raises(Malformed, match="has an odd length"), reader.nested(1, "block"):
        raise Malformed("Inner", "field", 1, reason="has an odd length")


def test_a_length_is_checked_before_its_content_is_read() -> None:
    reader = Reader(b"\xff\xffabc", "Struct")
    with pytest.raises(Truncated) as caught:
        reader.vector(2, "field")
    assert (caught.value.needed, caught.value.had, caught.value.offset) == (65537, 5, 0)


def test_an_odd_vector_of_uint16_is_malformed_at_its_length() -> None:
    reader = Reader(b"\x00\x00\x03abc", "Struct", start=1)
    with pytest.raises(Malformed) as caught:
        reader.u16s(2, "suites")
    assert str(caught.value) == "Struct.suites has an odd length (3 bytes) (offset 1)"


def test_bounds_hold_inside_a_larger_buffer() -> None:
    reader = Reader(b"headbodytail", "Struct", start=4, end=8)
    assert (reader.offset, reader.left) == (4, 4)
    assert reader.rest() == b"body"
    assert (reader.offset, reader.left) == (8, 0)
    assert reader.rest() == b""
    with pytest.raises(Truncated):
        reader.u8("more")
    reader.finish()


def test_offsets_count_from_the_start_of_the_message() -> None:
    reader = Reader(b"\x0b\x00\x00\x04\x03\x02ab", "Message", start=4)
    with (
        pytest.raises(Truncated) as caught,
        reader.nested(1, "outer") as outer,
        outer.nested(1, "inner", "Inner") as inner,
    ):
        inner.take(3, "value")
    assert caught.value.offset == 6


def test_errors_say_what_and_where_apart() -> None:
    error = ParseError("ClientHello", "random", 6)
    assert str(error) == "ClientHello.random is malformed (offset 6)"
    assert isinstance(error, ValueError)
    assert Malformed("A", "b", 1, reason="is 7").what == "is 7"
    assert Truncated("A", "b", 1, needed=2, had=0).what == "needs 2 bytes, only 0 are left"


@pytest.mark.parametrize(
    "error",
    [
        ParseError("ClientHello", "random", 6),
        Truncated("ClientHello", "random", 6, needed=32, had=3),
        Malformed("Extension", "type", 9, reason="appears twice"),
    ],
)
def test_errors_survive_copying_and_pickling(error: ParseError) -> None:
    for again in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert (again.args, vars(again)) == (error.args, vars(error))
