"""The demo refuses what the real APIs refuse, with the vendor's own status and words."""

from typing import Any

import msgspec
import pytest
from asgi_post import post

from proxy.demo import create_app
from proxy.demo.base import seal
from proxy.demo.gemini_turns import signed_text

USER = {"role": "user", "content": "Hi, answer in JSON"}
FN: dict[str, Any] = {"name": "f", "parameters": {"type": "object", "properties": {}}}
CHAT_FN = {"type": "function", "function": FN}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
OPEN_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}

CHAT: list[tuple[str, dict[str, Any], str]] = [
    ("unknown field", {"foo": 1}, "Unknown parameter: 'foo'."),
    ("unknown nested field", {"messages": [{**USER, "foo": 1}]}, "Unknown parameter: 'messages[0].foo'."),
    ("no messages", {"messages": []}, "empty array"),
    ("wrong type", {"temperature": "hot"}, "Invalid type for 'temperature'"),
    ("out of range", {"temperature": 3}, "Invalid type for 'temperature'"),
    ("unknown role", {"messages": [{"role": "robot", "content": "x"}]}, "Invalid value: 'robot'"),
    ("unanswered calls", {"messages": [USER, CALLED, USER]}, "did not have response messages: c1"),
    ("lone result", {"messages": [USER, {"role": "tool", "tool_call_id": "x", "content": ""}]}, "must be a response"),
    (
        "image in a tool result",
        {
            "messages": [
                USER,
                CALLED,
                {
                    "role": "tool",
                    "tool_call_id": "c1",
                    "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}],
                },
            ]
        },
        "Invalid value: 'image_url'",
    ),
    ("five stops", {"stop": ["1", "2", "3", "4", "5"]}, "maximum length 4"),
    ("bad tool name", {"tools": [{"type": "function", "function": {"name": "a.b"}}]}, "does not match pattern"),
    ("long tool name", {"tools": [{"type": "function", "function": {"name": "a" * 65}}]}, "maximum length 64"),
    ("choice without tools", {"tool_choice": "auto"}, "only allowed when 'tools' are specified"),
    ("unknown choice", {"tools": [CHAT_FN], "tool_choice": "maybe"}, "Invalid value: 'maybe'"),
    ("options without stream", {"stream_options": {"include_usage": True}}, "when 'stream' is enabled"),
    (
        "open strict schema",
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "strict": True, "schema": OPEN_SCHEMA},
            }
        },
        "'additionalProperties' is required",
    ),
    (
        "no json word",
        {"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_object"}},
        "must contain the word 'json'",
    ),
    (
        "local reasoning field",
        {"messages": [{"role": "assistant", "content": "a", "reasoning": "b"}]},
        "Unknown parameter: 'messages.[0].reasoning'",
    ),
    (
        "bad image",
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}
            ]
        },
        "Expected a valid URL",
    ),
    ("tools with effort", {"model": "gpt-5.6-sol", "tools": [CHAT_FN], "reasoning_effort": "low"}, "/v1/responses"),
    ("max_tokens", {"model": "gpt-5", "max_tokens": 5}, "Use 'max_completion_tokens' instead"),
    ("temperature", {"model": "o3", "temperature": 0}, "Only the default (1) value is supported"),
    ("top_p", {"model": "gpt-6-sol", "top_p": 0.5}, "'top_p' is not supported with this model"),
]

