"""Stations 10 and 11: what each attempt cost, and one row for each, before the client sees the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from adapters import ir
from policies import reasoning
from policies.tariff import tier_of
from policies.verdict import Decision
from proxy import attribution, bill
from proxy.attempt import Attempt
from proxy.bill import Missing
from proxy.call import Call
from proxy.ledger import parts
from proxy.ledger.record import Outcome, UsageRecord, clean, code_of, pack_facts
from proxy.state.answers import Kept

if TYPE_CHECKING:
    from proxy.prices import Prices


_NOTHING = ir.Usage(input=0, output=0, cached=0, reasoning=0, total=0)
"""What a count spends, and an attempt that nobody took or that was answered with an error: no vendor charges for it,
and nothing is generated."""
_CHARACTERS = 4
"""To a token, about, of what was said before a stream broke off."""
_CUT_SHORT = frozenset({"interrupted", "timeout"})
"""Failures that come between an upstream and its last word; after an error of its own it has none to say."""


def settle(call: Call, prices: Prices, *, missing: Missing) -> None:
    """Tokens and money of every attempt, and what the baseline would have charged. Unknown stays None, and ``missing``
    is told what and why."""
    for attempt in call.attempts:
        told = attempt.usage is not None
        if told:
            _so_far(attempt)
        if attempt.usage is not None and attempt.reasoning_source is None:
            attempt.reasoning_tokens, attempt.reasoning_source = reasoning.split(
                attempt.usage, attempt.reasoning_chars, attempt.answer_chars
            )
        bill.charge(call, attempt, prices, missing)
        if call.api.counts is not None if attempt.usage is not None else bill.unbilled(attempt):
            attempt.usage, attempt.reasoning_tokens, attempt.reasoning_source = _NOTHING, 0, None
        if not told:
            # Only now: without its input it has no cost, and no price is missing.
            _so_far(attempt)
    bill.compare(call, prices)


def _so_far(attempt: Attempt) -> None:
    """A stream that its client left, or that broke off: the upstream's last word on its output never came, and what it
    told at the start is not what was said. The more of the two: else whoever left in time would have it for nothing."""
    if not attempt.streamed or attempt.finish is not None:
        return
    said = (attempt.answer_chars + attempt.reasoning_chars) // _CHARACTERS
    usage, failure = attempt.usage or ir.Usage(), attempt.failure
    if said > (usage.output or 0) and (failure is None or failure.kind in _CUT_SHORT):
        attempt.usage = msgspec.structs.replace(usage, output=said, total=None)
        attempt.flags.append("output_estimated")


def rows(call: Call, now: float) -> list[UsageRecord]:
    """One row per attempt; a call that no backend was asked for has one row with attempt 0."""
    if call.cache is not None and call.cache.kept is not None:
        return [_of_kept(_row(call, None, now, _outcome(call, None)), call, call.cache.kept, now)]
    if not call.attempts:
        return [_row(call, None, now, "denied" if call.outcome is None else _outcome(call, None))]
    return [_row(call, attempt, now, _outcome(call, attempt)) for attempt in call.attempts]


def _outcome(call: Call, attempt: Attempt | None) -> Outcome:
    """How this attempt ended; only the one whose answer the client gets can have ended the call."""
    if attempt is not None and attempt is not call.attempt:
        return "fallback"
    if call.outcome == "cancelled":
        return "cancelled"
    if call.failure is None and (attempt is None or attempt.failure is None):
        return "ok"
    return "interrupted" if call.committed else "error"


def _row(call: Call, attempt: Attempt | None, now: float, outcome: Outcome) -> UsageRecord:
    decision, below = call.decision, attribution.of(call)
    answered = outcome == "ok" and call.parent_id is None
    row = UsageRecord(
        request_id=call.id,
        client_request_id=call.client_request_id,
        parent_id=call.parent_id,
        purpose=call.purpose,
        cached_from=call.cached_from,
        attempt=attempt.number if attempt is not None else 0,
        started_at=call.started_at,
        tenant=call.caller.tenant,
        key_id=call.caller.key_id,
        alias=call.head.model or None,
        api=call.api.name,
        stream=call.head.stream,
        status=call.status,
        outcome=outcome,
        generation=call.snapshot.generation,
        policy=decision.policy if decision else None,
        policy_hash=decision.policy_hash if decision else None,
        rule=decision.rule if decision else None,
        cls=decision.cls if decision else None,
        decision_reason=decision.reason if decision else None,
        facts=pack_facts(decision.facts) if decision else None,
        trace="\n".join(decision.trace) if decision else None,
        error_code=code_of(call.failure),
        error_message=_kept_message(call, call.failure),
        baseline=call.baseline if call.api.counts is None else None,
        baseline_nano_usd=call.baseline_cost if answered else None,
        user=below.user,
        session=below.session,
        tags=below.tags,
        flags=", ".join(_overridden(decision)) or None,
    )
    return row if attempt is None else _of_attempt(row, call, attempt, now)


def _kept_message(call: Call, failure: ir.Failure | None) -> str | None:
    """What is kept of an error. An upstream's own words may quote the prompt, so that they are kept only where content
    may be captured; the client has been told them."""
    if failure is None:
        return None
    if failure.upstream_status is None or call.snapshot.config.telemetry.capture_content:
        return clean(failure.message)
    return f"the backend's answer was an error (HTTP {failure.upstream_status})"


def _millis(seconds: float) -> float:
    """Milliseconds, to the microsecond; ``round`` would take twice as long."""
    return int(seconds * 1_000_000 + 0.5) / 1000


def _of_kept(row: UsageRecord, call: Call, kept: Kept, now: float) -> UsageRecord:
    """The row of a call that was given a kept answer: attempt 0, for nobody was asked, and nothing spent. What the
    answer's own usage was stands in the row of ``cached_from``."""
    spent, whole = now - call.started, not call.head.stream
    return msgspec.structs.replace(
        row,
        backend=kept.target.backend,
        upstream_model=kept.model,
        input_tokens=0,
        cached_tokens=0,
        output_tokens=0,
        reasoning_tokens=0,
        cost_nano_usd=0,
        price_source="cache",
        duration_ms=_millis(spent),
        ttft_ms=None if whole else _millis(spent),
        overhead_ms=_millis(max(spent - call.upstream_seconds, 0.0)) if whole else None,
        dropped=kept.dropped or None,
        finish_reason=kept.finish,
        effort=kept.effort,
    )


