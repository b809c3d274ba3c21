"""The eleven stations, top to bottom: the picture of the README, as code.

 1 DOOR    endpoints/door.py   headers and body bytes (bounded)             -> Call
 2 NAME    keys.py             headers only, before the body is parsed      -> Caller | 401
 3 READ    call.py             bytes -> head (model, stream); the rest when somebody asks
 4 DECIDE  decide.py           rules, class, capabilities, health           -> Plan and its trace | 403 404
 5 CACHE   looked up once, by the plan (opens with the response cache)
 6 DRAW    state/memory.py     a place at the backend
 7 WRITE   write.py            Request, Upstream, Context                   -> what goes out
 8 SEND    pump.py             open, wait for the first meaningful event    -> an answer | Failure
     ^---- turns.py: again -> 8 | next target -> 6: the only turn in the house
 9 RELAY   pump.py             bytes -> bytes ======================> client (usage overheard)
10 SETTLE  settle.py           tokens and money, exactly once
11 RECORD  ledger/             one row per attempt, committed while the pump still holds the end
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from proxy import answers, pump
from proxy.call import Attempt, Call
from proxy.decide import decide
from proxy.house import House
from proxy.line import Line
from proxy.turns import Turns
from proxy.upstream.seam import UpstreamFailed
from proxy.write import begin, write


async def walk(call: Call, house: House, line: Line) -> None:
    """Stations 2 to 11. Raises Rejected or ir.Invalid when the road ends with an error for the client."""
    call.caller = house.name(call.headers, call.peer)
    call.read_head()
    decide(call, available=house.available(call), now=datetime.now(UTC))
    attempt, opened = await _turning(call, house, line)
    try:
        if opened.whole is not None:
            await _answer_whole(call, attempt, opened, house, line)
        else:
            await _answer_stream(call, attempt, opened, house, line)
    finally:
        house.left(attempt, None)
        await opened.answer.close()


async def _turning(call: Call, house: House, line: Line) -> tuple[Attempt, pump.Opened]:
    """Stations 6, 7 and 8, until a target answers."""
    turns = Turns(call, house.retries(call))
    while True:
        attempt = begin(call, turns.target, time.monotonic())
        failure = house.enter(attempt)
        if failure is None:
            try:
                return attempt, await pump.send(call, attempt, write(call, attempt), house.engine)
            except UpstreamFailed as error:
                failure = error.failure
            except BaseException:
                house.left(attempt, None)
                raise
            house.left(attempt, failure)
        attempt.failure, attempt.ended = failure, time.monotonic()
        await turns.after(failure, bytes_sent=line.opened, elapsed=time.monotonic() - call.started)


async def _answer_whole(call: Call, attempt: Attempt, opened: pump.Opened, house: House, line: Line) -> None:
    assert opened.whole is not None  # noqa: S101 - the walk has looked
    attempt.ended = time.monotonic()
    call.status = 200
    house.left(attempt, None, answered=True)
    house.record(call)
    await line.answer(200, answers.whole_headers(call, time.monotonic()), opened.whole.body)


async def _answer_stream(call: Call, attempt: Attempt, opened: pump.Opened, house: House, line: Line) -> None:
    if not line.opened:
        call.status = 200
        call.committed = True
        await line.open_stream(answers.headers(call))

    def settle() -> None:
        call.failure = attempt.failure
        house.left(attempt, attempt.failure, answered=True)
        house.record(call)

    await pump.relay(call, attempt, opened, line, settle=settle)
