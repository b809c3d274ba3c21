"""Formats that a backend does not enforce: how they are asked for instead, and how the answer is changed back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapters import ir
from adapters.fitting import fit
from adapters.fitting.unwrap import json_in

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
SHAPE = ir.Format("json_schema", "weather", SCHEMA, True, "The weather, please.")
OBJECT = ir.Format("json_object")
TREE = {"type": "object", "properties": {"in": {"$ref": "#"}}}
MAP = {"type": "object", "additionalProperties": {"type": "integer"}}
TOOL = ir.Tool("mine", parameters={"type": "object"})
NEITHER = {"json_schema": False, "json_object": False}
USER = ir.Message("user", (ir.Text("Hi!"),))


def ask(shape: ir.Format | None = SHAPE, *messages: ir.Message, **fields: Any) -> ir.Request:
    return ir.Request(model="m", messages=messages or (USER,), format=shape, stream=True, **fields)


def upstream(**can: Any) -> ir.Upstream:
    return ir.Upstream(provider="p", dialect="openai_chat", model="m", capabilities=ir.Capabilities(**can))


def told(request: ir.Request) -> str:
    """All instructions."""
    leading = [m.blocks for m in request.messages if m.role in ("system", "developer")]
    return "\n".join(t.text for blocks in [request.system, *leading] for t in blocks if isinstance(t, ir.Text))


# --- the question --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "can"),
    [
        (ask(None), NEITHER),
        (ask(ir.Format("text")), NEITHER),
        (ask(), {}),
        (ask(OBJECT), {"json_schema": False}),
        (ask(tools=(TOOL,)), {}),
        (ask(ir.Format("json_schema", schema=TREE), family="openai"), {"recursive_schemas": False}),
        (ask(ir.Format("json_schema", schema=MAP), family="openai"), {"open_schemas": False}),
    ],
)
def test_what_is_enforced_is_left_alone(request_: ir.Request, can: dict[str, Any]) -> None:
    fitted = fit(request_, upstream(**can))
    assert (fitted.request, fitted.emulation, fitted.undoing()) == (request_, None, None)


@pytest.mark.parametrize(
    ("shape", "can"),
    [
        (ir.Format("json_schema", schema=TREE), {"recursive_schemas": False}),
        (ir.Format("json_schema", schema=MAP), {"open_schemas": False}),
        (ir.Format("json_schema", schema={"type": "object"}), {"open_schemas": False}),
        (ir.Format("json_schema"), {}),
    ],
)
def test_a_schema_that_the_vendor_cannot_say_is_emulated(shape: ir.Format, can: dict[str, Any]) -> None:
    fitted = fit(ask(shape, family="anthropic"), upstream(**can))
    assert fitted.emulation is not None
    assert fitted.emulation.schema == shape.schema


@pytest.mark.parametrize("strict", [None, False, True])
def test_openai_enforces_strict_schemas_alone(strict: bool | None) -> None:
    shape = ir.Format("json_schema", "weather", SCHEMA, strict)
    openai = msgspec.structs.replace(upstream(), wire="exact")
    assert (fit(ask(shape, family="anthropic"), openai).emulation is None) is bool(strict)
    assert fit(ask(shape), openai).emulation is None, "its own clients choose"
    assert fit(ask(shape, family="anthropic"), upstream()).emulation is None, "local servers enforce any"


def test_a_forced_tool_where_there_is_one() -> None:
    fitted = fit(ask(), upstream(**NEITHER))
    request = fitted.request
    assert fitted.emulation is not None
    assert (fitted.emulation.by, fitted.emulation.tool, fitted.emulation.schema) == ("tool", "weather", SCHEMA)
    (tool,) = request.tools
    assert (tool.name, tool.parameters, tool.description, tool.strict) == ("weather", SCHEMA, SHAPE.description, False)
    assert request.tool_choice == ir.ToolChoice("named", ("weather",))
    assert (request.format, request.stream, told(request)) == (None, False, "")


@pytest.mark.parametrize("name", [None, "", "über", "x" * 65])
def test_the_tool_has_a_name_that_the_backend_takes(name: str | None) -> None:
    fitted = fit(ask(ir.Format("json_schema", name, SCHEMA)), upstream(**NEITHER))
    assert fitted.request.tools[0].name == "answer"
    assert fitted.request.tools[0].description == "Gives the answer."


@pytest.mark.parametrize(
    ("request_", "can"),
    [
        (ask(tools=(TOOL,)), {}),
        (ask(), {"forced_tools": False}),
        (ask(), {"tools": False}),
        (ask(effort="high"), {"forced_with_thinking": False}),
        (ask(thinking_budget=2048), {"forced_with_thinking": False}),
        (ask(reasoning_summary="auto"), {"forced_with_thinking": False}),
        (ask(logprobs=True), {}),
        (ask(ir.Format("json_schema", "n", {"type": "array"})), {}),
        (ask(OBJECT), {}),
        (ask(ir.Format("json_schema", "n")), {}),
    ],
)
def test_words_where_no_tool_can_be_forced(request_: ir.Request, can: dict[str, Any]) -> None:
    fitted = fit(request_, upstream(**NEITHER, **can))
    assert fitted.emulation is not None
    assert fitted.emulation.by == "words"
    assert fitted.request.tools == request_.tools
    assert (fitted.request.tool_choice, fitted.request.format, fitted.request.stream) == (None, None, False)
    assert "JSON" in told(fitted.request)


@pytest.mark.parametrize("effort", [None, "none"])
def test_a_model_that_does_not_think_can_be_forced(effort: str | None) -> None:
    fitted = fit(ask(effort=effort), upstream(**NEITHER, forced_with_thinking=False))
    assert fitted.request.tools


def test_json_mode_and_words_where_there_is_json_mode_only() -> None:
    fitted = fit(ask(), upstream(json_schema=False))
    assert fitted.request.format == OBJECT
    assert fitted.emulation is not None
    assert fitted.emulation.by == "words"
    assert msgspec.json.encode(SCHEMA).decode() in told(fitted.request)
    assert "The weather, please." in told(fitted.request)
    listed = fit(ask(ir.Format("json_schema", "n", {"type": "array"})), upstream(json_schema=False))
    assert listed.request.format is None, "JSON mode gives objects"
    assert "one JSON object" not in told(listed.request)


@pytest.mark.parametrize("shape", [SHAPE, OBJECT])
def test_g35_beside_tools_that_exclude_it_words_alone(shape: ir.Format) -> None:
    fitted = fit(ask(shape, tools=(TOOL,), tool_choice=ir.ToolChoice("required")), upstream(json_with_tools=False))
    assert (fitted.request.format, fitted.request.tools) == (None, (TOOL,))
    assert fitted.request.tool_choice == ir.ToolChoice("required")
    assert "final answer" in told(fitted.request)
    assert fit(ask(shape), upstream(json_with_tools=False)).emulation is None


def test_the_words_end_the_system_text() -> None:
    words = told(fit(ask(OBJECT), upstream(**NEITHER)).request)
    top = fit(ask(OBJECT, system=(ir.Text("A"), ir.Text("B"))), upstream(**NEITHER)).request
    assert [text.text for text in top.system] == ["A", f"B\n\n{words}"]
    system, developer = (ir.Message(role, (ir.Text(role),)) for role in ("system", "developer"))
    late = ir.Message("system", (ir.Text("late"),))
    both = fit(ask(OBJECT, system, developer, USER, late), upstream(**NEITHER)).request
    assert both.system == ()
    assert both.messages[0] == system
    assert both.messages[1].blocks == (ir.Text(f"developer\n\n{words}"),)
    assert both.messages[2:] == (USER, late)
    empty = fit(ask(OBJECT, ir.Message("system", (ir.Text(""),)), USER), upstream(**NEITHER)).request
    assert empty.messages[0].blocks == (ir.Text(words),)
    bare = fit(ask(OBJECT, ir.Message("system", ()), USER), upstream(**NEITHER)).request
    assert bare.messages[0].blocks == (ir.Text(words),)


# --- the answer ----------------------------------------------------------------------------------------------------


def block(number: int, kind: ir.BlockKind, text: str, choice: int = 0, **meta: Any) -> list[ir.Event]:
    channel: ir.Channel = "text" if kind in ("text", "reasoning") else "arguments"
    halves = [ir.Delta(number, channel, half) for half in (text[:2], text[2:])]
    return [ir.BlockStarted(number, kind, number, choice, meta), *halves, ir.BlockEnded(number)]


def heard(request: ir.Request, can: dict[str, Any], *events: ir.Event) -> ir.Reply:
    """The answer as the client's writer gets it."""
    undo = fit(request, upstream(**can)).undoing()
    assert undo is not None
    early = [event for told in events for event in undo(told)]
    assert early == [], "nothing is told before the answer is whole"
    return ir.collect(list(undo(ir.Ended())))


