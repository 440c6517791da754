"""A report for people: verdict first, then what happened, why, and what to change.

Every line fits the width; colour is plain ANSI, off unless asked for; whatever
strangers sent is shown and never executed.
"""

from __future__ import annotations

from collections.abc import Iterable

from analyzers.printable import printable
from analyzers.render.ladder import heading, ladder, lay_out
from analyzers.render.layout import justify, shorten, width_of, wrap
from analyzers.render.verdict import badge, causes, headline, side
from analyzers.report import EvidenceReport, FindingReport, FixReport, Report

NARROWEST = 40
"""Narrower terminals get lines of this many columns."""
WIDEST_PROSE = 100
"""Prose in longer lines is hard to read, however wide the terminal is."""
MAX_EVIDENCE = 6
MAX_OTHERS = 4

_STYLES = {"bold": "1", "dim": "2", "bad": "1;31", "good": "1;32", "warn": "33", "head": "1;36"}


class Paint:
    """Puts ANSI styles around finished lines, or nothing where colour is off."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, style: str, line: str) -> str:
        """`line` in `style`, one of the names above; an unknown style changes nothing."""
        if not self._colour or not line.strip() or style not in _STYLES:
            return line
        return f"\x1b[{_STYLES[style]}m{line}\x1b[0m"


def render_text(
    report: Report, *, width: int = 80, colour: bool = False, number: int | None = None
) -> str:
    """The report as lines of at most `width` columns (at least 40), each ended by a newline.

    `number` is the connection's running number in a list. An established connection
    without a cause takes two to four lines, anything else the full explanation.
    """
    columns = max(width, NARROWEST)
    paint = Paint(colour)
    if badge(report) in ("OK", "EMPTY"):
        lines = _short(report, columns, paint, number)
    else:
        lines = _full(report, columns, paint, number)
    return "".join(f"{line}\n" for line in lines)


def endpoints(report: Report, columns: int) -> str:
    """`client -> server` in at most `columns` columns, names where known.

    What does not fit goes in this order: the server's address beside its name, the
    process, the middles of the names.
    """
    client = _address(report.client.address, report.client.port)
    server = _address(report.server.name or report.server.address, report.server.port)
    process = f" ({printable(report.client.process)})" if report.client.process else ""
    address = ""
    if report.server.name and report.server.address not in (None, report.server.name):
        address = f" ({printable(report.server.address or '')})"
    arrow = " -> "
    for shown in (
        f"{client}{process}{arrow}{server}{address}",
        f"{client}{process}{arrow}{server}",
        f"{client}{arrow}{server}",
    ):
        if width_of(shown) <= columns:
            return shown
    room = columns - len(arrow)
    left = shorten(client, max(room - width_of(server), room // 2))
    return f"{left}{arrow}{shorten(server, room - width_of(left))}"


def _address(host: str | None, port: int | None) -> str:
    name = printable(host) if host else "?"
    if port is None:
        return name
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _title_line(report: Report, columns: int, number: int | None) -> str:
    lead = "" if number is None else f"#{number}  "
    day, _, time = printable(report.start[:19]).partition("T")
    when = f"{day} {time} UTC"
    room = columns - len(lead) - len(when) - 2
    if width_of(endpoints(report, columns)) > room:
        when = f"{time} UTC"
        room = columns - len(lead) - len(when) - 2
    return justify(lead + endpoints(report, room), when, columns)


def _short(report: Report, columns: int, paint: Paint, number: int | None) -> list[str]:
    word = badge(report)
    lines = [paint("dim", _title_line(report, columns, number))]
    said = headline(report)
    if word == "OK":
        said = f"{'; '.join([*_session(report), *_life(report)])}."
    first, *rest = wrap(said, columns, first=f"{word}  ", rest="    ")
    mark = paint("good" if word == "OK" else "dim", word)
    lines.append(mark + first.removeprefix(word))
    lines += rest
    for finding in _role(report, "note"):
        lines += wrap(_sentence(finding), columns, first="    Note: ", rest="    ")
    return [*lines, *_limits(report, columns, paint)]


def _life(report: Report) -> list[str]:
    """What became of an established connection."""
    seconds = report.duration_ms / 1000
    lasted = f"{seconds:.1f} s" if seconds >= 1 else f"{report.duration_ms:.1f} ms"
    facts = []
    if report.mqtt.connack:
        facts.append("MQTT CONNECT answered")
    elif report.mqtt.connect_sent:
        facts.append("MQTT CONNECT sent")
    closed = [close for close in report.closes if close.how in ("fin", "rst")]
    if closed:
        how = "reset" if closed[0].how == "rst" else "closed"
        facts.append(f"{how} by the {side(closed[0].from_)} after {lasted}")
    else:
        facts.append(f"still open after {lasted}")
    return facts


def _full(report: Report, columns: int, paint: Paint, number: int | None) -> list[str]:
    lines = [paint("dim", _title_line(report, columns, number))]
    word = badge(report)
    prose = min(columns, WIDEST_PROSE)
    style = "bad" if word == "FAILED" else "warn"
    lines += [
        paint(style, line) for line in wrap(headline(report), prose, first=f"{word}  ", rest="  ")
    ]
    if report.verdict is not None:
        verdict = f"{printable(report.verdict.rule)}, {report.verdict.certainty}"
        lines += [paint("dim", line) for line in wrap(verdict, prose, first="  ")]
    lines += ["", paint("dim", heading(columns))]
    for row in ladder(report):
        style = "bad" if row.decisive else {"remark": "dim", "alert": "warn"}.get(row.kind, "")
        lines += [paint(style, line) for line in lay_out(row, columns)]
    facts = [*_session(report)[1:], *_stacks(report)] if _answered(report) else _stacks(report)
    if facts:
        text = wrap("; ".join(facts), prose, first="  Seen: ", rest="        ")
        lines += [paint("dim", line) for line in text]
    found = causes(report)
    if found:
        lines += _why(report, found[0], prose, paint)
    lines += _what_it_is_not(report, prose, paint)
    lines += _fixes(found[:1], prose, paint)
    lines += _others(report, found[1:], prose, paint)
    lines += _notes(report, prose, paint)
    return [*lines, *_limits(report, prose, paint)]


def _why(report: Report, cause: FindingReport, columns: int, paint: Paint) -> list[str]:
    lines = ["", paint("head", "Why")]
    lines += _prose(cause.explanation, columns)
    for evidence in cause.evidence[:MAX_EVIDENCE]:
        lines += _evidence(evidence, columns)
    filters = [proof.wireshark for proof in cause.evidence if proof.wireshark]
    if filters and report.source.kind != "proxy":
        lines += wrap(f"Wireshark: {printable(filters[0])}", columns, first="  ", rest="    ")
    return lines


def _evidence(evidence: EvidenceReport, columns: int) -> list[str]:
    place = _place(evidence)
    text = printable(evidence.says).rstrip(".")
    return wrap(f"{text} [{place}]" if place else text, columns, first="  - ")


def _place(evidence: EvidenceReport) -> str:
    parts = []
    message = evidence.message and printable(evidence.message)
    sender = side(evidence.from_) if evidence.from_ else None
    who = " ".join(part for part in (sender, message) if part)
    if who:
        parts.append(who)
    if evidence.offset is not None:
        last = evidence.offset + max(evidence.length or 1, 1) - 1
        span = f"{evidence.offset}-{last}" if last > evidence.offset else f"{evidence.offset}"
        parts.append(f"byte{'s' * (last > evidence.offset)} {span}")
    elif evidence.stream_offset is not None:
        parts.append(f"stream offset {evidence.stream_offset}")
    if evidence.frame is not None:
        parts.append(f"frame {evidence.frame}")
    return ", ".join(parts)


def _what_it_is_not(report: Report, columns: int, paint: Paint) -> list[str]:
    ruled_out = _role(report, "ruled_out")
    if not ruled_out:
        return []
    lines = ["", paint("head", "What it is not")]
    for finding in ruled_out:
        lines += wrap(_sentence(finding), columns, first="  - ")
    return lines


def _fixes(found: Iterable[FindingReport], columns: int, paint: Paint) -> list[str]:
    fixes: list[FixReport] = []
    for finding in found:
        fixes += [fix for fix in finding.fixes if fix not in fixes]
    if not fixes:
        return []
    lines = ["", paint("head", "Fix")]
    for fix in fixes:
        label = f"{shorten(printable(fix.for_), columns // 2)}:"
        first, *rest = wrap(printable(fix.text), columns, first=f"  {label} ", rest="    ")
        lines += [f"  {paint('bold', label)}{first.removeprefix('  ' + label)}", *rest]
    return lines


def _others(report: Report, others: list[FindingReport], columns: int, paint: Paint) -> list[str]:
    lines: list[str] = []
    for title, findings in (
        ("Also contributing", _role(report, "contributing")),
        ("Other possible causes", others),
    ):
        if not findings:
            continue
        lines += ["", paint("head", title)]
        for finding in findings[:MAX_OTHERS]:
            text = f"{_sentence(finding)} [{printable(finding.rule)}, {finding.certainty}]"
            lines += wrap(text, columns, first="  - ")
        if len(findings) > MAX_OTHERS:
            rules = ", ".join(printable(finding.rule) for finding in findings[MAX_OTHERS:])
            lines += wrap(f"and also: {rules}", columns, first="  - ")
    return lines


def _notes(report: Report, columns: int, paint: Paint) -> list[str]:
    notes = _role(report, "note")
    if not notes:
        return []
    lines = ["", paint("head", "Notes")]
    for finding in notes:
        lines += wrap(_sentence(finding), columns, first="  - ")
        for fix in finding.fixes[:2]:
            text = f"{printable(fix.for_)}: {printable(fix.text)}"
            lines += wrap(text, columns, first="    ", rest="      ")
    return lines


def _limits(report: Report, columns: int, paint: Paint) -> list[str]:
    """What the observer could not see: the reader must know it before trusting a word."""
    unseen = []
    complete = report.complete
    if not (complete.client_start and complete.server_start):
        unseen.append("the beginning was not captured")
    if complete.gaps:
        unseen.append(f"{complete.gaps} hole{'s' * (complete.gaps > 1)} in the capture")
    if complete.truncated:
        unseen.append("packets were cut short")
    skipped = report.records_skipped.client + report.records_skipped.server
    if skipped:
        unseen.append(f"{skipped} records were passed on unread")
    if report.analysis.stopped:
        unseen.append(f"the analysis stopped: {printable(report.analysis.reason or 'no reason')}")
    unseen += [printable(warning) for warning in report.analysis.warnings[:3]]
    if not unseen:
        return []
    text = wrap("; ".join(unseen) + ".", columns, first="  Not seen: ", rest="    ")
    return [paint("warn", line) for line in text]


def _session(report: Report) -> list[str]:
    """What was negotiated: parameters first, as one fact, then what is special."""
    tls = report.tls
    if tls is None:
        return []
    facts = [", ".join(fact for fact in (tls.version, tls.cipher, tls.group) if fact)]
    if tls.alpn:
        facts.append(f"ALPN {tls.alpn}")
    if tls.resumption not in ("none", "unknown"):
        facts.append("resumed session")
    return [printable(fact) for fact in facts if fact]


def _answered(report: Report) -> bool:
    """Whether the ladder holds a ServerHello, with the parameters beside it."""
    return report.tls is not None and report.tls.server_hello is not None


def _stacks(report: Report) -> list[str]:
    tls = report.tls
    facts = []
    if tls is not None and tls.client_hello is not None and tls.client_hello.stack is not None:
        stack = tls.client_hello.stack
        facts.append(f"client looks like {stack.name} ({stack.certainty})")
    if tls is not None and tls.server_hello is not None and tls.server_hello.stack is not None:
        stack = tls.server_hello.stack
        facts.append(f"broker looks like {stack.name} ({stack.certainty})")
    return [printable(fact) for fact in facts]


def _role(report: Report, role: str) -> list[FindingReport]:
    return [finding for finding in report.findings if finding.role == role]


def _sentence(finding: FindingReport) -> str:
    title = printable(finding.title).strip().rstrip(".:")
    explanation = " ".join(printable(line) for line in finding.explanation.split("\n")).strip()
    return f"{title}. {explanation}" if explanation else f"{title}."


def _prose(text: str, columns: int) -> list[str]:
    lines: list[str] = []
    for paragraph in text.split("\n"):
        if paragraph.strip():
            lines += wrap(printable(paragraph), columns, first="  ")
    return lines
