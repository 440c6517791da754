"""Alerts in words: read them aloud with `pytest -k aloud -s`."""

from __future__ import annotations

import pytest

from analyzers.codepoints import AlertDescription
from analyzers.codepoints.alerts import words


def test_every_named_alert_has_its_own_words() -> None:
    said = {words(alert).says for alert in AlertDescription}
    assert len(said) == len(AlertDescription)
    assert not any("unknown meaning" in text for text in said)


def test_sentences_aloud() -> None:
    for number in range(256):
        entry = words(number)
        sentence = f"The client {entry.says}."
        print(f"{AlertDescription(number).label}: {sentence} {entry.means} {entry.check}")
        assert entry.says[0].islower()
        assert not entry.says.endswith((".", " "))
        assert entry.means.endswith(".")
        assert entry.check.endswith(".")
        assert entry.means[0].isupper()
        assert entry.check[0].isupper()


def test_an_unknown_alert_says_so() -> None:
    assert words(255).says == "sent an alert of unknown meaning (0xFF)"
    with pytest.raises(ValueError, match="256"):
        words(256)


def test_a_wording() -> None:
    assert words(48).says == "found the certificate was not issued by a trusted CA"
