"""Field by field, questions: what only `make mutate` missed. Whole values are compared, so that no field is lost unseen."""

from typing import Any

import msgspec
import pytest
from responses_kit import CONTEXT, LOCAL, OPENAI, SURE, call_item, message_item

from adapters import ir
from adapters.openai_responses import DIALECT
from adapters.sse import Frame

X = msgspec.Raw(b"1")
EXTRAS = {"x": X}
DATA = "aGVsbG8="
SEALED = ir.VendorState("openai", "encrypted_content", "sealed")


def read(*items: dict[str, Any], **fields: Any) -> ir.Request:
    body = {"model": "m", "input": list(items) or "Hi", **fields}
    return DIALECT.read_request(msgspec.json.encode(body))


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def ask(*blocks: ir.Block, role: ir.Role = "user", **fields: Any) -> ir.Request:
    """A question as a chat client asks it."""
    turn = ir.Message(role, blocks or (ir.Text("a"),))
    return ir.Request(model="m", messages=(turn,), dialect="openai_chat", **fields)


def sent(request: ir.Request, to: ir.Upstream = OPENAI, context: ir.Context = CONTEXT) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(DIALECT.write_request(request, to, context).body)
    return body


def able(to: ir.Upstream = LOCAL, **can: Any) -> ir.Upstream:
    return msgspec.structs.replace(to, capabilities=msgspec.structs.replace(SURE, **can))


def test_what_the_house_asks_of_a_dialect() -> None:
    told = (DIALECT.name, DIALECT.family, DIALECT.auth_header, DIALECT.terminator)
    assert told == ("openai_responses", "openai", "authorization", b"data: [DONE]\n\n")


# --- a question, read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": 3}, "input", "invalid_type"),
        ({"input": []}, "input", "invalid_value"),
        ({"input": [{"x": 1}]}, "input[0].type", "missing_required_parameter"),
        ({"input": [{"role": "user", "content": 3}]}, "input[0].content", "invalid_type"),
        ({"input": [{"role": "x", "content": ""}]}, "input[0].role", "invalid_value"),
        ({"input": [user({"type": "input_image"})]}, "input[0].content[0].image_url", "invalid_value"),
        ({"input": [user({"type": "input_file"})]}, "input[0].content[0].file_data", "invalid_value"),
        ({"input": [call_item(name=None)]}, "input[0].name", "missing_required_parameter"),
        ({"reasoning": {"effort": "x"}}, "reasoning.effort", "invalid_value"),
        ({"reasoning": 3}, "reasoning", "invalid_type"),
        ({"user": 3}, "user", "invalid_type"),
        ({"text": {"verbosity": "x"}}, "text.verbosity", "invalid_value"),
        ({"text": {"format": {"type": "x"}}}, "text.format.type", "invalid_value"),
        ({"tool_choice": "x"}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "x", "tools": []}}, "tool_choice.mode", "invalid_value"),
        ({"tools": [{"type": "function"}]}, "tools[0].name", "missing_required_parameter"),
        ({"temperature": -1}, "temperature", "invalid_value"),
        ({"temperature": 2.1}, "temperature", "invalid_value"),
        ({"top_p": 1.1}, "top_p", "invalid_value"),
        ({"top_logprobs": 21}, "top_logprobs", "invalid_value"),
        ({"max_output_tokens": 0}, "max_output_tokens", "invalid_value"),
    ],
)
def test_a_mistake_is_told_with_its_field(body: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(ir.Invalid) as caught:
        read(**body)
    failure = caught.value.failure
    assert (failure.param, failure.code) == (param, code)
    assert param in failure.message


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"reasoning": {"summary": "x"}}, "'auto', 'concise', 'detailed'"),
        ({"reasoning": {"effort": "x"}}, "'none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'"),
        ({"text": {"verbosity": "x"}}, "'low', 'medium', 'high'"),
    ],
)
def test_an_error_names_every_value_that_is_allowed(body: dict[str, Any], told: str) -> None:
    with pytest.raises(ir.Invalid) as caught:
        read(**body)
    assert caught.value.failure.message.endswith(f": 'x'. Supported values are: {told}.")


CITED = {"type": "url_citation", "url": "https://e.org", "title": "E", "start_index": 1, "end_index": 2}

