"""Every word under ``when``: what it matches, what it does not, and how a wrong value is told."""

from datetime import UTC, datetime
from typing import Any

import pytest
from book_kit import ask, decide, facts, plan, rules, tool
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.classify import Verdict
from policies.rules.conditions import CONTENT, compile_when
from policies.rules.grammar import RuleErrors
from policies.rules.names import Names
from policies.verdict import Caller

CALL = ir.Message("assistant", (ir.ToolCall("c1", "get_weather", "{}"),))
USER = ir.Message("user", (ir.Text("and now?"),))
PICTURE = ir.Message("user", (ir.Text("what is this?"), ir.Media("image", url="https://example.org/a.png")))
TEAM = Caller(name="ci", team="interns", tags=("batch", "night"), data_class="internal")
MONDAY_LATE = datetime(2026, 11, 16, 23, 15)  # noqa: DTZ001
SUMMER = datetime(2026, 7, 6, 7, 30, tzinfo=UTC)
"""A Monday: 09:30 in Berlin, 16:30 in Tokyo, 00:30 in Los Angeles."""
SCHEMA = ir.Format("json_schema", schema={})


def judged(score: float, worse: float = 0.5) -> Any:
    """A classifier that says so of every prompt."""
    return lambda _: Verdict("moderate", score, worse)


