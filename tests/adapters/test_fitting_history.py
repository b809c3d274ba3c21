"""Conversations that a vendor would refuse, in a form that it takes (G18, G83)."""

from typing import Any

import pytest
from test_fitting_tools import CHAT, CLAUDE, GOOGLE, MESSAGES, OLD_CHAT, OPENAI, RESPONSES, VLLM

from adapters import ir
from adapters.fitting import fit
from adapters.fitting.history import NO_RESULT

FOREIGN = pytest.mark.parametrize("to", [CLAUDE, GOOGLE], ids=lambda to: to.provider)
ALL = pytest.mark.parametrize("to", [CLAUDE, GOOGLE, VLLM], ids=lambda to: to.provider)
F = ir.Tool("f")


def call(id_: str, arguments: str = "{}", **more: Any) -> ir.ToolCall:
    return ir.ToolCall(id_, "f", arguments, **more)


def result(*ids: str) -> ir.Message:
    return ir.Message("tool", tuple(ir.ToolResult(id_, (ir.Text("ok"),)) for id_ in ids))


def said(role: Any, *blocks: ir.Block) -> ir.Message:
    return ir.Message(role, blocks or (ir.Text("Hi!"),))


def asked(*messages: ir.Message, tools: tuple[ir.Tool, ...] = (F,), **fields: Any) -> ir.Request:
    return ir.Request(model="m", messages=messages, tools=tools, **{"dialect": CHAT, **fields})


def results(message: ir.Message) -> list[tuple[str, str, bool]]:
    """(id, text, is it an error) of each result."""
    found = [block for block in message.blocks if isinstance(block, ir.ToolResult)]
    return [
        (one.id, "".join(part.text for part in one.content if isinstance(part, ir.Text)), one.is_error) for one in found
    ]


# --- G83 -----------------------------------------------------------------------------------------------------------


@ALL
def test_g83_a_call_that_nobody_answered_gets_a_result_that_says_so(to: ir.Upstream) -> None:
    turns = asked(said("user"), said("assistant", call("a")), said("user")).messages
    fitted = fit(asked(*turns), to).request
    assert [message.role for message in fitted.messages] == ["user", "assistant", "tool", "user"]
    assert results(fitted.messages[2]) == [("a", NO_RESULT, True)]


@ALL
def test_g83_beside_the_results_that_there_are(to: ir.Upstream) -> None:
    turns = (said("user"), said("assistant", call("a"), call("b"), call("c")), result("b"), said("user"))
    fitted = fit(asked(*turns), to).request
    assert [message.role for message in fitted.messages] == ["user", "assistant", "tool", "tool", "user"]
    assert results(fitted.messages[3]) == [("a", NO_RESULT, True), ("c", NO_RESULT, True)]


@ALL
@pytest.mark.parametrize("end", [[], [said("assistant")]], ids=["at the end", "before the next answer"])
def test_g83_wherever_the_turn_ends(to: ir.Upstream, end: list[ir.Message]) -> None:
    fitted = fit(
        asked(said("user"), said("assistant", call("a")), said("user"), said("assistant", call("a")), *end), to
    )
    roles = [message.role for message in fitted.request.messages]
    assert roles[:4] == ["user", "assistant", "tool", "user"]
    assert roles.count("tool") == 2


def test_g83_a_result_after_the_users_words_still_answers() -> None:
    request = asked(said("user"), said("assistant", call("a")), said("user"), result("a"))
    assert fit(request, VLLM).request is request


def test_g83_calls_of_two_turns_of_the_model_in_a_row_are_answered_together() -> None:
    request = asked(said("assistant", call("a")), said("assistant", call("b")), result("a", "b"))
    assert fit(request, CLAUDE).request is request
    assert fit(request, VLLM).request.messages == (said("assistant", call("a"), call("b")), result("a", "b"))


def test_words_behind_calls_do_not_part_them_from_their_results_in_chat() -> None:
    words, calls = said("assistant"), said("assistant", call("a"), call("b"))
    request = asked(said("user"), words, calls, words, result("a", "b"), words, said("user"), dialect=RESPONSES)
    together = said("assistant", *calls.blocks, *words.blocks)
    assert fit(request, VLLM).request.messages == (
        said("user"), words, together, result("a", "b"), words, said("user")
    )  # fmt: skip
    assert fit(request, OLD_CHAT).request.messages == fit(request, VLLM).request.messages
    for other in (CLAUDE, OPENAI):
        assert fit(request, other).request is request


def test_openai_and_a_vendors_own_clients_get_their_conversations_as_they_are() -> None:
    request = asked(said("user"), said("assistant", call("a", "{")), result("z"))
    assert fit(request, OPENAI).request is request
    own = asked(said("user"), said("assistant", call("a")), tools=(), family="anthropic", dialect=MESSAGES)
    assert fit(own, CLAUDE).request is own


# --- results without calls, arguments that are no object ----------------------------------------------------------


@ALL
@pytest.mark.parametrize(
    ("dialect", "param"),
    [(CHAT, "messages[2].tool_call_id"), (RESPONSES, "input"), (MESSAGES, "messages")],
)
def test_a_result_without_its_call_is_refused_by_name(to: ir.Upstream, dialect: str, param: str) -> None:
    with pytest.raises(ir.Invalid) as caught:
        fit(asked(said("user"), said("assistant"), result("call_z"), dialect=dialect), to)
    assert caught.value.failure.param == param
    assert "'call_z'" in caught.value.failure.message


@FOREIGN
@pytest.mark.parametrize("broken", ["{broken", "[1]", '"text"', "5", '{"a":', "{" * 100_000])
def test_arguments_that_are_no_object_are_refused_by_name(to: ir.Upstream, broken: str) -> None:
    with pytest.raises(ir.Invalid) as caught:
        fit(asked(said("user"), said("assistant", ir.Text("so"), call("a"), call("b", broken)), result("a", "b")), to)
    assert caught.value.failure.param == "messages[1].tool_calls[1]"
    assert "'b'" in caught.value.failure.message


@FOREIGN
@pytest.mark.parametrize("empty", ["", " ", "null", "{}"])
def test_a_call_without_arguments_is_fine(to: ir.Upstream, empty: str) -> None:
    fit(asked(said("user"), said("assistant", call("a", empty)), result("a")), to)


def test_chat_servers_read_arguments_themselves() -> None:
    fit(asked(said("user"), said("assistant", call("a", "{broken")), result("a")), VLLM)


# --- G18 -----------------------------------------------------------------------------------------------------------


@FOREIGN
def test_g18_the_tools_of_the_history_are_declared_and_may_not_be_called(to: ir.Upstream) -> None:
    calls = (
        call("a"),
        call("b"),
        ir.ToolCall("c", "patch", "x", custom=True),
        ir.ToolCall("d", "y", "{}", namespace="n"),
    )
    turns = (said("user"), said("assistant", *calls), result("a", "b", "c", "d"), said("user"))
    fitted = fit(asked(*turns, tools=()), to).request
    assert [(tool.name, tool.kind) for tool in fitted.tools] == [
        ("f", "function"), ("patch", "function"), ("n__y", "function")
    ]  # fmt: skip
    assert fitted.tool_choice == ir.ToolChoice("none")


@FOREIGN
def test_g18_without_calls_nothing_is_declared(to: ir.Upstream) -> None:
    request = asked(said("user"), tools=())
    assert fit(request, to).request is request


def test_g18_chat_servers_need_no_declaration() -> None:
    request = asked(said("user"), said("assistant", call("a")), result("a"), tools=())
    assert fit(request, VLLM).request is request
