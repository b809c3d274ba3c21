"""What a request in no vendor's words becomes for Claude, judged by the vendor SDK's own types."""

import base64
from typing import Any

import msgspec
import pytest
from vendor_types import assert_anthropic_request

from adapters import ir
from adapters.anthropic_messages import DIALECT

CONTEXT = ir.Context("00", 0)
CAN = ir.Capabilities(files=True, max_temperature=1.0, service_tiers=True)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = ir.Tool("weather", description="Look it up", parameters=SCHEMA)


def upstream(**changes: Any) -> ir.Upstream:
    can = msgspec.structs.replace(CAN, **changes)
    return ir.Upstream(
        provider="anthropic", dialect=DIALECT.name, model="claude-x", family="anthropic", capabilities=can
    )


def user(*blocks: ir.Block | str) -> ir.Message:
    return ir.Message("user", tuple(ir.Text(b) if isinstance(b, str) else b for b in blocks))


def assistant(*blocks: ir.Block | str) -> ir.Message:
    return ir.Message("assistant", tuple(ir.Text(b) if isinstance(b, str) else b for b in blocks))


def result(call: str, text: str) -> ir.Message:
    return ir.Message("tool", (ir.ToolResult(call, (ir.Text(text),)),))


def ask(*messages: ir.Message, to: ir.Upstream | None = None, context: ir.Context = CONTEXT, **fields: Any) -> Any:
    """The body that is sent, after the vendor's own types have agreed to it."""
    target = to or upstream()
    request = ir.Request(model="alias", messages=messages or (user("hi"),), **fields)
    sent = DIALECT.write_request(request, target, context)
    assert sent.path == "/messages"
    assert sent.headers["anthropic-version"] == "2023-06-01"
    body = msgspec.json.decode(sent.body)
    assert_anthropic_request(body, sampling=target.capabilities.sampling)
    return body


def refused(*messages: ir.Message, to: ir.Upstream | None = None, **fields: Any) -> dict[str, str]:
    request = ir.Request(model="alias", messages=messages or (user("hi"),), **fields)
    return {named.name: named.kind for named in DIALECT.refuses(request, to or upstream())}


def test_the_least_request_is_what_the_sdk_sends() -> None:
    assert ask() == {
        "model": "claude-x",
        "max_tokens": 16384,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": False,
    }


def test_g49_max_tokens_has_a_default_per_model_and_a_ceiling() -> None:
    assert ask(to=upstream(default_max_output=32000))["max_tokens"] == 32000
    assert ask(to=upstream(max_output=8192))["max_tokens"] == 8192
    assert ask(to=upstream(max_output=8192), max_output_tokens=9999)["max_tokens"] == 8192
    assert refused(to=upstream(max_output=8192), max_output_tokens=9999) == {"max_tokens": "tuning"}
    assert ask(max_output_tokens=7)["max_tokens"] == 7


def test_leading_instructions_become_system() -> None:
    lead = ir.Message("developer", (ir.Text("Be brief."),))
    assert ask(lead, user("hi"))["system"] == "Be brief."
    body = ask(lead, user("hi"), system=(ir.Text("You are Ada."),))
    assert [part["text"] for part in body["system"]] == ["You are Ada.", "Be brief."]
    assert body["messages"] == [{"role": "user", "content": "hi"}]


def test_later_instructions_follow_their_user_turn_or_are_marked() -> None:
    talk = (user("a"), assistant("b"), ir.Message("system", (ir.Text("Now in French."),)), user("c"))
    marked = ask(*talk)["messages"]
    assert [m["role"] for m in marked] == ["user", "assistant", "user"]
    assert [part["text"] for part in marked[2]["content"]] == ["<system>Now in French.</system>", "c"]
    turns = ask(*talk, to=upstream(mid_system=True))["messages"]
    assert [m["role"] for m in turns] == ["user", "assistant", "user", "system"]
    assert turns[3]["content"] == [{"type": "text", "text": "Now in French."}]
    alone = ask(*talk[:3], to=upstream(mid_system=True))["messages"]
    assert [m["role"] for m in alone] == ["user", "assistant", "user", "system"]