FUNCTION = {"type": "function", **FN}
OUTPUT = {"type": "function_call_output", "call_id": "c9", "output": "x"}
FCALL = {"type": "function_call", "call_id": "c9", "name": "f", "arguments": "{}"}
RESPONSES: list[tuple[str, dict[str, Any], str]] = [
    *[
        (name, {name: value}, f"Unknown parameter: '{name}'.")
        for name, value in {"n": 1, "stop": "x", "seed": 1, "messages": [], "max_tokens": 5, "logit_bias": {}}.items()
    ],
    ("no input", {"input": None}, "Invalid type for 'input'"),
    ("output without call", {"input": [USER, OUTPUT]}, "No tool call found for function call output with call_id c9"),
    ("call without output", {"input": [USER, FCALL, USER]}, "No tool output found for function call c9"),
    (
        "input part for the assistant",
        {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": ""}]}]},
        "Supported values are: 'output_text' and 'refusal'",
    ),
    ("chat part", {"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "Invalid value: 'text'"),
    ("chat tool", {"tools": [CHAT_FN]}, "tools[0]."),
    ("unknown tool", {"tools": [{"type": "magic"}]}, "Invalid value: 'magic'"),
    (
        "foreign state",
        {"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "Er4C"}, USER]},
        "could not be verified",
    ),
    (
        "lone reasoning",
        {"input": [USER, {"type": "reasoning", "id": "rs_1", "summary": []}]},
        "required following item",
    ),
    ("unknown previous", {"previous_response_id": "resp_x"}, "Previous response with id 'resp_x' not found"),
    (
        "temperature while reasoning",
        {"temperature": 0, "reasoning": {"effort": "low"}},
        "'temperature' is not supported",
    ),
    ("unknown effort", {"reasoning": {"effort": "huge"}}, "Invalid value: 'huge'"),
    ("few tokens", {"max_output_tokens": 1}, "max_output_tokens"),
]

USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}
TEXT = {"type": "text", "text": "x"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}


def turns(*contents: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[index % 2], "content": content} for index, content in enumerate(contents)]}


def shaped(schema: dict[str, Any]) -> dict[str, Any]:
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def image(kind: str) -> dict[str, Any]:
    return turns([{"type": "image", "source": {"type": "base64", "media_type": kind, "data": "AAAA"}}])


CLAUDE: list[tuple[str, dict[str, Any], str]] = [
    ("unknown field", {"seed": 1}, "seed: Extra inputs are not permitted"),
    ("no max_tokens", {"max_tokens": None}, "max_tokens"),
    ("assistant first", {"messages": [{"role": "assistant", "content": "x"}, USER]}, 'must use the "user" role'),
    ("system turn", {"messages": [USER, {"role": "system", "content": "x"}]}, "role 'system' is not supported"),
    ("prefill", turns("a", "b"), "does not support assistant message prefill"),
    ("empty text", turns([{"type": "text", "text": ""}]), "must be non-empty"),
    ("blank text", turns(" "), "must contain non-whitespace"),
    ("empty message", turns([]), "non-empty content"),
    ("unanswered use", turns("a", [USE], "b"), "without `tool_result` blocks immediately after: t1"),
    ("result of nothing", turns([RESULT]), "unexpected `tool_use_id`"),
    ("text before result", turns("a", [USE], [TEXT, RESULT]), "must come before any other content"),
    ("one of two results", turns("a", [USE, {**USE, "id": "t2"}], [RESULT]), "immediately after: t2"),
    ("bad id", turns("a", [{**USE, "id": "f.b:0"}], "b"), "String should match pattern"),
    ("bad tool name", {"tools": [{**TOOL, "name": "a/b"}]}, "tools.0.custom.name"),
    ("twin tools", {"tools": [TOOL, TOOL]}, "Tool names must be unique"),
    ("choice without tools", {"tool_choice": {"type": "auto"}}, "while providing tools"),
    ("strange tool", {"tool_choice": {"type": "tool", "name": "g"}, "tools": [TOOL]}, "Tool 'g' not found"),
    (
        "forced on a model that cannot",
        {"model": "claude-opus-5-5", "tools": [TOOL], "tool_choice": {"type": "any"}},
        "forcing tool use is not supported",
    ),
    ("blank stop", {"stop_sequences": ["\n"]}, "must contain non-whitespace"),
    ("temperature", {"temperature": 1}, "`temperature` is not supported"),
    ("top_p on sonnet 5", {"model": "claude-sonnet-5", "top_p": 1}, "`top_p` is not supported"),
    ("hot old model", {"model": "claude-sonnet-4-5", "temperature": 1.7}, "temperature"),
    ("budget", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.type.adaptive"),
    (
        "budget over max",
        {"model": "claude-opus-4-5", "thinking": {"type": "enabled", "budget_tokens": 2000}},
        "must be greater than `thinking.budget_tokens`",
    ),
    ("adaptive on an old model", {"model": "claude-sonnet-4-5", "thinking": {"type": "adaptive"}}, "not supported"),
    ("disabled where always on", {"model": "claude-fable-5-1", "thinking": {"type": "disabled"}}, "cannot be disabled"),
    ("open schema", shaped(OPEN_SCHEMA), "'additionalProperties' must be explicitly set to false"),
    (
        "unsupported keyword",
        shaped(
            {"type": "object", "additionalProperties": False, "properties": {"n": {"type": "integer", "minimum": 1}}}
        ),
        "'minimum' is not supported",
    ),
    ("image/jpg", image("image/jpg"), "image/jpg"),
    (
        "foreign signature",
        turns("a", [{"type": "thinking", "thinking": "x", "signature": "Er4C"}, TEXT], "b"),
        "Invalid `signature`",
    ),
    (
        "altered thinking",
        turns("a", [{"type": "thinking", "thinking": "altered", "signature": seal("anthropic", "x")}, TEXT], "b"),
        "Invalid `signature`",
    ),
    (
        "no thinking before the tool use",
        {
            "model": "claude-sonnet-4-5",
            "max_tokens": 2000,
            **turns("a", [USE], [RESULT]),
            "thinking": {"type": "enabled", "budget_tokens": 1024},
        },
        "Expected `thinking`",
    ),
]

DECLARED = {"functionDeclarations": [{"name": "f"}]}
GCALL = {"functionCall": {"name": "f", "args": {}}}
GRESULT = {"functionResponse": {"name": "f", "response": {"output": "x"}}}
SKIP = {**GCALL, "thoughtSignature": "skip_thought_signature_validator"}


def talk(*parts: list[dict[str, Any]]) -> dict[str, Any]:
    roles = ("user", "model")
    return {"contents": [{"role": roles[index % 2], "parts": list(one)} for index, one in enumerate(parts)]}


def keyword(schema: dict[str, Any]) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", **schema}}]}]}


GEMINI: list[tuple[str, dict[str, Any], str]] = [
    ("unknown field", {"messages": []}, 'Unknown name "messages": Cannot find field.'),
    ("unknown option", {"generationConfig": {"maxTokens": 5}}, "Unknown name \"maxTokens\" at 'generation_config'"),
    ("no contents", {"contents": []}, "contents is not specified"),
    ("role", {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "Please use a valid role: user, model."),
    ("empty part", talk([{}]), "must have one initialized field"),
    ("no parts", talk([]), "must not be empty"),
    ("too few responses", talk([{"text": "a"}], [SKIP, GCALL], [GRESULT]), "number of function response parts"),
    ("response of nothing", talk([GRESULT]), "immediately after a function call turn"),
    ("unanswered call", talk([{"text": "a"}], [SKIP], [{"text": "b"}]), "immediately before a function response"),
    ("no signature", talk([{"text": "a"}], [GCALL], [GRESULT]), "missing a thought_signature"),
    ("foreign signature", talk([{"text": "a"}], [{**GCALL, "thoughtSignature": "gAAAAA=="}], [GRESULT]), "Corrupted"),
    (
        "signature of another call",
        talk([{"text": "a"}], [{**GCALL, "thoughtSignature": seal("google", signed_text("g", {}))}], [GRESULT]),
        "Corrupted",
    ),
    ("not base64", talk([{"text": "a"}], [{**GCALL, "thoughtSignature": "é!"}], [GRESULT]), "Base64 decoding failed"),
    (
        "string response",
        talk([{"text": "a"}], [SKIP], [{"functionResponse": {"name": "f", "response": "x"}}]),
        "function_response.response",
    ),
    *[
        (f"schema {name}", keyword({name: value}), f'Unknown name "{name}"')
        for name, value in {
            "additionalProperties": False,
            "$schema": "x",
            "const": 1,
            "exclusiveMinimum": 1,
            "oneOf": [],
        }.items()
    ],
    ("type list", keyword({"properties": {"a": {"type": ["string", "null"]}}}), "Invalid value at"),
    (
        "budget and level",
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}}},
        "only one of thinking budget and thinking level",
    ),
    ("xhigh", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "XHIGH"}}}, "XHIGH is not supported"),
    ("http file", talk([{"fileData": {"fileUri": "https://example.com/a.png"}}]), "unsupported file uri"),
    ("image/jpg", talk([{"inlineData": {"mimeType": "image/jpg", "data": "AAAA"}}]), "Unsupported MIME type"),
    ("data URL", talk([{"inlineData": {"mimeType": "image/png", "data": "data:image/png;base64,AA"}}]), "Base64"),
    ("function name", {"tools": [{"functionDeclarations": [{"name": "a/b"}]}]}, "Invalid function name"),
    (
        "allowed names in AUTO",
        {"tools": [DECLARED], "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}}},
        "only when the function calling mode is ANY",
    ),
    ("six stops", {"generationConfig": {"stopSequences": list("abcdef")}}, "stop_sequences"),
    ("schema without mime type", {"generationConfig": {"responseJsonSchema": {}}}, "response_mime_type"),
]


