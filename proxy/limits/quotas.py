"""The quotas of one backend at its vendor, as a worker keeps them: leased like limits, paced, corrected by answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from adapters import ir
from adapters.ratelimits import Meter, told
from policies.limits.limit import Limit
from policies.limits.vendors import Bucket, Pace, Told, bucket
from proxy.attempt import Attempt
from proxy.breakers import Breakers
from proxy.call import Call
from proxy.gates import Shut
from proxy.limits.drawing import question
from proxy.limits.purse import Purse
from proxy.limits.settling import nothing_came
from proxy.limits.stake import Hold, Stake
from proxy.state.memory import Key

if TYPE_CHECKING:
    from proxy.house import House

_AWAY = 1.0
"""Seconds after which a home that is away is asked again."""
_SOON = 0.5
"""The same where nobody can tell when something is free."""


class Part(Struct):
    """One meter of one call: what it is expected to use, and what stands behind that."""

    meter: Meter
    limit: Limit
    stake: Stake
    amount: int
    hold: Hold | None = None


class Asked(Struct):
    """What one attempt uses of its backend's quotas."""

    parts: list[Part]
    quotas: Quotas
    heard: bool = False

    def hear(self, headers: Mapping[str, str]) -> None:
        """The head of its answer is there."""
        self.quotas.hear(self, headers)


