"""Station 6: limits are drawn once a call, money for each target; what is too dear is limited, left out or refused."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from adapters import ir
from policies.facts import estimate_input
from policies.limits import refusing
from policies.limits.limit import Limit
from policies.limits.reserving import Question, Size, affordable
from policies.verdict import Target
from proxy.call import Call, Rejected
from proxy.condense import trace
from proxy.limits.charging import Charge, Unpriced, charge
from proxy.limits.drawn import UNFUNDED, Drawn, Funded
from proxy.limits.purse import Need, Short
from proxy.limits.settling import nothing_came, release
from proxy.limits.stake import Stake
from proxy.turns import Turns

if TYPE_CHECKING:
    from proxy.house import House

_MARGIN = 1.25
_MORE = 50
"""Our estimate of a question is rough: it is taken for so many times as long, and so many tokens more."""
_BYTES = 3
"""Of a token, in a body that nobody here can read."""
_LEGACY = 16
"""Tokens of a legacy completion that says nothing of its length."""
_COUNTED = msgspec.json.Decoder(int)


async def look(call: Call, house: House) -> None:
    """Station 4, first half: how full the caller's budgets are, before a rule asks."""
    if call.caller.limits:
        budgets = house.purse.wallet(call.caller.limits, call.snapshot.generation).budgets
        if budgets:
            await house.purse.heard(budgets)


async def draw(call: Call, turns: Turns, house: House) -> None:
    """Returns when ``turns.target`` may be asked. Raises Rejected: 429 with the limit that stands in the way, 503 where
    nobody can say what is left."""
    if not call.caller.limits:
        return
    drawn = call.drawn
    if drawn is None:
        drawn = _open(call, house)
        await _rates(call, drawn, house)
    if drawn.budgets and call.api.counts is None:
        await _fund(call, turns, drawn, house)


async def draw_again(call: Call, house: House) -> None:
    """A kept answer is given again: it is a request, and uses nothing else. Raises Rejected."""
    if call.caller.limits:
        drawn = _open(call, house)
        drawn.outright = True
        needs = [(stake, 1) for stake in drawn.stakes if stake.limit.kind == "requests"]
        await house.purse.draw(needs)
        drawn.rates = needs


def _open(call: Call, house: House) -> Drawn:
    purse = house.purse
    wallet = purse.wallet(call.caller.limits, call.snapshot.generation)
    drawn = call.drawn = Drawn(wallet)
    now = purse.monotonic()
    for stake in drawn.stakes:
        stake.open += 1
        stake.used_at = now
    return drawn


# --- limits --------------------------------------------------------------------------------------------------------


async def _rates(call: Call, drawn: Drawn, house: House) -> None:
    """Helper calls are part of a request that was counted already; a count is a request, and no more."""
    helps, counts = call.parent_id is not None, call.api.counts is not None
    tokens = 0
    if not counts and drawn.measured:
        drawn.question = await house.in_turn(call.body, partial(question, call, house))
        tokens = drawn.question.tokens
    needs: list[Need] = []
    for stake in drawn.stakes:
        match stake.limit.kind:
            case "tokens" if not counts:
                needs.append((stake, min(tokens, stake.limit.amount)))
            case "requests" if not helps:
                needs.append((stake, 1))
            case "parallel" if not helps and not counts:
                needs.append((stake, 1))
    await house.purse.draw(needs)
    drawn.rates = needs


def question(call: Call, house: House) -> Question:
    """What the call asks, as far as it can be known before anybody has answered."""
    if call.api.dialect is None:
        told = 0 if call.api.name == "embeddings" else _limit_of(call)
        return Question(round(len(call.body) / _BYTES), told, whole=True)
    try:
        request = call.request()
    except ir.Invalid:  # only its own vendor can read it, so that nothing in it can be changed
        return Question(round(len(call.body) / _BYTES), whole=True)
    alias, outputs = call.head.model, house.purse.outputs
    if outputs.lacks(alias):
        house.errands.post(partial(house.purse.past.outputs, outputs, alias))
    tokens = round(estimate_input(request) * _MARGIN) + _MORE
    return Question(tokens, request.max_output_tokens, outputs.usual(alias), max(request.n or 1, 1))


def _limit_of(call: Call) -> int:
    """Of a legacy completion."""
    try:
        return max(_COUNTED.decode(call.top["max_tokens"]), 0) if "max_tokens" in call.top else _LEGACY
    except msgspec.MsgspecError:
        return _LEGACY