PARTS: list[tuple[dict[str, Any], ir.Block]] = [
    ({"type": "input_text", "text": "a"}, ir.Text("a", extras=EXTRAS)),
    ({"type": "refusal", "refusal": "no"}, ir.Refusal("no", EXTRAS)),
    (
        {"type": "input_image", "image_url": "https://h/x", "detail": "low"},
        ir.Media("image", url="https://h/x", detail="low", extras=EXTRAS),
    ),
    (
        {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}", "detail": "high"},
        ir.Media("image", data=DATA, media_type="image/png", detail="high", extras=EXTRAS),
    ),
    (
        {"type": "input_image", "file_id": "file-1", "detail": "auto"},
        ir.Media("image", file_id="file-1", detail="auto", extras=EXTRAS),
    ),
    (
        {"type": "input_file", "file_url": "https://h/x", "filename": "a"},
        ir.Media("file", url="https://h/x", name="a", extras=EXTRAS),
    ),
    (
        {"type": "input_file", "file_id": "file-1"},
        ir.Media("file", file_id="file-1", extras=EXTRAS),
    ),
    (
        {"type": "input_file", "file_data": f"data:text/plain;base64,{DATA}", "filename": "a"},
        ir.Media("file", data=DATA, media_type="text/plain", name="a", extras=EXTRAS),
    ),
]


@pytest.mark.parametrize(("part", "block"), PARTS)
def test_every_part_with_all_its_fields_there_and_back(part: dict[str, Any], block: ir.Block) -> None:
    request = read(user(part | {"x": 1}))
    assert request.messages == (ir.Message("user", (block,)),)
    assert sent(request)["input"] == [user(part | {"x": 1})]


def test_what_only_openai_knows_is_kept_whole() -> None:
    part, item = {"type": "input_video", "x": 1}, {"type": "computer_call", "id": "c"}
    request = read(user(part), item)
    (video,), (call,) = (message.blocks for message in request.messages)
    assert video == ir.Opaque("openai", "input_video", msgspec.Raw(msgspec.json.encode(part)))
    assert call == ir.Opaque("openai", "computer_call", msgspec.Raw(msgspec.json.encode(item)))
    assert sent(request)["input"] == [user(part), item]


def test_a_citation_with_all_its_fields() -> None:
    item = {**message_item("ab"), "content": [{"type": "output_text", "text": "ab", "annotations": [CITED], "x": 1}]}
    request = read(item)
    (block,) = request.messages[0].blocks
    cited = ir.Annotation("url_citation", "https://e.org", "E", 1, 2, CITED)
    assert block == ir.Text("ab", (cited,), extras=EXTRAS)
    assert sent(request)["input"] == [item]


ITEMS: list[tuple[dict[str, Any], ir.Role, ir.Block]] = [
    (
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"},
        "assistant",
        ir.Reasoning(state=SEALED, id="rs_1", extras=EXTRAS),
    ),
    (
        {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": '{"a":1}'},
        "assistant",
        ir.ToolCall("c", "f", '{"a":1}', item_id="fc_1", extras=EXTRAS),
    ),
    (
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "sh", "input": "ls"},
        "assistant",
        ir.ToolCall("c", "sh", "ls", True, item_id="ctc_1", extras=EXTRAS),
    ),
    (
        {"type": "function_call_output", "call_id": "c", "output": "1", "id": "fco_1"},
        "tool",
        ir.ToolResult("c", (ir.Text("1"),), item_id="fco_1", extras=EXTRAS),
    ),
    (
        {"type": "custom_tool_call_output", "call_id": "c", "output": "1", "id": "fco_1"},
        "tool",
        ir.ToolResult("c", (ir.Text("1"),), custom=True, item_id="fco_1", extras=EXTRAS),
    ),
]


@pytest.mark.parametrize(("item", "role", "block"), ITEMS)
def test_every_item_with_all_its_fields_there_and_back(item: dict[str, Any], role: ir.Role, block: ir.Block) -> None:
    request = read(item | {"x": 1})
    assert request.messages == (ir.Message(role, (block,)),)
    assert sent(request)["input"] == [item | {"x": 1}]


