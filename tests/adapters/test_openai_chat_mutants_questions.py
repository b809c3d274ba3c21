"""Field by field, questions: what only `make mutate` missed. Whole values are compared, so that no field is lost unseen."""

from typing import Any

import msgspec
import pytest
from openai_chat_kit import CONTEXT, echo, invalid, read, upstream, written

from adapters import ir
from adapters.openai_chat import DIALECT, wire

DATA = "aGk="
VENDOR = {"x_vendor": [1, 2]}
EXTRAS = {"x_vendor": msgspec.Raw(b"[1,2]")}
FUNCTION = {"type": "function", "function": {"name": "f"}}
CUSTOM = {"type": "custom", "custom": {"name": "sh"}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
OWN = upstream("exact", files=True, audio=True, custom_tools=True)


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def test_what_the_house_asks_of_a_dialect() -> None:
    told = (DIALECT.name, DIALECT.family, DIALECT.auth_header, DIALECT.terminator)
    assert told == ("openai_chat", "openai", "authorization", b"data: [DONE]\n\n")


# --- a request, read ------------------------------------------------------------------------------------------------


PARTS: list[tuple[dict[str, Any], ir.Block]] = [
    ({"type": "text", "text": "a"}, ir.Text("a", extras=EXTRAS)),
    (image("https://h/x", detail="low"), ir.Media("image", url="https://h/x", detail="low", extras=EXTRAS)),
    (
        image(f"data:image/png;base64,{DATA}"),
        ir.Media("image", data=DATA, media_type="image/png", extras=EXTRAS),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": DATA, "format": "x-wav"}},
        ir.Media("audio", data=DATA, media_type="audio/wav", extras=EXTRAS),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": DATA, "format": "mp3"}},
        ir.Media("audio", data=DATA, media_type="audio/mpeg", extras=EXTRAS),
    ),
    (
        {"type": "file", "file": {"file_id": "file-1", "filename": "a.pdf"}},
        ir.Media("file", file_id="file-1", name="a.pdf", extras=EXTRAS),
    ),
    (
        {"type": "file", "file": {"file_data": f"data:text/plain;base64,{DATA}", "filename": "a.txt"}},
        ir.Media("file", data=DATA, media_type="text/plain", name="a.txt", extras=EXTRAS),
    ),
    (
        {"type": "file", "file": {"file_data": DATA, "filename": "b"}},
        ir.Media("file", data=DATA, name="b", extras=EXTRAS),
    ),
    ({"type": "refusal", "refusal": "no"}, ir.Refusal("no", EXTRAS)),
]


@pytest.mark.parametrize(("part", "block"), PARTS)
def test_every_part_with_all_its_fields(part: dict[str, Any], block: ir.Block) -> None:
    assert read(user(part | VENDOR)).messages == (ir.Message("user", (block,)),)


def test_what_only_openai_knows_is_kept_whole() -> None:
    video, builtin = {"type": "video_url", "video_url": {"url": "v"}}, {"id": "b", "type": "builtin", "x": 1}
    told = read(user(video), {"role": "assistant", "tool_calls": [builtin]}).messages
    for message, wire_type, whole in zip(told, ("video_url", "builtin"), (video, builtin), strict=True):
        (block,) = message.blocks
        assert isinstance(block, ir.Opaque)
        assert (block.family, block.wire_type) == ("openai", wire_type)
        assert msgspec.json.decode(block.raw) == whole


def test_every_message_with_all_its_fields() -> None:
    custom = {"id": "d", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    legacy = {"name": "g", "arguments": '{"a":1}'}
    told = read(
        {"role": "system", "content": "s", "name": "boss"} | VENDOR,
        {"role": "assistant", "name": "bot", "tool_calls": [CALL | VENDOR, custom | VENDOR]} | VENDOR,
        {"role": "tool", "tool_call_id": "c", "name": "f", "content": "1"} | VENDOR,
        {"role": "assistant", "function_call": legacy},
    )
    calls = (ir.ToolCall("c", "f", "{}", extras=EXTRAS), ir.ToolCall("d", "sh", "ls", custom=True, extras=EXTRAS))
    assert told.messages == (
        ir.Message("system", (ir.Text("s"),), name="boss", extras=EXTRAS),
        ir.Message("assistant", calls, name="bot", extras=EXTRAS),
        ir.Message("tool", (ir.ToolResult("c", (ir.Text("1"),), name="f"),), extras=EXTRAS),
        ir.Message("assistant", (ir.ToolCall("call_3", "g", '{"a":1}'),)),
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            {"messages": [{"role": "x", "content": ""}]},
            "'system', 'developer', 'user', 'assistant', 'tool', 'function'",
        ),
        ({"response_format": {"type": "x"}}, "'text', 'json_object', 'json_schema'"),
        ({"tools": [FUNCTION], "tool_choice": "x"}, "'none', 'auto', 'required'"),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "x"}},
            "'none', 'auto', 'required', 'function', 'custom', 'allowed_tools'",
        ),
    ],
)
def test_an_error_names_every_value_that_is_allowed(body: dict[str, Any], told: str) -> None:
    failure = invalid({"model": "m", "messages": [{"role": "user", "content": ""}], **body})
    assert failure.message.endswith(f": 'x'. Supported values are: {told}.")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"top_p": -0.1}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_logprobs": -1}, "top_logprobs"),
        (
            {
                "tools": [FUNCTION],
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"function": {"name": "f"}}]},
                },
            },
            "tool_choice.allowed_tools.tools[0].type",
        ),
    ],
)
def test_values_out_of_bounds(body: dict[str, Any], param: str) -> None:
    failure = invalid({"model": "m", "messages": [{"role": "user", "content": ""}], **body})
    assert failure.param == param


