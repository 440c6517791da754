from __future__ import annotations

from typing import Literal

import pytest

from analyzers import texts
from analyzers.codepoints import AlertDescription
from analyzers.fixes import table as fix_table
from analyzers.texts import (
    alert_meanings,
    alert_padding,
    known_alert_codes,
    meanings_of,
    sends_clear_alerts,
    silent_refuser,
    silent_server,
)

PHASES = {
    "tcp",
    "before_server_hello",
    "server_flight",
    "client_certificate",
    "finished",
    "after_handshake",
}


@pytest.mark.parametrize(
    ("family", "sender", "phase", "code", "version", "first", "certainty"),
    [
        ("openssl", "client", "server_flight", 48, "TLS 1.3", "certificate-unknown-ca", "likely"),
        ("openssl", "client", "server_flight", 80, None, "certificate-name-mismatch", "likely"),
        ("go", "client", "server_flight", 42, "TLS 1.3", "certificate-refused", "likely"),
        ("jsse", "client", "server_flight", 46, "TLS 1.2", "certificate-refused", "likely"),
        ("schannel", "client", "server_flight", 70, "TLS 1.2", "certificate-refused", "likely"),
        (None, "client", "server_flight", 70, "TLS 1.2", "certificate-refused", "possible"),
        ("erlang", "client", "server_flight", 40, None, "certificate-name-mismatch", "possible"),
        ("erlang", "server", "before_server_hello", 71, None, "no-shared-cipher", "possible"),
        (None, "server", "before_server_hello", 120, None, "alpn-mismatch", "certain"),
        ("openssl", "server", "client_certificate", 116, "TLS 1.3",
         "client-certificate-missing", "certain"),
        ("gnutls", "server", "client_certificate", 50, "TLS 1.2",
         "client-certificate-missing", "likely"),
        ("mbedtls", "server", "client_certificate", 41, None,
         "client-certificate-missing", "likely"),
        ("bearssl", "client", "server_flight", 45, None, "certificate-expired", "likely"),
        (None, "server", "finished", 20, "TLS 1.2", "psk-wrong-key", "likely"),
    ],
)  # fmt: skip
def test_an_alert_is_read_in_the_light_of_stack_side_and_step(
    family: str | None,
    sender: Literal["client", "server"],
    phase: str,
    code: int,
    version: str | None,
    first: str,
    certainty: str,
) -> None:
    meaning = alert_meanings(family, sender, phase, code, version)[0]
    assert (meaning.rule, meaning.certainty) == (first, certainty)


def test_the_stack_comes_first_and_weakens_what_holds_for_any() -> None:
    meanings = alert_meanings("mbedtls", "client", "server_flight", 46, "TLS 1.2")
    assert [(meaning.rule, meaning.certainty) for meaning in meanings] == [
        ("certificate-not-yet-valid", "possible"),
        ("certificate-weak-signature", "possible"),
        ("certificate-refused", "possible"),
        ("certificate-unknown-ca", "possible"),
    ]


def test_no_cause_is_named_twice() -> None:
    for code in known_alert_codes():
        for phase in PHASES:
            for sender in ("client", "server"):
                for family in (None, *texts._table().stack):
                    rules = [m.rule for m in alert_meanings(family, sender, phase, code, None)]
                    assert len(rules) == len(set(rules))


def test_a_row_for_some_versions_is_not_used_for_others() -> None:
    assert alert_meanings(None, "server", "finished", 20, "TLS 1.3") == ()
    assert alert_meanings(None, "server", "finished", 20, None)
    tls13 = alert_meanings("gnutls", "server", "client_certificate", 50, "TLS 1.3")
    assert "client-certificate-missing" not in [meaning.rule for meaning in tls13]


def test_what_is_not_known_is_not_invented() -> None:
    assert alert_meanings("openssl", "client", "server_flight", 0, None) == ()
    assert alert_meanings(None, "client", "tcp", 48, None) == ()
    assert silent_refuser(None) is None
    assert silent_refuser("schannel") is None
    assert silent_server("dotnet") is None
    assert sends_clear_alerts("no such stack") is None


def test_how_stacks_refuse() -> None:
    assert [silent_refuser(family) for family in ("node", "dotnet", "mono")] == [True] * 3
    assert silent_refuser("openssl") is False
    assert silent_server("node") is True
    assert sends_clear_alerts("openssl") is True
    assert sends_clear_alerts("jsse") is False
    assert alert_padding("jsse") == 16
    assert alert_padding(None) == 0


def test_the_table_uses_known_words_only() -> None:
    table = texts._table()
    rules = {*fix_table().rule, "malformed-message"}
    for row in table.meaning:
        assert set(row.rules) <= rules, row
        assert set(row.phases) <= PHASES
        assert AlertDescription(row.code).is_known
        assert set(row.stacks) <= {*table.stack, "*"}
        assert row.note.endswith(".")
        assert row.source
        assert len(set(row.rules)) == len(row.rules)


def test_no_two_rows_compete() -> None:
    seen = set()
    for row in texts._table().meaning:
        for stack in row.stacks:
            for phase in row.phases:
                key = (stack, row.sender, phase, row.code, row.versions)
                assert key not in seen, key
                seen.add(key)


def test_everything_about_one_alert() -> None:
    assert ("server", ("client_certificate",)) in [(s, p) for s, p, _, _ in meanings_of(116)]
    assert meanings_of(255) == ()
