"""Judges whole answers by the rule's ``escalate`` before the client sees a byte, and keeps the best of the poor ones.

A poor answer moves the call on to its next target (decision D24). It is put by: where nobody else can answer, the
client gets it after all, for it is more than an error.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from adapters import ir
from policies.escalation.escalate import Confidence, Escalation, fault
from policies.verdict import Target
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.upstream.seam import UpstreamFailed

if TYPE_CHECKING:
    from proxy.pump import Opened


def rule_for(call: Call, target: Target) -> Escalation | None:
    """By what an answer of this target is judged; None: it is given as it is, as the last target's always is."""
    decision = call.decision
    rule = decision.terms.escalate if decision is not None and decision.terms is not None else None
    if decision is None or rule is None or not rule.on or call.api.dialect is None or call.api.counts is not None:
        return None
    if target.backend == decision.plan[-1].backend or not _readable(call):
        return None
    return rule


def _readable(call: Call) -> bool:
    """What only its own vendor can read passes unread, and unjudged."""
    try:
        call.request()
    except ir.Invalid:
        return False
    return True


def prepare(attempt: Attempt, request: ir.Request) -> ir.Request:
    """Station 7: asked for as a whole, and with log-probabilities where the rule looks at them and they can be told."""
    rule = attempt.escalation
    if rule is None:
        return request
    changed = msgspec.structs.replace(request, stream=False)
    if "logprob" not in rule.on or not attempt.upstream.capabilities.logprobs:
        return changed
    attempt.confidence = Confidence(strip=not (request.logprobs or request.top_logprobs))
    return msgspec.structs.replace(changed, logprobs=True)


def judge(call: Call, attempt: Attempt, reply: ir.Reply, opened: Opened) -> None:
    """Station 8: raises UpstreamFailed (``poor_answer``) for an answer that has one of the rule's signs."""
    if attempt.escalation is None:
        return
    mean = attempt.confidence.mean if attempt.confidence is not None else None
    sign = fault(reply, attempt.escalation, call.request(), mean=mean)
    if sign is None:
        return
    attempt.poor = opened
    raise UpstreamFailed(poor(attempt, sign))


def poor(attempt: Attempt, sign: str) -> ir.Failure:
    """Why this answer is not given; both legs stand in the ledger, this one with the flag ``poor_answer SIGN``."""
    attempt.flags.append(f"poor_answer {sign}")
    attempt.sign = sign
    return ir.Failure("poor_answer", 502, f"its answer was poor ({sign})", "server_error", "poor_answer")


def spare(call: Call) -> tuple[Attempt, Opened] | None:
    """The last poor answer that was put by, now that nobody gives a better one: it is the call's answer after all."""
    for attempt in reversed(call.attempts):
        if attempt.poor is not None:
            call.given, attempt.failure = attempt, None
            attempt.first_event = attempt.first_event or time.monotonic()
            return attempt, attempt.poor
    return None
