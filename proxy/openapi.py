"""The OpenAPI document of our own HTTP API: every route, what it takes, and all that it may answer.

Bodies are open: what this document does not name is carried or dropped as decision D11 says, never an error of shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from msgspec import Struct

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "integer", "minimum": 1}
_FLAG: Schema = {"type": "boolean"}
_LIST: Schema = {"type": "array"}
_OBJECT: Schema = {"type": "object"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 256}


class _Row(Struct, frozen=True, kw_only=True):
    """One operation. ``good``: status -> the schema of its answer; ``bad``: the statuses of its errors."""

    method: str
    path: str
    summary: str
    security: Sequence[str] = ("bearer", "api_key")
    body: str | None = None
    body_required: bool = True
    body_kind: str = "application/json"
    query: Mapping[str, Schema] = {}
    good: Mapping[int, str]
    bad: Sequence[int] = ()
    kinds: Sequence[str] = ("application/json",)
    """What a good answer may be."""


def document() -> dict[str, Any]:
    """OpenAPI 3.1, as plain values."""
    paths: dict[str, dict[str, Any]] = {}
    for row in _ROWS:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Turnout",
            "version": version("turnout"),
            "description": "An OpenAI-compatible reverse proxy. Errors are in the words of the API that was asked.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A client's key."},
                "api_key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "A client's key."},
                "admin": {"type": "http", "scheme": "bearer", "description": "server.admin_key."},
            },
        },
    }


def _operation(row: _Row) -> dict[str, Any]:
    made: dict[str, Any] = {
        "summary": row.summary,
        "operationId": f"{row.method.lower()}{row.path.replace('/', '_').replace('{', '').replace('}', '')}",
        # Without keys and without an admin key, loopback is trusted: then none of them is needed.
        "security": [*({name: []} for name in row.security), *([{}] if row.security else [])],
        "parameters": [*_parameters(row)],
        "responses": {
            **{str(status): _answer(row.kinds, name) for status, name in row.good.items()},
            **{str(status): _answer(("application/json",), "Error") for status in row.bad},
        },
    }
    if row.body is not None:
        content = {row.body_kind: {"schema": _ref(row.body)}}
        made["requestBody"] = {"required": row.body_required, "content": content}
    return made


def _parameters(row: _Row) -> Iterator[dict[str, Any]]:
    for part in row.path.split("/"):
        if part.startswith("{"):
            yield {"name": part.strip("{}"), "in": "path", "required": True, "schema": {**_TEXT, "minLength": 1}}
    for name, schema in row.query.items():
        yield {"name": name, "in": "query", "required": False, "schema": dict(schema)}


def _answer(kinds: Sequence[str], schema: str) -> dict[str, Any]:
    content = {kind: {"schema": _ref("Events" if kind == _STREAMED[1] else schema)} for kind in kinds}
    return {"description": schema, "headers": {"x-request-id": {"schema": dict(_TEXT)}}, "content": content}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


# --- the routes ----------------------------------------------------------------------------------------------------

_STREAMED = ("application/json", "text/event-stream")
_ASKED = (400, 401, 403, 404, 413, 415, 429, 499, 500, 502, 503, 504)
"""How a call that walks the road may end, beside its answer."""
_ADMIN = ("admin",)
_USAGE: Mapping[str, Schema] = {
    "since": _TEXT, "until": _TEXT, "by": _TEXT, "where": {"type": "array", "items": _TEXT}, "timezone": _TEXT,
    "rows": {"type": "string", "enum": ["1", "true"]}, "limit": {"type": "integer", "minimum": 1, "maximum": 10_000},
}  # fmt: skip
_OUTCOME: Mapping[int, str] = dict.fromkeys((200, 404, 409, 422), "Object")
"""Of what the supervisor is asked: ``ok``, and where it is false ``error``, in words."""
_LAST: Schema = {"type": "integer", "minimum": 1, "maximum": 10_000}
_INCLUDE: Mapping[str, Schema] = {"include": {"type": "array", "items": _TEXT}}
_PAGE: Mapping[str, Schema] = {
    "order": {"type": "string", "enum": ["asc", "desc"]}, "limit": {"type": "integer", "minimum": 1, "maximum": 100},
    "after": _TEXT, **_INCLUDE,
}  # fmt: skip


def _asks(path: str, summary: str, body: str, answer: str, *, streams: bool = True) -> _Row:
    kinds = _STREAMED if streams else ("application/json",)
    return _Row(method="POST", path=path, summary=summary, body=body, good={200: answer}, bad=_ASKED, kinds=kinds)


_ROWS = (
    _asks("/v1/chat/completions", "Chat completions of OpenAI.", "ChatRequest", "Answer"),
    _asks("/v1/responses", "Responses of OpenAI.", "ResponsesRequest", "Answer"),
    _asks("/v1/messages", "Messages of Anthropic.", "MessagesRequest", "Answer"),
    _asks("/v1/embeddings", "Embeddings, passed on unread.", "EmbeddingsRequest", "Answer", streams=False),
    _asks("/v1/completions", "Legacy completions, passed on unread.", "CompletionsRequest", "Answer"),
    _asks("/v1/messages/count_tokens", "The tokens of a message.", "CountRequest", "Count", streams=False),
    _asks("/v1/responses/input_tokens", "The tokens of a response's input.", "InputRequest", "Count", streams=False),
    _Row(method="GET", path="/v1/models", summary="The aliases that may be asked for.", good={200: "Models"},
         bad=(401, 403, 503)),
    _Row(method="GET", path="/v1/models/{model_id}", summary="One of them.", good={200: "Model"},
         bad=(401, 403, 404, 503)),
    _Row(method="GET", path="/v1/responses/{response_id}", summary="A stored response.", good={200: "Answer"},
         query={"stream": _TEXT, "starting_after": _TEXT, **_INCLUDE}, bad=(400, 401, 403, 404, 503)),
    _Row(method="DELETE", path="/v1/responses/{response_id}", summary="Forget a stored response.",
         good={200: "Deleted"}, bad=(401, 403, 404, 503)),
    _Row(method="GET", path="/v1/responses/{response_id}/input_items", summary="What a stored response was asked.",
         good={200: "List"}, query=_PAGE, bad=(400, 401, 403, 404, 503)),
    _Row(method="GET", path="/v1/usage/{request_id}", summary="One call of one's own: tokens, money, attempts.",
         good={200: "Object"}, bad=(401, 403, 404, 503)),
    _Row(method="GET", path="/health/live", summary="The process lives.", security=(), good={200: "Live"}),
    _Row(method="GET", path="/health/ready", summary="It can serve.", security=(), good={200: "Ready", 503: "Ready"}),
    _Row(method="GET", path="/metrics", summary="Prometheus's text format.", security=(), good={200: "Text"},
         kinds=("text/plain",)),
    _Row(method="GET", path="/openapi.json", summary="This document.", security=(), good={200: "Object"}),
    _Row(method="GET", path="/admin/config", summary="The configuration in force, secrets hidden.", security=_ADMIN,
         good={200: "Configuration"}, bad=(401,)),
    _Row(method="POST", path="/admin/config/reload", summary="Read proxy.yaml again, or tell what that would change.",
         security=_ADMIN, query={"dry_run": _TEXT, "last": _LAST}, good={200: "Reload", 422: "Reload"},
         bad=(400, 401, 409)),
    _Row(method="POST", path="/admin/config/diff", summary="What a configuration would change, and move.",
         security=_ADMIN, body="Text", body_kind="text/plain", body_required=False,
         query={"entry": _COUNT, "last": _LAST}, good=_OUTCOME, bad=(400, 401, 413)),
    _Row(method="GET", path="/admin/config/history", summary="The configurations that were in force, or refused.",
         security=_ADMIN, good={200: "List", 409: "Object", 422: "Object"}, bad=(401,)),
    _Row(method="GET", path="/admin/config/history/{entry}", summary="One of them, secrets hidden.", security=_ADMIN,
         good=_OUTCOME, bad=(400, 401)),
    _Row(method="POST", path="/admin/config/rollback", summary="Back to one of them.", security=_ADMIN,
         query={"entry": _COUNT}, good=_OUTCOME, bad=(400, 401)),
    _Row(method="GET", path="/admin/overrides", summary="What is overridden, until when.", security=_ADMIN,
         good={200: "Object"}, bad=(401, 503)),
    _Row(method="POST", path="/admin/overrides", summary="Turn an alias, or drain a backend, for a while.",
         security=_ADMIN, body="Override", good={201: "Object"}, bad=(400, 401, 413, 503)),
    _Row(method="DELETE", path="/admin/overrides/{id}", summary="End an override.", security=_ADMIN,
         good={200: "Object"}, bad=(400, 401, 503)),
    _Row(method="POST", path="/admin/explain", summary="What would be decided, and why; nobody is asked.",
         security=_ADMIN, body="Question", good={200: "Object"}, bad=(400, 401, 413)),
    _Row(method="GET", path="/admin/keys", summary="All keys, without their secrets.", security=_ADMIN,
         good={200: "Keys"}, bad=(401, 503)),
    _Row(method="POST", path="/admin/keys", summary="Make a key; its secret is told once.", security=_ADMIN,
         body="NewKey", good={201: "Made"}, bad=(400, 401, 413, 503)),
    _Row(method="POST", path="/admin/keys/{name}/rotate", summary="A new secret for a key.", security=_ADMIN,
         body="Rotation", body_required=False, good={200: "Made"}, bad=(400, 401, 413, 503)),
    _Row(method="DELETE", path="/admin/keys/{name}", summary="Revoke a key.", security=_ADMIN, good={200: "Key"},
         bad=(400, 401, 503)),
    _Row(method="GET", path="/admin/usage", summary="Totals, or rows.", security=_ADMIN, query=_USAGE,
         good={200: "Object"}, bad=(400, 401, 503)),
)  # fmt: skip


# --- the values ----------------------------------------------------------------------------------------------------


def _struct(required: str = "", **properties: Schema) -> dict[str, Any]:
    """An open object."""
    return {"type": "object", "required": required.split(), "properties": {**properties}}


def _maybe(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


_TUNING = {"stream": _FLAG, "temperature": _NUMBER, "top_p": _NUMBER, "metadata": _OBJECT, "tools": _LIST}


_ERROR = _struct("message type", message=_TEXT, type=_TEXT, param=_maybe(_TEXT), code=_maybe(_TEXT))


def _schemas() -> dict[str, Any]:
    key = _struct("name from state", name=_TEXT, state=_TEXT, created=_maybe(_TEXT), expires=_maybe(_TEXT))
    key["properties"]["from"] = {"type": "string", "enum": ["file", "store"]}
    model = _struct("id", id=_TEXT, object=_TEXT, created=_COUNT)
    return {
        "ChatRequest": _struct(
            "model messages", model=_NAME, messages=_LIST, max_tokens=_COUNT, max_completion_tokens=_COUNT, n=_COUNT,
            stop={}, response_format=_OBJECT, tool_choice={}, reasoning_effort=_TEXT, user=_TEXT, **_TUNING,
        ),
        "ResponsesRequest": _struct(
            "model input", model=_NAME, input={"type": ["string", "array"]}, instructions=_TEXT, reasoning=_OBJECT,
            max_output_tokens=_COUNT, text=_OBJECT, tool_choice={}, store=_FLAG, previous_response_id=_TEXT, **_TUNING,
        ),
        "MessagesRequest": _struct(
            "model messages max_tokens", model=_NAME, messages=_LIST, max_tokens=_COUNT, tool_choice=_OBJECT,
            system={"type": ["string", "array"]}, stop_sequences=_LIST, thinking=_OBJECT, **_TUNING,
        ),
        "EmbeddingsRequest": _struct("model input", model=_NAME, input={"type": ["string", "array"]}, user=_TEXT),
        "CompletionsRequest": _struct("model prompt", model=_NAME, prompt={}, max_tokens=_COUNT, stream=_FLAG),
        "CountRequest": _struct("model messages", model=_NAME, messages=_LIST, tools=_LIST),
        "InputRequest": _struct("model input", model=_NAME, input={"type": ["string", "array"]}, tools=_LIST),
        "Question": {
            **_struct("request", request=_OBJECT, key=_maybe(_TEXT), headers=_TEXTS),
            "additionalProperties": False,
        },
        "NewKey": _struct(
            "name", name=_NAME, team=_TEXT, owner=_TEXT, expires=_TEXT, tags=_LIST, aliases=_LIST, limits=_OBJECT,
            budget=_OBJECT, data_class=_TEXT,
        ),
        "Override": _struct(policy=_TEXT, drain=_TEXT, ttl=_TEXT, until=_TEXT, reason=_TEXT),
        "Rotation": _struct(grace=_TEXT, expires=_maybe(_TEXT)),
        "Error": _struct("error", error=_ERROR, type=_TEXT, request_id=_maybe(_TEXT)),
        "Answer": _struct(),
        "Object": _struct(),
        "Text": dict(_TEXT),
        "Events": {"description": "Server-sent events, as the API that was asked tells them."},
        "Count": _struct("input_tokens", input_tokens={"type": "integer", "minimum": 0}, object=_TEXT),
        "Model": model,
        "Models": _struct("data", data={"type": "array", "items": _ref("Model")}, object=_TEXT, has_more=_FLAG),
        "List": _struct("object data", object=_TEXT, data=_LIST),
        "Deleted": _struct("id deleted", id=_TEXT, object=_TEXT, deleted=_FLAG),
        "Live": _struct("status", status=_TEXT),
        "Ready": _struct("ready draining generation backends", ready=_FLAG, draining=_FLAG, generation=_COUNT,
                         backends=_TEXTS),
        "Configuration": _struct("generation hash file config", generation=_COUNT, hash=_TEXT, file=_TEXT,
                                 config=_OBJECT),
        "Reload": _struct("ok", ok=_FLAG, generation=_COUNT, error=_TEXT),
        "Key": key,
        "Keys": _struct("keys store", keys={"type": "array", "items": _ref("Key")}, store=_TEXT),
        "Made": _struct("secret key", secret=_TEXT, key=_ref("Key")),
    }  # fmt: skip
