"""Field by field, questions: what only `make mutate` missed. Whole values are compared, so that no field is lost unseen."""

import base64
from typing import Any

import msgspec
import pytest

from adapters import ir
from adapters.anthropic_messages import DIALECT

X = msgspec.Raw(b"1")
EXTRAS = {"x": X}
CONTEXT = ir.Context("00", 0)
SIGNED = ir.VendorState("anthropic", "signature", "sig")
REDACTED = ir.VendorState("anthropic", "redacted", "dGhl")
DATA = base64.b64encode(b"hello").decode()
CAN = ir.Capabilities(files=True, max_temperature=1.0, service_tiers=True)


def question(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": "a"}], **body})


def read(**body: Any) -> ir.Request:
    return DIALECT.read_request(question(body))


def turn(*blocks: dict[str, Any], role: str = "user", **more: Any) -> list[dict[str, Any]]:
    return [{"role": role, "content": list(blocks), **more}]


def upstream(**can: Any) -> ir.Upstream:
    return ir.Upstream(
        provider="anthropic",
        dialect="anthropic_messages",
        model="claude-x",
        family="anthropic",
        capabilities=msgspec.structs.replace(CAN, **can),
    )


def ask(*blocks: ir.Block, role: ir.Role = "user", **fields: Any) -> ir.Request:
    return ir.Request(model="m", messages=(ir.Message(role, blocks or (ir.Text("a"),)),), **fields)


def written(request: ir.Request, **can: Any) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(DIALECT.write_request(request, upstream(**can), CONTEXT).body)
    return body


def test_what_the_house_asks_of_a_dialect() -> None:
    told = (DIALECT.name, DIALECT.family, DIALECT.auth_header, DIALECT.terminator)
    assert told == ("anthropic_messages", "anthropic", "x-api-key", b"")
    headers = DIALECT.write_request(ask(), upstream(), CONTEXT).headers
    assert headers == {"anthropic-version": "2023-06-01", "content-type": "application/json"}


# --- a question, read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content", "invalid_type"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        ({"messages": [{"role": "x", "content": ""}]}, "messages[0].role", "invalid_value"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"max_tokens": -1}, "max_tokens", "invalid_value"),
        ({"max_tokens": "1"}, "max_tokens", "invalid_type"),
        ({"system": [{"type": "image", "source": {"type": "url", "url": "u"}}]}, "system", "invalid_value"),
        ({"tool_choice": {"type": "x"}}, "tool_choice.type", "invalid_value"),
        ({"output_config": {"format": {"type": "x"}}}, "output_config.format.type", "invalid_value"),
        (
            {"output_config": {"format": {"type": "json_schema"}}},
            "output_config.format.schema",
            "missing_required_parameter",
        ),
    ],
)
def test_a_mistake_is_told_with_its_field(body: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(ir.Invalid) as caught:
        read(**body)
    failure = caught.value.failure
    assert (failure.param, failure.code) == (param, code)
    assert failure.message.startswith(param)


def test_every_choice_is_offered_by_the_error() -> None:
    with pytest.raises(ir.Invalid, match=r"use auto, any, tool, none\.$"):
        read(tool_choice={"type": "x"})


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"type": "text", "text": "a"}, ir.Text("a", extras=EXTRAS)),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
            ir.Media("image", data=DATA, media_type="image/png", extras=EXTRAS),
        ),
        (
            {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}},
            ir.Media("file", data=DATA, media_type="text/plain", name="t", extras=EXTRAS),
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://h/x"}},
            ir.Media("file", url="https://h/x", extras=EXTRAS),
        ),
        (
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
            ir.Media("image", file_id="file_1", extras=EXTRAS),
        ),
        (
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            ir.Reasoning(summary=("hm",), state=SIGNED, extras=EXTRAS),
        ),
        ({"type": "redacted_thinking", "data": "dGhl"}, ir.Reasoning(state=REDACTED, extras=EXTRAS)),
        (
            {"type": "tool_use", "id": "i", "name": "f", "input": {"a": 1}},
            ir.ToolCall("i", "f", '{"a":1}', extras=EXTRAS),
        ),
    ],
)
def test_every_block_with_all_its_fields(part: dict[str, Any], block: ir.Block) -> None:
    request = read(messages=turn(part | {"x": 1}, x=1))
    assert request.messages == (ir.Message("user", (block,), extras=EXTRAS),)
    assert written(request)["messages"][0]["content"] == [part | {"x": 1}]


