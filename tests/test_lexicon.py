from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers import lexicon, rules
from analyzers.codepoints import AlertDescription
from analyzers.fixes import table as fix_table
from analyzers.lexicon import Explanation, explain_text, rule_title, suggestions
from analyzers.render.explanation import render_explanation
from analyzers.render.layout import width_of


def explained(text: str) -> Explanation:
    explanation = explain_text(text)
    assert explanation is not None, text
    return explanation


def rule_ids(text: str) -> list[str]:
    return [rule for part in explained(text).parts for rule, _ in part.rules]


@pytest.mark.parametrize(
    "text",
    ["protocol_version", "Protocol Version", "PROTOCOL-VERSION", "70", "alert 70", "0x46", " #70 ",
     "tls alert protocol_version (70)", "fatal alert protocol_version", "SSL alert number 70"],
)  # fmt: skip
def test_an_alert_by_name_and_number(text: str) -> None:
    (part,) = explained(text).parts
    assert part.title == "TLS alert 70, protocol_version"
    assert "version-client-too-old" in [rule for rule, _ in part.rules]
    assert any("SChannel" in point for point in part.points)


def test_every_alert_of_the_registry_is_explained() -> None:
    for alert in AlertDescription:
        for text in (str(int(alert)), alert.label, alert.label.replace("_", " ").title()):
            assert explained(text).parts[0].title == f"TLS alert {int(alert)}, {alert.label}"


@pytest.mark.parametrize("text", [rule.id for rule in rules.catalogue()])
def test_a_rule_prints_what_stands_beside_its_code(text: str) -> None:
    explanation = explained(text)
    rule = next(rule for rule in rules.catalogue() if rule.id == text)
    assert explanation.capture is None
    assert explanation.parts[0].title.startswith(f"{text}: ")
    assert explanation.parts[0].paragraphs[0].startswith("What it means: ")
    assert explanation.parts[0].references == rule.references
    assert explained(text.upper()) == explanation


def test_words_that_are_both_mean_the_alert_and_hyphens_the_rule() -> None:
    assert explained("certificate revoked").parts[0].title == "TLS alert 44, certificate_revoked"
    assert explained("certificate_revoked").parts[0].title.startswith("TLS alert 44")
    assert explained("certificate-revoked").parts[0].title.startswith("certificate-revoked: ")
    assert explained("no shared group").parts[0].title.startswith("no-shared-group: ")


