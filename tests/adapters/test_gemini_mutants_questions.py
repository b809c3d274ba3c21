"""Field by field, questions: what only `make mutate` missed. Whole values are compared, so that no field is lost unseen."""

from typing import Any

import msgspec
import pytest
from gemini_questions import CONTEXT, NEW, OLD, PNG, ask, upstream, user, written

from adapters import ir
from adapters.google_gemini import DIALECT

DATA = "aGk="
X = msgspec.Raw(b"1")
EXTRAS = {"x": X}


def question(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"contents": [{"role": "user", "parts": [{"text": "a"}]}], **body})


def read(body: dict[str, Any]) -> ir.Request:
    return DIALECT.read_request(question(body))


def content(*parts: dict[str, Any], role: str = "user", **more: Any) -> dict[str, Any]:
    return {"contents": [{"role": role, "parts": list(parts), **more}]}


def candidate(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    one = {"content": {"parts": list(parts)}, **more} | ({"finishReason": finish} if finish else {})
    return {"candidates": [one]}


def test_what_the_house_asks_of_a_dialect() -> None:
    told = (DIALECT.name, DIALECT.family, DIALECT.auth_header, DIALECT.terminator)
    assert told == ("google_gemini", "google", "x-goog-api-key", b"")


# --- a question, read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"contents": []}, ("'contents' is missing or empty. Send at least one content.", "contents", None)),
        (content({"text": "a"}, role="robot"), ("Unknown role 'robot'. Use 'user' or 'model'.", "contents[0].role", "invalid_value")),
        (content({"x": 1}), ("'contents[0].parts[0]' holds no kind of part that is known here.", "contents[0].parts[0]", "invalid_value")),
        (content({"inlineData": {}}), ("'contents[0].parts[0].inlineData' is empty. Send data or a file URI.", "contents[0].parts[0]", None)),
        (
            content({"functionResponse": {"name": "f", "parts": [{"text": "a"}]}}),
            ("'contents[0].parts[0]' must hold inlineData or fileData.", "contents[0].parts[0]", None),
        ),
        ({"toolConfig": 3}, ("'toolConfig' must be a JSON object.", "toolConfig", "invalid_type")),
        (
            {"serviceTier": 3},
            ("Invalid value for 'serviceTier': Expected `str | null`, got `int`.", "serviceTier", "invalid_type"),
        ),
        ({"systemInstruction": {"parts": [{"inlineData": {}}]}}, ("A system instruction holds text only.", "systemInstruction.parts[0]", None)),
        (
            {"tools": [{"functionDeclarations": [{}]}]},
            (
                "'tools[0].functionDeclarations[0].name' is missing. Give the function a name.",
                "tools[0].functionDeclarations[0].name",
                None,
            ),
        ),
        (
            {"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}},
            (
                "Unknown function calling mode 'SOME'. Use AUTO, ANY, NONE or VALIDATED.",
                "toolConfig.functionCallingConfig.mode",
                "invalid_value",
            ),
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_field_and_its_mend(body: dict[str, Any], told: tuple[str, str, str | None]) -> None:
    with pytest.raises(ir.Invalid) as caught:
        read(body)
    failure = caught.value.failure
    assert (failure.message, failure.param, failure.code) == told


def test_arguments_must_be_utf_8() -> None:
    body = b'{"contents":[{"parts":[{"functionCall":{"name":"f","args":{"a":"\xff"}}}]}]}'
    with pytest.raises(ir.Invalid, match="not valid UTF-8"):
        DIALECT.read_request(body)


SIGNED = ir.VendorState("google", "thought_signature", "AAAA")


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"text": "a", "thoughtSignature": "AAAA", "x": 1}, ir.Text("a", state=SIGNED, extras=EXTRAS)),
        (
            {"text": "a", "thought": True, "thoughtSignature": "AAAA", "x": 1},
            ir.Reasoning(summary=("a",), state=SIGNED, extras=EXTRAS),
        ),
        (
            {"functionCall": {"id": "i", "name": "f", "args": {"n": 1}, "x": 1}, "thoughtSignature": "AAAA", "x": 1},
            ir.ToolCall("i", "f", '{"n":1}', state=SIGNED, extras={"x": X, "functionCall": msgspec.Raw(b'{"x":1}')}),
        ),
        (
            {"inlineData": {"mimeType": "image/png", "data": DATA, "displayName": "n", "x": 1}, "x": 1},
            ir.Media(
                "image",
                data=DATA,
                media_type="image/png",
                name="n",
                extras={"x": X, "inlineData": msgspec.Raw(b'{"x":1}')},
            ),
        ),
        (
            {"fileData": {"fileUri": "gs://x", "mimeType": "audio/wav"}},
            ir.Media("audio", "gs://x", media_type="audio/wav"),
        ),
    ],
)
def test_every_part_with_all_its_fields(part: dict[str, Any], block: ir.Block) -> None:
    request = read(content(part, x=1))
    assert request.messages == (ir.Message("user", (block,), extras=EXTRAS),)
    assert written_again(request)["contents"] == content(part, x=1)["contents"]


