"""The answer of `tlswhy explain` as text."""

from __future__ import annotations

from analyzers.lexicon import Explanation, Part
from analyzers.printable import printable
from analyzers.render.layout import Paint, wrap
from analyzers.render.text import NARROWEST, WIDEST_PROSE

MAX_POINTS = 12


def render_explanation(explanation: Explanation, *, width: int = 80, colour: bool = False) -> str:
    """The explanation as lines of at most `width` columns (at least 40), each with a newline."""
    columns = min(max(width, NARROWEST), WIDEST_PROSE)
    paint = Paint(colour)
    lines: list[str] = []
    for part in explanation.parts:
        lines += [*_part(part, columns, paint), ""]
    if explanation.capture:
        lines += wrap(explanation.capture, columns)
    while lines and not lines[-1]:
        lines.pop()
    return "".join(f"{line}\n" for line in lines)


def _part(part: Part, columns: int, paint: Paint) -> list[str]:
    lines = [paint("bold", line) for line in wrap(printable(part.title), columns, rest="  ")]
    for paragraph in part.paragraphs:
        lines += wrap(printable(paragraph), columns, first="  ")
    if part.points:
        lines.append("")
        for point in part.points[:MAX_POINTS]:
            lines += wrap(printable(point), columns, first="  - ")
        if len(part.points) > MAX_POINTS:
            lines.append(f"  - and {len(part.points) - MAX_POINTS} more")
    if part.rules:
        lines += ["", paint("head", "  What it may be")]
        for rule, title in part.rules:
            lines += wrap(f"{printable(rule)}: {printable(title)}", columns, first="  - ")
    if part.references:
        lines += ["", paint("head", "  References")]
        for reference in part.references:
            lines += wrap(printable(reference), columns, first="  - ")
    return lines