def test_every_id_with_a_fix_is_explained() -> None:
    for identifier in fix_table().rule:
        assert explained(identifier).parts[0].title.startswith(identifier)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        # Erlang brokers
        ("In state certify received CLIENT ALERT: Fatal - Protocol Version", "certificate-refused"),
        ("In state certify received CLIENT ALERT: Fatal - Unknown CA", "certificate-unknown-ca"),
        (("In state hello at ssl_handshake.erl:1 generated SERVER ALERT: Fatal - Insufficient "
         "Security - no_suitable_ciphers"), "no-shared-cipher"),
        ("Unexpected Message\n{unsupported_record_type,16}", "plaintext-to-tls-port"),
        ("{unsupported_record_type,13}", "proxy-header-unexpected"),
        ("{unsupported_record_type,71}", "non-tls-to-tls-port"),
        ("Bad Record MAC {record_type_mismatch,21}", "certificate-unknown-ca"),
        ("Fatal - Handshake Failure\n no_client_certificate_provided",
         "client-certificate-missing"),
        ("{bad_cert,invalid_ext_key_usage}", "client-certificate-wrong-eku"),
        ("{invalid_proxy_info,<<16,42>>}", "proxy-header-missing"),
        ("{handshake_timeout,handshake}", "client-silent"),
        # OpenSSL, Mosquitto
        ("OpenSSL Error[0]: error:0A000418:SSL routines::tlsv1 alert unknown ca",
         "certificate-unknown-ca"),
        ("error:0A000086:SSL routines::certificate verify failed", "client-certificate-refused"),
        ("error:0A000126:SSL routines::unexpected eof while reading", "certificate-refused"),
        ("error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../ssl/record.c:350:",
         "plaintext-to-tls-port"),
        ("SSL routines::http request", "non-tls-to-tls-port"),
        ("SSL routines::no shared cipher", "no-shared-cipher"),
        ("error:100000b8:SSL routines:OPENSSL_internal:NO_SHARED_CIPHER", "no-shared-cipher"),
        ("SSL routines::no suitable signature algorithm", "psk-unknown-identity"),
        ("peer did not return a certificate", "client-certificate-missing"),
        ("SSL routines::binder does not verify", "psk-wrong-key"),
        ("Client <unknown> disconnected due to protocol error.", "tls-to-plaintext-port"),
        ("Client sensor already connected, closing old connection.", "mqtt-session-taken-over"),
        ("Client sensor has exceeded timeout, disconnecting.", "mqtt-keepalive-timeout"),
        ("verify error:num=18:self-signed certificate", "certificate-self-signed"),
        ("verify error:num=26:unsuitable certificate purpose", "certificate-wrong-eku"),
        # Python
        (("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer "
         "certificate (_ssl.c:1006)"), "certificate-unknown-ca"),
        ("certificate verify failed: certificate has expired (_ssl.c:1006)",
         "certificate-expired"),
        ("certificate verify failed: certificate is not yet valid", "certificate-not-yet-valid"),
        ("certificate verify failed: certificate signature failure", "certificate-bad-signature"),
        ("Hostname mismatch, certificate is not valid for 'localhost'.",
         "client-points-at-proxy-name"),
        ("EE_KEY_TOO_SMALL", "certificate-weak-key"),
        ("TimeoutError: _ssl.c:989: The handshake operation timed out", "server-silent"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "tcp-refused"),
        ("socket.gaierror: [Errno -2] Name or service not known", "name-not-resolved"),
        ("[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired (_ssl.c:2580)",
         "client-certificate-expired"),
        # Node.js
        ("UNABLE_TO_VERIFY_LEAF_SIGNATURE: Error: unable to verify the first certificate",
         "certificate-missing-intermediate"),
        (("DEPTH_ZERO_SELF_SIGNED_CERT: Error: self-signed certificate; if the root CA is "
         "installed locally, try running Node.js with --use-system-ca"), "certificate-self-signed"),
        ("ERR_TLS_CERT_ALTNAME_INVALID", "certificate-name-mismatch"),
        ("Client network socket disconnected before secure TLS connection was established",
         "server-closed-after-client-hello"),
        (("ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE: Error: 40ED:error:0A000412:SSL routines:"
         "ssl3_read_bytes:ssl/tls alert bad certificate:../deps:918:SSL alert number 42"),
         "client-certificate-refused"),
        # Java
        (("PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: "
         "unable to find valid certification path to requested target"), "certificate-unknown-ca"),
        ("Received fatal alert: certificate_required", "client-certificate-missing"),
        ("No matching application layer protocol values", "alpn-mismatch"),
        ("Client requested protocol TLSv1.2 is not enabled or supported in server context",
         "version-client-too-old"),
        ("unrecognized critical extension(s)", "certificate-unknown-critical-extension"),
        ("No subject alternative DNS name matching broker found.", "certificate-name-mismatch"),
        # Go
        ("x509: certificate signed by unknown authority", "certificate-unknown-ca"),
        ("x509: certificate is valid for other.test, *.prod.test, not broker.test",
         "certificate-name-mismatch"),
        ("remote error: tls: certificate required", "client-certificate-missing"),
        ("remote error: tls: expired certificate", "client-certificate-expired"),
        ("tls: no ECDHE curve supported by both client and server", "no-shared-group"),
        ("x509: certificate relies on legacy Common Name field, use SANs",
         "certificate-name-mismatch"),
        # rustls
        ("invalid peer certificate: UnknownIssuer", "certificate-unknown-ca"),
        ("invalid peer certificate: Other(UnsupportedCertVersion)",
         "certificate-x509-version-1"),
        ("peer is incompatible: NoSignatureSchemesInCommon", "no-shared-signature-scheme"),
        ("Other(OtherError(NameConstraintViolation))", "certificate-name-constraints"),
        # Mbed TLS, ESP
        ("handshake -0x2700 X509 - Certificate verification failed", "certificate-unknown-ca"),
        ("mbedtls_ssl_handshake returned -0x7780", "handshake-refused"),
        ("got a fatal alert message (msg 70)", "version-client-too-old"),
        ("esp-tls: -0x7280", "server-closed-after-client-hello"),
        ("The certificate validity starts in the future", "certificate-not-yet-valid"),
        ("-0x7b00", "session-ticket-mishandled"),
        # GnuTLS, NSS, wolfSSL
        ("*** Received alert [40]: Handshake failed", "no-shared-cipher"),
        ("*** PKI verification of server certificate failed...", "certificate-refused"),
        ("No temporary DH parameters were found.", "no-shared-group"),
        ("selfserv: HDX PR_Read returned error -12285:", "client-certificate-missing"),
        ("selfserv: HDX PR_Read returned error -12279:", "version-client-too-old"),
        ("connect -322 peer subject name mismatch (alert rx -1/-1 tx 2/42)",
         "certificate-name-mismatch"),
        ("accept -155 ASN sig error, confirm failure", "client-certificate-bad-signature"),
        # BearSSL
        ("62", "certificate-unknown-ca"),
        ("TLS connection error: 296", "handshake-refused"),
        ("552", "certificate-refused"),
        # .NET, SChannel
        ("The remote certificate was rejected by the provided callback", "certificate-refused"),
        ("CHAIN PartialChain PartialChain", "certificate-missing-intermediate"),
        ("RemoteCertificateNameMismatch", "certificate-name-mismatch"),
        ("The Local Security Authority cannot be contacted", "certificate-bad-signature"),
        ("Win32Exception (0x80090326)", "handshake-refused"),
        ("SEC_E_CERT_EXPIRED", "client-certificate-expired"),
        ("No credentials are available in the security package", "client-certificate-missing"),
        ("Received an unexpected EOF or 0 bytes from the transport stream.",
         "server-closed-after-client-hello"),
        ("CONNECT packet must have at least 7 bytes", "tls-to-plaintext-port"),
        # MQTT programs
        ("Connection Refused: not authorised.", "mqtt-connect-refused"),
        ("Unable to connect (A TLS error occurred.).", "certificate-name-mismatch"),
        ("AWS_ERROR_MQTT_UNEXPECTED_HANGUP", "mqtt-connect-refused"),
        ("Error: The connection was lost.", "client-certificate-missing"),
        ("Error: connack timeout", "server-silent"),
        ("f/1: SSL handshake failure", "handshake-refused"),
    ],
)  # fmt: skip
def test_pasted_lines_lead_to_the_rules_that_fit(text: str, rule: str) -> None:
    assert rule in rule_ids(text)


