"""Tools in a form that each backend takes, and undone in its answer (G16, G17, G19, G84)."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest

from adapters import ir, names, providers
from adapters.fitting import Fitted, fit
from adapters.fitting.free_text import PARAMETERS

CHAT, RESPONSES, MESSAGES, GEMINI = "openai_chat", "openai_responses", "anthropic_messages", "google_gemini"
STRANGE = "github.com/x__list"
LONG = "mcp__" + "a" * 80
PLAIN = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED = {**PLAIN, "required": ["a"], "additionalProperties": False}


def upstream(provider: str, model: str, dialect: str, **can: Any) -> ir.Upstream:
    found = msgspec.structs.replace(providers.capabilities(provider, model), **can)
    row = providers.PROVIDERS[provider]
    return ir.Upstream(
        provider=provider, dialect=dialect, model=model, family=providers.FAMILIES[dialect], wire=row.wire,
        capabilities=found,
    )  # fmt: skip


CLAUDE = upstream("anthropic", "claude-sonnet-5", MESSAGES)
GOOGLE = upstream("google", "gemini-3.1-pro", GEMINI)
VLLM = upstream("vllm", "m", CHAT)
OPENAI = upstream("openai", "gpt-5.6", RESPONSES)
OLD_CHAT = upstream("openai", "gpt-4.1", CHAT)
LM_STUDIO = upstream("lm_studio", "m", RESPONSES)
OTHERS = pytest.mark.parametrize("to", [CLAUDE, GOOGLE, VLLM, LM_STUDIO], ids=lambda to: to.provider)


def asked(*tools: ir.Tool, messages: Sequence[ir.Message] = (), dialect: str = RESPONSES, **fields: Any) -> ir.Request:
    turns = (ir.Message("user", (ir.Text("Hi!"),)), *messages)
    return ir.Request(model="m", messages=turns, tools=tools, dialect=dialect, **fields)


def called(*calls: ir.ToolCall) -> tuple[ir.Message, ...]:
    """A turn of calls, and the results of all."""
    results = tuple(ir.ToolResult(call.id, (ir.Text("ok"),), call.name, custom=call.custom) for call in calls)
    return ir.Message("assistant", calls), ir.Message("tool", results)


def answer(fitted: Fitted, *events: ir.Event) -> list[ir.Event]:
    back = fitted.undoing()
    return list(events) if back is None else [told for event in events for told in back(event)]


def call(name: str, *pieces: str, block: int = 0, choice: int = 0, **meta: Any) -> Iterable[ir.Event]:
    start = ir.BlockStarted(block, "tool_call", block, choice, {"id": f"c{block}", "name": name, **meta})
    return start, *(ir.Delta(block, "arguments", piece) for piece in pieces), ir.BlockEnded(block)


def blocks(request: ir.Request, kind: type) -> list[Any]:
    return [block for message in request.messages for block in message.blocks if isinstance(block, kind)]


# --- nothing to do -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", [CLAUDE, GOOGLE, VLLM, LM_STUDIO, OPENAI], ids=lambda to: to.provider)
def test_what_a_backend_can_be_told_is_left_as_it_is(to: ir.Upstream) -> None:
    request = asked(
        ir.Tool("f", parameters=PLAIN), messages=called(ir.ToolCall("c1", "f", "{}")), tool_choice=ir.ToolChoice("auto")
    )
    fitted = fit(request, to)
    assert fitted.request is request
    assert fitted.undoing() is None
    assert fitted.named == ()


def test_openai_keeps_free_text_groups_and_orphans() -> None:
    brings = ir.Opaque("openai", "additional_tools", msgspec.Raw(b"{}"), (ir.Tool("g"),))
    request = asked(
        ir.Tool("y", namespace="mcp__x"),
        ir.Tool("patch", "custom"),
        messages=(
            ir.Message("user", (brings,)),
            ir.Message("assistant", (ir.ToolCall("c1", "y", "{", namespace="x"),)),
        ),
        tool_choice=ir.ToolChoice("allowed", ("mcp__x__y", "patch")),
    )
    fitted = fit(request, OPENAI)
    assert fitted.request == request
    assert fitted.undoing() is None


# --- G16: names ----------------------------------------------------------------------------------------------------


@OTHERS
@pytest.mark.parametrize("own", [STRANGE, "名前", ""], ids=["slash", "kanji", "empty"])
def test_g16_a_name_is_rewritten_alike_everywhere_and_found_again(to: ir.Upstream, own: str) -> None:
    request = asked(
        ir.Tool(own), ir.Tool("fine"), messages=called(ir.ToolCall("c1", own, "{}")),
        tool_choice=ir.ToolChoice("named", (own,)), dialect=CHAT,
    )  # fmt: skip
    fitted = fit(request, to)
    sent = fitted.request.tools[0].name
    assert sent == names.rewritten(own)
    assert fitted.request.tools[1].name == "fine"
    assert [block.name for block in blocks(fitted.request, ir.ToolCall)] == [sent]
    assert [block.name for block in blocks(fitted.request, ir.ToolResult)] == [sent]
    assert fitted.request.tool_choice == ir.ToolChoice("named", (sent,))
    assert [event.meta["name"] for event in answer(fitted, *call(sent), *call("fine", block=1))
            if isinstance(event, ir.BlockStarted)] == [own, "fine"]  # fmt: skip


@pytest.mark.parametrize(
    ("to", "own", "stays"),
    [
        (CLAUDE, "a" * 128, True), (CLAUDE, "a" * 129, False), (CLAUDE, "a.b", False), (CLAUDE, "2fa", True),
        (GOOGLE, "a" * 64, True), (GOOGLE, "a" * 65, False), (GOOGLE, "a.b:c-d", True), (GOOGLE, "2fa", False),
        (VLLM, LONG, False), (OPENAI, LONG, False), (OPENAI, "a" * 64, True),
    ],
)  # fmt: skip
def test_g16_each_vendor_has_its_rule(to: ir.Upstream, own: str, stays: bool) -> None:
    assert (fit(asked(ir.Tool(own)), to).request.tools[0].name == own) is stays


def test_g16_no_two_tools_share_a_name() -> None:
    taken = names.rewritten(STRANGE)
    tools = (ir.Tool(STRANGE), ir.Tool(taken), ir.Tool("b__c", namespace="a"), ir.Tool("c", namespace="a__b"),
             ir.Tool("a__b__c"))  # fmt: skip
    fitted = fit(asked(*tools), CLAUDE)
    sent = [tool.name for tool in fitted.request.tools]
    assert len(set(sent)) == len(sent)
    assert (sent[1], sent[4]) == (taken, "a__b__c")
    told = [event.meta for name in sent for event in answer(fitted, *call(name)) if isinstance(event, ir.BlockStarted)]
    assert [(meta.get("namespace"), meta["name"]) for meta in told] == [(t.namespace, t.name) for t in tools]


def test_a_name_that_nobody_offered_stays() -> None:
    fitted = fit(asked(ir.Tool(STRANGE)), CLAUDE)
    assert answer(fitted, *call("stray")) == list(call("stray"))


# --- G84: free text ------------------------------------------------------------------------------------------------

PATCH = ir.Tool("apply_patch", "custom", "Edits.", format={"type": "grammar", "syntax": "lark", "definition": "x"})


@OTHERS
def test_g84_free_text_is_a_function_with_one_string_and_comes_back_as_text(to: ir.Upstream) -> None:
    request = asked(PATCH, messages=called(ir.ToolCall("c1", "apply_patch", 'a"\n世', custom=True, item_id="ctc_1")))
    fitted = fit(request, to)
    (tool,) = fitted.request.tools
    assert (tool.kind, tool.name, tool.parameters) == ("function", "apply_patch", PARAMETERS)
    assert "x" in (tool.description or "")
    (made,), (result,) = blocks(fitted.request, ir.ToolCall), blocks(fitted.request, ir.ToolResult)
    assert (made.custom, made.item_id) == (False, None)
    assert msgspec.json.decode(made.arguments) == {"input": 'a"\n世'}
    assert result.custom is False
    assert [named.name for named in fitted.named] == ["tools[0].format"]
    told = answer(fitted, *call("apply_patch", '{"inp', 'ut": "*** ', 'Begin\\n", "x": 1}'))
    assert isinstance(told[0], ir.BlockStarted)
    assert (told[0].kind, told[0].meta["name"]) == ("custom_tool_call", "apply_patch")
    assert [event.data for event in told if isinstance(event, ir.Delta)] == ["*** ", "Begin\n"]
    assert told[-1] == ir.BlockEnded(0)


def test_g84_a_forced_free_text_tool_is_forced_as_the_function() -> None:
    request = asked(PATCH, tool_choice=ir.ToolChoice("named", ("apply_patch",), custom=True))
    assert fit(request, CLAUDE).request.tool_choice == ir.ToolChoice("named", ("apply_patch",))
    assert fit(request, OPENAI).request.tool_choice == request.tool_choice
    assert fit(request, OLD_CHAT).request.tool_choice == ir.ToolChoice("named", ("apply_patch",))


def test_arguments_that_are_held_are_told_at_the_end_and_state_passes() -> None:
    signed = ir.VendorState("google", "thought_signature", "c2ln")
    fitted = fit(asked(PATCH), GOOGLE)
    start, piece, _ = call("apply_patch", "{}")
    assert answer(fitted, start, piece, ir.BlockEnded(0, signed))[1:] == [
        ir.Delta(0, "arguments", "{}"),
        ir.BlockEnded(0, signed),
    ]


# --- G19: groups ---------------------------------------------------------------------------------------------------

GROUP = {"description": msgspec.Raw(b'"What x can do."')}
IN_GROUP = ir.Tool("y", description="Does y.", namespace="mcp__x", group=GROUP, where="tools[0].tools[0]")


@OTHERS
def test_g19_a_group_is_flattened_and_restored(to: ir.Upstream) -> None:
    request = asked(IN_GROUP, ir.Tool("y"), messages=called(ir.ToolCall("c1", "y", "{}", namespace="mcp__x")))
    fitted = fit(request, to)
    assert [(tool.name, tool.namespace) for tool in fitted.request.tools] == [("mcp__x__y", None), ("y", None)]
    (made,) = blocks(fitted.request, ir.ToolCall)
    assert (made.name, made.namespace) == ("mcp__x__y", None)
    told = answer(fitted, *call("mcp__x__y"), *call("y", block=1))
    metas = [event.meta for event in told if isinstance(event, ir.BlockStarted)]
    assert [(meta["name"], meta.get("namespace")) for meta in metas] == [("y", "mcp__x"), ("y", None)]
    assert [named.name for named in fitted.named] == ["tools[0].tools[0].namespace"]


def test_g19_a_group_speaks_for_a_tool_that_says_nothing() -> None:
    silent = msgspec.structs.replace(IN_GROUP, description=None)
    fitted = fit(asked(silent), CLAUDE)
    assert (fitted.request.tools[0].description, fitted.named) == ("What x can do.", ())


@pytest.mark.parametrize("name", ["mcp__x__y", "y", "mcp__x"])
def test_g19_a_choice_may_name_a_tool_by_its_group(name: str) -> None:
    request = asked(IN_GROUP, ir.Tool("z"), tool_choice=ir.ToolChoice("named", (name,)))
    assert fit(request, CLAUDE).request.tool_choice == ir.ToolChoice("named", ("mcp__x__y",))
    assert fit(request, OPENAI).request.tool_choice == request.tool_choice


def test_g19_a_long_name_in_a_group_is_rewritten_for_openai_too() -> None:
    request = asked(
        ir.Tool(LONG, namespace="x"), tool_choice=ir.ToolChoice("named", (f"x__{LONG}",)),
        messages=called(ir.ToolCall("c1", LONG, "{}", namespace="x")),
    )  # fmt: skip
    fitted = fit(request, OPENAI)
    sent = names.rewritten(LONG)
    assert (fitted.request.tools[0].name, fitted.request.tools[0].namespace) == (sent, "x")
    assert fitted.request.tool_choice == ir.ToolChoice("named", (f"x__{sent}",))
    (made,) = blocks(fitted.request, ir.ToolCall)
    assert (made.name, made.namespace) == (sent, "x")
    (start, *_) = answer(fitted, *call(sent, namespace="x"))
    assert isinstance(start, ir.BlockStarted)
    assert (start.meta["name"], start.meta["namespace"]) == (LONG, "x")


# --- G17: the choice -----------------------------------------------------------------------------------------------


@OTHERS
@pytest.mark.parametrize("mode", ["named", "allowed"])
def test_g17_a_choice_that_names_no_tool_is_refused(to: ir.Upstream, mode: Any) -> None:
    with pytest.raises(ir.Invalid) as caught:
        fit(asked(ir.Tool("f"), tool_choice=ir.ToolChoice(mode, ("g",))), to)
    assert (caught.value.failure.param, "'g'" in caught.value.failure.message) == ("tool_choice", True)


@pytest.mark.parametrize("to", [CLAUDE, VLLM, LM_STUDIO], ids=lambda to: to.provider)
@pytest.mark.parametrize(("required", "mode"), [(True, "required"), (False, "auto")])
def test_only_allowed_tools_are_offered_where_there_is_no_other_way(to: ir.Upstream, required: bool, mode: Any) -> None:
    tools = (ir.Tool("a"), ir.Tool("b"), ir.Tool("c", "hosted", type="web_search"))
    fitted = fit(asked(*tools, tool_choice=ir.ToolChoice("allowed", ("b",), required)), to)
    assert [(tool.name, tool.at(0)) for tool in fitted.request.tools] == [("b", "tools[1]")]
    assert fitted.request.tool_choice == ir.ToolChoice(mode)


@pytest.mark.parametrize("to", [GOOGLE, OPENAI], ids=lambda to: to.provider)
def test_vendors_that_obey_allowed_tools_are_told(to: ir.Upstream) -> None:
    request = asked(ir.Tool("a"), ir.Tool("b"), tool_choice=ir.ToolChoice("allowed", ("b",)))
    assert fit(request, to).request is request


def test_none_allowed_is_no_tool() -> None:
    fitted = fit(asked(ir.Tool("a"), tool_choice=ir.ToolChoice("allowed", ())), CLAUDE)
    assert (len(fitted.request.tools), fitted.request.tool_choice) == (1, ir.ToolChoice("none"))


# --- one call at a time --------------------------------------------------------------------------------------------


def test_g17_where_there_is_no_switch_the_first_call_stands_alone() -> None:
    fitted = fit(asked(ir.Tool("f"), parallel_tool_calls=False), GOOGLE)
    rest = (ir.Finished(0, "tool_calls"), ir.Ended())
    other = call("f", "{}", block=2, choice=1)
    told = answer(fitted, *call("f", "{}"), *call("f", '{"b":1}', block=1), *other, *rest)
    assert told == [*call("f", "{}"), *other, *rest]


@pytest.mark.parametrize(
    ("to", "fields", "single"),
    [
        (GOOGLE, {"parallel_tool_calls": True}, False),
        (GOOGLE, {}, False),
        (CLAUDE, {"parallel_tool_calls": False}, False),
        (VLLM, {"parallel_tool_calls": False}, False),
        (upstream("tgi", "m", CHAT), {"parallel_tool_calls": False}, True),
        (VLLM, {"legacy_functions": True}, True),
    ],
)
def test_whose_answers_are_cut_to_one_call(to: ir.Upstream, fields: Any, single: bool) -> None:
    assert (fit(asked(ir.Tool("f"), **fields), to).undoing() is not None) is single


# --- what only the client's dialect knows -------------------------------------------------------------------------

X = msgspec.Raw(b"1")


@pytest.mark.parametrize("to", [CLAUDE, GOOGLE, VLLM], ids=lambda to: to.provider)
def test_fields_that_nobody_else_knows_are_named(to: ir.Upstream) -> None:
    tool = ir.Tool("f", extras={"output_schema": X, "async": X, "cache_control": X})
    assert fit(asked(tool), to).named == (ir.Named("tools[0]", "no word for async, output_schema", "unknown"),)
    assert fit(asked(tool, dialect=to.dialect), to).named == ()


@pytest.mark.parametrize("to", [CLAUDE, GOOGLE, VLLM], ids=lambda to: to.provider)
def test_a_choice_of_another_vendors_tool_cannot_be_told(to: ir.Upstream) -> None:
    request = asked(ir.Tool("f"), extras={"tool_choice": msgspec.Raw(b'{"type":"web_search"}')})
    assert [(named.name, named.kind) for named in fit(request, to).named] == [("tool_choice", "contract")]
    assert fit(request, LM_STUDIO).named == ()


# --- strict --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        (PLAIN, None),
        (None, None),
        ({**CLOSED, "properties": {"a": PLAIN}}, None),
        ({**CLOSED, "properties": {"a": {"anyOf": [CLOSED, {"type": "null"}]}}}, True),
        ({**CLOSED, "properties": {"a": {"type": "array", "items": PLAIN}}}, None),
        ({**CLOSED, "properties": {"a": {"allOf": []}}}, None),
        ({**CLOSED, "$defs": {"d": PLAIN}}, None),
    ],
)
def test_responses_enforces_what_it_can_by_default(schema: Any, strict: bool | None) -> None:
    tool = ir.Tool("f", parameters=schema)
    assert fit(asked(tool), CLAUDE).request.tools[0].strict is strict
    assert fit(asked(tool, dialect=CHAT), CLAUDE).request.tools[0].strict is None
    assert fit(asked(tool), OPENAI).request.tools[0].strict is None
    told = msgspec.structs.replace(tool, strict=False)
    assert fit(asked(told), CLAUDE).request.tools[0].strict is False


def test_a_bottomless_schema_is_not_called_strict() -> None:
    schema: Any = {"type": "string"}
    for _ in range(900):
        schema = {"type": "array", "items": schema}
    deep = {**CLOSED, "properties": {"a": schema}}
    assert fit(asked(ir.Tool("f", parameters=deep)), CLAUDE).request.tools[0].strict is None


def test_more_strict_tools_than_a_model_takes() -> None:
    tools = [ir.Tool(f"f{index}", parameters=CLOSED, strict=True) for index in range(21)]
    fitted = fit(asked(*tools), CLAUDE)
    assert not any(tool.strict for tool in fitted.request.tools)
    assert [named.name for named in fitted.named] == ["tools.strict"]
    by_default = [msgspec.structs.replace(tool, strict=None) for tool in tools]
    assert fit(asked(*by_default), CLAUDE).named == ()
    assert all(tool.strict for tool in fit(asked(*tools[:20]), CLAUDE).request.tools)


# --- items that offer tools ----------------------------------------------------------------------------------------


def item(kind: str, *tools: ir.Tool) -> ir.Opaque:
    return ir.Opaque("openai", kind, msgspec.Raw(b"{}"), tools)


@OTHERS
def test_tools_that_come_with_the_conversation_are_offered(to: ir.Upstream) -> None:
    later = ir.Tool("g", where="input[1].tools[0]")
    request = asked(ir.Tool("f"), messages=(ir.Message("user", (item("additional_tools", later),)),))
    fitted = fit(request, to)
    assert [tool.name for tool in fitted.request.tools] == ["f", "g"]
    assert fitted.request.messages == request.messages[:1]
    assert fitted.named == ()


@OTHERS
def test_searching_is_left_out_and_what_could_be_found_is_there(to: ir.Upstream) -> None:
    search = ir.Tool("tool_search", "hosted", type="tool_search", raw=msgspec.Raw(b'{"type":"tool_search"}'))
    deferred = ir.Tool("g", extras={"defer_loading": msgspec.Raw(b"true")})
    found = ir.Tool("y", namespace="crm")
    turns = (
        ir.Message("assistant", (item("tool_search_call"),)),
        ir.Message("tool", (item("tool_search_output", found, deferred),)),
        *called(ir.ToolCall("c1", "y", "{}", namespace="crm")),
    )
    fitted = fit(asked(search, deferred, messages=turns), to)
    assert [tool.name for tool in fitted.request.tools] == ["g", "crm__y"]
    assert not any(tool.extras for tool in fitted.request.tools)
    assert [message.role for message in fitted.request.messages] == ["user", "assistant", "tool"]
    assert [named.name for named in fitted.named] == ["input.tool_search_call", "tools[0]"]


def test_what_stood_around_such_items_is_one_turn_again() -> None:
    thought, made = ir.Reasoning("hm"), ir.ToolCall("c1", "y", "{}")
    turns = (
        ir.Message("assistant", (thought, item("tool_search_call"))),
        ir.Message("tool", (item("tool_search_output", ir.Tool("y")),)),
        *called(made),
    )
    fitted = fit(asked(messages=turns), VLLM)
    assert [message.blocks for message in fitted.request.messages[1:2]] == [(thought, made)]
    assert [message.role for message in fitted.request.messages] == ["user", "assistant", "tool"]
