"""Breakers in Redis, for all replicas: scripts, so that each step is whole, on one slot of a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast
from uuid import uuid4

from proxy.breakers import News, Opening, PeersAway
from proxy.state.memory import Key
from proxy.state.remote import PREFIX, open_redis, within
from proxy.state.store import StoreFailed

_VERSION, _OPEN = (f"{PREFIX}{{breakers}}:{name}" for name in ("version", "open"))
"""Of the last change, which rises also after a loss; backend -> ``UNTIL PAUSE CAUSE``, in Redis's milliseconds."""
_PROBE = f"{PREFIX}{{breakers}}:probe:"
"""Who probes a backend, for as long as he is heard of."""
_LEASE = 5000
"""Milliseconds for which a prober may be silent."""
_CLOCK = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function changed()
  local version = math.max(tonumber(redis.call('GET', KEYS[1]) or '0') + 1, now)
  redis.call('SET', KEYS[1], string.format('%d', version))
end
local function left()
  if redis.call('GET', KEYS[3]) == ARGV[1] then redis.call('DEL', KEYS[3]) end
end
"""
_NEWS = f"""{_CLOCK}
local version = tonumber(redis.call('GET', KEYS[1]) or '0')
local found = {{version, now}}
if version ~= tonumber(ARGV[1]) then
  for _, each in ipairs(redis.call('HGETALL', KEYS[2])) do found[#found + 1] = each end
end
return found
"""
_OPENED = f"""{_CLOCK}
local till = now + tonumber(ARGV[3])
redis.call('HSET', KEYS[2], ARGV[2], string.format('%d', till) .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
changed()
left()
return till
"""
_CLOSED = f"""{_CLOCK}
if redis.call('HDEL', KEYS[2], ARGV[2]) == 1 then changed() end
left()
"""
_LEFT = f"{_CLOCK}left()"
_STILL = "if redis.call('GET', KEYS[3]) == ARGV[1] then redis.call('PEXPIRE', KEYS[3], ARGV[2]) end"
_TRY = """
if redis.call('GET', KEYS[3]) == ARGV[1] then return 1 end
return redis.call('SET', KEYS[3], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""


class RedisBreakers:
    """See proxy.breakers.Peers."""

    def __init__(self, url: str) -> None:
        """Connects when it is first asked."""
        self._client = open_redis(url)
        self._own = uuid4().hex
        self._version = 0

    async def news(self, keys: Iterable[Key]) -> News | None:
        version, now, *flat = await self._eval(_NEWS, None, self._version)
        if version == self._version:
            return None
        lost, self._version = version < self._version, version
        wanted = {_field(key): key for key in keys}
        words = [each.decode() for each in flat]
        told = {wanted[name]: text for name, text in zip(words[::2], words[1::2], strict=True) if name in wanted}
        return News({key: _opening(text, now) for key, text in told.items()}, lost)

    async def opened(self, key: Key, left: float, pause: float, cause: str) -> int:
        told = (self._own, _field(key), int(left * 1000), int(pause * 1000), cause)
        return int(await self._eval(_OPENED, key, *told))

    async def closed(self, key: Key) -> None:
        await self._eval(_CLOSED, key, self._own, _field(key))

    async def probe(self, key: Key) -> bool:
        return bool(await self._eval(_TRY, key, self._own, _LEASE))

    async def probing(self, key: Key) -> None:
        await self._eval(_STILL, key, self._own, _LEASE)

    async def left(self, key: Key) -> None:
        await self._eval(_LEFT, key, self._own)

    async def close(self) -> None:
        await self._client.aclose()

    async def _eval(self, script: str, key: Key | None, *told: str | int) -> Any:
        names = (_VERSION, _OPEN, _PROBE + ("" if key is None else _field(key)))
        try:
            return await within(cast("Any", self._client.eval(script, len(names), *names, *told)))
        except StoreFailed as error:
            raise PeersAway(str(error)) from error


def _field(key: Key) -> str:
    return "/".join(key)


def _opening(text: str, now: int) -> Opening:
    until, pause, cause = text.split(" ", 2)
    return Opening(int(until), (int(until) - now) / 1000, int(pause) / 1000, cause)
