"""Who gave up, in the order in which it showed."""

from __future__ import annotations

import pytest

from analyzers.endings import is_error
from tests.transcripts import ESTABLISHED_13, TO_FLIGHT, Step, connected_12, outcome, to_certificate


def ends(*steps: Step) -> list[tuple[str, str]]:
    return [(end.direction.sender, end.kind) for end in outcome(*steps).endings]


def test_the_first_sign_comes_first_and_reactions_after_it() -> None:
    assert ends(*to_certificate(), "C alert 48", "S FIN", "C RST") == [
        ("client", "alert"),
        ("server", "fin"),
        ("client", "rst"),
    ]


@pytest.mark.parametrize(
    ("level", "description", "fatal"),
    [(2, 40, True), (1, 112, False), (1, 100, False), (2, 0, False), (1, 0, False), (2, 90, False)],
)
def test_warnings_and_farewells_are_no_errors(level: int, description: int, fatal: bool) -> None:
    assert is_error(level, description) is fatal


def test_an_unrecognized_name_warning_ends_nothing() -> None:
    assert ends("C hello12", "S warning 112", "S sh12", "S FIN") == [("server", "fin")]


def test_a_close_notify_is_an_ending_but_no_error() -> None:
    assert ends(*to_certificate(), "C warning 0") == [("client", "close_notify")]


def test_encrypted_alerts_end_as_well() -> None:
    assert ends(*connected_12(), "S secret 26") == [("server", "hidden")]
    assert ends(*TO_FLIGHT, "C app 19") == [("client", "hidden")]
    assert ends(*ESTABLISHED_13, "S app 19", "S FIN") == [("server", "hidden"), ("server", "fin")]


def test_the_observers_own_end_is_nobodys() -> None:
    assert ends("C hello", "C TIMEOUT", "S OPEN") == []


def test_alert_records_know_what_they_are() -> None:
    kinds = [end.is_alert for end in outcome("C hello", "S alert 40", "S FIN").endings]
    assert kinds == [True, False]
