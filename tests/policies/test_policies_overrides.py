"""What operators turn, in decisions: it stands before the policies of aliases and teams, and before nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from book_kit import TARGETS, ask, book, facts, nothing, plan
from hypothesis import given
from hypothesis import strategies as st

from policies.moment import Moment
from policies.overrides import EVERY, Override, Overrides
from policies.rules.grammar import Route
from policies.verdict import Caller, Decision

NOON = 1_900_000_000.0
BOOK = book(
    """
cloud: {rules: [{use: [claude, gemini]}]}
home: {rules: [{use: [oss]}]}
both: {rules: [{when: {health: {claude: down}}, use: [gemini]}, {use: [claude, oss]}]}
""",
    "[{when: {caller: barred}, deny: not here}]",
)
AUTO = Route(alias="auto", policy="cloud")


def policy(name: str, to: str, **more: Any) -> Override:
    return Override(id="1", kind="policy", name=name, policy=to, **{"until": NOON, **more})


def drain(name: str, **more: Any) -> Override:
    return Override(id="2", kind="drain", name=name, **{"until": NOON, **more})


def turned(*overrides: Override, generation: int = 7) -> Overrides:
    return Overrides(
        generation,
        {each.name: each for each in overrides if each.kind == "policy"},
        {each.name: each for each in overrides if each.kind == "drain"},
    )


def decide(
    overrides: Overrides,
    route: Route = AUTO,
    *,
    alias: str = "auto",
    caller: Caller | None = None,
    pin: str | None = None,
) -> Decision:
    """As the proxy does."""
    who = caller or Caller()
    route, moment = overrides.turned(route, alias), overrides.over(Moment(health=dict.fromkeys(TARGETS, "up")))
    asked = facts(ask(), caller=who, alias=alias, conditions={"health": moment.health})
    found = BOOK.decide(route, asked, caller=who, refuses=nothing, moment=moment, pin=pin)
    return overrides.marked(found, route)


def test_an_alias_follows_another_policy_and_says_so() -> None:
    found = decide(turned(policy("auto", "home")))
    assert (found.policy, plan(found)) == ("home", ["oss"])
    assert found.trace[1] == "policy home: override policy auto=home until 2030-03-17T17:46:40Z"
    assert found.overrides == ("policy auto=home; until=2030-03-17T17:46:40Z; generation=7",)
    assert found.facts["overrides"] == 7


def test_what_touches_nothing_of_a_decision_is_not_told_of_it_but_its_generation_is() -> None:
    found = decide(turned(policy("other", "home"), drain("oss")))
    assert (found.policy, plan(found), found.overrides) == ("cloud", ["claude", "gemini"], ())
    assert found.facts["overrides"] == 7


def test_the_name_comes_before_its_pattern_and_the_pattern_before_every_alias() -> None:
    pattern = Route(alias="gpt-*", policy="cloud")
    every, wide, exact = policy(EVERY, "home"), policy("gpt-*", "both"), policy("gpt-5", "cloud")
    assert turned(every, wide, exact).turned(pattern, "gpt-5").override is exact
    assert turned(every, wide).turned(pattern, "gpt-5").override is wide
    assert turned(every, exact).turned(pattern, "gpt-4").override is every
    assert turned(wide, exact).turned(AUTO, "auto") is AUTO


def test_it_stands_before_the_teams_policy() -> None:
    caller = Caller(team="t", policy={"auto": "cloud", "default": "cloud"})
    found = decide(turned(policy("auto", "home")), caller=caller)
    assert (found.policy, plan(found)) == ("home", ["oss"])
    assert BOOK.needs(turned(policy("auto", "both")).turned(AUTO, "auto"), caller) == {"health", "caller"}


def test_an_alias_that_names_its_backends_is_turned_too() -> None:
    direct = Route(alias="to-claude", use=("claude",))
    assert plan(decide(turned(policy(EVERY, "home")), direct, alias="to-claude")) == ["oss"]


def test_a_pin_is_held_to_the_rules_of_every_alias_and_not_to_its_targets() -> None:
    route = Route(alias="backend/claude", use=("claude",))
    found = decide(turned(policy(EVERY, "home")), route, alias="backend/claude", pin="backend/claude")
    assert (found.policy, plan(found), found.rule) == ("home", ["claude"], "pinned")
    assert found.overrides[0].startswith("policy *=home")


def test_a_drained_backend_is_left_out_with_the_reason() -> None:
    found = decide(turned(drain("claude")))
    assert plan(found) == ["gemini"]
    assert found.skipped == (("claude", "drained by override until 2030-03-17T17:46:40Z"),)
    assert "claude left out: drained by override until 2030-03-17T17:46:40Z" in found.trace
    assert found.overrides == ("drain claude; until=2030-03-17T17:46:40Z; generation=7",)


def test_nor_may_it_be_pinned() -> None:
    found = decide(turned(drain("claude", until=None)), Route(alias="backend/claude", use=("claude",)),
                   alias="backend/claude", pin="backend/claude")  # fmt: skip
    assert found.denied is not None
    assert (found.denied.status, found.denied.code) == (503, "no_backend_available")
    assert "claude: drained by override until cleared" in found.denied.reason


def test_rules_that_ask_find_it_down() -> None:
    both = Route(alias="auto", policy="both")
    assert plan(decide(turned(drain("claude")), both)) == ["gemini"]
    assert plan(decide(turned(drain("gemini")), both)) == ["claude", "oss"]


def test_a_backend_that_is_down_anyhow_stays_so() -> None:
    moment = turned(drain("claude")).over(Moment(available=lambda target: f"{target.backend} is away"))
    assert moment.available(TARGETS["gemini"]) == "gemini is away"
    assert moment.available(TARGETS["claude"]) == "drained by override until 2030-03-17T17:46:40Z"


def test_without_a_drain_the_moment_is_the_same() -> None:
    moment = Moment()
    assert turned(policy("auto", "home")).over(moment) is moment


def test_guards_stand() -> None:
    found = decide(turned(policy(EVERY, "home")), caller=Caller(name="barred"))
    assert found.denied is not None
    assert found.denied.reason == "not here"


@given(
    st.lists(
        st.one_of(
            st.builds(policy, st.sampled_from(["auto", EVERY, "x"]), st.sampled_from(["cloud", "both", "home"])),
            st.builds(drain, st.sampled_from(sorted(TARGETS))),
        ),
        max_size=4,
    ),
    st.sampled_from([None, "backend/claude", "backend/oss"]),
)
def test_restricted_data_meets_local_backends_only_whatever_is_turned(turns: list[Override], pin: str | None) -> None:
    route = AUTO if pin is None else Route(alias=pin, use=(pin.removeprefix("backend/"),))
    caller = Caller(data_class="restricted")
    found = decide(turned(*turns), route, alias=pin or "auto", caller=caller, pin=pin)
    assert set(plan(found)) <= {"oss"}


@pytest.mark.parametrize(("until", "now", "stands"), [(10.0, 9.9, True), (10.0, 10.0, False), (None, 1e12, True)])
def test_it_ends_in_time(until: float | None, now: float, stands: bool) -> None:
    assert drain("claude", until=until).stands(now) is stands


def test_one_that_a_newer_turnout_has_made_can_be_read() -> None:
    told = b'{"id": "1", "kind": "slow", "name": "claude", "speed": 3}'
    assert msgspec.json.decode(told, type=Override).told == "slow claude"