def test_messages_with_all_their_fields_there_and_back() -> None:
    short = {"role": "user", "content": "a", "x": 1}
    long = {"type": "message", "role": "assistant", "id": "msg_1", "phase": "commentary", "content": [], "x": 1}
    begun = {"role": "assistant", "content": "b", "phase": "commentary", "x": 1}
    request = read(short, long, {"role": "user", "content": "c"}, begun)
    assert request.messages[:2] == (
        ir.Message("user", (ir.Text("a"),), extras=EXTRAS),
        ir.Message("assistant", (), id="msg_1", phase="commentary", extras=EXTRAS),
    )
    assert sent(request)["input"] == [short, long, {"role": "user", "content": "c"}, begun]


@pytest.mark.parametrize("role", ["user", "assistant", "system", "developer"])
def test_every_role_is_the_hubs(role: ir.Role) -> None:
    assert read({"role": role, "content": "a"}).messages == (ir.Message(role, (ir.Text("a"),)),)


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        ("compaction_trigger", "user"),
        ("configuration_update", "user"),
        ("additional_tools", "user"),
        ("mcp_approval_response", "tool"),
        ("shell_call_output", "tool"),
        ("shell_call", "assistant"),
    ],
)
def test_items_that_only_openai_knows_belong_to_a_turn(kind: str, role: ir.Role) -> None:
    assert read({"type": kind}).messages[0].role == role


# --- a question, written --------------------------------------------------------------------------------------------


PLAIN = {
    "instructions": "s",
    "temperature": 0.5,
    "top_p": 0.5,
    "top_logprobs": 2,
    "max_output_tokens": 99,
    "parallel_tool_calls": False,
    "service_tier": "flex",
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "store": True,
    "metadata": {"a": "b"},
    "tool_choice": "none",
    "include": ["message.output_text.logprobs"],
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"format": {"type": "json_object"}, "verbosity": "low"},
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "x": 1,
}


def test_a_question_goes_on_as_it_came() -> None:
    assert read(**PLAIN, stream=False).extras == EXTRAS
    assert (
        sent(read(**PLAIN), LOCAL)
        == {"model": "m", "input": [{"role": "user", "content": "Hi"}], "stream": False} | PLAIN
    )


def test_a_schema_goes_on_as_it_came() -> None:
    shape = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"}
    request = read(text={"format": shape})
    assert request.format == ir.Format("json_schema", "n", {"type": "object"}, True, "d")
    assert request.extras == {}
    assert sent(request)["text"] == {"format": shape}


@pytest.mark.parametrize("data", [b'{"type":"\xff"}', b'{"type":' + b"[" * 100_000 + b"]" * 100_000 + b"}"])
def test_what_cannot_be_decoded_is_a_failure(data: bytes) -> None:
    (failed,) = DIALECT.reader().read(Frame(data))
    assert isinstance(failed, ir.Failed)
    assert failed.failure.kind == "bad_response"


def test_tools_go_on_as_they_came_and_no_more_than_the_server_takes() -> None:
    function = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    custom = {"type": "custom", "name": "sh", "description": "d", "format": {"type": "text"}, "x": 1}
    request = read(tools=[function | {"x": 1}, custom])
    assert sent(request)["tools"] == [function | {"x": 1}, custom]
    chat = msgspec.structs.replace(request, dialect="openai_chat")
    assert sent(chat)["tools"] == [function, {name: custom[name] for name in custom if name != "x"}]
    assert sent(request, able(strict_tools=False))["tools"] == [
        {name: value for name, value in function.items() if name != "strict"} | {"x": 1},
        custom,
    ]
    (bare,) = sent(ask(tools=(ir.Tool("f"),)))["tools"]
    assert bare == {
        "type": "function",
        "name": "f",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }


def test_a_message_that_is_cut_by_a_call_has_its_id_once() -> None:
    blocks = (ir.Text("a"), ir.ToolCall("c", "f", "{}"), ir.Text("b"))
    request = msgspec.structs.replace(read(), messages=(ir.Message("assistant", blocks, id="msg_1"),))
    assert [item.get("id") for item in sent(request)["input"]] == ["msg_1", None, None]


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (ir.Media("image", data=DATA), {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}", "detail": "auto"}),
        (ir.Media("file", data=DATA), {"type": "input_file", "file_data": f"data:application/octet-stream;base64,{DATA}", "filename": "file"}),
        (ir.Media("audio", data=DATA), {"type": "input_file", "file_data": f"data:audio/wav;base64,{DATA}", "filename": "file"}),
        *(
            (
                ir.Media("file", data=DATA, media_type=kind),
                {"type": "input_file", "file_data": f"data:{kind};base64,{DATA}", "filename": name},
            )
            for kind, name in (("application/pdf", "file.pdf"), ("text/plain", "file.txt"), ("text/csv", "file.csv"))
        ),
    ],
)  # fmt: skip
def test_media_without_a_type_or_name_get_one(media: ir.Media, part: dict[str, Any]) -> None:
    assert sent(ask(media))["input"] == [user(part)]


