"""The reader of requests: every field finds its place, every mistake is named."""

import base64

import msgspec
import pytest
from openai_chat_kit import invalid, read

from adapters import ir
from adapters.openai_chat import DIALECT, wire

USER = {"role": "user", "content": "hi"}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}


def body(*messages: object, **fields: object) -> dict:
    return {"model": "m", "messages": list(messages) or [USER], **fields}


def assistant_call(**call: object) -> dict:
    return body(USER, {"role": "assistant", "tool_calls": [call]})


def part(**told: object) -> dict:
    return body({"role": "user", "content": [told]})


@pytest.mark.parametrize(
    ("told", "param", "code"),
    [
        (b"", None, None),
        (b"{", None, None),
        (b"[]", None, None),
        (b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}', None, None),
        (b'{"model":"m","messages":[{"role":"user","content":"\\ud800 and more"}]}', None, None),
        (b'{"a":' * 300 + b"1" + b"}" * 300, None, None),
        ({"messages": [USER]}, "model", "missing_required_parameter"),
        ({"model": 3, "messages": [USER]}, "model", "invalid_type"),
        ({"model": "", "messages": [USER]}, "model", None),
        ({"model": "m"}, "messages", "missing_required_parameter"),
        ({"model": "m", "messages": []}, "messages", "empty_array"),
        ({"model": "m", "messages": None}, "messages", "invalid_type"),
        ({"model": "m", "messages": "hi"}, "messages", "invalid_type"),
        (body(3), "messages[0]", "invalid_type"),
        (body(USER, {"content": "a"}), "messages[1].role", "missing_required_parameter"),
        (body(USER, USER, {"role": "robot", "content": "a"}), "messages[2].role", "invalid_value"),
        (body({"role": "user"}), "messages[0].content", None),
        (body({"role": "user", "content": 3}), "messages[0].content", "invalid_type"),
        (body({"role": "user", "content": ["a"]}), "messages[0].content[0]", "invalid_type"),
        (part(text="a"), "messages[0].content[0].type", "missing_required_parameter"),
        (part(type="text"), "messages[0].content[0].text", "missing_required_parameter"),
        (part(type="text", text=3), "messages[0].content[0].text", "invalid_type"),
        (part(type="image_url"), "messages[0].content[0].image_url", "missing_required_parameter"),
        (part(type="image_url", image_url={}), "messages[0].content[0].image_url.url", "missing_required_parameter"),
        (part(type="image_url", image_url={"url": "cat.png"}), "messages[0].content[0].image_url.url", "invalid_value"),
        (part(type="image_url", image_url={"url": "data:image/png"}), "messages[0].content[0].image_url.url", None),
        (
            part(type="image_url", image_url={"url": "data:image/png;base64,§§"}),
            "messages[0].content[0].image_url.url",
            "invalid_base64",
        ),
        (part(type="input_audio"), "messages[0].content[0].input_audio", "missing_required_parameter"),
        (part(type="file", file={}), "messages[0].content[0].file", "missing_required_parameter"),
        (body({"role": "tool", "content": "a"}), "messages[0].tool_call_id", "missing_required_parameter"),
        (
            body({"role": "tool", "tool_call_id": "x", "content": [{"type": "video", "v": 1}]}),
            "messages[0].content[0].type",
            None,
        ),
        (body({"role": "tool", "tool_call_id": "x", "content": None}), "messages[0].content", None),
        (assistant_call(), "messages[1].tool_calls[0].id", "missing_required_parameter"),
        (assistant_call(id="a"), "messages[1].tool_calls[0].function", "missing_required_parameter"),
        (assistant_call(id="a", type="custom"), "messages[1].tool_calls[0].custom", "missing_required_parameter"),
        (
            assistant_call(id="a", function={"name": "f", "arguments": {}}),
            "messages[1].tool_calls[0].function.arguments",
            "invalid_type",
        ),
        (body(tools={}), "tools", "invalid_type"),
        (body(tools=[{"name": "f"}]), "tools[0].type", "missing_required_parameter"),
        (body(tools=[{"type": "function"}]), "tools[0].function", "missing_required_parameter"),
        (body(tools=[{"type": "custom"}]), "tools[0].custom", "missing_required_parameter"),
        (
            body(tools=[FUNCTION, {"type": "function", "function": {}}]),
            "tools[1].function.name",
            "missing_required_parameter",
        ),
        (body(tools=[FUNCTION], tool_choice="any"), "tool_choice", "invalid_value"),
        (body(tools=[FUNCTION], tool_choice={"type": "x"}), "tool_choice.type", "invalid_value"),
        (
            body(tools=[FUNCTION], tool_choice={"type": "function"}),
            "tool_choice.function",
            "missing_required_parameter",
        ),
        (body(tools=[FUNCTION], tool_choice={"type": "function", "function": {"name": "g"}}), "tool_choice", None),
        (
            body(tools=[FUNCTION], tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "x", "tools": []}}),
            "tool_choice.allowed_tools.mode",
            "invalid_value",
        ),
        (
            body(
                tools=[FUNCTION],
                tool_choice={
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"type": "function"}]},
                },
            ),
            "tool_choice.allowed_tools.tools[0].function",
            "missing_required_parameter",
        ),
        (body(tool_choice="required"), "tool_choice", None),
        (body(response_format={"type": "xml"}), "response_format.type", "invalid_value"),
        (body(response_format={"type": "json_schema"}), "response_format.json_schema", "missing_required_parameter"),
        (body(reasoning_effort="huge"), "reasoning_effort", "invalid_value"),
        (body(stream="yes"), "stream", "invalid_type"),
        (body(stream_options=3), "stream_options", "invalid_type"),
        (body(stream_options={"include_usage": 1}), "stream_options.include_usage", "invalid_type"),
        (body(n=0), "n", "invalid_value"),
        (body(max_tokens=0), "max_tokens", "invalid_value"),
        (body(temperature="hot"), "temperature", "invalid_type"),
        (body(temperature=-1), "temperature", "invalid_value"),
        (body(metadata={"a": 1}), "metadata", "invalid_type"),
        (body(stop=[1]), "stop[0]", "invalid_type"),
    ],
)
def test_g78_bad_input_is_a_400_that_names_the_field(told: object, param: str | None, code: str | None) -> None:
    failure = invalid(told)
    assert (failure.status, failure.type, failure.kind) == (400, "invalid_request_error", "invalid")
    assert (failure.param, failure.code) == (param, code)
    assert failure.message
    error = msgspec.json.decode(DIALECT.write_error(failure))["error"]
    assert error == {"message": failure.message, "type": "invalid_request_error", "param": param, "code": code}


