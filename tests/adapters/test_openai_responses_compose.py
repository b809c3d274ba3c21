"""The hub's request written for a Responses upstream: what is sent, what is left out, and that this is named."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import msgspec
import pytest
from openai.types.responses import response_create_params
from pydantic import TypeAdapter
from responses_kit import CONTEXT, LOCAL, OPENAI
from vendor_types import closed

from adapters import ir
from adapters.fitting import fit
from adapters.openai_responses import DIALECT

USER = ir.Message("user", (ir.Text("Hi"),))


@cache
def _types() -> TypeAdapter[Any]:
    return TypeAdapter(closed(response_create_params.ResponseCreateParamsNonStreaming))


def question(*messages: ir.Message, **fields: Any) -> ir.Request:
    """A question as chat clients ask it."""
    return ir.Request(model="auto", messages=messages or (USER,), dialect="openai_chat", **fields)


def sent(request: ir.Request, upstream: ir.Upstream = OPENAI, context: ir.Context = CONTEXT) -> dict[str, Any]:
    body = json.loads(DIALECT.write_request(request, upstream, context).body)
    assert body.pop("stream") is request.stream
    _types().validate_python(body)
    return body


def own(**fields: Any) -> dict[str, Any]:
    """What is sent of a Responses client's request."""
    asked = {"model": "auto", "input": "Hi", **fields}
    return sent(DIALECT.read_request(json.dumps(asked).encode()))


def named(request: ir.Request, upstream: ir.Upstream = OPENAI) -> dict[str, str]:
    return {told.name: told.kind for told in DIALECT.refuses(request, upstream)}


def can(base: ir.Upstream = OPENAI, **changes: Any) -> ir.Upstream:
    return msgspec.structs.replace(base, capabilities=msgspec.structs.replace(base.capabilities, **changes))


def test_a_plain_question() -> None:
    written = DIALECT.write_request(question(), OPENAI, CONTEXT)
    assert json.loads(written.body) == {
        "model": "gpt-6-sol",
        "input": [{"role": "user", "content": "Hi"}],
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "stream": False,
    }
    assert (written.path, written.effort) == ("/responses", None)


def test_store_is_what_a_responses_client_said_and_false_for_others() -> None:
    assert "store" not in own()
    assert own(store=True)["store"] is True
    assert sent(question(store=True))["store"] is False
    assert named(question(store=True)) == {"store": "tuning"}


def test_a_chat_conversation_becomes_items() -> None:
    image = ir.Media("image", data="QUJD", media_type="image/png")
    body = sent(
        question(
            ir.Message("developer", (ir.Text("Rules."),)),
            ir.Message("user", (ir.Text("Look"), image)),
            ir.Message("assistant", (ir.Text("Sure"), ir.ToolCall("c1", "f", ""), ir.ToolCall("c2", "g", '{"a":1}'))),
            ir.Message("tool", (ir.ToolResult("c1", (ir.Text("one"),)), ir.ToolResult("c2", (ir.Text("a"), image)))),
            system=(ir.Text("Be brief."), ir.Text("Be kind.")),
        )
    )
    seen = {"type": "input_image", "image_url": "data:image/png;base64,QUJD", "detail": "auto"}
    assert body["instructions"] == "Be brief.\n\nBe kind."
    assert body["input"] == [
        {"role": "developer", "content": "Rules."},
        {"role": "user", "content": [{"type": "input_text", "text": "Look"}, seen]},
        {"role": "assistant", "content": "Sure"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "a"}, seen]},
    ]


def test_g36_format_and_verbosity_lie_flat_in_text() -> None:
    shape = ir.Format("json_schema", "a", {"type": "object"}, True, "d")
    text = sent(question(format=shape, verbosity="low"))["text"]
    schema = {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True, "description": "d"}
    assert text == {"format": schema, "verbosity": "low"}


