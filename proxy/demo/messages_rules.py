"""What Anthropic's Messages endpoint refuses beyond the shape: options, tools and model rules."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from proxy.demo import families
from proxy.demo import messages_wire as wire
from proxy.demo.base import Ask, Json, RefusedError, encode
from proxy.demo.messages_turns import check_turns
from proxy.demo.shape import MisfitError, fit

R = TypeVar("R", bound=wire.CountRequest)

_SERVER_TOOL = re.compile(r"[a-z_0-9]+_20\d{6}|mcp_toolset")
_SERVER_BLOCK = re.compile(r"(server|mcp)_tool_use|\w+_tool_result|tool_(reference|addition|removal)|container_upload")
_BETA = ("context_management", "mcp_servers", "fallbacks", "thread", "betas")
_UNSUPPORTED = (
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength uniqueItems "
    "patternProperties if then else not oneOf"
)
_MAX_CACHED = 4


def read(ask: Ask) -> tuple[wire.MessagesRequest, list[wire.Tool]]:
    """A request for an answer and its own tools, checked. Raises RefusedError."""
    request, tools = _fit(ask, wire.MessagesRequest)
    _check_options(request, ask.model)
    _check_thinking(request, ask.model)
    check_turns(request, ask.model)
    return request, tools


def read_count(ask: Ask) -> tuple[wire.CountRequest, list[wire.Tool]]:
    """A request of ``count_tokens`` and its own tools, checked. Raises RefusedError."""
    request, tools = _fit(ask, wire.CountRequest)
    check_turns(request, ask.model)
    return request, tools


def error_body(error: RefusedError) -> Json:
    """Anthropic's error envelope."""
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    kind = "overloaded_error" if error.status == 529 else kind
    return {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": "req_011demo"}


def _fit(ask: Ask, shape: type[R]) -> tuple[R, list[wire.Tool]]:
    if "anthropic-version" not in ask.headers:
        raise RefusedError("anthropic-version: header is required")
    try:
        request = fit(_plain(ask), shape)
        tools = [tool for index, raw in enumerate(request.tools or ()) for tool in _tool(raw, index)]
    except MisfitError as misfit:
        raise _misfit_error(misfit) from None
    _check_tools(request, tools, ask.model)
    _check_format(request)
    if encode(ask.body).count(b'"cache_control":{') > _MAX_CACHED:
        raise RefusedError("A maximum of 4 blocks with cache_control may be provided.")
    return request, tools


def _plain(ask: Ask) -> Json:
    """The body without the server tools' blocks and, for a caller that names a beta, without the beta's fields."""
    body = {**ask.body, "messages": _without_server_blocks(ask.body.get("messages"))}
    if "messages" not in ask.body:
        del body["messages"]
    if "anthropic-beta" not in ask.headers:
        return body
    config = body.get("output_config")
    if isinstance(config, dict):
        body["output_config"] = {key: value for key, value in config.items() if key != "task_budget"}
    return {key: value for key, value in body.items() if key not in _BETA}


def _without_server_blocks(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_server_blocks(part) for part in value]
    if not isinstance(value, dict):
        return value
    if _SERVER_BLOCK.fullmatch(str(value.get("type"))):
        return {"type": "server_block"}
    return {**value, "content": _without_server_blocks(value["content"])} if "content" in value else value


def _misfit_error(misfit: MisfitError) -> RefusedError:
    path = misfit.path.replace("[", ".").replace("]", "")
    reasons = {"unknown": "Extra inputs are not permitted", "missing": "Field required"}
    reason = reasons.get(misfit.fault, misfit.text)
    if "matching regex" in reason:
        reason = "String should match pattern " + reason.split("regex ")[1]
    return RefusedError(f"{path}: {reason}")


def _tool(raw: Json, index: int) -> list[wire.Tool]:
    kind = raw.get("type")
    if isinstance(kind, str) and _SERVER_TOOL.fullmatch(kind):
        return []
    try:
        tool = fit(raw, wire.Tool)
    except MisfitError as misfit:
        raise MisfitError(misfit.fault, f"tools[{index}].custom.{misfit.path}", misfit.text) from None
    if tool.input_schema.get("type") != "object":
        raise MisfitError("missing", f"tools[{index}].custom.input_schema.type", "")
    return [tool]


def _check_tools(request: wire.CountRequest, tools: list[wire.Tool], model: str) -> None:
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        raise RefusedError("tools: Tool names must be unique.")
    choice = request.tool_choice
    if choice is not None and not request.tools:
        raise RefusedError("tool_choice: tool_choice may only be specified while providing tools.")
    if isinstance(choice, wire.ChooseTool) and choice.name not in names:
        raise RefusedError(f"Tool '{choice.name}' not found in provided tools")
    if isinstance(choice, wire.ChooseAny | wire.ChooseTool):
        _check_forcing(request, model)


def _check_forcing(request: wire.CountRequest, model: str) -> None:
    if families.claude_cannot_be_forced(model):
        raise RefusedError("tool_choice: forcing tool use is not supported for this model.")
    if isinstance(request.thinking, wire.Enabled):
        raise RefusedError("Thinking may not be enabled when tool_choice forces tool use.")


def _check_format(request: wire.CountRequest) -> None:
    if request.output_config and request.output_config.format:
        _check_schema(request.output_config.format.schema)


def _check_schema(schema: Any) -> None:
    if isinstance(schema, list):
        for part in schema:
            _check_schema(part)
    if not isinstance(schema, dict):
        return
    start = "output_config.format.schema: "
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise RefusedError(f"{start}For 'object' type, 'additionalProperties' must be explicitly set to false")
    refused = [key for key in _UNSUPPORTED.split() if key in schema]
    if refused or schema.get("minItems", 0) not in (0, 1):
        name = refused[0] if refused else "minItems"
        raise RefusedError(f"{start}For '{schema.get('type', 'object')}' type, property '{name}' is not supported")
    for key in ("properties", "$defs", "definitions"):
        _check_schema(list((schema.get(key) or {}).values()))
    for key in ("items", "anyOf", "allOf"):
        _check_schema(schema.get(key))


def _check_options(request: wire.MessagesRequest, model: str) -> None:
    if any(not stop.strip() for stop in request.stop_sequences or ()):
        raise RefusedError("stop_sequences: each stop sequence must contain non-whitespace")
    for name in ("temperature", "top_p", "top_k"):
        if getattr(request, name) is not None and families.claude_is_new(model):
            raise RefusedError(f"{name}: `{name}` is not supported on this model.")
    effort = request.output_config.effort if request.output_config else None
    if effort is not None and families.claude(model)[1] < (4, 5):
        raise RefusedError("output_config.effort: This model does not support the effort parameter.")
    if effort == "xhigh" and not families.claude_is_new(model):
        raise RefusedError("output_config.effort: 'xhigh' is not supported on this model.")


def _check_thinking(request: wire.MessagesRequest, model: str) -> None:
    thinking, (line, version) = request.thinking, families.claude(model)
    if isinstance(thinking, wire.Enabled):
        _check_budget(request, thinking, model)
    elif isinstance(thinking, wire.Adaptive) and version < (4, 6):
        raise RefusedError("adaptive thinking is not supported on this model")
    elif isinstance(thinking, wire.Disabled) and families.claude_cannot_be_forced(model):
        raise RefusedError("thinking: thinking cannot be disabled on this model.")
    elif isinstance(thinking, wire.BetweenTools) and (line, version) != ("sonnet", (5, 5)):
        raise RefusedError("thinking.type: 'between_tools' is not supported on this model.")


def _check_budget(request: wire.MessagesRequest, thinking: wire.Enabled, model: str) -> None:
    if families.claude_is_new(model):
        raise RefusedError(
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
            '"output_config.effort" to control thinking behavior.'
        )
    if thinking.budget_tokens >= request.max_tokens:
        raise RefusedError("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if request.temperature not in (None, 1):
        raise RefusedError("`temperature` may only be set to 1 when thinking is enabled.")