@pytest.mark.parametrize("found", [ir.Media(kind, data=DATA, media_type="image/png") for kind in ("image", "file")])
def test_what_was_fetched_stands_in_the_place_of_its_url(found: Any) -> None:
    context = ir.Context("00", 0, {ir.Need("media_url", "https://h/x"): found})
    for kind in ("image", "file"):
        media = ir.Media(kind, url="https://h/x")  # type: ignore[arg-type]
        (part,) = sent(ask(media), context=context)["input"][0]["content"]
        assert {"image_url", "file_data"} & part.keys()
        assert part.get("image_url", part.get("file_data")) == f"data:image/png;base64,{DATA}"
        assert "file_url" not in part


NO_FIELD = "Responses has no such field"
HERE = "messages[0]"


@pytest.mark.parametrize(
    ("request_", "to", "told"),
    [
        (ask(n=2), LOCAL, ("n", NO_FIELD, "contract")),
        (ask(stop=("x",)), LOCAL, ("stop", NO_FIELD, "contract")),
        (ask(stop=("x",)), able(max_stop=0), ("stop", NO_FIELD, "tuning")),
        (ask(seed=1), LOCAL, ("seed", NO_FIELD, "tuning")),
        (ask(top_k=1), LOCAL, ("top_k", NO_FIELD, "tuning")),
        (ask(logit_bias={"1": 1}), LOCAL, ("logit_bias", NO_FIELD, "contract")),
        (ask(presence_penalty=1), OPENAI, ("presence_penalty", NO_FIELD, "tuning")),
        (ask(frequency_penalty=1), OPENAI, ("frequency_penalty", NO_FIELD, "tuning")),
        (ask(modalities=("audio",)), LOCAL, ("modalities", "only text is answered here", "contract")),
        (ask(temperature=1), able(sampling=False), ("temperature", "the model takes none", "tuning")),
        (ask(top_p=1), able(sampling=False), ("top_p", "the model takes none", "tuning")),
        (ask(logprobs=True), able(logprobs=False), ("logprobs", "the model gives none", "contract")),
        (ask(verbosity="low"), able(verbosity=False), ("verbosity", "the model has no such switch", "tuning")),
        (ask(service_tier="flex"), able(service_tiers=False), ("service_tier", "the server has none", "tuning")),
        (ask(reasoning_summary="auto"), able(thinking="none"), ("reasoning.summary", "it does not reason", "tuning")),
        (ask(store=True), LOCAL, ("store", "kept by this proxy, not upstream", "tuning")),
        (ask(temperature=2), able(max_temperature=1), ("temperature", "lowered to 1", "tuning")),
        (ask(effort="low"), able(thinking="none"), ("reasoning_effort", "the model does not reason", "tuning")),
        (ask(effort="max"), able(efforts=("low",)), ("reasoning_effort", "the nearest that the model takes is 'low'", "tuning", "unsupported_value")),
        (ask(thinking_budget=1024), LOCAL, ("thinking_budget", "told as an effort", "tuning")),
        (ask(thinking_budget=1024), able(thinking="none"), ("thinking_budget", "the model does not reason", "tuning")),
        (ask(max_output_tokens=5), OPENAI, ("max_output_tokens", "set to 16", "tuning")),
        (ask(tools=(ir.Tool("f"),)), able(tools=False), ("tools", "the server takes no tools", "contract")),
        (ask(parallel_tool_calls=True), able(parallel_tools=False), ("parallel_tool_calls", "the model calls one tool at a time", "tuning")),
        (ask(tool_choice=ir.ToolChoice("required")), able(forced_tools=False), ("tool_choice", "the server cannot force a tool call", "contract")),
        (ask(tools=(ir.Tool("f", "hosted", type="x"),)), LOCAL, ("tools[0]", "'x' is another dialect's tool", "contract")),
        (ask(tools=(ir.Tool("f", "hosted", type="x", where="tools[2]"),)), LOCAL, ("tools[2]", "'x' is another dialect's tool", "contract")),
        (ask(tools=(ir.Tool("f", strict=True),)), able(strict_tools=False), ("tools[0].strict", "the server does not enforce schemas", "tuning")),
        (ask(extras={"audio": X}), LOCAL, ("audio", NO_FIELD, "contract")),
        (ask(extras={"web_search_options": X}), LOCAL, ("web_search_options", NO_FIELD, "contract")),
        (ask(extras={"functions": X}), LOCAL, ("functions", NO_FIELD, "contract")),
        (ask(extras={"function_call": X}), LOCAL, ("function_call", NO_FIELD, "contract")),
        (ask(extras={"prediction": X}), LOCAL, ("prediction", NO_FIELD, "tuning")),
        (ask(extras=EXTRAS, family="google"), LOCAL, ("x", NO_FIELD, "unknown")),
        (ir.Request(model="m", messages=(ir.Message("user", (), name="joe"),)), LOCAL, (f"{HERE}.name", NO_FIELD, "tuning")),
        (ask(ir.Opaque("google", "toolCall", X)), LOCAL, (f"{HERE}.toolCall", "only its own vendor can read it", "contract")),
        (ask(ir.Reasoning("hm")), OPENAI, (f"{HERE}.reasoning", "OpenAI takes back only what it sealed", "tuning")),
        (ask(ir.Text("a", extras={"cache_control": X})), LOCAL, ("cache_control", "this backend caches by itself", "tuning")),
        (ask(ir.Media("audio", data=DATA)), LOCAL, (f"{HERE}.input_audio", "Responses takes no sound", "contract")),
        (ask(ir.Media("image", data=DATA)), able(images=False), (f"{HERE}.input_image", "the model sees no images", "contract")),
        (ask(ir.ToolResult("c", (ir.Media("image", data=DATA),))), able(images=False), (f"{HERE}.input_image", "the model sees no images", "contract")),
        (ask(ir.Media("file", data=DATA)), able(files=False), (f"{HERE}.input_file", "the server takes no files", "contract")),
        (ask(ir.Media("image", data=DATA), role="assistant"), LOCAL, (f"{HERE}.image", "an assistant's turn may hold no media", "contract")),
    ],
)  # fmt: skip
def test_a_refusal_says_what_and_why(request_: ir.Request, to: ir.Upstream, told: tuple[str, str, Any]) -> None:
    assert DIALECT.refuses(request_, to) == [ir.Named(*told)]


