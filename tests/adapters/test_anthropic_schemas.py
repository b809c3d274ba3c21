"""Schemas in the subset that Claude takes: ours say what the vendor SDK's own transformation says."""

from typing import Any

import pytest
from anthropic import transform_schema

from adapters.anthropic_messages import schemas

SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": True}}},
    {"type": "integer", "minimum": 1, "maximum": 10, "description": "A number"},
    {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "T", "default": None},
    {"oneOf": [{"type": "object", "properties": {}}, {"type": "null"}]},
    {"allOf": [{"type": "object", "properties": {"x": {"type": "number"}}}]},
    {"type": "array", "items": {"type": "string", "format": "email"}, "minItems": 1, "maxItems": 3},
    {"type": "array", "items": {"type": "string", "format": "color"}, "minItems": 2},
    {"type": "string", "enum": ["a", "b"]},
    {"const": 5, "type": "integer"},
    {"$defs": {"P": {"type": "object", "properties": {"n": {"$ref": "#/$defs/P"}}}}, "$ref": "#/$defs/P"},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_g34_as_the_vendors_sdk_does_it(schema: dict[str, Any]) -> None:
    assert schemas.strict(schema) == transform_schema(schema)


def test_what_the_sdk_cannot_transform_is_left_to_the_model() -> None:
    assert schemas.strict({}) == {}
    assert schemas.strict(True) == {}
    nullable = schemas.strict({"type": ["object", "null"], "properties": {"a": {"type": "string"}}})
    assert nullable["additionalProperties"] is False
    assert nullable["type"] == ["object", "null"]
    assert schemas.strict({"properties": {"a": {}}})["additionalProperties"] is False
    assert "$schema" not in schemas.strict({"$schema": "x", "type": "string"})
    old = {"definitions": {"A": {"type": "object"}}, "$ref": "#/definitions/A"}
    assert schemas.strict(old)["definitions"]["A"]["additionalProperties"] is False


def test_the_schema_given_is_not_changed() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}}
    schemas.strict(schema)
    assert schema == {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}}
