"""The policy ``paced``: a synthetic month ends at its budget, nobody is refused, and without need nothing is slowed (N11)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from book_kit import ask, book, facts, tool

from adapters import ir
from policies.limits.limit import BudgetTerms, Limit, Window
from policies.limits.pacing import Share
from policies.moment import Moment
from policies.pricing import NANO
from policies.rules import setting
from policies.rules.grammar import Route
from policies.verdict import Caller, Decision

START = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
DAYS = 30
BUDGET = Limit(
    scope="team", name="t", kind="usd", amount=50 * NANO, window=Window("month"), budget=BudgetTerms(counts="cloud")
)
BOOK = book()
ROUTE = Route(alias="auto", policy="paced")
ASKED = ask("Hi!", effort="high", tools=(tool(),))
"""What hybrid sends to the cloud without a look at the text."""
LOW, FLEX = 0.6, 0.5
"""What a call costs with less thought, and in the cheaper tier, against what it would have cost."""

Profile = Callable[[float], float]


def office(hour: float) -> float:
    """Most of it from nine to six, none of it at weekends but a little."""
    day = int(hour // 24) % 7
    return (0.1 if day in (0, 6) else 1.0) * (1.0 if 9 <= hour % 24 < 18 else 0.1)


def waves(hour: float) -> float:
    return 1.0 + 0.9 * math.sin((hour % 24 - 9) / 24 * 2 * math.pi)


def burst(hour: float) -> float:
    """A week in which somebody runs an evaluation."""
    return waves(hour) * (4.0 if 240 <= hour < 408 else 1.0)


def decided(used: int, now: float) -> tuple[Decision, dict[str, object]]:
    share = Share(BUDGET, used, BUDGET.amount)
    request, changed = ASKED, {}

    def change(wanted: object) -> dict[str, object]:
        changed.update(setting.changes(wanted, request, request.effort))  # type: ignore[arg-type]
        return changed

    conditions = {"budget_used": share.full, "budget_pace": share.pace(now)}
    found = BOOK.decide(
        ROUTE, facts(request, conditions=conditions), caller=Caller(), refuses=lambda _: (), moment=Moment(),
        change=change,
    )  # fmt: skip
    return found, changed


class Month:
    """Plays one: ``demand`` is what the calls would cost without a policy, as a multiple of the budget."""

    def __init__(self, demand: float, profile: Profile, per_hour: int = 8) -> None:
        moments = [hour + step / per_hour for hour in range(DAYS * 24) for step in range(per_hour)]
        weights = [profile(moment) for moment in moments]
        each = demand * BUDGET.amount / sum(weights)
        self.used, self.seen = 0, Counter[str]()
        for moment, weight in zip(moments, weights, strict=True):
            self._call(START + moment * 3600, round(weight * each))

    def _call(self, now: float, full: int) -> None:
        decision, changed = decided(self.used, now)
        cost, what = full, "as asked"
        if decision.plan[0].local:
            cost, what = 0, "local"
        else:
            if changed.get("effort") == "low":
                cost, what = round(cost * LOW), "low effort"
            if changed.get("service_tier") == "flex":
                cost, what = round(cost * FLEX), "flex"
        if self.used + cost > BUDGET.amount:
            what, cost = "refused", 0
        self.used += cost
        self.seen[what] += 1


@pytest.mark.parametrize("profile", [office, waves])
@pytest.mark.parametrize("demand", [1.3, 1.8, 3.0])
def test_with_more_demand_than_budget_the_month_ends_at_its_budget(demand: float, profile: Profile) -> None:
    month = Month(demand, profile)
    end = month.used / BUDGET.amount
    assert 0.97 <= end <= 1.0, month.seen
    assert month.seen["refused"] == 0
    assert month.seen["low effort"] + month.seen["flex"] > 0


def test_a_week_of_madness_does_not_cost_the_rest_of_the_month() -> None:
    """What comes after it may be less than what is left: that is money saved, not a call refused."""
    month = Month(2.0, burst)
    assert month.used <= BUDGET.amount
    assert month.seen["refused"] == 0
    assert month.seen["as asked"] > sum(month.seen.values()) * 0.6


@pytest.mark.parametrize("profile", [waves, lambda hour: 1.0 if 9 <= hour % 24 < 18 else 0.05])
@pytest.mark.parametrize("demand", [0.3, 0.97])
def test_with_less_demand_than_budget_nothing_is_slowed(demand: float, profile: Profile) -> None:
    month = Month(demand, profile)
    assert [*month.seen] == ["as asked"]
    assert month.used / BUDGET.amount == pytest.approx(demand, abs=0.001)


def test_the_steps_come_one_after_the_other() -> None:
    now = START + 14.5 * 86_400
    on_pace = BUDGET.amount * 15 // 30
    steps = []
    for per_cent in (99, 101, 102, 103):
        decision, changed = decided(on_pace * per_cent // 100, now)
        steps.append(([target.backend for target in decision.plan], changed))
    assert steps == [
        (["claude", "gemini", "oss"], {}),
        (["claude", "gemini", "oss"], {"effort": "low"}),
        (["claude", "gemini", "oss"], {"effort": "low", "service_tier": "flex"}),
        (["oss", "claude", "gemini"], {"effort": "low", "service_tier": "flex"}),
    ]


def test_a_caller_without_a_budget_has_plain_hybrid() -> None:
    found = BOOK.decide(
        ROUTE, facts(ASKED), caller=Caller(), refuses=lambda _: (), moment=Moment(), change=lambda wanted: wanted
    )
    assert found.rule == "hybrid[0]"
    assert found.set == {}


def test_a_spent_budget_that_says_local_leaves_local_targets_only() -> None:
    spent = Moment(spent="the budget of team 't' is spent")
    for route, plan in ((ROUTE, ["oss"]), (Route(alias="direct", use=("claude",)), ["oss"])):
        found = BOOK.decide(route, facts(ASKED), caller=Caller(), refuses=lambda _: (), moment=spent)
        assert [target.backend for target in found.plan] == plan
        assert "the budget of team 't' is spent: local backends only" in found.trace


def test_where_nothing_is_local_the_plan_stays_for_the_draw_to_refuse() -> None:
    cloud = book(roles={"local": (), "cloud": ("clouds",), "claude": ("claude",)})
    found = cloud.decide(
        Route(alias="direct", use=("claude",)), facts(ASKED), caller=Caller(), refuses=lambda _: (),
        moment=Moment(spent="the budget of team 't' is spent"),
    )  # fmt: skip
    assert [target.backend for target in found.plan] == ["claude"]
    assert "the budget of team 't' is spent: and no backend is local" in found.trace


def test_a_pin_is_not_moved_by_a_spent_budget() -> None:
    found = BOOK.decide(
        Route(alias="backend/claude", use=("claude",)), facts(ASKED), caller=Caller(), refuses=lambda _: (),
        moment=Moment(spent="the budget of team 't' is spent"), pin="backend/claude",
    )  # fmt: skip
    assert [target.backend for target in found.plan] == ["claude"]


def test_service_tiers_are_words_that_vendors_know() -> None:
    assert list(setting.problems({"service_tier": "flex"}, ())) == []
    [(_, told)] = setting.problems({"service_tier": "cheap"}, ("set",))
    assert "must be one of auto, default, flex" in told
    assert setting.changes({"service_tier": "flex"}, ir.Request(model="m", messages=()), None) == {
        "service_tier": "flex"
    }