# (the rule's `when`, what makes it hold, what makes it not hold)
WORDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("alias: auto", {"alias": "auto"}, {"alias": "other"}),
    ("alias: [gpt-*, auto]", {"alias": "gpt-4o"}, {"alias": "claude-x"}),
    ("model: gpt-4?", {"model": "gpt-4o"}, {"model": "gpt-4o-mini"}),
    ("api: responses", {"api": "responses"}, {"api": "chat"}),
    ("stream: true", {"stream": True}, {"stream": False}),
    ("stream: false", {"stream": False}, {"stream": True}),
    ("caller: interns", {"caller": TEAM}, {"caller": Caller()}),
    ("caller: ci", {"caller": TEAM}, {"caller": Caller(name="other")}),
    ("team: intern*", {"caller": TEAM}, {"caller": Caller(name="interns")}),
    ("tags: [night, weekend]", {"caller": TEAM}, {"caller": Caller(tags=("day",))}),
    ("headers: {X-Mode: fast*}", {"headers": {"x-mode": "fast-1"}}, {"headers": {"x-mode": "slow"}}),
    ("headers: {x-mode: true}", {"headers": {"x-mode": ""}}, {"headers": {}}),
    ("headers: {x-mode: false}", {"headers": {}}, {"headers": {"x-mode": "1"}}),
    ("tools: any", {"request": ask(tools=(tool(),))}, {"request": ask()}),
    ("tools: none", {"request": ask()}, {"request": ask(tools=(tool(),))}),
    ("tools: history", {"request": ask(messages=(CALL, USER))}, {"request": ask(tools=(tool(),))}),
    ("tools: [get_weather]", {"request": ask(tools=(tool(),))}, {"request": ask(tools=(tool("any"),))}),
    ("needs: tools", {"request": ask(tools=(tool(),))}, {"request": ask()}),
    ("needs: tools", {"request": ask(messages=(CALL, USER))},
     {"request": ask(tools=(tool(),), tool_choice=ir.ToolChoice("none"))}),
    ("needs: images", {"request": ask(messages=(PICTURE,))}, {"request": ask()}),
    ("needs: structured_output", {"request": ask(format=SCHEMA)}, {"request": ask(format=ir.Format("text"))}),
    ("needs: reasoning", {"request": ask(effort="high")}, {"request": ask(effort="none")}),
    ("modality: [image, audio]", {"request": ask(messages=(PICTURE,))}, {"request": ask()}),
    ("input_tokens: '>32000'", {"request": ask("word " * 40_000)}, {"request": ask("word " * 100)}),
    ("input_tokens: <=8k", {"request": ask("word " * 1000)}, {"request": ask("word " * 40_000)}),
    ("input_tokens: 100-2k", {"request": ask("word " * 1000)}, {"request": ask("word")}),
    ("max_output: '>=1000'", {"request": ask(max_output_tokens=1000)}, {"request": ask(max_output_tokens=999)}),
    ("max_output: '>=0'", {"request": ask(max_output_tokens=1)}, {"request": ask()}),  # unknown is not zero
    ("structured_output: true", {"request": ask(format=SCHEMA)}, {"request": ask()}),
    ("structured_output: false", {"request": ask()}, {"request": ask(format=SCHEMA)}),
    ("structured_output: json_schema", {"request": ask(format=SCHEMA)},
     {"request": ask(format=ir.Format("json_object"))}),
    ("effort: [low, minimal]", {"request": ask(effort="low")}, {"request": ask(effort="high")}),
    ("effort: '>=high'", {"request": ask(effort="xhigh")}, {"request": ask(effort="medium")}),
    ("class: simple", {"request": ask("Hi!")}, {"request": ask("Create a FastAPI server")}),
    ("class: [moderate, complex]", {"request": ask("Create a FastAPI server")}, {"request": ask("Hi!")}),
    ("score: '>0'", {"classify": judged(0.5)}, {"classify": judged(-0.5)}),
    ("score: <=-0.5", {"classify": judged(-0.5)}, {"classify": judged(-0.4)}),
    ("score: -2--1", {"classify": judged(-1.5)}, {"classify": judged(1.5)}),
    ("score: '>-1'", {"classify": judged(-0.9)}, {"request": None}),
    ("p_local_worse: '>=60%'", {"classify": judged(0.0, 0.6)}, {"classify": judged(0.0, 0.59)}),
    ("p_local_worse: 0.2-0.4", {"classify": judged(0.0, 0.3)}, {"classify": judged(0.0, 0.5)}),
    ("language: [pt, es]", {"request": ask("Qual é a capital do país? Não sei, o que você acha?")},
     {"request": ask("What is the capital of the country?")}),
    ("data_class: internal", {"caller": TEAM}, {"caller": Caller()}),
    ("data_class: restricted", {"headers": {"x-turnout-data-class": "restricted"}}, {"caller": TEAM}),
    ("depth: '>=2'", {"request": ask(messages=(USER, CALL, USER))}, {"request": ask()}),
    ("time: 22:00-06:00", {"now": MONDAY_LATE}, {"now": datetime(2026, 11, 16, 6, 0)}),  # noqa: DTZ001
    ("time: 9-17", {"now": datetime(2026, 11, 16, 9, 0)}, {"now": datetime(2026, 11, 16, 17, 0)}),  # noqa: DTZ001
    ("time: 9-17 Europe/Berlin", {"now": SUMMER}, {"now": SUMMER.replace(hour=6)}),
    ("time: 16:00-17:00, timezone: Asia/Tokyo", {"now": SUMMER}, {"now": SUMMER.replace(hour=9)}),
    ("time: 7-8", {"now": SUMMER}, {"now": SUMMER.replace(hour=9)}),  # without a zone: UTC
    ("weekday: mon-fri", {"now": MONDAY_LATE}, {"now": datetime(2026, 11, 21)}),  # noqa: DTZ001
    ("weekday: tue, timezone: Pacific/Auckland", {"now": SUMMER.replace(hour=23)}, {"now": SUMMER}),
    ("weekday: mon, any: [{time: 16-17}, {time: 9-10 Europe/Berlin}], timezone: Asia/Tokyo",
     {"now": SUMMER}, {"now": SUMMER.replace(hour=9)}),
    ("budget_used: '>80%'", {"conditions": {"budget_used": 0.81}}, {"conditions": {"budget_used": 0.8}}),
    ("budget_pace: '>102%'", {"conditions": {"budget_pace": 1.03}}, {"conditions": {"budget_pace": 1.02}}),
    ("budget_used: '>=0%'", {"conditions": {"budget_used": 0.0}}, {"conditions": {}}),
    ("health: {local: down}", {"conditions": {"health": {"oss": "down"}}}, {"conditions": {"health": {"oss": "up"}}}),
    ("health: {clouds: down}", {"conditions": {"health": {"claude": "down", "gemini": "down"}}},
     {"conditions": {"health": {"claude": "down", "gemini": "up"}}}),
    ("load: {oss: '>90%'}", {"conditions": {"load": {"oss": 0.95}}}, {"conditions": {"load": {"oss": 0.5}}}),
    ("load: {oss: '>90%'}", {"conditions": {"load": {"oss": 0.95}}}, {"conditions": {"load": {"oss": None}}}),
    ("not: {stream: true}", {"stream": False}, {"stream": True}),
    ("not: {team: interns}", {"caller": Caller()}, {"caller": TEAM}),  # who has no team is not of that team
    ("not: {stream: true, api: chat}", {"stream": True, "api": "responses"}, {"stream": True}),
    ("any: [{stream: true}, {api: responses}]", {"api": "responses"}, {"api": "messages"}),
    ("any: [{stream: true, api: chat}, {team: interns}]", {"caller": TEAM}, {"stream": True, "api": "messages"}),
    ("alias: auto, any: [{stream: true}, {class: simple}]", {"stream": True, "request": None}, {"request": None}),
    ("not: {any: [{stream: true}, {api: chat}]}", {"api": "responses"}, {"api": "chat"}),
    ("any: [{not: {input_tokens: '>100'}}]", {"request": ask("Hi!")}, {"request": ask("word " * 200)}),
]  # fmt: skip


