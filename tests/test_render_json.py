from __future__ import annotations

import json
import tomllib
from importlib import resources
from typing import Any

import jsonschema
import msgspec
import pytest

from analyzers import report as shape
from analyzers.render.json import SCHEMA_DRAFT, render_json, schema_text
from tests import samples
from tests.tools.refresh_schema import generate


def objects(node: Any) -> list[dict[str, Any]]:
    """Every object definition within a schema."""
    found = []
    if isinstance(node, dict):
        if node.get("type") == "object":
            found.append(node)
        for value in node.values():
            found += objects(value)
    elif isinstance(node, list):
        for value in node:
            found += objects(value)
    return found


def test_the_committed_schema_is_the_generated_one() -> None:
    assert schema_text() == generate()


def test_every_key_is_required_and_no_other_is_allowed() -> None:
    schema = json.loads(schema_text())
    assert schema["$schema"] == SCHEMA_DRAFT
    jsonschema.Draft202012Validator.check_schema(schema)
    definitions = objects(schema)
    assert len(definitions) >= 30
    for definition in definitions:
        assert set(definition["required"]) == set(definition["properties"]), definition["title"]
        assert definition["additionalProperties"] is False


@pytest.mark.parametrize("name", samples.SAMPLES)
@pytest.mark.parametrize("terminal", [False, True])
def test_a_report_follows_the_schema_in_one_line(name: str, terminal: bool) -> None:
    report = samples.SAMPLES[name]()
    line = render_json(report, terminal=terminal)
    assert "\n" not in line
    jsonschema.Draft202012Validator(json.loads(schema_text())).validate(json.loads(line))
    assert msgspec.json.decode(line, type=shape.Report) == report


def test_the_schema_refuses_a_missing_and_an_invented_key() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))
    document = json.loads(render_json(samples.established()))
    del document["mqtt"]["connack"]
    assert not validator.is_valid(document)
    document["mqtt"]["connack"] = None
    assert validator.is_valid(document)
    document["severity"] = "high"
    assert not validator.is_valid(document)


def test_for_a_terminal_all_that_is_not_visible_is_escaped() -> None:
    report = samples.report(id="\x7f\x9b\u202e\u200bé\U000e0041", source=samples.hostile().source)
    plain, safe = render_json(report), render_json(report, terminal=True)
    assert not plain.isprintable()
    assert safe.isprintable()
    assert "é" in safe
    assert json.loads(plain) == json.loads(safe)


def test_a_file_name_that_is_not_utf8_does_not_break_the_line() -> None:
    source = shape.Source(kind="capture", name="bad\udcff.pcap", stream=None, first_frame=None)
    line = render_json(samples.report(source=source))
    assert json.loads(line)["source"]["name"] == "bad\\udcff.pcap"


def test_every_field_of_the_mapping_exists_in_the_schema() -> None:
    text = resources.files("analyzers").joinpath("data", "ecs.toml").read_text("utf-8")
    table = tomllib.loads(text)["field"]
    document = json.loads(render_json(samples.misleading_alert()))
    schema = json.loads(schema_text())
    names = set()
    for entry in table:
        assert set(entry) <= {"tlswhy", "ecs", "otel", "change"}
        assert entry.get("ecs") or entry.get("otel")
        _walk(schema, schema, entry["tlswhy"].split("."))
        names.add(entry["tlswhy"])
    assert len(names) == len(table)
    assert {"tls.version", "community_id", "tls.client_hello.ja3"} <= names
    assert document["schema"] == "tlswhy/1"


def _walk(schema: dict[str, Any], node: dict[str, Any], path: list[str]) -> None:
    """Follow `path` through the schema; "name[]" means the items of an array."""
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    if "anyOf" in node:
        node = next(choice for choice in node["anyOf"] if choice.get("type") != "null")
        _walk(schema, node, path)
        return
    if not path:
        return
    if path[0] == "[]":
        _walk(schema, node["items"], path[1:])
        return
    name, bracket, _ = path[0].partition("[")
    _walk(schema, node["properties"][name], (["[]"] if bracket else []) + path[1:])
