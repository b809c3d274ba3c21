"""What to do after a failure, as a table: try again, take the next target, or stop."""

from __future__ import annotations

from msgspec import Struct

from adapters import ir
from policies.verdict import Step

_MOVES = frozenset(
    {
        "unreachable",
        "timeout",
        "interrupted",
        "overloaded",
        "shed",
        "upstream_error",
        "bad_response",
        "limited",
        "quota",
        "upstream_auth",
        "not_found",
        "poor_answer",
        "context_length",
    }
)
"""Failures of this upstream: another one may do better."""

_PASSES = frozenset({"overloaded", "limited", "upstream_error", "unreachable"})
"""Failures that time mends: with no other target left, the same one is asked again."""

PATIENCE = 120.0
"""Seconds for which a client may be sent to wait: OpenAI's SDK waits no longer, and Anthropic's would for hours."""


class Retries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often and how patiently. ``base``, ``cap`` and ``deadline`` in seconds; ``deadline`` None: no limit."""

    attempts: int = 2
    """Tries at one target, the first included."""
    base: float = 0.2
    cap: float = 5.0
    deadline: float | None = None
    """No new try starts later than this after the request came in."""

    def after(  # noqa: PLR0913 - all that the next step depends on, by name
        self,
        failure: ir.Failure,
        *,
        attempt: int,
        bytes_sent: bool,
        more_targets: bool,
        jitter: float = 0.0,
        elapsed: float = 0.0,
        asked_again: bool = False,
        loading: float | None = None,
        begun: bool = False,
    ) -> Step:
        """The next step after try number ``attempt`` (the first is 1) at this target.

        ``bytes_sent``: the client has seen a byte of the answer. ``asked_again``: for a better answer, which is done
        once for each call; an answer that is judged is not told before it is good. ``more_targets``: one is left
        that may do better; after ``context_length`` one that may take a longer request. ``loading``: seconds for which
        a model that is being loaded is waited for, when no other target is left.
        ``begun``: the upstream had begun to answer, so that asking it again would be paid for twice.
        ``jitter`` in 0..1 is the share of the growing wait that is waited (AWS's full jitter), beside what a
        Retry-After asks for; ``elapsed`` is the age of the request in seconds.
        """
        if failure.kind == "bad_output" and not asked_again and not self._late(elapsed):
            return Step("again", why="the answer has not the format that was asked for")
        if failure.code == ir.LOADING and not more_targets and loading is not None and elapsed < loading:
            return self._waited(failure, attempt, jitter, elapsed)
        if bytes_sent and failure.kind != "poor_answer":
            return Step("stop", why="the answer has begun")
        if self._late(elapsed):
            why = f"{failure.kind}: the retry deadline of {self.deadline:g} s has passed"
            return Step("stop", why=why, later=_is_for_clients(failure))
        if failure.kind not in _MOVES:
            return Step("stop", why=f"{failure.kind} would fail anywhere")
        if more_targets:
            return Step("next", why=failure.kind)
        if failure.kind not in _PASSES and (failure.kind != "interrupted" or begun):
            return Step("stop", why=f"{failure.kind}, and no target is left")
        return self._again(failure, attempt, jitter, elapsed)

    def _late(self, elapsed: float) -> bool:
        return self.deadline is not None and elapsed >= self.deadline

    def _again(self, failure: ir.Failure, attempt: int, jitter: float, elapsed: float) -> Step:
        step = self._waited(failure, attempt, jitter, elapsed)
        if attempt < self.attempts or step.later:
            return step
        return Step("stop", why=f"{failure.kind} after {attempt} tries, and no target is left")

    def _waited(self, failure: ir.Failure, attempt: int, jitter: float, elapsed: float) -> Step:
        told, later = failure.retry_after or 0.0, _is_for_clients(failure)
        if told > self.cap:
            why = f"{failure.kind}: retry-after {told:g} s is over the cap of {self.cap:g} s"
            return Step("stop", why=why, later=later)
        wait = min(self.cap, told + min(self.cap, self.base * 2 ** min(attempt - 1, 30)) * jitter)
        if self.deadline is not None and elapsed + wait >= self.deadline:
            why = f"{failure.kind}: a wait of {wait:.1f} s would pass the retry deadline"
            return Step("stop", why=why, later=later)
        return Step("again", wait, failure.kind)


def _is_for_clients(failure: ir.Failure) -> bool:
    """Has it named a time that a client may wait?"""
    return failure.retry_after is not None and 0 < failure.retry_after <= PATIENCE
