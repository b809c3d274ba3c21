"""What is asked of Gemini: every body is checked against google-genai's types, unknown keys forbidden."""

from typing import Any

import msgspec
import pytest
from gemini_questions import CALL_A, CONTEXT, NEW, OLD, PNG, WEATHER, ask, loop, result, upstream, user, written

from adapters import ir
from adapters.google_gemini import DIALECT
from adapters.google_gemini.write_content import SKIP

# --- where it goes -------------------------------------------------------------------------------------------------


def test_the_path_names_model_and_method() -> None:
    assert DIALECT.write_request(ask(), upstream(), CONTEXT).path == "/models/gemini-2.5-flash:generateContent"
    streamed = DIALECT.write_request(ask(stream=True), upstream(), CONTEXT)
    assert streamed.path == "/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    strange = msgspec.structs.replace(upstream(), model="models/a b/c?d")
    assert DIALECT.path(strange, stream=False) == "/models/a%20b%2Fc%3Fd:generateContent"


def test_neither_model_nor_stream_stands_in_the_body() -> None:
    assert set(written(ask(stream=True))) == {"contents"}


# --- conversation --------------------------------------------------------------------------------------------------


def test_instructions_are_hoisted_in_order_from_wherever_they_stood() -> None:
    late = ir.Message("developer", (ir.Text("c"),))
    body = written(ask(ir.Message("system", (ir.Text("b"),)), user("Hi"), late, system=(ir.Text("a"),)))
    assert body["systemInstruction"] == {"role": "user", "parts": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]


def test_instructions_alone_become_the_question() -> None:
    body = written(ask(ir.Message("system", (ir.Text("a"),))))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "a"}]}]}


def test_neighbours_of_one_role_become_one_content() -> None:
    answer = ir.Message("assistant", (ir.Text("A"),))
    contents = written(ask(user("x"), user("y"), answer, answer, user("z")))["contents"]
    assert [(content["role"], len(content["parts"])) for content in contents] == [
        ("user", 2),
        ("model", 2),
        ("user", 1),
    ]


def test_g74_all_text_parts_arrive_in_order() -> None:
    body = written(ask(user("a", "b"), *loop(ir.ToolResult("a1", (ir.Text("x"), ir.Text("y"))), calls=(CALL_A,))[1:]))
    assert body["contents"][0]["parts"] == [{"text": "a"}, {"text": "b"}]
    assert body["contents"][2]["parts"][0]["functionResponse"]["response"] == {"output": "x\ny"}


def test_empty_text_is_not_sent_and_refusals_are_words() -> None:
    body = written(ask(user("Hi"), ir.Message("assistant", (ir.Text(""), ir.Refusal("No."))), user("Why?")))
    assert body["contents"][1]["parts"] == [{"text": "No."}]


# --- tools ---------------------------------------------------------------------------------------------------------


def test_g13_results_of_a_turn_are_one_content_in_call_order() -> None:
    contents = written(ask(*loop(result("b2", "late"), result("a1", "early")), user("go on")))["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user"]
    assert contents[2]["parts"] == [
        {"functionResponse": {"id": "a1", "name": "weather", "response": {"output": "early"}}},
        {"functionResponse": {"id": "b2", "name": "time", "response": {"output": "late"}}},
        {"text": "go on"},
    ]


def test_g13_text_written_before_results_in_one_message_follows_them() -> None:
    mixed = user("Look:", result("a1"))
    parts = written(ask(user("Hi"), ir.Message("assistant", (CALL_A,)), mixed))["contents"][2]["parts"]
    assert ["functionResponse" in part for part in parts] == [True, False]


def test_g14_only_ids_that_the_upstream_gave_are_echoed() -> None:
    invented = ir.ToolCall("call_gemini_9f_0_1", "weather", "{}")
    contents = written(ask(*loop(result(invented.id), result("a1"), calls=(invented, CALL_A))))["contents"]
    assert [part["functionCall"].get("id") for part in contents[1]["parts"]] == [None, "a1"]
    assert [part["functionResponse"].get("id") for part in contents[2]["parts"]] == [None, "a1"]


def test_g21_digits_and_letters_of_arguments_are_not_touched() -> None:
    arguments = '{"id":2512292042121000001,"f":1.10,"名":"東京"}'
    call = ir.ToolCall("a1", "weather", arguments)
    sent = DIALECT.write_request(ask(*loop(result("a1"), calls=(call,))), upstream(), CONTEXT).body
    assert f'"args":{arguments}'.encode() in sent


@pytest.mark.parametrize("arguments", ["", " ", "null"])
def test_empty_arguments_are_an_empty_object(arguments: str) -> None:
    call = ir.ToolCall("a1", "weather", arguments)
    assert written(ask(*loop(calls=(call,))))["contents"][1]["parts"][0]["functionCall"]["args"] == {}


