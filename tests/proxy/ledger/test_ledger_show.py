"""The report of a call that had helpers: the call itself stands at its head, and every flag is told."""

from __future__ import annotations

import pytest

from proxy.ledger.record import UsageRecord, whole
from proxy.ledger.show import show


def row(request_id: str, **values: object) -> UsageRecord:
    known: dict[str, object] = {"started_at": 1_700_000_000_000, "api": "chat", "outcome": "ok", "backend": "claude"}
    return UsageRecord(request_id=request_id, **{**known, **values})  # type: ignore[arg-type]


def test_the_call_heads_the_report_and_not_its_helper() -> None:
    call = row("call", trace="policy hybrid", flags="condensed 1500>100", cost_nano_usd=5)
    helper = row(
        "help", parent_id="call", purpose="condense", backend="oss", trace="condense for call", cost_nano_usd=2
    )

    lines = show([call, helper]).splitlines()

    assert lines[0] == "request      call"
    assert "child of" not in "\n".join(lines)
    assert "route        policy hybrid" in lines
    assert "  flags      condensed 1500>100" in lines
    assert any(line.startswith("attempt 1    oss") and line.endswith("to condense") for line in lines)
    assert "  cost       $0.000000002, so far $0.000000007" in lines


def test_of_a_call_that_was_tried_twice_the_last_attempt_is_its_head() -> None:
    assert "route        second" in show([row("call", trace="first"), row("call", attempt=2, trace="second")])


def test_the_whole_row_has_what_the_short_one_leaves_out() -> None:
    told = whole(row("call", cached_from="other", flags="truncated_prompt", trace="one\ntwo", facts='{"v": 1}'))

    assert (told["cached_from"], told["flags"]) == ("other", "truncated_prompt")
    assert (told["trace"], told["facts"]) == (["one", "two"], {"v": 1})
    assert told["started_at"] == "2023-11-14T22:13:20.000Z"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"reasoning_tokens": 308, "reasoning_source": "counted"},
            "308 (counted), completion 309; by characters 616 (1,790 of 1,791)",
        ),
        (
            {"reasoning_tokens": 300, "reasoning_source": "reported"},
            "300 (reported), completion 317; by characters 616 (1,790 of 1,791)",
        ),
        ({"reasoning_tokens": 616, "reasoning_source": "estimated"}, "616 (estimated), completion 1"),
        ({"parts": None, "reasoning_tokens": 0, "reasoning_source": "reported"}, "0 (reported), completion 617"),
        ({"parts": '{"calls":{"web_search":1}}'}, "unknown, completion unknown"),
        ({"output_tokens": None}, "unknown, completion unknown"),
    ],
)
def test_the_character_method_stands_beside_the_split(values: dict[str, object], expected: str) -> None:
    """The sample of the report that this one replaces: 1,790 characters of thought and an answer of one."""
    known = {"output_tokens": 617, "parts": '{"reasoning_chars":1790,"answer_chars":1}'}
    assert f"  reasoning  {expected}" in show([row("call", **{**known, **values})]).splitlines()
