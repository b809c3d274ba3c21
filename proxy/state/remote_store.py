"""The store in Redis, for all replicas: asked by threads, never by the loop, and not at all while it is away."""

from __future__ import annotations

import asyncio
import math
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar
from uuid import uuid4

import msgspec
import structlog

from policies.sticky import Answered
from proxy.state.recent import Recent
from proxy.state.remote import PREFIX, TIMEOUT, open_blocking
from proxy.state.remote_scripts import KEEP, LOOK, MARK, SET, THREAD, WITH, run
from proxy.state.remote_turns import key, pack, short, turn_key, turn_size, unpack
from proxy.state.store import MOST_TURNS, Store, StoreFailed, ThreadTooLong, Turn

if TYPE_CHECKING:
    from redis import Redis

MOST_BYTES = 16 * 1024 * 1024
"""Of one turn, packed: Redis serves nobody else while it takes or gives one."""
_DESKS = 4
"""Threads, and so connections, of each worker."""
_MUCH = 64 * 1024
"""Bytes that take longer to pack, or to read, than Redis takes to answer."""
_SOME = 1000
"""Keys of one command."""
_TOLD = 3
"""Seconds after which everybody has told a Redis that began anew what he knows."""
_LIFE = f"{PREFIX}{{stored}}:life"
"""What a Redis that has forgotten everything is known by: it has another one."""

_log = structlog.get_logger("state")
T = TypeVar("T")


class _Turns(NamedTuple):
    """What was found: read, or to be read when that takes long."""

    turns: list[Turn]
    packed: Sequence[bytes]


_Found: TypeAlias = _Turns | None


class _Away(Exception):  # noqa: N818 - a fact about Redis
    """It did not answer."""


class _Refused(Exception):  # noqa: N818 - a fact about Redis
    """It answered, but would not: it is full, or cannot write."""


