"""JSON Schema as a tree: references, circles, free keys, and schemas that are work without end."""

from __future__ import annotations

import time
from typing import Any

import pytest

from adapters import json_schema

TREE = {"$defs": {"n": {"type": "object", "properties": {"in": {"items": {"$ref": "#/$defs/n"}}}}}, "$ref": "#/$defs/n"}


def doubling(levels: int) -> dict[str, Any]:
    defs = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    return {"$defs": {**defs, f"d{levels}": {}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    ("schema", "circle"),
    [
        (TREE, True),
        ({"$ref": "#"}, True),
        ({"allOf": [{"$ref": "#"}]}, True),
        ({"properties": {"a": {"properties": {"b": {"$ref": "#/properties/a"}}}}}, True),
        ({"$anchor": "top", "items": {"$ref": "#top"}}, True),
        ({"$dynamicAnchor": "top", "items": {"$dynamicRef": "#top"}}, True),
        ({"anyOf": [{"type": "null"}, {"$recursiveRef": "#"}]}, True),
        ({"prefixItems": [{"$ref": "#/prefixItems/1"}, {"$ref": "#/prefixItems/0"}]}, True),
        ({"$defs": {"a/b": {"items": {"$ref": "#/$defs/a~1b"}}}, "items": {"$ref": "#/$defs/a~1b"}}, True),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "type": "string"}, False),
        ({"$defs": {"a": {"type": "string"}}, "anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}, False),
        ({"properties": {"$ref": {"type": "string"}}}, False),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, False),
        ({"prefixItems": [{"$ref": "#/prefixItems/9"}]}, False),
        ({"const": {"$ref": "#"}, "enum": [{"$ref": "#"}], "default": {"$ref": "#"}}, False),
        (doubling(60), False),
        (True, False),
        ([], False),
        ("x", False),
    ],
)
def test_circles_of_references(schema: Any, circle: bool) -> None:
    assert json_schema.recursive(schema) is circle


@pytest.mark.parametrize(
    ("schema", "free"),
    [
        ({"type": "object"}, True),
        ({"type": "object", "additionalProperties": True}, True),
        ({"type": "object", "additionalProperties": {"type": "string"}}, True),
        ({"type": "object", "properties": {"a": {"type": "object"}}}, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "string"}}, True),
        ({"type": "object", "properties": {"a": {}}, "patternProperties": {"^x": {}}}, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, False),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": {}}, False),
        ({"type": "object", "properties": {"a": {}}}, False),
        ({"type": "object", "additionalProperties": False}, False),
        ({"type": "string"}, False),
        (None, False),
    ],
)
def test_free_keys(schema: Any, free: bool) -> None:
    assert json_schema.free_keys(schema) is free


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"$ref": "http://x/y"}, "http://x/y"),
        ({"items": {"$dynamicRef": "other#a"}}, "other#a"),
        ({"properties": {"a": {"$id": "http://x/y"}}}, "$id"),
        ({"$ref": 5}, "5"),
        ({"$id": "http://x/y", "items": {"$ref": "#"}}, None),
        ({"properties": {"$id": {"type": "string"}, "$ref": {"type": "string"}}}, None),
        (TREE, None),
    ],
)
def test_what_a_schema_needs_from_outside(schema: Any, word: str | None) -> None:
    found = json_schema.outside(schema)
    assert found is None if word is None else word in str(found)


def test_objects() -> None:
    assert json_schema.is_object(None)
    assert json_schema.is_object({"type": "object"})
    assert not any(json_schema.is_object(schema) for schema in ({}, {"type": ["object", "null"]}, {"$ref": "#"}, True))


@pytest.mark.parametrize(
    ("schema", "value", "steps"),
    [
        (True, 1, 1),
        ({"type": "string"}, "x", 1),
        ({"properties": {"a": {}, "b": {}}}, {"a": 1}, 2),
        ({"additionalProperties": {}, "propertyNames": {}}, {"a": 1, "b": 2}, 5),
        ({"patternProperties": {"x": {}, "y": {}}}, {"a": 1}, 3),
        ({"items": {}, "contains": {}}, [1, 2], 5),
        ({"items": [{}, {}]}, [1], 3),
        ({"not": {}, "if": {}, "then": {}, "else": {}}, 1, 5),
        ({"dependentSchemas": {"a": {}}, "dependencies": {"b": {}}}, {}, 3),
        ({"anyOf": [{}, {}], "oneOf": [{}]}, 1, 4),
        ({"items": {"$ref": "#"}}, [[], [[]]], 7),
    ],
)
def test_applications_are_counted(schema: Any, value: Any, steps: int) -> None:
    assert json_schema.bounded(schema, value, steps)
    assert not json_schema.bounded(schema, value, steps - 1)


@pytest.mark.parametrize("schema", [doubling(60), {"$ref": "#"}, {"allOf": [{"properties": {"a": {"$ref": "#"}}}] * 2}])
def test_work_without_end_is_found_out_in_time(schema: Any) -> None:
    value: Any = 1
    for _ in range(60):
        value = {"a": value}
    started = time.perf_counter()
    assert not json_schema.bounded(schema, value, 50_000)
    assert time.perf_counter() - started < 1


CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        ({"type": "string"}, True),
        ({"anyOf": [CLOSED, {"type": "null"}]}, True),
        ({**CLOSED, "properties": {"a": CLOSED}}, True),
        ({**CLOSED, "properties": {}, "required": []}, True),
        ({**CLOSED, "$defs": {"B": CLOSED}}, True),
        ({**CLOSED, "definitions": {"B": {**CLOSED, "required": []}}}, False),
        ({"type": "object"}, False),
        ({"oneOf": [CLOSED]}, False),
        ({**CLOSED, "properties": {"a": True}}, False),
        (None, False),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "required": 7}, False),
        ({**CLOSED, "additionalProperties": True}, False),
        ({**CLOSED, "properties": {"a": {**CLOSED, "required": []}}}, False),
        ({**CLOSED, "$defs": {"B": {**CLOSED, "required": []}}}, False),
        ({"type": "array", "items": {**CLOSED, "additionalProperties": True}}, False),
    ],
)
def test_strict_is_what_openai_can_hold_a_model_to(schema: Any, strict: bool) -> None:
    assert json_schema.is_strict(schema) is strict
