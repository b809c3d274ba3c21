"""The writer of requests: what each kind of chat server is sent, and what it cannot be told."""

from typing import Any

import msgspec
import pytest
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai_chat_kit import CONTEXT, read, upstream, written
from pydantic import TypeAdapter

from adapters import ir
from adapters.openai_chat import DIALECT

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
CUSTOM = {"type": "custom", "custom": {"name": "sh", "format": {"type": "text"}}}
EXACT = {"files": True, "audio": True, "custom_tools": True, "service_tiers": True, "verbosity": True}


def refused(request: ir.Request, **can: Any) -> dict[str, str]:
    wire = can.pop("wire", "variant")
    return {named.name: named.kind for named in DIALECT.refuses(request, upstream(wire, **can))}


def message(role: ir.Role, *blocks: ir.Block, **more: Any) -> ir.Message:
    return ir.Message(role, blocks, **more)


def responses_born(*messages: ir.Message, **fields: Any) -> ir.Request:
    return ir.Request(model="m", messages=messages, dialect="openai_responses", **fields)


def test_g53_one_leading_system_message_order_kept() -> None:
    request = read(
        {"role": "system", "content": "a"},
        {"role": "user", "content": "hi"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
    )
    request = msgspec.structs.replace(request, system=(ir.Text("top"),))
    assert written(request, upstream(one_system=True))["messages"] == [
        {"role": "system", "content": "top\n\na\n\nb\nc"},
        {"role": "user", "content": "hi"},
    ]
    assert [m["role"] for m in written(request)["messages"]] == ["system", "system", "user", "system"]
    assert [m["role"] for m in written(request, upstream("exact"))["messages"]] == [
        "system",
        "system",
        "user",
        "developer",
    ]
    assert written(read(), upstream(one_system=True))["messages"] == [{"role": "user", "content": "hi"}]


def test_g74_lists_of_text_arrive_whole() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    request = read({"role": "assistant", "content": parts}, {"role": "tool", "tool_call_id": "t", "content": parts})
    assert [m["content"] for m in written(request)["messages"]] == ["a\nb", "a\nb"]
    assert [m["content"] for m in written(request, upstream("exact"))["messages"]] == [parts, parts]


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_g50_one_limit_under_the_right_name(field: str) -> None:
    body = written(read(max_tokens=5, max_completion_tokens=9), upstream(max_tokens_field=field, max_output=8))
    assert {name: body[name] for name in body if "max" in name} == {field: 8}
    assert refused(read(max_tokens=9), max_output=8, max_tokens_field=field) == {field: "tuning"}


def test_g29_reasoning_goes_back_under_the_servers_own_name_and_never_to_openai() -> None:
    request = read({"role": "assistant", "content": "a", "reasoning_content": "hm"}, {"role": "user", "content": "b"})
    assert written(request, upstream(reasoning_field="reasoning"))["messages"][0] == {
        "role": "assistant",
        "content": "a",
        "reasoning": "hm",
    }
    assert written(request, upstream("exact"))["messages"][0] == {"role": "assistant", "content": "a"}
    summary = responses_born(message("assistant", ir.Reasoning(summary=("one", "two")), ir.Text("a")))
    assert written(summary)["messages"][0]["reasoning_content"] == "one\n\ntwo"


def test_reasoning_that_a_server_takes_nowhere_is_named() -> None:
    request = read({"role": "assistant", "content": "a", "reasoning_content": "hm"}, {"role": "user", "content": "b"})
    strict = upstream(reasoning_field=None)
    assert written(request, strict)["messages"][0] == {"role": "assistant", "content": "a"}
    assert refused(request, reasoning_field=None) == {"messages.reasoning": "tuning"}


def test_top_logprobs_of_none_do_not_stand_alone() -> None:
    asked = ir.Request(model="m", messages=(message("user", ir.Text("a")),), dialect="openai_responses", top_logprobs=0)
    assert "top_logprobs" not in written(asked)


def test_a_tool_loop() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"n": 1.50}'}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]
    body = written(read(*messages, tools=[FUNCTION], tool_choice="required", parallel_tool_calls=False))
    assert body["messages"] == messages
    assert body["tools"] == [FUNCTION]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)
    bare = written(
        read(*messages, tools=[FUNCTION], parallel_tool_calls=True), upstream(parallel_tools=False, strict_tools=False)
    )
    assert "parallel_tool_calls" not in bare
    assert "strict" not in bare["tools"][0]["function"]
    assert "tools" not in written(read(tools=[FUNCTION]), upstream(tools=False))