def test_a_piece_that_is_no_json_says_so() -> None:
    with pytest.raises(ir.Invalid, match=r"^'tools\[0\]' is not valid JSON: "):
        wire.decode(msgspec.json.Decoder(wire.Tool), b"{", "tools[0]")
    assert invalid(b'{"model":"m","messages":[').message


def test_every_kind_of_tool_with_all_its_fields() -> None:
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    custom = {"name": "sh", "description": "d", "format": {"type": "text"}}
    hosted = {"type": "web_search", "filters": {}}
    told = read(
        tools=[
            {"type": "function", "function": function} | VENDOR,
            {"type": "custom", "custom": custom} | VENDOR,
            hosted,
        ]
    )
    assert told.tools[:2] == (
        ir.Tool("f", "function", "d", {"type": "object"}, True, extras=EXTRAS),
        ir.Tool("sh", "custom", "d", format={"type": "text"}, extras=EXTRAS),
    )
    assert (told.tools[2].name, told.tools[2].type) == ("web_search", "web_search")


def test_base64_is_looked_at() -> None:
    failure = invalid({"model": "m", "messages": [user(image("data:image/png;base64,aG!k="))]})
    assert failure.code == "invalid_base64"


# --- a request, written ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [part for part, block in PARTS if not isinstance(block, ir.Refusal)])
def test_a_part_goes_back_as_it_came(part: dict[str, Any]) -> None:
    (message,) = written(read(user(part | VENDOR)), OWN)["messages"]
    (sent,) = message["content"]
    assert sent["x_vendor"] == [1, 2]
    assert DIALECT.read_request(msgspec.json.encode({"model": "m", "messages": [message]})).messages[0].blocks[
        0
    ] == msgspec.structs.replace(read(user(part | VENDOR)).messages[0].blocks[0], **_told_by_the_writer(sent))


