"""Station 8 for a count: the backend's own, and where it has none, our estimate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import cast

from adapters.counting import Counter
from adapters.relay import Whole
from policies.facts import estimate_input
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.pump import Opened, overhear, send
from proxy.upstream.seam import Engine, Outgoing, UpstreamFailed

_NO_ENDPOINT = frozenset((404, 405, 501))
"""How servers without a counting endpoint answer."""


async def count(call: Call, attempt: Attempt, outgoing: Outgoing, engine: Engine) -> Opened:
    """As ``pump.send``; sets ``attempt.estimated`` where nobody else counted."""
    if isinstance(attempt.wire, Counter):
        try:
            return await send(call, attempt, outgoing, engine)
        except UpstreamFailed as error:
            if call.api.tokenizes or error.failure.upstream_status not in _NO_ENDPOINT:
                raise
    attempt.estimated = True
    wire = cast(Counter, call.api.wire)
    body = wire.write_answer(estimate_input(call.request()))
    whole = Whole(wire, wire, call.echo(attempt), body, exact=True)
    overhear(attempt, whole)
    return Opened(_Nobody(), whole=whole)


class _Nobody:
    """The answer of a backend that was not asked, or had none."""

    status = 200
    headers: Mapping[str, str] = {}

    async def chunks(self) -> AsyncIterator[bytes]:
        return
        yield b""

    async def close(self) -> None:
        return
