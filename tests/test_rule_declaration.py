"""How a rule is declared: its name is its id, its docstring its words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from analyzers.case import Case
from analyzers.finding import Finding
from analyzers.rules import catalogue
from analyzers.rules._rule import HEADINGS, Check, Rule, rule

SOUND = """What is wrong, in a sentence.

    What it means:
        Two lines
        of text.
    On the wire:
        Bytes.
    What to do:
        This.

    References:
        RFC 8446 section 6 (https://www.rfc-editor.org/rfc/rfc8446#section-6)
        https://example.org/second
    """


def check(name: str, docstring: str | None) -> Check:
    def nothing(case: Case) -> Iterator[Finding]:
        yield from ()

    nothing.__name__ = name
    nothing.__doc__ = docstring
    return nothing


@pytest.fixture
def own_catalogue(monkeypatch: pytest.MonkeyPatch) -> dict[str, Rule]:
    declared: dict[str, Rule] = {}
    monkeypatch.setattr("analyzers.rules._rule._CATALOGUE", declared)
    return declared


def test_a_rule_is_its_function_in_words(own_catalogue: dict[str, Rule]) -> None:
    function = check("the_thing_found", SOUND)
    assert rule("transport")(function) is function
    (made,) = own_catalogue.values()
    assert made == own_catalogue["the-thing-found"]


def test_the_docstring_becomes_title_sections_and_references(
    own_catalogue: dict[str, Rule],
) -> None:
    rule("notes", note=True)(check("a_note", SOUND))
    made = own_catalogue["a-note"]
    assert made.title == "What is wrong, in a sentence."
    assert made.note is True
    assert made.family == "notes"
    assert made.sections["What it means"] == "Two lines\nof text."
    assert made.references == (
        "RFC 8446 section 6 (https://www.rfc-editor.org/rfc/rfc8446#section-6)",
        "https://example.org/second",
    )


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_missing_heading_is_refused(heading: str, own_catalogue: dict[str, Rule]) -> None:
    incomplete = SOUND.replace(f"{heading}:", "Something else:")
    with pytest.raises(ValueError, match=f"rule half-a-rule lacks {heading}"):
        rule("notes")(check("half_a_rule", incomplete))
    assert own_catalogue == {}


@pytest.mark.parametrize("docstring", [None, "", "\n\n    What it means:\n        Text.\n"])
def test_a_rule_without_words_is_refused(
    docstring: str | None, own_catalogue: dict[str, Rule]
) -> None:
    with pytest.raises(ValueError, match="rule mute lacks"):
        rule("notes")(check("mute", docstring))


def test_an_id_can_be_taken_once(own_catalogue: dict[str, Rule]) -> None:
    rule("notes")(check("twice", SOUND))
    with pytest.raises(ValueError, match="rule twice is declared twice"):
        rule("transport")(check("twice", SOUND))


def test_an_empty_section_counts_as_missing(own_catalogue: dict[str, Rule]) -> None:
    with pytest.raises(ValueError, match="lacks On the wire"):
        rule("notes")(check("hollow", SOUND.replace("        Bytes.\n", "")))


def test_the_catalogue_is_in_the_order_of_its_families() -> None:
    families = [entry.family for entry in catalogue()]
    in_order = list(dict.fromkeys(families))
    assert families == sorted(families, key=in_order.index)
    assert in_order[0] == "version"
    assert in_order[-1] == "notes"


def test_notes_and_only_notes_never_name_a_cause() -> None:
    assert {entry.family for entry in catalogue() if entry.note} == {"notes"}