def test_roles_alternate_and_begin_with_the_user() -> None:
    body = ask(assistant("x"), user("a"), user("b"), assistant("c "))
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user", "assistant"]
    assert [part["text"] for part in body["messages"][2]["content"]] == ["a", "b"]
    assert body["messages"][3]["content"] == "c"
    assert ask(ir.Message("system", (ir.Text("only"),)))["messages"] == [{"role": "user", "content": "."}]


def test_empty_texts_are_not_sent() -> None:
    body = ask(user("", "a", " "), assistant(""), user("b"))
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]


def test_a_blank_last_question_does_not_make_the_answer_before_it_a_beginning() -> None:
    turns = ask(user("Hi"), assistant("Hello"), user(" "))["messages"]
    assert [(turn["role"], turn["content"]) for turn in turns][1:] == [
        ("assistant", "Hello"),
        ("user", "."),
    ]
    assert len(ask(user("Hi"), assistant("Hello"))["messages"]) == 2


def test_g12_tool_results_in_one_user_turn() -> None:
    calls = assistant(ir.ToolCall("a", "weather", '{"city": "Rome"}'), ir.ToolCall("b", "weather", ""))
    body = ask(user("q"), calls, result("a", "sun"), user("and?"), result("b", ""), tools=(WEATHER,))
    turn = body["messages"][2]
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]
    assert turn["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "sun"},
        {"type": "tool_result", "tool_use_id": "b", "content": ""},
        {"type": "text", "text": "and?"},
    ]
    assert [call["input"] for call in body["messages"][1]["content"]] == [{"city": "Rome"}, {}]


def test_g11_illegal_call_ids_are_rewritten_alike() -> None:
    given = ("functions.Bash:0", "functions.Bash_0", "call_1")
    calls = assistant(*(ir.ToolCall(call, "weather", "{}") for call in given))
    body = ask(user("q"), calls, *(result(call, "x") for call in given), tools=(WEATHER,))
    ids = [part["id"] for part in body["messages"][1]["content"]]
    assert ids == [part["tool_use_id"] for part in body["messages"][2]["content"]]
    assert len(set(ids)) == 3
    assert ids[2] == "call_1"
    assert all(set(call) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") for call in ids)


def test_g14_a_call_id_that_comes_again_is_numbered_with_its_result() -> None:
    again = ir.ToolCall("call_0", "weather", "{}")
    turn = (assistant(again), result("call_0", "sun"))
    turns = ask(user("hi"), *turn, user("more"), *turn, tools=(WEATHER,))["messages"]
    blocks = [block for turn in turns if isinstance(turn["content"], list) for block in turn["content"]]
    ids = [block.get("id") or block.get("tool_use_id") for block in blocks if block["type"] != "text"]
    assert ids == ["call_0", "call_0", "call_0_2", "call_0_2"]


def test_g21_arguments_keep_their_digits() -> None:
    arguments = '{"n": 2512292042121000001, "t": "日本", "f": 1.10}'
    request = ir.Request(
        model="m", messages=(user("q"), assistant(ir.ToolCall("a", "weather", arguments)), result("a", "1"))
    )
    assert arguments.encode() in DIALECT.write_request(request, upstream(), CONTEXT).body


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (ir.ToolChoice("none"), {"type": "none"}),
        (ir.ToolChoice("auto"), {"type": "auto", "disable_parallel_tool_use": True}),
        (ir.ToolChoice("required"), {"type": "any", "disable_parallel_tool_use": True}),
        (ir.ToolChoice("named", ("weather",)), {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}),
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_g17_tool_choice(choice: ir.ToolChoice | None, sent: dict[str, Any]) -> None:
    other = ir.Tool("other")
    body = ask(tools=(WEATHER, other), tool_choice=choice, parallel_tool_calls=False)
    assert body["tool_choice"] == sent
    assert [tool["name"] for tool in body["tools"]] == ["weather", "other"]


def test_tools_are_written_as_object_schemas() -> None:
    bare = ir.Tool("bare")
    typeless = ir.Tool("typeless", parameters={"properties": {}})
    strict = ir.Tool("strict", parameters=SCHEMA, strict=True)
    tools = ask(tools=(WEATHER, bare, typeless, strict))["tools"]
    assert tools[0] == {"name": "weather", "description": "Look it up", "input_schema": SCHEMA}
    assert tools[1]["input_schema"] == {"type": "object", "properties": {}}
    assert tools[2]["input_schema"] == {"type": "object", "properties": {}}
    assert tools[3]["strict"] is True
    assert tools[3]["input_schema"] == {**SCHEMA, "additionalProperties": False}
    assert "tool_choice" not in ask(tools=(bare,))


def test_strict_is_left_out_where_the_model_has_none() -> None:
    strict = ir.Tool("strict", parameters=SCHEMA, strict=True)
    assert "strict" not in ask(tools=(strict,), to=upstream(strict_tools=False))["tools"][0]
    assert refused(tools=(strict,), to=upstream(strict_tools=False)) == {"tools[0].strict": "tuning"}


def test_g34_json_schema_closes_every_object() -> None:
    inner = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "description": "How many"}}}
    schema = {"type": "object", "properties": {"all": {"type": "array", "items": inner}}, "required": ["all"]}
    body = ask(format=ir.Format("json_schema", "answer", schema, True))
    sent = body["output_config"]["format"]
    assert sent.keys() == {"type", "schema"}
    assert sent["schema"]["additionalProperties"] is False
    item = sent["schema"]["properties"]["all"]["items"]
    assert item["additionalProperties"] is False
    assert item["properties"]["n"] == {"type": "integer", "description": "How many\n\n{minimum: 1}"}