def test_results_with_all_their_fields() -> None:
    part = {"type": "tool_result", "tool_use_id": "i", "is_error": True, "content": "no", "x": 1}
    request = read(messages=turn(part))
    (message,) = request.messages
    (block,) = message.blocks
    assert isinstance(block, ir.ToolResult)
    assert (message.role, block.id, block.is_error, block.extras) == ("tool", "i", True, EXTRAS)
    assert written(request)["messages"][0]["content"] == [part]


@pytest.mark.parametrize(
    ("thinking", "told", "extras"),
    [
        ({"type": "disabled"}, ("none", 0, None), set()),
        ({"type": "adaptive"}, (None, -1, None), set()),
        ({"type": "adaptive", "display": "summarized"}, (None, -1, "auto"), set()),
        ({"type": "enabled", "budget_tokens": 2048}, (None, 2048, "auto"), set()),
        ({"type": "enabled", "budget_tokens": 2048, "x": 1}, (None, 2048, "auto"), {"thinking"}),
        ({"type": "enabled", "budget_tokens": 2048, "display": "omitted"}, (None, 2048, None), {"thinking"}),
        (None, (None, None, None), set()),
    ],
)
def test_thinking_as_the_hub_counts_it(thinking: Any, told: tuple[Any, ...], extras: set[str]) -> None:
    request = read(thinking=thinking)
    assert (request.effort, request.thinking_budget, request.reasoning_summary) == told
    assert request.extras.keys() == extras


def test_a_schema_is_always_strict() -> None:
    request = read(output_config={"format": {"type": "json_schema", "schema": {}}}, temperature=None)
    assert request.format == ir.Format("json_schema", schema={}, strict=True)
    assert request.extras == {}


# --- a question, written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("media", "kind"),
    [
        (ir.Media("image", data="/9j/4AAQ"), "image/jpeg"),
        (ir.Media("image", data="iVBORw0K"), "image/png"),
        (ir.Media("image", data="R0lGODlh"), "image/gif"),
        (ir.Media("image", data="UklGRiQAAABXRUJQ"), "image/webp"),
        (ir.Media("image", data=DATA, media_type="image/jpg"), "image/jpeg"),
        (ir.Media("image", data=DATA, media_type="image/pjpeg"), "image/jpeg"),
        (ir.Media("image", data=DATA, media_type="image/x-png"), "image/png"),
        (ir.Media("image", data=DATA, media_type="image/gif"), "image/gif"),
        (ir.Media("image", data=DATA, media_type="image/webp"), "image/webp"),
        (ir.Media("file", data="JVBERi0x"), "application/pdf"),
    ],
)
def test_media_say_what_they_are(media: ir.Media, kind: str) -> None:
    request = ask(media)
    assert DIALECT.refuses(request, upstream()) == []
    (part,) = written(request)["messages"][0]["content"]
    assert part["source"] == {"type": "base64", "media_type": kind, "data": media.data}


@pytest.mark.parametrize(
    "kind", [None, "text/csv", "application/json", "application/xml", "application/yaml", "application/x-yaml"]
)
def test_documents_of_text_are_told_as_text(kind: str | None) -> None:
    request = ask(ir.Media("file", data=DATA, media_type=kind))
    assert DIALECT.refuses(request, upstream()) == []
    (part,) = written(request)["messages"][0]["content"]
    assert part == {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}}


PDF = {"type": "base64", "media_type": "application/pdf", "data": DATA}


@pytest.mark.parametrize(
    "found",
    [
        ir.Media("image", data=DATA, media_type="application/pdf"),
        ir.Media("file", data=DATA, media_type="application/x-pdf; charset=binary"),
    ],
)
def test_what_was_fetched_stands_in_the_place_of_its_url(found: Any) -> None:
    block = ir.Media("file", url="http://h/n", name="n")
    context = ir.Context("00", 0, {ir.Need("media_url", "http://h/n"): found})
    body = msgspec.json.decode(DIALECT.write_request(ask(block), upstream(), context).body)
    assert body["messages"][0]["content"] == [{"type": "document", "source": PDF, "title": "n"}]


