"""Effort words and budgets for every way in which Claude models are told to think."""

from typing import Any

import msgspec
import pytest
from vendor_types import assert_anthropic_request

from adapters import ir
from adapters.anthropic_messages import DIALECT

NATIVE = ("low", "medium", "high", "xhigh", "max")
BUDGET = ir.Capabilities(
    thinking="budget",
    budgets={"low": 2048, "medium": 10000, "high": 16384},
    max_output=64000,
    forced_with_thinking=False,
)
ADAPTIVE = ir.Capabilities(thinking="adaptive", efforts=("low", "medium", "high", "max"), sampling=False)
ALWAYS = ir.Capabilities(thinking="always", efforts=NATIVE, can_disable_thinking=False, sampling=False)
NONE = ir.Capabilities()
USER = ir.Message("user", (ir.Text("q"),))


def sent(can: ir.Capabilities, **fields: Any) -> tuple[dict[str, Any], str | None, dict[str, str]]:
    """-> the three fields that matter, the effective effort, and what was named."""
    request = ir.Request(**{"model": "m", "messages": (USER,), **fields})
    target = ir.Upstream(provider="p", dialect=DIALECT.name, model="c", family="anthropic", capabilities=can)
    out = DIALECT.write_request(request, target, ir.Context("0", 0))
    body = msgspec.json.decode(out.body)
    assert_anthropic_request(body, sampling=can.sampling)
    named = {n.name: n.why for n in DIALECT.refuses(request, target)}
    return {name: body.get(name) for name in ("max_tokens", "thinking", "output_config")}, out.effort, named


@pytest.mark.parametrize("can", [BUDGET, ADAPTIVE, ALWAYS, NONE])
def test_unset_effort_sends_nothing(can: ir.Capabilities) -> None:
    body, effort, named = sent(can)
    assert (body["thinking"], body["output_config"], effort, named) == (None, None, None, {})


def test_a_budget_model_gets_tokens_from_the_table() -> None:
    body, effort, named = sent(BUDGET, effort="medium")
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 10000}
    assert (body["max_tokens"], effort, named) == (16384, "medium", {})


def test_room_for_the_answer_is_left_when_the_client_set_no_limit() -> None:
    assert sent(BUDGET, effort="high")[0]["max_tokens"] == 16384 + 4096


def test_the_budget_stays_below_max_tokens() -> None:
    body, effort, _ = sent(BUDGET, effort="high", max_output_tokens=2000)
    assert (body["thinking"]["budget_tokens"], body["max_tokens"], effort) == (1999, 2000, "high")
    small, effort, named = sent(BUDGET, effort="high", max_output_tokens=1024)
    assert (small["thinking"], effort, list(named)) == (None, None, ["reasoning_effort"])


def test_an_effort_that_the_table_lacks_is_clamped_and_named() -> None:
    body, effort, named = sent(BUDGET, effort="max")
    assert (body["thinking"]["budget_tokens"], effort, list(named)) == (16384, "high", ["reasoning_effort"])


def test_a_default_table_serves_rows_without_one() -> None:
    can = ir.Capabilities(thinking="budget")
    found = [sent(can, effort=word)[0]["thinking"]["budget_tokens"] for word in ("low", "medium", "high", "xhigh")]
    assert found == [1024, 2048, 4096, 8192]


