"""C1, from within: after many departures no task, no call, no place and no connection is left in the worker.

``TURNOUT_HANG_UPS=2000`` for the long version.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos import Chaos, chaos
from leaving import APIS, PATHS, body
from live import POLL
from talk import until

from proxy.app import create_app
from proxy.call import Attempt, Call
from proxy.house import House
from proxy.line import Line
from proxy.opening import open_house
from proxy.snapshot import build_text

HANG_UPS = int(os.environ.get("TURNOUT_HANG_UPS", "400"))
CROWD = 20
LONGEST = 0.03
"""Seconds that a client may stay."""
KEPT = (Call, Attempt, Line)


@pytest.fixture
def own() -> Iterator[Chaos]:
    with chaos() as made:
        yield made


def text(room: Chaos, folder: Path) -> str:
    at = f'base_url: "{room.url}/v1"'
    return f"""version: 1
ledger: {{url: 'sqlite:///{folder}/turnout.db'}}
timeouts: {{commit_after: 10ms, keepalive: 5ms}}
backends:
  mixed: {{provider: vllm, local: true, {at}, model: mixed}}
  exact: {{provider: openai, dialect: openai_chat, credential: sk-x, {at}, model: mixed}}
  away:  {{provider: vllm, local: true, base_url: "http://127.0.0.1:9/v1", model: none}}
aliases: {{falls: {{use: [away, mixed]}}}}
"""


class Client:
    """One request to the application, given up after a while."""

    def __init__(self, sent: bytes, path: str) -> None:
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._messages.put_nowait({"type": "http.request", "body": sent, "more_body": False})
        self.scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode(),
            "query_string": b"", "root_path": "", "scheme": "http", "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "state": {},
        }  # fmt: skip

    def leave(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> dict[str, Any]:
        return await self._messages.get()

    async def send(self, _: Any) -> None:
        await asyncio.sleep(0)


async def _crowd(app: Any, count: int) -> None:
    turns = iter(range(count))

    async def one(dice: random.Random) -> None:
        for number in turns:
            api, model = APIS[number % 3], ("backend/mixed", "backend/exact", "falls")[number // 3 % 3]
            client = Client(body(api, model, stream=number % 2 == 0), PATHS[api])
            asyncio.get_running_loop().call_later(dice.uniform(0, LONGEST), client.leave)
            await app(client.scope, client.receive, client.send)

    async with asyncio.TaskGroup() as group:
        for seed in range(CROWD):
            group.create_task(one(random.Random(seed)))


def _kept() -> Counter[str]:
    gc.collect()
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, KEPT))


async def _so(holds: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(POLL)


def test_c1_departures_leave_nothing_behind(own: Chaos, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        snapshot = build_text(text(own, tmp_path), file="t.yaml", generation=1, env={})
        house: House = open_house(snapshot, host="127.0.0.1", slot=0, workers=1)
        app = create_app(house)
        errands = asyncio.ensure_future(house.errands.run())
        await _crowd(app, CROWD)
        tasks, kept = len(asyncio.all_tasks()), _kept()
        await _crowd(app, HANG_UPS)
        await _so(lambda: len(asyncio.all_tasks()) <= tasks)
        await _so(lambda: sum(house.backends.in_flight.values()) == 0)
        assert _kept() <= kept
        # Each connection that stands is idle, in its engine's keeping.
        lanes = house.engine._lanes.values()
        await _so(lambda: own.open <= sum(len(each._idle) for each in lanes))
        errands.cancel()
        await house.close()

    asyncio.run(run())
    until(lambda: own.open == 0, "every connection closed")
    assert [
        record.message for record in caplog.records if record.name == "asyncio" and "Exception" in record.message
    ] == []