def test_the_kind_is_that_of_the_question_not_of_what_was_fetched() -> None:
    found = ir.Media("image", data=DATA, media_type="text/csv")
    context = ir.Context("00", 0, {ir.Need("media_url", "http://h/n"): found})
    sent = DIALECT.write_request(ask(ir.Media("file", url="http://h/n")), upstream(), context).body
    (part,) = msgspec.json.decode(sent)["messages"][0]["content"]
    assert part["source"] == {"type": "text", "media_type": "text/plain", "data": "hello"}


def test_a_data_url_is_taken_apart() -> None:
    sent = written(ask(ir.Media("file", url=f"data:application/pdf;base64,{DATA}")))
    assert sent["messages"][0]["content"] == [{"type": "document", "source": PDF}]


@pytest.mark.parametrize(("hub", "wire"), [("auto", "auto"), ("default", "auto"), ("standard_only", "standard_only")])
def test_service_tiers(hub: str, wire: str) -> None:
    assert written(ask(service_tier=hub))["service_tier"] == wire


def test_an_exact_relay_says_what_it_left_out() -> None:
    out, named = DIALECT.patch({"top_k": X, "x": X}, upstream(sampling=False))
    assert out == {"x": X, "model": msgspec.Raw(b'"claude-x"')}
    assert named == [ir.Named("top_k", "this model does not take it", "tuning")]


FORMATS = ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"]


@pytest.mark.parametrize("name", FORMATS)
def test_formats_that_are_enforced(name: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "format": name}}}
    sent = written(ask(format=ir.Format("json_schema", "n", schema)))["output_config"]["format"]["schema"]
    assert sent["properties"]["a"] == {"type": "string", "format": name}


