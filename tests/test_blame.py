"""Which fault is blamed: the chain speaks first, the alert only chooses among its faults."""

from __future__ import annotations

from typing import get_args

import pytest

from analyzers.blame import ALERT_KINDS, Blame, blame_hidden, blame_visible
from analyzers.finding import Certainty
from analyzers.texts import Meaning
from analyzers.x509.defects import KINDS, Defect


def defect(kind: str, certainty: Certainty = "certain", *, reason: str = "so") -> Defect:
    return Defect(kind=kind, reason=reason, index=0, certainty=certainty, detail=f"it is {kind}")


def visible(
    *defects: Defect, alert: int | None, sure: Certainty = "certain", name_known: bool = True
) -> dict[str, Blame]:
    return blame_visible(defects, alert=alert, sure=sure, name_known=name_known)


def first(blamed: dict[str, Blame]) -> str:
    firm = [blame for blame in blamed.values() if blame.certainty != "possible"]
    return max(firm or blamed.values(), key=lambda blame: blame.weight).kind


def test_a_proven_fault_beats_a_mere_possibility() -> None:
    blamed = visible(defect("expired"), defect("unknown-ca", "possible"), alert=None)
    assert first(blamed) == "expired"


def test_a_proven_fault_beats_an_alert_of_another_name() -> None:
    blamed = visible(defect("expired"), defect("unknown-ca", "possible"), alert=70)
    assert first(blamed) == "expired"
    beside = visible(defect("expired"), defect("name-mismatch", "likely"), alert=48)
    assert first(beside) == "expired"
    assert beside["expired"].certainty == "likely", "the alert names another fault"


def test_an_alert_that_one_fault_alone_explains_is_believed() -> None:
    """A verifier that finds no trusted CA says so before it looks at dates."""
    blamed = visible(defect("expired"), defect("unknown-ca", "possible"), alert=48)
    assert first(blamed) == "unknown-ca"


def test_a_fault_that_the_alert_names_is_certain() -> None:
    assert visible(defect("expired"), alert=45)["expired"].certainty == "certain"
    assert visible(defect("expired"), alert=None)["expired"].certainty == "certain"


def test_an_alert_chooses_among_proven_faults() -> None:
    faults = (defect("expired"), defect("wrong-eku"))
    assert first(visible(*faults, alert=43)) == "wrong-eku"
    assert first(visible(*faults, alert=45)) == "expired"


def test_a_mere_possibility_that_alone_explains_the_alert_becomes_likely() -> None:
    blamed = visible(defect("unknown-ca", "possible"), alert=48)
    assert blamed["unknown-ca"].certainty == "likely"
    assert blamed["unknown-ca"].reason
    beside = visible(defect("unknown-ca", "possible"), defect("self-signed"), alert=48)
    assert beside["unknown-ca"].certainty == "possible"


def test_nothing_is_more_certain_than_that_it_was_refused() -> None:
    assert visible(defect("expired"), alert=None, sure="likely")["expired"].certainty == "likely"
    assert visible(defect("expired"), alert=None, sure="possible")["expired"].certainty == (
        "possible"
    )


def test_by_elimination_what_is_left_is_trust() -> None:
    chain = (defect("missing-intermediate", "possible"), defect("unknown-ca", "possible"))
    blamed = visible(*chain, alert=42, sure="likely")
    assert (first(blamed), blamed["missing-intermediate"].certainty) == (
        "missing-intermediate",
        "likely",
    )


@pytest.mark.parametrize("alert", [43, 44, 45, 51])
def test_an_alert_that_is_about_something_else_leaves_trust_alone(alert: int) -> None:
    blamed = visible(defect("unknown-ca", "possible"), alert=alert)
    assert blamed["unknown-ca"].certainty == "possible"


def test_without_a_name_to_check_nothing_can_be_eliminated() -> None:
    blamed = visible(defect("unknown-ca", "possible"), alert=None, name_known=False)
    assert blamed["unknown-ca"].certainty == "possible"


def test_of_two_defects_of_a_kind_the_first_is_shown() -> None:
    twice = (defect("expired", reason="leaf"), defect("expired", reason="again"))
    found = visible(*twice, alert=45)["expired"].defect
    assert found is not None
    assert found.reason == "leaf"


@pytest.mark.parametrize("reason", ["cn-only", "no-names"])
def test_a_version_1_certificate_is_why_the_name_is_missing(reason: str) -> None:
    name = defect("name-mismatch", "likely", reason=reason)
    blamed = visible(name, defect("x509-version-1", "possible"), alert=42)
    assert first(blamed) == "x509-version-1"
    assert blamed["x509-version-1"].certainty == "likely"


def test_a_wrong_name_in_a_version_1_certificate_stays_a_wrong_name() -> None:
    name = defect("name-mismatch", "likely", reason="other-name")
    assert first(visible(name, defect("x509-version-1", "possible"), alert=42)) == "name-mismatch"


def test_every_kind_that_an_alert_names_exists() -> None:
    named = {kind for kinds in ALERT_KINDS.values() for kind in kinds}
    assert named <= {*KINDS, "revoked", "wrong-key"}


# -- hidden chains ---------------------------------------------------------------------------


def hidden(
    *meanings: Meaning,
    alert: int | None = None,
    points_at_proxy: bool = False,
    server_key: str | None = None,
) -> dict[str, Blame]:
    return blame_hidden(
        alert=alert, meanings=meanings, points_at_proxy=points_at_proxy, server_key=server_key
    )


def meaning(rule: str, certainty: Certainty = "likely") -> Meaning:
    return Meaning(rule, certainty, f"It says {rule}.", "captures")


def test_a_hidden_chain_is_blamed_for_what_the_alert_means() -> None:
    blamed = hidden(
        meaning("certificate-expired"), meaning("certificate-not-yet-valid", "possible"), alert=45
    )
    assert first(blamed) == "expired"
    assert blamed["expired"].reason == "It says certificate-expired."
    assert blamed["not-yet-valid"].certainty == "possible"


def test_families_and_other_rules_are_no_faults_of_the_chain() -> None:
    others = (meaning("certificate-refused"), meaning("version-server-too-old"))
    assert hidden(*others, alert=46) == {}
    assert hidden(meaning("client-certificate-expired"), alert=45) == {}


def test_the_length_of_the_signature_gives_a_short_key_away() -> None:
    assert first(hidden(alert=None, server_key="RSA 1024")) == "weak-key"
    assert hidden(alert=None, server_key="RSA 2048") == {}


@pytest.mark.parametrize(
    ("alert", "certainty"), [(42, "likely"), (80, "likely"), (None, "possible")]
)
def test_a_client_pointed_at_the_proxy_checks_the_proxys_name(
    alert: int | None, certainty: str
) -> None:
    blamed = hidden(alert=alert, points_at_proxy=True)
    assert blamed["name-mismatch"].certainty == certainty


def test_an_alert_about_trust_is_not_about_the_proxys_name() -> None:
    assert hidden(alert=48, points_at_proxy=True) == {}


def test_the_certainties_are_the_schemas() -> None:
    assert get_args(Certainty) == ("certain", "likely", "possible")