def test_chat_tools_say_the_default_that_differs_here() -> None:
    tools = (ir.Tool("f"), ir.Tool("g", parameters={"type": "object"}, strict=True, description="d"))
    body = sent(question(tools=tools, tool_choice=ir.ToolChoice("named", ("g",)), parallel_tool_calls=False))
    assert body["tools"] == [
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False},
        {"type": "function", "name": "g", "description": "d", "parameters": {"type": "object"}, "strict": True},
    ]
    assert body["tool_choice"] == {"type": "function", "name": "g"}
    assert body["parallel_tool_calls"] is False


def test_allowed_tools_are_named_with_their_kind() -> None:
    tools = (ir.Tool("f"), ir.Tool("g", "custom"))
    body = sent(question(tools=tools, tool_choice=ir.ToolChoice("allowed", ("f", "g"), required=True)))
    entries = [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}]
    assert body["tool_choice"] == {"type": "allowed_tools", "mode": "required", "tools": entries}


def test_g84_free_text_tools_are_written_as_they_came() -> None:
    tool = ir.Tool("patch", "custom", "d", format={"type": "grammar", "syntax": "lark", "definition": "x"})
    call = ir.Message("assistant", (ir.ToolCall("c1", "patch", "*** \n", custom=True),))
    result = ir.Message("tool", (ir.ToolResult("c1", (ir.Text("ok"),), custom=True),))
    choice = ir.ToolChoice("named", ("patch",), custom=True)
    request = question(USER, call, result, tools=(tool,), tool_choice=choice)
    able = sent(request)
    assert able["tool_choice"] == {"type": "custom", "name": "patch"}
    assert able["tools"][0]["format"] == tool.format
    assert able["input"][1:] == [
        {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "*** \n"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
    ]


def test_g32_sealed_reasoning_comes_back_unchanged_and_nothing_is_invented() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    nameless = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "gBBB"}
    asked = {"model": "a", "input": [item, nameless], "include": ["reasoning.encrypted_content"], "store": False}
    request = DIALECT.read_request(json.dumps(asked).encode())
    body = json.loads(DIALECT.write_request(request, OPENAI, CONTEXT).body)
    assert body["input"] == [item, nameless]
    assert (body["include"], body["store"]) == (["reasoning.encrypted_content"], False)


def test_reasoning_that_openai_did_not_seal_stays_here() -> None:
    foreign = ir.VendorState("anthropic", "signature", "S")
    request = question(USER, ir.Message("assistant", (ir.Reasoning("thought", state=foreign), ir.Text("x"))), USER)
    assert "thought" not in json.dumps(sent(request)["input"])
    assert named(request) == {"messages[1].reasoning": "tuning"}
    local = json.loads(DIALECT.write_request(request, LOCAL, CONTEXT).body)["input"][1]
    assert local == {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "thought"}]}


@pytest.mark.parametrize(
    ("asked", "allowed", "got"),
    [("xhigh", ("low", "high"), "high"), ("none", ("low", "high"), "low"), ("low", ("low", "high"), "low")],
)
def test_effort_is_clamped_and_told(asked: str, allowed: tuple[str, ...], got: str) -> None:
    upstream, request = can(efforts=allowed), question(effort=asked, reasoning_summary="auto")
    written = DIALECT.write_request(request, upstream, CONTEXT)
    assert json.loads(written.body)["reasoning"] == {"effort": got, "summary": "auto"}
    assert written.effort == got
    assert named(request, upstream) == ({} if asked == got else {"reasoning_effort": "tuning"})


def test_effort_of_a_budget_and_of_a_model_that_does_not_think() -> None:
    assert sent(question(thinking_budget=2000))["reasoning"] == {"effort": "low"}
    assert named(question(thinking_budget=2000)) == {"thinking_budget": "tuning"}
    dull, request = can(thinking="none"), question(effort="low", reasoning_summary="auto")
    assert "reasoning" not in sent(request, dull)
    assert named(request, dull) == {"reasoning_effort": "tuning", "reasoning.summary": "tuning"}


