"""Station 5: an answer that was given before, given again; and calls that ask the same at the same time ask once.

The first client's bytes pass as they would without a cache; what is kept is overheard: the hub's events, so that a
whole answer may be told as a stream and a stream as a whole. What only the vendor's own bytes could say (fields that
the hub has no place for) the first client has and a later one has not.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from adapters import failures, ir, recording
from adapters.dialect import Dialect
from adapters.relay import StreamRelay
from policies import caching
from policies.caching import Caching, Wish
from proxy import answers
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.limits.drawing import draw_again
from proxy.line import Line
from proxy.pump import Opened
from proxy.state.answers import Flight, Kept, Lookup, fresh

if TYPE_CHECKING:
    from proxy.house import House


@asynccontextmanager
async def cached(call: Call, house: House, line: Line) -> AsyncIterator[bool]:
    """Yields True when the client has its answer already; else the body asks a backend, and what comes is kept.

    Of calls that ask the same at the same time the first one leads. The others wait until it has its end, and go their
    own way, all at once, where that brings no answer for them."""
    found = call.cache = await house.in_turn(call.body, lambda: look(call, house.answers.largest))
    if found is None:
        yield False
        return
    try:
        kept = await _kept(call, found, house)
        house.telemetry.cached(found.told.partition(";")[0])
        if kept is not None:
            await draw_again(call, house)
            await _tell(call, kept, house, line)
        yield kept is not None
    finally:
        _leave(found, house)


def look(call: Call, largest: int) -> Lookup | None:
    """What this call may have to do with the cache; None where no rule asks for it. ``largest``: bytes of an answer
    that may be kept."""
    rule = rule_of(call)
    if rule is None:
        return None
    why = bypass(call, rule)
    if why is not None:
        return Lookup(f"bypass; {why}")
    # What a client has asked anew is kept all the same, for the next one.
    return Lookup("" if _wish(call).look else "bypass; no-cache", _key(call), largest)


def rule_of(call: Call) -> Caching | None:
    """What the rules say of the cache."""
    terms = call.decision.terms if call.decision is not None else None
    return terms.cache if terms is not None else None


def bypass(call: Call, rule: Caching) -> str | None:
    """Why this call's answer is neither looked for nor kept, in a word; None: it is. Pure: ``explain`` asks, too.

    ``thread``: it goes on from a stored turn. ``own-key``: the backend takes the caller's own key, and nobody here
    could say whether the next caller's is any good. ``unread``: only the vendor can read this request."""
    if not _wish(call).keep:
        return "no-store"
    if call.api.dialect is None or call.api.counts is not None:
        return call.api.name
    if call.previous_response_id is not None:
        return "thread"
    plan = call.decision.plan if call.decision is not None else ()
    if any(call.snapshot.backends[target.backend].from_client for target in plan):
        return "own-key"
    try:
        return caching.bypass(call.request(), call.api.name, rule)
    except ir.Invalid:
        return "unread"


def passed_by(call: Call, rule: Caching) -> str | None:
    """Why no kept answer is looked for: as ``bypass`` says, or the client asks for a new one, which then is kept."""
    return bypass(call, rule) or (None if _wish(call).look else "no-cache")


def _wish(call: Call) -> Wish:
    return caching.wish(call.headers.get("cache-control", ""))


def _key(call: Call) -> bytes:
    decision = call.decision
    assert decision is not None  # noqa: S101 - its rule asks for the cache
    return caching.key(
        call.top,
        call.request(),
        tenant=call.caller.tenant,
        data_class=call.data_class,
        alias=call.head.model,
        api=call.api.name,
        policy_hash=decision.policy_hash,
        rule=decision.rule,
        headers={name: call.headers.get(name, usual) for name, usual in call.api.wire.request_headers.items()},
    )


# --- looked for ----------------------------------------------------------------------------------------------------


async def _kept(call: Call, found: Lookup, house: House) -> Kept | None:
    """The answer for this call: kept, or the one of the call that asks the same right now. Sets what is told of it, and
    makes this call the leader where there is none."""
    if found.told or found.key is None:
        return None
    kept = _fitting(call, house.answers.find(found.key))
    if kept is None:
        flight = house.answers.flights.get(found.key)
        if flight is not None:
            kept = _fitting(call, await _landed(call, found, flight))
        else:
            found.flight = house.answers.flights[found.key] = Flight()
    found.kept = kept
    found.told = "miss" if kept is None else f"hit; age={int(kept.age(time.monotonic()))}"
    return kept


