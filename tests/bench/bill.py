"""What money costs in process: ``python tests/bench/bill.py`` prints microseconds of CPU per call.

*charge* is the cost of the one attempt, *compare* what the baseline would have charged; *machine* is a call at a machine
of one's own, its clock entered and left. The shortest of many rounds counts, so that a busy machine does not.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from adapters import ir  # noqa: E402
from proxy import bill, ids  # noqa: E402
from proxy.apis import APIS  # noqa: E402
from proxy.attempt import Attempt  # noqa: E402
from proxy.bill import Unpriced  # noqa: E402
from proxy.call import Call  # noqa: E402
from proxy.decide import wire_for  # noqa: E402
from proxy.prices import Prices  # noqa: E402
from proxy.snapshot import build_text  # noqa: E402
from proxy.state.machines import Machines  # noqa: E402

CONFIG = """\
backends:
  sheet: {provider: openai, model: gpt-5.6, credential: k, dialect: openai_chat}
  entry: {provider: openai, model: gpt-4.1, credential: k, dialect: openai_chat}
  own:   {provider: openai, model: gpt-4o, credential: k, dialect: openai_chat, price: {input: 2, output: 8}}
  box:   {provider: vllm, model: m, cost: {gpu_hour_usd: 2.1}}
prices: {openai/gpt-4.1: [{input: 2, output: 8, cached: 0.5}]}
aliases: {a: {use: [sheet], baseline: anthropic/claude-opus-4-8}}
"""
USAGE = ir.Usage(12_000, 450, cached=9_000, reasoning=120, total=12_450, service_tier="default")
NOW = 1_795_000_000_000
ROUNDS, EACH = 60, 2000


def silent(_: Unpriced) -> None:
    raise AssertionError("everything has a price here")


def made(name: str) -> tuple[Call, Prices]:
    snapshot = build_text(CONFIG, file="bench.yaml", generation=1, env={})
    call = Call(
        id=ids.uuid7(), api=APIS["/v1/chat/completions"], headers={}, peer=None, snapshot=snapshot, started=0.0,
        started_at=NOW,
    )  # fmt: skip
    backend = snapshot.backends[name]
    found = wire_for(call, backend)
    call.attempts.append(
        Attempt(1, backend.target, backend, found.wire, found.upstream, exact=True, started=0.1, usage=USAGE,
                model=f"{backend.upstream.model}-2026-08-01")
    )  # fmt: skip
    call.baseline = "anthropic/claude-opus-4-8"
    return call, Prices(snapshot.overlay)


def charge(name: str) -> Callable[[], None]:
    call, prices = made(name)
    attempt = call.attempts[0]
    return lambda: bill.charge(call, attempt, prices, silent)


def compare() -> Callable[[], None]:
    call, prices = made("sheet")
    return lambda: bill.compare(call, prices)


def machine() -> Callable[[], None]:
    call, prices = made("box")
    machines, attempt = Machines(lambda _: True), call.attempts[0]

    def once() -> None:
        machines.enter(attempt)
        machines.leave(attempt)
        bill.charge(call, attempt, prices, silent)
        machines.learn(attempt)

    return once


def measured(once: Callable[[], None]) -> float:
    """Microseconds of CPU, the best round's mean."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        for _ in range(EACH):
            once()
        best = min(best, (time.process_time_ns() - start) / EACH)
    return best / 1000


def main() -> None:
    for name, once in (
        ("charge, by the sheet", charge("sheet")),
        ("charge, by an entry of prices", charge("entry")),
        ("charge, by the backend's own price", charge("own")),
        ("compare with the baseline", compare()),
        ("machine, all of it", machine()),
    ):
        print(f"{name:36}{measured(once):6.2f} us")


if __name__ == "__main__":
    main()
