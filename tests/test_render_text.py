from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers import report as shape
from analyzers.render import ladder as ladder_module
from analyzers.render.ladder import MAX_ROWS, ladder
from analyzers.render.layout import width_of
from analyzers.render.summary import Tally, render_summary_line
from analyzers.render.text import render_text
from analyzers.render.verdict import badge, headline, who_and_where
from tests import samples
from tests.tools.refresh_snapshots import SNAPSHOTS, snapshots

WIDTHS = [40, 60, 80, 120, 200]
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def in_words(report: shape.Report, width: int = 80) -> str:
    """The rendered report as one line of words, so that tests need not know line breaks."""
    return " ".join(render_text(report, width=width).split())


@pytest.mark.parametrize(("name", "text"), [*snapshots()], ids=lambda value: value[:30])
def test_samples_look_as_reviewed(name: str, text: str) -> None:
    assert text == (SNAPSHOTS / name).read_text(encoding="utf-8")


def test_no_snapshot_is_left_over() -> None:
    assert {path.name for path in SNAPSHOTS.glob("*.txt")} == {name for name, _ in snapshots()}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", samples.SAMPLES)
def test_every_line_fits_and_nothing_is_executed(name: str, width: int) -> None:
    report = samples.SAMPLES[name]()
    text = render_text(report, width=width, number=12345)
    assert text.endswith("\n")
    for line in [*text.splitlines(), render_summary_line(report, width=width, number=7)]:
        assert width_of(line) <= width
        assert line.isprintable()
        assert line == line.rstrip()


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_colour_changes_no_word(name: str) -> None:
    report = samples.SAMPLES[name]()
    coloured = render_text(report, colour=True)
    assert coloured != render_text(report)
    assert ANSI.sub("", coloured) == render_text(report)


strings = st.text(alphabet=st.characters(), max_size=120)


@given(name=strings, text=strings, width=st.sampled_from(WIDTHS), colour=st.booleans())
def test_hostile_text_anywhere_stays_text(name: str, text: str, width: int, colour: bool) -> None:
    base = samples.hostile()
    report = _replace(base, {samples.HOSTILE: text, "broker.example.com": name})
    for rendered in (
        render_text(report, width=width, colour=colour),
        render_summary_line(report, width=width, colour=colour),
    ):
        for line in ANSI.sub("", rendered).split("\n"):
            assert line.isprintable()
            assert width_of(line) <= width


def _replace(report: shape.Report, words: dict[str, str]) -> shape.Report:
    """`report` with whole strings exchanged, wherever they stand."""

    def walk(value: object) -> object:
        if isinstance(value, str):
            return words.get(value, value)
        if isinstance(value, list):
            return [walk(item) for item in value]
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        return value

    return msgspec.convert(walk(msgspec.to_builtins(report)), shape.Report)


def test_the_verdict_comes_first() -> None:
    lines = render_text(samples.misleading_alert()).splitlines()
    assert lines[1].startswith("FAILED  The client gave up after the broker's certificate")
    assert in_words(samples.misleading_alert()).index("FAILED") < in_words(
        samples.misleading_alert()
    ).index("ClientHello")


def test_the_deciding_line_is_marked_and_the_reaction_is_not() -> None:
    report = samples.misleading_alert()
    assert report.tls is not None
    reaction = samples.alert("server", 50, "decode_error", 9.9, reaction=True)
    alerts = [reaction, *report.tls.alerts]
    report = msgspec.structs.replace(report, tls=msgspec.structs.replace(report.tls, alerts=alerts))
    rows = ladder(report)
    assert [row.text for row in rows if row.decisive] == ["Alert fatal protocol_version (70)"]
    assert "Alert fatal decode_error (50), a reaction" in [row.text for row in rows]


def test_an_established_connection_takes_three_lines_at_most() -> None:
    text = render_text(samples.established())
    assert len(text.splitlines()) <= 3
    assert "OK  TLS 1.3, TLS_AES_256_GCM_SHA384, x25519; ALPN mqtt" in text
    assert "CONNECT answered; closed by the client after 1.5 s." in " ".join(text.split())


def test_an_open_and_a_reset_connection_say_so() -> None:
    assert "still open after 12.3 ms" in in_words(samples.report())
    mqtt = shape.MqttReport(
        connect_sent=True, connack=None, connect_refused=None, websocket=None, certainty="likely"
    )
    closes = [samples.close("server", "rst", 12.0)]
    text = in_words(samples.report(closes=closes, mqtt=mqtt))
    assert "MQTT CONNECT sent; reset by the broker after 12.3 ms." in text


