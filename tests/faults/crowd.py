"""Many clients at one time: every one sends one chat call, and what became of it is told."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec


@dataclass(frozen=True)
class Told:
    status: int
    body: Any
    headers: httpx2.Headers
    seconds: float

    @property
    def code(self) -> str | None:
        found: str | None = self.body["error"]["code"] if self.status != 200 else None
        return found


def crowd(
    urls: Sequence[str], count: int, key: str, model: str = "cloud", *, wide: int = 500, **more: Any
) -> list[Told]:
    """``count`` calls, ``wide`` at one time, in turn to each of ``urls``."""

    async def run() -> list[Told]:
        gate = asyncio.Semaphore(wide)
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(timeout=60, trust_env=False, limits=limits) as client:

            async def one(index: int) -> Told:
                body = {"model": model, "messages": [{"role": "user", "content": f"Hi {index}!"}], **more}
                url = f"{urls[index % len(urls)]}/v1/chat/completions"
                async with gate:
                    began = time.monotonic()
                    heard = await client.post(url, json=body, headers={"authorization": f"Bearer {key}"})
                    return Told(
                        heard.status_code, msgspec.json.decode(heard.content), heard.headers, time.monotonic() - began
                    )

            return await asyncio.gather(*(one(index) for index in range(count)))

    return asyncio.run(run())


def statuses(told: Sequence[Told]) -> dict[str, int]:
    """``200`` or the error's code -> how often."""
    return dict(Counter(each.code or str(each.status) for each in told))
