"""What Gemini's generateContent refuses beyond the shape: configuration, tools and media."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from proxy.demo import families
from proxy.demo import gemini_wire as wire
from proxy.demo.base import Ask, Json, RefusedError
from proxy.demo.gemini_turns import check_turns
from proxy.demo.shape import MisfitError, fit

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_SNAKE = re.compile(r"_([a-z0-9])")
_STEP = re.compile(r"(?<!^)([A-Z])")
_OPAQUE = ("args", "response", "responseJsonSchema", "parametersJsonSchema", "labels", "default", "example")
_MEDIA = re.compile(r"image/(jpeg|png|webp|heic|heif)|audio/.+|video/.+|text/.+|application/pdf")
_URI = re.compile(r"gs://|https://(generativelanguage\.googleapis\.com|(www|m)\.youtube\.com|youtu\.be)/")
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_LEVELS = ("LOW", "MEDIUM", "HIGH")


def read(ask: Ask) -> wire.GenerateRequest:
    """The request, checked. Raises RefusedError."""
    try:
        request = fit(camel(ask.body), wire.GenerateRequest)
    except MisfitError as misfit:
        raise _misfit_error(misfit) from None
    config = request.generation_config or wire.GenerationConfig()
    _check_thinking(config.thinking_config, ask.model)
    _check_format(config)
    _check_tools(request, config, ask.model)
    for turn in request.contents:
        for part in turn.parts:
            _check_media(part)
    check_turns(request.contents, ask.model)
    return request


def error_body(error: RefusedError) -> Json:
    """Google's error envelope."""
    body = {"code": error.status, "message": error.message, "status": _STATUS.get(error.status, "UNKNOWN")}
    if error.status == 429:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
        return {"error": {**body, "details": [retry]}}
    return {"error": body}


def camel(value: Any) -> Any:
    """The request with ``snake_case`` field names as ``camelCase``: Google's JSON accepts both."""
    if isinstance(value, list):
        return [camel(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    renamed: Json = {}
    for key, inner in value.items():
        name = _SNAKE.sub(lambda found: found[1].upper(), key)
        if name == "properties" and isinstance(inner, dict):
            renamed[name] = {prop: camel(schema) for prop, schema in inner.items()}
        else:
            renamed[name] = inner if name in _OPAQUE and not _is_declared(name, value) else camel(inner)
    return renamed


def _is_declared(name: str, owner: Json) -> bool:
    return name == "response" and "name" in owner and "parameters" in owner


def _misfit_error(misfit: MisfitError) -> RefusedError:
    owner, _, field = misfit.path.rpartition(".")
    if misfit.fault == "unknown":
        place = f" at '{_snake(owner)}'" if owner else ""
        return RefusedError(
            f'Invalid JSON payload received. Unknown name "{field}"{place}: Cannot find field.', misfit.path
        )
    if misfit.fault == "missing":
        return RefusedError(f"* GenerateContentRequest.{_snake(misfit.path)}: {field} cannot be empty", misfit.path)
    return RefusedError(f"Invalid value at '{_snake(misfit.path)}': {misfit.text}", misfit.path)


def _snake(path: str) -> str:
    return ".".join(_STEP.sub(r"_\1", step).lower() for step in path.split("."))


def _check_thinking(thinking: wire.Thinking | None, model: str) -> None:
    if thinking is None:
        return
    version = families.gemini_version(model)
    budget, level = thinking.thinking_budget, thinking.thinking_level
    if budget is not None and level is not None:
        raise RefusedError("You can only set only one of thinking budget and thinking level.")
    if level is not None and version < (3, 0):
        raise RefusedError("Thinking level is not supported for this model.")
    if level is not None and level.upper() not in _allowed_levels(model):
        raise RefusedError(f"Thinking level {level.upper()} is not supported for this model.")
    if budget == 0 and ("pro" in model or version >= (3, 0)):
        raise RefusedError("Budget 0 is invalid. This model only works in thinking mode.")


def _allowed_levels(model: str) -> tuple[str, ...]:
    if "pro" not in model:
        return ("MINIMAL", *_LEVELS) if families.gemini_version(model) < (3, 7) else _LEVELS
    return _LEVELS if families.gemini_version(model) >= (3, 1) else ("LOW", "HIGH")


def _check_format(config: wire.GenerationConfig) -> None:
    schema = config.response_schema is not None or config.response_json_schema is not None
    if config.response_schema is not None and config.response_json_schema is not None:
        raise RefusedError("Only one of response_schema and response_json_schema may be set.")
    if schema and config.response_mime_type not in ("application/json", "text/x.enum"):
        raise RefusedError("Function calling config or response schema needs response_mime_type 'application/json'.")
    if config.logprobs is not None and not config.response_logprobs:
        raise RefusedError("logprobs requires response_logprobs to be true.")


def _check_tools(request: wire.GenerateRequest, config: wire.GenerationConfig, model: str) -> None:
    names = [one.name for tool in request.tools or () for one in tool.function_declarations or ()]
    for name in names:
        if not _NAME.fullmatch(name):
            raise RefusedError(
                "Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), "
                "underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64."
            )
    if len(set(names)) < len(names):
        raise RefusedError("Duplicate function declaration found.")
    for tool in request.tools or ():
        for one in tool.function_declarations or ():
            if one.parameters is not None and one.parameters_json_schema is not None:
                raise RefusedError("Only one of parameters and parameters_json_schema may be set.")
    if names and config.response_mime_type == "application/json" and families.gemini_version(model) < (3, 0):
        raise RefusedError("Function calling with a response mime type: 'application/json' is unsupported")
    _check_calling(request, names)


def _check_calling(request: wire.GenerateRequest, names: list[str]) -> None:
    calling = request.tool_config.function_calling_config if request.tool_config else None
    if calling is None:
        return
    if calling.mode in ("ANY", "VALIDATED") and not names:
        raise RefusedError("Function calling mode is set to ANY but no function declarations are provided.")
    allowed = calling.allowed_function_names or []
    if allowed and calling.mode not in ("ANY", "VALIDATED"):
        raise RefusedError("allowed_function_names should be set only when the function calling mode is ANY.")
    unknown = [name for name in allowed if name not in names]
    if unknown:
        raise RefusedError(f"allowed_function_names contains '{unknown[0]}', which is not declared.")


def _check_media(part: wire.Part) -> None:
    response = part.function_response.parts if part.function_response else None
    for inner in response or ():
        _check_blob(inner.inline_data)
    _check_blob(part.inline_data)
    if part.file_data and not _URI.match(part.file_data.file_uri):
        raise RefusedError(f"Invalid or unsupported file uri: {part.file_data.file_uri}")


def _check_blob(blob: wire.Blob | None) -> None:
    if blob is None:
        return
    if not _MEDIA.fullmatch(blob.mime_type):
        raise RefusedError(f"Unsupported MIME type: {blob.mime_type}")
    try:
        base64.b64decode(blob.data, altchars=b"-_" if set(blob.data) & set("-_") else None, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(
            "Invalid value at 'contents.parts.inline_data.data' (TYPE_BYTES), Base64 decoding failed"
        ) from None
