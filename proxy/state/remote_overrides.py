"""The store of overrides in Redis, for all replicas: one hash, and a script that changes it as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.state.overrides import Stored, packed, read
from proxy.state.remote import PREFIX, within

if TYPE_CHECKING:
    from redis.asyncio import Redis

_KEY = f"{PREFIX}overrides"
_SWAP = """
local was = redis.call('HGET', KEYS[1], 'mark') or ''
if was ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'mark', ARGV[2], 'told', ARGV[3])
return 1
"""


class RedisOverrides:
    """See proxy.state.overrides.OverrideStore."""

    def __init__(self, client: Redis) -> None:
        self._client: Any = client

    async def news(self, mark: str) -> Stored | None:
        told = await within(self._client.hget(_KEY, "told"))
        stored = Stored() if told is None else read(told)
        return None if stored.mark == mark else stored

    async def swap(self, new: Stored, was: str) -> bool:
        return bool(await within(self._client.eval(_SWAP, 1, _KEY, was, new.mark, packed(new))))

    async def close(self) -> None:
        await self._client.aclose()
