"""Done-when 7: 200 reloads under 100 open streams and steady load, every third file broken, and nobody notices."""

import asyncio

import httpx2
import pytest
from chaos import Chaos, chaos
from live import Live
from reloading import Story, broken, call, config, hold
from talk import PATHS, body

RELOADS = 200
STREAMS = 100
CALLERS = 3


@pytest.mark.parametrize("workers", [1, 2])
def test_reloads_under_load(workers: int) -> None:
    with chaos() as room, Live(config(room.url, 1), workers=workers) as live:
        story = Story()
        asyncio.run(_play(live, room, story))
        story.streams_are_whole(STREAMS)
        numbers = story.files()
        assert numbers <= {number for number in range(1, RELOADS + 2) if number % 3}
        assert len(numbers) > RELOADS / 3
        rows = {row.request_id: row for row in live.rows()}
        assert len(rows) == story.calls + STREAMS
        assert {row.outcome for row in rows.values()} == {"ok"}
        for row in rows.values():
            assert row.generation is not None
            if row.alias == "any":
                assert {(row.policy, row.rule, row.backend)} == story.followed[str(row.generation)]


async def _play(live: Live, room: Chaos, story: Story) -> None:
    limits = httpx2.Limits(max_connections=None)
    async with (
        httpx2.AsyncClient(base_url=live.url, timeout=60, limits=limits, trust_env=False) as client,
        asyncio.TaskGroup() as group,
    ):
        opened = asyncio.Semaphore(0)
        for _ in range(STREAMS):
            group.create_task(hold(client, story, opened))
        for _ in range(STREAMS):
            await opened.acquire()
        for number in range(CALLERS):
            group.create_task(_call(client, story, number))
        for number in range(2, RELOADS + 2):
            await _reload(live, client, room, number, story)
        story.done = True
        room.release = True


async def _call(client: httpx2.AsyncClient, story: Story, number: int) -> None:
    while not story.done:
        await call(client, story, number)
        number += 1


async def _reload(live: Live, client: httpx2.AsyncClient, room: Chaos, number: int, story: Story) -> None:
    text = config(room.url, number)
    bad = number % 3 == 0
    live.write(broken(text) if bad else text)
    outcome = (await client.post("/admin/config/reload")).json()
    assert outcome["ok"] is not bad, outcome
    if bad:
        assert "proxy.yaml:" in outcome["error"]
        assert "did you mean 'policies'" in outcome["error"]
    answer = await client.post(PATHS["chat"], json=body("chat", "any"))
    story.note(answer.headers)
    # What was asked after a reload's answer follows what that reload brought, or left in force.
    assert answer.headers["x-turnout-policy"] == f"p{number - 1 if bad else number}"
    assert int(answer.headers["x-turnout-generation"]) >= outcome["generation"]
