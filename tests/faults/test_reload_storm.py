"""Done 4 and P9: reloads without end under open streams and steady calls, three files in ten broken. No call fails, none
follows two configurations, the effect diff agrees with what then happens, and nothing grows.

``TURNOUT_RELOAD_SECONDS=300`` plays it at full scale (1,000 streams, 200 calls a second), as ``make torture`` does;
``TURNOUT_RELOADS=1000`` has so many reloads under 1,000 open streams.
"""

import asyncio
import os
import resource
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from chaos import Chaos, chaos
from live import Live
from reloading import Story, broken, call, config, hold, parity
from talk import PATHS, body

SECONDS = int(os.environ.get("TURNOUT_RELOAD_SECONDS") or 0)
RELOADS = int(os.environ.get("TURNOUT_RELOADS") or 0)
_BAD = frozenset({3, 6, 9})
"""Of ten files, which are broken."""
_WEIGHED = 5
"""Every so many reloads are weighed first, in the storm."""
_FILLING = 150
"""More aliases, so that a snapshot that is kept by mistake can be seen."""
_OPEN = 100
_AT_ONCE = 20
_FILLED = "filled-"
_SLACK_KB = 12 * 1024
"""What the process tree may grow in three quarters of the time: arenas that are filled once."""


@dataclass
class Seen:
    """Figures: seconds that each reload took until all workers followed, and what the process tree held."""

    took: list[float] = field(default_factory=list)
    weighed: list[float] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    sockets: list[int] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    """Seconds that calls took while reloads went on."""

    def look(self, live: Live) -> None:
        pids = [live.pid, *live.workers()]
        self.rss.append(sum(_rss(pid) for pid in pids))
        held = [_held(path) for pid in pids for path in Path(f"/proc/{pid}/fd").iterdir()]
        self.sockets.append(sum(each.startswith("socket:") for each in held))
        self.files.append(len(held) - self.sockets[-1])

    def told(self, name: str, story: Story) -> str:
        took, lag = sorted(self.took), sorted(self.lag)
        return (
            f"\n{name}: {len(took)} reloads, p50 {statistics.median(took) * 1000:.0f} ms, max {took[-1] * 1000:.0f} ms; "
            f"{story.calls} calls, p50 {statistics.median(lag) * 1000:.1f} ms, p99 {lag[len(lag) * 99 // 100] * 1000:.1f} ms; "
            f"{len(self.weighed)} dry runs, max {max(self.weighed, default=0) * 1000:.0f} ms; "
            f"RSS {self.rss[0] // 1024} -> {self.rss[-1] // 1024} MiB, "
            f"files {self.files[0]} -> {self.files[-1]}, sockets {self.sockets[0]} -> {self.sockets[-1]}"
        )


def test_done_4_a_storm_of_reloads() -> None:
    """Once a second at full scale; as fast as the machine can otherwise."""
    streams, rate, every = (1000, 200, 1.0) if SECONDS else (100, 40, 0.0)
    reloads = SECONDS or 40
    _raise_limits()
    with chaos() as room, Live(_text(room, 1, 0), workers=2) as live:
        story, seen = Story(), Seen()
        asyncio.run(_play(live, room, story, seen, streams=streams, rate=rate, reloads=reloads, every=every))
        print(seen.told("storm", story))
        story.streams_are_whole(streams)
        assert story.files() <= {number for number in range(1, reloads + 2) if number % 10 not in _BAD}
        rows = {row.request_id: row for row in live.rows()}
        assert len(rows) == story.calls + streams
        assert {row.outcome for row in rows.values()} == {"ok"}
        for row in rows.values():
            if row.alias == "any":
                assert {(row.policy, row.rule, row.backend)} == story.followed[str(row.generation)]
        assert not SECONDS or statistics.median(seen.took) < 1.0
        _is_flat(seen)


def test_p9_reloads_leave_nothing_behind() -> None:
    """100 reloads (or TURNOUT_RELOADS) one after the other under open streams: no descriptor and no old snapshot."""
    streams, reloads = (1000, RELOADS) if RELOADS else (50, 100)
    _raise_limits()
    with chaos() as room, Live(_text(room, 1, 0), workers=2) as live:
        story, seen = Story(), Seen()
        asyncio.run(_play(live, room, story, seen, streams=streams, rate=20, reloads=reloads, every=0.0, fill=_FILLING))
        print(seen.told("p9", story))
        story.streams_are_whole(streams)
        story.files()
        _is_flat(seen)