@pytest.mark.parametrize(("at", "param"), [("messages[0]", "messages[0]"), ("", None)])
def test_a_piece_that_is_no_json_is_named_too(at: str, param: str | None) -> None:
    with pytest.raises(ir.Invalid) as caught:
        wire.decode(msgspec.json.Decoder(wire.Message), b'{"role":', at)
    assert caught.value.failure.param == param


def test_every_parameter_finds_its_place() -> None:
    told = read(
        USER,
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=5,
        max_completion_tokens=9,
        reasoning_effort="low",
        temperature=0,
        top_p=0.5,
        top_k=40,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        seed=1,
        stop=["a", "b"],
        n=2,
        logprobs=True,
        top_logprobs=3,
        logit_bias={"50256": -100},
        modalities=["text"],
        verbosity="low",
        service_tier="flex",
        user="u",
        safety_identifier="s",
        prompt_cache_key="k",
        store=True,
        metadata={"a": "b"},
        tools=[FUNCTION],
        parallel_tool_calls=False,
    )
    assert told == ir.Request(
        model="m",
        messages=(ir.Message("user", (ir.Text("hi"),)),),
        stream=True,
        include_usage=True,
        max_output_tokens=9,  # G50: max_completion_tokens wins
        effort="low",
        temperature=0.0,
        top_p=0.5,
        top_k=40,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        seed=1,
        stop=("a", "b"),
        n=2,
        logprobs=True,
        top_logprobs=3,
        logit_bias={"50256": -100.0},
        modalities=("text",),
        verbosity="low",
        service_tier="flex",
        user="u",
        safety_identifier="s",
        prompt_cache_key="k",
        store=True,
        metadata={"a": "b"},
        tools=(ir.Tool("f", parameters={"type": "object"}, strict=True),),
        parallel_tool_calls=False,
        dialect="openai_chat",
    )
    assert read(max_tokens=5).max_output_tokens == 5
    assert read(stop="x").stop == ("x",)