def _told_by_the_writer(sent: dict[str, Any]) -> dict[str, str]:
    """A file must have a type on the wire."""
    data = sent.get("file", {}).get("file_data", "")
    return {"media_type": "application/pdf"} if data.startswith("data:application/pdf") else {}


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (ir.Media("image", data=DATA), image(f"data:image/png;base64,{DATA}")),
        (ir.Media("audio", data=DATA), {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}}),
        (
            ir.Media("file", data=DATA),
            {"type": "file", "file": {"filename": "file", "file_data": f"data:application/pdf;base64,{DATA}"}},
        ),
        (
            ir.Media("file", file_id="file-1", name="a"),
            {"type": "file", "file": {"file_id": "file-1", "filename": "a"}},
        ),
    ],
)
def test_media_without_a_type_have_the_usual_one(media: ir.Media, part: dict[str, Any]) -> None:
    request = ir.Request(model="m", messages=(ir.Message("user", (media,)),))
    assert written(request, OWN)["messages"] == [{"role": "user", "content": [part]}]


def test_media_that_were_not_fetched_are_the_clients_to_mend() -> None:
    request = read(user(image("https://h/x")))
    with pytest.raises(ir.Invalid) as caught:
        DIALECT.write_request(request, upstream(image_urls=False), CONTEXT)
    failure = caught.value.failure
    assert failure.code == "unsupported_parameter"
    assert failure.message == "This backend cannot be given this image by reference."


CONVERSATION = [
    {"role": "system", "content": "s", "name": "boss"} | VENDOR,
    {"role": "user", "content": "u", "name": "joe"} | VENDOR,
    {
        "role": "assistant",
        "content": None,
        "name": "bot",
        "tool_calls": [
            CALL | VENDOR,
            {"id": "d", "type": "custom", "custom": {"name": "sh", "input": "ls"}} | VENDOR,
        ],
    }
    | VENDOR,
    {"role": "tool", "tool_call_id": "c", "content": "1"} | VENDOR,
    {"role": "tool", "tool_call_id": "d", "content": "2"} | VENDOR,
]

TOOLS = [
    {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}} | VENDOR,
    {"type": "custom", "custom": {"name": "sh", "description": "d", "format": {"type": "text"}}},
]


def test_a_conversation_goes_back_as_it_came() -> None:
    body = written(read(*CONVERSATION, tools=TOOLS), OWN)
    assert body["messages"] == CONVERSATION
    assert body["tools"] == TOOLS


def test_a_schema_keeps_its_description() -> None:
    shape = {"name": "n", "description": "d", "strict": False, "schema": {"type": "object"}}
    told = {"type": "json_schema", "json_schema": shape}
    assert written(read(response_format=told))["response_format"] == told


def test_options_of_a_stream_stay_byte_for_byte() -> None:
    body = (
        b'{"model":"m","messages":[{"role":"user","content":"a"}],"stream":true,"stream_options":{"x":{ "y" : 1e5 }}}'
    )
    assert b'"x":{ "y" : 1e5 }' in DIALECT.write_request(DIALECT.read_request(body), upstream(), CONTEXT).body


def test_g81_a_model_that_takes_no_stop_loses_it_and_says_so() -> None:
    named = [ir.Named("stop", "this backend takes no stop sequences", "tuning")]
    none = upstream("exact", max_stop=0)
    assert "stop" not in written(read(stop="x"), none)
    assert DIALECT.refuses(read(stop="x"), none) == named
    assert DIALECT.patch({"model": msgspec.Raw(b'"m"'), "stop": msgspec.Raw(b'["x"]')}, none) == (
        {"model": msgspec.Raw(b'"up"')},
        named,
    )


def test_media_of_results_stand_right_after_them() -> None:
    shot = ir.Media("image", data=DATA, media_type="image/png")
    results = ir.Message("tool", (ir.ToolResult("c", (shot,)),))
    later: tuple[ir.Role, ...] = ("assistant", "system")
    for role in later:
        request = ir.Request(model="m", messages=(results, ir.Message(role, (ir.Text("b"),))))
        sent = written(request)["messages"]
        assert [message["role"] for message in sent] == ["tool", "user", role]


def test_tools_that_say_little() -> None:
    (bare,) = written(read(tools=[FUNCTION]), OWN)["tools"]
    assert bare["function"] == {"name": "f", "parameters": {"type": "object", "properties": {}}}
    assert written(read(tools=[CUSTOM]), OWN)["tools"] == [CUSTOM]