def test_g51_g81_sampling_is_dropped_and_named_where_the_model_takes_none() -> None:
    request = question(temperature=0.0, top_p=1.0, seed=1, user="u")
    body = sent(request, can(sampling=False))
    assert {"temperature", "top_p", "seed"}.isdisjoint(body)
    assert body["user"] == "u"
    assert named(request, can(sampling=False)) == dict.fromkeys(("seed", "temperature", "top_p"), "tuning")
    assert sent(request)["temperature"] == 0.0


def test_limits_are_kept() -> None:
    assert sent(question(temperature=1.8), can(max_temperature=1.0))["temperature"] == 1.0
    assert named(question(temperature=1.8), can(max_temperature=1.0)) == {"temperature": "tuning"}
    assert sent(question(max_output_tokens=5))["max_output_tokens"] == 16
    assert own(max_output_tokens=5)["max_output_tokens"] == 5
    assert sent(question(max_output_tokens=500), can(max_output=100))["max_output_tokens"] == 100
    assert named(question(max_output_tokens=500), can(max_output=100)) == {"max_output_tokens": "tuning"}


@pytest.mark.parametrize(
    ("fields", "changes", "expected"),
    [
        ({"n": 2}, {}, {"n": "contract"}),
        ({"n": 1}, {}, {}),
        ({"stop": ("x",)}, {}, {"stop": "contract"}),
        ({"logit_bias": {"1": 1.0}}, {}, {"logit_bias": "contract"}),
        ({"presence_penalty": 0.5, "frequency_penalty": 0.0}, {}, {"presence_penalty": "tuning"}),
        ({"top_k": 5}, {}, {"top_k": "tuning"}),
        ({"modalities": ("text", "audio")}, {}, {"modalities": "contract"}),
        ({"modalities": ("text",)}, {}, {}),
        ({"logprobs": True}, {"logprobs": False}, {"logprobs": "contract"}),
        ({"verbosity": "low"}, {"verbosity": False}, {"verbosity": "tuning"}),
        ({"service_tier": "flex"}, {"service_tiers": False}, {"service_tier": "tuning"}),
        ({"tools": (ir.Tool("f"),)}, {"tools": False}, {"tools": "contract"}),
        ({"tools": (ir.Tool("f", strict=True),)}, {"strict_tools": False}, {"tools[0].strict": "tuning"}),
        ({"tool_choice": ir.ToolChoice("required")}, {"forced_tools": False}, {"tool_choice": "contract"}),
        ({"parallel_tool_calls": True}, {"parallel_tools": False}, {"parallel_tool_calls": "tuning"}),
        ({"parallel_tool_calls": False}, {"parallel_tools": False}, {}),
        ({"tools": (ir.Tool("x", "hosted", type="x", raw=msgspec.Raw(b"{}")),)}, {}, {"tools[0]": "contract"}),
    ],
)
def test_what_cannot_be_said_is_named(
    fields: dict[str, Any], changes: dict[str, Any], expected: dict[str, str]
) -> None:
    assert named(question(**fields), can(**changes)) == expected


@pytest.mark.parametrize(
    ("block", "changes", "name"),
    [
        (ir.Media("audio", data="QQ=="), {}, "messages[0].input_audio"),
        (ir.Media("image", url="https://a.example"), {"images": False}, "messages[0].input_image"),
        (ir.Media("file", file_id="f"), {"files": False}, "messages[0].input_file"),
        (ir.Opaque("anthropic", "server_tool_use", msgspec.Raw(b"{}")), {}, "messages[0].server_tool_use"),
        (ir.Opaque("openai", "web_search_call", msgspec.Raw(b"{}")), {}, "messages[0].web_search_call"),
    ],
)
def test_blocks_that_cannot_be_sent_are_contract(block: ir.Block, changes: dict[str, Any], name: str) -> None:
    assert named(question(ir.Message("user", (block,))), can(**changes)) == {name: "contract"}