def test_g41_images_are_written_with_the_type_that_is_taken() -> None:
    jpg = ir.Media("image", data="/9j/AAAA", media_type="image/jpg")
    unnamed = ir.Media("image", data="iVBORw0KGgo=")
    inline = ir.Media("image", url="data:image/gif;base64,R0lGODdh")
    parts = ask(user(jpg, unnamed, inline))["messages"][0]["content"]
    assert parts[0]["source"] == {"type": "base64", "media_type": "image/jpeg", "data": "/9j/AAAA"}
    assert [part["source"]["media_type"] for part in parts[1:]] == ["image/png", "image/gif"]
    assert parts[2]["source"]["data"] == "R0lGODdh"


def test_g77_an_image_url_is_a_url_source() -> None:
    image = ir.Media("image", url="https://example.com/a.png", detail="high")
    assert ask(user(image))["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    ]


def test_urls_that_the_backend_does_not_open_are_needed_first() -> None:
    image = ir.Media("image", url="http://example.com/a.png")
    request = ir.Request(model="m", messages=(user(image, image),))
    need = ir.Need("media_url", "http://example.com/a.png")
    assert DIALECT.needs(request, upstream()) == [need]
    body = ask(user(image), context=ir.Context("00", 0, {need: ir.Media("image", data="AAAA", media_type="image/png")}))
    assert body["messages"][0]["content"][0]["source"]["data"] == "AAAA"


@pytest.mark.parametrize(
    ("kind", "served"),
    [("image", "application/pdf"), ("image", "image/tiff"), ("file", "image/png"), ("file", "audio/wav")],
)
def test_a_link_that_led_to_something_that_is_not_read_here(kind: Any, served: str) -> None:
    need = ir.Need("media_url", "http://h.example/secret?token=1")
    context = ir.Context("00", 0, {need: ir.Media("file", data="AAAA", media_type=served)})
    with pytest.raises(ir.Invalid) as caught:
        ask(user(ir.Media(kind, url=need.key)), context=context)
    assert served in caught.value.failure.message
    assert "token" not in caught.value.failure.message


def test_documents() -> None:
    pdf = ir.Media("file", data="JVBERi0=", name="a.pdf")
    text = ir.Media("file", data=base64.b64encode("für\n".encode()).decode(), media_type="text/markdown", name="a.md")
    parts = ask(user(pdf, text))["messages"][0]["content"]
    assert parts[0]["source"]["media_type"] == "application/pdf"
    assert parts[0]["title"] == "a.pdf"
    assert parts[1]["source"] == {"type": "text", "media_type": "text/plain", "data": "für\n"}
    plain = ir.Media("file", data="not base64", media_type="text/plain")
    assert ask(user(plain))["messages"][0]["content"][0]["source"]["data"] == "not base64"


def test_g74_all_text_parts_arrive_in_order() -> None:
    parts = (ir.Text("a"), ir.Text("b"))
    body = ask(
        ir.Message("system", parts),
        ir.Message("user", parts),
        ir.Message("assistant", (*parts, ir.ToolCall("c", "weather", "{}"))),
        ir.Message("tool", (ir.ToolResult("c", parts),)),
        tools=(WEATHER,),
    )
    texts = [body["system"], body["messages"][0]["content"], body["messages"][1]["content"][:2]]
    texts.append(body["messages"][2]["content"][0]["content"])
    assert texts == [[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]] * 4


def test_g26_signed_thinking_goes_back_verbatim_and_only_to_its_vendor() -> None:
    ours = ir.Reasoning(summary=("I think\n\nso ",), state=ir.VendorState("anthropic", "signature", "sig=="))
    secret = ir.Reasoning(state=ir.VendorState("anthropic", "redacted", "xyz"))
    theirs = ir.Reasoning(text="hm", state=ir.VendorState("google", "thought_signature", "g"))
    unsigned = ir.Reasoning(text="hm")
    turn = assistant(ours, secret, theirs, unsigned, ir.ToolCall("a", "weather", "{}"))
    sent = ask(user("q"), turn, result("a", "1"), tools=(WEATHER,))["messages"][1]["content"]
    assert sent[:2] == [
        {"type": "thinking", "thinking": "I think\n\nso ", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "xyz"},
    ]
    assert sent[2]["type"] == "tool_use"
    assert refused(user("q"), turn, result("a", "1"), tools=(WEATHER,)) == {"reasoning": "tuning"}


def test_g51_sampling_goes_only_where_it_is_taken() -> None:
    asked = {"temperature": 1.7, "top_p": 0.5, "top_k": 5}
    body = ask(**asked)
    assert (body["temperature"], body["top_p"], body["top_k"]) == (1.0, 0.5, 5)
    assert refused(**asked) == {"temperature": "tuning"}
    newer = upstream(sampling=False)
    assert not asked.keys() & ask(to=newer, **asked).keys()
    assert refused(to=newer, **asked) == dict.fromkeys(asked, "tuning")
    thinking = upstream(thinking="budget")
    assert not asked.keys() & ask(to=thinking, effort="high", **asked).keys()
    assert refused(to=thinking, effort="high", **asked) == dict.fromkeys(asked, "tuning")


def test_g52_blank_stop_sequences_are_left_out() -> None:
    assert ask(stop=("\n", "END"))["stop_sequences"] == ["END"]
    assert "stop_sequences" not in ask(stop=("\n",))
    assert refused(stop=("\n", "END")) == {"stop": "tuning"}


def test_user_and_service_tier() -> None:
    assert ask(user="u")["metadata"] == {"user_id": "u"}
    assert ask(safety_identifier="s")["metadata"] == {"user_id": "s"}
    assert ask(service_tier="default")["service_tier"] == "auto"
    assert "service_tier" not in ask(service_tier="flex")
    assert refused(service_tier="flex") == {"service_tier": "tuning"}


def test_operator_options_are_merged_last() -> None:
    target = msgspec.structs.replace(upstream(), options={"inference_geo": "us", "max_tokens": 5})
    body = ask(to=target)
    assert (body["inference_geo"], body["max_tokens"]) == ("us", 5)


def test_foreign_extras_stay_behind_and_are_named() -> None:
    block = ir.Text("hi", extras={"citations": msgspec.Raw(b"{}")})
    extras = {"web_search_options": msgspec.Raw(b"{}")}
    body = ask(ir.Message("user", (block,)), extras=extras)
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert "web_search_options" not in body
    assert refused(extras=extras) == {"web_search_options": "contract"}


def test_g61_cache_breakpoints_stay_on_their_blocks() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    body = {
        "model": "m",
        "max_tokens": 5,
        "stream": True,
        "system": [{"type": "text", "text": "s", "cache_control": mark}],
        "tools": [{"name": "t", "input_schema": SCHEMA, "cache_control": mark}],
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "t", "input": {}}]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "a",
                        "content": [{"type": "text", "text": "1", "cache_control": mark}],
                    },
                    {"type": "text", "text": "go", "cache_control": mark},
                ],
            },
        ],
        "cache_control": mark,
    }
    request = DIALECT.read_request(msgspec.json.encode(body))
    sent = msgspec.json.decode(DIALECT.write_request(request, upstream(), CONTEXT).body)
    assert sent == {**body, "model": "claude-x"}
    assert_anthropic_request(sent)


