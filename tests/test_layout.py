from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.printable import printable
from analyzers.render.layout import justify, shorten, width_of, wrap

visible = st.text(alphabet=st.characters(), max_size=300).map(printable)


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("short", 5, "short"),
        ("broker.example.com", 11, "brok....com"),
        ("abcdef", 4, "abcd"),
        ("abcdef", 0, ""),
        ("東京東京東京", 9, "東...京"),
    ],
)
def test_shorten_keeps_both_ends(text: str, columns: int, shown: str) -> None:
    assert shorten(text, columns) == shown
    assert width_of(shown) <= columns


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    assert width_of("abc") == 3
    assert width_of("東京") == 4
    assert width_of("e\u0301") == 1


def test_wrap_hangs_the_lines_under_the_first() -> None:
    assert wrap("one two three", 11, first="  - ") == ["  - one two", "    three"]
    assert wrap("one two three", 11, first="Why: ", rest="  ") == ["Why: one", "  two three"]
    assert wrap("", 20, first="  - ") == ["  -"]


def test_wrap_breaks_a_long_word_and_shortens_an_endless_one() -> None:
    assert wrap("a" * 12, 10) == ["a" * 10, "aa"]
    lines = wrap("x" * 10_000, 20)
    assert len(lines) == 2
    assert "..." in "".join(lines)


@given(visible, st.integers(20, 130), st.sampled_from(["", "  - ", "Fix: "]))
def test_no_wrapped_line_is_too_wide(text: str, columns: int, first: str) -> None:
    for line in wrap(text, columns, first=first):
        assert width_of(line) <= columns
        assert line == line.rstrip()


@given(st.lists(st.text("abc", min_size=1, max_size=12), max_size=30), st.integers(20, 130))
def test_wrapping_loses_no_word(words: list[str], columns: int) -> None:
    assert " ".join(wrap(" ".join(words), columns)).split() == words


@given(visible, st.integers(40, 130))
def test_justify_fits_and_keeps_the_right_end(text: str, columns: int) -> None:
    line = justify(text, "14:05 UTC", columns)
    assert width_of(line) <= columns
    assert line.endswith("14:05 UTC")


def test_a_long_word_breaks_after_punctuation() -> None:
    assert wrap("options.setUser(name).setPassword(x)", 24) == [
        "options.setUser(name).",
        "setPassword(x)",
    ]
