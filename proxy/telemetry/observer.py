"""What one worker tells of its calls: metrics, one log line per call, spans. The road speaks to nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from policies import health
from policies.pricing import BAD, INCOMPLETE
from proxy.bill import Unpriced
from proxy.ledger.record import UsageRecord, code_of
from proxy.telemetry import logs, names
from proxy.telemetry.metrics import Meters, Series, merge, render
from proxy.telemetry.seldom import Seldom
from proxy.telemetry.traceparent import TraceContext
from proxy.telemetry.tracing import AttemptSpan, ServerSpan, Tracing

if TYPE_CHECKING:
    from policies.health import Breaker
    from policies.limits.pacing import Share
    from policies.load import Load
    from policies.overrides import Override
    from policies.truncation import Cut
    from proxy.call import Call
    from proxy.snapshot import Snapshot

_MOST_UNPRICED = 1000
"""Lines about missing prices: the names of models and tiers come from upstreams."""
_MOST_TOLD = 1000
"""Kinds of bad usage that are remembered, so that each is logged once."""
_FAILED = ("fallback", "error", "interrupted")

_log = structlog.get_logger("turnout")


class Telemetry:
    """Meters and traces of one worker."""

    def __init__(self, *, otlp: str | None = None) -> None:
        self.meters = Meters()
        self._seldom = Seldom()
        self._told_usage: set[tuple[str, tuple[str, ...]]] = set()
        self._pots_away: set[str] = set()
        self._tracing = Tracing(otlp, count=self._count_spans)
        self._unpriced: set[tuple[str, str, str | None, str]] = set()

    def adopted(self, snapshot: Snapshot) -> None:
        """A snapshot is in force: its backends and policies are the labels from now on."""
        self.meters.allow("backend", list(snapshot.backends))
        self.meters.allow("policy", snapshot.policies())
        self.meters.reloaded("ok", snapshot.generation, snapshot.loaded_at)

    def reload_tried(self, outcome: Mapping[str, Any], generation: int) -> None:
        """The outcome of a reload; where it failed, ``generation`` goes on. What was adopted is counted already."""
        if not outcome.get("ok"):
            at = outcome.get("at")
            self.meters.reloaded(
                "failed", generation, datetime.fromisoformat(at).timestamp() if at is not None else time.time()
            )

    def trace(self, headers: Mapping[str, str]) -> TraceContext:
        return self._tracing.start(headers)

    def call_began(self) -> None:
        self.meters.request_started()

    def call_ended(self, call: Call) -> None:
        """The client has its answer, or is gone."""
        now = time.monotonic()
        attempt = call.attempt
        first = attempt.first_event if attempt is not None and call.head.stream else None
        self.meters.request_ended(
            api=call.api.name,
            policy=call.decision.policy if call.decision else None,
            backend=attempt.target.backend if attempt else None,
            status=call.status or 500,
            stream=call.head.stream,
            outcome=call.outcome or ("error" if call.failure else "ok"),
            duration=now - call.started,
            first_token=first - call.started if first else None,
            overhead=None if call.head.stream else max(now - call.started - call.upstream_seconds, 0.0),
        )
        if call.failure is None and call.outcome is None:
            self.meters.answered()

    def recorded(self, call: Call, rows: Sequence[UsageRecord]) -> None:
        """The rows of a call are committed: count them, log them, hand over their spans."""
        trace_id = call.trace.trace_id if call.trace else None
        if call.attribution is not None and call.attribution.dropped:
            self.meters.add(names.DROPPED_TAGS, (), call.attribution.dropped)
        for attempt, row in zip(call.attempts, rows, strict=False):
            self.meters.attempt(attempt.target.backend, row.outcome)
            self.meters.tokens(attempt.target.backend, attempt.usage, attempt.reasoning_tokens, attempt.cost)
            if attempt.failure is not None and attempt.failure.timer is not None:
                self.meters.add(names.TIMEOUTS, (attempt.target.backend, attempt.failure.timer))
            if attempt.usage is not None and attempt.usage.flaws:
                self._bad_usage(attempt.target.backend, attempt.usage.flaws)
            if row.outcome in _FAILED:
                logs.attempt_failed(row, trace_id=trace_id)
        logs.call_done(rows[-1], attempts=len(call.attempts), trace_id=trace_id)
        if call.trace is not None:
            self._tracing.finish(call.trace, _server_span(call), list(_attempt_spans(call, rows)))

    def _bad_usage(self, backend: str, fields: tuple[str, ...]) -> None:
        """Counts that cannot be so: every one is counted, and each kind of them is told once."""
        self.meters.add(names.USAGE_INVALID, (backend,))
        if (backend, fields) not in self._told_usage and len(self._told_usage) < _MOST_TOLD:
            self._told_usage.add((backend, fields))
            mend = (
                "these counts are unknown in the ledger, and so is a cost that needs them; update or report the server"
            )
            _log.warning("usage.invalid", backend=backend, fields=fields, mend=mend)

    def crashed(self, request_id: str, error: BaseException) -> None:
        """A defect of ours: the trace goes to the log, the client is told an id."""
        _log.error("call.crashed", request_id=request_id, exc_info=error)

    def errand_failed(self, error: BaseException) -> None:
        """The same, of what no client waits for."""
        _log.error("errand.crashed", exc_info=error)

    def retried(self, backend: str, made: bool) -> None:
        """A backend was to be asked again for the same call: it was, or its retry budget was spent."""
        self.meters.add(names.RETRIES, (backend, "made" if made else "over_budget"))

    def breaker(self, backend: str, state: Breaker) -> None:
        """The breaker of a backend changed, by what happened here or elsewhere."""
        word = health.word(state)
        self.meters.breaker(backend, word)
        if word == "closed":
            _log.info("breaker.closed", backend=backend)
        elif word == "open" and state.opened_until is not None:
            self._opened(backend, state)

    def _opened(self, backend: str, state: Breaker) -> None:
        cause = health.cause_named(state.cause)
        seconds = round((state.opened_until or 0.0) - time.monotonic(), 1)
        if seconds <= 0:
            return  # its probe was given up
        self.meters.add(names.OPENED, (backend, cause))
        if cause == "credential":
            mend = f"correct backends.{backend}.credential and reload; calls go elsewhere meanwhile"
            _log.error("backend.credential_refused", backend=backend, seconds=seconds, mend=mend)
        else:
            _log.warning("breaker.opened", backend=backend, cause=state.cause, kind=cause, seconds=seconds)

    def breakers_away(self, why: str | None) -> None:
        """The breakers of others cannot be heard (None: can be heard again)."""
        if why is None:
            _log.info("breakers.back")
        else:
            _log.error("breakers.away", why=why, note="each process goes by what it sees itself meanwhile")

    def queued(self, backend: str, waiting: int) -> None:
        """One more call waits for its turn there: so many do."""
        self.meters.waiting(backend, waiting)

    def dequeued(self, backend: str, waiting: int, seconds: float, outcome: str) -> None:
        """One waits no longer: ``served`` | ``shed`` | ``left``."""
        self.meters.waiting(backend, waiting)
        self.meters.observe(names.WAITED, (backend, outcome), seconds)

    def shed(self, backend: str, reason: str) -> None:
        """An attempt was not sent: ``busy`` | ``queue_full`` | ``quota`` | ``recovering`` | ``down``."""
        self.meters.add(names.SHED, (backend, reason))

    def spilled(self, backend: str, target: float, load: Load) -> None:
        """Calls begin or cease to go elsewhere for the sake of ``target`` (seconds)."""
        on = target in load.spilling
        self.meters.add(names.SPILL, (backend, "spilling" if on else "home"))
        start = None if load.start is None else round(load.start, 3)
        _log.info("spill", backend=backend, spilling=on, ttft_target=target, predicted=start, waiting=load.waiting)

    def hook_left(self, seconds: float) -> None:
        """The hook that gives classes has failed again and again, and is left alone for a while."""
        mend = "see that classifier.hook.url answers within classifier.hook.timeout; the built-in class stands in"
        _log.warning("class_hook.left_alone", seconds=seconds, mend=mend)

    def store_failed(self, call_id: str | None, operation: str, why: str) -> None:
        """A stored turn or tool state could not be kept (``write``) or looked up (``read``)."""
        self.meters.store_failed(operation)
        _log.error("store.failed", request_id=call_id, operation=operation, why=why)

    def unstored(self) -> None:
        """A turn was not even tried to be kept: the store is in trouble, which was told when it began."""
        self.meters.store_failed("write")

    def stored_away(self, why: str | None) -> None:
        """Redis, where turns and tool state are stored, went away, will not be written, or (None) is well again."""
        if why is None:
            _log.info("stored.back")
            return
        mend = "see that Redis runs, can be reached and has room; state.away.stored says what holds meanwhile"
        _log.error("stored.away", why=why, mend=mend)

    def turned_away(self, reason: str, name: str | None, peer: str | None) -> None:
        """Somebody was refused for want of a good key. ``name``: of the key, where its secret was right."""
        self.meters.add(names.REFUSED_KEYS, (reason,))
        refused = self._seldom.count(reason)
        if refused:
            _log.warning("key.refused", reason=reason, key=name, peer=peer, refused=refused)

    def keys_away(self, why: str) -> None:
        """The store's keys cannot be read: those that are known go on, and no other can be told from a wrong one."""
        self.meters.store_failed("read")
        _log.error("keys.away", why=why, note="known keys go on; others get 503 until the store can be read again")

    def keys_back(self) -> None:
        _log.info("keys.back")

    def keys_restored(self, count: int) -> None:
        """The store had lost keys that this worker knows."""
        mend = "see that Redis keeps its data (appendonly yes)"
        _log.error("keys.restored", keys=count, mend=mend, note="the store had lost keys: they were put back")

    def keys_unread(self, which: Sequence[str]) -> None:
        """A newer Turnout has made them."""
        _log.error("keys.unread", keys=which, mend="run the Turnout that made them; until then they are refused")

    def keys_shadowed(self, which: Sequence[str]) -> None:
        """They stand in the file and in the store."""
        mend = "rename them in the file, or revoke them in the store"
        _log.warning("keys.shadowed", keys=which, note="the file's count, the store's are refused", mend=mend)

    def overridden(self, generation: int, counts: Mapping[str, int]) -> None:
        """What operators have turned is so from now on; ``counts``: by kind."""
        self.meters.overridden(generation, counts)

    def override_on(self, override: Override, how: str) -> None:
        """``set`` | ``stands``: it was set before this start."""
        _log.warning(f"override.{how}", **_override(override), by=override.by, reason=override.reason)

    def override_off(self, override: Override, how: str) -> None:
        """``cleared`` | ``expired``."""
        _log.warning(f"override.{how}", **_override(override))

    def override_ignored(self, override: Override, why: str) -> None:
        """The configuration in force does not know what it speaks of."""
        mend = f"turnout override clear {override.id}, or a configuration that knows it"
        _log.warning("override.ignored", **_override(override), why=why, mend=mend)

    def overrides_away(self, why: str) -> None:
        """The overrides cannot be read: those that are known go on, and end in time."""
        self.meters.store_failed("read")
        _log.error("overrides.away", why=why, note="known overrides go on and end in time; no other is heard of")

    def overrides_back(self) -> None:
        _log.info("overrides.back")

    def overrides_restored(self, count: int) -> None:
        """The store had lost overrides that this worker knows."""
        mend = "see that Redis keeps its data (appendonly yes)"
        _log.error("overrides.restored", overrides=count, mend=mend, note="the store had lost them: they were put back")

    def book_unread(self, why: str) -> None:
        """The ledger could not be read for somebody who asked."""
        self.meters.store_failed("ledger")
        _log.error("ledger.unread", why=why)

    def cached(self, outcome: str) -> None:
        """What the response cache had for a call that may use it: ``hit`` | ``miss`` | ``bypass``."""
        self.meters.add(names.CACHE, (outcome,))

    def price_missing(self, found: Unpriced) -> None:
        """Tokens without a price: counted, never guessed, and told once for each backend, model and tier."""
        self.meters.price_missing(found.backend.name, found.why)
        what = (found.backend.name, found.model, found.tier, found.why)
        if found.why in (BAD, INCOMPLETE) or what in self._unpriced or len(self._unpriced) >= _MOST_UNPRICED:
            return
        self._unpriced.add(what)
        _log.warning(
            "price.missing",
            backend=found.backend.name,
            provider=found.backend.provider,
            model=found.model,
            service_tier=found.tier,
            why=found.why,
            mend=f"{found.mend}; until then its calls have no cost, and none is guessed",
        )

    def count_failed(self, backend: str, why: str) -> None:
        """What a backend said could not be counted, so its reasoning is estimated; it is left alone for a while."""
        mend = f"see that it can be, or set backends.{backend}.tokenizer; the split is estimated meanwhile"
        _log.warning("reasoning.not_counted", backend=backend, why=why, mend=mend)

    def refused_by(self, kind: str) -> None:
        """A limit or a budget refused a call: ``requests`` | ``tokens`` | ``parallel`` | ``usd`` | ``away``."""
        self.meters.add(names.LIMITED, (kind,))

    def overran(self, nano: int) -> None:
        """A call has cost so much more than was reckoned with at the worst (nano-dollars)."""
        if nano > 0:
            self.meters.add(names.OVERRUN, (), nano)

    def pots_asked(self, home: str, why: str | None) -> None:
        """A round trip to where limits are counted; ``why`` it failed, or None. Logged when that changes."""
        away = why is not None
        before = home in self._pots_away
        self.meters.pots(home, away=away)
        if away and not before:
            self._pots_away.add(home)
            mend = "see that it runs and can be reached; state.away says what holds meanwhile"
            _log.error("limits.away", home=home, why=why, mend=mend)
        elif before and not away:
            self._pots_away.discard(home)
            _log.warning("limits.back", home=home)

    def budget_soft(self, share: Share) -> None:
        """A budget has passed its soft mark: once a window, whichever process sees it first."""
        self.meters.add(names.SOFT, ())
        limit, terms = share.limit, share.limit.budget
        _log.warning(
            "budget.soft",
            budget=limit.owner,
            window=str(limit.window),
            used_usd=round(share.used / 1e9, 6),
            amount_usd=round(share.amount / 1e9, 6),
            soft=terms.soft if terms is not None else None,
        )

    def prompt_cut(self, backend: str, cut: Cut, limit: int | None) -> None:
        """A backend read less than it was sent, without a word. ``limit``: the tokens that count as its context now."""
        mend = f"raise the server's context (Ollama: OLLAMA_CONTEXT_LENGTH), or set backends.{backend}.context"
        _log.warning(
            "backend.truncates",
            backend=backend,
            reported_tokens=cut.reported,
            sent_tokens_at_least=cut.sent,
            context_until_reload=limit,
            mend=f"{mend}; then reload",
        )

    def _count_spans(self, outcome: str, spans: int) -> None:
        self.meters.add(names.SPANS, (outcome,), spans)

    def render(self, others: Sequence[Sequence[Series]] = ()) -> bytes:
        """Prometheus text: this worker's metrics together with those of ``others``."""
        return render(merge([self.meters.snapshot(), *others]))

    def close(self) -> None:
        self._tracing.close()


def _override(override: Override) -> dict[str, str]:
    return {"override": override.told, "id": override.id, "until": override.end}


def _server_span(call: Call) -> ServerSpan:
    return ServerSpan(
        route=call.api.path,
        status=call.status or 500,
        started=call.started_at * 1_000_000,
        ended=time.time_ns(),
        error=code_of(call.failure),
    )


def _attempt_spans(call: Call, rows: Sequence[UsageRecord]) -> list[AttemptSpan]:
    found = []
    for attempt, row in zip(call.attempts, rows, strict=False):
        address = urlsplit(attempt.backend.base_url)
        found.append(
            AttemptSpan(
                record=row,
                traceparent=attempt.traceparent or "",
                provider=attempt.upstream.provider,
                server_address=address.hostname,
                server_port=address.port,
                response_id=attempt.response_id,
                response_model=attempt.model,
            )
        )
    return found
