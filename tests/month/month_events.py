"""Makes the events of a synthetic month: what vendors and a machine of our own were asked, as they would tell it.

Nothing of Turnout is imported here. ``python month_events.py`` prints one JSON document: the prices in dollars, and the
calls of October 2026 in the order in which they began.
"""

from __future__ import annotations

import json
import random
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 31
CALLS = 1500
TOGETHER = 10
"""So many begin within a minute, so that the machine is shared."""
PRICES = {
    # provider/model -> entries; "from" is the first day; "above": input tokens -> the rates of a longer call
    "anthropic/claude-sonnet-5": [
        {"input": "3", "output": "15", "cached": "0.3", "cache_write": "3.75", "cache_write_1h": "6",
         "calls": {"web_search": "10"}},
        {"from": "2026-10-16", "input": "2", "output": "10", "cached": "0.2", "cache_write": "2.5",
         "cache_write_1h": "4", "calls": {"web_search": "10"}},
    ],
    "openai/gpt-5.6": [
        {"input": "4", "output": "20", "cached": "0.4", "cache_write": "5", "cache_write_12h": "8",
         "above": {"272000": {"input": "8", "output": "30", "cached": "0.8", "cache_write": "10",
                              "cache_write_12h": "16"}},
         "tiers": {"flex": "0.5", "priority": "2"}},
    ],
}  # fmt: skip
GPU_HOUR = "2.1"
BASELINE = "anthropic/claude-sonnet-5"


def month(seed: int = 5) -> dict[str, Any]:
    """The whole document."""
    dice = random.Random(seed)
    bursts = [dice.uniform(0, DAYS * 86_400 - 90) for _ in range(CALLS // TOGETHER)]
    moments = sorted(burst + dice.uniform(0, 60) for burst in bursts for _ in range(TOGETHER))
    calls = [_call(dice, number, moment) for number, moment in enumerate(moments)]
    return {"prices": PRICES, "gpu_hour": GPU_HOUR, "baseline": BASELINE, "calls": calls}


def _call(dice: random.Random, number: int, moment: float) -> dict[str, Any]:
    at = START + timedelta(seconds=moment)
    kind = dice.choices(("claude", "gpt", "box", "retried", "fallen", "condensed", "failed"), (5, 4, 6, 1, 1, 1, 0.3))[
        0
    ]
    call: dict[str, Any] = {
        "id": f"call-{number:05}",
        "at": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z",
        "team": dice.choice(("search", "support")),
        "kind": kind,
        "legs": [],
        "helpers": [],
    }
    legs = call["legs"]
    if kind in ("claude", "gpt", "box"):
        legs.append(_leg(dice, kind, 0.0))
    elif kind == "retried":
        # Its first answer was paid for and not good enough; the same backend was asked again.
        legs += [_leg(dice, "gpt", 0.0, outcome="fallback"), _leg(dice, "gpt", 8.0)]
    elif kind == "fallen":
        # The machine of our own worked for a while, and failed; the cloud answered.
        legs += [_leg(dice, "box", 0.0, outcome="fallback", usage=None), _leg(dice, "claude", 6.0)]
    elif kind == "condensed":
        helper = _leg(dice, "box", 0.0)
        call["helpers"].append(helper)
        legs.append(_leg(dice, "claude", helper["seconds"] + 0.1))
        call["condensed"] = [dice.randrange(6_000, 20_000), dice.randrange(400, 1_500)]
    else:
        legs.append(_leg(dice, "gpt", 0.0, outcome="error", usage=None))
    return call


def _leg(dice: random.Random, backend: str, start: float, **more: Any) -> dict[str, Any]:
    seconds = round(dice.uniform(0.4, 40.0), 3)
    usage = {"claude": _claude, "gpt": _gpt, "box": _box}[backend](dice)
    return {"backend": backend, "start": start, "seconds": seconds, "outcome": "ok", "usage": usage, **more}


def _claude(dice: random.Random) -> dict[str, Any]:
    five, hour = dice.choice((0, dice.randrange(1, 9_000))), dice.choice((0, 0, dice.randrange(1, 9_000)))
    return {
        "input_tokens": dice.randrange(1, 20_000),
        "cache_read_input_tokens": dice.choice((0, dice.randrange(1, 60_000))),
        "cache_creation_input_tokens": five + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        "output_tokens": dice.randrange(1, 8_000),
        "server_tool_use": {"web_search_requests": dice.choice((0, 0, 0, 1, 3))},
        "service_tier": "standard",
    }


def _gpt(dice: random.Random) -> dict[str, Any]:
    long = dice.random() < 0.1
    prompt = dice.randrange(272_001, 400_000) if long else dice.randrange(50, 60_000)
    cached = dice.choice((0, dice.randrange(0, prompt // 2 + 1)))
    written = dice.choice((0, dice.randrange(0, prompt // 3 + 1)))
    twelve = dice.choice((0, written // 2))
    output = dice.randrange(1, 6_000)
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": written,
            "cache_write_tokens_details": {"ttl_30m_tokens": written - twelve, "ttl_12h_tokens": twelve},
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": dice.randrange(0, output)},
        "total_tokens": prompt + output,
        "service_tier": dice.choice(("default", "default", "default", "flex", "priority")),
    }


def _box(dice: random.Random) -> dict[str, Any]:
    prompt, completion = dice.randrange(10, 8_000), dice.randrange(1, 2_000)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


if __name__ == "__main__":
    json.dump(month(), sys.stdout)
