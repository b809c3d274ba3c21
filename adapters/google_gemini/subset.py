"""JSON Schema in the subset that ``responseJsonSchema`` takes; what it does not know becomes words.

Source: ``GenerationConfig.responseJsonSchema`` (ai.google.dev/api/generate-content). ``parametersJsonSchema`` of a
function takes any schema and needs none of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_KEPT = (
    "$id", "$anchor", "type", "format", "title", "description", "minItems", "maxItems", "minimum", "maximum",
    "required", "propertyOrdering",
)  # fmt: skip
_MAPS = ("$defs", "properties")
_LISTS = ("anyOf", "oneOf", "prefixItems")
_ONES = ("items", "additionalProperties")
_SILENT = frozenset(
    {"$schema", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly", "discriminator"}
)
"""Says nothing of the values."""
_OLD, _NEW = "#/definitions/", "#/$defs/"


def subset(schema: Any) -> Any:
    """``schema``, a JSON Schema, as Gemini takes it. The one given is not changed."""
    if not isinstance(schema, Mapping):
        return schema
    left = {name: value for name, value in schema.items() if name not in _SILENT}
    if isinstance(left.get("definitions"), Mapping) and "$defs" not in left:
        left["$defs"] = left.pop("definitions")
    if isinstance(left.get("$ref"), str):
        return _reference(left)
    _joined(left)
    _literals(left)
    return _written(left)


def _reference(left: dict[str, Any]) -> dict[str, Any]:
    """Beside ``$ref`` stands nothing but what begins with ``$``."""
    reference = left["$ref"]
    out = {"$ref": _NEW + reference.removeprefix(_OLD) if reference.startswith(_OLD) else reference}
    if isinstance(left.get("$defs"), Mapping):
        out["$defs"] = {name: subset(part) for name, part in left["$defs"].items()}
    return out


def _joined(left: dict[str, Any]) -> None:
    """``allOf`` of one schema, as generators wrap a reference to describe it, is that schema."""
    parts = left.get("allOf")
    if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], Mapping):
        del left["allOf"]
        if "$ref" in parts[0] and "anyOf" not in left:
            left["anyOf"] = parts
        else:
            left |= {name: value for name, value in parts[0].items() if name not in left}


def _literals(left: dict[str, Any]) -> None:
    """``const`` is an ``enum`` of one; an ``enum`` holds strings and numbers only, so that null stands beside it."""
    if "const" in left:
        left.setdefault("enum", [left.pop("const")])
    values = left.get("enum")
    if not isinstance(values, list) or not values:
        return
    said = [value for value in values if _in_enum(value)]
    kind = "string" if all(isinstance(value, str) for value in said) else "number"
    if len(said) == len(values):
        left.setdefault("type", kind)
    elif said and "anyOf" not in left and all(value is None or _in_enum(value) for value in values):
        del left["enum"]
        left.pop("type", None)
        left["anyOf"] = [{"type": kind, "enum": said}, {"type": "null"}]
    elif values == [None]:
        left["type"] = "null"
    elif all(isinstance(value, bool) for value in values):
        left["type"] = "boolean"


def _in_enum(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _written(left: dict[str, Any]) -> dict[str, Any]:
    out = {name: left.pop(name) for name in _KEPT if name in left}
    values = left.get("enum")
    if isinstance(values, list) and all(_in_enum(value) for value in values):
        out["enum"] = left.pop("enum")
    for name in _MAPS:
        if isinstance(left.get(name), Mapping):
            out[name] = {key: subset(part) for key, part in left.pop(name).items()}
    for name in _LISTS:
        if isinstance(left.get(name), list):
            out[name] = [subset(part) for part in left.pop(name)]
    for name in _ONES:
        if isinstance(left.get(name), Mapping | bool):
            out[name] = subset(left.pop(name))
    if left:
        words = msgspec.json.encode(left).decode()
        out["description"] = f"{out['description']}\n\n{words}" if out.get("description") else words
    return out
