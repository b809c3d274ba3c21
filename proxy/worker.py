"""One worker process: serves on inherited sockets, follows the supervisor's snapshots, leaves when told or orphaned."""

from __future__ import annotations

# isort: off
from proxy import lean_worker  # noqa: F401 - first, see there
# isort: on

import asyncio
import gc
import math
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import uvicorn
import uvicorn.server
import uvloop

from proxy.app import create_app
from proxy.connections import Connections, raise_limit
from proxy.control import LIMIT, Ask, Built, Channel, Counted, Drain, Granted, Load, Scrape, Swap, Swapped, Tell
from proxy.house import House
from proxy.http import Protocol
from proxy.ledger.schema import LedgerError
from proxy.opening import open_house, share
from proxy.scrape import Scrapes
from proxy.seat import Seat
from proxy.settings import ConfigError
from proxy.snapshot import Snapshot, build_text
from proxy.state.store import StoreFailed
from proxy.telemetry import logs
from proxy.wishes import Wishes

_ASK_SECONDS = 10.0
"""How long an admin's reload may take before the worker gives up waiting for the supervisor's word."""


_LAST_WORDS_SECONDS = 1.0
"""What a call that the drain has cut off may take to say so."""


class Server(uvicorn.server.Server):
    """uvicorn without its signal handling, which would end the process by the very signal that asked for a drain."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def grace(self, seconds: float) -> None:
        """How long open calls may go on once told to exit; infinite: to their end."""
        self.config.timeout_graceful_shutdown = cast(int, seconds) if seconds < math.inf else None

    def cut_off(self) -> None:
        """Exit now: open calls end in their protocol's own error."""
        self.should_exit = self.force_exit = True
        for task in self.server_state.tasks:
            task.cancel()

    async def leave(self) -> None:
        """After ``serve``: calls whose time was up may still tell their clients and write their rows."""
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_LAST_WORDS_SECONDS)