def test_a_refusal_after_the_handshake_gets_the_full_story() -> None:
    refused = msgspec.structs.replace(
        samples.established(),
        outcome=samples.outcome(failed_by="server", phase="after_handshake"),
        verdict=shape.Verdict(rule="mqtt-connect-refused", certainty="likely"),
        findings=[samples.finding("mqtt-connect-refused", "The broker refused the CONNECT")],
    )
    assert badge(refused) == "FAILED"
    assert "Why" in render_text(refused)
    assert headline(refused).endswith(": the broker refused the CONNECT.")


def test_a_failure_without_a_cause_admits_it() -> None:
    report = samples.report(
        outcome=samples.outcome(status="failed", failed_by="server", phase="finished")
    )
    assert headline(report) == (
        "The broker gave up at the end of the handshake. What was seen does not show why."
    )
    assert "Why\n" not in render_text(report)


@pytest.mark.parametrize("failed_by", ["client", "server", "network", None])
@pytest.mark.parametrize(
    "phase",
    [
        "tcp",
        "before_server_hello",
        "server_flight",
        "client_certificate",
        "finished",
        "after_handshake",
        None,
    ],
)
@pytest.mark.parametrize("how", ["fin", "rst", "timeout", "open"])
@pytest.mark.parametrize("protocol", ["tls", "mqtt", "none"])
def test_every_outcome_has_a_sentence(
    failed_by: str | None, phase: str | None, how: str, protocol: str
) -> None:
    side = failed_by if failed_by in ("client", "server") else "client"
    sentence = who_and_where(
        samples.report(
            protocol=protocol,
            outcome=samples.outcome(status="failed", failed_by=failed_by, phase=phase),
            closes=[samples.close(side, how, 3.0)],
        )
    )
    assert re.fullmatch(r"The [^.]+", sentence)


def test_records_with_the_same_sender_share_a_line() -> None:
    rows = ladder(samples.missing_client_certificate())
    texts = [row.text for row in rows]
    assert "encrypted records (5): 32, 118, 1301, 281, 53 bytes" in texts
    assert "encrypted Alert (19 bytes, likely)" in texts
    assert not any("ChangeCipherSpec" in text for text in texts)


def test_a_long_ladder_loses_its_middle_but_not_the_deciding_line() -> None:
    messages = [
        samples.message(
            "client" if at % 2 else "server", "application_data", float(at), 50, encrypted=True
        )
        for at in range(200)
    ]
    report = samples.report(
        outcome=samples.outcome(status="failed", failed_by="server", phase="after_handshake"),
        tls=samples.tls(
            messages=messages, alerts=[samples.alert("server", 80, "internal_error", 100.5)]
        ),
        closes=[samples.close("server", "fin", 300.0)],
    )
    rows = ladder(report)
    assert len(rows) <= MAX_ROWS + 1
    assert any("more lines like these" in row.text for row in rows)
    assert [row.text for row in rows if row.decisive] == ["Alert fatal internal_error (80)"]


def test_many_records_in_a_row_give_their_sum() -> None:
    messages = [
        samples.message("client", "application_data", 1.0, 100, encrypted=True) for _ in range(50)
    ]
    rows = ladder(samples.report(tls=samples.tls(messages=messages)))
    assert rows[0].text == (
        "encrypted records (50): 100, 100, 100, 100, 100, 100, 100, 100, ... 5,000 bytes in all"
    )


def test_silence_is_said() -> None:
    assert "30.0 s of silence" in render_text(samples.silent_server())
    assert "silence" not in render_text(samples.misleading_alert())


def test_open_ends_and_holes_are_said() -> None:
    text = in_words(samples.cut_off())
    assert "still open when the observation ended" in text
    assert "Not seen: the beginning was not captured; 2 holes in the capture" in text
    assert text.count("2 holes") == 1
    torn = samples.cut_off()
    warned = msgspec.structs.replace(torn.analysis, warnings=["2 holes in the capture", "x"])
    text = in_words(msgspec.structs.replace(torn, analysis=warned))
    assert text.count("2 holes") == 1
    assert "; x." in text