def test_g62_the_shared_history_is_written_byte_for_byte_alike() -> None:
    first = ir.Request(model="m", messages=(user("a"),), tools=(WEATHER,), system=(ir.Text("s"),))
    longer = msgspec.structs.replace(first, messages=(user("a"), assistant("b"), user("c")))
    one, two = (DIALECT.write_request(r, upstream(), ir.Context(s, 1)).body for r, s in ((first, "0"), (longer, "1")))
    head = one[: one.index(b'"messages"')]
    assert two.startswith(head)
    assert one[one.index(b'"tools"') :] == two[two.index(b'"tools"') :]


def test_patch_renames_and_drops_what_is_not_taken() -> None:
    body = b'{"model":"alias","temperature":0,"max_tokens":1,"messages":[{"role":"user","content":  "x"}]}'
    fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode(body)
    target = msgspec.structs.replace(upstream(sampling=False), options={"speed": "fast"})
    out, dropped = DIALECT.patch(fields, target)
    assert [named.name for named in dropped] == ["temperature"]
    assert bytes(out["messages"]) == b'[{"role":"user","content":  "x"}]'
    assert (bytes(out["model"]), bytes(out["speed"])) == (b'"claude-x"', b'"fast"')
    kept, none = DIALECT.patch(fields, upstream())
    assert ("temperature" in kept, none) == (True, [])