def _fitting(call: Call, kept: Kept | None) -> Kept | None:
    """Not one that is too old, nor one of a backend that this decision would not ask: a rule, a guard, another model
    under the same name may have come between."""
    rule, decision = rule_of(call), call.decision
    if kept is None or rule is None or decision is None or kept.target not in decision.plan:
        return None
    return kept if fresh(kept, rule, _wish(call), time.monotonic()) else None


async def _landed(call: Call, found: Lookup, flight: Flight) -> Kept | None:
    """What the leader brings; None where that takes longer than this call's own answer might."""
    assert call.decision is not None  # noqa: S101 - as above
    limit = call.snapshot.backends[call.decision.plan[0].backend].timeouts.total
    found.waits, began = True, time.monotonic()
    try:
        async with asyncio.timeout(limit if limit < math.inf else None):
            await flight.over.wait()
    except TimeoutError:
        return None
    finally:
        found.waits = False
        call.upstream_seconds += time.monotonic() - began
    return flight.kept


def _leave(found: Lookup, house: House) -> None:
    """The leader is through, well or not: who still waits need not."""
    if found.flight is not None and found.key is not None:
        del house.answers.flights[found.key]
        found.flight.land(None)


# --- told ----------------------------------------------------------------------------------------------------------


async def _tell(call: Call, kept: Kept, house: House, line: Line) -> None:
    """The answer in the mode that this client asked for; its row stands before its end is released (D3)."""
    call.cached_from, call.status = kept.request_id, 200
    if call.head.stream:
        await _stream(call, kept, house, line)
        return
    body = await house.in_turn(kept.events, lambda: _dialect(call).write_response(_reply(kept), _echo(call, kept)))
    house.record(call)
    await line.answer(200, answers.whole_headers(call, time.monotonic()), body)


async def _stream(call: Call, kept: Kept, house: House, line: Line) -> None:
    dialect = _dialect(call)
    machine = StreamRelay(dialect, dialect, _echo(call, kept), exact=False)
    ready = await house.in_turn(kept.events, lambda: machine.replay(_events(kept)))
    call.committed = True
    if not line.opened:
        await line.open_stream(answers.headers(call))
    await line.write(ready)
    house.record(call)
    await line.write(machine.tail)
    await line.close()


def _dialect(call: Call) -> Dialect:
    assert call.api.dialect is not None  # noqa: S101 - others pass the cache by
    return call.api.dialect


def _reply(kept: Kept) -> ir.Reply:
    return ir.collect(_events(kept))


def _events(kept: Kept) -> list[ir.Event]:
    return [_dated(event) for event in recording.decode(kept.events)]


def _dated(event: ir.Event) -> ir.Event:
    return msgspec.structs.replace(event, at=int(time.time())) if isinstance(event, ir.Ended) else event


def _echo(call: Call, kept: Kept) -> ir.Echo:
    shown = call.head.model
    if call.snapshot.config.server.response_model == "upstream":
        shown = kept.target.upstream.model
    return ir.Echo(
        call.seed,
        call.started_at // 1000,
        shown,
        call.request(),
        kept.effort,
        mirror=call.mirror,
        reasoning_field=call.reasoning_field,
    )


# --- kept ----------------------------------------------------------------------------------------------------------


def keep_answer(call: Call, attempt: Attempt, opened: Opened, house: House) -> None:
    """Station 10: the whole answer is in the cache, and those who wait for it have it, before its end is released.
    One that has a flag (it was poor, or its prompt was cut) is nothing to give again."""
    found, rule = call.cache, rule_of(call)
    if found is None or found.key is None or rule is None or attempt.recording is None:
        return
    if attempt.failure is not None or attempt.flags:
        return
    for event in opened.whole.events if opened.whole is not None else ():
        attempt.recording.hear(event)
    events = attempt.recording.events()
    choices = call.request().n or 1
    if caching.unfit(ir.collect(events), choices, failures.PAUSES) is not None:
        return
    now = time.monotonic()
    kept = Kept(
        request_id=call.id,
        at=now,
        until=now + rule.ttl,
        target=attempt.target,
        model=attempt.model or attempt.upstream.model,
        effort=attempt.effort,
        dropped=attempt.dropped_names,
        condensed=call.condensed,
        finish=attempt.finish,
        usage=_bare(attempt.usage),
        events=recording.encode(events),
    )
    house.answers.put(found.key, kept)
    if found.flight is not None:
        found.flight.land(kept)


def _bare(usage: ir.Usage | None) -> ir.Usage | None:
    """Without what its vendor told beside the counts, which nobody would bound."""
    return None if usage is None else msgspec.structs.replace(usage, extras={})
