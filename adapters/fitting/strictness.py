"""Schemas that OpenAI enforces without being asked: Responses' default, told where other dialects would not know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DEEPEST = 16
"""Levels of a schema that are looked into; a deeper one is not called strict."""
_NEVER = frozenset(("allOf", "not", "if", "oneOf", "dependentRequired", "dependentSchemas", "patternProperties"))
"""Keywords that strict schemas may not have."""


def is_strict(schema: Any, depth: int = 0) -> bool:
    """Every object in it is closed and wants all its properties: a model can be held to it."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST or not _NEVER.isdisjoint(schema):
        return False
    properties = schema.get("properties")
    if (properties is not None or schema.get("type") == "object") and not _is_closed(schema, properties):
        return False
    inner = [*_values(properties), *_values(schema.get("$defs")), *_values(schema.get("anyOf"))]
    inner += [schema["items"]] if "items" in schema else []
    return all(is_strict(part, depth + 1) for part in inner)


def _is_closed(schema: Mapping[str, Any], properties: Any) -> bool:
    required = schema.get("required", ())
    wanted = set(required) if isinstance(required, list) else set()
    return schema.get("additionalProperties") is False and wanted.issuperset(properties or ())


def _values(found: Any) -> list[Any]:
    if isinstance(found, Mapping):
        return list(found.values())
    return found if isinstance(found, list) else []