def case(name: str) -> Any:
    cases = {"chat": CHAT, "responses": RESPONSES, "claude": CLAUDE, "gemini": GEMINI}[name]
    return pytest.mark.parametrize(("change", "reason"), [pytest.param(*one[1:], id=one[0]) for one in cases])


async def refused(path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = await post(create_app(), path, body, headers)
    assert answer.status == 400, answer.body
    error: dict[str, Any] = msgspec.json.decode(answer.body)
    return error


@pytest.mark.anyio
@case("chat")
async def test_chat_refuses(change: dict[str, Any], reason: str) -> None:
    body = await refused("/v1/chat/completions", {"model": "demo-chat", "messages": [USER], **change})
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["type"] == "invalid_request_error"
    assert reason in body["error"]["message"]


@pytest.mark.anyio
@case("responses")
async def test_responses_refuses(change: dict[str, Any], reason: str) -> None:
    body = await refused("/v1/responses", {"model": "demo-openai", "input": "Hi", **change})
    assert reason in f"{body['error']['message']} {body['error']['param']}"


@pytest.mark.anyio
@case("claude")
async def test_messages_refuses(change: dict[str, Any], reason: str) -> None:
    request = {"model": "demo-claude", "max_tokens": 99, "messages": [USER], **change}
    body = await refused("/v1/messages", request, {"anthropic-version": "2023-06-01"})
    assert body["type"] == "error"
    assert body["error"]["type"] == "invalid_request_error"
    assert reason in body["error"]["message"]


@pytest.mark.anyio
@case("gemini")
async def test_gemini_refuses(change: dict[str, Any], reason: str) -> None:
    body = await refused("/v1beta/models/demo-gemini:generateContent", {**talk([{"text": "Hi"}]), **change})
    assert body["error"]["status"] == "INVALID_ARGUMENT"
    assert body["error"]["code"] == 400
    assert reason in body["error"]["message"]


@pytest.mark.anyio
async def test_anthropic_version_is_required() -> None:
    request = {"model": "demo-claude", "max_tokens": 9, "messages": [USER]}
    assert "anthropic-version" in (await refused("/v1/messages", request))["error"]["message"]


@pytest.mark.anyio
async def test_a_vllm_like_server_ignores_unknown_fields_and_takes_reasoning_back() -> None:
    history = [USER, {"role": "assistant", "content": "a", "reasoning": "b", "mystery": 1}, USER]
    body = {"model": "demo-local", "messages": history, "top_k": 3, "chat_template_kwargs": {}}
    assert (await post(create_app(), "/v1/chat/completions", body)).status == 200
    error = await refused("/v1/chat/completions", {"model": "demo-local", "messages": []})
    assert (error["error"]["type"], error["error"]["code"]) == ("BadRequestError", 400)


@pytest.mark.anyio
async def test_signatures_of_the_current_turn_may_be_skipped_in_either_spelling() -> None:
    path = "/v1beta/models/demo-gemini:generateContent"
    for state in ("skip_thought_signature_validator", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="):
        body = talk([{"text": "a"}], [{**GCALL, "thoughtSignature": state}], [GRESULT])
        assert (await post(create_app(), path, body)).status == 200
    earlier = talk([{"text": "a"}], [GCALL], [GRESULT], [{"text": "b"}], [{"text": "c"}])
    assert (await post(create_app(), path, earlier)).status == 200
    older = talk([{"text": "a"}], [GCALL], [GRESULT])
    assert (await post(create_app(), path.replace("demo-gemini", "gemini-2.5-pro"), older)).status == 200


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("/v1/responses", "authorization"),
        ("/v1/messages", "x-api-key"),
        ("/v1beta/models/demo-gemini:generateContent", "x-goog-api-key"),
    ],
)
async def test_keys_are_asked_for_when_required(path: str, header: str) -> None:
    app = create_app(require_keys=True)
    for headers in ({}, {header: "invalid"}):
        assert (await post(app, path, {"model": "demo-openai"}, headers)).status == 401
    assert (await post(app, path, {"model": "demo-openai"}, {header: "Bearer good"})).status != 401
    local = {"model": "demo-local", "messages": [USER]}
    assert (await post(app, "/v1/chat/completions", local)).status == 200


@pytest.mark.anyio
async def test_bodies_that_are_no_json_objects() -> None:
    for path in ("/v1/chat/completions", "/v1/messages", "/v1beta/models/demo-gemini:generateContent"):
        for body in (b"{", b"[]", b"\xff", b""):
            assert (await post(create_app(), path, body)).status == 400
