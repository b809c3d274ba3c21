"""The written row: one attempt of one call, in the words of decision D19 and what ``show`` and ``explain`` need."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from adapters import ir
from policies.reasoning import Source

Outcome: TypeAlias = Literal["ok", "error", "fallback", "interrupted", "cancelled", "denied"]
"""How the attempt ended.

``ok``           the client has the whole answer
``fallback``     it failed before the first byte, and a later attempt of the same call took over
``error``        it failed before the first byte, and the client was told (no attempt was left)
``interrupted``  it failed after the first byte, and the client was told in its stream
``cancelled``    the client left
``denied``       no upstream was asked: a rule, a limit or a budget said no (attempt 0)
"""

FACTS_VERSION = 1
FACTS_LIMIT = 400


class UsageRecord(Struct, frozen=True, kw_only=True):
    """One attempt. Tokens, money and times that nobody told are None. The first 26 fields are D19's, in its order.

    No field holds a prompt, an answer or a key; ``error_message`` goes through ``clean``.
    """

    request_id: str
    client_request_id: str | None = None
    parent_id: str | None = None
    attempt: int = 1
    """1 for the first; 0 for a call that asked no upstream. Unique together with ``request_id``."""
    started_at: int
    """Wall clock, milliseconds since 1970."""
    tenant: str = "local"
    alias: str | None = None
    policy: str | None = None
    rule: str | None = None
    cls: str | None = field(default=None, name="class")
    backend: str | None = None
    upstream_model: str | None = None
    api: str
    """``chat`` | ``responses`` | ``messages`` | ``embeddings`` | ``completions`` |
    ``count_tokens`` | ``input_tokens`` | ``tokenize`` (of a helper call)."""
    stream: bool = False
    status: int | None = None
    """What the client was told, or would have been told had no other attempt taken over."""
    outcome: Outcome
    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    reasoning_source: Source | None = None
    cost_nano_usd: int | None = None
    generation: int | None = None
    duration_ms: float | None = None
    ttft_ms: float | None = None

    policy_hash: str | None = None
    decision_reason: str | None = None
    facts: str | None = None
    """JSON, from ``pack_facts``: all that a rule could read (D16)."""
    trace: str | None = None
    """Every rule that was looked at, one line each."""
    dropped: str | None = None
    """What the upstream could not be told, comma-separated."""
    upstream_request_id: str | None = None
    upstream_status: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    price_source: str | None = None
    unit_prices: str | None = None
    """As JSON the ``policies.pricing.Price`` that priced it, of its tier and length; of a machine its ``machine_hour``
    in nano-dollars."""
    finish_reason: str | None = None
    key_id: str | None = None
    effort: str | None = None
    """The reasoning effort that was really sent upstream."""
    overhead_ms: float | None = None
    """Our own share of ``duration_ms``."""
    cached_from: str | None = None
    """The request whose kept answer this one was given; it cost nothing."""
    purpose: str | None = None
    """What a helper call (one with a ``parent_id``) is for: ``condense``, ``count``."""
    flags: str | None = None
    """What was special, comma-separated: ``condensed 1500>100``, ``truncated_prompt``, ``usage_counted`` (of an output
    that nobody told), ``corrected 400`` (tokens that the answer's second try was shown beside the client's own)."""

    parts: str | None = None
    """JSON: the rarer classes of tokens by the names of ``ir.Usage``, ``calls`` of vendors' own tools, and the
    characters of thought and answer that an estimated split goes by. Only what was told and is not 0."""
    service_tier: str | None = None
    """The tier (or speed) that was priced, where it is not the usual one."""
    machine_ms: float | None = None
    """Of a backend with running costs: this attempt's share of its time, calls at one time sharing it."""
    baseline: str | None = None
    """What savings are counted against, in the operator's words: ``provider/model``, or a backend's name. It stands on
    every row of a call, also of its helpers, for all of them have cost something."""
    baseline_nano_usd: int | None = None
    """What the baseline would have cost for this call; only on the row whose answer the client got."""
    user: str | None = None
    """The caller's own user, hashed unless ``ledger.users`` says otherwise."""
    session: str | None = None
    """The thread that its client named, hashed."""
    tags: str | None = None
    """JSON, name -> value: ``metadata`` keys of ``ledger.attribution``, ``x-turnout-tag``, ``OpenAI-Project``."""


COLUMNS: tuple[str, ...] = UsageRecord.__struct_encode_fields__
PUBLIC: tuple[str, ...] = COLUMNS[: COLUMNS.index("ttft_ms") + 1]
"""The keys of ``usage --rows --json`` (D19), in order."""

_KEYS = re.compile(r"\b(?:sk|pk|rk|AIza|gsk|xai|hf|ghp)[-_A-Za-z0-9]{12,}|(?<=[Bb]earer )\S+")
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SPACE = re.compile(r"\s+")
_encode = msgspec.json.Encoder().encode


def clean(message: str, limit: int = 200) -> str:
    """An error text fit to be kept: one line, bounded, with whatever looks like a key masked."""
    return _KEYS.sub("[key]", _SPACE.sub(" ", message).strip())[:limit]


def code_of(failure: ir.Failure | None) -> str | None:
    """The code of a failure as it is kept. Upstreams choose theirs, and what is no word may be a prompt."""
    if failure is None or failure.code is None or _CODE.fullmatch(failure.code):
        return failure.code if failure is not None else None
    return failure.kind


def pack_facts(facts: Mapping[str, Any]) -> str:
    """The facts as versioned JSON of at most 400 bytes. What does not fit is left out, longest first, and named."""
    kept: dict[str, Any] = {"v": FACTS_VERSION, **facts}
    packed = _encode(kept)
    cut = 0
    while len(packed) > FACTS_LIMIT:
        longest = max((k for k in kept if k not in {"v", "cut"}), key=lambda k: len(k) + len(_encode(kept[k])))
        del kept[longest]
        cut += 1
        kept["cut"] = cut
        packed = _encode(kept)
    return packed.decode()


def storable(record: UsageRecord) -> UsageRecord:
    """The row with what some database does not take put right: half a surrogate pair, a NUL, a number past 64 bits (now
    unknown)."""
    changes: dict[str, Any] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, str):
            changes[name] = value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            changes[name] = None
    return msgspec.structs.replace(record, **changes)


def iso(millis: int) -> str:
    """Milliseconds since 1970 -> ISO 8601, UTC, with milliseconds."""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def whole(record: UsageRecord) -> dict[str, Any]:
    """Every column of the row, ``started_at`` as ISO 8601, ``facts`` as a mapping, ``trace`` as lines."""
    values = dict(zip(COLUMNS, msgspec.structs.astuple(record), strict=True))
    facts = None if record.facts is None else msgspec.json.decode(record.facts)
    trace = None if record.trace is None else record.trace.splitlines()
    return values | {"started_at": iso(record.started_at), "facts": facts, "trace": trace}


def public(record: UsageRecord) -> dict[str, Any]:
    """The row as decision D19 shows it: exactly those keys, ``started_at`` as ISO 8601, unknown as None."""
    values = dict(zip(COLUMNS, msgspec.structs.astuple(record), strict=True))
    return {name: values[name] for name in PUBLIC} | {"started_at": iso(record.started_at)}
