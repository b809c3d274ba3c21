"""What both OpenAI APIs refuse alike, in OpenAI's words: misfits, tool names, strict schemas, image URLs."""

from __future__ import annotations

import re
from typing import Any

from proxy.demo.base import Json, RefusedError
from proxy.demo.shape import MisfitError

_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_IMAGE = re.compile(r"https?://|data:image/(jpeg|jpg|png|gif|webp);base64,[A-Za-z0-9+/=]+$")
_TYPES = {400: "invalid_request_error", 401: "invalid_request_error", 404: "invalid_request_error"}


def error_body(error: RefusedError) -> Json:
    """OpenAI's error envelope."""
    kind = _TYPES.get(error.status, "rate_limit_error" if error.status == 429 else "server_error")
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def misfit_error(misfit: MisfitError) -> RefusedError:
    """A body of the wrong shape, told as OpenAI tells it."""
    path = misfit.path
    if misfit.fault == "unknown":
        return RefusedError(f"Unknown parameter: '{path}'.", path, "unknown_parameter")
    if misfit.fault == "missing":
        return RefusedError(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
    if misfit.text.startswith("Invalid"):
        given = misfit.text.removeprefix("Invalid ").removeprefix("enum ").removeprefix("value ")
        return RefusedError(f"Invalid value: {given}.", path, "invalid_value")
    return RefusedError(f"Invalid type for '{path}': {misfit.text[:1].lower()}{misfit.text[1:]}.", path, "invalid_type")


def check_name(name: str, path: str) -> None:
    """Tool names: 1 to 64 of ``a-zA-Z0-9_-``."""
    if len(name) > 64:
        raise RefusedError(
            f"Invalid '{path}': string too long. Expected a string with maximum length 64, "
            f"but got a string with length {len(name)} instead.",
            path,
            "string_above_max_length",
        )
    if not _NAME.fullmatch(name):
        raise RefusedError(
            f"Invalid '{path}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            path,
            "invalid_value",
        )


def check_image(url: str, path: str) -> None:
    """An image is an http(s) URL or a base64 data URL of a known type."""
    if not _IMAGE.match(url):
        raise RefusedError(
            f"Invalid '{path}'. Expected a valid URL, but got a value with an invalid format.", path, "invalid_value"
        )


def check_strict(schema: Any, owner: str, path: str) -> None:
    """Strict schemas: every object closed, every property required."""
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" or "properties" in schema:
        _check_object(schema, owner, path)
    for key in ("properties", "$defs", "definitions"):
        for part in (schema.get(key) or {}).values():
            check_strict(part, owner, path)
    for part in [schema.get("items"), *(schema.get("anyOf") or [])]:
        check_strict(part, owner, path)


def _check_object(schema: Json, owner: str, path: str) -> None:
    start = f"Invalid schema for {owner}: In context=(), "
    if schema.get("additionalProperties") is not False:
        reason = "'additionalProperties' is required to be supplied and to be false."
        raise RefusedError(start + reason, path, "invalid_json_schema")
    missing = [name for name in schema.get("properties") or {} if name not in (schema.get("required") or [])]
    if missing:
        reason = "'required' is required to be supplied and to be an array including every key in properties. "
        raise RefusedError(f"{start}{reason}Missing '{missing[0]}'.", path, "invalid_json_schema")


def check_sampling(values: dict[str, Any], allowed: tuple[str, ...] = ()) -> None:
    """A reasoning model refuses sampling parameters. ``values``: name -> what was sent."""
    for name, value in values.items():
        if value is not None and name not in allowed:
            raise RefusedError(
                f"Unsupported parameter: '{name}' is not supported with this model.", name, "unsupported_parameter"
            )
