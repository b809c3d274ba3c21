"""A request's data class only rises, whoever raises it; restricted data stays, with and without a guard that says so."""

from __future__ import annotations

import pytest
from book_kit import ask, book, decide, facts, plan, rules
from hypothesis import given
from hypothesis import strategies as st

from policies.data_classes.data_class import RANKS, label_problems, strictest
from policies.facts import observe
from policies.moment import Moment
from policies.rules.book import Book
from policies.rules.grammar import Route
from policies.verdict import Caller, Decision

LABELS = st.sampled_from([*RANKS, "hr", "export"])


def raised(made: Book, *, pin: str | None = None, **changes: object) -> Decision:
    """Ask the policy ``p`` with what Facts takes beside the request."""
    given_: dict[str, object] = {"alias": "auto", "api": "chat", "stream": False, "caller": Caller(), "headers": {}}
    found = observe(ask(), **(given_ | changes))  # type: ignore[arg-type]
    route = Route(alias="auto", policy="p")
    who = Caller()
    return made.decide(route, found, caller=who, refuses=lambda _: (), moment=Moment(), pin=pin)


@given(st.lists(LABELS, max_size=5))
def test_of_several_the_strictest_counts_and_own_words_all_stand(labels: list[str]) -> None:
    found = strictest(labels)
    assert bool(found) == bool(labels)
    assert ("restricted" in found) == ("restricted" in labels)
    assert found >= {label for label in labels if label not in RANKS}
    assert found <= set(labels)
    assert found == strictest([*labels, *found])


@given(LABELS, LABELS, LABELS, LABELS, LABELS, LABELS)
def test_nobody_lowers_it(key: str, team: str, header: str, old: str, found: str, rule: str) -> None:
    made = facts(
        caller=Caller(data_class=key, team_data_class=team), headers={"x-turnout-data-class": header},
        inherited={old}, found={"card": found},
    )  # fmt: skip
    given_ = {key, team, header, old, found}
    assert made.data_class == strictest(given_)
    before = made.data_class
    changed = made.raise_class(rule, "p[0]")
    assert made.data_class == strictest({*given_, rule})
    assert changed == (made.data_class != before)


# --- the filter that no configuration has -----------------------------------------------------------------------------


def test_restricted_data_stays_without_any_guard() -> None:
    made = rules("{use: [clouds, local]}")
    assert plan(raised(made)) == ["claude", "gemini", "oss"]
    decision = raised(made, caller=Caller(data_class="restricted"))
    assert plan(decision) == ["oss"]
    assert decision.allowed == {"oss"}
    assert "data class: restricted (key)" in decision.trace
    assert "claude left out: restricted data may only meet backends marked 'local: true'" in decision.trace


def test_a_request_that_nobody_may_serve_is_told_why() -> None:
    decision = raised(rules("{use: [clouds]}"), headers={"x-turnout-data-class": "restricted"})
    assert decision.denied is not None
    assert (decision.denied.status, decision.denied.code) == (403, "policy_denied")
    assert "restricted data may only meet backends marked 'local: true'" in decision.denied.reason


def test_a_pin_does_not_change_it() -> None:
    made = rules("{use: [local]}")
    restricted = {"headers": {"x-turnout-data-class": "restricted"}}
    assert raised(made, pin="backend/claude", **restricted).denied is not None
    assert plan(raised(made, pin="backend/oss", **restricted)) == ["oss"]


def test_a_guard_that_sends_it_to_the_cloud_leaves_nobody() -> None:
    made = rules("{use: [clouds, local]}", guards="[{when: {data_class: restricted}, only: {local: false}}]")
    assert raised(made, headers={"x-turnout-data-class": "restricted"}).denied is not None


# --- raised by a rule --------------------------------------------------------------------------------------------------

RAISE = "{when: {headers: {x-case: '*'}}, set: {data_class: restricted}, continue: true}"
CASE = {"headers": {"x-case": "7"}}


