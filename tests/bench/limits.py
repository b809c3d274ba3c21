"""What limits cost in process: ``python tests/bench/limits.py`` prints microseconds of CPU per call.

*draw + settle* is station 6 and its part of station 10, for a caller whose leases suffice, without reading the request:
its size is measured apart. *refill* is one round with a home, for four pots. The shortest of many rounds counts, so that
a busy machine does not.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from adapters import ir  # noqa: E402
from policies.limits.reserving import Question  # noqa: E402
from proxy import ids  # noqa: E402
from proxy.apis import APIS  # noqa: E402
from proxy.call import Call  # noqa: E402
from proxy.house import House  # noqa: E402
from proxy.limits import drawing, settling  # noqa: E402
from proxy.limits.drawing import draw  # noqa: E402
from proxy.limits.telling import headers  # noqa: E402
from proxy.opening import open_house  # noqa: E402
from proxy.snapshot import build_text  # noqa: E402
from proxy.turns import Turns  # noqa: E402
from proxy.write import begin  # noqa: E402

CONFIG = """\
ledger: {{url: "sqlite:///{folder}/bench.db"}}
backends:
  gpt: {{provider: openai, dialect: openai_chat, model: gpt-4.1, credential: sk-y, price: {{input: 2, output: 8}}}}
aliases: {{plain: {{use: [gpt]}}}}
teams: {{t: {{limits: {{rpm: 100000000, tpm: 100000000000, parallel: 100000}}, budget: {{usd: 1000000000}}}}}}
keys:
  - {{name: free, secret: sk-free}}
  - {{name: one, team: t, secret: sk-one}}
  - {{name: both, team: t, secret: sk-both, limits: {{rpm: 100000000, tpm: 100000000000, parallel: 100000}}, budget: {{usd: 1000000000}}}}
"""
BODY = b'{"model": "plain", "max_tokens": 300, "messages": [{"role": "user", "content": "What is the capital of France?"}]}'
ROUNDS, EACH = 40, 200
USAGE = ir.Usage(input=20, output=100)


def call_of(house: House, name: str) -> Call:
    caller = next(each for each in house.snapshot.callers.values() if each.name == name)
    call = Call(
        id=ids.uuid7(), api=next(api for api in APIS.values() if api.name == "chat"), headers={}, peer="127.0.0.1",
        snapshot=house.snapshot, started=0.0, started_at=0, body=BODY, caller=caller,
    )  # fmt: skip
    call.read_head()
    house.decide(call)
    return call


def station(house: House, name: str) -> Callable[[], Awaitable[None]]:
    """Draw for the first target, begin, answer, settle; all that is not a limit's is done outside."""
    call = call_of(house, name)
    turns = Turns(call, house.retries(call))
    attempt = begin(call, turns.target, 0.0)
    attempt.sent, attempt.upstream_status, attempt.usage, attempt.cost = 1.0, 200, USAGE, 840_000

    async def once() -> None:
        call.drawn = None
        call.attempts.clear()
        await draw(call, turns, house)
        call.attempts.append(attempt)
        if call.drawn is not None:
            settling.settle(call, call.drawn)

    return once


async def measured(once: Callable[[], Awaitable[None]]) -> float:
    """Microseconds, the best round's mean."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(EACH):
            await once()
        best = min(best, (time.perf_counter() - start) / EACH)
    return best * 1e6


async def refill(house: House, name: str) -> float:
    purse = house.purse
    caller = call_of(house, name).caller
    stakes = [stake for stake in purse.wallet(caller.limits, 1).stakes if purse.till(stake) is purse.budgets]

    async def once() -> None:
        await purse.budgets.refill(stakes)

    return await measured(once)


async def told(house: House) -> float:
    call = call_of(house, "one")
    await draw(call, Turns(call, house.retries(call)), house)
    assert call.drawn is not None
    drawn = call.drawn

    async def once() -> None:
        headers(call, drawn)

    return await measured(once)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = CONFIG.format(folder=folder)
        house = open_house(
            build_text(text, file="bench.yaml", generation=1, env={}), host="127.0.0.1", slot=0, workers=1
        )
        fixed = Question(60, 300, 100)
        measure, drawing._question = drawing._question, lambda call, house: fixed
        rows = [
            ("no limits", await measured(station(house, "free")), 1),
            ("rpm, tpm, parallel, a budget", await measured(station(house, "one")), 10),
            ("the same of a team and of a key", await measured(station(house, "both")), None),
        ]
        drawing._question = measure
        rows += [
            ("the same four, its size measured", await measured(station(house, "one")), None),
            ("headers", await told(house), None),
            ("a refill, SQLite, one pot", await refill(house, "one"), None),
        ]
        print(f"{'draw + settle':<36}{'us':>8}{'target':>9}")
        for name, took, target in rows:
            print(f"{name:<36}{took:>8.2f}{target or '':>9}")
        await house.close()


if __name__ == "__main__":
    asyncio.run(main())
