"""The store of keys in Redis, for all replicas: scripts, so that each step is whole, on one slot of a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from proxy.state.keys import Entry, News, packed, read
from proxy.state.remote import PREFIX, TIMEOUT
from proxy.state.store import StoreFailed

if TYPE_CHECKING:
    from redis.asyncio import Redis

_KEYS = tuple(f"{PREFIX}{{keys}}:{name}" for name in ("version", "entries", "versions"))
"""The last version; name -> entry; names by the version of their last change. A version is the time of a change, in
milliseconds, or a little more: one that was begun anew after a loss is a later one."""
_NEWS = """
local version = tonumber(redis.call('GET', KEYS[1]) or '0')
local found = {version, redis.call('HLEN', KEYS[2])}
if version ~= tonumber(ARGV[1]) then
  local news = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf', 'WITHSCORES')
  for i = 1, #news, 2 do
    found[#found + 1] = news[i]
    found[#found + 1] = news[i + 1]
    found[#found + 1] = redis.call('HGET', KEYS[2], news[i])
  end
end
return found
"""
_PUT = """
local was = redis.call('ZSCORE', KEYS[3], ARGV[1])
if (was and tonumber(was) or 0) ~= tonumber(ARGV[3]) then return 0 end
local now = redis.call('TIME')
local version = math.max(tonumber(redis.call('GET', KEYS[1]) or '0') + 1, now[1] * 1000 + math.floor(now[2] / 1000))
redis.call('SET', KEYS[1], string.format('%d', version))
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[3], string.format('%d', version), ARGV[1])
return 1
"""
_RESTORE = """
local version = tonumber(redis.call('GET', KEYS[1]) or '0')
for i = 1, #ARGV, 3 do
  local have = redis.call('ZSCORE', KEYS[3], ARGV[i])
  if not have or tonumber(have) < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2])
    redis.call('ZADD', KEYS[3], ARGV[i + 1], ARGV[i])
    version = math.max(version, tonumber(ARGV[i + 1]))
  end
end
redis.call('SET', KEYS[1], string.format('%d', version))
"""


class RedisKeys:
    """See proxy.state.keys.KeyStore."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def news(self, since: int) -> News:
        version, count, *flat = await self._eval(_NEWS, since)
        words = [each.decode() if isinstance(each, bytes) else str(each) for each in flat]
        rows = [(name, int(own), entry) for name, own, entry in zip(words[::3], words[1::3], words[2::3], strict=True)]
        return read(int(version), rows, int(count))

    async def add(self, entry: Entry) -> bool:
        return bool(await self._eval(_PUT, entry.key.name, packed(entry), 0))

    async def change(self, entry: Entry) -> bool:
        return bool(await self._eval(_PUT, entry.key.name, packed(entry), entry.version))

    async def restore(self, entries: Iterable[Entry]) -> None:
        told: list[str | int] = []
        for entry in entries:
            told += (entry.key.name, entry.version, packed(entry))
        await self._eval(_RESTORE, *told)

    async def close(self) -> None:
        await self._client.aclose()

    async def _eval(self, script: str, *told: str | int) -> Any:
        """The client tries again and again by itself; nobody waits for that longer than for one command."""
        from redis.exceptions import RedisClusterException, RedisError

        words: Sequence[Any] = (*_KEYS, *told)
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._client.eval(script, len(_KEYS), *words)
        except TimeoutError as error:
            raise StoreFailed(f"Redis did not answer within {TIMEOUT:g} s") from error
        except (RedisError, RedisClusterException, OSError) as error:
            raise StoreFailed(f"Redis: {error}") from error