def test_a_rule_raises_it_for_the_rules_after_it() -> None:
    made = rules(RAISE, "{when: {data_class: restricted}, deny: nobody}", "{use: [clouds, local]}")
    assert plan(raised(made)) == ["claude", "gemini", "oss"]
    assert raised(made, **CASE).rule == "p[1]"


def test_it_stays_though_the_rule_itself_names_the_cloud() -> None:
    made = rules("{use: [clouds, local], set: {data_class: restricted}}")
    decision = raised(made)
    assert plan(decision) == ["oss"]
    assert decision.data_class == {"restricted"}
    assert decision.facts["data_class"] == "restricted"


@pytest.mark.parametrize(
    ("guard", "left"),
    [
        ("{when: {data_class: hr}, only: {backends: [gemini]}}", ["gemini"]),
        ("{when: {data_class: hr}, deny: hr goes nowhere}", []),
        ("{when: {not: {data_class: hr}}, only: {backends: [claude]}}", ["claude"]),
    ],
)
def test_guards_are_looked_at_again(guard: str, left: list[str]) -> None:
    """What a guard asked of the class before it was raised goes on standing: filters only ever add up."""
    made = rules("{set: {data_class: hr}, continue: true}", "{use: [clouds, local]}", guards=f"[{guard}]")
    decision = raised(made)
    assert plan(decision) == left
    assert "the rules made the data class hr: guards again" in decision.trace
    assert (decision.denied is None) == bool(left)


def test_a_lower_class_changes_nothing() -> None:
    made = rules("{set: {data_class: public}, continue: true}", "{use: [clouds, local]}")
    decision = raised(made, headers={"x-turnout-data-class": "restricted"})
    assert (plan(decision), decision.data_class) == (["oss"], {"restricted"})
    assert not any("guards again" in line for line in decision.trace)


def test_what_was_found_is_told_by_its_kind() -> None:
    decision = raised(
        rules("{use: [clouds, local]}"), found={"card": "restricted", "email": "internal"}, inherited={"hr"}
    )
    assert decision.data_class == {"restricted", "hr"}
    assert decision.trace[0] == "data class: hr (inherited), restricted (pattern card), internal (pattern email)"
    assert decision.facts["data_found"] == "card+email"


def test_without_any_class_the_trace_says_nothing_of_it() -> None:
    decision = decide(rules("{use: [clouds]}"), ask())
    assert not any("data class" in line for line in decision.trace)


# --- what clients and operators write ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["Restricted", "restrited", "restrict", "confidental", "two words", "", None, 7])
def test_a_slip_is_not_taken_for_a_class_of_ones_own(label: object) -> None:
    assert list(label_problems(label, ()))


@pytest.mark.parametrize("label", [*RANKS, "hr", "phi", "secret", "export-control"])
def test_known_classes_and_own_words_are_taken(label: str) -> None:
    assert not list(label_problems(label, ()))


@pytest.mark.parametrize(
    "line", ["{set: {data_class: Restricted}, continue: true}", "{when: {data_class: restrited}, deny: no}"]
)
def test_rules_are_told_of_slips_too(line: str) -> None:
    with pytest.raises(Exception, match=r"data_class: .*(must be a word|did you mean 'restricted')"):
        book(f"p: {{rules: [{line}, {{use: [local]}}]}}")


@pytest.mark.parametrize(
    ("told", "classes"),
    [
        ("restricted", {"restricted"}), (" Internal ", {"internal"}), ("hr", {"hr"}), ("public, restricted", {"restricted"}),
        ("hr,export", {"hr", "export"}), ("internal,", {"restricted"}), ("restrited", {"restricted"}),
        ("restricted;", {"restricted"}), ("", {"restricted"}),
    ],
)  # fmt: skip
def test_a_header_may_name_several_and_a_slip_counts_as_the_strictest(told: str, classes: set[str]) -> None:
    assert facts(headers={"x-turnout-data-class": told}).data_class == classes
