"""Done-when 4: ``kill -9`` under load. Every answer that a client received whole has its row, once, in ledger or spool.

``TURNOUT_KILLS=50`` for the long version (``make torture``). What was in flight at a kill has no row: nobody was told its
end.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from chaos import WORDS, Chaos
from live import POLL, Live
from services import postgres_server
from talk import APIS, PATHS, Api, body

from proxy.ledger.book import open_book
from proxy.ledger.record import UsageRecord

KILLS = int(os.environ.get("TURNOUT_KILLS", "5"))
CALLERS = 8
ENDS = {"chat": b"data: [DONE]\n\n", "responses": b"response.completed"}
HOMES = ("sqlite", "postgres")


@dataclass
class Told:
    """Ids of the answers that came whole, and how many were cut."""

    whole: list[str] = field(default_factory=list)
    cut: int = 0
    enough: bool = False


@contextmanager
def book_url(home: str, folder: Path) -> Iterator[str]:
    with ExitStack() as held:
        if home == "postgres":
            yield held.enter_context(postgres_server()).url
        else:
            yield f"sqlite:///{folder}/turnout.db"


def config(url: str, ledger: str) -> str:
    at = f'base_url: "{url}/v1"'
    return f"""version: 1
server: {{secret: of-this-test}}
ledger: {{url: "{ledger}"}}
backends:
  quick: {{provider: vllm, local: true, {at}, model: ok}}
  exact: {{provider: openai, dialect: openai_chat, credential: sk-x, {at}, model: ok}}
  slow:  {{provider: vllm, local: true, {at}, model: brisk}}
"""


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("home", HOMES)
def test_p1_every_whole_answer_has_its_row_once(room: Chaos, tmp_path: Path, home: str, workers: int) -> None:
    dice = random.Random(6)
    told = Told()
    with book_url(home, tmp_path) as url:
        text = config(room.url, url)
        for _ in range(KILLS):
            with Live(text, folder=tmp_path, workers=workers) as live:
                asyncio.run(_until_killed(live, told, dice.uniform(0.0, 0.3)))
        with Live(text, folder=tmp_path, workers=workers) as last:
            last.until(lambda: list(tmp_path.glob("*.spool*")) == [], "replayed")
            rows = open_book(url, tmp_path).rows()
    _all_there(told, rows, least=KILLS * CALLERS)


@pytest.mark.parametrize("home", HOMES)
def test_p1_a_worker_that_is_killed_loses_no_row(room: Chaos, tmp_path: Path, home: str) -> None:
    told = Told()
    with book_url(home, tmp_path) as url:
        with Live(config(room.url, url), folder=tmp_path, workers=2) as live:
            asyncio.run(_while_workers_die(live, told, random.Random(7)))
            live.until(lambda: list(tmp_path.glob("*.spool*")) == [], "replayed")
        rows = open_book(url, tmp_path).rows()
    _all_there(told, rows, least=KILLS)


def _all_there(told: Told, rows: list[UsageRecord], *, least: int) -> None:
    recorded = {row.request_id for row in rows if row.outcome == "ok"}
    keys = [(row.request_id, row.attempt) for row in rows]
    lost = [request_id for request_id in told.whole if request_id not in recorded]
    print(
        f"whole {len(told.whole)}, cut {told.cut}, rows {len(rows)}, lost {len(lost)}, twice {len(keys) - len(set(keys))}"
    )
    assert len(told.whole) > least
    assert told.cut > 0
    assert lost == []
    assert len(keys) == len(set(keys))
    assert all(row.output_tokens == len(WORDS) for row in rows if row.outcome == "ok")


async def _until_killed(live: Live, told: Told, seconds: float) -> None:
    before = len(told.whole)
    async with _clients(live) as client, asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(_caller(client, told, number))
        while not told.whole[before:]:
            await asyncio.sleep(POLL)
        group.create_task(asyncio.to_thread(_kill, live, seconds))


def _kill(live: Live, seconds: float) -> None:
    time.sleep(seconds)  # the random moment itself, not a wait for a fact
    live.kill()


async def _while_workers_die(live: Live, told: Told, dice: random.Random) -> None:
    async with _clients(live) as client, asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(_caller(client, told, number, again=True))
        for _ in range(KILLS):
            before, alive = len(told.whole), live.workers()
            while len(told.whole) == before:
                await asyncio.sleep(POLL)
            await asyncio.sleep(dice.uniform(0.0, 0.2))  # the random moment itself, not a wait for a fact
            os.kill(dice.choice(alive), signal.SIGKILL)
            await asyncio.to_thread(live.until, lambda alive=alive: _another(live, alive), "a worker in its place")
        told.enough = True


def _another(live: Live, before: list[int]) -> bool:
    now = live.workers()
    return len(now) == 2 and set(now) != set(before)


def _clients(live: Live) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=live.url, timeout=20, trust_env=False)


async def _caller(client: httpx2.AsyncClient, told: Told, number: int, *, again: bool = False) -> None:
    """Ask again and again, whole and streamed, until nobody answers or it is enough."""
    while not told.enough:
        if not await _answered(client, told, number):
            told.cut += 1
            if not again:
                return
            await asyncio.sleep(POLL)
        number += 1


async def _answered(client: httpx2.AsyncClient, told: Told, number: int) -> bool:
    api: Api = APIS[number % 2]
    stream = bool(number // 2 % 2)
    model = ("quick", "exact", "slow", "quick", "exact")[number % 5]
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
        return False
    assert not stream or ENDS[api] in read
    told.whole.append(answer.headers["x-request-id"])
    return True
