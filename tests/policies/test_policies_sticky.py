"""Stickiness on paper: who stays, who moves, by which numbers; and what must hold whatever the numbers are."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import pytest
from book_kit import ask, book, decide, facts, nothing, rules, target
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters import ir
from policies.facts import Facts
from policies.load import Load
from policies.moment import Moment
from policies.pricing import Price, per_million
from policies.rules.grammar import Route
from policies.sticky import LONG, SHORT, Answered, Home, answered, home, stays
from policies.verdict import Arranged, Caller, Decision, Target

OSS, CLAUDE, GEMINI = target("oss", local=True), target("claude"), target("gemini")
DEAR = Price(
    input=per_million(3), cached=per_million("0.3"), cache_write=per_million("3.75"), output=per_million(15)
)  # fmt: skip
CHEAP = Price(input=per_million("0.1"), output=per_million("0.2"))
PRICES = {"oss": CHEAP, "claude": DEAR, "gemini": DEAR}
LONG_TEXT = "It was said before that this is long. " * 1000
"""Some 9,500 tokens."""


def at(backend: str = "claude", **more: Any) -> Home:
    given: dict[str, Any] = {"backend": backend, "age": 10.0, "cached_tokens": 9_000}
    return Home(**(given | more))


def settle(
    *targets: Target,
    known: Home | None,
    mode: Any = "conversation",
    request: ir.Request | None = None,
    prices: dict[str, Price | None] | None = None,
    late: Collection[str] = (),
    **more: Any,
) -> Arranged:
    given = PRICES if prices is None else prices
    seen: Facts = facts(request or ask(LONG_TEXT))
    moment = Moment(home=known, price=lambda each: given.get(each.backend), **more)
    return stays(targets, seen, moment, mode, late)


def first(arranged: Arranged) -> str:
    return arranged.targets[0].backend


def test_without_a_home_nothing_changes() -> None:
    assert settle(OSS, CLAUDE, known=None) == Arranged((OSS, CLAUDE))


@pytest.mark.parametrize("mode", ["tool_loop", "conversation"])
def test_a_tool_loop_stays(mode: str) -> None:
    found = settle(OSS, CLAUDE, GEMINI, known=at(answers_calls=True), mode=mode)
    assert [each.backend for each in found.targets] == ["claude", "oss", "gemini"]
    assert found.notes == ("stays at claude: this request answers its tool calls",)
    assert {**found.facts, "home_is": None} == {"home": "claude", "stay": "tool_loop", "home_is": None}


def test_tool_loop_cares_for_nothing_else() -> None:
    assert settle(OSS, CLAUDE, known=at(), mode="tool_loop") == Arranged((OSS, CLAUDE))


def test_never_is_never() -> None:
    assert settle(OSS, CLAUDE, known=at(answers_calls=True), mode="never") == Arranged((OSS, CLAUDE))


def test_a_cache_worth_more_than_the_move_keeps_the_conversation() -> None:
    """500 tokens of answer cost $0.0074 less; 9,000 tokens of cache would be written anew for $0.0311."""
    found = settle(OSS, CLAUDE, known=at())
    assert first(found) == "claude"
    (note,) = found.notes
    saved, lost = (float(word) for word in re.findall(r"\$([0-9.]+)", note))
    assert note == f"stays at claude: moving to oss saves ${saved} and loses ${lost} of cache reads"
    assert lost == pytest.approx(9_000 * (3.75 - 0.3) / 1e6)
    tokens = facts(ask(LONG_TEXT)).input_tokens
    stay = (9_000 * 0.3 + (tokens - 9_000) * 3.75 + 500 * 15) / 1e6
    assert saved == pytest.approx(stay - (tokens * 0.1 + 500 * 0.2) / 1e6, abs=1e-6)


@pytest.mark.parametrize("known", [at(cached_tokens=500), at(age=SHORT + 1), at(age=SHORT + 1, cached_tokens=None)])
def test_a_cache_that_is_small_or_gone_keeps_nobody(known: Home) -> None:
    found = settle(OSS, CLAUDE, known=known)
    assert first(found) == "oss"
    assert found.notes[0].startswith("moves from claude to oss: moving to oss saves $")
    assert {**found.facts, "home_is": None} == {"home": "claude", "stay": "pays", "home_is": None}


def test_a_cache_paid_for_by_the_hour_lasts_an_hour() -> None:
    assert first(settle(OSS, CLAUDE, known=at(age=SHORT + 1, lasts=LONG))) == "claude"


def test_no_cloud_is_left_for_another_of_the_same_price() -> None:
    assert first(settle(GEMINI, CLAUDE, known=at())) == "claude"


def test_a_short_answer_saves_less() -> None:
    """Of 5 tokens at the most nothing is saved that would pay for 600 tokens of cache."""
    known = at(cached_tokens=600)
    brief = ask("Yes or no? " * 220, max_output_tokens=5)
    assert first(settle(OSS, CLAUDE, known=known, request=brief)) == "claude"
    assert first(settle(OSS, CLAUDE, known=known, request=replace(brief, max_output_tokens=None))) == "oss"


def test_a_thread_may_always_move_up() -> None:
    found = settle(CLAUDE, OSS, known=at("oss"))
    assert first(found) == "claude"
    assert found.notes == (
        "moves from oss to claude: from a local model to the cloud a thread may always move",
    )  # fmt: skip


def test_a_local_home_that_is_too_busy_is_left_for_another_local_one() -> None:
    twin = target("twin", local=True)
    assert first(settle(twin, OSS, known=at("oss"), late={"oss"})) == "twin"
    assert first(settle(twin, OSS, known=at("oss"))) == "oss"


@pytest.mark.parametrize(("target_seconds", "goes_to"), [("1s", "twin"), ("9s", "oss")])
def test_a_home_is_busy_by_the_target_of_its_own_rule_only(target_seconds: str, goes_to: str) -> None:
    twin = target("twin", local=True)
    built = rules(
        f"{{use: [twin, oss], sticky: conversation, ttft_target: {target_seconds}}}", targets={"twin": twin, "oss": OSS}
    )
    busy = {"oss": Load(wait=4.0, spilling=frozenset({2.0}))}
    decision = built.decide(
        Route(alias="auto", policy="p"),
        facts(ask()),
        caller=Caller(),
        refuses=nothing,
        moment=Moment(load=busy, home=at("oss")),
    )
    assert decision.plan[0].backend == goes_to, decision.trace


def test_a_home_that_cannot_serve_is_left_with_the_reason() -> None:
    gone = settle(OSS, known=at(answers_calls=True), mode="tool_loop")
    assert gone.notes == ("moves from claude to oss: claude is not among those that can serve this request here",)
    down = settle(OSS, known=at(), health={"claude": "down"})
    assert down.notes == ("moves from claude to oss: claude is down",)
    assert {**down.facts, "home_is": None} == {"home": "claude", "stay": "unable", "home_is": None}


@pytest.mark.parametrize(
    ("prices", "why"),
    [
        ({"claude": DEAR}, "the price of oss is unknown"),
        ({"oss": CHEAP}, "the price of claude is unknown"),
        ({"oss": Price(input=1), "claude": DEAR}, "a rate that a move needs is unknown"),
    ],
)
def test_what_is_unknown_moves_nobody(prices: dict[str, Price | None], why: str) -> None:
    found = settle(OSS, CLAUDE, known=at(), prices=prices)
    assert (first(found), found.notes) == ("claude", (f"stays at claude: {why}",))


def test_unknown_tokens_move_nobody() -> None:
    assert first(settle(OSS, CLAUDE, known=at(cached_tokens=None))) == "claude"
    moment = Moment(home=at(), price=lambda each: PRICES[each.backend])
    assert first(stays([OSS, CLAUDE], facts(None), moment, "conversation")) == "claude"


USAGES = [
    (ir.Usage(input=900, cached=300, cache_write=500), CLAUDE, 800, SHORT),
    (ir.Usage(input=900, cached=300, cache_write=500, cache_write_1h=500), CLAUDE, 800, LONG),
    (ir.Usage(input=900, cache_write=0), CLAUDE, 0, SHORT),
    (ir.Usage(input=900, cached=512), CLAUDE, 900, SHORT),
    (ir.Usage(input=900), OSS, 900, None),
    (None, OSS, None, None),
]


@pytest.mark.parametrize(("usage", "where", "held", "lasts"), USAGES)
def test_what_is_remembered_of_an_answer(
    usage: ir.Usage | None, where: Target, held: int | None, lasts: float | None
) -> None:
    last = answered(where, usage, 100.0)
    assert last == Answered(where.backend, 100.0, held, lasts)
    assert home(last, 130.0, answers_calls=False) == Home(
        backend=where.backend, age=30.0, cached_tokens=held, lasts=lasts
    )
    assert home(last, 90.0, answers_calls=True).age == 0.0


# --- in the book ----------------------------------------------------------------------------------------------------


def decided(policy: str, text: str = "What is the capital of France?", **more: Any) -> Decision:
    made = book("talk: {sticky: conversation, rules: [{use: [oss, claude]}]}\nplain: {rules: [{use: [oss, claude]}]}")
    moment = Moment(home=at(cached_tokens=5), price=lambda each: PRICES[each.backend])
    return made.decide(
        Route(alias="auto", policy=policy), facts(ask(text)), caller=Caller(), refuses=lambda _: (), moment=moment,
        **more,
    )  # fmt: skip


def test_trace_and_facts_tell_the_outcome() -> None:
    decision = decided("talk")
    assert [each.backend for each in decision.plan] == ["oss", "claude"]
    assert any(line.startswith("moves from claude to oss: moving to oss saves $") for line in decision.trace)
    assert (decision.facts["home"], decision.facts["stay"]) == ("claude", "pays")
    assert "home" not in decided("plain").facts


def test_a_pinned_call_ignores_its_home() -> None:
    decision = decided("talk", pin="backend/oss")
    assert [each.backend for each in decision.plan] == ["oss"]
    assert "home" not in decision.facts


def test_hybrid_keeps_conversations() -> None:
    made = book()
    assert made.sticky(Route(alias="auto", policy="hybrid"), Caller()) == "conversation"
    assert made.reads_content(Route(alias="auto", policy="hybrid"), Caller())


@pytest.mark.parametrize(
    ("lines", "mode"),
    [
        (["{use: [oss]}"], "never"),
        (["{when: {tags: x}, use: [oss]}", "{use: [oss]}"], "never"),
        (["{use: [oss, claude]}"], "tool_loop"),
        (["{when: {tags: x}, use: [oss]}", "{use: [claude]}"], "tool_loop"),
        (["{use: [oss, claude], sticky: never}"], "never"),
        (["{when: {tags: x}, use: [oss], sticky: conversation}", "{use: [claude], sticky: never}"], "conversation"),
        (["{when: {tags: x}, sticky: conversation, continue: true}", "{use: [clouds]}"], "conversation"),
    ],
)
def test_the_most_that_a_policy_may_ask_for(lines: list[str], mode: str) -> None:
    """Nobody looks for a thread's home where it cannot matter, and no body is read for it."""
    made = rules(*lines)
    route = Route(alias="auto", policy="p")
    assert made.sticky(route, Caller()) == mode
    assert made.reads_content(route, Caller()) is (mode == "conversation")


