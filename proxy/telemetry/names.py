"""The one table of names: metrics with their labels, span attributes, log events."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

_FIRST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ADDED = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
_LONG = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class Metric(Struct, frozen=True):
    """A metric. ``merge`` is how the workers' values become one; ``scale`` turns our integers into the shown unit."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    merge: Literal["sum", "max"] = "sum"
    scale: float = 1.0


REQUESTS: Final = Metric(
    "turnout_requests_total",
    "counter",
    "Calls that ended, by how they ended for the client.",
    ("api", "policy", "backend", "status_class", "stream", "outcome"),
)
ATTEMPTS: Final = Metric(
    "turnout_attempts_total",
    "counter",
    "Attempts at an upstream, retries and fallbacks included.",
    ("backend", "outcome"),
)
RETRIES: Final = Metric(
    "turnout_retries_total",
    "counter",
    "Retries at the backend that had just failed: made, or refused because its retry budget was spent.",
    ("backend", "outcome"),
)
RETRY_BUDGET: Final = Metric(
    "turnout_retry_budget_left", "gauge", "Retries that the budget of a backend still allows now.", ("backend",)
)
TIMEOUTS: Final = Metric(
    "turnout_timeouts_total",
    "counter",
    "Attempts that a timer of their backend ended: connect, first_byte, load, idle, total, cap.",
    ("backend", "timer"),
)
FIRST_TOKEN: Final = Metric(
    "turnout_first_token_seconds",
    "histogram",
    "From the arrival of a call to the first meaningful event of its answer.",
    ("api", "backend"),
    _FIRST,
)
OVERHEAD: Final = Metric(
    "turnout_added_latency_seconds", "histogram", "Turnout's own share of a call's time.", ("api",), _ADDED
)
DURATION: Final = Metric(
    "turnout_request_duration_seconds", "histogram", "From the arrival of a call to its end.", ("api", "backend"), _LONG
)
TOKENS: Final = Metric(
    "turnout_tokens_total",
    "counter",
    "Tokens by class: cached and cache_write are part of input, reasoning is part of output.",
    ("backend", "class"),
)
COST: Final = Metric("turnout_cost_usd_total", "counter", "What priced attempts cost.", ("backend",), scale=1e-9)
PRICE_MISSING: Final = Metric(
    "turnout_price_missing_total", "counter", "Attempts with usage that no price was found for.", ("backend", "reason")
)
USAGE_INVALID: Final = Metric(
    "turnout_usage_invalid_total", "counter", "Attempts whose upstream told counts that cannot be so.", ("backend",)
)
RECORDS: Final = Metric(
    "turnout_usage_records_total",
    "counter",
    "Ledger rows by what became of them: written, spooled, held (in memory), replayed, lost.",
    ("state",),
)
ANSWERS: Final = Metric("turnout_answers_total", "counter", "Answers whose end was released to the client.")
IN_FLIGHT: Final = Metric("turnout_in_flight", "gauge", "Calls that have begun and not ended.")
GENERATION: Final = Metric("turnout_config_generation", "gauge", "The configuration in force.", merge="max")
OVERRIDES: Final = Metric("turnout_overrides", "gauge", "Overrides that have not expired.", ("kind",), merge="max")
OVERRIDES_GENERATION: Final = Metric(
    "turnout_overrides_generation", "gauge", "The last change of the overrides, as heard of.", merge="max"
)
RELOADS: Final = Metric(
    "turnout_config_reload_total", "counter", "Reloads of the configuration.", ("outcome",), merge="max"
)
LAST_RELOAD_OK: Final = Metric(
    "turnout_config_last_reload_ok",
    "gauge",
    "1 where the last reload (or the start) took the file, 0 where it was refused and the one before goes on.",
    merge="max",
)
LAST_RELOAD: Final = Metric(
    "turnout_config_last_reload_timestamp_seconds", "gauge", "When that was, seconds since 1970.", merge="max"
)
BREAKER: Final = Metric("turnout_breaker_state", "gauge", "0 closed, 1 half open, 2 open.", ("backend",), merge="max")
OPENED: Final = Metric(
    "turnout_breaker_opened_total",
    "counter",
    "Breakers that opened, by what made them: local (the line), upstream (what it answered), credential.",
    ("backend", "kind"),
)
WAITING: Final = Metric("turnout_queue_waiting", "gauge", "Calls that wait for their turn at a backend.", ("backend",))
WAITED: Final = Metric(
    "turnout_queue_wait_seconds",
    "histogram",
    "How long calls waited for their turn at a backend: served, shed (in vain), left (their client).",
    ("backend", "outcome"),
    _FIRST,
)
SHED: Final = Metric(
    "turnout_shed_total",
    "counter",
    "Attempts that were not sent: busy, queue_full, quota (the vendor's), recovering, down (an open breaker).",
    ("backend", "reason"),
)
STORE_FAILURES: Final = Metric(
    "turnout_store_failures_total",
    "counter",
    "Stored turns and tool state that could not be read or written; the answers went out all the same.",
    ("operation",),
)
SPILL: Final = Metric(
    "turnout_spill_changes_total",
    "counter",
    "How often a busy local backend began or ceased to be relieved by others for the sake of a ttft_target.",
    ("backend", "outcome"),
)
CACHE: Final = Metric(
    "turnout_cache_total",
    "counter",
    "Calls whose rule asks for the response cache: hit, miss (asked, and kept if whole), bypass.",
    ("outcome",),
)
REFUSED_KEYS: Final = Metric(
    "turnout_unauthorized_total",
    "counter",
    "Calls without a good key: missing, unknown, expired, revoked, replaced, no_team, untrusted (there is no key, "
    "nor is it this machine), keys_unavailable.",
    ("reason",),
)
DROPPED_TAGS: Final = Metric(
    "turnout_tags_dropped_total",
    "counter",
    "Tags that callers sent and that no row keeps: a strange name, no text, too many, too long.",
)
LIMITED: Final = Metric(
    "turnout_limit_refusals_total",
    "counter",
    "Calls that a limit or a budget refused: requests, tokens, parallel, usd; away where nobody could say.",
    ("kind",),
)
POTS: Final = Metric(
    "turnout_pots_rounds_total",
    "counter",
    "Round trips to where limits and budgets are counted, by home (memory, sqlite, redis) and outcome.",
    ("home", "outcome"),
)
POTS_AWAY: Final = Metric(
    "turnout_pots_away", "gauge", "1 while limits or budgets cannot be counted in their home.", ("home",), merge="max"
)
SOFT: Final = Metric("turnout_budget_soft_total", "counter", "Budgets that passed their soft mark, once a window each.")
OVERRUN: Final = Metric(
    "turnout_budget_overrun_usd_total",
    "counter",
    "What calls cost beyond the most that was reckoned with when they were let through.",
    scale=1e-9,
)
SPANS: Final = Metric(
    "turnout_spans_total",
    "counter",
    "Spans by what became of them: exported, failed (the collector did not take them), dropped (too many waited).",
    ("outcome",),
)
DROPPED_SERIES: Final = Metric(
    "turnout_series_folded_total",
    "counter",
    "Values counted as `other` because a label or metric was full.",
    ("metric",),
)