@pytest.mark.parametrize("arguments", ["[1]", "{", '"x"', "nonsense"])
def test_arguments_that_are_no_object_are_shown_as_text(arguments: str) -> None:
    call = ir.ToolCall("a1", "weather", arguments)
    sent = written(ask(*loop(calls=(call,))))["contents"][1]["parts"][0]["functionCall"]
    assert sent["args"] == {"input": arguments}


def test_a_question_without_words_is_still_a_question() -> None:
    assert written(ask(user("")))["contents"] == [{"role": "user", "parts": [{"text": " "}]}]


def test_errors_of_tools_are_told_as_errors() -> None:
    parts = written(ask(*loop(result("a1", "boom", is_error=True), calls=(CALL_A,))))["contents"][2]["parts"]
    assert parts[0]["functionResponse"]["response"] == {"error": "boom"}


def test_pictures_from_tools_stand_inside_the_response_since_gemini_3_and_beside_it_before() -> None:
    shot = ir.ToolResult("a1", (ir.Text("see"), PNG))
    request = ask(*loop(shot, result("b2")))
    new = written(request, upstream(NEW))["contents"][2]["parts"]
    assert new[0]["functionResponse"]["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]
    old = written(request)["contents"][2]["parts"]
    assert [sorted(part) for part in old] == [["functionResponse"], ["functionResponse"], ["inlineData"]]


def test_g15_schemas_go_unchanged_as_json_schema() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"a": {"type": ["string", "null"]}, "b": {"const": 1}, "c": {"exclusiveMinimum": 0}},
        "anyOf": [{"required": ["a"]}, {"type": "null"}],
        "additionalProperties": False,
    }
    declared = written(ask(tools=(ir.Tool("f", description="d", parameters=schema),)))["tools"]
    assert declared == [{"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": schema}]}]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ir.ToolChoice("none"), {"mode": "NONE"}),
        (ir.ToolChoice("auto"), {"mode": "AUTO"}),
        (ir.ToolChoice("required"), {"mode": "ANY"}),
        (ir.ToolChoice("named", ("weather",)), {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
        (ir.ToolChoice("allowed", ("weather",), True), {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
        (ir.ToolChoice("allowed", ("weather",)), {"mode": "VALIDATED", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_g17_tool_choice(choice: ir.ToolChoice, config: dict[str, Any]) -> None:
    assert written(ask(tools=(WEATHER,), tool_choice=choice))["toolConfig"] == {"functionCallingConfig": config}
    assert "toolConfig" not in written(ask(tool_choice=choice))


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, {"mode": "VALIDATED"}),
        (ir.ToolChoice("auto"), {"mode": "VALIDATED"}),
        (ir.ToolChoice("none"), {"mode": "NONE"}),
        (ir.ToolChoice("required"), {"mode": "ANY"}),
    ],
)
def test_one_strict_tool_has_all_calls_validated(choice: ir.ToolChoice | None, config: dict[str, Any]) -> None:
    request = ask(tools=(WEATHER, ir.Tool("f", strict=True)), tool_choice=choice)
    assert written(request)["toolConfig"] == {"functionCallingConfig": config}


# --- signatures ----------------------------------------------------------------------------------------------------


def state(data: str = "c2ln") -> ir.VendorState:
    return ir.VendorState("google", "thought_signature", data)


def test_signatures_return_on_the_part_that_they_came_with() -> None:
    answer = ir.Message(
        "assistant",
        (
            ir.Reasoning(summary=("hm",), state=state("AAAA")),
            ir.Text("So:", state=state("BBBB")),
            ir.ToolCall("a1", "weather", "{}", state=state("CCCC")),
            ir.Reasoning(state=state("DDDD")),
        ),
    )
    parts = written(ask(user("Hi"), answer, ir.Message("tool", (result("a1"),))), upstream(NEW))["contents"][1]["parts"]
    assert parts == [
        {"text": "hm", "thought": True, "thoughtSignature": "AAAA"},
        {"text": "So:", "thoughtSignature": "BBBB"},
        {"functionCall": {"id": "a1", "name": "weather", "args": {}}, "thoughtSignature": "CCCC"},
        {"text": "", "thoughtSignature": "DDDD"},
    ]


def test_state_of_other_vendors_never_reaches_google() -> None:
    foreign = ir.VendorState("anthropic", "signature", "secret")
    answer = ir.Message("assistant", (ir.Reasoning("raw", state=foreign), ir.Text("x", state=foreign)))
    sent = DIALECT.write_request(ask(user("Hi"), answer, user("?")), upstream(NEW), CONTEXT).body
    assert b"secret" not in sent
    assert b"raw" not in sent


def signatures(request: ir.Request, target: ir.Upstream, context: ir.Context = CONTEXT) -> list[list[str | None]]:
    contents = written(request, target, context)["contents"]
    steps = [content["parts"] for content in contents if content["role"] == "model"]
    return [[part.get("thoughtSignature") for part in step] for step in steps]


def test_g28_the_first_unsigned_call_of_each_step_of_the_turn_gets_the_skip_value() -> None:
    second = ir.Message("assistant", (ir.ToolCall("c3", "time", "{}"),))
    told = ir.Message("assistant", (ir.Text("So."),))
    calls = loop(result("a1"), result("b2"))
    request = ask(*calls, told, user("next"), *calls[1:], second)
    assert signatures(request, upstream(NEW)) == [[None, None], [None], [SKIP, None], [SKIP]]
    assert signatures(request, upstream(OLD)) == [[None, None], [None], [None, None], [None]]


def test_g28_words_beside_results_do_not_begin_a_turn() -> None:
    calls = loop(result("a1"), result("b2"))
    assert signatures(ask(*calls, user("and now?")), upstream(NEW)) == [[SKIP, None]]
    assert signatures(ask(*loop(), user("never mind")), upstream(NEW)) == [[SKIP, None]]


def test_g28_real_signatures_always_win() -> None:
    signed = ir.ToolCall("b2", "time", "{}", state=state())
    request = ask(*loop(result("a1"), result("b2"), calls=(CALL_A, signed)))
    assert signatures(request, upstream(NEW)) == [[None, "c2ln"]]


# --- media ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "blob"),
    [
        (ir.Media("image", data="/9j/4A==", media_type="image/jpg"), {"mimeType": "image/jpeg", "data": "/9j/4A=="}),
        (ir.Media("image", data="/9j/4A=="), {"mimeType": "image/jpeg", "data": "/9j/4A=="}),
        (ir.Media("image", data="AAAA"), {"mimeType": "image/png", "data": "AAAA"}),
        (ir.Media("file", data="JVBERi0=", name="a.pdf"), {"mimeType": "application/pdf", "data": "JVBERi0="}),
        (ir.Media("file", data="aGk=", media_type="text/plain"), {"mimeType": "text/plain", "data": "aGk="}),
        (ir.Media("audio", data="AAAA", media_type="audio/wav"), {"mimeType": "audio/wav", "data": "AAAA"}),
    ],
)
def test_g41_g43_media_is_inline_with_a_true_type(block: ir.Media, blob: dict[str, str]) -> None:
    assert written(ask(user(block)))["contents"][0]["parts"] == [{"inlineData": blob}]


def test_g87_web_media_is_fetched_and_sent_with_the_served_type() -> None:
    request = ask(user(ir.Media("image", url="https://host/x")))
    (need,) = DIALECT.needs(request, upstream())
    assert need == ir.Need("media_url", "https://host/x")
    served = ir.Context("ab", 1, fetched={need: ir.Media("image", data="AAAA", media_type="image/webp")})
    parts = written(request, context=served)["contents"][0]["parts"]
    assert parts == [{"inlineData": {"mimeType": "image/webp", "data": "AAAA"}}]
    with pytest.raises(ir.Invalid, match="could not be fetched"):
        DIALECT.write_request(request, upstream(), CONTEXT)


@pytest.mark.parametrize(
    ("block", "uri"),
    [
        (ir.Media("image", url="gs://bucket/x.png"), "gs://bucket/x.png"),
        (ir.Media("file", file_id="files/abc"), "https://generativelanguage.googleapis.com/v1beta/files/abc"),
        (ir.Media("file", url="https://youtu.be/lCdaVNyHtjU"), "https://youtu.be/lCdaVNyHtjU"),
    ],
)
def test_files_that_google_can_reach_are_named_not_fetched(block: ir.Media, uri: str) -> None:
    assert DIALECT.needs(ask(user(block)), upstream()) == []
    assert written(ask(user(block)))["contents"][0]["parts"] == [{"fileData": {"fileUri": uri}}]


def test_files_of_another_vendor_are_refused_and_backends_that_follow_urls_get_them() -> None:
    uploaded = ask(user(ir.Media("file", file_id="file-1")))
    assert DIALECT.needs(uploaded, upstream()) == []
    assert [(named.name, named.kind) for named in DIALECT.refuses(uploaded, upstream())] == [
        ("messages.file", "contract")
    ]
    follows = upstream(ir.Capabilities(image_urls=True))
    request = ask(user(ir.Media("image", url="https://host/x", media_type="image/jpg")))
    assert DIALECT.needs(request, follows) == []
    assert written(request, follows)["contents"][0]["parts"] == [
        {"fileData": {"fileUri": "https://host/x", "mimeType": "image/jpeg"}}
    ]


# --- the operator, and other families ------------------------------------------------------------------------------


def test_the_operators_options_come_last() -> None:
    options = {"safetySettings": [], "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW", "seed": 9}}
    body = written(ask(seed=1, temperature=0.5), upstream(options=options))
    assert body["safetySettings"] == []
    assert body["generationConfig"] == {"temperature": 0.5, "seed": 9, "mediaResolution": "MEDIA_RESOLUTION_LOW"}


def test_fields_of_another_family_are_not_carried() -> None:
    assert set(written(ask(extras={"prediction": msgspec.Raw(b"{}")}))) == {"contents"}
