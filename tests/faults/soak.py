"""P14, ``make soak``: a day squeezed into 200,000 requests. All APIs, whole and streamed, some cut by the upstream, some
left by their clients, a reload now and then; what the workers hold on to is printed, and its slope is judged.

``python tests/faults/soak.py [--requests N] [--workers N] [--reloads N] [--bound MIB]``; exit status 1 where the slope is over the
bound (MiB for 100,000 requests, after the first two fifths) or a call was answered otherwise than it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "faults")]

from chaos import Chaos, chaos  # noqa: E402
from leaving import APIS, Api, request  # noqa: E402
from live import Live  # noqa: E402

CLIENTS = 24
POINTS = 50
"""How often it is looked at what the workers hold."""
WARM = 0.4
"""The part of all requests after which caches and pools have their size."""
LEAVES = 0.05
"""The part of all clients that do not wait for the end."""
BACKENDS = {"quick": "vllm, local: true", "exact": "openai, dialect: openai_chat, credential: sk-soak"}
END = b"0\r\n\r\n"


@dataclass
class Soak:
    """One run. ``held``: requests so far, MiB of all workers, their descriptors."""

    live: Live
    total: int
    reloads: int
    told: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    held: list[tuple[int, float, int]] = field(default_factory=list)

    def look(self) -> None:
        found = [_held(pid) for pid in self.live.workers()]
        self.held.append((self.asked, sum(mib for mib, _ in found), sum(count for _, count in found)))
        print("{:>8} requests  {:8.2f} MiB  {:4} descriptors".format(*self.held[-1]), flush=True)

    def slope(self) -> float:
        """MiB for 100,000 requests: the line of least squares through what came after the warm-up."""
        points = [(at, mib) for at, mib, _ in self.held if at >= WARM * self.total]
        mean_at = sum(at for at, _ in points) / len(points)
        mean = sum(mib for _, mib in points) / len(points)
        spread = sum((at - mean_at) ** 2 for at, _ in points)
        return 100_000 * sum((at - mean_at) * (mib - mean) for at, mib in points) / spread


def _held(pid: int) -> tuple[float, int]:
    status = Path(f"/proc/{pid}/status").read_text()
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return kib / 1024, len(list(Path(f"/proc/{pid}/fd").iterdir()))


def config(room: Chaos, workers: int) -> str:
    at = f'base_url: "{room.url}/v1"'
    lines = [f"  {name}: {{provider: {row}, {at}, model: ok}}" for name, row in BACKENDS.items()]
    return "\n".join(
        [
            "version: 1",
            f"server: {{workers: {workers}, secret: of-this-soak}}",
            "retries: {attempts: 1}",
            "backends:",
            *lines,
            f"  brisk: {{provider: vllm, local: true, {at}, model: brisk}}",
            f"  frayed: {{provider: vllm, local: true, {at}, model: frayed}}",
            "keys: [{name: soak, secret: sk-soak, limits: {rpm: 1000000, tpm: 1000000000, parallel: 1000}}]",
            "",
        ]
    )


class Client:
    """One connection after the other: an answer is read to its end, or not."""

    def __init__(self, soak: Soak, number: int) -> None:
        self._soak = soak
        self._dice = random.Random(number)
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self) -> None:
        soak = self._soak
        while soak.asked < soak.total:
            soak.asked += 1
            if self._dice.random() < LEAVES:
                await self._leave()
            else:
                await self._ask(self._dice.choice(("quick", "quick", "exact", "frayed")))
        await self._close()

    def _question(self, backend: str, *, stream: bool) -> bytes:
        api: Api = self._dice.choice(APIS)
        more = {"user": f"user-{self._dice.randrange(1000)}"} if api != "messages" else {}
        return request(api, f"backend/{backend}", stream=stream, key="sk-soak", **more)

    async def _ask(self, backend: str) -> None:
        stream = self._dice.random() < 0.5
        reader, writer = await self._connected()
        writer.write(self._question(backend, stream=stream))
        head = await reader.readuntil(b"\r\n\r\n")
        if b"chunked" in head:
            body = await reader.readuntil(END)
        else:
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            body = await reader.readexactly(int(length.split(b":")[1]))
        status = head[9:12].decode()
        broken = backend == "frayed" and (status == "502" or b"upstream_interrupted" in body or b"api_error" in body)
        self._soak.told["cut" if broken else status] += 1
        if status != "200" and not broken:
            print(f"{backend}: {status} {body.decode()}", flush=True)
        if b"connection: close" in head:
            await self._close()

    async def _leave(self) -> None:
        """At any moment of an answer, on a connection of its own."""
        await self._close()
        reader, writer = await self._connected()
        writer.write(self._question("brisk", stream=self._dice.random() < 0.7))
        try:
            async with asyncio.timeout(self._dice.uniform(0.001, 0.03)):
                await reader.read()
        except TimeoutError:
            pass
        self._soak.told["left"] += 1
        await self._close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._line is None:
            self._line = await asyncio.open_connection("127.0.0.1", self._soak.live.port, limit=1 << 20)
        return self._line

    async def _close(self) -> None:
        if self._line is not None:
            self._line[1].transport.abort()
            self._line = None


async def _watched(soak: Soak, text: str) -> None:
    """Looks, and reloads, as the requests go by."""
    look = reload = 0
    while soak.asked < soak.total:
        await asyncio.sleep(0.05)
        if soak.asked * POINTS >= look * soak.total:
            look += 1
            await asyncio.to_thread(soak.look)
        if soak.asked * soak.reloads >= (reload + 1) * soak.total:
            reload += 1
            soak.live.write(f"{text}# reload {reload}\n")
            outcome = await asyncio.to_thread(soak.live.reload)
            soak.told["reload" if outcome["ok"] else "reload failed"] += 1


async def _run(soak: Soak, text: str) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_watched(soak, text))
        for number in range(CLIENTS):
            group.create_task(Client(soak, number).run())


def main() -> int:
    """The exit status."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--requests", type=int, default=200_000)
    reader.add_argument("--workers", type=int, default=1)
    reader.add_argument("--reloads", type=int, default=40)
    reader.add_argument("--bound", type=float, default=2.0, help="MiB for 100,000 requests")
    asked = reader.parse_args()
    began = time.monotonic()
    with chaos() as room:
        text = config(room, asked.workers)
        with Live(text) as live:
            soak = Soak(live, asked.requests, asked.reloads)
            asyncio.run(_run(soak, text))
            soak.look()
            rows = len(live.rows()) if asked.requests <= 50_000 else None
            clean = live.stop()
    slope, seconds = soak.slope(), time.monotonic() - began
    wrong = {word: count for word, count in soak.told.items() if word not in ("200", "cut", "left", "reload")}
    print(f"{asked.requests} requests in {seconds:.0f} s: {dict(soak.told)}; rows {rows}; exit {clean}")
    print(f"slope {slope:+.2f} MiB for 100,000 requests (bound {asked.bound:g}); wrong {wrong}")
    return 1 if slope > asked.bound or wrong or clean else 0


if __name__ == "__main__":
    sys.exit(main())
