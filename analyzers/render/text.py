"""A report for people: verdict first, then what happened, why, and what to change.

Every line fits the width; colour is plain ANSI, off unless asked for; whatever
strangers sent is shown and never executed.
"""

from __future__ import annotations

from analyzers.printable import printable
from analyzers.render.ladder import heading, ladder, lay_out
from analyzers.render.layout import Paint, justify, shorten, width_of, wrap
from analyzers.render.sections import (
    fixes,
    limits,
    notes,
    others,
    sentence,
    what_it_is_not,
    why,
    with_role,
    worth_telling,
)
from analyzers.render.verdict import badge, causes, headline, side
from analyzers.report import Report

NARROWEST = 40
"""Narrower terminals get lines of this many columns."""
WIDEST_PROSE = 100
"""Prose in longer lines is hard to read, however wide the terminal is."""


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
    for finding in with_role(report, "note"):
        lines += wrap(
            sentence(finding.title, finding.explanation), columns, first="    Note: ", rest="    "
        )
    return [*lines, *limits(report, columns, paint)]


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
    rows = ladder(report)
    lines += ["", paint("dim", heading(columns))] if rows else []
    for row in rows:
        style = "bad" if row.decisive else {"remark": "dim", "alert": "warn"}.get(row.kind, "")
        lines += [paint(style, line) for line in lay_out(row, columns)]
    facts = [*_session(report)[1:], *_stacks(report)] if _answered(report) else _stacks(report)
    if facts:
        text = wrap("; ".join(facts), prose, first="  Seen: ", rest="        ")
        lines += [paint("dim", line) for line in text]
    found = causes(report)
    if found:
        lines += why(report, found[0], prose, paint)
    lines += what_it_is_not(report, prose, paint)
    lines += fixes(found[:1], prose, paint)
    lines += others(report, worth_telling(found), prose, paint)
    lines += notes(report, prose, paint)
    return [*lines, *limits(report, prose, paint)]


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
    if tls.inferred.server_key:
        facts.append(f"broker's key by record lengths: {tls.inferred.server_key}")
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