def _is_flat(seen: Seen) -> None:
    assert seen.files[-1] <= seen.files[0] + 4, seen
    # Calls come and go; one socket that each reload left in each worker would be three times as many.
    assert seen.sockets[-1] <= seen.sockets[0] + len(seen.took) // 2, seen
    assert seen.rss[-1] - seen.rss[0] < _SLACK_KB, seen


async def _play(
    live: Live,
    room: Chaos,
    story: Story,
    seen: Seen,
    *,
    streams: int,
    rate: int,
    reloads: int,
    every: float,
    fill: int = 0,
) -> None:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
    async with (
        httpx2.AsyncClient(base_url=live.url, timeout=120, limits=limits, trust_env=False) as client,
        httpx2.AsyncClient(base_url=live.url, timeout=120, limits=limits, trust_env=False) as caller,
        asyncio.TaskGroup() as group,
    ):
        opened = asyncio.Semaphore(0)
        for number in range(streams):
            if number >= _AT_ONCE:
                await opened.acquire()
            group.create_task(hold(client, story, opened))
        for _ in range(min(streams, _AT_ONCE)):
            await opened.acquire()
        calling = group.create_task(_calls(caller, story, seen, rate))
        force = 1
        for number in range(2, reloads + 2):
            began = time.monotonic()
            force = await _reload(live, caller, story, seen, _text(room, number, fill), number, force)
            if number == 2 + reloads // 4:
                seen.look(live)
            await asyncio.sleep(max(every - (time.monotonic() - began), 0.0))
        seen.look(live)
        story.done = True
        await calling
        room.release = True


async def _calls(client: httpx2.AsyncClient, story: Story, seen: Seen, rate: int) -> None:
    """So many begin in a second, whatever becomes of those before them; on a machine that cannot keep up, at most _OPEN
    are under way."""
    began, number, places = time.monotonic(), 0, asyncio.Semaphore(_OPEN)

    async def one() -> None:
        try:
            await _timed(client, story, seen, number)
        finally:
            places.release()

    async with asyncio.TaskGroup() as group:
        while not story.done:
            await places.acquire()
            group.create_task(one())
            number += 1
            await asyncio.sleep(max(began + number / rate - time.monotonic(), 0.0))


async def _timed(client: httpx2.AsyncClient, story: Story, seen: Seen, number: int) -> None:
    began = time.monotonic()
    await call(client, story, number)
    seen.lag.append(time.monotonic() - began)


async def _reload(
    live: Live, client: httpx2.AsyncClient, story: Story, seen: Seen, text: str, number: int, force: int
) -> int:
    """One more file; the number of the one that is in force after it."""
    bad = number % 10 in _BAD
    predicted = None
    if not bad and number % _WEIGHED == 0 and _FILLED not in text:
        predicted = await _weighed(client, seen, text)
    live.write(broken(text) if bad else text)
    began = time.monotonic()
    outcome = (await client.post("/admin/config/reload")).json()
    seen.took.append(time.monotonic() - began)
    assert outcome["ok"] is not bad, outcome
    assert not bad or "did you mean 'policies'" in outcome["error"]
    answer = await client.post(PATHS["chat"], json=body("chat", "any"))
    story.note(answer.headers)
    now = force if bad else number
    assert answer.headers["x-turnout-policy"] == f"p{now}"
    if predicted is not None:
        # Every call that any file has decided would go as the new one says: the next one does.
        moved = parity(number) != parity(force)
        assert predicted == ({(parity(force), answer.headers["x-turnout-backend"])} if moved else set())
    return now


def _text(room: Chaos, number: int, fill: int) -> str:
    more = "".join(f"  {_FILLED}{index}: {{policy: p{number}}}\n" for index in range(fill))
    return config(room.url, number, "still") + more


async def _weighed(client: httpx2.AsyncClient, seen: Seen, text: str) -> set[tuple[str, str]]:
    """The moves that a dry run predicts: all or none of the calls that were looked at."""
    began = time.monotonic()
    told = (await client.post("/admin/config/diff?last=500", content=text.encode())).json()
    seen.weighed.append(time.monotonic() - began)
    effects = told["effects"]
    assert effects["looked"] == effects["moved"] + effects["same"]
    assert 0 in {effects["moved"], effects["same"]}
    return {(move["from"], move["to"]) for move in effects["moves"]}


def _held(path: Path) -> str:
    try:
        return str(path.readlink())
    except FileNotFoundError:
        return "gone"


def _rss(pid: int) -> int:
    """KiB."""
    return int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0])


def _raise_limits() -> None:
    """A thousand streams are two thousand sockets of ours, the upstream's side included."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