def test_images_of_tool_results_move_to_the_next_user_message() -> None:
    image = ir.Media("image", data="aGk=", media_type="image/png")
    shown = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    label = {"type": "text", "text": "The result of tool call a:"}
    results = message(
        "user", ir.ToolResult("a", (ir.Text("see"), image)), ir.ToolResult("b", (ir.Text("ok"),)), ir.Text("so?")
    )
    assert written(responses_born(results))["messages"] == [
        {"role": "tool", "tool_call_id": "a", "content": "see"},
        {"role": "tool", "tool_call_id": "b", "content": "ok"},
        {"role": "user", "content": [label, shown, {"type": "text", "text": "so?"}]},
    ]
    alone = responses_born(message("tool", ir.ToolResult("a", (image,))))
    assert written(alone)["messages"] == [
        {"role": "tool", "tool_call_id": "a", "content": "See the following message."},
        {"role": "user", "content": [label, shown]},
    ]


def test_custom_tools_are_written_as_they_came() -> None:
    history = {
        "role": "assistant",
        "tool_calls": [{"id": "b", "type": "custom", "custom": {"name": "sh", "input": 'ls "x"'}}],
    }
    request = read(history, tools=[CUSTOM], tool_choice={"type": "custom", "custom": {"name": "sh"}})
    native = written(request, upstream("exact", custom_tools=True))
    assert native["tools"] == [CUSTOM]
    assert native["tool_choice"] == {"type": "custom", "custom": {"name": "sh"}}
    assert native["messages"][0]["tool_calls"] == history["tool_calls"]
    assert refused(request, custom_tools=True) == {}


def test_g36_a_grammar_is_nested_here_and_flat_in_responses() -> None:
    rules = {"syntax": "lark", "definition": "x"}
    nested = {"type": "custom", "custom": {"name": "sh", "format": {"type": "grammar", "grammar": rules}}}
    request = read(tools=[nested])
    assert request.tools[0].format == {"type": "grammar", **rules}
    assert written(request, upstream("exact", custom_tools=True))["tools"] == [nested]


def test_allowed_tools_are_written_as_they_came() -> None:
    other = {"type": "function", "function": {"name": "g", "parameters": {"type": "object"}}}
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    request = read(tools=[FUNCTION, other], tool_choice=choice)
    assert written(request, upstream("exact"))["tool_choice"] == choice


def test_g36_structured_output_of_a_responses_request() -> None:
    shape = ir.Format("json_schema", "n", {"type": "object"}, True)
    body = written(responses_born(message("user", ir.Text("a")), format=shape, verbosity="low"))
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}},
    }
    assert "verbosity" not in body
    assert written(read(response_format={"type": "json_object"}))["response_format"] == {"type": "json_object"}
    assert "response_format" not in written(read(response_format={"type": "text"}))


def test_streams_always_ask_for_usage() -> None:
    body = written(read(stream=True, stream_options={"include_usage": False, "include_obfuscation": True}))
    assert body["stream"] is True
    assert body["stream_options"] == {"include_obfuscation": True, "include_usage": True}
    assert "stream_options" not in written(read(stream_options={"include_obfuscation": True}))


def test_g54_extras_go_back_byte_for_byte_to_their_own_family_only() -> None:
    raw = b'{"model":"m","messages":[{"role":"user","content":"a","x":[1, 2]}],"chat_template_kwargs":{ "a" : 1e5 }}'
    request = DIALECT.read_request(raw)
    sent = DIALECT.write_request(request, upstream(), CONTEXT).body
    assert b'"chat_template_kwargs":{ "a" : 1e5 }' in sent
    assert b'"x":[1, 2]' in sent
    foreign = msgspec.structs.replace(request, family="anthropic", dialect="anthropic_messages")
    body = written(foreign)
    assert "chat_template_kwargs" not in body
    assert "x" not in body["messages"][0]
    assert refused(foreign) == {"chat_template_kwargs": "unknown"}


def test_fields_of_the_other_openai_dialect_are_left_out_and_named() -> None:
    extras = {"truncation": msgspec.Raw(b'"auto"'), "new": msgspec.Raw(b"1")}
    request = responses_born(
        message("user", ir.Text("a"), extras={"status": msgspec.Raw(b'"completed"')}), extras=extras
    )
    body = written(request)
    assert (body["new"], "truncation" in body) == (1, False)
    assert body["messages"] == [{"role": "user", "content": "a"}]
    assert refused(request) == {"truncation": "unknown"}