def test_an_alias_that_names_its_backends_keeps_loops_together() -> None:
    made = book()
    assert made.sticky(Route(alias="both", use=("oss", "claude")), Caller()) == "tool_loop"
    assert made.sticky(Route(alias="one", use=("oss",)), Caller()) == "never"
    assert decide(made, ask(), route=Route(alias="one", use=("oss",))).plan[0].backend == "oss"


# --- whatever the numbers -------------------------------------------------------------------------------------------

rates = st.none() | st.integers(0, 10**11)
some_prices = st.none() | st.builds(Price, input=rates, cached=rates, cache_write=rates, output=rates)
orders = st.permutations([OSS, CLAUDE, GEMINI])
homes = st.builds(
    Home,
    backend=st.sampled_from(["oss", "claude", "gemini", "gone"]),
    age=st.floats(0, 1e5),
    cached_tokens=st.none() | st.integers(0, 10**6),
    lasts=st.none() | st.floats(0, 1e5),
    answers_calls=st.booleans(),
)
sheets = st.fixed_dictionaries({"oss": some_prices, "claude": some_prices, "gemini": some_prices})
requests = st.builds(ask, st.text(max_size=400), max_output_tokens=st.none() | st.integers(1, 10**6))
modes = st.sampled_from(["never", "tool_loop", "conversation"])


