"""What the book costs and how quickly it is read: ``python tests/bench/ledger.py`` (10 million rows take ten minutes and
6 GB, which are gone afterwards).

Rows lie over 90 days and are like real ones: six aliases, five backends, forty keys of eight teams, traces and prices
that repeat, facts that do not. CPU is user and system time of this process. ``--rows 1000000`` for a shorter look,
``--postgres`` for the same in a PostgreSQL that is started for it (1 million rows), ``--only write`` for what one call
pays.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import astuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "bench")]

from proxy.ledger.book import open_book  # noqa: E402
from proxy.ledger.opening import transaction  # noqa: E402
from proxy.ledger.record import UsageRecord  # noqa: E402
from proxy.ledger.sqlite import Ledger  # noqa: E402

DAYS = 90
DAY = 86_400_000
BATCH = 10_000
LINE = "{:<46}{:>12}"
PRICES = '{"input":2000000000,"cached":200000000,"cache_write":2500000000,"cache_write_1h":4000000000,"output":10000000000}'
TRACES = {
    "simple": "policy hybrid: the alias's\nhybrid[0] passed over: not needs tools\nhybrid[1] passed over: not modality "
    "image|file|audio\nhybrid[2] applies: use local, cloud\nplan: local, claude, openai, gemini, chat",
    "moderate": "policy hybrid: the alias's\nhybrid[0] passed over: not needs tools\nhybrid[1] passed over: not modality "
    "image|file|audio\nhybrid[2] passed over: not class simple (it is moderate)\nhybrid[3] applies: condense local, use "
    "cloud\nplan: claude, openai, gemini, chat, local",
    "complex": "policy hybrid: the alias's\nhybrid[0] passed over: not needs tools\nhybrid[1] passed over: not modality "
    "image|file|audio\nhybrid[2] passed over: not class simple (it is complex)\nhybrid[3] passed over: not class "
    "moderate (it is complex)\nhybrid[4] applies: use cloud, local\nplan: claude, openai, gemini, chat, local",
    None: "policy local_fallback: the alias's\nlocal_fallback[0] applies: use local, cloud\nplan: local, claude",
}
MODELS = {
    "local": "openai/gpt-oss-120b", "claude": "claude-sonnet-5", "openai": "gpt-5.6-sol", "gemini": "gemini-3.1-pro",
    "chat": "qwen3-32b",
}  # fmt: skip
ALIASES = ("auto", "gpt-4o", "claude-sonnet-5", "coder", "support", "embed")
KEYS = [(f"key-{number:02}", f"team-{number % 8}") for number in range(40)]


def records(many: int, until: int, dice: random.Random) -> Iterator[UsageRecord]:
    """That many rows of the last 90 days, in the order of time."""
    since, step = until - DAYS * DAY, DAYS * DAY / many
    for number in range(many):
        yield record(int(since + number * step), dice)


def record(at: int, dice: random.Random) -> UsageRecord:
    alias = ALIASES[min(int(dice.expovariate(0.7)), 5)]
    cls = dice.choice(("simple", "simple", "moderate", "complex")) if alias in ALIASES[:2] else None
    backend = "local" if cls == "simple" or alias in ALIASES[4:] else dice.choice(("claude", "claude", "openai", "gemini"))
    key, team = KEYS[min(int(dice.expovariate(0.12)), 39)]
    chance, output, input_ = dice.random(), int(dice.lognormvariate(5.5, 1)), int(dice.lognormvariate(7, 1.2))
    policy = "hybrid" if cls else "local_fallback"
    cloud = backend != "local"
    return UsageRecord(
        request_id=uuid7(at, dice), started_at=at + 1, tenant=team, key_id=key, alias=alias, policy=policy,
        rule=f"{policy}[{'2' if cls == 'simple' else '4'}]", cls=cls, backend=backend, upstream_model=MODELS[backend],
        api="chat" if chance < 0.7 else "responses" if chance < 0.95 else "messages", stream=chance * 7 % 1 < 0.6,
        status=200, outcome="ok" if chance < 0.96 else "cancelled" if chance < 0.98 else "error",
        input_tokens=input_, cached_tokens=input_ // 2 if cloud else None, output_tokens=output,
        reasoning_tokens=output // 3, reasoning_source="reported",
        cost_nano_usd=input_ * 2000 + output * 10000 if cloud else None, generation=4, duration_ms=round(output * 11.7, 3),
        ttft_ms=312.25, policy_hash="61af1b29ea12", decision_reason="local first, the cloud when local fails",
        facts=f'{{"v":1,"alias":"{alias}","api":"chat","stream":false,"tools":["none"],"modality":"text","depth":1,"class":'
        f'"{cls}","score":{chance:.6f},"gate":"action_verb","p_local_worse":{chance:.4f},"weights":"trained-a7ab8bf65f"}}'
        if cls else f'{{"v":1,"alias":"{alias}","api":"chat","stream":false}}',
        trace=TRACES[cls], upstream_request_id=f"req_{output:024x}", upstream_status=200, finish_reason="stop",
        price_source=f"genai-prices 0.2.3 {backend}/{MODELS[backend]}" if cloud else None,
        unit_prices=PRICES if cloud else None, overhead_ms=0.412, machine_ms=None if cloud else output * 4.5,
        baseline="openai/gpt-5.6-sol" if cls else None, baseline_nano_usd=input_ * 4000 + output * 20000 if cls else None,
        user=f"{int(chance * 5000):016x}" if chance < 0.5 else None,
        tags=f'{{"feature":"f{input_ % 12}"}}' if chance < 0.3 else None,
    )  # fmt: skip


def uuid7(at: int, dice: random.Random) -> str:
    text = f"{at << 80 | 7 << 76 | dice.getrandbits(12) << 64 | 2 << 62 | dice.getrandbits(62):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