def test_g61_cache_control_never_reaches_an_openai_like_server() -> None:
    cached = {
        "type": "text",
        "text": "a",
        "cache_control": {"type": "ephemeral"},
        "prompt_cache_breakpoint": {"mode": "explicit"},
    }
    tool = FUNCTION | {"cache_control": {"type": "ephemeral"}}
    request = read({"role": "user", "content": [cached], "cache_control": {}}, tools=[tool])
    for wire in ("exact", "variant"):
        assert b"cache_control" not in DIALECT.write_request(request, upstream(wire), CONTEXT).body
    assert written(request, upstream("exact"))["messages"][0]["content"][0]["prompt_cache_breakpoint"]


def test_operators_options_are_set_last() -> None:
    body = written(read(x=1), upstream(options={"x": 2, "top_k": 5}))
    assert (body["x"], body["top_k"]) == (2, 5)


@pytest.mark.parametrize(
    ("asked", "can", "sent"),
    [
        ("high", {"thinking": "effort", "efforts": ("low", "medium", "high")}, "high"),
        ("max", {"thinking": "effort", "efforts": ("low", "medium", "high")}, "high"),
        ("minimal", {"thinking": "effort", "efforts": ("none", "low")}, "low"),
        ("none", {"thinking": "effort", "efforts": ("none", "low")}, "none"),
        ("none", {"thinking": "effort", "efforts": ("low", "high"), "can_disable_thinking": False}, "low"),
        ("xhigh", {"thinking": "effort"}, "xhigh"),
        ("high", {}, None),
        ("none", {}, None),
        (None, {"thinking": "effort"}, None),
    ],
)
def test_effort_is_the_nearest_that_the_backend_knows(asked: str | None, can: dict, sent: str | None) -> None:
    request = read(reasoning_effort=asked)
    out = DIALECT.write_request(request, upstream(**can), CONTEXT)
    assert (out.effort, msgspec.json.decode(out.body).get("reasoning_effort")) == (sent, sent)
    silent = asked == sent or (asked == "none" and sent is None)
    assert refused(request, **can) == ({} if silent else {"reasoning_effort": "tuning"})


def test_effort_beside_tools_and_from_a_budget() -> None:
    request = read(tools=[FUNCTION], reasoning_effort="high")
    can = {"thinking": "effort", "chat_tools_with_effort": False}
    assert "reasoning_effort" not in written(request, upstream("exact", **can))
    assert refused(request, wire="exact", **can) == {"reasoning_effort": "tuning"}
    assert written(read(tools=[FUNCTION], reasoning_effort="none"), upstream(**can))["reasoning_effort"] == "none"
    budget = ir.Request(model="m", messages=(message("user", ir.Text("a")),), thinking_budget=20_000)
    assert written(budget, upstream(thinking="effort"))["reasoning_effort"] == "high"


TUNING = {
    "temperature": 0.2,
    "top_p": 1,
    "top_k": 4,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "seed": 1,
    "verbosity": "low",
    "service_tier": "flex",
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "store": True,
    "metadata": {"a": "b"},
}
CONTRACT = {"n": 2, "logprobs": True, "top_logprobs": 2, "logit_bias": {"1": 1.0}, "modalities": ["audio"]}
NOTHING = {
    "sampling": False,
    "penalties": False,
    "seed": False,
    "choices": False,
    "logprobs": False,
    "logit_bias": False,
}


def test_d11_what_a_backend_does_not_take_is_left_out_and_named() -> None:
    request = read(**TUNING, **CONTRACT)
    body = written(request, upstream(**NOTHING))
    assert body.keys() == {"model", "messages"}
    assert refused(request, **NOTHING) == dict.fromkeys(TUNING, "tuning") | dict.fromkeys(CONTRACT, "contract")


def test_what_openai_takes_is_sent_to_it() -> None:
    request = read(**TUNING, **CONTRACT)
    body = written(request, upstream("exact", **EXACT))
    expected = {name: value for name, value in (TUNING | CONTRACT).items() if name != "top_k"}
    assert {name: body[name] for name in expected} == expected
    assert refused(request, wire="exact", **EXACT) == {"top_k": "tuning"}