# --- money ---------------------------------------------------------------------------------------------------------


async def _fund(call: Call, turns: Turns, drawn: Drawn, house: House) -> None:
    """Money for the next attempt, at the first target from here on that can be paid for."""
    _move_on(call, drawn)
    number = len(call.attempts) + 1
    while True:
        target = turns.target
        try:
            drawn.funded[number] = funded = await _paid(call, target, drawn, house)
        except Unpriced as error:
            trace(call, f"{target.backend} left out: {error}")
            if not turns.skip():
                house.purse.refused("usd")
                raise Rejected(_nobody(target, error)) from None
        except Short as short:
            await _stay_home(call, turns, short, house)
        else:
            _limit(call, drawn, funded.cap)
            return


def _move_on(call: Call, drawn: Drawn) -> None:
    """The attempt before this one has cost nothing, as far as anybody can say: what was held for it is free again."""
    last = call.attempts[-1] if call.attempts else None
    if last is not None and last.usage is None and nothing_came(last):
        release(drawn.funded.pop(last.number, UNFUNDED))


async def _paid(call: Call, target: Target, drawn: Drawn, house: House) -> Funded:
    """Raises Unpriced, Short and Rejected."""
    counting = [stake for stake in drawn.budgets if _counts(stake, target)]
    if not counting or drawn.question is None:
        return UNFUNDED
    can = target.upstream.capabilities
    size = drawn.question.at(can.max_output or can.context)
    charged = await charge(call, target, size, counting, house)
    lenient = [stake for stake in counting if _lenient(stake, target)]
    strict = [stake for stake in counting if stake not in lenient]
    funds = await house.purse.fund(strict, lenient, charged.owed)
    return Funded(funds.holds, funds.strict, charged.price, _cap(funds.most, size, charged))


def _cap(most: int | None, size: Size, charged: Charge) -> int | None:
    """Tokens that the answer may have, where that is less than it might have anyhow."""
    if most is None or charged.price is None or most >= charged.owed.worst:
        return None
    return affordable(most, size, charged.price)


def _counts(stake: Stake, target: Target) -> bool:
    """Does this budget count what the target costs?"""
    terms = stake.limit.budget
    return terms is not None and not (terms.counts == "cloud" and target.local)


def _lenient(stake: Stake, target: Target) -> bool:
    """Does it count this target, but refuse it nothing?"""
    terms = stake.limit.budget
    return terms is not None and (terms.on_exhausted == "policy" or (terms.on_exhausted == "local" and target.local))


async def _stay_home(call: Call, turns: Turns, short: Short, house: House) -> None:
    """A budget that has not enough left allows local targets all the same, where it says so: those of the plan, else
    those of another decision. Raises Rejected."""
    limit = short.stake.limit
    left = short.stake.left(short.need - max(short.stake.free, 0))
    before = turns.target.backend
    if limit.budget is None or limit.budget.on_exhausted != "local" or not await _at_home(call, turns, limit, house):
        house.purse.refused("usd")
        raise Rejected(refusing.refusal(left, short.need, house.purse.clock()))
    trace(call, f"{before} left out: too little is left of the budget of {refusing.owner(limit)}")


async def _at_home(call: Call, turns: Turns, limit: Limit, house: House) -> bool:
    """On to a local target, if there is one."""
    if turns.skip(local=True):
        return True
    if call.spent is not None or call.parent_id is not None:
        return False
    call.spent = f"the budget of {refusing.owner(limit)} is spent"
    try:
        await house.in_turn(call.body, partial(house.decide, call))
    except Rejected:
        return False
    turns.follow(call.decision.plan if call.decision is not None else ())
    return turns.target.local


def _nobody(target: Target, error: Unpriced) -> ir.Failure:
    message = f"Nobody may answer this request: {target.backend} is left out, for {error}."
    return ir.Failure("quota", 429, message, "insufficient_quota", "insufficient_quota")


def _limit(call: Call, drawn: Drawn, cap: int | None) -> None:
    """The answer may be so long and no longer; None: as long as the client has asked for."""
    drawn.cap = cap
    if cap is None and not drawn.limited:
        return
    if not drawn.limited:
        drawn.limited, drawn.unlimited = True, call.request().max_output_tokens
    call.change({"max_output_tokens": drawn.unlimited if cap is None else cap}, only_missing=False)
