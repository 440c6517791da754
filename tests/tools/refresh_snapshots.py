"""Write the rendered samples anew: `python -m tests.tools.refresh_snapshots`.

Read the difference as prose before committing it: it is what users will see.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from analyzers.render.summary import Tally, render_summary_line
from analyzers.render.text import render_text
from tests.samples import SAMPLES

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"


def snapshots() -> Iterator[tuple[str, str]]:
    """File name and text of every snapshot."""
    tally = Tally()
    lines = []
    for number, (name, build) in enumerate(SAMPLES.items(), 1):
        report = build()
        yield f"{name}.txt", render_text(report, width=80, number=number)
        lines.append(render_summary_line(report, width=80, number=number))
        tally.add(report, number)
    yield "summary.txt", "".join(f"{line}\n" for line in lines) + "\n" + tally.render(width=80)


if __name__ == "__main__":
    SNAPSHOTS.mkdir(exist_ok=True)
    for name, text in snapshots():
        (SNAPSHOTS / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"wrote {SNAPSHOTS / name}")
