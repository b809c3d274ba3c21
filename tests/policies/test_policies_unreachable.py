"""Rules that can never apply are told of, and no other."""

from __future__ import annotations

import pytest
from book_kit import ask, book, decide, rules, tool
from hypothesis import given
from hypothesis import strategies as st

from policies.verdict import Caller


def told(*lines: str) -> list[int]:
    """The rules of ``p`` that are warned of."""
    return [path[3] for path, _ in rules(*lines).warnings if path[:3] == ("policies", "p", "rules")]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{class: simple}", "{class: simple}"),
        ("{class: [simple, moderate]}", "{class: simple}"),
        ("{class: simple}", "{class: simple, stream: true}"),
        ("{input_tokens: '>1k'}", "{input_tokens: '>=8k'}"),
        ("{input_tokens: '>1k'}", "{input_tokens: 2k-3k}"),
        ("{input_tokens: 1k-8k}", "{input_tokens: '=8k'}"),
        ("{budget_used: '>80%'}", "{budget_used: '>=81%'}"),
        ("{budget_pace: '>100%'}", "{budget_pace: '>=101%'}"),
        ("{effort: '>=medium'}", "{effort: [high, max]}"),
        ("{alias: 'gpt-*'}", "{alias: [gpt-4o, gpt-5.6]}"),
        ("{structured_output: true}", "{structured_output: json_schema}"),
        ("{headers: {x-a: b}}", "{headers: {x-a: b}, team: t}"),
        ("{load: {oss: '>90%'}}", "{load: {oss: '>90%'}}"),
        ("{any: [{class: simple}, {stream: true}]}", "{class: simple, team: t}"),
        ("{class: [simple, moderate]}", "{any: [{class: simple}, {class: moderate}]}"),
        ("{not: {class: simple}}", "{not: {class: simple}, stream: true}"),
    ],
)
def test_what_an_earlier_rule_takes_is_never_reached(earlier: str, later: str) -> None:
    assert told(f"{{when: {earlier}, use: [oss]}}", f"{{when: {later}, use: [claude]}}") == [1]
    assert told(f"{{when: {earlier}, deny: no}}", f"{{when: {later}, use: [claude]}}") == [1]
    goes_on = f"{{when: {earlier}, set: {{effort: low}}, continue: true}}"
    assert told(goes_on, f"{{when: {later}, use: [claude]}}") == []


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{class: simple}", "{class: [simple, moderate]}"),
        ("{class: simple, stream: true}", "{class: simple}"),
        ("{input_tokens: '>1k'}", "{input_tokens: '>=1k'}"),
        ("{input_tokens: 1k-8k}", "{input_tokens: '>2k'}"),
        ("{alias: gpt-4o}", "{alias: 'gpt-*'}"),
        ("{alias: '?'}", "{alias: '*'}"),
        ("{time: 9-17}", "{time: 10-11}"),  # not proved, so not told
        ("{any: [{class: simple}, {stream: true}]}", "{class: moderate}"),
        ("{not: {class: simple}}", "{class: moderate}"),
        ("{time: 9-17 Europe/Berlin}", "{time: 9-17}"),
        (
            "{not: {time: 9-17}, timezone: Europe/Berlin}",
            "{not: {time: 9-17}, timezone: America/New_York}",
        ),
        ("{headers: {x-a: true}}", "{headers: {x-a: 'true'}}"),
        ("{headers: {x-a: 'true'}}", "{headers: {x-a: true}}"),
        ("{headers: {x-a: [b, c]}}", "{headers: {x-a: 'b|c'}}"),
        ("{any: [{team: a}, {headers: {x-a: [b, c]}}]}", "{any: [{team: a}, {headers: {x-a: 'b|c'}}]}"),
    ],
)
def test_what_may_still_apply_is_not_told(earlier: str, later: str) -> None:
    assert told(f"{{when: {earlier}, use: [oss]}}", f"{{when: {later}, use: [claude]}}") == []