def test_who_complained_is_said() -> None:
    received = explained("tls: In state certify received CLIENT ALERT: Fatal - Unknown CA")
    assert "the other side complained" in received.parts[0].paragraphs[0]
    assert "TLS 1.2, after the broker's certificate" in received.parts[0].paragraphs[0]
    sent = explained("In state wait_cert generated SERVER ALERT: Fatal - Certificate required")
    assert "complained itself" in sent.parts[0].paragraphs[0]
    either = explained('{tls_alert,{unknown_ca,"..."}}')
    assert "received or generated" in either.parts[0].paragraphs[0]


def test_the_state_narrows_what_the_alert_may_mean() -> None:
    points = (
        explained("In state certify received CLIENT ALERT: Fatal - Protocol Version")
        .parts[0]
        .points
    )
    assert all(point.startswith("From the client, after the broker's") for point in points)
    hello = explained("In state hello generated SERVER ALERT: Fatal - Protocol Version")
    assert all(p.startswith("From the broker, before") for p in hello.parts[0].points)
    unusual = explained("In state connection received CLIENT ALERT: Fatal - Unknown CA")
    assert unusual.parts[0].points


def test_several_lines_give_several_parts_but_never_a_wall() -> None:
    text = "wrong version number\nConnection refused\nno shared cipher\nPartialChain\nNotTimeValid"
    explanation = explained(text)
    assert len(explanation.parts) == lexicon.MAX_PARTS
    assert len({part.title for part in explanation.parts}) == lexicon.MAX_PARTS