@pytest.mark.parametrize(
    ("effort", "budget"),
    [("minimal", 1024), ("low", 1024), ("medium", 2048), ("high", 4096), ("xhigh", 8192), ("max", 16384)],
)
def test_every_effort_has_a_budget(effort: str, budget: int) -> None:
    sent = DIALECT.write_request(ask(effort=effort), upstream(thinking="budget"), CONTEXT)
    assert msgspec.json.decode(sent.body)["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert sent.effort == effort


@pytest.mark.parametrize("effort", ["low", "medium", "high", "xhigh", "max"])
def test_every_effort_of_a_model_that_adapts(effort: str) -> None:
    assert written(ask(effort=effort), thinking="adaptive")["output_config"] == {"effort": effort}


NO_PARAMETER = "this backend has no such parameter"
HERE = "messages[0].content[0]"


@pytest.mark.parametrize(
    ("request_", "can", "told"),
    [
        (ask(n=2), {}, ("n", "this backend gives one answer per request", "contract")),
        (ask(logprobs=True), {}, ("logprobs", "this backend has no log probabilities", "contract")),
        (ask(top_logprobs=1), {}, ("top_logprobs", "this backend has no log probabilities", "contract")),
        (ask(include=("message.output_text.logprobs",)), {}, ("include", "this backend has no log probabilities", "contract")),
        (ask(modalities=("audio",)), {}, ("modalities", "this backend answers in text only", "contract")),
        (ask(tools=(ir.Tool("f"),)), {"tools": False}, ("tools[0]", "this backend takes no tools", "contract")),
        (ask(tools=(ir.Tool("f", "hosted", type="x"),)), {}, ("tools[0]", "'x' is run by another vendor", "contract")),
        (ask(tools=(ir.Tool("f", parameters={"type": "string"}),)), {}, ("tools[0]", "its parameters must be an object schema", "contract")),
        (ask(tools=(ir.Tool("f", strict=True),)), {"strict_tools": False}, ("tools[0].strict", "this model does not enforce tool schemas", "tuning")),
        (
            ask(tools=(ir.Tool("f"),), tool_choice=ir.ToolChoice("required")),
            {"forced_tools": False},
            ("tool_choice", "this model cannot be forced to call a tool", "contract"),
        ),
        (ask(ir.Media("audio", data=DATA)), {}, (HERE, "this backend takes no audio", "contract")),
        (ask(ir.Media("image", data=DATA)), {"images": False}, (HERE, "this backend takes no images", "contract")),
        (ask(ir.Media("file", data=DATA)), {"files": False}, (HERE, "this backend takes no files", "contract")),
        (ask(ir.Media("file", file_id="x")), {}, (HERE, "a file id of another vendor cannot be read here; send the data or a URL", "contract")),
        (
            ask(ir.Media("image", data=DATA, media_type="image/bmp")),
            {},
            (HERE, "'image/bmp' is not among image/gif, image/jpeg, image/png, image/webp", "contract"),
        ),
        (ask(ir.Media("file", data=DATA, media_type="video/mp4")), {}, (HERE, "'video/mp4' is neither PDF nor text", "contract")),
        (ask(ir.Opaque("openai", "item", X)), {}, (HERE, "'item' is not known to this backend", "contract")),
        (ask(ir.Text("a"), ir.Reasoning("hm")), {}, ("reasoning", "reasoning of another vendor, or unsigned, cannot be given back", "tuning")),
        (
            ask(role="assistant"),
            {"prefill": False},
            ("messages", "this model does not continue an answer that was begun for it; end with a user turn", "contract"),
        ),
        (ask(seed=1), {}, ("seed", NO_PARAMETER, "tuning")),
        (ask(presence_penalty=-1), {}, ("presence_penalty", NO_PARAMETER, "tuning")),
        (ask(logit_bias={"1": 1}), {}, ("logit_bias", NO_PARAMETER, "contract")),
        (ask(service_tier="flex"), {}, ("service_tier", "'flex' is not a tier of this backend", "tuning")),
        (ask(stop=(" ",)), {}, ("stop", "stop sequences of white space only are refused by this backend", "tuning")),
        (ask(user="u", safety_identifier="s"), {}, ("user", "only one of user and safety_identifier can be sent", "tuning")),
        (ask(max_output_tokens=9), {"max_output": 8}, ("max_tokens", "clamped to 8, this model's limit", "tuning")),
        (ask(temperature=2), {}, ("temperature", "clamped to 1.0", "tuning")),
        (ask(temperature=1), {"sampling": False}, ("temperature", "this model does not take it", "tuning")),
        (ask(top_p=1, reasoning_summary="auto"), {"thinking": "adaptive"}, ("top_p", "it is not taken beside thinking", "tuning")),
        (ask(extras=EXTRAS), {}, ("x", "not known to this backend", "unknown")),
        (ask(effort="low"), {}, ("reasoning_effort", "this model does not reason on request", "tuning")),
        (
            ask(effort="none"),
            {"thinking": "always", "can_disable_thinking": False},
            ("reasoning_effort", "thinking cannot be switched off for this model; 'low' is sent", "tuning", "unsupported_value"),
        ),
        (
            ask(effort="max"),
            {"thinking": "adaptive", "efforts": ("low",)},
            ("reasoning_effort", "'max' is not offered by this model; 'low' is sent", "tuning", "unsupported_value"),
        ),
        (
            ask(effort="low", max_output_tokens=9),
            {"thinking": "budget"},
            ("reasoning_effort", "max_tokens 9 leaves no room for 1024 thinking tokens", "tuning"),
        ),
        (
            ask(effort="max"),
            {"thinking": "budget", "budgets": {"low": 2000}},
            ("reasoning_effort", "'max' is sent as 2000 thinking tokens", "tuning", "unsupported_value"),
        ),
    ],
)  # fmt: skip
def test_a_refusal_says_what_and_why(request_: ir.Request, can: dict[str, Any], told: tuple[str, str, Any]) -> None:
    assert DIALECT.refuses(request_, upstream(**can)) == [ir.Named(*told)]


def test_g14_an_id_that_comes_again_is_numbered_with_its_answer() -> None:
    call, answer = ir.ToolCall("i", "f", "{}"), ir.ToolResult("i", (ir.Text("1"),))
    rounds = [ir.Message("assistant", (call,)), ir.Message("tool", (answer,))] * 3
    sent = written(ir.Request(model="m", messages=(ir.Message("user", (ir.Text("a"),)), *rounds)))["messages"]
    ids = [block.get("id", block.get("tool_use_id")) for turn in sent[1:] for block in turn["content"]]
    assert ids == ["i", "i", "i_2", "i_2", "i_3", "i_3"]
