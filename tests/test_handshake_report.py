"""The `tls` part of a report: what was not seen is null, what was provably not sent is []."""

from __future__ import annotations

from analyzers.report import TlsReport
from tests.transcripts import (
    CONNECTED_13,
    Step,
    asking,
    chain,
    established_12,
    leaf,
    told,
)

SHARED_KEY = ("C hello12", "S sh12", "S done", "C cke", "C ccs", "C hs 40")
RESUMED_12 = ("C hello12", "S sh12", "S ccs", "S hs 40", "C ccs", "C hs 40")
RESUMED_13 = ("C hello", "S sh13psk", "S ccs", "S app 23 53", "C ccs", "C app 53")


def tls(*steps: Step) -> TlsReport:
    """The `tls` part of these steps' report."""
    report = told(*steps)
    assert report.tls is not None
    return report.tls


def test_a_server_that_provably_sends_no_certificate() -> None:
    for steps in (SHARED_KEY, RESUMED_12, RESUMED_13):
        assert tls(*steps).server_certificates == [], steps


def test_a_certificate_that_is_not_visible() -> None:
    unseen: tuple[tuple[Step, ...], ...] = (
        CONNECTED_13,
        ("C hello12", "S sh12"),
        ("C hello12", "S alert 40"),
    )
    for steps in unseen:
        assert tls(*steps).server_certificates is None, steps


def test_a_certificate_that_is_there() -> None:
    seen = tls("C hello12", "S sh12", chain(leaf()), "S done").server_certificates
    assert seen is not None
    assert len(seen) == 1


def test_client_certificates() -> None:
    assert tls(*asking()).client_certificates == [], "an empty list"
    assert tls(*established_12()).client_certificates == [], "none was asked for"
    assert tls(*CONNECTED_13).client_certificates is None, "encrypted"
    assert tls("C hello12", "S sh12").client_certificates is None, "not yet"


def test_the_history_has_zeeks_letters() -> None:
    assert tls(*asking()).history == "CsxrnXGIF"
    assert tls(*established_12()).history == "CsxnGIFif"
    assert tls(*RESUMED_12).history == "CsifIF"
    assert tls("C hello", "S hrr", "C hello", "S sh13", "C alert 40").history == "CjCsL"
