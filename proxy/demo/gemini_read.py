"""Reads a Gemini request into the question that the demo's mind answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from proxy.demo import families, gemini_rules
from proxy.demo import gemini_wire as wire
from proxy.demo.base import Ask, Json, encode
from proxy.demo.brain import Choice, Prompt, Said, Tool, prompt_tokens
from proxy.demo.spoiling import spoil_of

_EMPTY: Json = {"type": "object", "properties": {}}
_JSON = "application/json"


def prompts(ask: Ask) -> tuple[wire.GenerateRequest, list[Prompt]]:
    """The checked request and a prompt for each candidate asked for. Raises RefusedError."""
    request = gemini_rules.read(ask)
    config = request.generation_config or wire.GenerationConfig()
    choice, only = _choice(request)
    schema = _schema(config)
    base = Prompt(
        said=tuple(_said(request)),
        tools=tuple(_tools(request)),
        choice=choice,
        only=only,
        schema=schema,
        json_object=config.response_mime_type == _JSON and schema is None,
        effort=_effort(config.thinking_config, ask.model),
        limit=config.max_output_tokens,
        stops=tuple(config.stop_sequences or ()),
        spoil=spoil_of(ask),
    )
    return request, [msgspec.structs.replace(base, variant=index) for index in range(config.candidate_count or 1)]


def count(ask: Ask) -> int:
    """Prompt tokens of a ``countTokens`` request. Raises RefusedError."""
    body = gemini_rules.camel(ask.body)
    inner = body.get("generateContentRequest") or body
    _, asked = prompts(msgspec.structs.replace(ask, body=inner))
    return prompt_tokens(asked[0])


def _schema(config: wire.GenerationConfig) -> Json | None:
    if config.response_json_schema is not None:
        return _as_dict(config.response_json_schema)
    return None if config.response_schema is None else _plain(config.response_schema)


def _as_dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _plain(schema: wire.Schema) -> Json:
    return _as_dict(_bare(msgspec.to_builtins(schema)))


def _bare(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _bare(value) for key, value in schema.items() if value is not None}
    return [_bare(part) for part in schema] if isinstance(schema, list) else schema


def _effort(thinking: wire.Thinking | None, model: str) -> str | None:
    level = thinking.thinking_level if thinking else None
    budget = thinking.thinking_budget if thinking else None
    if level is not None:
        return level.lower()
    if budget is not None and budget >= 0:
        return None if budget == 0 else "low" if budget <= 1024 else "medium" if budget <= 8192 else "high"
    return "high" if families.gemini_version(model) >= (2, 5) else None


def _choice(request: wire.GenerateRequest) -> tuple[Choice, tuple[str, ...]]:
    calling = request.tool_config.function_calling_config if request.tool_config else None
    modes: dict[str | None, Choice] = {"ANY": "required", "NONE": "none"}
    if calling is None:
        return "auto", ()
    return modes.get(calling.mode, "auto"), tuple(calling.allowed_function_names or ())


def _tools(request: wire.GenerateRequest) -> Iterator[Tool]:
    for tool in request.tools or ():
        for one in tool.function_declarations or ():
            schema = _plain(one.parameters) if one.parameters else _as_dict(one.parameters_json_schema) or _EMPTY
            yield Tool(one.name, schema, one.description or "")


def _said(request: wire.GenerateRequest) -> Iterator[Said]:
    if request.system_instruction:
        yield from _parts("system", request.system_instruction.parts)
    for turn in request.contents:
        yield from _parts("assistant" if turn.role == "model" else "user", turn.parts)


def _parts(role: str, parts: list[wire.Part]) -> Iterator[Said]:
    for part in parts:
        if part.text is not None:
            yield Said(role, part.text, "thought" if part.thought else "text")
        elif part.function_call is not None:
            call = {"name": part.function_call.name, "arguments": part.function_call.args or {}}
            yield Said(role, encode(call).decode(), "call")
        elif part.function_response is not None:
            yield from _response(part.function_response)
        else:
            image = part.inline_data is not None and part.inline_data.mime_type.startswith("image/")
            yield Said(role, "", "image" if image else "media")


def _response(response: wire.FunctionResponse) -> Iterator[Said]:
    yield from (Said("tool", "", "image") for _ in response.parts or ())
    text = response.response.get("output", response.response.get("result"))
    yield Said("tool", text if isinstance(text, str) else encode(response.response).decode(), "result")
