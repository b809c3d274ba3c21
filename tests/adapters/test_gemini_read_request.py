"""A Gemini client's question, read into the hub, and back again without a field lost."""

import contextlib
from pathlib import Path
from typing import Any

import gemini_recordings as recordings
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from adapters.google_gemini import DIALECT

GOOGLE = ir.Upstream(provider="google", dialect="google_gemini", model="m", family="google")
CONTEXT = ir.Context("ab12", 1_700_000_000)
HI = {"role": "user", "parts": [{"text": "Hi"}]}


def read(*contents: Any, **fields: Any) -> ir.Request:
    return DIALECT.read_request(msgspec.json.encode({"contents": list(contents) or [HI], **fields}))


def again(body: Any, upstream: ir.Upstream = GOOGLE) -> Any:
    request = DIALECT.read_request(msgspec.json.encode(body))
    return msgspec.json.decode(DIALECT.write_request(request, upstream, CONTEXT).body)


def test_recorded_requests_return_field_by_field(shared: Path) -> None:
    for name, body in recordings.requests(shared):
        assert recordings.spelt_alike(again(body)) == recordings.spelt_alike(body), name


FULL = {
    "contents": [
        HI,
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True, "thoughtSignature": "AAAA"},
                {"text": "", "thoughtSignature": "BBBB"},
                {"functionCall": {"name": "f", "args": {"n": 2512292042121000001}}, "thoughtSignature": "CCCC"},
                {"functionCall": {"id": "x", "name": "g.h", "args": {}}, "partMetadata": {"a": 1}},
                {"executableCode": {"language": "PYTHON", "code": "1"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"temperature": 20}, "scheduling": "SILENT"}},
                {"functionResponse": {"id": "x", "name": "g.h", "response": {"output": "ok"}}},
            ],
        },
        {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA", "displayName": "a"}}]},
        {
            "role": "user",
            "parts": [
                {"fileData": {"fileUri": "https://x/y.mp4", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 1}}
            ],
        },
    ],
    "systemInstruction": {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
    "tools": [
        {"googleSearch": {}},
        {
            "functionDeclarations": [
                {"name": "f", "description": "", "parametersJsonSchema": {"type": "object"}, "behavior": "BLOCKING"},
                {"name": "g.h", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}},
            ]
        },
    ],
    "toolConfig": {
        "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"], "streamFunctionCallArguments": True},
        "includeServerSideToolInvocations": True,
    },
    "generationConfig": {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "candidateCount": 1,
        "maxOutputTokens": 9,
        "stopSequences": ["x"],
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "seed": 3,
        "responseLogprobs": True,
        "logprobs": 2,
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT"},
        "responseModalities": ["TEXT"],
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "thinkingConfig": {"includeThoughts": False, "thinkingLevel": "LOW"},
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "cachedContent": "cachedContents/1",
    "serviceTier": "flex",
    "labels": {"team": "a"},
    "store": False,
    "somethingNew": {"a": [1, 2]},
}


def test_a_body_with_everything_returns_whole() -> None:
    assert again(FULL) == FULL


@pytest.mark.parametrize(
    "config",
    [
        {"mode": "VALIDATED"},
        {"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]},
        {"mode": "AUTO"},
        {"mode": "NONE"},
        {"mode": "ANY"},
        {"mode": "ANY", "allowedFunctionNames": ["f", "g"]},
    ],
)
def test_every_tool_config_returns(config: Any) -> None:
    body = {"contents": [HI], "toolConfig": {"functionCallingConfig": config}}
    assert again(body) == body


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"responseMimeType": "text/plain"},
        {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
        {"thinkingConfig": {"thinkingBudget": 0}},
        {"thinkingConfig": {"includeThoughts": True}},
    ],
)
def test_every_generation_config_returns(config: Any) -> None:
    body = {"contents": [HI], "generationConfig": config}
    assert again(body) == body
    thinks = msgspec.structs.replace(GOOGLE, capabilities=ir.Capabilities(thinking="budget", budgets={"low": 1024}))
    assert again(body, thinks) == body


