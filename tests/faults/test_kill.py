"""Done-when 6: ``kill -9`` under load. Every answer that a client received whole has its row, in ledger or spool."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from chaos import WORDS, Chaos
from live import POLL, Live
from talk import APIS, PATHS, Api, body

KILLS = 20
CALLERS = 8
ENDS = {"chat": b"data: [DONE]\n\n", "responses": b"response.completed"}


@dataclass
class Told:
    """Ids of the answers that came whole, and how many were cut."""

    whole: list[str] = field(default_factory=list)
    cut: int = 0


def config(url: str) -> str:
    at = f'base_url: "{url}/v1"'
    return f"""version: 1
backends:
  quick: {{provider: vllm, local: true, {at}, model: ok}}
  exact: {{provider: openai, dialect: openai_chat, credential: sk-x, {at}, model: ok}}
  slow:  {{provider: vllm, local: true, {at}, model: brisk}}
"""


def test_p1_every_whole_answer_has_its_row(room: Chaos, tmp_path: Path) -> None:
    dice = random.Random(6)
    told = Told()
    for _ in range(KILLS):
        with Live(config(room.url), folder=tmp_path) as live:
            asyncio.run(_until_killed(live, told, dice.uniform(0.0, 0.3)))
    with Live(config(room.url), folder=tmp_path) as last:
        rows = last.rows()
    recorded = {row.request_id for row in rows if row.outcome == "ok"}
    assert len(told.whole) > KILLS * CALLERS
    assert told.cut > 0
    assert [request_id for request_id in told.whole if request_id not in recorded] == []
    keys = [(row.request_id, row.attempt) for row in rows]
    assert len(keys) == len(set(keys))
    assert all(row.output_tokens == len(WORDS) for row in rows if row.outcome == "ok")


async def _until_killed(live: Live, told: Told, seconds: float) -> None:
    before = len(told.whole)
    async with (
        httpx2.AsyncClient(base_url=live.url, timeout=20, trust_env=False) as client,
        asyncio.TaskGroup() as group,
    ):
        for number in range(CALLERS):
            group.create_task(_call(client, told, number))
        while not told.whole[before:]:
            await asyncio.sleep(POLL)
        group.create_task(asyncio.to_thread(_kill, live, seconds))


def _kill(live: Live, seconds: float) -> None:
    time.sleep(seconds)  # the random moment itself, not a wait for a fact
    live.kill()


async def _call(client: httpx2.AsyncClient, told: Told, number: int) -> None:
    """Ask again and again, whole and streamed, until nobody answers."""
    while True:
        api: Api = APIS[number % 2]
        stream = bool(number // 2 % 2)
        model = ("quick", "exact", "slow", "quick", "exact")[number % 5]
        number += 1
        read = b""
        try:
            asked = body(api, f"backend/{model}", stream=stream)
            async with client.stream("POST", PATHS[api], json=asked) as answer:
                assert answer.status_code == 200
                async for chunk in answer.aiter_raw():
                    read += chunk
        except httpx2.TransportError:
            # Whoever has read the end of a stream has the whole answer, though its connection broke after that.
            if stream and ENDS[api] in read:
                told.whole.append(answer.headers["x-request-id"])
            told.cut += 1
            return
        assert not stream or ENDS[api] in read
        told.whole.append(answer.headers["x-request-id"])