class Worker:
    """The life of one worker."""

    def __init__(self, seat: Seat, channel: Channel) -> None:
        self._seat = seat
        self._channel = channel
        self._scrapes = Scrapes(seat, channel.say)
        self._wishes = Wishes(channel.say)
        self._listen = socket.socket(fileno=seat.listen)
        self._built: Snapshot | None = None
        self._house: House | None = None
        self._server: Server | None = None
        self._demo: Server | None = None
        self._connections = Connections()
        self._interrupted = False
        self._answers: deque[asyncio.Future[dict[str, Any]]] = deque()

    async def run(self) -> None:
        """Until drained, or until the supervisor is gone: an orphan would hold the port and the ledger for ever."""
        async with asyncio.TaskGroup() as group:
            try:
                while (order := await self._channel.order()) is not None:
                    if isinstance(order, Drain):
                        self.stop(at_once=order.at_once)
                        if order.at_once:
                            self._cut_off()
                        continue
                    await self._follow(order, group)
            finally:
                self.stop(at_once=True)

    async def _follow(self, order: Load | Swap | Tell | Scrape | Counted | Granted, group: asyncio.TaskGroup) -> None:
        match order:
            case Load():
                # In a thread: a large file takes a tenth of a second, and streams go on meanwhile.
                self._channel.say(Built(order.generation, await asyncio.to_thread(self._build, order)))
            case Swap(generation):
                problem = self._swap(group)
                self._channel.say(Swapped(generation, problem))
                if problem is not None:
                    self.stop()
            case Scrape() if self._house is not None:
                self._scrapes.answer(order, self._house.telemetry.meters)
            case Counted():
                self._scrapes.heard(order)
            case Granted():
                self._wishes.heard(order)
            case Tell(outcome, asked):
                # Everybody is told of every reload; who asked for it is then answered, too.
                if asked:
                    self._answer(outcome)
                elif self._house is not None:
                    self._house.reloaded(outcome)

    def _build(self, order: Load) -> str | None:
        try:
            # The supervisor has looked up whether its bind has a key, and held its prices against the sheet, which no
            # worker loads for that.
            built = build_text(
                order.text,
                file=order.file,
                generation=order.generation,
                env=os.environ,
                has_keys=True,
                compared=True,
            )
            if self._house is not None:
                self._house.seals.read(built.config.server.secret)
        except (ConfigError, StoreFailed) as error:
            return str(error)
        self._built = built
        return None

    def _swap(self, group: asyncio.TaskGroup) -> str | None:
        """Follow what was built; the first time, open the house. The answer is why that is not possible."""
        snapshot, self._built = self._built, None
        if snapshot is None:
            return None
        try:
            if self._house is not None:
                self._house.adopt(snapshot)
            else:
                self._house = open_house(
                    snapshot, host=self._listen.getsockname()[0], slot=self._seat.slot, workers=self._seat.workers
                )
                if self._seat.workers > 1:
                    share(self._house, self._seat)
                group.create_task(self._serve(self._house))
        except (LedgerError, StoreFailed) as error:
            return str(error)
        self._connections.adopt(snapshot.config)
        if snapshot.demo and self._demo is None:
            from proxy.demo import app as demo_app

            self._demo = Server(_uvicorn(demo_app, Connections()))
            self._demo.grace(1.0)
            group.create_task(self._demo.serve(sockets=[socket.socket(fileno=self._seat.demo)]))
        return None

    async def _serve(self, house: House) -> None:
        app = create_app(house, reload=self._reload, others=self._scrapes.others, wishes=self._wishes)
        self._server = server = Server(_uvicorn(app, self._connections))
        # What stands now stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(house.watcher.run())
            errands = group.create_task(house.errands.run())
            await house.overrides.refresh()  # no call may pass by one that stood before this start
            connections = group.create_task(self._connections.watch(cast(Any, server.server_state.connections)))
            await server.serve(sockets=[self._listen])
            await server.leave()
            watching.cancel()
            errands.cancel()
            connections.cancel()
        if self._demo is not None:
            self._demo.should_exit = True
        await house.close()
        self._channel.close()

    def _answer(self, outcome: dict[str, Any]) -> None:
        """The supervisor answers in the order of the questions; some who asked have left meanwhile."""
        answer = self._answers.popleft()
        if not answer.done():
            answer.set_result(outcome)

    async def _reload(self, who: str | None = None) -> dict[str, Any]:
        """Forward an admin's wish; the supervisor answers when every worker has swapped."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._channel.say(Ask(who))
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                return await answer
        except TimeoutError:
            return {"ok": False, "error": f"the supervisor did not reload within {_ASK_SECONDS:g} s"}

    def stop(self, *, at_once: bool = False) -> None:
        """Drain. Readiness fails first. Unless ``at_once``, calls are taken for ``server.drain_delay`` more: balancers
        take their time to find out."""
        if self._house is not None:
            self._house.draining = True
        if self._server is None or self._house is None:
            self._channel.close()
            return
        delay = 0.0 if at_once else self._house.snapshot.config.server.drain_delay
        if delay:
            asyncio.get_running_loop().call_later(delay, self._leave, self._server, self._house)
        else:
            self._leave(self._server, self._house)

    def _leave(self, server: Server, house: House) -> None:
        """No more calls; those that are open may go on for the grace."""
        server.grace(house.snapshot.config.server.drain)
        server.should_exit = True

    def interrupt(self) -> None:
        """A signal: drain; a second one: leave at once. (A service manager may signal us and the supervisor both.)"""
        self.stop(at_once=self._interrupted)
        if self._interrupted:
            self._cut_off()
        self._interrupted = True

    def _cut_off(self) -> None:
        if self._server is not None:
            self._server.cut_off()


def _uvicorn(app: Any, connections: Connections) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=cast(Any, partial(Protocol, rules=connections)),
        loop="none",
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )


async def _main(seat: Seat) -> None:
    logs.configure()
    raise_limit()
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=seat.control), limit=LIMIT)
    worker = Worker(seat, Channel(reader, writer))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.interrupt)
    await worker.run()


def main() -> None:
    """``python -m proxy.worker`` with the words of a ``Seat``: started by the supervisor alone."""
    uvloop.run(_main(Seat.of(sys.argv[1:])))


if __name__ == "__main__":
    main()