def test_g30_newer_models_get_adaptive_thinking_and_effort() -> None:
    body, effort, named = sent(ADAPTIVE, effort="high")
    assert body["thinking"] == {"type": "adaptive", "display": "omitted"}
    shown = sent(ADAPTIVE, effort="high", reasoning_summary="auto")[0]
    assert shown["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["output_config"] == {"effort": "high"}
    assert (effort, named) == ("high", {})


def test_effort_is_clamped_to_the_nearest() -> None:
    assert sent(ADAPTIVE, effort="minimal")[1:] == ("low", {})
    _, effort, named = sent(ADAPTIVE, effort="xhigh")
    assert (effort, list(named)) == ("high", ["reasoning_effort"])


def test_always_thinking_models_get_effort_alone() -> None:
    body, effort, _ = sent(ALWAYS, effort="low")
    assert (body["thinking"], body["output_config"], effort) == (None, {"effort": "low"}, "low")
    shown = sent(ALWAYS, effort="low", reasoning_summary="auto")[0]
    assert shown["thinking"] == {"type": "adaptive", "display": "summarized"}


def test_none_switches_thinking_off_where_that_can_be() -> None:
    for can in (BUDGET, ADAPTIVE):
        body, effort, named = sent(can, effort="none")
        assert (body["thinking"], body["output_config"], effort, named) == ({"type": "disabled"}, None, "none", {})
    body, effort, named = sent(ALWAYS, effort="none")
    assert (body["thinking"], body["output_config"], effort) == (None, {"effort": "low"}, "low")
    assert list(named) == ["reasoning_effort"]


def test_none_is_between_tools_where_that_is_all_that_can_be() -> None:
    body, effort, named = sent(msgspec.structs.replace(ADAPTIVE, between_tools=True), effort="none")
    assert (body["thinking"], body["output_config"], effort, named) == ({"type": "between_tools"}, None, "none", {})


@pytest.mark.parametrize(("asked", "told"), [("low", "low"), ("high", "high"), ("max", "high")])
def test_switched_off_thinking_with_more_effort_than_it_may_have(asked: str, told: str) -> None:
    body, effort, named = sent(msgspec.structs.replace(ADAPTIVE, off_effort="high"), effort=asked, thinking_budget=0)
    assert (body["thinking"], body["output_config"], effort) == ({"type": "disabled"}, {"effort": told}, told)
    assert list(named) == ([] if asked == told else ["reasoning_effort"])


def test_a_model_that_does_not_reason_is_asked_nothing() -> None:
    body, effort, named = sent(NONE, effort="high")
    assert (body["thinking"], body["output_config"], effort, list(named)) == (None, None, None, ["reasoning_effort"])
    assert sent(NONE, effort="none")[2] == {}


@pytest.mark.parametrize(("budget", "word"), [(1024, "low"), (4096, "medium"), (20000, "high")])
def test_a_budget_becomes_an_effort_where_words_are_wanted(budget: int, word: str) -> None:
    assert sent(ADAPTIVE, thinking_budget=budget, family="google")[0]["output_config"] == {"effort": word}


def test_a_wish_for_a_summary_alone() -> None:
    assert sent(BUDGET, reasoning_summary="auto")[0]["thinking"] is None
    assert sent(ADAPTIVE, reasoning_summary="auto")[0]["thinking"] == {"type": "adaptive", "display": "summarized"}


def test_a_dynamic_budget_is_adaptive_or_medium() -> None:
    assert sent(BUDGET, thinking_budget=-1, family="google")[0]["thinking"]["budget_tokens"] == 10000
    body = sent(ADAPTIVE, thinking_budget=-1, family="google")[0]
    assert (body["thinking"]["type"], body["output_config"]) == ("adaptive", None)


def test_disabled_with_an_effort_sends_the_effort_only_where_it_is_a_word() -> None:
    assert sent(ADAPTIVE, thinking_budget=0, effort="low")[0]["output_config"] == {"effort": "low"}
    assert sent(BUDGET, thinking_budget=0, effort="low")[0]["output_config"] is None


def test_a_conversation_of_tools_alone_may_think() -> None:
    answer = ir.Message("tool", (ir.ToolResult("a", (ir.Text("1"),)),))
    assert sent(BUDGET, effort="low", messages=(answer,))[0]["thinking"] is not None


def test_a_budget_stays_a_budget_where_tokens_are_wanted() -> None:
    assert sent(BUDGET, thinking_budget=3000)[0]["thinking"]["budget_tokens"] == 3000
    assert sent(BUDGET, thinking_budget=0)[0]["thinking"] == {"type": "disabled"}


def test_manual_thinking_rests_when_a_tool_is_forced() -> None:
    tools = (ir.Tool("t"),)
    body, _, named = sent(BUDGET, effort="low", tools=tools, tool_choice=ir.ToolChoice("required"))
    assert (body["thinking"], list(named)) == (None, ["reasoning_effort"])


def test_manual_thinking_rests_in_a_tool_turn_without_its_signature() -> None:
    call, answer = ir.ToolCall("a", "t", "{}"), ir.Message("tool", (ir.ToolResult("a", (ir.Text("1"),)),))
    signed = ir.Reasoning(summary=("s",), state=ir.VendorState("anthropic", "signature", "x"))
    bare = (USER, ir.Message("assistant", (call,)), answer)
    whole = (USER, ir.Message("assistant", (signed, call)), answer)
    assert sent(BUDGET, effort="low", messages=bare)[0]["thinking"] is None
    assert sent(BUDGET, effort="low", messages=whole)[0]["thinking"] is not None
    assert sent(BUDGET, effort="low", messages=(*bare, USER))[0]["thinking"] is None, "beside the result"
    done, blank = ir.Message("assistant", (ir.Text("so"),)), ir.Message("assistant", (ir.Text(" "),))
    assert sent(BUDGET, effort="low", messages=(*bare, done, USER))[0]["thinking"] is not None
    assert sent(BUDGET, effort="low", messages=(*bare, blank, USER))[0]["thinking"] is None, "blanks are not sent"
    parted = (USER, ir.Message("assistant", (signed, ir.Text("so"))), ir.Message("assistant", (call,)), answer)
    assert sent(BUDGET, effort="low", messages=parted)[0]["thinking"] is not None
    again = (*whole, ir.Message("assistant", (call,)), answer)
    assert sent(BUDGET, effort="low", messages=again)[0]["thinking"] is None, "each answer has its own"


@pytest.mark.parametrize(
    ("can", "words"),
    [
        (BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 3000}}),
        (BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 3000, "display": "summarized"}}),
        (BUDGET, {"thinking": {"type": "disabled"}}),
        (ADAPTIVE, {"thinking": {"type": "adaptive"}}),
        (ADAPTIVE, {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "max"}}),
        (ADAPTIVE, {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "low"}}),
        (ADAPTIVE, {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}),
        (ADAPTIVE, {"thinking": {"type": "between_tools"}}),
        (ALWAYS, {"output_config": {"effort": "xhigh"}}),
    ],
)
def test_a_claude_clients_own_words_come_back(can: ir.Capabilities, words: dict[str, Any]) -> None:
    body = {"model": "c", "max_tokens": 9000, "messages": [{"role": "user", "content": "q"}], "stream": False, **words}
    request = DIALECT.read_request(msgspec.json.encode(body))
    target = ir.Upstream(provider="p", dialect=DIALECT.name, model="c", family="anthropic", capabilities=can)
    assert msgspec.json.decode(DIALECT.write_request(request, target, ir.Context("0", 0)).body) == body
