"""The connections of one worker: how many there may be, and how long each may keep everybody waiting.

One look at all of them per second takes the place of timers: a request costs nothing for it, and ten thousand idle
connections a thousandth of the time.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
from collections.abc import Iterable
from typing import Protocol

import structlog

from adapters import ir
from proxy import refusals
from proxy.config import Config

NEW, HEAD, BODY, ANSWER, IDLE, LEAVING = range(6)
"""What a connection waits for: its first byte, the rest of a head, the rest of a body, our answer, the next request,
and that the client has read why it is closed."""

LINGER_SECONDS = 2.0
"""How long a client may go on sending after it was told that nothing more is read."""
TURNED_AWAY = 64
"""Connections over the limit that may stay until they have read so; any more are closed unheard."""
_SWEEP_SECONDS = 1.0
_SOON_SECONDS = 0.02
_MOST_ENDS = 50
"""Connections that are ended in one look: a thousand slow clients that came together would hold up the loop."""
_OWN_FILES = 64
"""Descriptors that a worker has before anybody calls: ledger, state, log, loop, listeners."""
_MOST_FILES = 2**20
_NEVER = float("inf")
_TCP_INFO = getattr(socket, "TCP_INFO", None)
_QUEUES = struct.Struct("=24xI92xQ16xI")
"""Of Linux's ``tcp_info``: segments that are not acknowledged, bytes that are, bytes that are not sent yet."""

_log = structlog.get_logger("connections")


class Connection(Protocol):
    """What a look at a connection needs."""

    stage: int
    since: float
    """When it last got on, on the clock of ``Connections.now``."""

    def late(self) -> None:
        """Its time is over."""

    def heeded(self, now: float, patience: float) -> bool:
        """Does the client take what it is sent?"""

    def hang_up(self) -> None:
        """It does not."""


class Connections:
    """The limits of a worker's connections, and the look at all of them that enforces their times."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds in which this loop ran: what a stopped or blocked process did not read is no fault of its clients."""
        self.turned_away: set[Connection] = set()
        self.refused = 0
        """Connections over the limit since the last look."""
        self.max_head = 64 * 1024
        self.most = room_for()
        self._write = _NEVER
        self._every = _SWEEP_SECONDS
        self._waits: tuple[float, ...] = (*(_NEVER,) * 5, LINGER_SECONDS)

    def adopt(self, config: Config) -> None:
        """Follow a configuration, with the connections that are open, too."""
        server, timeouts = config.server, config.timeouts
        self.max_head = server.max_head
        self.most = room_for() if server.max_connections is None else server.max_connections
        self._write = timeouts.write
        waits = (timeouts.head, timeouts.head, timeouts.body, _NEVER, timeouts.idle)
        self._every = min(_SWEEP_SECONDS, *(wait / 4 for wait in (*waits, timeouts.write)))
        # What got on just after one look is stamped with the time of that look: nobody's time may be cut by that.
        self._waits = (*(wait + self._every for wait in waits), LINGER_SECONDS)

    def too_late(self, stage: int) -> ir.Failure:
        """The answer to a head or a body whose time is over."""
        return refusals.late("head" if stage == HEAD else "body", self._waits[stage] - self._every)

    async def watch(self, connections: Iterable[Connection]) -> None:
        """Look at ``connections`` again and again, until it is cancelled."""
        clock = asyncio.get_running_loop().time
        before, more = clock(), False
        while True:
            await asyncio.sleep(_SOON_SECONDS if more else self._every)
            before, passed = clock(), clock() - before
            more = self.look(connections, min(passed, 2 * self._every))

    def look(self, connections: Iterable[Connection], passed: float) -> bool:
        """``passed`` seconds later: end whatever has had its time. True: there may be more of that, which would have
        held up everybody else."""
        self.now = now = self.now + passed
        waits, patience = self._waits, self._write + self._every
        left = _MOST_ENDS
        for each in (*connections, *self.turned_away):
            if not each.heeded(now, patience):
                each.hang_up()
            elif now - each.since > waits[each.stage]:
                each.late()
            else:
                continue
            left -= 1
            if not left:
                break
        self._tell()
        return not left

    def _tell(self) -> None:
        if self.refused:
            mend = "raise server.max_connections or the limit of open files, or start more workers"
            _log.warning("connections.full", refused=self.refused, most=self.most, mend=mend)
            self.refused = 0


def raise_limit() -> None:
    """Take as many file descriptors as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def room_for() -> int:
    """Connections that this process may have, by its limit of open files: a quarter is kept for backends."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MOST_FILES if soft == resource.RLIM_INFINITY else min(soft, _MOST_FILES)
    return max((files - _OWN_FILES) * 3 // 4, 1)


def queued(transport: asyncio.Transport) -> tuple[bool, int]:
    """Is there anything that the client has not taken, and a number that changes when it takes some. The system's own
    buffer counts: it holds megabytes, in which a stream can end that nobody reads."""
    size = transport.get_write_buffer_size()
    if _TCP_INFO is None:
        return size > 0, -size
    try:
        told = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _QUEUES.size)
        flying, taken, unsent = _QUEUES.unpack(told)
    except (OSError, struct.error):
        return size > 0, -size
    return bool(size or flying or unsent), taken