def test_the_general_line_is_left_out_beside_the_specific_one() -> None:
    titles = [
        part.title for part in explained("certificate verify failed: certificate has expired").parts
    ]
    assert titles == ["The certificate has expired"]


def test_what_to_capture_is_said() -> None:
    explanation = explained("{record_type_mismatch,21}")
    assert explanation.capture is not None
    assert explanation.capture.startswith("In the capture the client's alert is readable")
    assert "tlswhy read" in explanation.capture


@pytest.mark.parametrize("text", ["", "   ", "hello world", "270", "1000000", "alert 255", "-1"])
def test_the_unknown_is_not_explained(text: str) -> None:
    assert explain_text(text) is None


def test_suggestions_are_near() -> None:
    assert "certificate-expired" in suggestions("certificate-expird")
    assert "protocol_version" in suggestions("protocol versoin")
    assert suggestions("zzzzzz") == []


def test_a_title_even_without_a_rule() -> None:
    assert rule_title("certificate-expired") != "certificate expired"
    assert rule_title("no-such-rule") == "no such rule"


def test_the_table_uses_known_words_only() -> None:
    table = lexicon._table()
    known = {*fix_table().rule, *(rule.id for rule in rules.catalogue())}
    for error in table.error:
        assert set(error.rules) <= known, error
        re.compile(error.pattern)
        assert error.who.endswith((".", ":"))
        assert error.says.endswith(".")
    for entry in table.schannel:
        assert set(entry.rules) <= known
        assert all(AlertDescription(code).is_known for code in entry.alerts)
        assert entry.alerts or entry.local
    codes = [code for entry in table.schannel for code in entry.alerts]
    assert len(codes) == len(set(codes))
    titles = [error.title for error in table.error]
    assert len(titles) == len(set(titles))


@given(st.text(alphabet=st.characters(), max_size=400), st.sampled_from([40, 60, 80, 120]))
def test_hostile_text_never_raises_and_is_never_repeated_raw(text: str, width: int) -> None:
    for asked in (text, f"certificate has expired {text}", f"In state {text} received"):
        explanation = explain_text(asked)
        if explanation is not None:
            for line in render_explanation(explanation, width=width).split("\n"):
                assert line.isprintable()
                assert width_of(line) <= width
    for suggestion in suggestions(text):
        assert suggestion.isprintable()


@given(st.text(alphabet="ab:(- ,.x\n", max_size=3000))
def test_patterns_do_not_run_wild(text: str) -> None:
    explain_text(text * 8)


def test_colour_changes_no_word() -> None:
    explanation = explained("62")
    coloured = render_explanation(explanation, colour=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render_explanation(explanation)
    assert coloured != render_explanation(explanation)


def test_an_explanation_of_everything_fits_the_width() -> None:
    texts = [rule.id for rule in rules.catalogue()] + ["40", "42", "0x80090304", "296"]
    for text in texts:
        for width in (40, 80, 120):
            rendered = render_explanation(explained(text), width=width)
            assert all(width_of(line) <= width for line in rendered.splitlines())
            assert rendered.endswith("\n")
            assert not rendered.endswith("\n\n")


def test_a_long_list_of_cases_is_cut() -> None:
    part = lexicon.Part(
        "Title", points=tuple(f"Point {n}." for n in range(20)), references=("RFC",)
    )
    rendered = render_explanation(Explanation((part,), None))
    assert "  - and 8 more\n" in rendered
    assert "  References\n  - RFC\n" in rendered


def test_a_schannel_code_has_one_or_two_readings() -> None:
    only_alert = explained("0x80090302").parts[0].paragraphs[1]
    assert only_alert == "The broker sent the alert protocol_version (70), which the wire shows."
    only_local = explained("0x80090308").parts[0].paragraphs[-1]
    assert "No alert is behind it: " in only_local
    both = explained("SEC_E_INTERNAL_ERROR").parts[0].paragraphs[1]
    assert both.startswith("Either the broker sent the alert internal_error (80)")
    assert "or no alert came: Schannel failed by itself" in both
