"""The part of the grammar that speaks of backends: what they are, how long they may take, how often they are tried."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from proxy.settings.money import Cost, Limits, PriceSheet
from proxy.settings.part import Part, given
from proxy.settings.units import Seconds, Secret

Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Rate = Annotated[float, Meta(ge=0)]
Whole = Annotated[int, Meta(ge=0)]
NEVER = Seconds(math.inf)


class RetryRules(Part):
    """How often one backend is tried for one call, and how patiently."""

    attempts: Positive = 2
    base: Seconds = given(Seconds(0.2))
    cap: Seconds = given(Seconds(5))
    deadline: Seconds = given(NEVER)
    """No new try starts later than this after the request came in."""
    budget: Share = 0.2
    """Of the calls of the last ten seconds to a backend so large a part may be asked again there, counted in each
    worker; the next target is taken all the same."""
    floor: Rate = 3.0
    """So many more a second."""


class BreakerRules(Part):
    """When nothing more is sent to a backend for a while: after failures in a row, of its line or in its answers, when
    a share of at least twenty calls within ten seconds fail, and at once when it refuses its credential."""

    failures: Positive = 5
    share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    pause: Seconds = given(Seconds(10))
    """Then one call finds out; if it fails, the next pause is twice as long, up to two minutes."""


class Timeouts(Part):
    """How long a backend may take. None: by where it runs."""

    connect: Seconds = given(Seconds(5))
    first_byte: Seconds | None = None
    """Until the first event of a stream: 60s for a local backend, 120s for others."""
    load: Seconds | None = None
    """The same for a local backend that has not answered for five minutes: its model may have to be loaded first. None:
    ``first_byte`` where that is given, else 5m."""
    idle: Seconds = given(Seconds(60))
    """Between two pieces of a stream."""
    total: Seconds = given(Seconds(600))
    """For a whole answer."""
    cap: Seconds = given(Seconds(3600))
    """For a stream, however well it flows."""


class BackendEntry(Part):
    """One callable thing: provider, URL, credential, upstream model."""

    provider: str
    model: str
    base_url: str | None = None
    """Without a path, the provider's version (``/v1``) is added."""
    dialect: str | None = None
    """Speak this dialect alone, of those that the provider has."""
    credential: Secret | None = None
    """``from_client``: the caller's own bearer, to this backend only, never stored."""
    credential_file: str | None = None
    local: bool | None = None
    """Data stays on the operator's machines. None: by provider and address."""
    local_public: Literal["confirm"] | None = None
    context: Positive | None = None
    """Tokens that fit; None: by model."""
    max_parallel: Positive | None = None
    """Calls that one worker has there at one time; None: no limit."""
    queue: Whole = 64
    """Calls that may wait for a place, or for the vendor's quota; 0: they move on to the next target at once."""
    queue_ms: Whole = 2000
    """Milliseconds for which they wait, the teams in turn; then the next target, else 503, or 429 for a quota."""
    metrics: str = "auto"
    """Where a local engine tells how busy it is (Prometheus's text format): a URL, ``auto`` (``/metrics`` beside its
    ``/v1``, for engines that are known to have it) or ``off``. Read only while a rule has a ttft_target or asks for
    load."""
    timeouts: Timeouts = given(Timeouts())
    headers: Mapping[str, Secret] = {}
    """Extra headers for every request to this backend; their values may be secrets."""
    options: Mapping[str, Any] = {}
    """Top-level fields for every request to this backend."""
    capabilities: Mapping[str, Any] = {}
    """What the model can do, where the shipped tables are wrong."""
    price: PriceSheet | None = None
    cost: Cost | None = None
    tokenizer: str = "auto"
    """Counts reasoning that the backend does not report: ``server`` (its own ``/tokenize``), ``o200k_base``,
    ``cl100k_base``, ``o200k_harmony``, the path of a ``tokenizer.json``, ``off``; ``auto``: by provider and model."""
    prompt_cache: Literal["auto", "off"] | None = None
    """``auto``: a cache breakpoint is set where the client set none. None: auto for anthropic, off for others."""
    limits: Limits | None = None
    """The vendor's quotas; no more is sent than they allow."""