def test_penalties_go_to_the_local_servers_of_open_responses() -> None:
    request = question(presence_penalty=0.5, frequency_penalty=0.5)
    body = json.loads(DIALECT.write_request(request, LOCAL, CONTEXT).body)
    assert (body["presence_penalty"], body["frequency_penalty"]) == (0.5, 0.5)
    assert named(request, LOCAL) == {}


def test_logprobs_of_chat_become_an_include() -> None:
    body = sent(question(logprobs=True, top_logprobs=2))
    assert (body["include"], body["top_logprobs"]) == (
        ["reasoning.encrypted_content", "message.output_text.logprobs"],
        2,
    )


def test_extras_follow_their_family_but_for_chats_own_words() -> None:
    extras = {"audio": b"{}", "prediction": b"{}", "chat_template_kwargs": b'{"a": 1}'}
    raw = {name: msgspec.Raw(value) for name, value in extras.items()}
    body = json.loads(DIALECT.write_request(question(extras=raw), LOCAL, CONTEXT).body)
    assert body["chat_template_kwargs"] == {"a": 1}
    assert not {"audio", "prediction"} & set(body)
    assert named(question(extras=raw)) == {"audio": "contract", "prediction": "tuning"}
    foreign = msgspec.structs.replace(question(extras={"container": msgspec.Raw(b'"c"')}), family="anthropic")
    assert "container" not in sent(foreign)
    assert named(foreign) == {"container": "contract"}


def test_g61_cache_breakpoints_of_anthropic_stay_behind() -> None:
    marked = ir.Text(
        "x",
        extras={"cache_control": msgspec.Raw(b"{}"), "prompt_cache_breakpoint": msgspec.Raw(b'{"mode":"explicit"}')},
    )
    request = question(ir.Message("user", (marked,)))
    assert sent(request)["input"][0]["content"] == [
        {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}
    ]
    assert named(request) == {"cache_control": "tuning"}


def test_names_of_speakers_and_chats_own_message_fields_are_named() -> None:
    message = ir.Message("user", (ir.Text("x"),), name="Bob", extras={"weight": msgspec.Raw(b"1")})
    assert sent(question(message))["input"] == [{"role": "user", "content": "x"}]
    assert named(question(message)) == {"messages[0].name": "tuning"}
    assert [(one.name, one.kind) for one in fit(question(message), OPENAI).named] == [("messages[0]", "unknown")]


def test_an_operators_options_win() -> None:
    assert sent(question(), msgspec.structs.replace(OPENAI, options={"truncation": "auto"}))["truncation"] == "auto"


def test_media_by_url_is_fetched_where_the_server_takes_bytes_only() -> None:
    request = question(ir.Message("user", (ir.Media("image", url="https://a.example/x", detail="low"),)))
    bytes_only = can(image_urls=False)
    need = ir.Need("media_url", "https://a.example/x")
    assert DIALECT.needs(request, OPENAI) == []
    assert DIALECT.needs(request, bytes_only) == [need]
    found = ir.Media("image", data="QUJD", media_type="image/png")
    context = msgspec.structs.replace(CONTEXT, fetched={need: found})
    assert sent(request, bytes_only, context)["input"][0]["content"] == [
        {"type": "input_image", "image_url": "data:image/png;base64,QUJD", "detail": "low"}
    ]