def texts(reply: ir.Reply) -> list[str]:
    return [found.text for found in reply.blocks if found.kind == "text"]


def test_a_forced_call_is_told_as_text() -> None:
    reply = heard(
        ask(), NEITHER,
        ir.Started("id"),
        *block(0, "reasoning", "Hm."),
        *block(1, "text", "Here you are:"),
        *block(2, "tool_call", '{"a":1}', id="c", name="weather"),
        *block(3, "tool_call", '{"a":2}', id="d", name="weather"),
        ir.UsageReported(ir.Usage(1, 2)),
        ir.Finished(0, "tool_calls", "tool_use"),
    )  # fmt: skip
    assert [found.kind for found in reply.blocks] == ["reasoning", "text"]
    assert texts(reply) == ['{"a":1}']
    assert reply.blocks[1].meta == {}
    assert reply.finishes[0] == ir.Finished(0, "stop", "tool_use")
    assert reply.usage == ir.Usage(1, 2)


def test_a_call_that_was_cut_off_stays_cut_off() -> None:
    call = block(0, "tool_call", '{"a', id="c", name="weather")
    reply = heard(ask(), NEITHER, *call, ir.Finished(0, "length"))
    assert (texts(reply), reply.finishes[0].reason) == (['{"a'], "length")


@pytest.mark.parametrize("arguments", ["", " "])
def test_g10_a_call_without_arguments_is_an_empty_object(arguments: str) -> None:
    reply = heard(ask(), NEITHER, *block(0, "tool_call", arguments, id="c", name="weather"))
    assert [text.strip() for text in texts(reply)] == ["{}"]


