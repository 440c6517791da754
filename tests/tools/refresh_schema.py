"""Write the JSON Schema of a report anew: `python -m tests.tools.refresh_schema`."""

from __future__ import annotations

import json
from pathlib import Path

from analyzers.render.json import SCHEMA_FILE, report_schema

SCHEMA_PATH = Path(__file__).parents[2] / "analyzers" / "data" / SCHEMA_FILE


def generate() -> str:
    """The schema as the file holds it."""
    return json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_PATH.write_text(generate(), encoding="utf-8", newline="\n")
    print(f"wrote {SCHEMA_PATH}")