def written_again(request: ir.Request) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(DIALECT.write_request(request, upstream(), CONTEXT).body)
    return body


@pytest.mark.parametrize("name", ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"])
def test_parts_that_only_google_knows_are_kept_whole(name: str) -> None:
    (block,) = read(content({name: {"a": 1}})).messages[0].blocks
    assert block == ir.Opaque("google", name, msgspec.Raw(msgspec.json.encode({name: {"a": 1}})))


def test_results_with_all_their_fields() -> None:
    response = {"name": "f", "id": "i", "response": {"error": "no"}, "parts": [{"inlineData": {"data": DATA}}]}
    (message,) = read(content({"functionResponse": response})).messages
    (block,) = message.blocks
    assert isinstance(block, ir.ToolResult)
    assert message.role == "tool"
    assert (block.id, block.name, block.is_error) == ("i", "f", True)
    assert block.content == (ir.Text("no"), ir.Media("file", data=DATA))


def test_a_legacy_role_is_the_users() -> None:
    assert read(content({"text": "a"}, role="function")).messages[0].role == "user"


def test_instructions_keep_what_stands_beside_their_text() -> None:
    body = {"systemInstruction": {"parts": [{"text": "s", "x": 1}]}}
    request = read(body)
    assert request.system == (ir.Text("s", extras=EXTRAS),)
    assert written_again(request)["systemInstruction"]["parts"] == [{"text": "s", "x": 1}]


def test_what_the_hub_knows_leaves_the_configuration() -> None:
    request = read(
        {
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseJsonSchema": {"type": "object"},
                "thinking_config": {"thinking_budget": 5, "include_thoughts": True},
            }
        }
    )
    assert request.format == ir.Format("json_schema", schema={"type": "object"})
    assert (request.thinking_budget, request.reasoning_summary) == (5, "auto")
    kept = msgspec.json.decode(request.extras["generationConfig"])
    assert kept == {"thinkingConfig": {"thinkingBudget": 5, "includeThoughts": True}}


def test_tools_of_google_and_what_else_the_tool_config_says() -> None:
    request = read(
        {
            "tools": [{"googleSearch": {"x": 1}}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}, "retrievalConfig": {}},
        }
    )
    raw = msgspec.Raw(b'{"googleSearch":{"x":1}}')
    assert request.tools == (ir.Tool("googleSearch", "hosted", type="googleSearch", raw=raw),)
    assert bytes(request.extras["toolConfig"]) == b'{"retrievalConfig":{}}'
    assert request.tool_choice == ir.ToolChoice("required")


# --- a question, written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("media", "kind"),
    [
        (ir.Media("image", data="iVBORw0KGgo="), "image/png"),
        (ir.Media("file", data="iVBORw0KGgo="), "image/png"),
        (ir.Media("image", data="/9j/4AAQ"), "image/jpeg"),
        (ir.Media("image", data="R0lGODlh"), "image/gif"),
        (ir.Media("image", data="UklGRiQAAABXRUJQ"), "image/webp"),
        (ir.Media("image", data="JVBERi0x"), "application/pdf"),
        (ir.Media("image", data=DATA), "image/png"),
        (ir.Media("audio", data=DATA), "audio/wav"),
        (ir.Media("file", data=DATA), "application/pdf"),
        (ir.Media("image", data=DATA, media_type="image/jpg"), "image/jpeg"),
    ],
)
def test_media_say_what_they_are(media: ir.Media, kind: str) -> None:
    (part,) = written(ask(user(media)))["contents"][0]["parts"]
    assert part == {"inlineData": {"mimeType": kind, "data": media.data}}


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (ask(user(ir.Media("image", url="https://h/x"))), "'https://h/x' could not be fetched. Send the image as base64 data."),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_written_says_why(request_: ir.Request, why: str) -> None:
    with pytest.raises(ir.Invalid) as caught:
        DIALECT.write_request(request_, upstream(), CONTEXT)
    assert (caught.value.failure.message, caught.value.failure.param) == (why, "messages")


