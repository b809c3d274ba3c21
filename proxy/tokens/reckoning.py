"""Station 9, at the answer's last word: how much of it was reasoning is found out, and the end written that tells it.

What the upstream reports is believed where it can be (``policies.reasoning``). Else the reasoning is counted beside the
loop, and the end waits for that no longer than ``timeouts.count_wait`` (decision D4): past it the split is an estimate,
and the row is raised when the count comes after all.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from adapters import ir
from adapters.providers import MESSAGES
from adapters.relay import StreamRelay, Whole
from adapters.texts import Texts
from policies import reasoning
from proxy.attempt import Attempt
from proxy.call import Call

if TYPE_CHECKING:
    from proxy.child import Ride
    from proxy.house import House
    from proxy.pump import Opened

MOST = 400_000
"""Characters of an answer that are kept to be counted; the split of a longer one is estimated."""


_TEXT: frozenset[ir.Channel] = frozenset({"text"})
_RAW: dict[str, frozenset[ir.Channel]] = {MESSAGES: frozenset({"summary"})}
"""Dialect -> where servers that show what they really think tell it; Anthropic's has one word for both."""


class Counted(Struct, frozen=True):
    """Tokens of an answer's reasoning, and of the whole answer where the upstream did not tell them."""

    reasoning: int
    output: int | None = None


def texts_for(attempt: Attempt) -> Texts | None:
    """What keeps the texts of this attempt's answer; None where nobody could count them. Bytes that pass unread report
    for themselves."""
    if attempt.exact or attempt.backend.tokenizer is None:
        return None
    return Texts(MOST, raw=_RAW.get(attempt.upstream.dialect, _TEXT))


def expect(attempt: Attempt, opened: Opened, house: House) -> None:
    """A stream has begun to think: what counts is made ready."""
    machine = opened.relay
    if machine is not None and machine.texts is not None and machine.thinks:
        house.counting.expect(attempt.backend, house)


async def reckon(call: Call, attempt: Attempt, opened: Opened, house: House, ride: Ride) -> None:
    """Sets the attempt's reasoning split, and writes the end of its answer with it."""
    machine = opened.whole or opened.relay
    assert machine is not None  # noqa: S101 - whatever was opened has one of them
    if call.api.counts is not None or attempt.failure is not None:
        machine.release()
        return
    attempt.ended = attempt.ended or time.monotonic()
    found = await _counted(call, attempt, machine, house, ride)
    if found is not None and found.output is not None:
        attempt.usage_counted = True
        attempt.usage = msgspec.structs.replace(attempt.usage or ir.Usage(), output=found.output)
    tokens, source = reasoning.split(
        attempt.usage, attempt.reasoning_chars, attempt.answer_chars, None if found is None else found.reasoning
    )
    attempt.reasoning_tokens, attempt.reasoning_source = tokens, source
    machine.release(None if source in (None, "reported") else _told(attempt, tokens))


def _told(attempt: Attempt, tokens: int | None) -> ir.Usage:
    """What the client is told beside the upstream's own usage."""
    output = attempt.usage.output if attempt.usage is not None and attempt.usage_counted else None
    return ir.Usage(output=output, reasoning=tokens)


async def _counted(
    call: Call, attempt: Attempt, machine: StreamRelay | Whole, house: House, ride: Ride
) -> Counted | None:
    """None: there is nothing to be counted, nobody can, or not in time."""
    texts = _texts(attempt, machine)
    if texts is None or not house.counting.able(attempt.backend):
        return None
    limit = attempt.usage.output if attempt.usage is not None else None
    thoughts, others = texts.thoughts(), texts.others() if limit is None else []
    waited = asyncio.get_running_loop().create_future()

    async def errand() -> None:
        found: Counted | None = None
        try:
            counts = await house.counting.count(call, attempt, [*thoughts, *others], house, ride)
            if counts is not None:
                found = Counted(sum(counts[: len(thoughts)]), sum(counts) if limit is None else None)
        finally:
            if not waited.done():
                waited.set_result(found)
            elif found is not None and limit is not None:
                house.ledger.amend(call.id, attempt.number, reasoning.bounded(found.reasoning, limit))

    return await _in_time(waited, call) if house.errands.post(errand) else None


def _texts(attempt: Attempt, machine: StreamRelay | Whole) -> Texts | None:
    """The answer's texts, where its reasoning or its output must be counted and can be. Reasoning of which there are
    only summaries cannot."""
    texts, usage = machine.texts, attempt.usage
    if texts is None or not texts.whole:
        return None
    if usage is not None and usage.output is not None:
        asked = machine.reasoning_chars > 0 and not reasoning.believable(usage, machine.reasoning_chars)
        return texts if asked and usage.output > 0 and texts.thoughts() else None
    said = machine.answer_chars + machine.reasoning_chars > 0
    return texts if said and (texts.thoughts() or not machine.reasoning_chars) else None


async def _in_time(waited: asyncio.Future[Counted | None], call: Call) -> Counted | None:
    limit = call.snapshot.config.timeouts.count_wait
    try:
        async with asyncio.timeout(limit if limit < math.inf else None):
            return await waited
    except TimeoutError:
        return None
