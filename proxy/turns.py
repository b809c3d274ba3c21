"""The only turn in the house: after a failure, the same target again, the next one, or the end of the road."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import msgspec

from adapters import ir
from policies.retries import Retries
from policies.verdict import Target
from proxy.call import Call, Rejected


class Turns:
    """Which target is next. Jitter spreads retries of many calls over time."""

    def __init__(self, call: Call, retries: Retries) -> None:
        self._call = call
        self._retries = retries
        self._plan: Sequence[Target] = call.decision.plan if call.decision else ()
        self._at = 0
        self._tries = 1

    @property
    def target(self) -> Target:
        return self._plan[self._at]

    async def after(self, failure: ir.Failure, *, bytes_sent: bool, elapsed: float) -> None:
        """Returns when ``target`` is to be tried; raises Rejected when the road ends here."""
        step = self._retries.after(
            failure,
            attempt=self._tries,
            bytes_sent=bytes_sent,
            more_targets=self._at + 1 < len(self._plan),
            jitter=random.random(),  # noqa: S311 - jitter, not a secret
            elapsed=elapsed,
            asked_again=_bad(self._call) > 1,
        )
        if step.what == "stop":
            raise Rejected(told(self._call, failure))
        if step.wait:
            await asyncio.sleep(step.wait)
        if step.what == "next":
            self._at += 1
            self._tries = 1
        else:
            self._tries += 1


def _bad(call: Call) -> int:
    """How often this call was answered in another format than it asked for."""
    return sum(a.failure is not None and a.failure.kind == "bad_output" for a in call.attempts)


def told(call: Call, failure: ir.Failure) -> ir.Failure:
    """The failure as the client reads it: named for its backend, and for every one that was tried before."""
    message = failure.message
    tried = [f"{a.target.backend}: {a.failure.message}" for a in call.attempts if a.failure is not None]
    if tried and failure.kind not in ("invalid", "context_length", "unsupported", "bad_output"):
        message = f"No backend could answer. {'; '.join(dict.fromkeys(tried))}"
    return msgspec.structs.replace(failure, message=message)
