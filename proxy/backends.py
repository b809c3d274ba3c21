"""Backends: an entry of the configuration and its provider's row, resolved into one callable thing."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from adapters import failures, ir, providers
from adapters.counting import ENDPOINTS, Endpoint
from adapters.providers import PROVIDERS, Provider
from policies.cards import Card, overlay, proves_tools
from policies.limits.limit import Kind, Limit, Window
from policies.machine import Machine
from policies.tariff import Tariff
from policies.verdict import Target
from proxy import tariffs
from proxy.settings.units import Secret
from proxy.settings.upstreams import BackendEntry
from proxy.settings.upstreams import Timeouts as TimeoutRules
from proxy.tokens.choosing import Tokenizer, chosen

_SHORTEST_SECRET = 8
"""Shorter values are ordinary words in somebody's message."""
FROM_CLIENT = "from_client"
QUOTA = Window("rolling", 61.0)
"""A vendor's minute, and a second for the way there: what we send in any of ours it never sees in one of its own."""
_FIRST_BYTE = {True: 60.0, False: 120.0}
"""Seconds until the first event, for a local backend and for others."""
_LOADING = 300.0
"""The same, for a model that may have to be loaded first."""
_PRIVATE_SUFFIXES = (
    ".local", ".localhost", ".internal", ".lan", ".home", ".home.arpa", ".intranet", ".corp", ".private", ".test",
    ".svc", ".cluster.local",
)  # fmt: skip


class Timeouts(Struct, frozen=True):
    """Seconds; infinite where there is no limit."""

    connect: float
    first_byte: float
    idle: float
    total: float
    load: float
    """Instead of ``first_byte``, while a model may have to be loaded first."""
    cap: float = 3600.0
    """From the sending of a request to the end of its stream."""


class Backend(Struct, frozen=True, kw_only=True):
    """One callable thing: provider, URL, credential, upstream model. Its repr shows neither secrets nor headers."""

    name: str
    provider: str
    upstream: ir.Upstream
    speaks: tuple[str, ...]
    """The dialects that may be used with it, the preferred one first."""
    base_url: str
    counter: Endpoint | None = None
    """Where it counts the tokens of a request; None: nowhere."""
    tokenizer: Tokenizer | None = None
    """Who counts the tokens of what it says; None: nobody can."""
    credential: Secret | None = None
    from_client: bool = False
    """The caller's own bearer goes to this backend, and nowhere else."""
    local: bool = False
    timeouts: Timeouts
    max_parallel: int | None = None
    queue: int = 64
    """Calls that may wait for a place or a quota, and for how many seconds."""
    queue_seconds: float = 2.0
    quotas: tuple[Limit, ...] = ()
    """The vendor's, in the order of its words: requests, tokens, input tokens, output tokens."""
    metrics: str | None = None
    """Where a local engine tells how busy it is; None: nowhere."""
    price: Tariff | None = None
    """Its own; None: what ``prices`` or the price sheet says of its model."""
    machine: Machine | None = None
    """What it costs to run, where its calls are charged for its time; it has no ``price`` then."""
    headers: Mapping[str, str] = {}
    unavailable: str | None = None
    """Why it is never offered, or None."""
    unproven: frozenset[str] = frozenset()
    """As in Target: abilities that nobody has vouched for."""
    identity: tuple[str, str] = ("", "")
    """Name and credential's hash: what breakers and limits are kept by, over reloads (D12)."""

    def __repr__(self) -> str:
        return f"Backend({self.name!r}, {self.provider!r}, {self.upstream.model!r}, {self.base_url!r})"

    def masked(self, message: str) -> str:
        """An upstream's words, without what of ours it may quote: its credential and the operator's headers."""
        own = self.credential.reveal() if self.credential is not None else ""
        for secret in (own, *self.headers.values()):
            if len(secret) >= _SHORTEST_SECRET:
                message = message.replace(secret, "[key]")
        return message

    def answered(self, failure: ir.Failure) -> ir.Failure:
        """An upstream's failure as it is told. A caller's own key that is refused is the caller's to correct, and no
        fault of ours (protocol.md 3.8)."""
        failure = failures.masked(failure, self.masked)
        if not self.from_client or failure.kind != "upstream_auth":
            return failure
        refused = failure.upstream_status == 401
        message = f"The backend '{self.name}' refused the key that you sent (HTTP {failure.upstream_status})."
        return msgspec.structs.replace(
            failure,
            status=401 if refused else 403,
            type="invalid_request_error",
            code="invalid_api_key" if refused else "permission_denied",
            message=message,
        )

    @property
    def gated(self) -> bool:
        """Must a call look for room there?"""
        return self.max_parallel is not None or bool(self.quotas)

    @property
    def family(self) -> ir.Family:
        return self.upstream.family

    @property
    def target(self) -> Target:
        return Target(self.name, self.upstream, self.local, self.unproven, self.max_parallel)

    def authorised(self, header: str) -> dict[str, str]:
        """Its credential in the dialect's header (``Dialect.auth_header``); empty where it has none of its own."""
        if self.credential is None:
            return {}
        secret = self.credential.reveal()
        return {header: f"Bearer {secret}" if header == "authorization" else secret}

    def url(self, path: str, *, root: bool = False) -> str:
        """The address of ``path``; ``root``: beside the version that the base URL ends in, not below it."""
        base = self.base_url
        return (base.removesuffix(PROVIDERS[self.provider].version) if root else base) + path

    def with_dialect(self, name: str) -> ir.Upstream:
        """The same upstream, spoken to in another of its dialects."""
        if name == self.upstream.dialect:
            return self.upstream
        return msgspec.structs.replace(self.upstream, dialect=name, family=providers.FAMILIES[name])