def test_hello_retry_and_client_certificates_are_named() -> None:
    tls = samples.tls(
        version="TLS 1.3",
        hello_retry_request=shape.HelloRetryRequestReport(
            group="secp256r1", cipher="TLS_AES_128_GCM_SHA256", cookie=False
        ),
        second_client_hello=shape.SecondClientHello(changed=["key_share"]),
        certificate_request=shape.CertificateRequestReport(
            signature_algorithms=[], authorities=["CN=A", "CN=B"]
        ),
        client_certificates=[],
        server_certificates=[
            samples.certificate(key=shape.Key(type="EC", bits=256, curve="P-256"))
        ],
        server_key_exchange=shape.ServerKeyExchangeReport(
            group="secp256r1", signature_scheme=None, signature_valid=False
        ),
        messages=[
            samples.message("client", "client_hello", 0.0),
            samples.message("server", "hello_retry_request", 1.0),
            samples.message("client", "client_hello", 2.0),
            samples.message("server", "certificate", 3.0),
            samples.message("server", "server_key_exchange", 3.0),
            samples.message("server", "certificate_request", 3.0),
            samples.message("client", "certificate", 4.0),
        ],
    )
    texts = [row.text for row in ladder(samples.report(tls=tls))]
    assert texts[1:] == [
        "HelloRetryRequest: use secp256r1",
        "ClientHello: again, changed key_share",
        "Certificate: 1 certificate, EC P-256 key",
        "ServerKeyExchange: secp256r1, signature invalid",
        "CertificateRequest: 2 CA names",
        "Certificate: none (an empty list)",
    ]


def test_text_of_a_row_that_is_too_long_goes_on_below() -> None:
    row = ladder_module.Row(1.0, "server", "word " * 30, "message")
    lines = ladder_module.lay_out(row, 80)
    assert len(lines) > 2
    assert lines[0].startswith("       1.0  <")
    assert all(width_of(line) <= 80 for line in lines)


def test_a_tally_counts_and_points_at_the_first() -> None:
    tally = Tally()
    assert tally.render() == "No TCP connection was seen.\n"
    for number, build in enumerate(samples.SAMPLES.values(), 1):
        tally.add(build(), number)
    assert tally.total == len(samples.SAMPLES)
    assert "client-certificate-missing  first: #2" in tally.render()
    single = Tally()
    single.add(samples.plaintext())
    assert single.render().startswith("1 connection: 1 failed.\n")
    assert "e.g. broker.example.com:8883 from 127.0.0.1:53212" in single.render()


def test_a_title_that_tells_all_stands_alone() -> None:
    text = render_text(samples.silent_server())
    assert "FAILED  The broker never answered the ClientHello.\n" in text


def test_what_is_ruled_out_is_said_by_title_and_what_is_too_much_by_name() -> None:
    ruled_out = [
        samples.finding("certificate-expired", "Not the dates", "All are valid.", role="ruled_out")
    ]
    many = [
        samples.finding(f"certificate-fault-{n}", f"Not {n}", f"Reason {n}.", role="ruled_out")
        for n in range(9)
    ]
    base = samples.misleading_alert()
    text = in_words(msgspec.structs.replace(base, findings=[base.findings[0], *ruled_out, *many]))
    assert "Not the dates: all are valid." in text
    assert "Nor certificate-fault-7, certificate-fault-8" in text


def test_a_misleading_alert_is_told_among_what_it_is_not() -> None:
    base = samples.misleading_alert()
    note = samples.finding("alert-misleads", "The alert misleads", "It is no version.", role="note")
    text = in_words(msgspec.structs.replace(base, findings=[base.findings[0], note]))
    assert "What it is not - The alert misleads. It is no version." in text
    assert "Notes" not in text


def test_the_family_is_silent_beside_the_fault_but_not_beside_a_guess() -> None:
    base = samples.misleading_alert()
    family = samples.finding("certificate-refused", "The client refused the certificate", "Text.")
    told = msgspec.structs.replace(base, findings=[*base.findings, family])
    assert "Other possible causes" not in render_text(told)
    guess = samples.finding("certificate-expired", "It expired", certainty="possible")
    guessed = msgspec.structs.replace(base, findings=[guess, family])
    assert "The client refused the certificate. Text. [certificate-refused, certain]" in in_words(
        guessed
    )