def test_refusals_and_errors_of_the_history_are_kept() -> None:
    call = ir.ToolCall("a", "weather", "")
    failed = ir.Message("tool", (ir.ToolResult("a", (ir.Text("no"),), is_error=True),))
    body = ask(user("q"), assistant(call), failed, assistant(ir.Refusal("No."), ir.Refusal("")), user("why?"))
    assert body["messages"][1]["content"][0]["input"] == {}
    assert body["messages"][2]["content"][0]["is_error"] is True
    assert body["messages"][3]["content"] == [{"type": "text", "text": "No."}]


def test_what_cannot_be_said_is_left_out_of_the_body() -> None:
    sound, foreign = ir.Media("audio", data="x"), ir.Opaque("openai", "web_search_call", msgspec.Raw(b"{}"))
    body = ask(user("a", sound, foreign))
    assert body["messages"] == [{"role": "user", "content": "a"}]


def test_own_files_tools_and_types_go_back() -> None:
    body = {
        "model": "claude-x",
        "max_tokens": 5,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                    {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}, "context": "c"},
                ],
            }
        ],
        "tools": [
            {"name": "t", "type": "custom", "input_schema": SCHEMA, "strict": False},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
        "stream": False,
    }
    request = DIALECT.read_request(msgspec.json.encode(body))
    assert DIALECT.refuses(request, upstream()) == []
    assert DIALECT.needs(request, upstream()) == []
    assert msgspec.json.decode(DIALECT.write_request(request, upstream(), CONTEXT).body) == body


def test_an_inline_image_needs_no_fetching() -> None:
    message = user(ir.Media("image", url="data:image/png;base64,AAAA"))
    assert DIALECT.needs(ir.Request(model="m", messages=(message,)), upstream(image_urls=False)) == []


def test_the_path() -> None:
    assert DIALECT.path(upstream(), stream=True) == DIALECT.path(upstream(), stream=False) == "/messages"