def test_g54_unknown_fields_are_kept_byte_for_byte() -> None:
    raw = b'{"model":"m","chat_template_kwargs":{ "enable_thinking" : false },"messages":[{"role":"user","content":"a"}],"x":1e5}'
    extras = DIALECT.read_request(raw).extras
    assert {name: bytes(value) for name, value in extras.items()} == {
        "chat_template_kwargs": b'{ "enable_thinking" : false }',
        "x": b"1e5",
    }


def test_options_of_the_stream_that_are_not_ours_stay() -> None:
    told = read(USER, stream=True, stream_options={"include_usage": False, "include_obfuscation": False})
    assert told.include_usage is False
    assert bytes(told.extras["stream_options"]) == b'{"include_obfuscation":false}'


def test_roles_and_g74_lists_of_text() -> None:
    two = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]
    told = read(
        {"role": "system", "content": two, "name": "boss"},
        {"role": "developer", "content": "d"},
        {"role": "assistant", "content": two[:1], "reasoning_content": "hm", "refusal": "no", "audio": None, "x": 1},
        {"role": "tool", "tool_call_id": "t", "content": two[:1]},
    )
    assert [message.role for message in told.messages] == ["system", "developer", "assistant", "tool"]
    first, second = told.messages[0].blocks
    assert first == ir.Text("a")
    assert isinstance(second, ir.Text)
    assert bytes(second.extras["cache_control"]) == b'{"type":"ephemeral"}'
    assert told.messages[0].name == "boss"
    assert told.messages[2].blocks == (ir.Reasoning("hm"), ir.Text("a"), ir.Refusal("no"))
    assert list(told.messages[2].extras) == ["x"]
    assert told.messages[3].blocks == (ir.ToolResult("t", (ir.Text("a"),)),)


def test_g26_reasoning_under_either_name_comes_back() -> None:
    for field in ("reasoning", "reasoning_content"):
        (message,) = read({"role": "assistant", "content": None, field: "hm"}).messages
        assert message.blocks == (ir.Reasoning("hm"),)