def test_what_the_hub_hears() -> None:
    request = DIALECT.read_request(msgspec.json.encode(FULL))
    assert (request.family, request.model, request.stream) == ("google", "", False)
    assert [text.text for text in request.system] == ["a", "b"]
    assert [message.role for message in request.messages] == ["user", "assistant", "tool", "user", "user"]
    thought, bare, one, two, code = request.messages[1].blocks
    assert isinstance(thought, ir.Reasoning)
    assert thought.summary == ("hm",)
    assert thought.state == ir.VendorState("google", "thought_signature", "AAAA")
    assert isinstance(bare, ir.Text)
    assert isinstance(one, ir.ToolCall)
    assert one.arguments == '{"n":2512292042121000001}'
    assert isinstance(two, ir.ToolCall)
    assert (two.id, two.name) == ("x", "g.h")
    assert isinstance(code, ir.Opaque)
    first, second = request.messages[2].blocks
    assert isinstance(first, ir.ToolResult)
    assert isinstance(second, ir.ToolResult)
    assert first.id == one.id
    assert first.content == (ir.Text('{"temperature":20}'),)
    assert second.content == (ir.Text("ok"),)
    assert [tool.kind for tool in request.tools] == ["hosted", "function", "function"]
    assert request.tools[2].parameters == {"type": "object", "properties": {"a": {"type": "string"}}}
    assert request.tool_choice == ir.ToolChoice("named", ("f",), required=True)
    assert request.format == ir.Format("json_schema", schema={"type": "object"})
    assert (request.effort, request.thinking_budget, request.reasoning_summary) == ("low", None, None)
    assert (request.temperature, request.top_p, request.top_k, request.seed) == (0.5, 0.9, 40, 3)
    assert (request.n, request.max_output_tokens, request.stop) == (1, 9, ("x",))
    assert (request.presence_penalty, request.frequency_penalty) == (0.1, 0.2)
    assert (request.logprobs, request.top_logprobs, request.service_tier) == (True, 2, "flex")
    assert set(request.extras) == {
        "generationConfig",
        "toolConfig",
        "safetySettings",
        "cachedContent",
        "labels",
        "store",
        "somethingNew",
    }


def test_model_and_stream_are_read_where_they_stand() -> None:
    request = read(model="models/gemini-x", stream=True)
    assert (request.model, request.stream) == ("gemini-x", True)


def test_g14_answers_without_ids_belong_to_their_calls_by_name_and_order() -> None:
    call, answer = {"functionCall": {"name": "f"}}, {"functionResponse": {"name": "f", "response": {"error": "no"}}}
    request = read(HI, {"role": "model", "parts": [call, call]}, {"parts": [answer, answer]})
    asked = [block.id for block in request.messages[1].blocks if isinstance(block, ir.ToolCall)]
    answered = [block for block in request.messages[2].blocks if isinstance(block, ir.ToolResult)]
    assert [block.id for block in answered] == asked
    assert len(set(asked)) == 2
    assert all(block.is_error for block in answered)


def test_both_spellings_are_read() -> None:
    request = DIALECT.read_request(
        b'{"contents":[{"parts":[{"inline_data":{"mime_type":"audio/wav","data":"AA=="}}]}],'
        b'"system_instruction":{"parts":[{"text":"s"}]},"generation_config":{"max_output_tokens":4}}'
    )
    assert request.messages[0].blocks == (ir.Media("audio", data="AA==", media_type="audio/wav"),)
    assert (request.system[0].text, request.max_output_tokens) == ("s", 4)


def test_the_older_schema_is_told_to_others_as_json_schema() -> None:
    subset = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "nullable": True},
            "l": {"type": "ARRAY", "items": {"type": "INTEGER"}},
        },
        "anyOf": [{"type": "NUMBER"}],
    }
    tool = read(tools=[{"functionDeclarations": [{"name": "f", "parameters": subset}]}]).tools[0]
    assert tool.parameters == {
        "type": "object",
        "properties": {"type": {"type": ["string", "null"]}, "l": {"type": "array", "items": {"type": "integer"}}},
        "anyOf": [{"type": "number"}],
    }


def test_a_rule_that_sets_the_effort_outranks_what_the_client_wrote() -> None:
    body = {"contents": [HI], "generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}
    request = msgspec.structs.replace(DIALECT.read_request(msgspec.json.encode(body)), effort="high")
    levels = msgspec.structs.replace(GOOGLE, capabilities=ir.Capabilities(thinking="level", efforts=("low", "high")))
    sent = msgspec.json.decode(DIALECT.write_request(request, levels, CONTEXT).body)
    assert sent["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "HIGH"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": "Hi"}, "contents"),
        ({"contents": ["Hi"]}, "contents[0]"),
        ({"contents": [{"role": "boss", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"text": 1}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"inlineData": {}}]}]}, "contents[0].parts[0]"),
        (
            {"contents": [{"parts": [{"functionCall": {"name": "f", "args": [1]}}]}]},
            "contents[0].parts[0].functionCall.args",
        ),
        ({"contents": [HI], "systemInstruction": {"parts": [{"inlineData": {}}]}}, "systemInstruction.parts[0]"),
        ({"contents": [HI], "tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        (
            {"contents": [HI], "toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
        ({"contents": [HI], "generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"contents": [HI], "generationConfig": []}, "generationConfig"),
    ],
)
def test_g78_bad_input_is_named(body: Any, param: str) -> None:
    with pytest.raises(ir.Invalid) as caught:
        DIALECT.read_request(msgspec.json.encode(body))
    assert caught.value.failure.param == param
    assert caught.value.failure.status == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["parts", "text", "role", "functionCall", "inlineData", "args", "name"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(contents=JSON, config=JSON, tools=JSON)
def test_nothing_but_invalid_is_ever_raised(contents: Any, config: Any, tools: Any) -> None:
    body = {"contents": contents, "generationConfig": config, "tools": tools, "toolConfig": config}
    with contextlib.suppress(ir.Invalid):
        request = DIALECT.read_request(msgspec.json.encode(body))
        assert DIALECT.write_request(request, GOOGLE, CONTEXT).body