@given(orders, homes, sheets, requests, modes)
def test_nobody_is_lost_and_only_the_home_moves(
    order: list[Target], known: Home, sheet: dict[str, Price | None], request: ir.Request, mode: str
) -> None:
    found = settle(*order, known=known, mode=mode, request=request, prices=sheet)
    rest = [each for each in order if each.backend != first(found)]
    assert [each.backend for each in found.targets[1:]] == [each.backend for each in rest]
    assert first(found) in (order[0].backend, known.backend)
    assert (mode != "never") or found == Arranged(tuple(order))


@given(orders, homes, sheets, requests, st.sampled_from(["tool_loop", "conversation"]))
def test_a_tool_loop_never_moves_while_its_home_is_able(
    order: list[Target], known: Home, sheet: dict[str, Price | None], request: ir.Request, mode: str
) -> None:
    found = settle(*order, known=replace(known, answers_calls=True), mode=mode, request=request, prices=sheet)
    assert first(found) == (order[0].backend if known.backend == "gone" else known.backend)


@given(orders, homes, sheets, requests)
def test_up_is_always_allowed(
    order: list[Target], known: Home, sheet: dict[str, Price | None], request: ir.Request
) -> None:
    known = replace(known, backend="oss", answers_calls=False)
    assert first(settle(*order, known=known, request=request, prices=sheet)) == order[0].backend


@given(orders, homes, sheets, requests)
def test_an_unknown_price_moves_nobody_down(
    order: list[Target], known: Home, sheet: dict[str, Price | None], request: ir.Request
) -> None:
    known = replace(known, backend="claude", answers_calls=False)
    sheet = {**sheet, order[0].backend: None}
    assert first(settle(*order, known=known, request=request, prices=sheet)) == "claude"