def test_values_that_ask_for_nothing_are_not_named() -> None:
    request = read(
        n=1, logprobs=False, presence_penalty=0, modalities=["text"], store=False, logit_bias={}, metadata={}
    )
    assert refused(request, **NOTHING) == {}


def test_limits_of_stop_and_temperature() -> None:
    request = read(stop=["a", "b", "c"], temperature=1.7)
    assert refused(request, max_stop=2, max_temperature=1.0) == {"stop": "contract", "temperature": "tuning"}
    assert written(request, upstream(max_temperature=1.0))["temperature"] == 1.0
    assert written(request)["stop"] == ["a", "b", "c"]


def test_contract_of_tools() -> None:
    forced = read(tools=[FUNCTION], tool_choice="required")
    assert refused(forced, forced_tools=False) == {"tool_choice": "contract"}
    assert refused(read(tools=[FUNCTION], tool_choice="auto"), forced_tools=False, strict_tools=False) == {
        "tools[0].strict": "tuning"
    }
    assert refused(forced, tools=False) == {"tools": "contract"}
    assert refused(read(tools=[FUNCTION, {"type": "web_search"}])) == {"tools[1]": "contract"}


def test_media_are_refused_fetched_or_written() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "https://h/x", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}},
    ]
    request = read({"role": "user", "content": parts})
    assert written(request, upstream("exact", **EXACT))["messages"][0]["content"] == parts
    assert DIALECT.needs(request, upstream()) == []
    local = upstream(image_urls=False, **EXACT)
    need = ir.Need("media_url", "https://h/x")
    assert DIALECT.needs(request, local) == [need]
    context = ir.Context("5eed", 1, {need: ir.Media("image", data="QUJD", media_type="image/png")})
    image = written(request, local, context)["messages"][0]["content"][0]
    assert image == {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}}
    with pytest.raises(ir.Invalid):
        written(request, local)
    kinds = [named.kind for named in DIALECT.refuses(request, upstream(images=False))]
    assert kinds == ["contract"] * 3


def test_references_that_the_backend_cannot_follow() -> None:
    document = ir.Media("file", url="https://h/a.pdf", name="a.pdf")
    request = responses_born(message("tool", ir.ToolResult("t", (document,))))
    assert DIALECT.needs(request, upstream("exact", files=True)) == [ir.Need("media_url", "https://h/a.pdf")]
    uploaded = read({"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]})
    assert refused(uploaded, files=True) == {"messages[0]": "contract"}
    assert refused(uploaded, wire="exact", files=True) == {}
    sent = written(uploaded, upstream("exact", files=True))["messages"][0]["content"]
    assert sent == [{"type": "file", "file": {"file_id": "file-1"}}]


def test_content_of_unknown_type_is_contract() -> None:
    request = read({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "video_url", "video_url": {}}]})
    assert refused(request, wire="exact") == {"messages[0]": "contract"}


def test_refusals_in_history() -> None:
    request = read({"role": "assistant", "content": None, "refusal": "no"})
    assert written(request, upstream("exact"))["messages"] == [{"role": "assistant", "content": None, "refusal": "no"}]
    assert written(request)["messages"] == [{"role": "assistant", "content": "no"}]


def test_g62_the_shared_prefix_is_byte_identical_between_turns() -> None:
    first = [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]
    later = [*first, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    one, two = (
        DIALECT.write_request(read(*turn, tools=[FUNCTION]), upstream(), CONTEXT).body for turn in (first, later)
    )
    prefix = one[: one.index(b'],"tools"')]
    assert two.startswith(prefix)


@pytest.mark.parametrize("stream", [True, False])
def test_what_openai_is_sent_fits_the_sdks_request_types(stream: bool) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://h/x"}}]
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    request = read(
        {"role": "developer", "content": "d"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        {"role": "user", "content": "go on", "name": "joe"},
        tools=[FUNCTION, CUSTOM],
        tool_choice="auto",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        reasoning_effort="low",
        max_tokens=7,
        stop="x",
        stream=stream,
        **{name: value for name, value in (TUNING | CONTRACT).items() if name != "top_k"},
    )
    body = written(request, upstream("exact", thinking="effort", **EXACT))
    shape = CompletionCreateParamsStreaming if stream else CompletionCreateParamsNonStreaming
    assert (
        body.keys()
        <= shape.__annotations__.keys() | CompletionCreateParamsNonStreaming.__mro__[0].__annotations__.keys()
    )
    TypeAdapter(shape).validate_python(body)