def test_what_a_model_says_instead_of_the_call_is_told() -> None:
    reply = heard(ask(), NEITHER, *block(0, "text", "I will not."), ir.Finished(0, "stop"))
    assert texts(reply) == ["I will not."]


@pytest.mark.parametrize(
    ("said", "told_"),
    [
        ('{"a":1}', '{"a":1}'),
        (' \n{"a":1}\n', '{"a":1}'),
        ('```json\n{"a":1}\n```', '{"a":1}'),
        ('Sure:\n\n```\n{"a":1}\n```\nAnything else?', '{"a":1}'),
        ('The answer is {"a": {"b": 1}}.', '{"a": {"b": 1}}'),
        ("Here: [1, 2]", "[1, 2]"),
        ('As [1] says: {"a":1}', '{"a":1}'),
        ('{"a":[1]}, see [2]', '{"a":[1]}'),
        ('Here: [{"a":1}] it is.', '[{"a":1}]'),
        ("one } or ] and nothing else", None),
        ('{"a":1} or {"a":2}', None),
        ('```json\n{"a":1}\n```\nor\n```json\n{"a":2}\n```', None),
        ("no JSON", None),
        ("", None),
        ("{" * 100_000, None),
    ],
)
def test_the_json_in_words(said: str, told_: str | None) -> None:
    assert json_in(said) == told_


def test_words_around_the_json_are_not_told() -> None:
    choices = [*block(0, "text", 'Sure: {"a":1}'), *block(1, "text", '{"a":2}', 1), *block(2, "text", "no", 2)]
    reply = heard(ask(), {**NEITHER, "tools": False}, *choices)
    assert texts(reply) == ['{"a":1}', '{"a":2}', "no"]


def test_of_several_texts_the_last_with_json_is_told() -> None:
    said = [*block(0, "text", "Let me think."), *block(1, "text", '{"a":1}'), *block(2, "text", "Done.")]
    assert texts(heard(ask(), {**NEITHER, "tools": False}, *said)) == ['{"a":1}']


def test_what_stands_beside_a_clients_call_is_told() -> None:
    said = [*block(0, "text", 'I call it with {"a":1}'), *block(1, "tool_call", "{}", id="c", name="mine")]
    reply = heard(ask(tools=(TOOL,)), NEITHER, *said, ir.Finished(0, "tool_calls"))
    assert texts(reply) == ['I call it with {"a":1}']
    assert reply.finishes[0].reason == "tool_calls"


def test_log_probabilities_and_citations_of_the_text() -> None:
    annotation = ir.Annotation("url_citation", url="https://x", start=0, end=2)
    for said, citations in (('{"a":1}', [annotation]), ('So: {"a":1}', [])):
        start, first, *rest = block(0, "text", said)
        assert isinstance(first, ir.Delta)
        first = msgspec.structs.replace(first, logprobs=[{"token": "x"}])
        (found,) = heard(ask(logprobs=True), NEITHER, start, first, *rest, ir.Annotated(0, annotation)).blocks
        assert (found.annotations, found.logprobs) == (citations, [{"token": "x"}])


def test_the_log_probabilities_of_all_pieces_stay_with_the_text() -> None:
    pieces = [ir.Delta(0, "text", text, [{"token": text}]) for text in ("So: ", '{"a":', "1}")]
    (found,) = heard(ask(logprobs=True), NEITHER, ir.BlockStarted(0, "text", 0), *pieces, ir.BlockEnded(0)).blocks
    assert (found.text, [one["token"] for one in found.logprobs]) == ('{"a":1}', ["So: ", '{"a":', "1}"])


def test_a_failure_ends_what_was_held() -> None:
    undo = fit(ask(), upstream(**NEITHER)).undoing()
    assert undo is not None
    failed = ir.Failed(ir.Failure("interrupted", 502, "gone"))
    assert list(undo(ir.Started("id"))) == []
    assert list(undo(failed)) == [ir.Started("id"), failed]
