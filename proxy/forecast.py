"""What one target would be sent, and what that would probably cost: worked out by the live code, with nothing sent."""

from __future__ import annotations

import time
from typing import cast

import msgspec
from msgspec import Struct

from adapters import ir, states
from adapters.dialect import Dialect
from policies import forecast
from policies.facts import estimate_input
from policies.moment import Moment
from policies.verdict import Target
from proxy import escalating
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.write import begin, worded


class Forecast(Struct, frozen=True, kw_only=True):
    """One target of a plan. Unknown is None."""

    backend: str
    model: str
    local: bool
    dialect: str
    exact: bool
    """The client's bytes would pass unread, but for their top level."""
    input_tokens: int | None = None
    """Estimated by script, not by a tokenizer."""
    output_tokens: int | None = None
    cost_nano_usd: int | None = None
    effort: str | None = None
    dropped: tuple[str, ...] = ()
    path: str | None = None
    body: msgspec.Raw | None = None
    """The JSON that would be sent."""
    unwritten: str | None = None
    """Why there is no body: what would have to be fetched first, or why it cannot be written."""


def forecast_of(call: Call, target: Target, moment: Moment) -> Forecast:
    """For a call that is decided and whose attempts are nobody's but ours."""
    attempt = begin(call, target, time.monotonic())
    usage = _usage(call)
    found = Forecast(
        backend=target.backend,
        model=target.upstream.model,
        local=target.local,
        dialect=attempt.wire.name,
        exact=attempt.exact,
        input_tokens=usage.input if usage is not None else None,
        output_tokens=usage.output if usage is not None else None,
        cost_nano_usd=forecast.expected_cost(usage, moment.price(target)) if usage is not None else None,
    )
    try:
        missing = _prepared(call, attempt)
        if missing:
            return msgspec.structs.replace(found, unwritten=f"{missing} link(s) would be fetched first")
        written = worded(call, attempt)
    except ir.Invalid as error:
        return msgspec.structs.replace(found, unwritten=str(error))
    return msgspec.structs.replace(
        found,
        effort=attempt.effort,
        dropped=tuple(dict.fromkeys(named.name for named in attempt.dropped)),
        path=written.path,
        body=msgspec.Raw(written.body),
    )


def _usage(call: Call) -> ir.Usage | None:
    if call.api.dialect is None or call.api.counts is not None:
        return None
    request = call.request()
    return forecast.expected(estimate_input(request), request.max_output_tokens)


def _prepared(call: Call, attempt: Attempt) -> int:
    """What station 7 does before it writes, without what only the store and the network can tell; the answer is how
    many links are missing for want of them."""
    if attempt.exact:
        return 0
    attempt.fitted = call.fitted(attempt.backend, attempt.upstream)
    request = escalating.prepare(attempt, attempt.fitted.request)
    attempt.request, attempt.removed = states.give_back(request, attempt.upstream, {}, call.unseal)
    return len(cast(Dialect, attempt.wire).needs(attempt.request, attempt.upstream))
