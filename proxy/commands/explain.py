"""`tlswhy explain`: what a rule id, an alert or an error message means."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from analyzers.printable import printable
from proxy.commands import options

KNOWN, UNKNOWN = 0, 1


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

    asked = " ".join(text) if text != ["-"] else sys.stdin.read()
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
