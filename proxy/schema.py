"""The JSON Schema of proxy.yaml, for editors and for ``turnout config schema``."""

from __future__ import annotations

from typing import Any

import msgspec

from proxy.settings import grammar, money, serving, upstreams
from proxy.settings.grammar import Document
from proxy.settings.part import Part
from proxy.settings.units import Dollars, Seconds, Secret, Secrets, Size, shown

_TEXT = {"type": "string", "minLength": 1}
_SCHEMAS: dict[type, dict[str, Any]] = {
    Secret: _TEXT,
    Secrets: {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]},
    Seconds: {"type": ["string", "number"], "examples": ["500ms", "5s", "2m", "never"]},
    Size: {"type": ["string", "integer"], "examples": ["64MiB"]},
    Dollars: {"type": ["string", "number"], "minimum": 0},
}


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12, with every default. A number may also be written as ``${VAR}``."""
    (found,), definitions = msgspec.json.schema_components(
        (Document,), schema_hook=lambda kind: dict(_SCHEMAS[kind]), ref_template="#/$defs/{name}"
    )
    for kind in {**vars(money), **vars(serving), **vars(upstreams), **vars(grammar)}.values():
        if isinstance(kind, type) and issubclass(kind, Part) and kind.__name__ in definitions:
            _add_defaults(definitions[kind.__name__]["properties"], kind)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "proxy.yaml of Turnout",
        **found,
        "$defs": _with_variables(definitions),
    }


def _add_defaults(properties: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(kind):
        if field.default_factory is not msgspec.NODEFAULT:
            properties[field.encode_name]["default"] = msgspec.to_builtins(field.default_factory(), enc_hook=shown)


def _with_variables(node: Any) -> Any:
    """Numbers and booleans may also be written as ``${VAR}``."""
    if isinstance(node, list):
        return [_with_variables(item) for item in node]
    if not isinstance(node, dict):
        return node
    walked = {key: _with_variables(value) for key, value in node.items()}
    if walked.get("type") in ("integer", "number", "boolean"):
        default = {"default": walked.pop("default")} if "default" in walked else {}
        return {"anyOf": [walked, {"type": "string", "pattern": r"\$\{"}], **default}
    return walked
