"""What Redis does for each round of orders: ``policies.limits.leasing.renew``, in its own language and at one stroke.

A pot is a hash: ``b`` when it was born, ``s<slot>`` what was used, ``l<holder>`` a lease (leased, exposable, end in
Redis's own milliseconds), ``n<holder>`` the number of its last telling and when that was. Beside it, a hash of the
grants of its owner.
"""

from __future__ import annotations

from hashlib import sha1

SCRIPT = """
local holder, lasting = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local seconds = tonumber(time[1])
local now = seconds * 1000 + math.floor(tonumber(time[2]) / 1000)
local function int(number) return string.format('%.0f', number) end

local function granted_by(key)
  local sum = 0
  for _, text in ipairs(redis.call('HVALS', key)) do
    local nano, ends = string.match(text, '^(%d+) (%d+)$')
    if nano and tonumber(ends) > seconds then sum = sum + tonumber(nano) end
  end
  return sum
end

local function read(key)
  local pot = {slots = {}, others = {}, stale = {}, number = -1, known = false, born = nil}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local kind, name, value = string.sub(fields[i], 1, 1), string.sub(fields[i], 2), fields[i + 1]
    if kind == 'b' then
      pot.born = value
    elseif kind == 's' then
      pot.known, pot.slots[tonumber(name)] = true, tonumber(value)
    elseif kind == 'l' and name ~= holder then
      local leased, exposable, ends = string.match(value, '^(%d+) (%d+) (%d+)$')
      if tonumber(ends) > now and tonumber(ends) <= now + lasting then
        table.insert(pot.others, {tonumber(leased), tonumber(exposable)})
      else
        table.insert(pot.stale, fields[i])
      end
    elseif kind == 'n' then
      local number, at = string.match(value, '^(%d+) (%d+)$')
      if name == holder then pot.number = tonumber(number)
      elseif tonumber(at) < seconds - 86400 then table.insert(pot.stale, fields[i]) end
    end
  end
  return pot
end

local function tell(key, pot, order)
  if #order.spent > 0 and pot.number < order.number then
    redis.call('HSET', key, 'n' .. holder, int(order.number) .. ' ' .. int(seconds))
    for _, each in ipairs(order.spent) do
      local slot, amount = each[1], each[2]
      pot.slots[slot] = (pot.slots[slot] or 0) + amount
      redis.call('HSET', key, 's' .. int(slot), int(pot.slots[slot]))
    end
  end
  for _, each in ipairs(order.raised) do
    local slot, amount = each[1], each[2]
    if pot.slots[slot] == nil or pot.slots[slot] < amount then
      pot.slots[slot] = amount
      redis.call('HSET', key, 's' .. int(slot), int(amount))
    end
  end
  for slot, _ in pairs(pot.slots) do
    if slot < order.forget then table.insert(pot.stale, 's' .. int(slot)) end
  end
  if #pot.stale > 0 then redis.call('HDEL', key, unpack(pot.stale)) end
end

local function lease(order, used, taken, holders, granted)
  local base = order.held + order.kept
  local left = math.max(order.amount + granted - used - taken - base - order.exposed, 0)
  local needed = math.min(order.need, left)
  local rest = left - needed
  local most = math.max(math.floor((left + order.exposed) / (2 * holders)) - order.exposed, 0)
  local exposing = math.min(order.exposing, most, rest)
  rest = rest - exposing
  local ahead = math.min(order.ahead, math.max(math.floor((rest + order.kept) / order.part) - order.kept, 0))
  return base + needed + ahead, order.exposed + exposing
end

local function renew(key, grants, order)
  local pot, granted = read(key), granted_by(grants)
  if not pot.known and order.cautious and #order.raised == 0 then
    return {'0', '0', int(order.held), int(order.exposed), '0', '0', '1', int(granted)}
  end
  tell(key, pot, order)
  if pot.born == nil then
    pot.born = int(seconds) .. time[2]
    redis.call('HSET', key, 'b', pot.born)
  end
  local taken, exposures, used, told = 0, 0, 0, {}
  for _, each in ipairs(pot.others) do taken, exposures = taken + each[1], exposures + each[2] end
  for slot, amount in pairs(pot.slots) do
    if slot >= order.oldest and slot <= order.newest and slot >= order.forget then
      used = used + amount
      table.insert(told, int(slot))
      table.insert(told, int(amount))
    end
  end
  local holders = #pot.others + 1
  local leased, exposable = lease(order, used, taken + exposures, holders, granted)
  if order.stay then
    redis.call('HSET', key, 'l' .. holder, int(leased) .. ' ' .. int(exposable) .. ' ' .. int(now + lasting))
  else
    redis.call('HDEL', key, 'l' .. holder)
  end
  redis.call('EXPIRE', key, order.lasts)
  local figures = {'1', pot.born, int(leased), int(exposable), int(taken), int(exposures), int(holders), int(granted)}
  for _, each in ipairs(told) do table.insert(figures, each) end
  return figures
end

local answers = {}
for i = 1, #KEYS / 2 do
  answers[i] = renew(KEYS[2 * i - 1], KEYS[2 * i], cjson.decode(ARGV[2 + i]))
end
return answers
"""

SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
"""By which Redis knows it."""
