"""The messages of a connection with their times: client left, server right."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from analyzers.printable import printable
from analyzers.render.layout import shorten, width_of, wrap
from analyzers.render.verdict import alert_label, deciding_end, side
from analyzers.report import AlertReport, CertificateReport, MessageReport, Report, TlsReport

MAX_ROWS = 28
"""Longer ladders lose their middle."""
KEPT_AT_END = 8
SILENCE_MS = 1000.0
"""A pause that gets a line of its own."""
MAX_LENGTHS = 8
"""Record lengths named in one row of encrypted records."""
SHORTEST_ARROW = 3
LONGEST_NAME = 44
"""Longer host names lose their middle here; the evidence has them in full."""

_UNNAMED = frozenset(("encrypted", "alert", "handshake", "application_data"))
"""Names of encrypted records that say no more than their type."""
_NOT_MESSAGES = frozenset(("close", "connect", "fault", "gap", "plaintext"))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the ladder, before it is laid out."""

    at_ms: float | None
    """None where the report does not say when."""
    sender: str
    """"client", "server", or "" for a remark that belongs to neither."""
    text: str
    kind: str = "message"
    """"message", "encrypted", "alert", "close" or "remark"."""
    decisive: bool = False
    records: tuple[tuple[str, int], ...] = field(default=())
    """Of encrypted records: what each seems to be ("" if unknown) and its length in bytes."""


def ladder(report: Report) -> list[Row]:
    """The rows in the order of time, encrypted runs collapsed, pauses said."""
    rows = _collapse(_merge(report))
    rows = _shorten(rows)
    return _with_silences(rows)


def lay_out(row: Row, columns: int) -> list[str]:
    """`row` as lines of at most `columns` columns, time and margin included."""
    margin = "! " if row.decisive else "  "
    prefix = f"{margin}{_time(row.at_ms):>8}  "
    blank = " " * len(prefix)
    lane = columns - len(prefix)
    if not row.sender:
        return wrap(row.text, columns, first=blank)
    lines = wrap(row.text, lane - SHORTEST_ARROW - 2)
    shaft = "-" * (lane - width_of(lines[0]) - 2)
    if row.sender == "client":
        return [f"{prefix}{lines[0]} {shaft}>"] + [f"{blank}  {line}" for line in lines[1:]]
    rest = [blank + " " * (lane - width_of(line)) + line for line in lines[1:]]
    return [f"{prefix}<{shaft} {lines[0]}", *rest]


def heading(columns: int) -> str:
    """The line over the ladder that names its columns."""
    left = f"  {'ms':>8}  client"
    return left + " " * max(columns - len(left) - len("broker"), 1) + "broker"


def _time(at_ms: float | None) -> str:
    if at_ms is None:
        return ""
    return f"{at_ms:.1f}" if abs(at_ms) < 100_000 else f"{at_ms / 1000:.0f} s"


def _merge(report: Report) -> list[Row]:
    end = deciding_end(report)
    rows: list[Row] = []
    if report.tls is not None:
        waiting = list(report.tls.alerts)
        namer = _Namer(report.tls)
        for message in report.tls.messages:
            alert = _take_alert(message, waiting)
            if alert is not None:
                rows.append(_alert_row(alert, decisive=alert is end.alert))
            elif message.record == "change_cipher_spec" and report.tls.version == "TLS 1.3":
                continue  # a dummy for middleboxes (RFC 8446 appendix D.4): it says nothing
            elif message.encrypted:
                rows.append(_encrypted_row(message))
            else:
                rows.append(Row(message.at_ms, message.from_, namer.text(message)))
        rows += [_alert_row(alert, decisive=alert is end.alert) for alert in waiting]
    for close in report.closes:
        if close.how in ("fin", "rst"):
            text = "FIN (closes)" if close.how == "fin" else "RST (reset)"
            rows.append(Row(close.at_ms, close.from_, text, "close", decisive=close is end.close))
    rows.sort(key=lambda row: row.at_ms or 0.0)  # stable: what came first stays first
    return _with_clear_text(report, rows) + _open_ends(report)