ALONE = ("access_programs", "context_management", "image", "max_tool_calls", "moderation")
RESPONSES_ONLY = [
    "access_programs",
    "background",
    "context_management",
    "conversation",
    "max_tool_calls",
    "previous_response_id",
    "prompt",
    "truncation",
]


STORED = {"conversation", "previous_response_id", "prompt"}


def test_fields_of_responses_are_refused_by_name() -> None:
    extras = {name: msgspec.Raw(b"1") for name in RESPONSES_ONLY}
    request = ir.Request(model="m", messages=(), dialect="openai_responses", extras=extras)
    why = "this backend's dialect has no such field"
    elsewhere = "it stands for content that was stored elsewhere: send the whole input"
    alone = "only OpenAI does this: leave it out, or name a model of OpenAI's"
    told = {**dict.fromkeys(STORED, (elsewhere, "contract")), **dict.fromkeys(ALONE, (alone, "contract"))}
    assert DIALECT.refuses(request, OWN) == [
        ir.Named(name, *told.get(name, (why, "unknown"))) for name in RESPONSES_ONLY
    ]


@pytest.mark.parametrize(
    ("fields", "can", "told"),
    [
        ({"seed": 1}, {"seed": False}, ir.Named("seed", "this backend does not take seed", "tuning")),
        ({"stop": ["a", "b"]}, {"max_stop": 1}, ir.Named("stop", "this backend takes at most 1 stop sequences", "contract")),
        ({"temperature": 2}, {"max_temperature": 1.0}, ir.Named("temperature", "sent as 1.0", "tuning")),
        ({"max_tokens": 9}, {"max_output": 8}, ir.Named("max_completion_tokens", "sent as 8", "tuning")),
        ({"tools": [FUNCTION]}, {"tools": False}, ir.Named("tools", "this backend cannot call tools", "contract")),
        ({"tools": [{"type": "web_search"}]}, {}, ir.Named("tools[0]", "chat backends do not run tools of type web_search", "contract")),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]},
            {"strict_tools": False},
            ir.Named("tools[0].strict", "this backend does not enforce schemas of tools", "tuning"),
        ),
        (
            {"tools": [FUNCTION], "tool_choice": "required"},
            {"forced_tools": False},
            ir.Named("tool_choice", "this backend cannot be made to call a tool", "contract"),
        ),
        ({"reasoning_effort": "low"}, {}, ir.Named("reasoning_effort", "this backend takes no effort here", "tuning")),
        ({"reasoning_effort": "max"}, {"thinking": "effort", "efforts": ("low",)}, ir.Named("reasoning_effort", "sent as low", "tuning", "unsupported_value")),
    ],
)  # fmt: skip
def test_a_refusal_says_what_and_why(fields: dict[str, Any], can: dict[str, Any], told: ir.Named) -> None:
    assert DIALECT.refuses(read(**fields), upstream(**can)) == [told]


@pytest.mark.parametrize(
    ("part", "can", "why"),
    [
        ({"type": "video_url"}, {}, "this backend does not take content of type video_url"),
        (image("https://h/x"), {"images": False}, "this backend does not take content of type image"),
        (
            {"type": "file", "file": {"file_id": "file-1"}},
            {"files": True},
            "this backend cannot look up the uploaded file: send its data",
        ),
    ],
)
def test_content_is_refused_with_its_reason(part: dict[str, Any], can: dict[str, Any], why: str) -> None:
    assert DIALECT.refuses(read(user(part)), upstream(**can)) == [ir.Named("messages[0]", why, "contract")]


@pytest.mark.parametrize("field", ["presence_penalty", "frequency_penalty", "top_logprobs"])
def test_a_zero_asks_for_nothing(field: str) -> None:
    assert DIALECT.refuses(read(**{field: 0}), upstream(penalties=False, logprobs=False)) == []


def whole(*told: ir.Event) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(DIALECT.write_response(ir.collect(told), echo()))
    return body
