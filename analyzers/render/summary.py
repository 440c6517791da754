"""Many connections: one line each, and how often each cause was found."""

from __future__ import annotations

from collections import Counter

from analyzers.printable import printable
from analyzers.render.layout import Paint, shorten, width_of, wrap
from analyzers.render.text import NARROWEST, endpoints
from analyzers.render.verdict import badge
from analyzers.report import Report

_LEAST_ENDPOINTS = 20
_UNBOUNDED = 10_000
_BADGE_STYLES = {"OK": "good", "FAILED": "bad", "CUT OFF": "warn", "EMPTY": "dim"}


def _what(report: Report) -> str:
    """The verdict's rule, or what else there is to say in two words."""
    if report.verdict is not None:
        return f"{printable(report.verdict.rule)} ({report.verdict.certainty})"
    if report.outcome.status == "established":
        version = report.tls.version if report.tls else None
        return f"established {printable(version)}" if version else "established"
    if report.outcome.status in ("failed", "not_tls"):
        return "failed, no cause found"
    return report.outcome.status.replace("_", " ")


def render_summary_line(
    report: Report, *, width: int = 80, colour: bool = False, number: int | None = None
) -> str:
    """One connection in one line of at most `width` columns (at least 40), no newline."""
    columns = max(width, NARROWEST)
    word = badge(report)
    line = f"{'' if number is None else f'#{number}':>5}  {word:<7}  "
    line += shorten(_what(report), columns - len(line))
    line = line.ljust(min(len(line.ljust(NARROWEST)), columns)) + "  "
    room = columns - width_of(line)
    if room >= _LEAST_ENDPOINTS:
        line += _where(report, room)
    return Paint(colour)(_BADGE_STYLES[word], line.rstrip())


def _where(report: Report, columns: int) -> str:
    """The server, then the client where there is room."""
    client, _, server = endpoints(report, _UNBOUNDED).partition(" -> ")
    server = server.split(" (")[0]
    both = f"{server} from {client.split(' (')[0]}"
    return both if width_of(both) <= columns else shorten(server, columns)


class Tally:
    """Counts reports by state and cause; keeps no report."""

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def add(self, report: Report, number: int | None = None) -> None:
        """Count one connection; `number` is what its explanation is printed under."""
        self.states[badge(report)] += 1
        if report.verdict is None:
            return
        rule = report.verdict.rule
        self.causes[rule] += 1
        example = f"first: #{number}" if number is not None else f"e.g. {_where(report, 60)}"
        self._examples.setdefault(rule, example)

    @property
    def total(self) -> int:
        """How many connections were counted."""
        return self.states.total()

    def render(self, *, width: int = 80, colour: bool = False) -> str:
        """The counts: one line of states, then a line a cause, the commonest first."""
        columns = max(width, NARROWEST)
        paint = Paint(colour)
        if not self.total:
            return "No TCP connection was seen.\n"
        words = {
            "OK": "without a fault",
            "FAILED": "failed",
            "CUT OFF": "cut off",
            "EMPTY": "empty",
        }
        parts = [
            f"{self.states[state]} {word}" for state, word in words.items() if self.states[state]
        ]
        noun = "connection" if self.total == 1 else "connections"
        lines = [
            paint("bold", line)
            for line in wrap(f"{self.total} {noun}: {', '.join(parts)}.", columns)
        ]
        widest = max((len(rule) for rule in self.causes), default=0)
        for rule, count in sorted(self.causes.items(), key=lambda item: (-item[1], item[0])):
            name = printable(rule)
            lead = f"{count:>6}  {name:<{min(widest, 36)}}  "
            lines.append(shorten(lead + self._examples[rule], columns))
        return "".join(f"{line}\n" for line in lines)