def test_many_other_causes_are_named_by_rule() -> None:
    others = [
        samples.finding(f"other-{n}", f"Other {n}", "One. Two.", certainty="possible")
        for n in range(7)
    ]
    contributing = samples.finding("client-hello-large", "Large", "Very.", role="contributing")
    base = samples.misleading_alert()
    report = msgspec.structs.replace(base, findings=[*base.findings, contributing, *others])
    text = in_words(report)
    assert "- Other 0. One. [other-0, possible]" in text
    assert "and also: other-4, other-5, other-6" in text
    assert "Also contributing - Large. Very. [client-hello-large, certain]" in text


def test_a_clear_answer_stands_after_what_it_answers() -> None:
    report = samples.report(
        server_protocol="http",
        bytes=shape.PerDirection(client=300, server=79),
        outcome=samples.outcome(
            status="failed", handshake="none", failed_by="client", phase="before_server_hello"
        ),
        tls=samples.tls(messages=[samples.message("client", "client_hello", 1.0)]),
        closes=[samples.close("client", "fin", 2.0)],
    )
    assert [row.text.split(":")[0] for row in ladder(report)] == [
        "ClientHello",
        "HTTP, not TLS",
        "FIN (closes)",
    ]
    assert who_and_where(report).startswith("The client gave up when the answer was not TLS")


def test_a_connection_that_was_refused_has_no_ladder() -> None:
    report = samples.report(
        protocol="none",
        server_protocol="none",
        tls=None,
        bytes=shape.PerDirection(client=0, server=0),
        complete=shape.Complete(client_start=False, server_start=False, gaps=0, truncated=False),
        outcome=samples.outcome(status="failed", handshake="none", failed_by="server", phase="tcp"),
        findings=[samples.finding("tcp-refused", "Nothing listens on the broker's port", "So.")],
    )
    text = render_text(report)
    assert "FAILED  Nothing listens on the broker's port.\n" in text
    assert "client  " not in text
    assert "Not seen" not in text


def test_what_lengths_and_hellos_tell_is_said() -> None:
    base = samples.cut_off()
    assert base.tls is not None
    tls = msgspec.structs.replace(
        base.tls,
        alpn="mqtt",
        resumption="psk",
        inferred=shape.Inferred(server_key="RSA 1024", alpn=None, certificate_message_length=None),
    )
    text = in_words(msgspec.structs.replace(base, tls=tls))
    assert (
        "Seen: ALPN mqtt; resumed session; broker's key by record lengths: RSA 1024; client looks "
        "like SChannel (likely); broker looks like Erlang/OTP (likely)" in text
    )


def test_a_note_brings_its_fixes_and_unread_records_are_said() -> None:
    note = samples.finding(
        "client-points-at-proxy-name",
        "The client was pointed at the proxy",
        role="note",
        fixes=[samples.fix("paho-mqtt", "Connect by the broker's name.")],
    )
    report = samples.plaintext()
    report = msgspec.structs.replace(
        report,
        findings=[*report.findings, note],
        records_skipped=shape.PerDirection(client=3, server=4),
    )
    text = in_words(report)
    assert "Notes - The client was pointed at the proxy. paho-mqtt: Connect by the" in text
    assert "Not seen: 7 records were passed on unread." in text


def test_a_note_stands_under_an_established_connection() -> None:
    note = samples.finding("client-hello-large", "The ClientHello is large", role="note")
    text = render_text(msgspec.structs.replace(samples.established(), findings=[note]))
    assert "    Note: The ClientHello is large.\n" in text


def test_evidence_may_be_one_byte_or_of_no_message() -> None:
    base = samples.misleading_alert()
    proofs = [
        samples.evidence("client", "client_hello", "One byte", offset=4, length=1, frame=4),
        samples.evidence(None, None, "An absence"),
        samples.evidence("server", "close", "It closed", stream_offset=7),
    ]
    cause = msgspec.structs.replace(base.findings[0], evidence=proofs)
    text = in_words(msgspec.structs.replace(base, findings=[cause]))
    assert "- One byte [client ClientHello, byte 4, frame 4]" in text
    assert "- An absence -" in text
    assert "- It closed [broker close, stream offset 7]" in text


def test_an_ipv6_address_stands_in_brackets_and_a_missing_one_is_admitted() -> None:
    report = samples.report(
        client=shape.Client(address="2001:db8::1", port=5, process=None),
        server=shape.Server(address=None, port=None, name=None),
    )
    assert "[2001:db8::1]:5 -> ?" in render_text(report)
