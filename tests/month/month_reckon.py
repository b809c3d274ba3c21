"""Reckons the month with pencil and paper: exact fractions, from the event list alone.

Nothing of Turnout is imported here, nor is any code shared with it. ``python month_reckon.py < events.json`` prints the
totals in dollars as JSON: by backend, by team, by day, what the baseline would have cost, and all together.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

MILLION = 1_000_000


def reckon(month: dict[str, Any]) -> dict[str, Any]:
    """Dollars, as exact fractions."""
    by = {name: defaultdict(Fraction) for name in ("backend", "team", "day")}
    shares = machine_shares(month["calls"])
    total = baseline = Fraction(0)
    for call in month["calls"]:
        for place, leg in legs(call):
            cost = leg_cost(month, call, leg, shares.get((call["id"], place), Fraction(0)))
            by["backend"][leg["backend"]] += cost
            by["team"][call["team"]] += cost
            by["day"][day(call, leg)] += cost
            total += cost
        baseline += instead(month, call)
    return {"total": total, "baseline": baseline, "saved": baseline - total, **by}


def legs(call: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"leg{n}", leg) for n, leg in enumerate(call["legs"])] + [
        (f"helper{n}", leg) for n, leg in enumerate(call["helpers"])
    ]


def leg_cost(month: dict[str, Any], call: dict[str, Any], leg: dict[str, Any], share: Fraction) -> Fraction:
    if leg["backend"] == "box":
        return share * money(month["gpu_hour"]) / 3600
    if leg["usage"] is None:
        return Fraction(0)
    if leg["backend"] == "claude":
        return claude_cost(month, day(call, leg), leg["usage"])
    return gpt_cost(month, day(call, leg), leg["usage"])


def claude_cost(month: dict[str, Any], on: str, told: dict[str, Any]) -> Fraction:
    rates = entry(month, "anthropic/claude-sonnet-5", on)
    made = told["cache_creation"]
    tokens = (
        told["input_tokens"] * money(rates["input"])
        + told["cache_read_input_tokens"] * money(rates["cached"])
        + made["ephemeral_5m_input_tokens"] * money(rates["cache_write"])
        + made["ephemeral_1h_input_tokens"] * money(rates["cache_write_1h"])
        + told["output_tokens"] * money(rates["output"])
    ) / MILLION
    return tokens + told["server_tool_use"]["web_search_requests"] * money(rates["calls"]["web_search"]) / 1000


def gpt_cost(month: dict[str, Any], on: str, told: dict[str, Any]) -> Fraction:
    rates = entry(month, "openai/gpt-5.6", on)
    factor = money(rates["tiers"].get(told["service_tier"], "1"))
    if told["input_tokens"] > 272_000:
        rates = rates["above"]["272000"]
    parts = told["input_tokens_details"]
    written = parts["cache_write_tokens_details"]
    short, long = written["ttl_30m_tokens"], written["ttl_12h_tokens"]
    plain = told["input_tokens"] - parts["cached_tokens"] - short - long
    return (
        factor
        * (
            plain * money(rates["input"])
            + parts["cached_tokens"] * money(rates["cached"])
            + short * money(rates["cache_write"])
            + long * money(rates["cache_write_12h"])
            + told["output_tokens"] * money(rates["output"])
        )
        / MILLION
    )


def instead(month: dict[str, Any], call: dict[str, Any]) -> Fraction:
    """The baseline for the answer that was given: the same cache reads, no cache writes, the searches that it sells
    itself; and the text that was condensed in its full length."""
    leg = call["legs"][-1]
    if leg["outcome"] != "ok":
        return Fraction(0)
    told = leg["usage"]
    if leg["backend"] == "claude":
        cached = told["cache_read_input_tokens"]
        plain = told["input_tokens"] + told["cache_creation_input_tokens"]
        output = told["output_tokens"]
    elif leg["backend"] == "gpt":
        cached = told["input_tokens_details"]["cached_tokens"]
        plain = told["input_tokens"] - cached
        output = told["output_tokens"]
    else:
        cached, plain, output = 0, told["prompt_tokens"], told["completion_tokens"]
    if "condensed" in call:
        before, after = call["condensed"]
        plain += before - after
    rates = entry(month, month["baseline"], day(call, leg))
    searches = (
        told.get("server_tool_use", {}).get("web_search_requests", 0) * money(rates["calls"]["web_search"]) / 1000
    )
    tokens = plain * money(rates["input"]) + cached * money(rates["cached"]) + output * money(rates["output"])
    return tokens / MILLION + searches


def entry(month: dict[str, Any], model: str, on: str) -> dict[str, Any]:
    """The newest entry that has begun on that day."""
    return [each for each in month["prices"][model] if each.get("from", "") <= on][-1]


def day(call: dict[str, Any], leg: dict[str, Any]) -> str:
    """The day on which this leg began."""
    return (datetime.fromisoformat(call["at"]) + timedelta(milliseconds=round(leg["start"] * 1000))).date().isoformat()


def machine_shares(calls: list[dict[str, Any]]) -> dict[tuple[str, str], Fraction]:
    """Seconds of the machine for each leg: at every moment those who use it share it alike."""
    spans = {}
    for call in calls:
        begun = Fraction(int(datetime.fromisoformat(call["at"]).timestamp() * 1000 + 0.5), 1000)
        for place, leg in legs(call):
            if leg["backend"] == "box":
                start = begun + money(str(leg["start"]))
                spans[call["id"], place] = (start, start + money(str(leg["seconds"])))
    edges = sorted({edge for span in spans.values() for edge in span})
    shares: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for left, right in pairwise(edges):
        there = [key for key, (start, end) in spans.items() if start <= left and end >= right]
        for key in there:
            shares[key] += (right - left) / len(there)
    return shares


def money(text: str) -> Fraction:
    return Fraction(Decimal(text))


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return str(Decimal(value.numerator) / Decimal(value.denominator))


if __name__ == "__main__":
    json.dump(plain(reckon(json.load(sys.stdin))), sys.stdout, indent=1)
