"""What a stored response costs in each of its homes, and what one that is away costs: ``python tests/bench/stored.py``.

CPU of the loop's thread and of the whole process, microseconds for each, the least of five rounds.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import msgspec  # noqa: E402
import uvloop  # noqa: E402
from services import redis_server  # noqa: E402

from proxy.state.remote_store import RedisStore  # noqa: E402
from proxy.state.sqlite import SqliteStore  # noqa: E402
from proxy.state.store import Store, StoreFailed, Turn  # noqa: E402

ROUNDS, CALLS = 5, 1000
SIZES = (2_000, 50_000)
"""Bytes of an answer."""


def turn(at: int, size: int) -> Turn:
    text = (b"What was said in answer %d, which is like nothing else. " % at) * (size // 50)
    response = b'{"id":"r%d","status":"completed","output":[],"text":"%b"}' % (at, text)
    asked = (msgspec.Raw(b'{"type":"message","role":"user","content":"Hi!"}'),)
    return Turn(id=f"r{at}", tenant="t", created=int(time.time()), input=asked, response=response)


async def told(name: str, work: Callable[[int], Awaitable[object]]) -> None:
    best: tuple[float, float] | None = None
    for _ in range(ROUNDS):
        loop, process = time.thread_time(), time.process_time()
        for at in range(CALLS):
            with suppress(StoreFailed):
                await work(at)
        found = (time.thread_time() - loop) * 1e6 / CALLS, (time.process_time() - process) * 1e6 / CALLS
        best = min(best or found, found)
    assert best is not None
    print(f"{name:<28} loop {best[0]:7.1f} us   process {best[1]:7.1f} us", flush=True)


async def home(name: str, store: Store) -> None:
    for size in SIZES:
        turns = [turn(at, size) for at in range(CALLS)]
        await told(f"{name} put {size}", lambda at, turns=turns: store.keep_turn(turns[at], [f"m{at}"]))  # type: ignore[misc]
        await told(f"{name} get {size}", lambda at: store.turn("t", f"r{at}"))
    await told(f"{name} marked", lambda at: store.marked("t", [f"c{at}"]))


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder, redis_server() as redis:
        await home("sqlite", SqliteStore(Path(folder) / "state.db"))
        store = RedisStore(redis.url, SqliteStore(Path(folder) / "other.db"))
        await store.look()
        await home("redis", store)
        redis.end()
        await home("redis away", store)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