def _with_clear_text(report: Report, rows: list[Row]) -> list[Row]:
    """Add what came in clear; the report holds no times and no content of it."""
    first = _clear_text("client", report.protocol, report.bytes.client)
    answer = _clear_text("server", report.server_protocol, report.bytes.server)
    asked = sum(1 for row in rows if row.sender == "client" and row.kind == "message")
    return [*first, *rows[:asked], *answer, *rows[asked:]]


def _clear_text(sender: str, protocol: str, count: int) -> list[Row]:
    if protocol in ("tls", "none") or not count:
        return []
    name = "something unknown" if protocol == "unknown" else printable(protocol).upper()
    return [Row(None, sender, f"{name}, not TLS: {count:,} bytes")]


def _open_ends(report: Report) -> list[Row]:
    waits = [close for close in report.closes if close.how == "timeout"]
    if waits:
        who = " and ".join(dict.fromkeys(f"the {side(close.from_)}" for close in waits))
        return [Row(waits[0].at_ms, "", f"(nothing more from {who})", "remark")]
    if any(close.how == "open" for close in report.closes):
        at = max(close.at_ms for close in report.closes)
        return [Row(at, "", "(still open when the observation ended)", "remark")]
    return []


def _take_alert(message: MessageReport, waiting: list[AlertReport]) -> AlertReport | None:
    """The alert that this message is; it is then no longer waiting."""
    for index, alert in enumerate(waiting):
        same = alert.from_ == message.from_ and abs(alert.at_ms - message.at_ms) < 0.001
        if same and (message.record == "alert" or _is_inside(alert, message)):
            return waiting.pop(index)
    return None


def _is_inside(alert: AlertReport, message: MessageReport) -> bool:
    return alert.encrypted and message.encrypted and alert.record_length == message.length


def _alert_row(alert: AlertReport, *, decisive: bool) -> Row:
    if alert.name is None:
        text = f"encrypted Alert ({alert.record_length} bytes"
        text += ")" if alert.certainty == "certain" else f", {alert.certainty})"
    else:
        level = f" {printable(alert.level)}" if alert.level and alert.kind != "close_notify" else ""
        text = f"Alert{level} {alert_label(alert)}"
        if alert.encrypted:
            text += f", encrypted, {alert.certainty}"
    if alert.reaction:
        text += ", a reaction"
    return Row(alert.at_ms, alert.from_, text, "alert", decisive=decisive)


def _encrypted_row(message: MessageReport) -> Row:
    name = "" if message.name in _UNNAMED else printable(message.name)
    return Row(
        message.at_ms, message.from_, "encrypted", "encrypted", records=((name, message.length),)
    )


def _collapse(rows: list[Row]) -> list[Row]:
    merged: list[Row] = []
    for row in rows:
        last = merged[-1] if merged else None
        if (
            last is not None
            and row.kind == last.kind == "encrypted"
            and (row.sender, row.text) == (last.sender, last.text)
            and _pause(last, row) < SILENCE_MS
        ):
            merged[-1] = replace(last, records=last.records + row.records)
        else:
            merged.append(row)
    return [_with_lengths(row) if row.records else row for row in merged]


def _with_lengths(row: Row) -> Row:
    """Say what the records seem to be and how long they are."""
    names = {name for name, _ in row.records}
    count = len(row.records)
    total = sum(length for _, length in row.records)
    if len(names) > 1 and count <= MAX_LENGTHS:
        items = [f"{name} {length}".strip() for name, length in row.records]
        return replace(row, text=f"encrypted: {', '.join(items)} bytes")
    what = (names.pop() if len(names) == 1 else "") or "record"
    if count == 1:
        return replace(row, text=f"encrypted {what}: {total} bytes")
    shown = ", ".join(str(length) for _, length in row.records[:MAX_LENGTHS])
    if count > MAX_LENGTHS:
        shown += f", ... {total:,}"
    unit = "bytes" if count <= MAX_LENGTHS else "bytes in all"
    plural = "records" if what == "record" else what
    return replace(row, text=f"encrypted {plural} ({count}): {shown} {unit}")


