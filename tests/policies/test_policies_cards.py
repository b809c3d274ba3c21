"""Model cards: what was measured overlays what the tables say, and what is unknown changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from book_kit import ask, book, decide, plan, rules, target, tool

from adapters import ir
from policies.cards import Card, Context, Trials, overlay, proves_tools

WELL, BADLY, UNKNOWN = Trials(right=3, asked=3), Trials(right=1, asked=3), Trials(unanswered=3, why="HTTP 500")


def card(**measured: Any) -> Card:
    who = {"backend": "oss", "provider": "vllm", "model": "m", "base_url": "http://127.0.0.1:8000/v1"}
    return Card(**who, probed_at="2026-11-21T07:00:00+00:00", **measured)


@pytest.mark.parametrize(
    ("trials", "share", "verdict"),
    [
        (Trials(), None, None),
        (UNKNOWN, None, None),
        (Trials(right=4, asked=5), 0.8, True),
        (Trials(right=3, asked=4), 0.75, False),
        (Trials(right=0, asked=1), 0.0, False),
        (Trials(right=1, asked=1, unanswered=9), 1.0, True),
    ],
)
def test_four_of_five_is_enough_and_no_answer_is_no_verdict(
    trials: Trials, share: float | None, verdict: bool | None
) -> None:
    assert (trials.share, trials.verdict) == (share, verdict)


@pytest.mark.parametrize("raw", [b'{"right": 2, "asked": 1}', b'{"right": -1}', b'{"rihgt": 1}'])
def test_trials_that_cannot_be_are_refused(raw: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(raw, type=Trials)


@pytest.mark.parametrize(
    ("measured", "name", "value"),
    [
        ({"tools": WELL}, "tools", True),
        ({"tools": BADLY}, "tools", False),
        ({"tools": WELL, "tool_results": BADLY}, "tools", False),
        ({"required": WELL, "named": BADLY}, "forced_tools", False),
        ({"required": WELL, "named": UNKNOWN}, "forced_tools", True),
        ({"one_at_a_time": BADLY}, "parallel_tools", False),
        ({"json_valid": WELL, "json_enforced": BADLY}, "json_schema", False),
        ({"json_valid": WELL, "json_enforced": WELL}, "json_schema", True),
        ({"vision": BADLY}, "images", False),
        ({"vision": WELL}, "images", True),
        ({"stop": BADLY}, "max_stop", 0),
        ({"context": Context(tokens=131_072, cut_at=2_048)}, "context", 2_048),
        ({"context": Context(tokens=8_192)}, "context", 8_192),
    ],
)
@pytest.mark.parametrize("before", [ir.Capabilities(), ir.Capabilities(tools=False, images=False, json_schema=False)])
def test_what_was_measured_counts(before: ir.Capabilities, measured: Any, name: str, value: Any) -> None:
    after = overlay(before, card(**measured))
    assert getattr(after, name) == value
    assert msgspec.structs.replace(after, **{name: getattr(before, name)}) == before


@pytest.mark.parametrize("before", [ir.Capabilities(context=9, max_stop=4), ir.Capabilities(tools=False)])
def test_what_is_unknown_changes_nothing(before: ir.Capabilities) -> None:
    trials = ("tools", "required", "named", "one_at_a_time", "tool_results", "json_valid", "vision", "stop")
    assert overlay(before, card(**dict.fromkeys(trials, UNKNOWN))) == before
    assert overlay(before, card(stop=WELL, context=Context(holds=5_000), tool_results=WELL)) == before


def test_a_card_proves_tools_either_way_or_not_at_all() -> None:
    assert [proves_tools(card(tools=trials)) for trials in (WELL, BADLY, UNKNOWN)] == [True, True, False]


# --- tools go to a backend only where somebody vouches for it ------------------------------------------------------

_OSS = msgspec.structs.replace(target("oss", local=True), unproven=frozenset({"tools"}))
_ALL = {"oss": _OSS, "claude": target("claude"), "gemini": target("gemini")}
_LOCAL_FIRST = rules("{use: [oss, claude]}", targets=_ALL)


def test_an_unproven_backend_is_left_out_where_tools_are_needed() -> None:
    decision = decide(_LOCAL_FIRST, ask(tools=(tool(),)))
    assert plan(decision) == ["claude"]
    ((name, why),) = decision.skipped
    assert name == "oss"
    assert "tools unproven" in why
    assert "turnout probe oss" in why


@pytest.mark.parametrize("request_", [ask(), ask(tools=(tool(),), tool_choice=ir.ToolChoice("none"))])
def test_it_is_asked_where_no_tool_is_needed(request_: ir.Request) -> None:
    assert plan(decide(_LOCAL_FIRST, request_)) == ["oss", "claude"]


def test_it_is_asked_when_nobody_else_is_left_and_the_trace_says_why() -> None:
    decision = decide(_LOCAL_FIRST, ask(tools=(tool(),)), away={"claude": "breaker open"})
    assert plan(decision) == ["oss"]
    assert any("oss is asked all the same: tools unproven" in line for line in decision.trace)
    alone = rules("{use: [oss]}", targets=_ALL)
    assert plan(decide(alone, ask(tools=(tool(),)))) == ["oss"]
    assert plan(decide(_LOCAL_FIRST, ask(tools=(tool(),)), policy=None, pin="backend/oss")) == ["oss"]


def test_it_is_asked_where_a_guard_keeps_the_request_local() -> None:
    kept = book("p: {rules: [{use: [oss, claude]}]}", "[{only: {local: true}}]", targets=_ALL)
    assert plan(decide(kept, ask(tools=(tool(),)))) == ["oss"]


def test_one_that_was_measured_to_fail_is_not_asked_at_all() -> None:
    unable = rules("{use: [oss]}", targets={**_ALL, "oss": target("oss", local=True, tools=False)})
    decision = decide(unable, ask(tools=(tool(),)))
    assert decision.denied is not None
    assert (decision.denied.status, decision.denied.param) == (400, "tools")