class RedisStore:
    """See proxy.state.store.Store. Where threads were answered stays on this machine, with ``local``.

    What was told of tool calls while Redis was away is told when it is back, and what it has forgotten of that lately
    is told once more. Turns are not: whoever asked was told that they are not stored.
    """

    def __init__(
        self,
        url: str,
        local: Store,
        *,
        told: Callable[[str | None], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Connects when it is first asked. ``told`` hears when it goes (why) and comes back (None). ``clock``: seconds
        since 1970."""
        self._url = url
        self._local = local
        self._told = told
        self._clock = clock
        self._retention = math.inf
        self.trouble: str | None = None
        self._away = False
        self._recent = Recent()
        self._marked = False
        self._life: bytes | None = None
        self._sure_at = math.inf
        self._desk = ThreadPoolExecutor(_DESKS, thread_name_prefix="stored")
        self._opening = threading.Lock()
        self._opened: Redis | None = None
        self._closing = False

    @property
    def retention(self) -> float:
        """A shorter one holds at once; a longer one for what is stored from now on."""
        return self._retention

    @retention.setter
    def retention(self, seconds: float) -> None:
        self._retention = self._local.retention = seconds

    @property
    def has_marks(self) -> bool | None:
        return True if self._marked or self._recent.has_marks else None

    async def keep_turn(self, turn: Turn, items: Collection[str] = ()) -> None:
        # Work that takes long is none of the time that Redis has.
        packed = await asyncio.to_thread(pack, turn) if turn_size(turn) > _MUCH else None
        await self._ask(lambda redis: self._keep(redis, turn, items, packed or pack(turn)))

    async def turn(self, tenant: str, id: str) -> Turn | None:  # noqa: A002 - the wire's own word
        oldest = self._oldest()
        found = await _read(tenant, await self._ask(lambda redis: _one(redis, tenant, id, oldest)))
        return None if found is None else found[0]

    async def turns_with(self, tenant: str, items: Collection[str], *, most: int) -> list[Turn]:
        keys = [key(tenant, "item", each) for each in items]
        told = (turn_key(tenant, ""), self._oldest(), most)
        found = await _read(tenant, await self._ask(lambda redis: _found(tenant, run(redis, WITH, keys, *told))))
        return sorted(found or [], key=lambda turn: (turn.created, turn.id))

    async def thread(self, tenant: str, id: str, *, most: int) -> list[Turn] | None:  # noqa: A002
        told = (turn_key(tenant, ""), short(id), self._oldest(), MOST_TURNS, most)
        first = [turn_key(tenant, id)]
        found = await _read(tenant, await self._ask(lambda redis: _found(tenant, run(redis, THREAD, first, *told))))
        return None if found is None else found[::-1]

    async def forget_turn(self, tenant: str, id: str) -> bool:  # noqa: A002
        return await self._ask(lambda redis: bool(redis.delete(turn_key(tenant, id))))

    async def keep_calls(self, tenant: str, states: Mapping[str, bytes]) -> None:
        self._recent.keep(tenant, states)
        await self._ask(lambda redis: self._set(redis, tenant, states))

    async def calls(self, tenant: str, ids: Sequence[str]) -> dict[str, bytes]:
        ours = self._recent.states(tenant, ids)
        if self._away and ours:
            return ours
        return await self._ask(lambda redis: _states(redis, tenant, ids)) | ours

    async def mark(self, tenant: str, ids: Collection[str], data_class: Collection[str]) -> None:
        self._recent.mark(tenant, ids, data_class)
        await self._ask(lambda redis: self._mark(redis, tenant, ids, data_class))

    async def marked(self, tenant: str, ids: Sequence[str]) -> frozenset[str]:
        life, found = await self._ask(lambda redis: _classes(redis, tenant, ids))
        if life is None or life != self._life or time.monotonic() < self._sure_at:
            raise StoreFailed("Redis has lost what it knew, and is told again")
        self._marked = self._marked or bool(found)
        return found | self._recent.marks(tenant, ids)

    async def keep_thread(self, tenant: str, names: Sequence[bytes], last: Answered) -> None:
        await self._local.keep_thread(tenant, names, last)

    async def thread_home(self, tenant: str, names: Sequence[bytes]) -> Answered | None:
        return await self._local.thread_home(tenant, names)

    async def look(self) -> None:
        """Is it there, does it take what it is told, and does it still know what it was told?"""
        try:
            life, now = await self._ask(lambda redis: run(redis, LOOK, [_LIFE], uuid4().hex), looking=True)
            self._sure_at = time.monotonic() + _TOLD - (int(now) - int(life.split()[0]))
            if self.trouble is not None or life != self._life:
                # Taken here, for the loop may change it meanwhile.
                states, marks = self._recent.all_states(), self._recent.all_marks()
                await self._ask(lambda redis: self._tell_again(redis, states, marks), looking=True)
                await self._ask(_warn_of_eviction, looking=True)
        except StoreFailed:
            return
        self._life = life
        self._away = False
        if self.trouble is not None:
            self.trouble = None
            self._told(None)

    def close(self) -> None:
        self._closing = True
        self._desk.shutdown(cancel_futures=True)
        if self._opened is not None:
            self._opened.close()
        self._local.close()

    async def _ask(self, work: Callable[[Redis], T], *, looking: bool = False) -> T:
        """Redis's answer, within its time. Raises StoreFailed, at once while it is away, unless to look for it."""

        begun = math.inf

        def job() -> T:
            nonlocal begun
            begun = time.monotonic()
            # Of those who came together before it was known, none waits for the time-out of another.
            if self._away and not looking:
                raise _Away(self.trouble)
            return self._within(work)

        if self._closing:
            raise StoreFailed("closed: Turnout is leaving")
        if self._away and not looking:
            raise StoreFailed(f"Redis is away: {self.trouble}")
        try:
            async with asyncio.timeout(TIMEOUT):
                return await asyncio.get_running_loop().run_in_executor(self._desk, job)
        except TimeoutError as error:
            if time.monotonic() - begun < TIMEOUT / 2:
                raise StoreFailed("too many wait for Redis") from error
            self._fail(f"no answer within {TIMEOUT:g} s", away=True, looking=looking)
            raise StoreFailed(f"Redis: no answer within {TIMEOUT:g} s") from error
        except (_Away, _Refused) as error:
            self._fail(str(error), away=isinstance(error, _Away), looking=looking)
            raise StoreFailed(f"Redis: {error}") from error

    def _within(self, work: Callable[[Redis], T]) -> T:
        """In a thread. What the client raises becomes ours."""
        from redis.exceptions import (
            ClusterDownError,
            ReadOnlyError,
            RedisClusterException,
            RedisError,
            ResponseError,
        )

        try:
            return work(self._redis())
        except (ClusterDownError, ReadOnlyError) as error:
            raise _Away(f"{type(error).__name__}: {error}") from error
        except ResponseError as error:
            raise _Refused(f"{type(error).__name__}: {error}") from error
        except (RedisError, RedisClusterException, OSError) as error:
            raise _Away(f"{type(error).__name__}: {error}") from error

    def _redis(self) -> Redis:
        with self._opening:
            if self._opened is None:
                self._opened = open_blocking(self._url)
            return self._opened

    def _fail(self, why: str, *, away: bool, looking: bool) -> None:
        known = self.trouble is not None
        self._away = away or (self._away and not looking)
        self.trouble = why
        if not known:
            self._told(why)

    def _tell_again(
        self,
        redis: Redis,
        states: Mapping[str, Mapping[str, bytes]],
        marks: Mapping[tuple[str, frozenset[str]], Sequence[str]],
    ) -> None:
        for tenant, told in states.items():
            self._set(redis, tenant, told)
        for (tenant, classes), ids in marks.items():
            self._mark(redis, tenant, ids, classes)

    def _keep(self, redis: Redis, turn: Turn, items: Collection[str], packed: bytes) -> None:
        if len(packed) > MOST_BYTES:
            raise StoreFailed(f"the turn is too large for Redis: {len(packed)} bytes, at most {MOST_BYTES}")
        previous = "" if turn.previous is None else short(turn.previous)
        keys = [turn_key(turn.tenant, turn.id), *(key(turn.tenant, "item", each) for each in items)]
        keys += [] if turn.call is None else [key(turn.tenant, "of", turn.call)]
        run(
            redis, KEEP, keys, self._ends(turn.created), short(turn.id), turn.created, previous, turn_size(turn), packed
        )

    def _set(self, redis: Redis, tenant: str, states: Mapping[str, bytes]) -> None:
        for some in _parts(list(states)):
            keys = [key(tenant, "call", id_) for id_ in some]
            run(redis, SET, keys, self._ends(), *(states[id_] for id_ in some))

    def _mark(self, redis: Redis, tenant: str, ids: Collection[str], data_class: Collection[str]) -> None:
        for some in _parts(list(ids)):
            run(redis, MARK, [key(tenant, "mark", id_) for id_ in some], self._ends(), *data_class)

    def _ends(self, created: float | None = None) -> int | str:
        """When what is stored now, or was made then, is dropped; empty: never."""
        at = self._clock() if created is None else created
        return "" if self._retention == math.inf else int(at + self._retention) + 1

    def _oldest(self) -> int:
        """When the oldest turn was made that is still found; seconds since 1970."""
        return 0 if self._retention == math.inf else int(self._clock() - self._retention)


def response_of(url: str, tenant: str, request_id: str) -> bytes | None:
    """The response object that this call was answered with, for whoever may read there; None where none was stored, or
    it is gone. Blocks. Raises StoreFailed."""
    from redis.exceptions import RedisClusterException, RedisError

    try:
        with open_blocking(url) as redis:
            [found, *turns] = run(redis, WITH, [key(tenant, "of", request_id)], turn_key(tenant, ""), 0, 2**53)
    except (RedisError, RedisClusterException, OSError) as error:
        raise StoreFailed(f"Redis: {error}") from error
    return unpack(tenant, turns[0]).response if found == b"found" and turns else None


def _warn_of_eviction(redis: Redis) -> None:
    """Under another policy a full Redis takes all that comes, and forgets in silence. Who may not ask is not told."""
    from redis.exceptions import ResponseError

    with suppress(ResponseError):
        policy: Any = redis.info("memory").get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            mend = (
                "set maxmemory-policy to noeviction: else stored responses, and which data is restricted, may be lost"
            )
            _log.warning("stored.evicts", policy=policy, mend=mend)


async def _read(tenant: str, found: _Found) -> list[Turn] | None:
    if found is None or not found.packed:
        return None if found is None else found.turns
    return await asyncio.to_thread(_unpacked, tenant, found.packed)


def _one(redis: Redis, tenant: str, id_: str, oldest: int) -> _Found:
    found: Any = redis.hmget(turn_key(tenant, id_), ["at", "turn"])
    return None if found[0] is None or int(found[0]) < oldest else _some(tenant, [found[1]])


def _states(redis: Redis, tenant: str, ids: Sequence[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for some in _parts(ids):
        values: Any = redis.mget([key(tenant, "call", id_) for id_ in some])
        found |= {id_: state for id_, state in zip(some, values, strict=True) if state is not None}
    return found


def _classes(redis: Redis, tenant: str, ids: Sequence[str]) -> tuple[bytes | None, frozenset[str]]:
    """What these tool calls were marked with, and the life of Redis in which that was asked, or a later one."""
    found: set[str] = set()
    for some in _parts(ids):
        union: Any = redis.sunion([key(tenant, "mark", id_) for id_ in some])
        found |= {each.decode() for each in union}
    life: Any = redis.get(_LIFE)
    return life, frozenset(found)


def _found(tenant: str, answer: Sequence[bytes]) -> _Found:
    """What a script found. Raises ThreadTooLong."""
    if answer[0] == b"long":
        raise ThreadTooLong
    return None if answer[0] == b"gone" else _some(tenant, answer[1:])


def _some(tenant: str, packed: Sequence[bytes]) -> _Turns:
    if sum(map(len, packed)) > _MUCH:
        return _Turns([], packed)
    return _Turns(_unpacked(tenant, packed), ())


def _unpacked(tenant: str, packed: Sequence[bytes]) -> list[Turn]:
    try:
        return [unpack(tenant, each) for each in packed]
    except (msgspec.MsgspecError, zlib.error) as error:
        raise StoreFailed(f"what lies in Redis is no turn of ours: {error}") from error


def _parts(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _SOME] for start in range(0, len(ids), _SOME))