@pytest.mark.parametrize(
    "when",
    [
        "{input_tokens: '<0'}",
        "{p_local_worse: '>100%'}",
        "{input_tokens: '>8k', any: [{input_tokens: '<2k'}, {input_tokens: 3k-4k}]}",
        "{input_tokens: '>8k', not: {input_tokens: '>1k'}}",
        "{class: simple, any: [{class: moderate}, {class: complex}]}",
        "{stream: true, not: {stream: true}}",
        "{input_tokens: 5k-8k, any: [{not: {input_tokens: '>=5k'}}]}",
    ],
)
def test_what_excludes_itself_is_told(when: str) -> None:
    [(path, text)] = rules(f"{{when: {when}, use: [oss]}}", "{use: [claude]}").warnings
    assert path == ("policies", "p", "rules", 0)
    assert "can never apply" in text


def test_a_class_that_a_rule_raises_is_another_one_behind_it() -> None:
    raising = "{when: {tools: any}, set: {data_class: internal}, continue: true}"
    kept = "{when: {data_class: internal}, use: [claude]}"
    built = rules("{when: {data_class: internal}, use: [oss]}", raising, kept, kept)
    assert [path[3] for path, _ in built.warnings] == [3]
    assert decide(built, ask(tools=(tool(),))).rule == "p[2]"


def test_a_guard_takes_what_is_raised_too() -> None:
    raising = "{when: {tools: any}, set: {data_class: internal}, continue: true}"
    built = rules(
        raising, "{when: {data_class: internal}, use: [oss]}", guards="[{when: {data_class: internal}, deny: no}]"
    )
    assert [path[3] for path, _ in built.warnings] == [1]


def test_two_tools_may_both_be_on_offer() -> None:
    line = "{when: {tools: a, any: [{tools: b}]}, use: [oss]}"
    built = rules(line, "{use: [claude]}")
    assert built.warnings == ()
    assert decide(built, ask(tools=(tool("a"), tool("b")))).rule == "p[0]"


def test_a_guard_that_denies_takes_what_it_denies() -> None:
    built = rules("{when: {team: t, stream: true}, use: [oss]}", "{use: [oss]}", guards="[{when: {team: t}, deny: no}]")
    assert [path for path, _ in built.warnings] == [("policies", "p", "rules", 0)]
    assert "guards[0] before it" in built.warnings[0][1]


def test_a_child_may_take_over_its_parents_rules() -> None:
    assert book("p: {extends: hybrid, before: [{when: {class: simple}, use: [cloud]}]}").warnings == ()
    assert book("p: {extends: claude_only, before: [{use: [oss]}]}").warnings == ()


def test_what_comes_after_a_parent_that_takes_all_is_told() -> None:
    [(path, text)] = book("p: {extends: hybrid, after: [{when: {stream: true}, use: [oss]}]}").warnings
    assert path == ("policies", "p", "after", 0)
    assert "hybrid[5] before it always applies" in text


@given(
    st.lists(
        st.sampled_from(
            ["{stream: true}", "{stream: false}", "{team: a}", "{team: [a, b]}", "{team: a, stream: true}",
             "{input_tokens: '>5'}", "{input_tokens: 6-9}", "{not: {team: a}}", "{any: [{team: b}, {stream: true}]}",
             "{input_tokens: '<=5', not: {stream: true}}"]
        ),
        min_size=2, max_size=6,
    ),
    st.booleans(), st.sampled_from([None, "a", "b", "c"]), st.integers(0, 12),
)  # fmt: skip
def test_a_rule_that_is_told_of_never_decides(whens: list[str], stream: bool, team: str | None, size: int) -> None:
    built = rules(*(f"{{when: {when}, use: [oss]}}" for when in whens), "{use: [claude]}")
    decision = decide(built, ask("word" * size), stream=stream, caller=Caller(team=team))
    dead = {f"p[{path[3]}]" for path, _ in built.warnings}
    assert decision.rule not in dead
