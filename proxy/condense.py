"""Station 6, before the first draw: old turns are shortened by a cheap model where that pays (a child call)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from policies.condensing import abridging
from policies.condensing.condensable import Piece, replaced
from policies.condensing.condense import Condensing
from policies.condensing.shortening import Shortening, batches, condense_plan
from policies.moment import Moment
from policies.text import estimate_tokens
from policies.verdict import Target
from proxy.call import Call
from proxy.child import HelperFailed, Ride, ask, barriers
from proxy.state.condensed import Condensed

if TYPE_CHECKING:
    from proxy.house import House

PURPOSE = "condense"


async def condense(call: Call, house: House, ride: Ride) -> None:
    """Changes the request of a call whose rule says ``condense`` and whose guard finds that it pays."""
    terms = _terms(call)
    if terms is None:
        return
    moment = house.moment(call)
    found = await house.in_turn(call.body, lambda: predict(call, moment, house.condensed))
    if found is None or not found.pieces:
        return
    began = time.monotonic()
    texts = await _shortened(call, house, found, terms, ride)
    call.upstream_seconds += time.monotonic() - began
    _change(call, found, {**found.known, **texts})


def predict(call: Call, moment: Moment, remembered: Condensed) -> Shortening | None:
    """Decides what is to be done and puts in what was shortened before; its numbers stand in the call's trace.
    ``turnout explain`` runs it, too, for nobody is asked. None: nothing is to be done with this call."""
    found = _planned(call, moment, remembered)
    if found is not None:
        trace(call, found.told)
        if not found.pieces:
            _change(call, found, found.known)
    return found


def _planned(call: Call, moment: Moment, remembered: Condensed) -> Shortening | None:
    """None: the rule does not ask for it, or the call's own first target is one that shortens."""
    terms, decision = _terms(call), call.decision
    if terms is None or decision is None or decision.plan[0].backend in {each.backend for each in terms.by}:
        return None
    classes = _classes(call)

    def able(target: Target) -> str | None:
        barred = next((o.why for o in barriers(decision, classes, terms.by) if target.backend not in o.backends), None)
        return barred or moment.available(target)

    return condense_plan(
        call.request(),
        moment,
        terms,
        decision.plan[0],
        owner=call.caller.tenant,
        able=able,
        known=lambda key: remembered.get(key, classes),
        skill=lambda target: remembered.share(target.backend, time.monotonic()),
    )


def _terms(call: Call) -> Condensing | None:
    decision = call.decision
    if decision is None or decision.terms is None or not decision.plan:
        return None
    return decision.terms.condense if call.api.dialect is not None and call.api.counts is None else None


def _classes(call: Call) -> frozenset[str]:
    return call.inherited | (call.decision.data_class if call.decision is not None else frozenset())


async def _shortened(call: Call, house: House, found: Shortening, terms: Condensing, ride: Ride) -> Mapping[str, str]:
    """Key -> what may stand in the place of each piece that was asked about; none for those nobody has answered."""
    assert found.by is not None  # noqa: S101 - whoever has pieces has somebody who shortens them
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(_asked(call, house, batch, found.by, terms, ride))
            for batch in batches(found.pieces, found.by)
        ]
    classes = _classes(call)
    texts = {key: text for task in asked for key, text in task.result().items()}
    for key, text in texts.items():
        house.condensed.put(key, text, classes)
    return texts


async def _asked(
    call: Call, house: House, pieces: Sequence[Piece], by: Target, terms: Condensing, ride: Ride
) -> Mapping[str, str]:
    question = abridging.question(call.head.model, pieces, terms.to)
    try:
        reply = await ask(call, house, question, (by,), purpose=PURPOSE, within=terms.timeout, ride=ride)
    except HelperFailed as failed:
        trace(call, f"condense: {by.backend} did not shorten it ({failed})")
        return {}
    texts = await asyncio.to_thread(abridging.answers, reply, pieces)
    left = sum(estimate_tokens(text) if (text := texts[piece.key]) else piece.tokens for piece in pieces)
    house.condensed.observe(by.backend, left / sum(piece.tokens for piece in pieces), time.monotonic())
    return texts


def _change(call: Call, found: Shortening, texts: Mapping[str, str]) -> None:
    """The request with these texts, and what header, row and trace tell of it."""
    assert found.conversation is not None  # noqa: S101 - made with it
    done = [(piece, texts[piece.key]) for piece in found.conversation.pieces if texts.get(piece.key)]
    kept = sum(texts.get(piece.key) == "" for piece in found.pieces)
    if kept:
        trace(call, f"condense: {kept} text(s) stay as they are, for the shorter ones lost or invented something")
    if not done:
        return
    messages = replaced(call.request(), {piece.place: text for piece, text in done})
    call.change({"messages": messages}, only_missing=False)
    before, after = sum(piece.tokens for piece, _ in done), sum(estimate_tokens(text) for _, text in done)
    call.condensed = f"{before}>{after}"
    call.flags.append(f"condensed {call.condensed}")


def trace(call: Call, line: str) -> None:
    """One more line in the trace of a call that is decided."""
    if call.decision is not None:
        call.decision = msgspec.structs.replace(call.decision, trace=(*call.decision.trace, line))