def _overridden(decision: Decision | None) -> Sequence[str]:
    """``override drain claude``: what an operator had turned that the decision stands on."""
    if decision is None or not decision.overrides:
        return ()
    return [f"override {each.partition(';')[0]}" for each in decision.overrides]


def _flags(call: Call, attempt: Attempt) -> list[str]:
    """What was special. ``partial_usage``: the stream broke off, and these are the counts until then;
    ``output_estimated``: by what was said until then."""
    found = [*_overridden(call.decision), *call.flags, *attempt.flags]
    usage = attempt.usage
    if usage is None:
        return found
    if (bad := parts.flag(usage)) is not None:
        found.append(bad)
    if attempt.streamed and attempt.finish is None:
        found.append("partial_usage")
    if attempt.usage_counted:
        found.append("usage_counted")
    return found


def _of_attempt(row: UsageRecord, call: Call, attempt: Attempt, now: float) -> UsageRecord:
    """The row of one attempt, from what all rows of its call share."""
    usage = attempt.usage or ir.Usage()
    failure = attempt.failure or (call.failure if attempt is call.attempt else None)
    told = attempt.failure if attempt is not call.attempt else None
    whole = not call.head.stream
    first = attempt.first_event
    return msgspec.structs.replace(
        row,
        started_at=bill.started_at(call, attempt),
        status=told.status if told else row.status,
        backend=attempt.target.backend,
        upstream_model=attempt.model or attempt.upstream.model,
        input_tokens=usage.input,
        cached_tokens=usage.cached,
        cache_write_tokens=usage.cache_write,
        output_tokens=usage.output,
        reasoning_tokens=attempt.reasoning_tokens,
        reasoning_source=attempt.reasoning_source,
        cost_nano_usd=attempt.cost,
        price_source=attempt.price_source,
        unit_prices=attempt.unit_prices,
        machine_ms=None if attempt.machine_time is None else attempt.machine_time / 1_000_000,
        duration_ms=_millis((attempt.ended or now) - attempt.started),
        ttft_ms=None if whole or first is None else _millis(first - call.started),
        overhead_ms=_millis(max(now - call.started - call.upstream_seconds, 0.0)) if whole else None,
        dropped=attempt.dropped_names or None,
        upstream_request_id=attempt.upstream_id,
        upstream_status=attempt.upstream_status,
        finish_reason=attempt.finish,
        effort=attempt.effort,
        flags=", ".join(_flags(call, attempt)) or None,
        parts=parts.pack(usage, attempt.reasoning_chars, attempt.answer_chars),
        service_tier=tier_of(usage),
        error_code=code_of(failure),
        error_message=_kept_message(call, failure),
    )
