"""Decisions of the past, made again from what the ledger kept: the same as they were, or an honest "not kept"."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from book_kit import TARGETS, ask, book, facts, plan, rules, tool
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.classify import Thresholds, Verdict
from policies.facts import Noted
from policies.moment import Moment
from policies.replay import Judge, Past, Unreplayable, decide
from policies.rules.book import Book
from policies.rules.grammar import Route
from policies.sticky import Home
from policies.verdict import Caller, Decision, Told

ROUTE = Route(alias="auto", policy="p")
AT = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
CLASSES = {"simple": -2.0, "moderate": 0.1, "complex": 3.0}
THEN = Judge("w1")


def judged(cls: str) -> Verdict:
    return Verdict(cls, CLASSES[cls], {"simple": 0.1, "moderate": 0.5, "complex": 0.9}[cls], weights="w1", plain=True)


def first(
    there: Book,
    request: ir.Request,
    *,
    cls: str = "simple",
    caller: Caller | None = None,
    away: frozenset[str] = frozenset(),
    refuses: frozenset[str] = frozenset(),
    home: Home | None = None,
    dice: float = 0.0,
    **more: Any,
) -> Decision:
    """As it is decided when the call comes in: the body is read where a rule wants it."""
    who = caller or Caller()
    read = request if there.reads_content(ROUTE, who) else None
    health = {name: "down" if name in away else "up" for name in TARGETS}
    seen = facts(read, caller=who, now=AT, classify=lambda _: judged(cls), conditions={"health": Noted(health)}, **more)
    seen.reader = lambda: request
    return there.decide(
        ROUTE,
        seen,
        caller=who,
        refuses=lambda each: [ir.Named("n", "no", "contract")] if each.backend in refuses else [],
        moment=Moment(time=AT, available=lambda t: "down" if t.backend in away else None, home=home, dice=dice),
    )


def again(there: Book, decision: Decision, *, caller: Caller | None = None, **more: Any) -> Decision:
    """From the facts as they stand in a row."""
    kept = msgspec.json.decode(msgspec.json.encode(decision.facts))
    past = {"input_tokens": None, "dice": 0.0} | {
        name: more.pop(name) for name in ("input_tokens", "dice") if name in more
    }
    return decide(
        there,
        ROUTE,
        Past(kept=kept, at=AT.timestamp(), **past),
        caller=caller or Caller(),
        **({"judge": THEN, "patterns": {}, "unavailable": dict.fromkeys(TARGETS), "price": lambda _: None} | more),
    )


BOOKS = [
    rules(
        "{when: {tools: any}, use: [claude]}", "{when: {class: complex}, use: [gemini, claude]}", "{use: [oss, claude]}"
    ),
    rules("{when: {max_output: '>=100'}, use: [gemini]}", "{when: {effort: '>=high'}, use: [claude]}", "{use: [oss]}"),
    rules("{when: {needs: images}, use: [claude]}", "{when: {structured_output: true}, use: [gemini]}", "{use: [oss]}"),
    rules("{when: {any: [{stream: true}, {not: {class: simple}}]}, use: [claude]}", "{use: [oss]}"),
    rules("{when: {time: '22:00-06:00', data_class: internal}, use: [oss]}", "{use: [claude, gemini]}"),
    rules("{when: {health: {claude: down}}, deny: 'claude is down'}", "{use: [claude, gemini]}"),
    rules("{use: [claude, gemini, oss], order: weighted, weights: {claude: 1, gemini: 2, oss: 1}}"),
    book("p: {extends: hybrid}"),
]
REQUESTS = st.builds(
    lambda tools, choice, **told: ask(tools=tuple(tool(f"t{n}") for n in range(tools)), tool_choice=choice, **told),
    tools=st.integers(0, 2),
    choice=st.sampled_from([None, ir.ToolChoice("none")]),
    max_output_tokens=st.none() | st.integers(1, 200),
    effort=st.sampled_from([None, "low", "high"]),
    thinking_budget=st.sampled_from([None, 2_000]),
    format=st.sampled_from([None, ir.Format("json_object")]),
)
SOME = st.frozensets(st.sampled_from(sorted(TARGETS)), max_size=2)


@given(
    st.sampled_from(BOOKS), REQUESTS, st.sampled_from(sorted(CLASSES)), SOME, SOME, st.floats(0, 0.999),
    st.booleans(), st.sampled_from([None, "internal", "restricted"]),
)  # fmt: skip
def test_the_same_rules_decide_the_same_again(
    there: Book, request: ir.Request, cls: str, away: frozenset[str], refuses: frozenset[str], dice: float, stream: bool,
    data_class: str | None,
) -> None:  # fmt: skip
    caller = Caller(team="blue", data_class=data_class)
    then = first(there, request, cls=cls, caller=caller, away=away, refuses=refuses, dice=dice, stream=stream)
    now = again(there, then, caller=caller, dice=dice)
    assert (plan(now), now.rule, now.denied is None) == (plan(then), then.rule, then.denied is None)


@given(st.sampled_from(BOOKS), st.sampled_from(BOOKS), REQUESTS, st.sampled_from(sorted(CLASSES)), st.booleans())
def test_other_rules_decide_as_they_would_have_or_say_what_was_not_kept(
    before: Book, after: Book, request: ir.Request, cls: str, stream: bool
) -> None:
    then = first(before, request, cls=cls, stream=stream)
    try:
        now = again(after, then)
    except Unreplayable:
        # The rules of then did not look where these would.
        assert not set(after.needs(ROUTE, Caller())) <= then.facts.keys()
        return
    really = first(after, request, cls=cls, stream=stream)
    assert (plan(now), now.rule) == (plan(really), really.rule)


@pytest.mark.parametrize(
    ("rule", "fact"),
    [
        ("{when: {headers: {x-team: blue}}, use: [oss]}", "headers"),
        ("{when: {load: {oss: '>80%'}}, use: [oss]}", "load"),
        ("{when: {language: fr}, use: [oss]}", "language"),
        ("{when: {tools: get_weather}, use: [oss]}", "tools"),
        ("{when: {input_tokens: '>100'}, use: [oss]}", "input_tokens"),
    ],
)
def test_what_was_not_kept_is_named(rule: str, fact: str) -> None:
    then = first(BOOKS[0], ask(tools=(tool(),)))
    with pytest.raises(Unreplayable, match=rf"^{fact}$"):
        again(rules(rule, "{use: [claude]}"), then)


def test_a_rule_that_is_not_reached_asks_for_nothing() -> None:
    then = first(BOOKS[0], ask(tools=(tool(),)))
    assert plan(again(rules("{when: {tools: any}, use: [gemini]}", "{when: {language: fr}, use: [oss]}"), then)) == [
        "gemini"
    ]


def test_a_body_that_was_never_read_tells_nothing_of_itself() -> None:
    then = first(rules("{use: [claude]}"), ask(tools=(tool(),)))
    assert "modality" not in then.facts
    with pytest.raises(Unreplayable, match=r"^tools$"):
        again(BOOKS[0], then)


def test_the_upstreams_count_stands_in_for_the_estimate() -> None:
    there = rules("{when: {input_tokens: '>100'}, use: [claude]}", "{use: [oss]}")
    then = first(BOOKS[0], ask())
    assert plan(again(there, then, input_tokens=101)) == ["claude"]
    assert plan(again(there, then, input_tokens=100)) == ["oss"]


def test_prompts_are_judged_anew_by_other_thresholds_and_not_by_other_weights() -> None:
    then = first(BOOKS[0], ask(), cls="moderate")
    assert plan(again(BOOKS[0], then)) == ["oss", "claude"]
    assert plan(again(BOOKS[0], then, judge=Judge("w1", Thresholds(0.2, 0.4)))) == ["gemini", "claude"]
    with pytest.raises(Unreplayable, match=r"^class$"):
        again(BOOKS[0], then, judge=Judge("w2"))


def test_a_class_from_outside_stands_whatever_the_weights() -> None:
    then = first(BOOKS[0], ask(), outside=Told("complex", "header"))
    assert plan(again(BOOKS[0], then, judge=Judge("w2"))) == ["gemini", "claude"]


def test_data_classes_of_the_request_stay_and_those_of_rules_are_given_anew() -> None:
    guards = "[{when: {data_class: confidential}, only: {local: true}}]"
    there = book("p: {rules: [{use: [claude, oss]}]}", guards)
    then = first(there, ask(), headers={"x-turnout-data-class": "confidential"}, found={"iban": "internal"})
    assert plan(then) == plan(again(there, then, patterns={"iban": "internal"})) == ["oss"]
    found = first(there, ask(), found={"iban": "internal"})
    assert plan(found) == ["claude", "oss"]
    assert plan(again(there, found, patterns={"iban": "confidential"})) == ["oss"]
    assert plan(again(there, found, patterns={})) == ["claude", "oss"]


def test_a_thread_stays_where_it_stayed() -> None:
    there = rules("{use: [claude, gemini], sticky: tool_loop}")
    home = Home(backend="gemini", age=12.0, cached_tokens=900, answers_calls=True)
    then = first(there, ask(), home=home)
    assert plan(then) == plan(again(there, then)) == ["gemini", "claude"]
    assert len(msgspec.json.encode(then.facts)) <= 400


def test_facts_that_were_cut_are_not_trusted() -> None:
    then = first(BOOKS[0], ask())
    cut = msgspec.structs.replace(then, facts={**then.facts, "cut": 1})
    with pytest.raises(Unreplayable, match=r"^facts$"):
        again(BOOKS[0], cut)


def test_embeddings_are_never_read_so_that_no_condition_on_content_holds() -> None:
    then = first(rules("{use: [claude]}"), ask(), api="embeddings")
    assert plan(again(BOOKS[0], then)) == ["oss", "claude"]


def test_the_load_that_a_rule_has_asked_for_is_kept() -> None:
    there = rules("{when: {load: {oss: '>80%'}}, use: [claude]}", "{use: [oss]}")
    for share, wanted in ((0.914, "claude"), (0.3, "oss"), (None, "oss")):
        read = facts(None, now=AT, conditions={"load": Noted({"oss": share, "claude": 1.0})})
        then = there.decide(ROUTE, read, caller=Caller(), refuses=lambda _: [], moment=Moment())
        assert plan(then) == plan(again(there, then)) == [wanted]
        assert then.facts["load"] == {"oss": None if share is None else round(share, 2)}


def test_a_pin_is_made_again_and_so_is_its_refusal() -> None:
    there = rules("{use: [oss]}")
    pinned = Route(alias="backend/claude", use=("claude",))
    for caller, wanted in ((Caller(), ["claude"]), (Caller(pin=False), [])):
        past = Past(kept={"alias": "backend/claude", "api": "chat", "stream": False}, at=AT.timestamp())
        found = decide(
            there, pinned, past, caller=caller, judge=THEN, patterns={}, unavailable=dict.fromkeys(TARGETS),
            price=lambda _: None, pin="backend/claude",
        )  # fmt: skip
        assert plan(found) == wanted