def test_files_keep_their_names_or_get_one() -> None:
    given = ir.Media("file", data="QUJD", media_type="application/pdf")
    named_ = msgspec.structs.replace(given, name="a.pdf")
    content = sent(question(ir.Message("user", (given, named_, ir.Media("file", url="https://a.example")))))["input"][0]
    assert content["content"] == [
        {"type": "input_file", "file_data": "data:application/pdf;base64,QUJD", "filename": "file.pdf"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://a.example"},
    ]


RICH: dict[str, Any] = {
    "model": "gpt-6-sol",
    "stream": False,
    "instructions": "i",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_file", "file_id": "f"}]},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "phase": "commentary",
         "content": [{"type": "output_text", "text": "b", "annotations": [{"type": "file_path", "file_id": "f", "index": 0}]},
                     {"type": "refusal", "refusal": "no"}]},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}", "namespace": "mcp__x"},
        {"type": "function_call_output", "call_id": "c", "output": "", "id": "fco_1", "status": "completed"},
        {"type": "item_reference", "id": "msg_0"},
    ],
    "tools": [
        {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True, "defer_loading": False},
        {"type": "custom", "name": "g", "description": "d", "format": {"type": "text"}},
        {"type": "web_search", "search_context_size": "low"},
    ],
    "tool_choice": {"type": "web_search"},
    "text": {"format": {"type": "json_schema", "name": "a", "schema": {}, "strict": True}, "verbosity": "low"},
    "reasoning": {"mode": "pro", "effort": "high", "summary": "concise"},
    "include": ["reasoning.encrypted_content"],
    "previous_response_id": "resp_0",
    "truncation": "auto",
    "metadata": {"a": "b"},
    "service_tier": "flex",
    "max_tool_calls": 3,
}  # fmt: skip


def test_a_rich_request_is_written_as_it_was_read() -> None:
    request = DIALECT.read_request(json.dumps(RICH).encode())
    assert json.loads(DIALECT.write_request(request, OPENAI, CONTEXT).body) == RICH
    assert named(request) == {}


def test_parts_and_format_words_that_we_do_not_know_come_back_to_their_own_dialect() -> None:
    shape = {"type": "json_schema", "name": "a", "schema": {}, "new": 1}
    part = {"type": "input_video", "video_url": "https://a.example"}
    image = {"type": "input_image", "image_url": "data:image/svg+xml;base64,PHN2Zy8+"}
    asked = {"model": "m", "input": [{"role": "user", "content": [part, image]}], "text": {"format": shape}}
    request = DIALECT.read_request(json.dumps(asked).encode())
    body = json.loads(DIALECT.write_request(request, LOCAL, CONTEXT).body)
    assert body == {**asked, "stream": False}


def test_what_a_turn_or_tool_of_another_dialect_holds_besides_is_left_and_named() -> None:
    image = ir.Media("image", url="https://a.example")
    marked = ir.Text("x", extras={"citations": msgspec.Raw(b"{}")})
    tool = ir.Tool("f", extras={"cache": msgspec.Raw(b"1")})
    request = question(ir.Message("assistant", (image,)), ir.Message("user", (marked, image)), tools=(tool,))
    foreign = msgspec.structs.replace(request, family="anthropic", dialect="anthropic_messages")
    assert "citations" not in json.dumps(sent(foreign))
    assert "cache" not in json.dumps(sent(foreign)["tools"])
    assert named(foreign) == {"messages[0].image": "contract"}
    assert [(one.name, one.kind) for one in fit(foreign, OPENAI).named] == [("tools[0]", "unknown")]


def test_a_continued_turn_without_input_is_sent_without() -> None:
    request = DIALECT.read_request(b'{"model":"a","previous_response_id":"resp_1"}')
    assert "input" not in json.loads(DIALECT.write_request(request, OPENAI, CONTEXT).body)


def test_the_path_is_the_same_streamed_or_not() -> None:
    assert DIALECT.path(OPENAI, stream=True) == DIALECT.path(OPENAI, stream=False) == "/responses"


def test_g53_a_template_with_one_system_message_gets_all_instructions_in_one() -> None:
    turns = (
        ir.Message("system", (ir.Text("Be brief."),)),
        USER,
        ir.Message("developer", (ir.Text("Be kind."), ir.Text(" Very."))),
    )
    body = sent(question(*turns, system=(ir.Text("You are Ada."),)), can(one_system=True))
    assert body["instructions"] == "You are Ada.\n\nBe brief.\n\nBe kind. Very."
    assert [item["role"] for item in body["input"]] == ["user"]
