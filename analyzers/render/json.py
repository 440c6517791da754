"""A report for programs: one JSON object a line, and the schema it follows."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import msgspec

from analyzers.printable import printable
from analyzers.report import Report

SCHEMA_FILE = "tlswhy-1.schema.json"
SCHEMA_DRAFT = "https://json-schema.org/draft/2020-12/schema"

_encoder = msgspec.json.Encoder()


def render_json(report: Report, *, terminal: bool = False) -> str:
    """The report as one line of JSON, without a newline at its end.

    With `terminal`, what a terminal might obey or hide (DEL, C1 and bidirectional
    controls, zero-width characters) is written as a JSON escape too; C0 controls
    always are. The object stays the same.
    """
    try:
        text = _encoder.encode(report).decode()
    except UnicodeEncodeError:
        # A file name that is not UTF-8 reaches us with surrogates, which JSON text cannot hold.
        text = msgspec.json.encode(_without_surrogates(msgspec.to_builtins(report))).decode()
    return _escaped(text) if terminal else text


def _escaped(text: str) -> str:
    if text.isascii() and "\x7f" not in text:
        return text
    hidden = {ord(c): json.dumps(c)[1:-1] for c in set(text) if printable(c) != c}
    # DEL is ASCII, which json.dumps leaves as it is.
    return text.translate(hidden | {0x7F: "\\u007f"})


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_surrogates(item) for key, item in value.items()}
    return value


def report_schema() -> dict[str, Any]:
    """The JSON Schema of a report, generated from the structs."""
    generated = msgspec.json.schema(Report)
    return {
        "$schema": SCHEMA_DRAFT,
        "$id": "urn:tlswhy:schema:1",
        "title": "tlswhy/1: one MQTT-over-TLS connection, explained",
        **generated,
    }


def schema_text() -> str:
    """The committed JSON Schema, as it is shipped."""
    return resources.files("analyzers").joinpath("data", SCHEMA_FILE).read_text("utf-8")