def resolve(name: str, entry: BackendEntry, unavailable: str | None, card: Card | None = None) -> Backend:
    """The backend of a checked entry (settings.checks has found no mistake in it), and what was measured of it."""
    row = PROVIDERS[entry.provider]
    speaks = (entry.dialect,) if entry.dialect else providers.speaks(entry.provider, entry.model)
    base_url = subject(name, entry)[3]
    local = is_local(entry, row)
    credential = entry.credential
    from_client = credential is not None and credential.reveal() == FROM_CLIENT
    limits = entry.timeouts
    digest = sha256(credential.reveal().encode()).hexdigest()[:16] if credential is not None else ""
    return Backend(
        name=name,
        identity=(name, digest),
        provider=entry.provider,
        upstream=ir.Upstream(
            provider=entry.provider,
            dialect=speaks[0],
            model=entry.model,
            family=providers.FAMILIES[speaks[0]],
            wire=row.wire,
            capabilities=capabilities(entry, card),
            options=entry.options,
            prompt_cache=row.prompt_cache if entry.prompt_cache is None else entry.prompt_cache == "auto",
        ),
        speaks=speaks,
        base_url=base_url,
        counter=ENDPOINTS[row.counts] if row.counts is not None else None,
        tokenizer=chosen(entry),
        credential=None if from_client else credential,
        from_client=from_client,
        local=local,
        timeouts=Timeouts(
            limits.connect,
            _FIRST_BYTE[local] if limits.first_byte is None else limits.first_byte,
            limits.idle,
            limits.total,
            _loading(limits, local=local),
            limits.cap,
        ),
        max_parallel=entry.max_parallel,
        queue=entry.queue,
        queue_seconds=entry.queue_ms / 1000,
        quotas=_quotas(name, digest, entry),
        metrics=_metrics(entry, row, base_url) if local else None,
        price=None if entry.price is None else tariffs.tariff(entry.price),
        machine=None if entry.cost is None else tariffs.machine(entry.cost, base_url),
        headers={key.lower(): value.reveal() for key, value in entry.headers.items()},
        unavailable=unavailable,
        unproven=_unproven(entry, row, card) if local else frozenset(),
    )


def subject(name: str, entry: BackendEntry) -> tuple[str, str, str, str]:
    """What a model card must be of to be of this backend (``Card.subject``)."""
    row = PROVIDERS[entry.provider]
    return name, entry.provider, entry.model, normal_url(entry.base_url or row.base_url or "", row)


def _quotas(name: str, digest: str, entry: BackendEntry) -> tuple[Limit, ...]:
    """One pot for each, by the credential that the vendor counts by: what was used is known after a reload."""
    limits = entry.limits
    if limits is None:
        return ()
    given: list[tuple[str, Kind, int | None]] = [
        ("requests", "requests", limits.rpm),
        ("tokens", "tokens", limits.tpm),
        ("input_tokens", "tokens", limits.input_tpm),
        ("output_tokens", "tokens", limits.output_tpm),
    ]
    return tuple(
        Limit(scope="backend", name=f"{name}/{digest}/{what}", kind=kind, amount=amount, window=QUOTA)
        for what, kind, amount in given
        if amount is not None
    )


def _unproven(entry: BackendEntry, row: Provider, card: Card | None) -> frozenset[str]:
    """Whether a local model can use tools no table knows: its card does, or the operator."""
    vouched = row.knows_tools or "tools" in entry.capabilities or (card is not None and proves_tools(card))
    return frozenset() if vouched else frozenset({"tools"})


def capabilities(entry: BackendEntry, card: Card | None = None) -> ir.Capabilities:
    """The tables' answer, corrected by what was measured, and that by the operator."""
    base = providers.capabilities(entry.provider, entry.model)
    base = base if card is None else overlay(base, card)
    changes = dict(entry.capabilities)
    if entry.context is not None:
        changes["context"] = entry.context
    return msgspec.convert({**msgspec.structs.asdict(base), **changes}, ir.Capabilities, strict=False)


def _loading(limits: TimeoutRules, *, local: bool) -> float:
    if limits.load is not None:
        return limits.load
    return limits.first_byte if limits.first_byte is not None else (_LOADING if local else _FIRST_BYTE[local])


def _metrics(entry: BackendEntry, row: Provider, base_url: str) -> str | None:
    """Only engines that we know have gauges have them somewhere."""
    if entry.metrics == "off" or not row.gauges:
        return None
    return base_url.removesuffix(row.version) + "/metrics" if entry.metrics == "auto" else entry.metrics


def normal_url(url: str, row: Provider) -> str:
    """Without a trailing slash; without a path, with the provider's version."""
    url = url.rstrip("/")
    return url if urlsplit(url).path else url + row.version


def sendable(value: str) -> bool:
    """May this text stand in a header?"""
    return value.isascii() and value.isprintable()


def is_local(entry: BackendEntry, row: Provider) -> bool:
    """The operator's word, else: a server that people run themselves, at an address that is not public."""
    if entry.local is not None:
        return entry.local
    return row.local and not is_public(entry.base_url or row.base_url or "")


def is_public(url: str) -> bool:
    """May this address be outside the operator's network? Names are judged without asking DNS: one label, or a
    suffix that is private by custom, is inside; anything else may be anywhere."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(socket.inet_aton(host)).is_global
    except OSError:
        return "." in host and not host.endswith(_PRIVATE_SUFFIXES)
