"""JSON Schema in the subset that Anthropic's structured output takes; what it refuses becomes words (G34).

The rules and the spelling are those of the vendor's SDK (``anthropic.transform_schema``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STRING_FORMATS = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"),
)
_PRIMITIVE = str | int | float | bool | None


def strict(schema: Any) -> Any:
    """``schema`` with additionalProperties false on every object and unsupported keywords moved to descriptions."""
    if not isinstance(schema, Mapping):
        return schema if schema is not True else {}
    left = {name: value for name, value in schema.items() if name != "$schema"}
    out: dict[str, Any] = {}
    for defs in ("$defs", "definitions"):
        if isinstance(left.get(defs), Mapping):
            out[defs] = {name: strict(part) for name, part in left.pop(defs).items()}
    if "$ref" in left:
        return out | {"$ref": left["$ref"]}
    if _wraps_reference(left.get("allOf")):
        return out | strict(left["allOf"][0])
    kind = left.pop("type", None)
    kind = None if _literals(left, out) else kind
    _combined(left, out)
    if kind is not None and not any(word in out for word in ("anyOf", "allOf")):
        out["type"] = kind
    for word in ("description", "title"):
        if left.get(word) is not None:
            out[word] = left.pop(word)
    _by_type(kind, left, out)
    return _with_rest(left, out)


def _wraps_reference(parts: Any) -> bool:
    """``allOf`` of one reference, as generators write it to describe it. The vendor takes no ``$ref`` in ``allOf``."""
    return isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], Mapping) and "$ref" in parts[0]


def _literals(left: dict[str, Any], out: dict[str, Any]) -> bool:
    values = left.get("enum")
    if isinstance(values, list) and values and all(isinstance(value, _PRIMITIVE) for value in values):
        out["enum"] = left.pop("enum")
    if "const" in left and isinstance(left["const"], _PRIMITIVE):
        out["const"] = left.pop("const")
    return bool(out.keys() & {"enum", "const"})


def _combined(left: dict[str, Any], out: dict[str, Any]) -> None:
    for word, written in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
        parts = left.get(word)
        if isinstance(parts, list) and not out.keys() & {"anyOf", "allOf"}:
            del left[word]
            out[written] = [strict(part) for part in parts]


def _by_type(kind: Any, left: dict[str, Any], out: dict[str, Any]) -> None:
    kinds = kind if isinstance(kind, list) else [kind]
    if "object" in kinds or isinstance(left.get("properties"), Mapping):
        _object(left, out)
    if "string" in kinds and str(left.get("format")) in _STRING_FORMATS:
        out["format"] = left.pop("format")
    if "array" in kinds or "items" in left:
        if "items" in left:
            out["items"] = strict(left.pop("items"))
        if left.get("minItems") in (0, 1):
            out["minItems"] = left.pop("minItems")


def _object(left: dict[str, Any], out: dict[str, Any]) -> None:
    properties = left.pop("properties", None)
    named = properties if isinstance(properties, Mapping) else {}
    out["properties"] = {name: strict(part) for name, part in named.items()}
    left.pop("additionalProperties", None)
    out["additionalProperties"] = False
    if left.get("required") is not None:
        out["required"] = left.pop("required")


def _with_rest(left: dict[str, Any], out: dict[str, Any]) -> dict[str, Any]:
    """What is left over is not supported: the model may still follow it as words."""
    if left:
        words = "{" + ", ".join(f"{name}: {value}" for name, value in left.items()) + "}"
        told = out.get("description")
        out["description"] = f"{told}\n\n{words}" if told else words
    return out


def tool_parameters(schema: Any) -> dict[str, Any]:
    """A function's parameters as Anthropic wants them: always an object schema."""
    if not isinstance(schema, dict):  # JSON's own type: asking for a Mapping takes ten times as long
        return {"type": "object", "properties": {}}
    return dict(schema) if "type" in schema else {"type": "object", **schema}


def is_object(schema: Any) -> bool:
    """True where ``schema`` describes a JSON object, or says nothing."""
    return schema is None or (isinstance(schema, dict) and schema.get("type", "object") == "object")
