"""Schemas in the subset that Gemini's responseJsonSchema takes; what is lost in it stays as words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapters.google_gemini.subset import subset

KNOWN = {
    "$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items", "prefixItems",
    "minItems", "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties", "additionalProperties", "required",
    "propertyOrdering",
}  # fmt: skip
"""ai.google.dev/api/generate-content, GenerationConfig.responseJsonSchema."""
POINT = {"type": "object", "properties": {"x": {"type": "number"}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({"type": "string", "title": "T", "format": "date", "default": "x", "$comment": "c"}, {"type": "string", "title": "T", "format": "date"}),
        ({"$schema": "http://json-schema.org/draft-07/schema#", **POINT}, POINT),
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"const": 5, "type": "integer"}, {"type": "integer", "enum": [5]}),
        ({"const": None}, {"type": "null", "description": '{"enum":[null]}'}),
        ({"const": True}, {"type": "boolean", "description": '{"enum":[true]}'}),
        ({"const": {"a": 1}}, {"description": '{"enum":[{"a":1}]}'}),
        ({"enum": ["a", None], "type": ["string", "null"]}, {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}),
        ({"enum": [1, 2.5]}, {"type": "number", "enum": [1, 2.5]}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"anyOf": [POINT, {"type": "null"}]}, {"anyOf": [POINT, {"type": "null"}]}),
        ({"type": "integer", "exclusiveMinimum": 0, "minimum": 0}, {"type": "integer", "minimum": 0, "description": '{"exclusiveMinimum":0}'}),
        ({"type": "string", "pattern": "^a", "description": "An a."}, {"type": "string", "description": 'An a.\n\n{"pattern":"^a"}'}),
        ({"$ref": "#/$defs/P", "description": "A point."}, {"$ref": "#/$defs/P"}),
        ({"$ref": "#/definitions/P", "definitions": {"P": POINT}}, {"$ref": "#/$defs/P", "$defs": {"P": POINT}}),
        ({"allOf": [{"$ref": "#/$defs/P"}], "description": "A point."}, {"description": "A point.", "anyOf": [{"$ref": "#/$defs/P"}]}),
        ({"allOf": [{"type": "string", "title": "A"}], "title": "B"}, {"type": "string", "title": "B"}),
        ({"type": "array", "items": {"const": "a"}, "uniqueItems": True}, {"type": "array", "items": {"type": "string", "enum": ["a"]}, "description": '{"uniqueItems":true}'}),
        ({"prefixItems": [{"const": 1}], "items": False}, {"prefixItems": [{"type": "number", "enum": [1]}], "items": False}),
        ({"type": "object", "additionalProperties": {"const": "a"}}, {"type": "object", "additionalProperties": {"type": "string", "enum": ["a"]}}),
        ({"oneOf": [{"const": "a"}, {"const": "b"}]}, {"oneOf": [{"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["b"]}]}),
        (True, True),
    ],
)  # fmt: skip
def test_what_is_sent(schema: Any, sent: Any) -> None:
    before = msgspec.json.encode(schema)
    assert subset(schema) == sent
    assert msgspec.json.encode(schema) == before


def words(schema: Any) -> set[str]:
    """Every keyword, at any depth where a schema stands."""
    found = set(schema)
    for name in ("properties", "$defs"):
        found |= {word for part in schema.get(name, {}).values() for word in words(part)}
    for name in ("anyOf", "oneOf", "prefixItems"):
        found |= {word for part in schema.get(name, []) for word in words(part)}
    return found | (words(schema["items"]) if isinstance(schema.get("items"), dict) else set())


def test_nothing_else_than_the_vendor_lists_is_sent() -> None:
    every = {
        "type": "object", "properties": {"const": {"const": 1}, "a": {"not": {}, "if": {}, "then": {}, "else": {}}},
        "patternProperties": {"x": {}}, "propertyNames": {}, "minProperties": 1, "maxProperties": 2,
        "dependentRequired": {}, "unevaluatedProperties": False, "allOf": [{}, {}], "contentEncoding": "base64",
        "items": {"contains": {}, "minLength": 1, "maxLength": 2, "multipleOf": 2, "nullable": True},
    }  # fmt: skip
    assert words(subset(every)) <= KNOWN


@pytest.mark.parametrize(
    "broken",
    [
        {"definitions": 1, "$ref": "#/definitions/a", "$defs": []},
        {"properties": [1], "items": 5, "anyOf": {}, "enum": {}, "allOf": 1, "type": {}},
        {"allOf": [1], "enum": [], "anyOf": None, "$ref": 1},
    ],
)
def test_what_is_no_schema_is_the_vendors_to_refuse(broken: Any) -> None:
    assert isinstance(subset(broken), dict)