@pytest.mark.parametrize(("when", "yes", "no"), WORDS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_word(when: str, yes: dict[str, Any], no: dict[str, Any]) -> None:
    book = rules(f"{{when: {{{when}}}, use: [oss]}}", "{use: [gemini]}")
    for given_, expected in ((yes, "oss"), (no, "gemini")):
        changes = dict(given_)
        request = changes.pop("request", ask("Hi!"))
        decision = decide(book, request, **changes)
        named = [*plan(decision), *(name for name, _ in decision.skipped)]
        assert named == [expected], decision.trace


def test_all_words_of_a_when_must_hold() -> None:
    book = rules("{when: {stream: true, api: chat}, use: [oss]}", "{use: [gemini]}")
    assert plan(decide(book, stream=True)) == ["oss"]
    assert plan(decide(book, stream=True, api="responses")) == ["gemini"]


@pytest.mark.parametrize(
    ("when", "place", "told"),
    [
        ("{clas: simple}", ("clas",), "did you mean 'class'"),
        ("{class: simpel}", ("class",), "did you mean 'simple'"),
        ("{class: true}", ("class",), "takes a text"),
        ("{input_tokens: many}", ("input_tokens",), "takes a comparison"),
        ("{input_tokens: true}", ("input_tokens",), "takes a comparison"),
        ("{input_tokens: 9k-2k}", ("input_tokens",), "the range"),
        ("{budget_used: '>80'}", ("budget_used",), "write per cent"),
        ("{budget_pace: '>102'}", ("budget_pace",), "write per cent"),
        ("{effort: '>=hihg'}", ("effort",), "did you mean 'high'"),
        ("{stream: 'yes'}", ("stream",), "true or false"),
        ("{time: noon}", ("time",), "takes hours"),
        ("{time: 9-17 Europe/Berln}", ("time",), "did you mean 'Europe/Berlin'?"),
        ("{time: 9-17, timezone: Mars}", ("timezone",), "no time zone 'Mars'"),
        ("{time: 9-17, timezone: ../../etc/passwd}", ("timezone",), "no time zone"),
        ("{stream: true, timezone: UTC}", ("timezone",), "is the clock of"),
        ("{any: {stream: true}}", ("any",), "takes conditions, a list"),
        ("{any: []}", ("any",), "takes conditions, a list"),
        ("{not: [{stream: true}]}", ("not",), "takes conditions, one such as"),
        ("{not: {clas: simple}}", ("not", "clas"), "did you mean 'class'"),
        ("{any: [{stream: true}, {class: simpel}]}", ("any", 1, "class"), "did you mean 'simple'"),
        ("{ayn: [{stream: true}]}", ("ayn",), "did you mean 'any'"),
        ("{p_local_worse: 60}", ("p_local_worse",), "per cent"),
        ("{score: high}", ("score",), "takes a comparison"),
        ("{time: 25-26}", ("time",), "not a time of day"),
        ("{weekday: [monday, fun]}", ("weekday",), "takes days"),
        ("{headers: x}", ("headers",), "takes a mapping"),
        ("{headers: {x-a: 3}}", ("headers", "x-a"), "takes a text"),
        ("{health: {os: up}}", ("health", "os"), "no backend, pool or role 'os': did you mean 'oss'"),
        ("{health: {oss: ill}}", ("health", "oss"), "unknown value"),
        ("{load: {oss: 80}}", ("load", "oss"), "per cent"),
        ("{tools: []}", ("tools",), "takes a text"),
    ],
)
def test_a_wrong_value_is_told_with_its_place_and_its_mend(when: str, place: tuple[str, ...], told: str) -> None:
    with pytest.raises(RuleErrors) as caught:
        rules(f"{{when: {when}, use: [oss]}}")
    [(path, text)] = caught.value.problems
    assert path == ("policies", "p", "rules", 0, "when", *place)
    assert told in text


def test_content_facts_are_unknown_while_the_body_is_unread() -> None:
    unread = facts(None)
    assert all(unread.value(name) is None for name in CONTENT)


def test_a_prompt_is_classified_only_when_nothing_cheaper_decides() -> None:
    asked: list[object] = []

    def classify(view: object) -> None:
        asked.append(view)

    book = rules("{when: {class: simple, stream: true}, use: [oss]}", "{use: [gemini]}")
    decide(book, ask("Hi!"), stream=False, classify=classify)
    assert asked == []


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.sampled_from([">", ">=", "<", "<=", "="]))
def test_comparisons_are_what_they_say(value: int, bound: int, sign: str) -> None:
    [condition], problems = compile_when({"input_tokens": f"{sign}{bound}"}, (), Names({}, {}, {}))
    expected = {">": value > bound, ">=": value >= bound, "<": value < bound, "<=": value <= bound, "=": value == bound}
    assert problems == []
    known = facts(None)
    known.__dict__["input_tokens"], known.request = value, ask()
    assert condition.holds(known) is expected[sign]


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("{time: 9-9}", "no hour is in it: write 0-24"),
        ("{time: '22:00-22:00 Europe/Berlin'}", "no hour is in it"),
        ("{weekday: monthly}", "takes days such as 'mon'"),
        ("{weekday: [mon, tues-funday]}", "takes days such as 'mon'"),
    ],
)
def test_hours_and_days_that_are_none_are_refused(when: str, told: str) -> None:
    with pytest.raises(RuleErrors, match=told):
        rules(f"{{when: {when}, use: [oss]}}")


def test_days_may_be_written_out() -> None:
    assert rules("{when: {weekday: [tues, thurs, saturday-sun]}, use: [oss]}").warnings == ()