METRICS: Final = (
    REQUESTS, ATTEMPTS, RETRIES, RETRY_BUDGET, TIMEOUTS,
    FIRST_TOKEN, OVERHEAD, DURATION, TOKENS, COST, PRICE_MISSING, USAGE_INVALID, RECORDS, ANSWERS, IN_FLIGHT,
    GENERATION, OVERRIDES, OVERRIDES_GENERATION, RELOADS, LAST_RELOAD_OK, LAST_RELOAD,
    BREAKER, OPENED, WAITING, WAITED, SHED, STORE_FAILURES, SPILL, CACHE, REFUSED_KEYS, DROPPED_TAGS,
    LIMITED, POTS, POTS_AWAY, SOFT, OVERRUN, SPANS, DROPPED_SERIES,
)  # fmt: skip
BREAKER_STATES: Final = {"closed": 0, "half_open": 1, "open": 2}

GEN_AI_OPERATION: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
GEN_AI_INPUT: Final = "gen_ai.usage.input_tokens"
GEN_AI_OUTPUT: Final = "gen_ai.usage.output_tokens"
GEN_AI_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_CACHE_WRITE: Final = "gen_ai.usage.cache_creation.input_tokens"
GEN_AI_REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
HTTP_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_STATUS: Final = "http.response.status_code"
HTTP_RESEND: Final = "http.request.resend_count"

OPERATIONS: Final = {
    "embeddings": "embeddings",
    "completions": "text_completion",
    "count_tokens": "count_tokens",
    "input_tokens": "count_tokens",
    "tokenize": "count_tokens",
}
"""api -> gen_ai.operation.name; everything else is ``chat``."""
GEN_AI_PROVIDERS: Final = {"google": "gcp.gemini"}
"""provider -> gen_ai.provider.name where the convention has another word for it."""

CALL_DONE: Final = "call.done"
ATTEMPT_FAILED: Final = "attempt.failed"
CALL_FIELDS: Final = (
    "request_id", "client_request_id", "tenant", "key_id", "api", "alias", "policy", "rule", "class", "backend",
    "upstream_model", "stream", "status", "outcome", "input_tokens", "cached_tokens", "output_tokens",
    "reasoning_tokens", "cost_nano_usd", "generation", "duration_ms", "ttft_ms", "overhead_ms", "finish_reason",
    "cached_from",
)  # fmt: skip
ATTEMPT_FIELDS: Final = (
    "request_id", "attempt", "backend", "upstream_model", "outcome", "status", "upstream_status", "error_code",
    "error_message", "upstream_request_id", "duration_ms",
)  # fmt: skip
