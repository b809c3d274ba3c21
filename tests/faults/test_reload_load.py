"""Done-when 7: 200 reloads under 100 open streams and steady load, every third file broken, and nobody notices."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

import httpx2
import pytest
from chaos import WORDS, Chaos, chaos
from live import Live
from talk import APIS, PATHS, body

RELOADS = 200
STREAMS = 100
CALLERS = 3


def config(url: str, number: int) -> str:
    """The policy is named for the file; the backend for its parity."""
    at = f'provider: vllm, local: true, base_url: "{url}/v1"'
    return f"""version: 1
backends:
  even: {{{at}, model: ok}}
  odd:  {{{at}, model: ok}}
  held: {{{at}, model: held}}
policies:
  p{number}:
    rules:
      - {{use: [{("even", "odd")[number % 2]}]}}
aliases:
  any:  {{policy: p{number}}}
"""


def broken(text: str) -> str:
    return text.replace("policies:", "polices:")


@dataclass
class Story:
    """What the clients saw."""

    followed: dict[str, set[tuple[str, str, str]]] = field(default_factory=lambda: defaultdict(set))
    """Generation -> (policy, rule, backend)."""
    calls: int = 0
    done: bool = False
    streams: list[bytes] = field(default_factory=list)

    def note(self, headers: httpx2.Headers) -> None:
        self.calls += 1
        told = tuple(headers[f"x-turnout-{name}"] for name in ("policy", "rule", "backend"))
        self.followed[headers["x-turnout-generation"]].add(told)


@pytest.mark.parametrize("workers", [1, 2])
def test_reloads_under_load(workers: int) -> None:
    with chaos() as room, Live(config(room.url, 1), workers=workers) as live:
        story = Story()
        asyncio.run(_play(live, room, story))
        assert len(story.streams) == STREAMS
        for raw in story.streams:
            assert raw.endswith(b"data: [DONE]\n\n")
            assert b'"error"' not in raw
        good = {number for number in range(1, RELOADS + 2) if number % 3}
        numbers = set()
        for generation, seen in story.followed.items():
            assert len(seen) == 1, f"generation {generation} followed {seen}"
            ((policy, rule, backend),) = seen
            number = int(policy[1:])
            numbers.add(number)
            assert (rule, backend) == (f"{policy}[0]", ("even", "odd")[number % 2])
        assert numbers <= good
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
            group.create_task(_hold(client, story, opened))
        for _ in range(STREAMS):
            await opened.acquire()
        for number in range(CALLERS):
            group.create_task(_call(client, story, number))
        for number in range(2, RELOADS + 2):
            await _reload(live, client, room, number, story)
        story.done = True
        room.release = True


async def _hold(client: httpx2.AsyncClient, story: Story, opened: asyncio.Semaphore) -> None:
    async with client.stream("POST", PATHS["chat"], json=body("chat", "backend/held", stream=True)) as answer:
        assert answer.status_code == 200
        opened.release()
        story.streams.append(await answer.aread())


async def _call(client: httpx2.AsyncClient, story: Story, number: int) -> None:
    """One caller: both APIs in turn, whole and streamed."""
    while not story.done:
        api, stream = APIS[number % 2], bool(number // 2 % 2)
        number += 1
        answer = await client.post(PATHS[api], json=body(api, "any", stream=stream))
        assert answer.status_code == 200, answer.text
        assert WORDS[0] in answer.text
        assert not stream or answer.content.rstrip().endswith(b"[DONE]") or b"response.completed" in answer.content
        story.note(answer.headers)


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
