"""Who has spent what, in Redis: each step is one script, so no two processes ever spend the same cent.

Amounts are kept as whole nano-dollars: their sums are exact. For a session there are its open charges (a hash) and all
that it has spent and reserved (a number); for a day the same number, and what of it is still open.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import cast

from pydantic import TypeAdapter

from adapters.redis_link import NANO, PREFIX, SUMS_KEPT, RedisLink
from models import BudgetReached
from session_manager import CENT_DUST, MOST_A_CALL_COSTS, Charge, ChargeState, day_budget_reached

CHARGE = TypeAdapter(Charge)

# A charge's value is `{state}|{nano}|{day}|{JSON}`.
RESERVE = f"""
local session, day, most, daily, dust, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local opened, spent = '{PREFIX}open:' .. session, '{PREFIX}spent:' .. session
local today, today_open = '{PREFIX}day:' .. day, '{PREFIX}dayopen:' .. day
local wanted, fresh = 0, {{}}
for at = 7, #ARGV, 3 do
  if redis.call('HEXISTS', opened, ARGV[at]) == 0 then
    wanted = wanted + tonumber(ARGV[at + 1])
    fresh[#fresh + 1] = at
  end
end
if wanted > 0 and most ~= '' and tonumber(redis.call('GET', spent) or 0) + wanted > tonumber(most) + dust then
  return 'session'
end
if wanted > 0 and daily ~= '' and tonumber(redis.call('GET', today) or 0) + wanted > tonumber(daily) + dust then
  return 'day'
end
for _, at in ipairs(fresh) do
  redis.call('HSET', opened, ARGV[at], 'reserved|' .. ARGV[at + 1] .. '|' .. day .. '|' .. ARGV[at + 2])
  redis.call('INCRBY', spent, ARGV[at + 1])
  redis.call('INCRBY', today, ARGV[at + 1])
  redis.call('INCRBY', today_open, ARGV[at + 1])
end
for _, name in ipairs({{opened, spent, today, today_open}}) do redis.call('EXPIRE', name, ttl) end
return 'ok'
"""
MARK_SENT = f"""
local opened = '{PREFIX}open:' .. string.match(ARGV[1], '^[^:]*')
local value = redis.call('HGET', opened, ARGV[1])
if not value then return 0 end
redis.call('HSET', opened, ARGV[1], (string.gsub(value, '^reserved|', 'sent|')))
return 1
"""
CLOSE = f"""
local function close(id, paid)
  local session = string.match(id, '^[^:]*')
  local opened = '{PREFIX}open:' .. session
  local value = redis.call('HGET', opened, id)
  if not value then return false end
  local nano, day = string.match(value, '^%a+|(%d+)|([^|]*)|')
  redis.call('HDEL', opened, id)
  redis.call('DECRBY', '{PREFIX}dayopen:' .. day, nano)
  if paid ~= '' then
    local more = string.format('%.0f', tonumber(paid) - tonumber(nano))
    redis.call('INCRBY', '{PREFIX}spent:' .. session, more)
    redis.call('INCRBY', '{PREFIX}day:' .. day, more)
  end
  return value
end
"""
SETTLE = CLOSE + "return close(ARGV[1], ARGV[2])"
RELEASE_ALL = (
    CLOSE
    + f"""
if ARGV[3] ~= '' and redis.call('GET', ARGV[3]) ~= ARGV[4] then return end
for _, id in ipairs(redis.call('HKEYS', '{PREFIX}open:' .. ARGV[1])) do
  local value = redis.call('HGET', '{PREFIX}open:' .. ARGV[1], id)
  if string.sub(id, 1, #ARGV[2]) == ARGV[2] and string.match(value, '^reserved|') then close(id, '0') end
end
"""
)
CLOSE_LEFT = (
    CLOSE
    + f"""
local settled = {{}}
for _, id in ipairs(redis.call('HKEYS', '{PREFIX}open:' .. ARGV[1])) do
  local value = redis.call('HGET', '{PREFIX}open:' .. ARGV[1], id)
  if string.sub(id, 1, #ARGV[2]) == ARGV[2] then
    if string.match(value, '^reserved|') then
      close(id, '0')
    elseif redis.call('HEXISTS', '{PREFIX}drawn:' .. ARGV[1], id) == 0 then
      settled[#settled + 1] = close(id, '')
    end
  end
end
return settled
"""
)


class RedisAccounts:
    """The `Accounts` of many processes."""

    def __init__(self, link: RedisLink, *, daily_budget_usd: float | None, clock: Callable[[], datetime]) -> None:
        self._link = link
        self._daily_budget_usd = daily_budget_usd
        self._clock = clock

    def today(self) -> str:
        return self._clock().strftime("%Y-%m-%d")

    async def committed_today(self) -> float:
        """What all sessions together have spent and reserved today."""
        return _usd(await self._link.command("GET", f"{PREFIX}day:{self.today()}"))

    async def reserve(self, charges: list[Charge], *, max_cost_usd: float | None) -> None:
        if not charges:
            return
        [session_id] = {charge.session_id for charge in charges}
        today = self.today()
        rows: list[str | bytes | int | float] = []
        for charge in charges:
            body = CHARGE.dump_json(dataclasses.replace(charge, day=today))
            rows += [charge.charge_id, _nano(charge.amount_usd), body]
        most = "" if max_cost_usd is None else _nano(max_cost_usd)
        daily = "" if self._daily_budget_usd is None else _nano(self._daily_budget_usd)
        kept_for = int(SUMS_KEPT.total_seconds())
        answer = await self._link.run(RESERVE, [], [session_id, today, most, daily, _nano(CENT_DUST), kept_for, *rows])
        if answer == b"session":
            raise BudgetReached("The next picture could cost more than is left of max_cost_usd.")
        if answer == b"day":
            raise day_budget_reached(self._clock())

    async def check_day(self, wanted: float) -> None:
        if wanted <= 0 or self._daily_budget_usd is None:
            return
        day = self.today()
        spent, reserved = await self._link.command("MGET", f"{PREFIX}day:{day}", f"{PREFIX}dayopen:{day}")
        if _usd(spent) - _usd(reserved) + wanted > self._daily_budget_usd + CENT_DUST:
            raise day_budget_reached(self._clock())

    async def reserved(self, prefix: str) -> str | None:
        for charge in await self._open_of(prefix):
            if charge.state == "reserved":
                return charge.charge_id
        return None

    async def _open_of(self, prefix: str) -> list[Charge]:
        """The open charges that begin like this; `prefix` begins with a session's id."""
        values = await self._link.command("HGETALL", f"{PREFIX}open:{_session(prefix)}")
        return [_charge(value) for charge_id, value in values.items() if charge_id.startswith(prefix.encode())]

    async def may_return(self, session_id: str) -> bool:
        if self._daily_budget_usd is not None:
            return int(await self._link.command("GET", f"{PREFIX}dayopen:{self.today()}") or 0) > 0
        return bool(await self._link.command("HLEN", f"{PREFIX}open:{session_id}"))

    async def mark_sent(self, charge_id: str) -> None:
        if not await self._link.run(MARK_SENT, [], [charge_id]):
            raise KeyError(charge_id)

    async def settle(self, charge_id: str, cost_usd: float | None) -> Charge | None:
        known = cost_usd is not None and cost_usd <= MOST_A_CALL_COSTS
        paid = max(0.0, cost_usd) if cost_usd is not None and known else None
        value = await self._link.run(SETTLE, [], [charge_id, "" if paid is None else _nano(paid)])
        if value is None:
            return None
        charge = _charge(value)
        amount = charge.amount_usd if paid is None else paid
        return dataclasses.replace(charge, amount_usd=amount, state="settled", known=known)

    async def release(self, charge_id: str) -> None:
        await self.release_all(charge_id)

    async def release_all(self, prefix: str, fence: str = "") -> None:
        lock, _, token = fence.partition(" ")
        await self._link.run(RELEASE_ALL, [], [_session(prefix), prefix, lock, token])

    async def close_left(self, prefix: str) -> list[Charge]:
        values = await self._link.run(CLOSE_LEFT, [], [_session(prefix), prefix])
        return [dataclasses.replace(_charge(value), state="settled", known=False) for value in values]

    async def settled(self, session_id: str) -> float:
        spent = _usd(await self._link.command("GET", f"{PREFIX}spent:{session_id}"))
        return spent - sum(charge.amount_usd for charge in await self._open_of(f"{session_id}:"))


def _session(prefix: str) -> str:
    return prefix.partition(":")[0]


def _nano(usd: float) -> int:
    return round(usd * NANO)


def _usd(nano: bytes | None) -> float:
    return int(nano or 0) / NANO


def _charge(value: bytes) -> Charge:
    state, nano, _, body = value.split(b"|", 3)
    charge = CHARGE.validate_json(body)
    return dataclasses.replace(charge, amount_usd=int(nano) / NANO, state=cast(ChargeState, state.decode()))
