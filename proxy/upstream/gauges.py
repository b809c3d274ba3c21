"""Reads the gauges of local engines, once a second, while decisions look at them."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from adapters.providers import PROVIDERS
from policies.queueing import Gauges
from proxy.snapshot import Backend, Snapshot
from proxy.state.loads import Loads
from proxy.upstream import probe
from proxy.upstream.seam import Engine, UpstreamFailed

PERIOD = 1.0
SHORTEST = 0.2
"""Seconds between two readings: PERIOD, less for impatient targets, never below SHORTEST."""
_RARELY = 5.0
"""The same, while nothing can be read."""
_PATIENCE = 1.0
"""Seconds for connecting and for the whole answer, each."""
_LOOK = 0.2
"""Seconds at least between two looks at who is wanted."""
_LINE = re.compile(
    rb'(?:\{(?:[^"}\n]|"(?:[^"\\\n]|\\.)*+")*+\})?+[ \t]+([0-9.eE+-]{1,40})(?:[ \t]+-?[0-9]+)?[ \t]*\r?$', re.MULTILINE
)
"""What follows a metric's name: labels, a value, a time."""
_LONGEST = 1_000_000
"""Bytes of an answer that are looked at; vLLM's has about 100,000."""


def parse(text: bytes, names: Mapping[str, Sequence[str]]) -> Gauges | None:
    """The gauges of a page in Prometheus's text format. ``names``: field of Gauges -> the metric's names, the first of
    which that is there is taken.

    Several series of one name (engines, reasons) are added up, shares averaged. Lines that make no sense are passed
    over; None when nothing says how many calls run.
    """
    page = b"\n" + text[:_LONGEST]
    found = {name: values for each in names.values() for name in each if (values := list(_series(page, name)))}
    told = {field: next((found[name] for name in each if name in found), None) for field, each in names.items()}
    if told.get("running") is None:
        return None
    kv = told.pop("kv", None)
    sums = {field: None if values is None else sum(values) for field, values in told.items()}
    return Gauges(**sums, kv=min(1.0, sum(kv) / len(kv)) if kv else None)


def _series(page: bytes, name: str) -> Iterator[float]:
    """The value of each line that begins with ``name``; to search is quicker than to read every line."""
    begin = b"\n" + name.encode()
    at = page.find(begin)
    while at >= 0:
        at += len(begin)
        match = _LINE.match(page, at)
        value = _number(match[1]) if match is not None else None
        if value is not None:
            yield value
        at = page.find(begin, at)


def _number(text: bytes) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e15 else None


def headers(backend: Backend) -> dict[str, str]:
    """The backend's own credential goes to its own origin, and nowhere else."""
    sent = {"accept": "text/plain", "user-agent": "turnout"}
    if (
        backend.credential is not None
        and backend.metrics is not None
        and _origin(backend.metrics) == _origin(backend.base_url)
    ):
        sent["authorization"] = f"Bearer {backend.credential.reveal()}"
    return sent


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


class Watcher:
    """One reader for each backend that is wanted: nothing is sent before a decision looks, or long after the last."""

    def __init__(self, engine: Engine, loads: Loads, snapshot: Callable[[], Snapshot]) -> None:
        self._engine = engine
        self._loads = loads
        self._snapshot = snapshot
        self._looked = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()

        def looked() -> None:
            """Large requests are decided in a thread of their own, from which no event may be set."""
            if not self._looked.is_set():
                loop.call_soon_threadsafe(self._looked.set)

        self._loads.looked = looked
        readers: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while await self._looked.wait():
                self._looked.clear()
                for backend in self._wanted():
                    reader = readers.get(backend.name)
                    if reader is None or reader.done():
                        readers[backend.name] = group.create_task(self._follow(backend.name))
                await asyncio.sleep(_LOOK)

    def _wanted(self) -> list[Backend]:
        found = self._loads.wanted(self._snapshot(), time.monotonic())
        return [backend for backend in found if backend.metrics is not None]

    async def _follow(self, name: str) -> None:
        """Read one backend's gauges as long as it is there and wanted, by the configuration of that moment."""
        failed = 0
        while (backend := next((each for each in self._wanted() if each.name == name), None)) is not None:
            targets = self._snapshot().ttft_targets
            gauges = await self._read(backend)
            failed = 0 if gauges is not None else failed + 1
            if gauges is not None:
                now = time.monotonic()
                self._loads.of(backend).read(gauges, now)
                self._loads.look(backend, targets, now)
            await asyncio.sleep(_pause(targets, failed) * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret

    async def _read(self, backend: Backend) -> Gauges | None:
        assert backend.metrics is not None  # noqa: S101 - only such backends are followed
        try:
            status, body = await probe.get(
                self._engine, backend.metrics, headers(backend), seconds=_PATIENCE, proxy=None
            )
        except UpstreamFailed:
            return None
        return parse(body, PROVIDERS[backend.provider].gauges) if status == 200 else None


def _pause(targets: Collection[float], failed: int) -> float:
    """Seconds until the next reading; a page that is not there is asked for less and less often."""
    usual = min(PERIOD, max(SHORTEST, min(targets, default=PERIOD) / 4))
    return min(max(_RARELY, usual), usual * 2.0 ** min(failed, 10))
