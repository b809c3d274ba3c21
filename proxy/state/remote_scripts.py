"""What Redis does by itself for the store: each script touches the keys of one tenant, which a cluster has together.

A turn is a hash: ``at`` (created), ``previous`` (the name of the turn before it), ``size`` (bytes, unpacked), ``turn``.
Each that writes begins with what needs room: a Redis that is full refuses a script at its first write, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from redis import Redis


class Script(NamedTuple):
    """Lua, and the name by which a Redis that has seen it knows it."""

    text: str
    sha: str


def run(redis: Redis, script: Script, keys: Sequence[str], *told: object) -> Any:
    """Its answer. Blocks, and raises what the client does."""
    from redis.exceptions import NoScriptError

    words: tuple[Any, ...] = (*keys, *told)
    try:
        return redis.evalsha(script.sha, len(keys), *words)
    except NoScriptError:
        return redis.eval(script.text, len(keys), *words)


def _script(text: str) -> Script:
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


KEEP = _script("""
local until_ = ARGV[1]
redis.call('HSET', KEYS[1], 'at', ARGV[3], 'previous', ARGV[4], 'size', ARGV[5], 'turn', ARGV[6])
if until_ ~= '' then redis.call('EXPIREAT', KEYS[1], until_) else redis.call('PERSIST', KEYS[1]) end
for i = 2, #KEYS do
  redis.call('SET', KEYS[i], ARGV[2])
  if until_ ~= '' then redis.call('EXPIREAT', KEYS[i], until_) end
end
""")
"""keys: the turn, and what else it is found by. told: when it ends (seconds since 1970, or nothing), its name, its
fields."""

THREAD = _script("""
local at, found, size = ARGV[2], {'found'}, 0
while at ~= '' do
  local turn = redis.call('HMGET', ARGV[1] .. at, 'at', 'previous', 'size', 'turn')
  if not turn[1] or tonumber(turn[1]) < tonumber(ARGV[3]) then return {'gone'} end
  size = size + tonumber(turn[3])
  if #found > tonumber(ARGV[4]) or size > tonumber(ARGV[5]) then return {'long'} end
  found[#found + 1] = turn[4]
  at = turn[2]
end
return found
""")
"""keys: the turn. told: what turns' keys begin with, its name, the oldest that counts, most turns, most bytes."""

WITH = _script("""
local seen, found, size = {}, {'found'}, 0
for i = 1, #KEYS do
  local name = redis.call('GET', KEYS[i])
  if name and not seen[name] then
    seen[name] = true
    local turn = redis.call('HMGET', ARGV[1] .. name, 'at', 'size', 'turn')
    if turn[1] and tonumber(turn[1]) >= tonumber(ARGV[2]) then
      size = size + tonumber(turn[2])
      if size > tonumber(ARGV[3]) then return {'long'} end
      found[#found + 1] = turn[3]
    end
  end
end
return found
""")
"""keys: what turns are found by. told: what turns' keys begin with, the oldest that counts, most bytes."""

SET = _script("""
for i = 1, #KEYS do
  redis.call('SET', KEYS[i], ARGV[i + 1])
  if ARGV[1] ~= '' then redis.call('EXPIREAT', KEYS[i], ARGV[1]) end
end
""")
"""keys: tool calls. told: when they end, the state of each."""

MARK = _script("""
for i = 1, #KEYS do
  redis.call('SADD', KEYS[i], unpack(ARGV, 2))
  if ARGV[1] ~= '' then redis.call('EXPIREAT', KEYS[i], ARGV[1]) end
end
""")
"""keys: tool calls. told: when they end, the classes of their data."""

LOOK = _script("""
local now = redis.call('TIME')[1]
local life = redis.call('GET', KEYS[1]) or (now .. ' ' .. ARGV[1])
redis.call('SET', KEYS[1], life)
return {life, now}
""")
"""Can it be written, and has it forgotten? key: of its life's name, which begins with when it began. told: the rest of
the name, should it be a new one."""
