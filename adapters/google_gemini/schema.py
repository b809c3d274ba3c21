"""Tools, tool choice and schemas: Gemini's declarations <-> the hub's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Raw

from adapters import ir
from adapters.google_gemini.wire import fields, items, raw, take, value

# --- read ----------------------------------------------------------------------------------------------------------


def read_tools(entries: Iterable[Raw]) -> tuple[ir.Tool, ...]:
    """``tools`` -> Tools, in order: each declaration one, each tool that Google runs one. Raises ir.Invalid."""
    tools: list[ir.Tool] = []
    for at, entry in enumerate(entries):
        top = fields(entry, f"tools[{at}]")
        for index, declared in enumerate(items(top, "functionDeclarations", f"tools[{at}].functionDeclarations")):
            tools.append(_declared(declared, f"tools[{at}].functionDeclarations[{index}]"))
        tools += [ir.Tool(name, "hosted", type=name, raw=raw({name: whole})) for name, whole in top.items()]
    return tuple(tools)


def _declared(entry: Raw, path: str) -> ir.Tool:
    top = fields(entry, path)
    name = take(top, "name", str, f"{path}.name")
    if not name:
        raise ir.Invalid(f"'{path}.name' is missing. Give the function a name.", f"{path}.name")
    description = take(top, "description", str, f"{path}.description")
    schema = top.pop("parametersJsonSchema", None)
    if schema is not None:
        return ir.Tool(name, description=description, parameters=value(schema), extras=top)
    subset = top.get("parameters")
    return ir.Tool(name, description=description, parameters=json_schema(value(subset)) if subset else None, extras=top)


def json_schema(subset: Any) -> Any:
    """Google's OpenAPI subset as JSON Schema: types in lower case, ``nullable`` as a type."""
    if not isinstance(subset, dict):
        return subset
    schema = {key: _inner(key, inner) for key, inner in subset.items() if key != "nullable"}
    if isinstance(schema.get("type"), str):
        schema["type"] = schema["type"].lower()
        if subset.get("nullable") is True:
            schema["type"] = [schema["type"], "null"]
    return schema


def _inner(key: str, inner: Any) -> Any:
    if key == "properties" and isinstance(inner, dict):
        return {name: json_schema(schema) for name, schema in inner.items()}
    if key == "anyOf" and isinstance(inner, list):
        return [json_schema(schema) for schema in inner]
    return json_schema(inner) if key in ("items", "additionalProperties") else inner


_CALLING = "toolConfig.functionCallingConfig"
_MODES: Mapping[str, Literal["auto", "none", "required"]] = {"AUTO": "auto", "NONE": "none", "ANY": "required"}


def read_choice(extras: ir.Extras) -> ir.ToolChoice | None:
    """Take the choice out of ``toolConfig``; what else is in it stays in ``extras``. Raises ir.Invalid."""
    config = extras.pop("toolConfig", None)
    if config is None:
        return None
    top = fields(config, "toolConfig")
    choice = None
    calling = top.get("functionCallingConfig")
    if calling is not None:
        inner = fields(calling, _CALLING)
        choice = _choice(inner)
        top.pop("functionCallingConfig")
        if inner:
            top["functionCallingConfig"] = raw(inner)
    if top:
        extras["toolConfig"] = raw(top)
    return choice


def _choice(inner: ir.Extras) -> ir.ToolChoice:
    """Take the choice out of ``inner``. The hub has no word for VALIDATED alone, so it stays there too."""
    mode = take(inner, "mode", str, f"{_CALLING}.mode") or "AUTO"
    allowed = tuple(take(inner, "allowedFunctionNames", list[str], f"{_CALLING}.allowedFunctionNames") or ())
    if mode == "VALIDATED":
        if not allowed:
            inner["mode"] = raw(mode)
        return ir.ToolChoice("allowed", allowed) if allowed else ir.ToolChoice("auto")
    if mode not in _MODES:
        why = f"Unknown function calling mode '{mode}'. Use AUTO, ANY, NONE or VALIDATED."
        raise ir.Invalid(why, f"{_CALLING}.mode", "invalid_value")
    if mode == "ANY" and allowed:
        return ir.ToolChoice("named" if len(allowed) == 1 else "allowed", allowed, required=True)
    return ir.ToolChoice(_MODES[mode])


# --- write ---------------------------------------------------------------------------------------------------------


def write_tools(request: ir.Request) -> list[Any]:
    """Tools -> ``tools``: neighbouring functions share one entry. Google's own tools go back only to Google."""
    own = request.family == "google"
    entries: list[Any] = []
    functions: list[dict[str, Any]] = []
    for tool in request.tools:
        if tool.kind == "hosted":
            functions = []
            entries += [tool.raw] if own and tool.raw else []
            continue
        if not functions:
            entries.append({"functionDeclarations": functions})
        functions.append(_declaration(tool, own=own))
    return entries


def _declaration(tool: ir.Tool, *, own: bool) -> dict[str, Any]:
    """``parametersJsonSchema`` takes the schema as it is, unlike the subset ``parameters`` (G15)."""
    declared: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        declared["description"] = tool.description
    if tool.parameters is not None and not (own and "parameters" in tool.extras):
        declared["parametersJsonSchema"] = tool.parameters
    return declared | (tool.extras if own else {})


def write_choice(request: ir.Request) -> dict[str, Any]:
    """The tool choice -> ``toolConfig``; empty when nothing was chosen (G17). VALIDATED, which holds the model to its
    tools' schemas, is for all tools or none: one that is strict makes it so."""
    own = request.family == "google"
    kept_config = request.extras.get("toolConfig") if own else None
    config: dict[str, Any] = dict(fields(kept_config, "toolConfig")) if kept_config else {}
    strict = not own and any(tool.strict for tool in request.tools)
    choice = request.tool_choice or (ir.ToolChoice("auto") if strict else None)
    if choice is not None:
        calling = _calling(choice, strict=strict)
        kept = config.get("functionCallingConfig")
        config["functionCallingConfig"] = calling | (fields(kept, _CALLING) if kept else {})
    return config


def _calling(choice: ir.ToolChoice, *, strict: bool) -> dict[str, Any]:
    match choice.mode:
        case "auto" if strict:
            return {"mode": "VALIDATED"}
        case "none" | "auto":
            return {"mode": choice.mode.upper()}
        case "required":
            return {"mode": "ANY"}
        case "named":
            return {"mode": "ANY", "allowedFunctionNames": list(choice.names)}
        case "allowed":
            mode = "ANY" if choice.required else "VALIDATED"
            return {"mode": mode, "allowedFunctionNames": list(choice.names)} if choice.names else {"mode": "NONE"}