@pytest.mark.parametrize(
    "name", ["seed", "top_k", "presence_penalty", "frequency_penalty", "stop", "temperature", "top_p"]
)
def test_an_exact_relay_says_what_it_left_out(name: str) -> None:
    to = able(OPENAI, sampling=False, max_stop=0)
    why = "the model takes none" if name in ("temperature", "top_p") else NO_FIELD
    out, named = DIALECT.patch({"model": X, name: X, "x": X}, to)
    assert out == {"model": msgspec.Raw(b'"gpt-6-sol"'), "x": X}
    assert named == [ir.Named(name, why, "tuning")]


def test_an_exact_relay_clamps_the_effort_and_keeps_what_stands_beside_it() -> None:
    told = msgspec.Raw(b'{"effort":"max","summary":"auto"}')
    out, named = DIALECT.patch({"model": X, "reasoning": told}, able(OPENAI, efforts=("low",)))
    assert msgspec.json.decode(out["reasoning"]) == {"effort": "low", "summary": "auto"}
    assert named == [
        ir.Named("reasoning.effort", "the nearest that the model takes is 'low'", "tuning", "unsupported_value")
    ]


def test_an_exact_relay_keeps_what_was_made_here_to_itself() -> None:
    made = f"rs_{'0' * 32}_1"
    thought, pointer = {"type": "reasoning", "id": made, "summary": []}, {"type": "item_reference", "id": made}
    told = msgspec.Raw(msgspec.json.encode([user(), thought, pointer]))
    out, named = DIALECT.patch({"model": X, "input": told}, OPENAI)
    assert msgspec.json.decode(out["input"]) == [user(), pointer]
    why = 'it stands for content that was stored elsewhere: send the whole input, as clients do with "store": false'
    assert named == [
        ir.Named("input.reasoning", "OpenAI takes back only what it sealed", "tuning"),
        ir.Named("input.item_reference", why, "contract"),
    ]
