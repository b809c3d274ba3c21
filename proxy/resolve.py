"""Station 7, first half: what a dialect cannot know by itself is fetched before it writes (decision D7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from adapters import states
from adapters.dialect import Dialect
from proxy import escalating, judging
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.keep import known

if TYPE_CHECKING:
    from proxy.house import House


async def resolve(call: Call, attempt: Attempt, house: House) -> None:
    """Sets what is written (``attempt.request``) and what it points at (``attempt.fetched``)."""
    if attempt.exact:
        return
    upstream = attempt.upstream
    attempt.fitted = call.fitted(attempt.backend, upstream)
    request = escalating.prepare(attempt, await judging.prepare(call, attempt, attempt.fitted.request))
    ids = states.wanted(request, upstream)
    kept = await known(call, ids, house)
    attempt.request, attempt.removed = states.give_back(request, upstream, kept, call.unseal)
    needs = cast(Dialect, attempt.wire).needs(attempt.request, upstream)
    missing = [need for need in needs if need not in call.fetched]
    if missing:
        rules = call.snapshot.config.media
        call.fetched |= await house.media.fetch(missing, rules, restricted=call.restricted)
    attempt.fetched = call.fetched
