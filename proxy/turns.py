"""The only turn in the house: after a failure, the same target again, the next one, or the end of the road."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import msgspec

from adapters import ir
from policies.retries import Retries
from policies.retry_budget import is_free
from policies.verdict import Decision, Step, Target
from proxy.call import Call, Rejected


def _freely(_: Call, __: Target) -> str | None:
    """Nothing but the policy's own rules bounds a call's retries."""


class Turns:
    """Which target is next. Jitter spreads retries of many calls over time."""

    def __init__(self, call: Call, retries: Retries, again: Callable[[Call, Target], str | None] = _freely) -> None:
        """``again`` draws a retry from the budget of a target; its answer says why there is none."""
        self._call = call
        self._retries = retries
        self._again = again
        self._plan: Sequence[Target] = call.decision.plan if call.decision else ()
        self._at = 0
        self._tries = 1

    @property
    def target(self) -> Target:
        return self._plan[self._at]

    def skip(self, *, local: bool = False) -> bool:
        """On to the next target (``local``: to the next local one) although this one has not failed; False: there is
        none."""
        later = range(self._at + 1, len(self._plan))
        at = next((at for at in later if self._plan[at].local or not local), None)
        if at is None:
            return False
        self._at, self._tries = at, 1
        return True

    def follow(self, plan: Sequence[Target]) -> None:
        """The call was decided anew: begin with this plan."""
        self._plan, self._at, self._tries = plan, 0, 1

    async def after(self, failure: ir.Failure, *, bytes_sent: bool, elapsed: float) -> None:
        """Returns when ``target`` is to be tried; raises Rejected when the road ends here."""
        better = self._better(failure)
        step = self._step(failure, better is not None, bytes_sent=bytes_sent, elapsed=elapsed)
        if step.what == "stop":
            self._call.later = step.later
            raise Rejected(told(self._call, failure))
        if step.wait:
            await asyncio.sleep(step.wait)
            self._call.upstream_seconds += step.wait
        if step.what == "next" and better is not None:
            self._move(failure, better)
        else:
            self._tries += 1

    def _step(self, failure: ir.Failure, more: bool, *, bytes_sent: bool, elapsed: float) -> Step:
        """What the policy says, within the budget of the target that is to be asked again. The trace keeps it."""
        tried = self._call.attempts[-1] if self._call.attempts else None
        step = self._retries.after(
            failure,
            attempt=self._tries,
            bytes_sent=bytes_sent,
            more_targets=more,
            jitter=random.random(),  # noqa: S311 - jitter, not a secret
            elapsed=elapsed,
            asked_again=_bad(self._call) > 1,
            loading=self._call.snapshot.backends[self.target.backend].timeouts.load if self.target.local else None,
            begun=tried is not None and tried.upstream_status is not None,
        )
        sent = tried is not None and tried.sent is not None
        if step.what == "again" and sent and not is_free(failure):
            spent = self._again(self._call, self.target)
            step = step if spent is None else Step("stop", why=f"{failure.kind}, and {spent}")
        if step.what == "again":
            self._trace(f"{self.target.backend}: {step.why}, asked again after {step.wait:.3f} s")
        elif step.what == "stop":
            self._trace(f"{self.target.backend}: {step.why}")
        return step

    def _trace(self, line: str) -> None:
        if self._call.decision is not None:
            self._call.decision = _traced(self._call.decision, line)

    def _better(self, failure: ir.Failure) -> int | None:
        """The place in the plan of the first target after this one that may do better."""
        later = range(self._at + 1, len(self._plan))
        if failure.kind == "context_length":
            return next((at for at in later if roomier(self._plan[at], self.target)), None)
        return later[0] if later else None

    def _move(self, failure: ir.Failure, at: int) -> None:
        """To that target; the trace says where an overflow has led."""
        before, self._at, self._tries = self.target, at, 1
        if failure.kind == "context_length":
            self._trace(f"{before.backend}: context_length before the first byte, so on to {self.target.backend}")


def roomier(other: Target, than: Target) -> bool:
    """May ``other`` take more tokens? Where a context is unknown, it may."""
    more, less = other.upstream.capabilities.context, than.upstream.capabilities.context
    return more is None or less is None or more > less


def _traced(decision: Decision, line: str) -> Decision:
    return msgspec.structs.replace(decision, trace=(*decision.trace, line))


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
