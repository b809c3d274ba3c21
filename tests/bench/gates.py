"""What station 6 costs at the backend: ``python tests/bench/gates.py`` prints microseconds of CPU per call.

*through the gate* is a call's way in and out again: breaker, places, quota, load. The shortest of many rounds counts, so
that a busy machine does not.
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

from proxy import ids  # noqa: E402
from proxy.apis import APIS  # noqa: E402
from proxy.call import Call  # noqa: E402
from proxy.house import House  # noqa: E402
from proxy.opening import open_house  # noqa: E402
from proxy.snapshot import build_text  # noqa: E402
from proxy.write import begin  # noqa: E402

CONFIG = """\
ledger: {{url: "sqlite:///{folder}/bench.db"}}
backends:
  plain:  {{provider: vllm, model: m}}
  places: {{provider: vllm, model: m, max_parallel: 100}}
  quota:  {{provider: vllm, model: m, limits: {{rpm: 100000000}}}}
  tokens: {{provider: vllm, model: m, limits: {{rpm: 100000000, input_tpm: 100000000000, output_tpm: 100000000000}}}}
aliases: {{plain: {{use: [plain]}}}}
"""
BODY = b'{"model": "backend/%s", "max_tokens": 300, "messages": [{"role": "user", "content": "What is the capital of France?"}]}'
ROUNDS, EACH = 40, 200


def through(house: House, name: str) -> Callable[[], Awaitable[None]]:
    call = Call(
        id=ids.uuid7(), api=next(api for api in APIS.values() if api.name == "chat"), headers={}, peer="127.0.0.1",
        snapshot=house.snapshot, started=0.0, started_at=0, body=BODY % name.encode(),
    )  # fmt: skip
    call.read_head()
    house.decide(call)
    assert call.decision is not None
    attempt = begin(call, call.decision.plan[0], 0.0)

    async def once() -> None:
        await house.gates.enter(call, attempt)
        with house.draw(attempt):
            attempt.answered = True
        attempt.gate = None

    return once


async def measured(once: Callable[[], Awaitable[None]]) -> float:
    """Microseconds, the best round's mean."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(EACH):
            await once()
        best = min(best, (time.process_time() - began) / EACH)
    return best * 1e6


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        snapshot = build_text(CONFIG.format(folder=folder), file="bench", generation=1, env={})
        house = open_house(snapshot, host="127.0.0.1", slot=0, workers=1)
        for name in snapshot.backends:
            print(f"through the gate, {name:8} {await measured(through(house, name)):6.2f} us")
        await house.close()


if __name__ == "__main__":
    asyncio.run(main())