def _shorten(rows: list[Row]) -> list[Row]:
    if len(rows) <= MAX_ROWS:
        return rows
    head, tail = rows[: MAX_ROWS - KEPT_AT_END - 1], rows[-KEPT_AT_END:]
    left_out = rows[len(head) : -KEPT_AT_END]
    kept = [row for row in left_out if row.decisive or row.kind == "alert"][:KEPT_AT_END]
    count = len(left_out) - len(kept)
    remark = Row(left_out[0].at_ms, "", f"... {count} more lines like these ...", "remark")
    return [*head, remark, *kept, *tail]


def _pause(earlier: Row, later: Row) -> float:
    """Milliseconds between two rows; 0 where one has no time."""
    if earlier.at_ms is None or later.at_ms is None:
        return 0.0
    return later.at_ms - earlier.at_ms


def _with_silences(rows: list[Row]) -> list[Row]:
    spread: list[Row] = []
    for row in rows:
        pause = _pause(spread[-1], row) if spread else 0.0
        if pause >= SILENCE_MS:
            text = f"... {pause / 1000:.1f} s of silence ..."
            spread.append(Row(row.at_ms, "", text, "remark"))
        spread.append(row)
    return spread


def message_name(name: str) -> str:
    """A handshake message as the RFCs' structs are called: "ClientHello"."""
    shown = printable(name)
    if " " in shown or shown != shown.lower() or shown in _NOT_MESSAGES:
        return shown
    return "".join(part.capitalize() for part in shown.split("_"))


class _Namer:
    """Names messages as the RFCs do, with the facts that matter beside them."""

    def __init__(self, tls: TlsReport) -> None:
        self._tls = tls
        self._hellos = 0

    def text(self, message: MessageReport) -> str:
        name = message_name(message.name)
        facts = self._facts(name, message)
        return f"{name}: {facts}" if facts else name

    def _facts(self, name: str, message: MessageReport) -> str:
        tls = self._tls
        if name == "ClientHello":
            return self._client_hello(message)
        if name == "ServerHello" and tls.server_hello is not None:
            hello = tls.server_hello
            return ", ".join(fact for fact in (hello.version, hello.cipher, hello.group) if fact)
        if name == "HelloRetryRequest" and tls.hello_retry_request is not None:
            group = tls.hello_retry_request.group
            return f"use {group}" if group else "once more, with the cookie"
        if name == "Certificate":
            if message.from_ == "server":
                return _certificates(tls.server_certificates)
            return _certificates(tls.client_certificates)
        if name == "CertificateRequest" and tls.certificate_request is not None:
            count = len(tls.certificate_request.authorities)
            return "any issuer" if not count else f"{count} CA name{'s' * (count > 1)}"
        if name == "ServerKeyExchange" and tls.server_key_exchange is not None:
            exchange = tls.server_key_exchange
            facts = [fact for fact in (exchange.group, exchange.signature_scheme) if fact]
            if exchange.signature_valid is False:
                facts.append("signature invalid")
            return ", ".join(facts)
        return ""

    def _client_hello(self, message: MessageReport) -> str:
        hello = self._tls.client_hello
        self._hellos += 1
        if hello is None:
            return ""
        if self._hellos > 1:
            second = self._tls.second_client_hello
            return f"again, changed {', '.join(second.changed)}" if second else "again"
        known = [version for version in hello.versions if version.startswith(("TLS", "SSL"))]
        versions = ", ".join(known[:1] + [version.removeprefix("TLS ") for version in known[1:]])
        name = "no name (SNI)"
        if hello.server_name is not None:
            name = f'name "{_short(hello.server_name)}"'
        facts = [versions or hello.legacy_version, name]
        if hello.alpn:
            facts.append(f"ALPN {_short(' '.join(hello.alpn))}")
        return f"{printable('; '.join(facts))}; {message.length} bytes"


def _short(name: str) -> str:
    return shorten(printable(name), LONGEST_NAME)


def _certificates(chain: list[CertificateReport] | None) -> str:
    if chain is None:
        return ""
    if not chain:
        return "none (an empty list)"
    key = chain[0].key
    kind = " ".join(str(part) for part in (key.type, key.curve or key.bits) if part)
    count = len(chain)
    return f"{count} certificate{'s' * (count > 1)}, {printable(kind)} key"
