"""The DER cursor and the values and names that are read with it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.errors import Malformed, ParseError, Truncated
from analyzers.x509.der import (
    BOOLEAN,
    GENERALIZED_TIME,
    INTEGER,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    UTC_TIME,
    DerReader,
    Element,
    read_bit_string,
    read_boolean,
    read_integer,
    read_named_bits,
    read_oid,
    read_text,
    read_time,
)
from analyzers.x509.names import (
    EMPTY_NAME,
    Name,
    read_distinguished_name,
    read_general_name,
    read_name,
)
from tests.feeding import check_reader


def element(tag: int, content: bytes) -> Element:
    return DerReader(bytes([tag, len(content)]) + content, "Test").next("test")


def text(tag: int, content: bytes) -> bytes:
    """A Name with one common name."""
    value = bytes([tag, len(content)]) + content
    pair = b"\x06\x03\x55\x04\x03" + value
    rdn = bytes([SEQUENCE, len(pair)]) + pair
    rdns = bytes([0x31, len(rdn)]) + rdn
    return bytes([SEQUENCE, len(rdns)]) + rdns


class TestReader:
    def test_short_and_long_lengths(self) -> None:
        for data in (b"\x04\x03abc", b"\x04\x81\x03abc", b"\x04\x84\x00\x00\x00\x03abc"):
            found = DerReader(data, "Test").next("field", 0x04)
            assert found.content == b"abc"
            assert found.raw == data

    def test_whole_cut_and_with_a_tail(self) -> None:
        def read(data: bytes) -> tuple[int, bytes]:
            outer = DerReader(data, "Outer")
            inner = outer.enter("inner")
            number = read_integer(inner.next("number", INTEGER), "number")
            rest = inner.next("text", 0x0C).content
            if outer.left:
                raise Malformed("Outer", "end", outer.offset, reason="has a tail")
            return number, rest

        data = bytes.fromhex("3081 0b 0201ff 0c81 05".replace(" ", "")) + b"hello"
        assert check_reader(read, data, cut=Truncated) == (-1, b"hello")

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"\x30\x80\x00\x00", "indefinite length"),
            (b"\x30\x85\x00\x00\x00\x00\x00", "absurd length"),
            (b"\x1f\x81\x01\x00", "tag of several bytes"),
            (b"\x02\x01\x00", "unexpected tag 0x02"),
        ],
    )
    def test_refused(self, data: bytes, words: str) -> None:
        with pytest.raises(Malformed, match=words) as caught:
            DerReader(data, "Test").next("field", SEQUENCE)
        assert (caught.value.struct, caught.value.field, caught.value.offset) == (
            "Test",
            "field",
            0,
        )

    def test_an_optional_element_leaves_others_alone(self) -> None:
        reader = DerReader(b"\x02\x01\x05", "Test")
        assert reader.optional("flag", BOOLEAN) is None
        assert reader.next("number", INTEGER).content == b"\x05"
        assert reader.optional("flag", BOOLEAN) is None

    def test_a_limit_on_elements(self) -> None:
        reader = DerReader(b"\x05\x00" * 4, "Test")
        with pytest.raises(Malformed, match="over 3 elements"):
            list(reader.each("nulls", limit=3))

    @given(st.binary(max_size=60))
    def test_only_parse_errors(self, data: bytes) -> None:
        def walk(reader: DerReader, depth: int) -> None:
            with suppress(ParseError):
                for found in reader.each("any", limit=50):
                    assert 0 <= found.start < found.body <= found.end <= len(data)
                    if depth:
                        walk(found.inside(), depth - 1)
            assert 0 <= reader.offset <= len(data)

        walk(DerReader(data, "Any"), 4)


class TestValues:
    @pytest.mark.parametrize(
        ("content", "dotted"),
        [
            (b"\x55\x04\x03", "2.5.4.3"),
            (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", "1.2.840.113549.1.1.11"),
            (b"\x00", "0.0"),
            (b"\x88\x37", "2.999"),
        ],
    )
    def test_oid(self, content: bytes, dotted: str) -> None:
        assert read_oid(element(OBJECT_IDENTIFIER, content), "oid") == dotted

    @pytest.mark.parametrize("content", [b"", b"\x55\x84", b"\x01" * 65])
    def test_no_oid(self, content: bytes) -> None:
        with pytest.raises(Malformed, match="no object identifier"):
            read_oid(element(OBJECT_IDENTIFIER, content), "oid")

    def test_other_broken_values(self) -> None:
        with pytest.raises(Malformed):
            read_integer(element(INTEGER, b""), "n")
        with pytest.raises(Malformed):
            read_integer(element(INTEGER, bytes(9)), "n", most=8)
        with pytest.raises(Malformed):
            read_boolean(element(BOOLEAN, b"\x00\x00"), "b")
        with pytest.raises(Malformed):
            read_bit_string(element(0x03, b""), "s")
        with pytest.raises(Malformed):
            read_bit_string(element(0x03, b"\x03\xf8"), "s")
        with pytest.raises(Malformed):
            read_named_bits(element(0x03, b"\x08\x00"), ("a",), "s")

    def test_named_bits(self) -> None:
        names = ("a", "b", "c", "d", "e", "f", "g", "h", "i")
        assert read_named_bits(element(0x03, b"\x05\xa0"), names, "bits") == ("a", "c")
        assert read_named_bits(element(0x03, b"\x07\x00\x80"), names, "bits") == ("i",)

    @pytest.mark.parametrize(
        ("tag", "content", "wanted"),
        [
            (UTC_TIME, b"260517120000Z", datetime(2026, 5, 17, 12, tzinfo=UTC)),
            (UTC_TIME, b"500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
            (UTC_TIME, b"491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
            (UTC_TIME, b"2605171200Z", datetime(2026, 5, 17, 12, tzinfo=UTC)),
            (UTC_TIME, b"260517140000+0200", datetime(2026, 5, 17, 12, tzinfo=UTC)),
            (UTC_TIME, b"260517100000-0200", datetime(2026, 5, 17, 12, tzinfo=UTC)),
            (GENERALIZED_TIME, b"20260517120000Z", datetime(2026, 5, 17, 12, tzinfo=UTC)),
            (GENERALIZED_TIME, b"20260517120000.5Z", datetime(2026, 5, 17, 12, tzinfo=UTC)),
            (GENERALIZED_TIME, b"99991231235959Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ],
    )
    def test_time(self, tag: int, content: bytes, wanted: datetime) -> None:
        assert read_time(element(tag, content), "time") == wanted.timestamp()

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"Z",
            b"260517120000",
            b"261317120000Z",
            b"2605171200000Z",
            b"26O517120000Z",
            b"\xff" * 13,
        ],
    )
    def test_no_time(self, content: bytes) -> None:
        with pytest.raises(Malformed, match="is no date"):
            read_time(element(UTC_TIME, content), "time")

    def test_year_zero(self) -> None:
        with pytest.raises(Malformed, match="is no date"):
            read_time(element(GENERALIZED_TIME, b"00000101000000Z"), "time")

    @pytest.mark.parametrize(
        ("tag", "content", "wanted"),
        [
            (0x0C, "ü".encode(), "ü"),
            (0x13, b"plain", "plain"),
            (0x14, b"\xfc", "ü"),
            (0x16, b"\xfc", "ü"),
            (0x1E, "ü".encode("utf-16-be"), "ü"),
            (0x1C, "ü".encode("utf-32-be"), "ü"),
            (0x1E, b"a", "a"),
            (0x02, b"\x01", None),
        ],
    )
    def test_text(self, tag: int, content: bytes, wanted: str | None) -> None:
        assert read_text(element(tag, content)) == wanted


def named(common_name: str, tag: int = 0x0C) -> Name:
    return read_distinguished_name(text(tag, common_name.encode()))


class TestNames:
    @pytest.mark.parametrize(
        ("common_name", "shown"),
        [
            ("plain", "CN=plain"),
            (' #;"\\ ', 'CN=\\ #\\;\\"\\\\\\ '),
            ("#x", "CN=\\#x"),
            (" ", "CN=\\ "),
            ("\\x1b", "CN=\\\\x1b"),
            ("\x1b", "CN=\\x1b"),
        ],
    )
    def test_rfc4514(self, common_name: str, shown: str) -> None:
        assert named(common_name).text == shown

    def test_values_of_another_type_are_hexadecimal(self) -> None:
        assert read_distinguished_name(text(INTEGER, b"\x07")).text == "CN=\\#020107"

    def test_comparison(self) -> None:
        assert named("Test  CA").same(named("test ca", 0x13))
        assert not named("Test CA").same(named("TestCA"))
        assert not EMPTY_NAME.same(EMPTY_NAME)
        assert not EMPTY_NAME

    @pytest.mark.parametrize("der", [b"", b"\x30", b"\x31\x00", b"\x30\x02\x05\x00"])
    def test_no_name(self, der: bytes) -> None:
        assert read_distinguished_name(der) == EMPTY_NAME

    def test_cut_at_each_length(self) -> None:
        def read(data: bytes) -> str:
            return read_name(DerReader(data, "Name").next("name", SEQUENCE), "name").text

        assert check_reader(read, text(0x0C, b"x"), tail=None) == "CN=x"

    @pytest.mark.parametrize(
        ("tag", "content", "shown"),
        [
            (0x82, b"a.example", "DNS:a.example"),
            (0x82, b"\xfc", "DNS:ü"),
            (0x81, b"a@b", "EMAIL:a@b"),
            (0x86, b"urn:x", "URI:urn:x"),
            (0x88, b"\x55\x04\x03", "RID:2.5.4.3"),
            (0xA0, b"\x06\x01\x00", "OTHER:060100"),
            (0xA4, text(0x0C, b"x"), "DIRNAME:CN=x"),
            (0x87, bytes([192, 0, 2, 1]), "IP:192.0.2.1"),
            (0x87, bytes([192, 0, 2, 0, 255, 255, 255, 0]), "IP:192.0.2.0/24"),
            (0x87, bytes([192, 0, 2, 0, 255, 0, 255, 0]), "IP:192.0.2.0/255.0.255.0"),
        ],
    )
    def test_general_names(self, tag: int, content: bytes, shown: str) -> None:
        assert read_general_name(element(tag, content), "name").text == shown

    def test_no_general_name(self) -> None:
        with pytest.raises(Malformed, match="unexpected tag"):
            read_general_name(element(0x04, b"x"), "name")
