"""Keeps a thread at the backend that answered it: while a tool call is open, or while a move would cost more."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from adapters import ir
from policies.forecast import expected
from policies.pricing import Price, cost, dollars
from policies.verdict import Arranged, Target

if TYPE_CHECKING:
    from policies.facts import Facts
    from policies.moment import Moment

Sticky: TypeAlias = Literal["never", "tool_loop", "conversation"]

SHORT, LONG = 300.0, 3600.0
"""Seconds that a vendor's prompt cache lasts after it was last read, and where it was paid for to last an hour."""
BRIEF = 100
"""Tokens of the answer to a simple question, such as a conversation would move down for; our own figure."""


class Answered(Struct, frozen=True, array_like=True):
    """What is remembered of a thread's last answer: nothing of what was said."""

    backend: str
    at: float
    """Seconds since 1970."""
    cached_tokens: int | None = None
    lasts: float | None = None


class Home(Struct, frozen=True, kw_only=True):
    """Where a thread was answered last."""

    backend: str
    age: float
    """Seconds since then."""
    cached_tokens: int | None = None
    """Tokens of the prompt that its cache held or was given then; None: unknown."""
    lasts: float | None = SHORT
    """Seconds that its cache keeps them; None: until something else takes their place."""
    answers_calls: bool = False
    """This request brings the results of tools that it called."""


def answered(target: Target, usage: ir.Usage | None, at: float) -> Answered:
    """What is to be remembered of an answer of ``target`` at ``at`` (seconds since 1970).

    A vendor that tells its cache writes keeps what was read and written; any other is taken to keep the whole prompt,
    as OpenAI, Gemini and local servers do with prefixes. Those that keep nothing have no rate for it, and nothing to
    lose.
    """
    told = usage or ir.Usage()
    held = told.input if told.cache_write is None else told.cache_write + (told.cached or 0)
    lasts = LONG if told.cache_write_1h else SHORT
    return Answered(target.backend, at, held, None if target.local else lasts)


def home(last: Answered, now: float, *, answers_calls: bool) -> Home:
    """The same, as it looks to the thread's next request. ``now``: seconds since 1970."""
    age = max(now - last.at, 0.0)
    return Home(
        backend=last.backend,
        age=age,
        cached_tokens=last.cached_tokens,
        lasts=last.lasts,
        answers_calls=answers_calls,
    )


def stays(
    targets: Sequence[Target], facts: Facts, moment: Moment, mode: Sticky, late: Collection[str] = ()
) -> Arranged:
    """The targets in the order in which they are to be tried, the thread's home first where it is to stay.

    ``targets`` are those that are able, in the order that the rule wants. With ``tool_loop`` a thread stays while its
    request answers tool calls; with ``conversation`` also as long as a move to the target that the rule prefers would
    not pay (or nobody knows what it would cost). From a local home it may always move up to the cloud, and from one
    that is among the ``late`` to whoever is not. The note tells the outcome with its numbers.
    """
    known = moment.home
    matters = mode == "conversation" or (mode == "tool_loop" and known is not None and known.answers_calls)
    if known is None or not matters or not targets:
        return Arranged(tuple(targets))
    arranged = _arranged(targets, facts, moment, known, late)
    return msgspec.structs.replace(arranged, facts={**arranged.facts, **_kept_of(known)})


def _arranged(targets: Sequence[Target], facts: Facts, moment: Moment, known: Home, late: Collection[str]) -> Arranged:
    here = next((each for each in targets if each.backend == known.backend), None)
    if here is None:
        return _moved(targets, known, "unable", _why_not(known, moment))
    if here is targets[0]:
        return _kept(targets, here, "first", "the rule prefers it, too")
    if known.answers_calls:
        return _kept(targets, here, "tool_loop", "this request answers its tool calls")
    if here.local and not targets[0].local:
        return _moved(targets, known, "upgrade", "from a local model to the cloud a thread may always move")
    if here.backend in late:
        return _moved(targets, known, "busy", f"{here.backend} is too busy to begin in time")
    return _weighed(targets, here, facts, moment, known)