def test_a_tool_that_says_nothing_and_a_choice_that_allows_none() -> None:
    request = ask(tools=(ir.Tool("sh"),), tool_choice=ir.ToolChoice("allowed", required=True))
    body = written(request)
    assert body["tools"] == [{"functionDeclarations": [{"name": "sh"}]}]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "NONE"}}


TUNED = {"tuning": "this backend has no such switch", "contract": "this backend cannot do it"}
NONE = ir.Capabilities(
    sampling=False, penalties=False, seed=False, tools=False, forced_tools=False, images=False, max_stop=0
)


@pytest.mark.parametrize(
    ("request_", "limits", "told"),
    [
        (ask(presence_penalty=1.0, frequency_penalty=1.0), NONE, [("presence_penalty", TUNED["tuning"], "tuning"), ("frequency_penalty", TUNED["tuning"], "tuning")]),
        (ask(temperature=1.0, top_p=1.0, top_k=1), NONE, [(name, TUNED["tuning"], "tuning") for name in ("temperature", "top_p", "top_k")]),
        (ask(user="u"), OLD, [("user", "Gemini has no such parameter", "tuning")]),
        (ask(extras={"x": X}), OLD, [("x", "only the client's own vendor knows it", "unknown")]),
        (ask(user(PNG)), NONE, [("messages.image", "this backend takes no image", "contract")]),
        (
            ask(ir.Message("user", (ir.Opaque("openai", "item", X),))),
            OLD,
            [("messages.item", "only the vendor that made it can read it", "contract")],
        ),
        (
            ask(ir.Message("assistant", (ir.Reasoning("hm"),))),
            OLD,
            [("messages.reasoning", "another vendor's thoughts mean nothing to Gemini", "tuning")],
        ),
        (ask(ir.Message("user", (ir.Text("a"),), name="joe")), OLD, [("messages.name", "Gemini has no such parameter", "tuning")]),
        (ask(temperature=2.0), msgspec.structs.replace(OLD, max_temperature=1.0), [("temperature", "lowered to 1.0", "tuning")]),
        (ask(max_output_tokens=9), msgspec.structs.replace(OLD, max_output=8), [("max_output_tokens", "lowered to 8", "tuning")]),
        (ask(effort="max"), NEW, [("reasoning_effort", "sent as high", "tuning", "unsupported_value")]),
        (ask(effort="low"), NONE, [("reasoning_effort", "this model does not think", "tuning")]),
        (ask(logit_bias={"1": 1.0}), OLD, [("logit_bias", TUNED["contract"], "contract")]),
    ],
)  # fmt: skip
def test_a_refusal_says_what_and_why(
    request_: ir.Request, limits: ir.Capabilities, told: list[tuple[str, str, Any]]
) -> None:
    assert DIALECT.refuses(request_, upstream(limits)) == [ir.Named(*one) for one in told]


def test_an_exact_relay_says_what_it_left_out() -> None:
    body = {"generationConfig": msgspec.Raw(b'{"temperature":1,"seed":1,"x":1}')}
    out, named = DIALECT.patch(body, upstream(NONE))
    assert out == {"generationConfig": msgspec.Raw(b'{"x":1}')}
    assert named == [ir.Named(name, TUNED["tuning"], "tuning") for name in ("temperature", "seed")]


@pytest.mark.parametrize(("hub", "wire"), [("default", "standard"), ("flex", "flex"), ("priority", "priority")])
def test_service_tiers_in_both_vocabularies(hub: str, wire: str) -> None:
    assert written(ask(service_tier=hub))["serviceTier"] == wire
    assert read({"serviceTier": wire}).service_tier == hub
    usage = {"promptTokenCount": 1, "totalTokenCount": 3, "candidatesTokenCount": 2, "serviceTier": wire}
    told = DIALECT.read_response(msgspec.json.encode({**candidate(finish="STOP"), "usageMetadata": usage}))
    assert ir.UsageReported(ir.Usage(input=1, output=2, reasoning=0, total=3, service_tier=hub)) in told
