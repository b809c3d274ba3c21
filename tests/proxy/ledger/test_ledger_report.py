"""What the operator reads: S4's report of one call, and totals in which unknown is never 0."""

from collections.abc import Callable

import pytest

from proxy.ledger.record import UsageRecord
from proxy.ledger.report import render, table
from proxy.ledger.show import dollars, show
from proxy.ledger.totals import totals

Row = Callable[..., UsageRecord]


def test_s4_the_report_of_a_call_with_a_fallback(record: Row) -> None:
    first = record(
        attempt=1, outcome="fallback", status=502, error_code="upstream_unreachable", error_message="refused",
        duration_ms=3.0, generation=4, rule="hybrid[2]",
    )  # fmt: skip
    last = record(
        attempt=2, backend="claude", upstream_model="claude-sonnet-5", input_tokens=1203, cached_tokens=1000,
        output_tokens=617, reasoning_tokens=616, reasoning_source="estimated", cost_nano_usd=6_876_000,
        price_source="genai-prices 0.2.3", duration_ms=1900.0, ttft_ms=120.5, overhead_ms=0.31,
        finish_reason="stop", generation=4, rule="hybrid[2]", trace="hybrid[0] no: tools\nhybrid[2] yes",
        decision_reason="local is away",
    )  # fmt: skip
    assert show([first, last]).splitlines() == [
        "request      r1",
        "time         2026-11-20T12:00:00.123Z",
        "caller       tenant local",
        "asked        chat, streamed, model auto",
        "decided      policy hybrid, rule hybrid[2], class simple, generation 4",
        "because      local is away",
        "route        hybrid[0] no: tools",
        "             hybrid[2] yes",
        "",
        "attempt 1    oss (unknown): fallback 502",
        "  error      upstream_unreachable: refused",
        "  tokens     in unknown, out unknown, total unknown",
        "  reasoning  unknown, completion unknown",
        "  cost       unknown, so far $0.00 + unknown",
        "  time       first token unknown, total 3.0 ms, Turnout's own unknown",
        "",
        "attempt 2    claude (claude-sonnet-5): ok 200, finished stop",
        "  tokens     in 1,203 (cached 1,000), out 617, total 1,820",
        "  reasoning  616 (estimated), completion 1",
        "  cost       $0.006876 (genai-prices 0.2.3), so far $0.006876 + unknown",
        "  time       first token 120.5 ms, total 1,900.0 ms, Turnout's own 0.3 ms",
    ]


def test_costs_add_up_over_attempts(record: Row) -> None:
    text = show([record(attempt=1, cost_nano_usd=1), record(attempt=2, cost_nano_usd=2)])
    assert "$0.000000003" in text


def test_a_denied_call_has_no_tokens_to_show(record: Row) -> None:
    text = show([record(attempt=0, outcome="denied", backend=None, status=403, error_code="policy_denied")])
    assert "no backend: denied 403" in text
    assert "tokens" not in text


def test_an_unknown_call_says_so() -> None:
    assert show([]) == "no such call in the ledger\n"


@pytest.mark.parametrize(
    ("nano", "text"),
    [(None, "unknown"), (0, "$0.00"), (1, "$0.000000001"), (1_500_000_000, "$1.50"), (-20_000_000, "-$0.02"),
     (1_234_000_000_000, "$1,234.00")],
)  # fmt: skip
def test_dollars_are_exact(nano: int | None, text: str) -> None:
    assert dollars(nano) == text


def test_totals_count_calls_once_and_keep_unknown_apart(record: Row) -> None:
    rows = [
        record("a", attempt=1, outcome="fallback", cost_nano_usd=5, input_tokens=1, output_tokens=1),
        record("a", attempt=2, backend="claude", cost_nano_usd=10, input_tokens=100, output_tokens=20),
        record("b", backend="claude"),
        record("c", attempt=0, outcome="denied", backend=None),
    ]
    by_backend = totals(rows, ["backend"])
    assert list(by_backend) == [("-",), ("claude",), ("oss",)]
    claude = by_backend[("claude",)]
    assert (claude.calls, claude.attempts, claude.failed) == (2, 2, 0)
    assert (claude.cost.value, claude.cost.known, claude.cost.unknown) == (10, 1, 1)
    assert (by_backend[("oss",)].calls, by_backend[("-",)].calls, by_backend[("-",)].attempts) == (0, 1, 0)


def test_totals_fold_by_day_and_any_column(record: Row) -> None:
    rows = [record("a"), record("b", started_at=record().started_at + 86_400_000, cls="complex")]
    assert list(totals(rows)) == [("2026-11-20",), ("2026-11-21",)]
    assert list(totals(rows, ["class", "day"])) == [("complex", "2026-11-21"), ("simple", "2026-11-20")]
    assert list(totals(rows, ["alias", "policy", "stream"])) == [("auto", "hybrid", "True")]
    with pytest.raises(KeyError):
        totals(rows, ["nonsense"])


def test_the_table_never_prints_unknown_as_zero(record: Row) -> None:
    known = {"input_tokens": 1000, "output_tokens": 5, "cost_nano_usd": 2_000_000_000}
    by = ["alias"]
    text = render(table(totals([record("a", **known), record("b")], by), by))
    assert "1,000 + 1 unknown" in text
    assert "$2.00 + 1 unknown" in text
    text = render(table(totals([record("b")], by), by))
    assert text.split()[-5:] == ["unknown"] * 5


def test_helper_calls_are_attempts_and_money_but_nobody_asked_them(record: Row) -> None:
    asked = record(request_id="r1", attempt=1, cost_nano_usd=5)
    helped = record(request_id="r2", parent_id="r1", purpose="condense", attempt=1, cost_nano_usd=2)
    failed = record(request_id="r3", parent_id="r1", purpose="condense", attempt=1, outcome="error", cost_nano_usd=None)
    (total,) = totals([asked, helped, failed]).values()
    assert (total.calls, total.attempts, total.failed, total.cost.value, total.cost.unknown) == (1, 3, 0, 7, 1)
