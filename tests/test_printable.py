from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.printable import printable, printable_bytes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("broker.example.com", "broker.example.com"),
        ("", ""),
        ("a\x00b\x1b[31m\x7f", "a\\x00b\\x1b[31m\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb\u2066", "a\\u202eb\\u2066"),
        ("a\u200bb\ufeff\u00ad", "a\\u200bb\\ufeff\\xad"),
        ("\udc80", "\\udc80"),
        ("\U000e0041", "\\U000e0041"),
        ("a\u00a0b\u2003", "a\\xa0b\\u2003"),
        ("\u3164x\u2800", "\\u3164x\\u2800"),
        ("Zürich 東京", "Zürich 東京"),
        ("e\u0301", "e\u0301"),
        ("\u0301e", "\\u0301e"),
        ("e\u0301\u0302\u0303", "e\u0301\u0302\\u0303"),
        ("line\nbreak\ttab", "line\\x0abreak\\x09tab"),
    ],
)
def test_what_cannot_be_seen_becomes_its_code(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(alphabet=st.characters()))
def test_escaped_text_is_plainly_visible_and_stays_as_it_is(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    for character in shown:
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_different_bytes_never_look_the_same(one: bytes, other: bytes) -> None:
    assert printable_bytes(one).isascii()
    assert printable_bytes(one).isprintable()
    assert (printable_bytes(one) == printable_bytes(other)) == (one == other)


def test_long_bytes_say_how_much_is_missing() -> None:
    assert printable_bytes(b"abc\xff" * 10, limit=4) == "abc\\xff... (36 more bytes)"
    assert printable_bytes(b"abc", limit=3) == "abc"
    assert printable_bytes(b"back\\slash") == "back\\x5cslash"