def _why_not(known: Home, moment: Moment) -> str:
    if moment.health.get(known.backend) == "down":
        return f"{known.backend} is down"
    return f"{known.backend} is not among those that can serve this request here"


def _weighed(targets: Sequence[Target], here: Target, facts: Facts, moment: Moment, known: Home) -> Arranged:
    """Does it pay to move to the first target?"""
    other = targets[0]
    mine, theirs = moment.price(here), moment.price(other)
    if mine is None or theirs is None:
        whose = here if mine is None else other
        return _kept(targets, here, "unpriced", f"the price of {whose.backend} is unknown")
    if facts.request is None or (known.cached_tokens is None and not _gone(known)):
        return _kept(targets, here, "unpriced", "the cost of a move is unknown")
    bill = _bill(facts, known, mine, theirs)
    if bill is None:
        return _kept(targets, here, "unpriced", "a rate that a move needs is unknown")
    saved, lost = bill
    told = f"moving to {other.backend} saves {dollars(saved)} and loses {dollars(lost)} of cache reads"
    if saved > lost:
        return _moved(targets, known, "pays", told)
    return _kept(targets, here, "dearer", told)


def _gone(known: Home) -> bool:
    """Has the vendor forgotten the prompt by now?"""
    return known.lasts is not None and known.age > known.lasts


def _bill(facts: Facts, known: Home, mine: Price, theirs: Price) -> tuple[int, int] | None:
    """Nano-dollars that this request is cheaper at the other target, and what its return would cost at home.

    At home the cached tokens are read; elsewhere nothing is. What is not read is written, at the rate that the sheet
    has for that. The loss: what was cached must be written once more when the thread comes back.
    """
    usage = _expected(facts)
    tokens = usage.input or 0
    held = 0 if _gone(known) else min(known.cached_tokens or 0, tokens)
    stay = cost(ir.Usage(input=tokens, cached=held, cache_write=tokens - held, output=usage.output), mine)
    move = cost(ir.Usage(input=tokens, cache_write=tokens, output=usage.output), theirs)
    read = cost(ir.Usage(input=held, cached=held, output=0), mine)
    write = cost(ir.Usage(input=held, cache_write=held, output=0), mine)
    if stay is None or move is None or read is None or write is None:
        return None
    return stay - move, max(write - read, 0)


def _expected(facts: Facts) -> ir.Usage:
    limit = facts.request.max_output_tokens if facts.request is not None else None
    if facts.value("class") == "simple":
        limit = BRIEF if limit is None else min(limit, BRIEF)
    return expected(facts.input_tokens, limit)


def _kept(targets: Sequence[Target], here: Target, code: str, why: str) -> Arranged:
    rest = tuple(each for each in targets if each is not here)
    return Arranged((here, *rest), (f"stays at {here.backend}: {why}",), _told(here.backend, code))


def _moved(targets: Sequence[Target], known: Home, code: str, why: str) -> Arranged:
    note = f"moves from {known.backend} to {targets[0].backend}: {why}"
    return Arranged(tuple(targets), (note,), _told(known.backend, code))


def _told(backend: str, code: str) -> Mapping[str, Any]:
    return {"home": backend, "stay": code}


def _kept_of(known: Home) -> Mapping[str, Any]:
    """What it takes to decide the same again (``recalled``): age, tokens held, how long they are, open tool calls."""
    lasts = None if known.lasts is None else int(known.lasts)
    return {"home_is": [int(known.age), known.cached_tokens, lasts, int(known.answers_calls)]}


def recalled(kept: Mapping[str, Any]) -> Home | None:
    """The home of a thread from the facts of its row; None where none mattered."""
    if "home" not in kept or "home_is" not in kept:
        return None
    age, cached, lasts, calls = kept["home_is"]
    return Home(backend=kept["home"], age=age, cached_tokens=cached, lasts=lasts, answers_calls=bool(calls))
