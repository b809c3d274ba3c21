"""A Responses request body read into the hub: every field in its place, every fault named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters import ir
from adapters.openai_responses import DIALECT


def ask(**fields: Any) -> ir.Request:
    return DIALECT.read_request(json.dumps({"model": "auto", "input": "Hi", **fields}).encode())


def turns(*items: object) -> tuple[ir.Message, ...]:
    return ask(input=list(items)).messages


def failure(body: object) -> ir.Failure:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ir.Invalid) as caught:
        DIALECT.read_request(raw)
    return caught.value.failure


@pytest.mark.parametrize(
    "said",
    [
        "Hi",
        [{"role": "user", "content": "Hi"}],
        [{"type": "message", "role": "user", "content": "Hi"}],
        [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
    ],
)
def test_g60_a_question_may_be_spelt_in_five_ways(said: object) -> None:
    assert ask(input=said).messages == (ir.Message("user", (ir.Text("Hi"),)),)


def test_plain_fields_are_read() -> None:
    fields: dict[str, Any] = {
        "parallel_tool_calls": False,
        "max_output_tokens": 99,
        "temperature": 0.5,
        "top_p": 0.9,
        "presence_penalty": 0.1,
        "frequency_penalty": -0.1,
        "top_logprobs": 3,
        "service_tier": "flex",
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "store": False,
        "metadata": {"a": "b"},
        "stream": True,
    }
    request = ask(**fields)
    assert {name: getattr(request, name) for name in fields} == fields
    assert (request.model, request.family, request.dialect) == ("auto", "openai", "openai_responses")


def test_instructions_reasoning_text_and_include_are_read() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    request = ask(
        instructions="Be brief.",
        reasoning={"effort": "low", "summary": "auto", "mode": "pro"},
        text={"format": {"type": "json_schema", "name": "a", "schema": schema, "strict": True}, "verbosity": "low"},
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
    )
    assert request.system == (ir.Text("Be brief."),)
    assert (request.effort, request.reasoning_summary, request.verbosity) == ("low", "auto", "low")
    assert request.format == ir.Format("json_schema", "a", schema, True)
    assert request.include == ("message.output_text.logprobs", "reasoning.encrypted_content")
    assert request.logprobs is True
    assert bytes(request.extras["reasoning"]) == b'{"mode":"pro"}'


def test_g54_what_we_do_not_know_is_kept_byte_for_byte() -> None:
    body = b'{"model":"a","input":"x","previous_response_id":"resp_1","background":true,"new":{"b": 1.50, "a":[ ]}}'
    extras = DIALECT.read_request(body).extras
    assert {name: bytes(raw) for name, raw in extras.items()} == {
        "previous_response_id": b'"resp_1"',
        "background": b"true",
        "new": b'{"b": 1.50, "a":[ ]}',
    }


def test_one_assistant_turn_is_one_message_in_item_order() -> None:
    messages = turns(
        {"role": "user", "content": "go"},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "E",
        },
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "phase": "commentary",
            "content": [{"type": "output_text", "text": "ok", "annotations": []}, {"type": "refusal", "refusal": "no"}],
        },
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "free"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "2"}]},
        {"role": "assistant", "content": "done"},
    )
    sealed = ir.VendorState("openai", "encrypted_content", "E")
    assert [message.role for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert messages[1].blocks == (
        ir.Reasoning("", ("hm",), sealed, "rs_1"),
        ir.Text("ok"),
        ir.Refusal("no"),
        ir.ToolCall("c1", "f", "{}", item_id="fc_1"),
        ir.ToolCall("c2", "g", "free", custom=True),
    )
    assert (messages[1].id, messages[1].phase) == ("msg_1", "commentary")
    assert messages[2].blocks == (
        ir.ToolResult("c1", (ir.Text("1"),)),
        ir.ToolResult("c2", (ir.Text("2"),), custom=True),
    )


def test_two_messages_of_one_turn_keep_their_own_phase() -> None:
    said = [{"type": "output_text", "text": "x", "annotations": []}]
    first, second = turns(
        {"type": "message", "role": "assistant", "id": "msg_1", "phase": "commentary", "content": said},
        {"type": "message", "role": "assistant", "id": "msg_2", "phase": "final_answer", "content": said},
    )
    assert (first.phase, second.phase) == ("commentary", "final_answer")


def test_g77_media_parts_are_read() -> None:
    note = {"type": "input_audio", "input_audio": {}}
    (message,) = turns(
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": "https://a.example/x.png", "detail": "low"},
                {"type": "input_image", "image_url": "data:image/png;base64,QUJD"},
                {"type": "input_image", "file_id": "file_1"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"},
                {"type": "input_file", "file_url": "https://a.example/a.pdf"},
                note,
            ],
        }
    )
    assert message.blocks[:-1] == (
        ir.Media("image", url="https://a.example/x.png", detail="low"),
        ir.Media("image", data="QUJD", media_type="image/png"),
        ir.Media("image", file_id="file_1"),
        ir.Media("file", data="QUJD", media_type="application/pdf", name="a.pdf"),
        ir.Media("file", url="https://a.example/a.pdf"),
    )
    last = message.blocks[-1]
    assert isinstance(last, ir.Opaque)
    assert (last.wire_type, json.loads(bytes(last.raw))) == ("input_audio", note)


def test_unknown_items_are_kept_whole_on_their_side() -> None:
    hosted = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    messages = turns(
        hosted, {"type": "shell_call_output", "call_id": "c", "output": []}, {"type": "compaction_trigger"}
    )
    assert [message.role for message in messages] == ["assistant", "tool", "user"]
    block = messages[0].blocks[0]
    assert isinstance(block, ir.Opaque)
    assert (block.family, block.wire_type, json.loads(bytes(block.raw))) == ("openai", "web_search_call", hosted)


def test_tools_of_every_kind_are_read() -> None:
    hosted = {"type": "mcp", "server_label": "docs", "server_url": "https://a.example"}
    tools = ask(
        tools=[
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True, "defer_loading": True},
            {"type": "custom", "name": "g", "format": {"type": "text"}},
            hosted,
        ]
    ).tools
    assert (tools[0].name, tools[0].parameters, tools[0].strict) == ("f", {"type": "object"}, True)
    assert bytes(tools[0].extras["defer_loading"]) == b"true"
    assert (tools[1].kind, tools[1].format) == ("custom", {"type": "text"})
    assert (tools[2].kind, tools[2].type, tools[2].name) == ("hosted", "mcp", "docs")
    assert json.loads(bytes(tools[2].raw or b"")) == hosted


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ("none", ir.ToolChoice("none")),
        ("required", ir.ToolChoice("required")),
        ({"type": "function", "name": "f"}, ir.ToolChoice("named", ("f",))),
        ({"type": "custom", "name": "g"}, ir.ToolChoice("named", ("g",), custom=True)),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            ir.ToolChoice("allowed", ("f",), required=True),
        ),
    ],
)
def test_g17_tool_choice_is_read(said: object, choice: ir.ToolChoice) -> None:
    assert ask(tool_choice=said).tool_choice == choice


@pytest.mark.parametrize(
    "said", [{"type": "web_search"}, {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}]
)
def test_a_choice_that_only_openai_can_say_is_kept(said: dict[str, Any]) -> None:
    request = ask(tool_choice=said)
    assert request.tool_choice is None
    assert json.loads(bytes(request.extras["tool_choice"])) == said


def test_a_request_may_live_without_input_when_it_goes_on_from_another() -> None:
    assert DIALECT.read_request(b'{"model":"a","previous_response_id":"resp_1"}').messages == ()


BAD: list[tuple[dict[str, Any], str]] = [
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": 5}, "input"),
    ({"input": ["x"]}, "input[0]"),
    ({"input": [{"content": "x"}]}, "input[0].type"),
    ({"input": [{"role": "user"}]}, "input[0].content"),
    ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
    ({"input": ["x", {"role": "king", "content": "x"}]}, "input[0]"),
    ({"input": [{"role": "user", "content": "x"}, {"role": "king", "content": "x"}]}, "input[1].role"),
    ({"input": [{"role": "user", "content": [{"text": "x"}]}]}, "input[0].content[0].type"),
    ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
    ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
    ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].file_data"),
    ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]}, "input[0].arguments"),
    ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
    ({"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "x"}]}]}, "input[0].output"),
    ({"temperature": 3}, "temperature"),
    ({"top_p": "1"}, "top_p"),
    ({"top_logprobs": 21}, "top_logprobs"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"metadata": {"a": 1}}, "metadata"),
    ({"instructions": 5}, "instructions"),
    ({"reasoning": "low"}, "reasoning"),
    ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
    ({"reasoning": {"summary": "long"}}, "reasoning.summary"),
    ({"text": {"verbosity": "loud"}}, "text.verbosity"),
    ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
    ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
    ({"tools": {}}, "tools"),
    ({"tools": [{"name": "f"}]}, "tools[0].type"),
    ({"tools": [{"type": "function"}]}, "tools[0].name"),
    ({"tool_choice": "maybe"}, "tool_choice"),
    ({"tool_choice": 5}, "tool_choice"),
    ({"tool_choice": {"type": "allowed_tools", "mode": "none", "tools": []}}, "tool_choice.mode"),
    ({"include": "x"}, "include"),
    ({"model": 5}, "model"),
    ({"stream": "yes"}, "stream"),
]


@pytest.mark.parametrize(("fields", "param"), BAD)
def test_g78_bad_input_names_its_field(fields: dict[str, Any], param: str) -> None:
    told = failure({"model": "auto", "input": "Hi", **fields})
    assert (told.status, told.type, told.param) == (400, "invalid_request_error", param)
    assert param in told.message


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b'{"input":"x"}', b'{"model":"a"}'])
def test_g78_a_body_that_is_no_request_is_a_400(body: bytes) -> None:
    assert failure(body).status == 400
