"""The supervisor: owns the sockets, the workers, the file watch and the generations (decision D12).

It alone reads and numbers configurations. A new one is built by every worker before any of them follows it; a bad one
changes nothing and says why in one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
import watchfiles

from proxy import interpreter
from proxy.config import Config
from proxy.control import LIMIT, Ask, Built, Channel, Counted, Drain, Load, Scrape, Swap, Swapped, Tell
from proxy.keyed import built
from proxy.ledger.address import shown
from proxy.origin import Origin
from proxy.seat import Seat
from proxy.settings import ConfigError
from proxy.snapshot import Snapshot

_log = structlog.get_logger("supervisor")

_BUILD_SECONDS = 10.0
"""A worker that has not built a configuration by then counts as one that could not."""
_LEAVE_SECONDS = 5.0
"""What a worker may take, after its drain, to close its ledger."""
_RESTART_SECONDS = 1.0


class Hand:
    """One worker process, as the supervisor holds it."""

    def __init__(self, slot: int, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.slot = slot
        self.process = process
        self.channel = channel
        self.gone = False
        self._told: asyncio.Queue[Built | Swapped | None] = asyncio.Queue()

    def hear(self, report: Built | Swapped | None) -> None:
        """Keep the worker's word for whoever waits; None: it says no more."""
        self.gone = self.gone or report is None
        self._told.put_nowait(report)

    async def wait_for(self, kind: type[Built] | type[Swapped], generation: int) -> Built | Swapped | None:
        """The worker's word on this generation; older words are passed over. None: it left, or took too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BUILD_SECONDS):
                while not self.gone and (report := await self._told.get()) is not None:
                    if isinstance(report, kind) and report.generation == generation:
                        return report
        return None


class Supervisor:
    """Runs until it is told to stop; ``run`` returns the exit status."""

    def __init__(self, origin: Origin, snapshot: Snapshot) -> None:
        """Binds the port. Raises OSError when it is taken."""
        self._origin = origin
        self._snapshot = snapshot
        self._begun = snapshot.config
        self._hands: dict[int, Hand] = {}
        self._reloading = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._workers = snapshot.config.server.workers
        self._served = False
        self._refused: str | None = None
        self._listen = self._bind()
        self._demo = origin.demo
        self._counts = tempfile.TemporaryFile()  # noqa: SIM115 - it is there for as long as its workers

    @property
    def url(self) -> str:
        """Where it listens: ``http://127.0.0.1:4000``."""
        host, port = self._listen.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def run(self) -> int:
        """Start the workers, watch, reload, and at the end drain. 0, or 1 when no worker could begin to serve."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        async with asyncio.TaskGroup() as group:
            loop.add_signal_handler(signal.SIGHUP, lambda: group.create_task(self.reload("signal")))
            for slot in range(self._workers):
                group.create_task(self._keep(slot))
            watch = group.create_task(self._watch()) if self._origin.path is not None else None
            await self._stopping.wait()
            if watch is not None:
                watch.cancel()
            self._listen.close()
        if self._refused is not None:
            sys.stderr.write(f"{self._refused}\n")
            return 1
        return 0

    async def reload(self, why: str) -> dict[str, Any]:
        """Read, validate, number, build everywhere, swap everywhere; the outcome says which of these failed."""
        async with self._reloading:
            outcome = await self._reload()
            outcome = {**outcome, "why": why, "at": datetime.now(UTC).isoformat(timespec="milliseconds")}
            (_log.info if outcome["ok"] else _log.error)("config.reload", **outcome)
            for hand in self._hands.values():
                hand.channel.say(Tell(outcome, asked=False))
            return outcome

    async def _reload(self) -> dict[str, Any]:
        generation = self._snapshot.generation + 1
        try:
            text = self._origin.read()
            snapshot = await built(text, file=self._origin.name, generation=generation, env=self._origin.env)
        except (ConfigError, OSError) as error:
            return {"ok": False, "generation": self._snapshot.generation, "error": _one_line(error)}
        problem = await self._everywhere(Load(generation, text, self._origin.name))
        if problem is not None:
            return {"ok": False, "generation": self._snapshot.generation, "error": problem}
        warnings = [*snapshot.warnings, *_take_a_restart(self._begun, snapshot.config)]
        self._snapshot = snapshot
        self._origin.text = text
        await self._all_swapped(generation)
        return {"ok": True, "generation": generation, "hash": snapshot.hash[:12], "warnings": warnings}

    async def _everywhere(self, order: Load) -> str | None:
        """Have every worker build it; the first problem, or None."""
        hands = list(self._hands.values())
        for hand in hands:
            hand.channel.say(order)
        for hand in hands:
            report = await hand.wait_for(Built, order.generation)
            if report is not None and report.problem is not None:
                return report.problem
            if report is None and not hand.gone:
                return f"worker {hand.slot} did not build the configuration in time"
        return None

    async def _all_swapped(self, generation: int) -> None:
        hands = list(self._hands.values())
        for hand in hands:
            hand.channel.say(Swap(generation))
        for hand in hands:
            await hand.wait_for(Swapped, generation)

    async def _keep(self, slot: int) -> None:
        """Keep one worker running: a crash costs its calls in flight, never the service."""
        while not self._stopping.is_set():
            async with asyncio.TaskGroup() as group:
                hand = await self._start(slot)
                group.create_task(self._listen_to(hand, group))
                leaving = group.create_task(self._end(hand))
                code = await hand.process.wait()
                leaving.cancel()
                hand.channel.close()
            self._hands.pop(slot, None)
            if not self._stopping.is_set():
                _log.error("worker.died", slot=slot, code=code)
                await asyncio.sleep(_RESTART_SECONDS)

    async def _start(self, slot: int) -> Hand:
        ours, theirs = socket.socketpair()
        fds = [theirs.fileno(), self._listen.fileno(), self._demo.fileno(), self._counts.fileno()]
        seat = Seat(
            slot=slot,
            workers=self._workers,
            control=theirs.fileno(),
            listen=self._listen.fileno(),
            demo=self._demo.fileno(),
            counts=self._counts.fileno(),
        )
        process = await asyncio.create_subprocess_exec(
            *interpreter.words("proxy.worker", *seat.words()),
            pass_fds=fds,
            start_new_session=True,
            env=self._origin.env,
        )
        theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=LIMIT)
        hand = Hand(slot, process, Channel(reader, writer))
        async with self._reloading:
            self._hands[slot] = hand
            hand.channel.say(Load(self._snapshot.generation, self._origin.text, self._origin.name))
            hand.channel.say(Swap(self._snapshot.generation))
        return hand

    async def _listen_to(self, hand: Hand, group: asyncio.TaskGroup) -> None:
        while (report := await hand.channel.report()) is not None:
            if isinstance(report, Ask):
                group.create_task(self._asked(hand))
                continue
            if isinstance(report, Scrape | Counted):
                self._pass_on(hand, report)
                continue
            self._note(hand, report)
            hand.hear(report)
        hand.hear(None)

    def _pass_on(self, hand: Hand, word: Scrape | Counted) -> None:
        """Metrics go from worker to worker: the question to all others, an answer to the one that asked."""
        asked = isinstance(word, Scrape)
        for other in list(self._hands.values()):
            if other is not hand and (asked or other.slot == word.slot):
                other.channel.say(word)

    def _note(self, hand: Hand, report: Built | Swapped) -> None:
        """A worker that cannot serve stops a start; later on it is tried again and again."""
        if report.problem is None:
            self._served = self._served or isinstance(report, Swapped)
        elif self._served or isinstance(report, Built):
            _log.error("worker.refused", slot=hand.slot, error=report.problem)
        else:
            self._refused = report.problem
            self._stopping.set()

    async def _asked(self, hand: Hand) -> None:
        hand.channel.say(Tell(await self.reload("admin"), asked=True))

    async def _end(self, hand: Hand) -> None:
        """Once told to stop: drain, wait for the grace and a little more, then end it."""
        await self._stopping.wait()
        hand.channel.say(Drain())
        await asyncio.sleep(self._snapshot.config.server.drain + _LEAVE_SECONDS)
        hand.process.kill()

    async def _watch(self) -> None:
        """The folders, not the files: editors rename, and a ConfigMap swaps a link beside it."""
        try:
            while not self._stopping.is_set():
                await self._watch_folders(self._origin.folders())
        except (OSError, RuntimeError) as error:
            # No watches are left on this machine, or the folder may not be listed: no reason to stop serving.
            _log.error("config.unwatched", why=str(error), mend="reload with SIGHUP or POST /admin/config/reload")

    async def _watch_folders(self, folders: set[Path]) -> None:
        """Until what must be watched is elsewhere: a reload may have named another file of model cards."""
        stopped = threading.Event()
        changes = watchfiles.watch(*folders, recursive=False, debounce=200, step=50, stop_event=stopped)
        try:
            while await asyncio.to_thread(next, changes, None) is not None:
                if self._origin.changed():
                    await self.reload("file")
                if self._origin.folders() != folders:
                    return
        finally:
            stopped.set()

    def _stop(self) -> None:
        if self._stopping.is_set():
            for hand in self._hands.values():
                hand.process.kill()
        self._stopping.set()

    def _bind(self) -> socket.socket:
        server = self._snapshot.config.server
        family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
        return socket.create_server((server.host, server.port), family=family, backlog=2048)


def _one_line(error: ConfigError | OSError) -> str:
    """The first problem, with its file and line."""
    first, *others = str(error).splitlines()
    return f"{first} (and {len(others)} more: see `turnout check`)" if others else first


def _take_a_restart(old: Config, new: Config) -> list[str]:
    """What a reload cannot change, named where the file differs from what this process began with."""
    return [
        f"{name} takes a restart: {shown(str(before))} stays in force"
        for name, before, after in (
            ("server.host", old.server.host, new.server.host),
            ("server.port", old.server.port, new.server.port),
            ("server.workers", old.server.workers, new.server.workers),
            ("ledger.url", old.ledger.url, new.ledger.url),
            ("telemetry.otlp", old.telemetry.otlp, new.telemetry.otlp),
            # Its URL may hold a password.
            ("state.redis", _which(old.state.redis), _which(new.state.redis)),
        )
        if before != after
    ]


def _which(url: str | None) -> str:
    return "none" if url is None else url.rpartition("@")[2]
