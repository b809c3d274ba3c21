"""Where a thread was answered before: found out for station 4, remembered at station 10.

A thread is known by the stored turn that it goes on from, by the name that its client gives it (``x-turnout-session``,
``prompt_cache_key``), else by how it began. Of all that only a keyed hash is kept. Conversations that share a name, or
their first words, are told apart as soon as that is possible: by the first question under a common name, by the first
answer (or the id of its first tool call) where there is no name.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from adapters import threads
from adapters.threads import Marks
from policies.rules.book import PIN
from policies.sticky import Answered, Home, Sticky, answered, home
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.state.store import Store, StoreFailed

if TYPE_CHECKING:
    from proxy.house import House

SESSION = "x-turnout-session"
"""The header in which a client names its thread."""
MOST = 20_000
"""Names that one worker remembers, some 300 bytes each; those that were not heard of for longest are forgotten."""
_RESULTS = 8
"""Tool calls of one answer by whose ids it is looked for: it is remembered by its first."""
_TOOLS = ("tools", "functions")
Names: TypeAlias = tuple[bytes, ...]
_encode = msgspec.json.Encoder().encode


class Threads:
    """The memory of one worker; of all of them, through ``store``, where there are several.

    The kernel deals connections out to workers as it likes, so that the next request of a thread may come to one that
    has not seen it. A look into our own memory takes a microsecond; the store's thread, SQLite and the lock that its
    writers share take some hundred times that, which a single worker need not pay.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str, bytes], Answered] = OrderedDict()

    async def find(self, tenant: str, names: Names) -> Answered | None:
        """Who answered last, by the first name that is known. Raises StoreFailed."""
        if self._store is not None:
            return await self._store.thread_home(tenant, names)
        return next((found for name in names if (found := self._kept.get((tenant, name))) is not None), None)

    async def keep(self, tenant: str, names: Names, last: Answered) -> None:
        """Remember it under each of these names. Raises StoreFailed."""
        if self._store is not None:
            await self._store.keep_thread(tenant, names, last)
            return
        for name in names:
            self._kept[tenant, name] = last
            self._kept.move_to_end((tenant, name))
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)


async def home_of(call: Call, house: House) -> Home | None:
    """Where the thread of this call was answered before; None: it is new, nobody remembers, or it does not matter.
    Sets ``call.thread``, by which its own answer is to be remembered."""
    if _mode(call) == "never":
        return None
    marks = await house.in_turn(call.body, lambda: threads.marks(call.top))
    if marks is None:
        return None
    last = call.recalled
    if last is None:
        kept, asked = _names(call, marks, house)
        call.thread = kept if call.api.counts is None else ()
        last = await _found(call, asked, house)
    return None if last is None else home(last, time.time(), answers_calls=bool(marks.results))


async def remember(call: Call, attempt: Attempt, house: House) -> None:
    """Keep who answered, before the end of the answer is released: the next request may come at once. Raises
    StoreFailed."""
    names = call.thread
    if call.opener is not None and attempt.call is not None:
        names = (*names, _hash(call, house, call.opener, attempt.call))
    if names:
        await house.threads.keep(call.caller.tenant, names, last_answer(attempt))


def last_answer(attempt: Attempt) -> Answered:
    """What is remembered of it."""
    return answered(attempt.target, attempt.usage, time.time())


def _mode(call: Call) -> Sticky:
    """The most stickiness that this call may meet. Without tools there is no loop to keep together, and neither is
    anything looked at nor remembered: the default policy's plain chats pay nothing."""
    found = call.snapshot.route(call.head.model)
    if call.api.dialect is None or found is None or call.head.model.startswith(PIN):
        return "never"
    route, tools = call.turned(found), any(name in call.top for name in _TOOLS)
    if not tools and route.policy is None and route.override is None and not call.caller.policy:
        return "never"
    mode = call.snapshot.book.sticky(route, call.caller)
    return "never" if mode == "tool_loop" and not tools else mode


def _names(call: Call, marks: Marks, house: House) -> tuple[Names, Names]:
    """The names under which the answer is to be remembered, and those under which the last one may have been, the one
    that fits this thread alone first. Sets ``call.opener``."""
    named = call.headers.get(SESSION) or threads.session(call.top)
    if named:
        both = _hash(call, house, named, marks.question), _hash(call, house, named)
        return both, both
    if not marks.question:
        return (), ()
    wide = _hash(call, house, marks.system, marks.question)
    if not marks.answer:
        call.opener = _hash(call, house, marks.question) if call.api.counts is None else None
        return (wide,), ()
    exact = _hash(call, house, marks.question, marks.answer)
    calls = [id_ for id_ in marks.results[:_RESULTS] if id_]
    opener = _hash(call, house, marks.question) if calls else b""
    return (exact, wide), (exact, *(_hash(call, house, opener, id_) for id_ in calls), wide)


def _hash(call: Call, house: House, *told: object) -> bytes:
    """Threads of two aliases are two: their policies are."""
    return house.seals.name(call.caller.tenant, _encode((call.head.model, *told)))


async def _found(call: Call, names: Names, house: House) -> Answered | None:
    """A memory that cannot be read is told to the operator; the thread then counts as new."""
    if not names:
        return None
    try:
        return await house.threads.find(call.caller.tenant, names)
    except StoreFailed as error:
        house.telemetry.store_failed(call.id, "read", str(error))
        return None
