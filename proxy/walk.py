"""The eleven stations, top to bottom: the picture of the README, as code.

 1 DOOR    endpoints/door.py   headers and body bytes (bounded)             -> Call
 2 NAME    keys.py keyring.py  headers only, before the body is parsed      -> Caller | 401
 3 READ    call.py, recall.py  bytes -> head (model, stream); the stored thread; the rest when somebody asks
           bodies.py           Content-Encoding undone, bounded, now that the caller has a name
 4 DECIDE  around.py decide.py rules, class, health, load, budget           -> Plan and its trace | 403 404
 5 CACHE   cache.py            looked up once, by the plan                  -> hit: 10 | miss
 6 DRAW    condense.py limits/ old turns shortened where it pays; limits and money drawn from leases -> 429
           gates.py            a place at the backend and in its vendor's quotas, or a turn in its queue -> 429 503
 7 WRITE   resolve.py write.py what must be fetched; Request, Upstream, Context -> what goes out
 8 SEND    pump.py             open, wait for the first meaningful event    -> an answer | Failure
     ^---- turns.py: again -> 8 | next target -> 6: the only turn in the house
 9 RELAY   pump.py             bytes -> bytes ======================> client (usage overheard)
10 SETTLE  tokens/ keep.py     reasoning counted; what must outlive the call stored
           settle.py bill.py   tokens and money, draws corrected, exactly once
11 RECORD  ledger/             one row per attempt, committed while the pump still holds the end
"""

from __future__ import annotations

import time
from functools import partial

from adapters import ir
from proxy import answers, escalating
from proxy.around import look_around
from proxy.attempt import Attempt
from proxy.bodies import decoded
from proxy.cache import cached, keep_answer
from proxy.call import Call, Rejected
from proxy.condense import condense
from proxy.count import count
from proxy.house import House
from proxy.keep import keep
from proxy.limits.drawing import draw
from proxy.line import Line
from proxy.pump import Opened, relay_stream, send
from proxy.recall import recall
from proxy.resolve import resolve
from proxy.tokens.reckoning import expect, reckon
from proxy.turns import Turns
from proxy.upstream.seam import UpstreamFailed
from proxy.write import begin, write


async def walk(call: Call, house: House, line: Line) -> None:
    """Stations 2 to 11; the door is station 1. Raises Rejected or ir.Invalid where the road ends with an error."""
    await house.enter(call)  # 2 NAME
    call.body = await decoded(call.body, call.headers, call.snapshot.config.server.max_body)  # 3 READ
    await house.in_turn(call.body, call.read_head)
    await recall(call, house)
    await look_around(call, house)  # 4 DECIDE
    await house.in_turn(call.body, lambda: house.decide(call))
    async with cached(call, house, line) as hit:  # 5 CACHE
        if not hit:
            await ride(call, house, line)


async def ride(call: Call, house: House, line: Line) -> None:
    """Stations 6 to 11, for a call that is decided; helper calls begin here. Raises Rejected or ir.Invalid."""
    await condense(call, house, ride)
    try:
        await _try(call, house, line)
    except (Rejected, ir.Invalid):
        poor = escalating.spare(call)
        if poor is None:
            raise
        await _relay(call, *poor, house, line)


async def _try(call: Call, house: House, line: Line) -> None:
    """One target after the other, until one of them answers. Raises Rejected or ir.Invalid where none does."""
    turns = Turns(call, house.retries(call), house.again)
    while True:
        await draw(call, turns, house)  # 6 DRAW
        attempt = begin(call, turns.target, time.monotonic())
        try:
            await house.gates.enter(call, attempt)
            with house.draw(attempt):
                await resolve(call, attempt, house)
                outgoing = await house.in_turn(call.body, partial(write, call, attempt))  # 7 WRITE
                ask = send if call.api.counts is None else count
                opened = await ask(call, attempt, outgoing, house.engine)  # 8 SEND
                await _relay(call, attempt, opened, house, line)  # 9 RELAY, 10 SETTLE, 11 RECORD
            return
        except UpstreamFailed as error:
            await turns.after(error.failure, bytes_sent=line.opened, elapsed=time.monotonic() - call.started)


async def _relay(call: Call, attempt: Attempt, opened: Opened, house: House, line: Line) -> None:
    """From the first event on: nothing is tried again, and the end waits for its row."""

    async def end() -> None:
        await reckon(call, attempt, opened, house, ride)
        await keep(call, attempt, opened, house)
        house.settle(call, attempt)
        keep_answer(call, attempt, opened, house)

    try:
        if opened.whole is not None:
            call.status = 200
            await end()
            await line.answer(200, answers.whole_headers(call, time.monotonic()), opened.whole.body)
            return
        if not line.opened:
            call.status, call.committed = 200, True
            await line.open_stream(answers.headers(call))
        expect(attempt, opened, house)
        await relay_stream(attempt, opened, line, end=end)
    finally:
        await opened.answer.close()
