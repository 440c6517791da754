"""`tlswhy explain`: what a rule id, an alert or an error message means."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from analyzers.printable import printable
from proxy.commands import options
from proxy.limits import UsageError

KNOWN, UNKNOWN = 0, 1
MOST_INPUT = 256 * 1024
"""Bytes of standard input that are looked at: lines around an error, not a whole log."""


def explain(
    text: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...",
            help="A rule id, an alert's name or number, or a pasted error or log line; - reads "
            "standard input.",
        ),
    ],
) -> int:
    """Say what a rule id, an alert or an error message means.

    The exit code is 0 where something in the text is known, 1 where nothing is.

    \b
    Examples:
      tlswhy explain certificate-missing-intermediate
      tlswhy explain 70
      tlswhy explain "CLIENT ALERT: Fatal - Protocol Version"
      tlswhy explain "The Local Security Authority cannot be contacted"
      grep -i tls broker.log | tlswhy explain -
    """
    from analyzers.lexicon import explain_text, suggestions
    from analyzers.render.explanation import render_explanation

    asked = " ".join(text) if text != ["-"] else _standard_input()
    explanation = explain_text(asked)
    if explanation is None:
        near = suggestions(asked)
        hint = (
            f"do you mean {', '.join(near)}?"
            if near
            else "give a rule id, an alert's name or number, or the client's or broker's own line"
        )
        shown = printable(" ".join(asked.split()))
        shown = f"{shown[:60]}..." if len(shown) > 60 else shown
        print(f"tlswhy: nothing is known of {shown!r}: {hint}", file=sys.stderr)
        return UNKNOWN
    print(
        render_explanation(
            explanation,
            width=options.text_width(sys.stdout),
            colour=options.use_colour(sys.stdout),
        ),
        end="",
    )
    return KNOWN


def _standard_input() -> str:
    """The beginning of what is piped in, whatever its encoding.

    Raises:
        UsageError: standard input is closed.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError("standard input is closed: pipe a log line into it, or give it as TEXT")
    return sys.stdin.buffer.read(MOST_INPUT).decode("utf-8", "replace")
