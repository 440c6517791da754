"""The first sentence: who gave up, at which step, how, and why."""

from __future__ import annotations

from dataclasses import dataclass

from analyzers.printable import printable
from analyzers.report import AlertReport, Close, FindingReport, MessageReport, Report

_CLIENT_STEPS = {
    "tcp": "The client left before it sent a byte",
    "before_server_hello": "The client gave up before the broker answered",
    "server_flight": "The client gave up during the broker's part of the handshake",
    "client_certificate": "The client gave up while the broker judged its certificate",
    "finished": "The client gave up at the end of the handshake",
    "after_handshake": "The client ended the connection after the handshake",
}
_SERVER_STEPS = {
    "tcp": "The broker ended the connection before the client sent a byte",
    "before_server_hello": "The broker refused the ClientHello",
    "server_flight": "The broker gave up in the middle of its own messages",
    "client_certificate": "The broker gave up where it judges the client's certificate",
    "finished": "The broker gave up at the end of the handshake",
    "after_handshake": "The broker ended the connection after the handshake",
}
# These titles say who, where and how by themselves.
_SELF_TELLING = (
    "client-closed-",
    "client-reset-",
    "client-silent",
    "name-not-resolved",
    "server-closed-",
    "server-reset-",
    "server-silent",
    "server-stalled-",
    "tcp-",
)
# First words that lose their capital after a colon; others may be names ("TLS", "SNI").
_COMMON_FIRST_WORDS = frozenset(
    ("A", "All", "An", "Both", "Broker", "Client", "Each", "Every", "It", "Its", "Neither")
    + ("No", "Nobody", "None", "Not", "Nothing", "One", "Some", "Something", "That", "The")
    + ("These", "This", "Two")
)


@dataclass(frozen=True, slots=True)
class End:
    """What decided the connection on the wire."""

    alert: AlertReport | None
    """The alert with which the giver-up spoke; None where it ended without one."""
    close: Close | None
    """The close that decided, where no alert did."""


def deciding_end(report: Report) -> End:
    """The first error alert, else the first close, of the side that gave up."""
    side = report.outcome.failed_by
    alerts = report.tls.alerts if report.tls else []
    for alert in alerts:
        if alert.from_ == side and alert.kind != "close_notify" and not alert.reaction:
            return End(alert, None)
    for close in report.closes:
        if close.from_ == side and close.how != "open":
            return End(None, close)
    return End(None, None)


def causes(report: Report) -> list[FindingReport]:
    """The findings that may have caused it, the verdict first."""
    return [finding for finding in report.findings if finding.role == "cause"]


def side(sender: str) -> str:
    """How prose calls a sender: "client" or "broker"."""
    return "broker" if sender == "server" else sender


def alert_label(alert: AlertReport) -> str:
    """The alert's IANA name with its number, or that it is encrypted."""
    if alert.name is None:
        return "an encrypted alert"
    number = "" if alert.code is None else f" ({alert.code})"
    return f"{printable(alert.name)}{number}"


def _saw_certificate(messages: list[MessageReport]) -> bool:
    return any(
        message.from_ == "server" and message.name.lower().replace("_", "") == "certificate"
        for message in messages
    )


def _step(report: Report) -> str:
    outcome = report.outcome
    tls = report.tls
    if outcome.failed_by == "network":
        return "The connection was never made"
    if outcome.failed_by == "client":
        verdict = report.verdict.rule if report.verdict else ""
        if (
            outcome.phase == "server_flight"
            and tls is not None
            and (_saw_certificate(tls.messages) or verdict.startswith("certificate-"))
        ):
            return "The client gave up after the broker's certificate"
        if outcome.phase == "before_server_hello" and report.server_protocol not in ("tls", "none"):
            return "The client gave up when the answer was not TLS"
        return _CLIENT_STEPS.get(outcome.phase or "", "The client gave up")
    if outcome.failed_by == "server":
        if outcome.phase == "before_server_hello" and report.protocol not in ("tls", "none"):
            return "The broker hung up on bytes that are not TLS"
        if outcome.phase == "client_certificate" and tls and tls.client_auth.sent == "empty":
            return "The broker gave up when no client certificate came"
        if outcome.phase == "client_certificate" and tls and tls.client_auth.sent == "certificate":
            return "The broker gave up after the client's certificate"
        return _SERVER_STEPS.get(outcome.phase or "", "The broker gave up")
    return "The connection failed"


def _manner(report: Report) -> str:
    end = deciding_end(report)
    if end.alert is not None:
        if end.alert.name is None:
            return ", with an encrypted alert"
        return f", with the alert {alert_label(end.alert)}"
    if end.close is None or report.outcome.failed_by == "network":
        return ""
    if end.close.how == "rst":
        return ", by a reset"
    if end.close.how == "timeout":
        return ", and nothing more came"
    return ", without a word" if report.protocol == "tls" else ""


def who_and_where(report: Report) -> str:
    """Who gave up, at which step and in which manner; no full stop."""
    status = report.outcome.status
    if status == "established" and report.verdict is None:
        return "The handshake succeeded"
    if status == "no_data":
        return "A TCP connection without a byte: a port check, perhaps"
    if status == "incomplete" and report.outcome.failed_by is None:
        return "What was seen ends before the handshake does"
    return _step(report) + _manner(report)


def after_colon(title: str) -> str:
    """A title as it stands after a colon, without its full stop."""
    text = printable(title).strip().rstrip(".")
    first, _, rest = text.partition(" ")
    if first in _COMMON_FIRST_WORDS and rest:
        return f"{first.lower()} {rest}"
    return text


def headline(report: Report) -> str:
    """The one sentence that a reader in a hurry needs."""
    found = causes(report)
    if found and found[0].rule.startswith(_SELF_TELLING):
        return printable(found[0].title).strip().rstrip(".") + "."
    if found:
        return f"{who_and_where(report)}: {after_colon(found[0].title)}."
    if report.outcome.status in ("failed", "not_tls"):
        return f"{who_and_where(report)}. What was seen does not show why."
    return f"{who_and_where(report)}."


def badge(report: Report) -> str:
    """One word for the state: FAILED, OK, CUT OFF or EMPTY."""
    if report.verdict is not None or report.outcome.status in ("failed", "not_tls"):
        return "FAILED"
    return {"established": "OK", "incomplete": "CUT OFF", "no_data": "EMPTY"}[report.outcome.status]