class Quotas:
    """``now`` everywhere: monotonic seconds."""

    def __init__(self, purse: Purse, breakers: Breakers, key: Key) -> None:
        """``key``: under which others are told what the vendor has said (``breakers.quota_key``)."""
        self._purse = purse
        self._breakers, self._key = breakers, key
        self._paces: dict[Meter, Pace] = {}
        self._told: dict[Meter, Told] = {}
        self._sent: dict[Meter, int] = {}
        """On the way to the vendor: no answer has come that knows of it."""

    async def asks(self, call: Call, attempt: Attempt, house: House) -> Asked:
        """What this attempt is expected to use; a request is read for it where tokens are counted."""
        quotas = attempt.backend.quotas
        uses: dict[Meter, int] = {"requests": 1}
        if any(limit.kind == "tokens" for limit in quotas):
            size = call.drawn.question if call.drawn is not None else None
            if size is None:
                size = await house.in_turn(call.body, partial(question, call, house))
            uses |= {"tokens": size.tokens, "input_tokens": size.input, "output_tokens": size.tokens - size.input}
        parts = []
        for limit in quotas:
            meter = _meter(limit)
            stake = self._purse.stake(limit, call.snapshot.generation)
            parts.append(Part(meter, limit, stake, min(uses[meter], limit.amount)))
        return Asked(parts, self)

    def shut(self, asked: Asked, now: float) -> Shut | None:
        """What of it cannot be had now; the one that takes longest."""
        closed = self._breakers.closings.get(self._key, now)
        if now < closed:
            return self._refused(asked, asked.parts[0], closed - now, "it has said so itself")
        waits = [(self._wait(part, now), part) for part in asked.parts]
        wait, part = max(waits, key=lambda each: each[0])
        return None if wait <= 0 else self._refused(asked, part, wait, "")

    async def refill(self, asked: Asked) -> None:
        """Ask the home of the pots for what this worker has no lease for."""
        now = self._purse.monotonic()
        for part in asked.parts:
            part.stake.used_at = now
            if not part.stake.can(part.amount, now) and self._paced(part, now) <= 0:
                await self._purse.more(part.stake, part.amount)

    def take(self, asked: Asked, now: float) -> None:
        """It goes out now."""
        for part in asked.parts:
            stake, amount = part.stake, part.amount
            stake.open += 1
            stake.used_at = now
            if part.meter == "requests":
                stake.take(amount)
            else:
                part.hold = stake.hold(amount)
            self._paces[part.meter] = self._pace(part.meter).spent(amount, self._bucket(part), now)
            self._sent[part.meter] = self._sent.get(part.meter, 0) + amount
            known = self._told.get(part.meter)
            if known is not None:
                self._told[part.meter] = replace(known, spent=known.spent + amount)

    def hear(self, asked: Asked, headers: Mapping[str, str]) -> None:
        """What the vendor says with the head of an answer is of a moment at which it knew of this attempt, and perhaps
        of none that is still on its way."""
        self._arrived(asked)
        words = told(headers, time.time())
        now = self._purse.monotonic()
        for meter, word in words.items():
            remaining = max(word.remaining - self._sent.get(meter, 0), 0)
            self._told[meter] = Told(remaining, now, word.limit, word.reset)

    def leave(self, attempt: Attempt, asked: Asked) -> None:
        """It has ended: what it really used counts, once."""
        self._arrived(asked)
        failure = attempt.failure
        if failure is not None and failure.kind == "limited" and failure.retry_after is not None:
            self._breakers.leave_alone(self._key, failure.retry_after)
        attempt.asked = None
        for part in asked.parts:
            part.stake.open -= 1
            if part.hold is not None:
                part.stake.release(part.hold)
                part.stake.spend(_used(attempt, part))
            elif attempt.sent is None:
                part.stake.untake(part.amount)

    def _arrived(self, asked: Asked) -> None:
        if not asked.heard:
            asked.heard = True
            for part in asked.parts:
                self._sent[part.meter] -= part.amount

    def _wait(self, part: Part, now: float) -> float:
        """Seconds until this may go out, as far as is known; 0: now."""
        paced = self._paced(part, now)
        stake = part.stake
        if paced > 0 or stake.can(part.amount, now):
            return paced
        if self._purse.till(stake).away is not None:
            return self._alone(part)
        return stake.left(part.amount - max(stake.free, 0)).frees or _SOON

    def _paced(self, part: Part, now: float) -> float:
        known = self._told.get(part.meter)
        if known is not None and known.fresh(now):
            return known.wait(part.amount, _active(part.stake), now)
        return self._pace(part.meter).wait(part.amount, self._bucket(part), now)

    def _alone(self, part: Part) -> float:
        """While the home of the pots is away each worker keeps to its part."""
        holders = max(_active(part.stake), self._purse.workers)
        left = part.stake.left_of(max(part.limit.amount // holders, 1))
        return 0.0 if part.amount <= left.left else left.frees or _AWAY

    def _bucket(self, part: Part) -> Bucket:
        active = _active(part.stake)
        return bucket(part.limit.amount, holders=max(active, self._purse.workers), active=active)

    def _pace(self, meter: Meter) -> Pace:
        return self._paces.get(meter, Pace())

    def _refused(self, asked: Asked, part: Part, wait: float, why: str) -> Shut:
        """Told by what its vendor allows, how much of it is left, and when there is more."""
        unit = part.meter.replace("_", " ")
        size = f"the quota of its vendor is {part.limit.amount:,} {unit} per minute"
        need = "" if part.amount == 1 else f", this call may use {part.amount:,}"
        reason = f" ({why})" if why else ""
        message = f"{size}, and no more can be sent now{reason}{need}. It resets in {wait:.3g} s."
        failure = ir.Failure("shed", 429, message, part.limit.kind, "backend_quota", retry_after=max(wait, 0.001))
        each = max(part.amount, 1) * 60 / part.limit.amount
        return Shut(failure, "quota", after=max(wait, 0.005), each=each)


def _active(stake: Stake) -> int:
    """Who draws from this pot, as last heard: whoever has sent nothing for a while is not counted."""
    return stake.standing.holders if stake.standing is not None else 1


def _meter(limit: Limit) -> Meter:
    return limit.name.rpartition("/")[2]  # type: ignore[return-value]


def _used(attempt: Attempt, part: Part) -> int:
    """Tokens that the vendor counts; what was expected where nobody has told. Anthropic counts no cached input."""
    usage = attempt.usage
    if usage is None or usage.input is None:
        return 0 if nothing_came(attempt) else part.amount
    cached = (usage.cached or 0) if attempt.upstream.family == "anthropic" else 0
    read, said = max(usage.input - cached, 0), usage.output or 0
    return {"tokens": read + said, "input_tokens": read, "output_tokens": said}.get(part.meter, 0)