def test_calls_and_results() -> None:
    function = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"n": 1.50}'}}
    google = {**function, "id": "g", "extra_content": {"google": {"thought_signature": "sig"}}}
    custom = {"id": "b", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    strange = {"id": "c", "type": "builtin", "builtin": {}}
    told = read(
        {
            "role": "assistant",
            "tool_calls": [function, google, custom, strange, {"id": "e", "function": {"name": "f"}}],
        },
        {"role": "tool", "tool_call_id": "b", "content": "ok"},
    )
    first, signed, free, opaque, empty = told.messages[0].blocks
    assert first == ir.ToolCall("a", "f", '{"n": 1.50}')
    assert isinstance(signed, ir.ToolCall)
    assert signed.state == ir.VendorState("google", "thought_signature", "sig")
    assert free == ir.ToolCall("b", "sh", "ls", custom=True)
    assert isinstance(opaque, ir.Opaque)
    assert opaque.wire_type == "builtin"
    assert empty == ir.ToolCall("e", "f", "{}")
    assert told.messages[1].blocks == (ir.ToolResult("b", (ir.Text("ok"),), custom=True),)


def test_strange_extra_content_is_no_reason_to_refuse() -> None:
    call = {"id": "a", "function": {"name": "f"}, "extra_content": [1]}
    (block,) = read({"role": "assistant", "tool_calls": [call]}).messages[0].blocks
    assert isinstance(block, ir.ToolCall)
    assert block.state is None


def test_legacy_functions_become_tools() -> None:
    told = read(
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        functions=[{"name": "f", "description": "d"}],
        function_call={"name": "f"},
    )
    assert told.tools == (ir.Tool("f", description="d"),)
    assert told.tool_choice == ir.ToolChoice("named", ("f",))
    call, result = told.messages[0].blocks[0], told.messages[1].blocks[0]
    assert isinstance(call, ir.ToolCall)
    assert isinstance(result, ir.ToolResult)
    assert (call.id, result.name) == (result.id, "f")
    assert read(functions=[{"name": "f"}], function_call="auto").tool_choice == ir.ToolChoice("auto")


def test_tools_of_three_kinds_and_every_choice() -> None:
    custom = {"type": "custom", "custom": {"name": "sh", "description": "d", "format": {"type": "text"}}}
    hosted = {"type": "web_search", "filters": {}}
    tools = [FUNCTION | {"cache_control": {}}, custom, hosted]
    told = read(tools=tools).tools
    assert [tool.kind for tool in told] == ["function", "custom", "hosted"]
    assert list(told[0].extras) == ["cache_control"]
    assert told[1].format == {"type": "text"}
    assert told[2].type == "web_search"
    assert msgspec.json.decode(told[2].raw or b"") == hosted

    def choice(value: object) -> ir.ToolChoice | None:
        return read(tools=tools, tool_choice=value).tool_choice

    assert [choice(word) for word in ("none", "auto", "required")] == [
        ir.ToolChoice("none"),
        ir.ToolChoice("auto"),
        ir.ToolChoice("required"),
    ]
    assert choice({"type": "function", "function": {"name": "f"}}) == ir.ToolChoice("named", ("f",))
    assert choice({"type": "custom", "custom": {"name": "sh"}}) == ir.ToolChoice("named", ("sh",), custom=True)
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}
    assert choice({"type": "allowed_tools", "allowed_tools": allowed}) == ir.ToolChoice(
        "allowed", ("f",), required=True
    )
    assert read(tool_choice="auto").tool_choice is None


def test_formats() -> None:
    schema = {"type": "object"}
    shape = {"name": "n", "schema": schema, "strict": True, "description": "d"}
    assert read(response_format={"type": "json_schema", "json_schema": shape}).format == ir.Format(
        "json_schema", "n", schema, True, "d"
    )
    assert read(response_format={"type": "json_object"}).format == ir.Format("json_object")
    assert read(response_format={"type": "json_object", "schema": schema}).format == ir.Format(
        "json_schema", "response", schema
    )
    assert read(response_format={"type": "text"}).format == ir.Format("text")


def test_media_in_all_their_forms() -> None:
    data = base64.b64encode(b"x" * 90).decode()
    told = read(
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{data}", "detail": "low"}},
                {"type": "image_url", "image_url": "https://h/x"},
                {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg/%3E"}},
                {"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{data}", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_data": data}},
                {"type": "refusal", "refusal": "no"},
                {"type": "video_url", "video_url": {"url": "https://h/v"}},
            ],
        }
    )
    *media, refusal, video = told.messages[0].blocks
    assert media == [
        ir.Media("image", data=data, media_type="image/jpeg", detail="low"),  # G41
        ir.Media("image", url="https://h/x"),  # G77: the plain string of Responses
        ir.Media("image", data=base64.b64encode(b"<svg/>").decode(), media_type="image/svg+xml"),
        ir.Media("audio", data=data, media_type="audio/mpeg"),
        ir.Media("file", file_id="file-1"),
        ir.Media("file", data=data, media_type="application/pdf", name="a.pdf"),
        ir.Media("file", data=data),
    ]
    assert refusal == ir.Refusal("no")
    assert isinstance(video, ir.Opaque)
    assert video.wire_type == "video_url"
