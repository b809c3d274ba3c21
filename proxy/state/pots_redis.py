"""Pots in Redis: the workers of several machines share them, a round of orders at one stroke."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from policies.limits.leasing import LEASE, Order, Standing
from proxy.state.pots import Grant, PotsAway, SharedBy
from proxy.state.pots_script import SCRIPT, SHA
from proxy.state.remote import PREFIX, TIMEOUT, open_redis

if TYPE_CHECKING:
    from redis.asyncio import Redis

_MOST = 50
"""Orders of one call of the script: a few milliseconds in which Redis serves nobody else."""
_POT, _GRANTS, _MARK = f"{PREFIX}pot:", f"{PREFIX}grants:", f"{PREFIX}warned:"

T = TypeVar("T")


class RedisPots:
    """See proxy.state.pots. Leases end by Redis's own clock. What is in braces in a key keeps an owner's pots and
    grants together in a cluster."""

    name = "redis"
    shared_by: SharedBy = "machines"

    def __init__(self, url: str) -> None:
        """Connects when it is first asked."""
        self._apart = url.startswith("redis+cluster://")
        self._url = url
        self._opened: Redis | None = None

    async def renew(self, holder: str, orders: Sequence[Order]) -> list[Standing]:
        found: dict[str, Standing] = {}
        for group in self._grouped(orders):
            answers = await self._within(self._asked(holder, group))
            found |= {order.pot: _standing(answer) for order, answer in zip(group, answers, strict=True)}
        return [found[order.pot] for order in orders]

    async def first(self, mark: str, until: int) -> bool:
        lasting = max(until - int(time.time()), 1)
        return bool(await self._within(self._redis().set(f"{_MARK}{mark}", 1, nx=True, ex=lasting)))

    async def grant(self, grant: Grant) -> None:
        key, told = _grants_of(grant.of), f"{grant.nano_usd} {grant.until}"
        await self._within(self._redis().hset(key, grant.id, told))

    async def revoke(self, grant_id: str) -> bool:
        keys = [key async for key, _ in self._granted()]
        gone = [await self._within(self._redis().hdel(key, grant_id)) for key in keys]
        return any(gone)

    async def grants(self) -> list[Grant]:
        now, found = time.time(), []
        async for key, told in self._granted():
            of = key.removeprefix(f"{_GRANTS}{{").removesuffix("}")
            for name, text in told.items():
                nano, until = map(int, text.split())
                if until > now:
                    found.append(Grant(id=name.decode(), of=of, nano_usd=nano, until=until))
                else:
                    await self._within(self._redis().hdel(key, name))
        return sorted(found, key=lambda each: (each.until, each.id))

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.aclose()

    def _redis(self) -> Redis:
        if self._opened is None:
            self._opened = open_redis(self._url)
        return self._opened

    def _grouped(self, orders: Sequence[Order]) -> list[Sequence[Order]]:
        """What may be asked for in one call: in a cluster, the pots of one owner."""
        if not self._apart:
            return [orders[start : start + _MOST] for start in range(0, len(orders), _MOST)]
        by_owner: dict[str, list[Order]] = {}
        for order in orders:
            by_owner.setdefault(order.of, []).append(order)
        return list(by_owner.values())

    async def _asked(self, holder: str, orders: Sequence[Order]) -> list[Any]:
        from redis.exceptions import NoScriptError

        keys = [key for order in orders for key in (_pot_of(order), _grants_of(order.of))]
        told: list[bytes] = [holder.encode(), b"%d" % int(LEASE * 1000), *map(msgspec.json.encode, orders)]
        redis = self._redis()
        try:
            return cast("list[Any]", await redis.evalsha(SHA, len(keys), *keys, *told))
        except NoScriptError:
            return cast("list[Any]", await redis.eval(SCRIPT, len(keys), *keys, *told))

    async def _granted(self) -> AsyncIterator[tuple[str, dict[bytes, bytes]]]:
        """Owner's key -> its grants: id -> ``NANO UNTIL``."""
        redis = self._redis()
        keys = await self._within(_all(redis.scan_iter(match=f"{_GRANTS}*", count=1000)))
        for key in keys:
            told = await self._within(cast("Awaitable[dict[bytes, bytes]]", redis.hgetall(key)))
            yield key.decode(), told

    async def _within(self, asked: Awaitable[T]) -> T:
        """What Redis answers within ``TIMEOUT``; its errors, and our wait's end, become PotsAway."""
        from redis.exceptions import RedisClusterException, RedisError

        try:
            async with asyncio.timeout(TIMEOUT):
                return await asked
        except TimeoutError as error:
            raise PotsAway(f"no answer within {TIMEOUT:g} s") from error
        except (RedisError, RedisClusterException, OSError) as error:
            raise PotsAway(f"{type(error).__name__}: {error}") from error


async def _all(found: AsyncIterator[bytes]) -> list[bytes]:
    return [each async for each in found]


def _pot_of(order: Order) -> str:
    return f"{_POT}{{{order.of}}}:{order.pot}"


def _grants_of(owner: str) -> str:
    return f"{_GRANTS}{{{owner}}}"


def _standing(answer: Sequence[bytes]) -> Standing:
    known, born, leased, exposable, others, exposures, holders, granted, *slots = map(int, answer)
    return Standing(
        used=dict(zip(slots[::2], slots[1::2], strict=True)),
        leased=leased,
        exposable=exposable,
        others=others,
        exposures=exposures,
        holders=holders,
        granted=granted,
        known=bool(known),
        born=born,
    )
