"""Call: the one record of a request in flight, with its story."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from adapters import addresses, ir, states, strict
from adapters.dialect import Dialect, Passable
from adapters.fitting import Fitted, fit
from adapters.states import Seal, Unseal
from policies.data_classes.data_class import RESTRICTED
from policies.overrides import Overrides
from policies.rules.grammar import Route
from policies.sticky import Answered, Home
from policies.verdict import Caller, Decision, Told
from proxy.attempt import Attempt

if TYPE_CHECKING:
    from proxy.attribution import Attribution
    from proxy.limits.drawn import Drawn
    from proxy.snapshot import Backend, Snapshot
    from proxy.state.answers import Lookup
    from proxy.telemetry.traceparent import TraceContext


_UNREAD = ir.Head("")


def _of_nobody(_: str) -> None:
    """Nobody is named yet, so nothing was sealed for him."""


def _nameless(_: bytes) -> bytes:
    """The same, of names."""
    return b""


class Rejected(Exception):  # noqa: N818 - the call is rejected, nothing is broken
    """The road ends here with an answer for the client."""

    def __init__(self, failure: ir.Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Api:
    """One endpoint: its name in the ledger, its path, and what its clients speak. ``dialect`` is None where bytes are
    only ever passed on (embeddings, legacy completions)."""

    name: str
    path: str
    wire: Passable
    dialect: Dialect | None
    counts: str | None = None
    """The API whose requests it counts instead of answering them."""
    tokenizes: bool = False
    """It counts a text for us, no client's request: that takes no place at the backend, and how it ends says nothing of
    the backend's health."""

    @property
    def kind(self) -> str:
        """What rules take it for: a count goes where its request would go."""
        return self.counts or self.name


@dataclass(slots=True)
class Call:
    """What the stations hand on. Times are monotonic seconds, but for ``started_at`` (epoch milliseconds)."""

    id: str
    api: Api
    headers: dict[str, str]
    peer: str | None
    snapshot: Snapshot
    started: float
    started_at: int
    trace: TraceContext | None = None
    client_request_id: str | None = None
    caller: Caller = field(default_factory=Caller)
    body: bytes = b""
    top: ir.Extras = field(default_factory=dict)
    head: ir.Head = _UNREAD
    decision: Decision | None = None
    attempts: list[Attempt] = field(default_factory=list)
    given: Attempt | None = None
    """Whose answer the client gets, where that is not the last one's: a poor one, for nobody gave a better."""
    helpers: list[Call] = field(default_factory=list)
    """The calls that were made for this one."""
    condensed: str | None = None
    """Tokens of old text before and after it was shortened: ``1500>100``."""
    baseline: str | None = None
    """What its alias counts savings against."""
    baseline_cost: int | None = None
    """Nano-dollars that the baseline would have charged for the answer that the client got; None: unknown."""
    status: int | None = None
    outcome: str | None = None
    failure: ir.Failure | None = None
    later: bool = False
    """The last backend has named a time that is too far for us: its client may ask again then."""
    committed: bool = False
    recorded: bool = False
    parent_id: str | None = None
    """Of the call that this one helps (condensing, judging)."""
    purpose: str | None = None
    """What a helper call is for: ``condense``."""
    home: Home | None = None
    """Where its thread was answered before."""
    thread: tuple[bytes, ...] = ()
    """Hashes by which its thread is known; empty: nobody will ask."""
    opener: bytes | None = None
    """Of a thread's first request: with the id of the call that it is answered with, one more name."""
    recalled: Answered | None = None
    """Who answered the stored turn that this call goes on from."""
    outside: Told | None = None
    """The class that came from outside (S24)."""
    inherited: frozenset[str] = frozenset()
    """Data classes that came with stored turns, tool state or sealed state that this request refers to."""
    drawn: Drawn | None = None
    """What it has of its caller's limits and budgets; None: there are none, or nothing was drawn yet."""
    spent: str | None = None
    """Why only local backends may answer it: a budget was found too empty when it was drawn from."""
    cache: Lookup | None = None
    """What it has to do with the cache, where its rule asks for it."""
    cached_from: str | None = None
    """The request whose kept answer this one was given."""
    flags: list[str] = field(default_factory=list)
    """What the ledger is to show of it beside its numbers: ``condensed 1500>100``."""
    changed: bool = False
    """The request is no longer what the client's bytes say (or they hold what only we can open), so they cannot pass
    unread."""
    upstream_seconds: float = 0.0
    mirror: bool = False
    """The alias wants reasoning summaries repeated as reasoning text (D25)."""
    reasoning_field: str = "reasoning_content"
    """Where the alias shows reasoning to chat clients."""
    previous_response_id: str | None = None
    """The stored turn that this one goes on from; the body then holds the whole thread."""
    unstored: bool = False
    """It was to be stored and is not: the store is away, or would not have it."""
    items: tuple[msgspec.Raw, ...] = ()
    """Responses: this turn's own input, each reference to a stored item replaced by the item."""
    overrides: Overrides | None = None
    """What operators had turned when it came in; None: nothing. Together with the snapshot it is one pair."""
    seal: Seal | None = None
    unseal: Unseal = _of_nobody
    hashed: Callable[[bytes], bytes] = _nameless
    """What something is called for this caller's tenant, from which nobody can tell what it was."""
    attribution: Attribution | None = None
    """For whom it is, below the key; found out when first asked for (``attribution.of``)."""
    fetched: dict[ir.Need, ir.Media] = field(default_factory=dict)
    """What its links led to: fetched once, however many backends are tried."""
    _fitted: dict[tuple[str, str], Fitted] = field(default_factory=dict)
    _refused: dict[tuple[str, str], tuple[ir.Request, list[ir.Named]]] = field(default_factory=dict)
    _request: ir.Request | None = None

    def __repr__(self) -> str:
        """Without headers and body, which hold the client's key and what it asks."""
        return f"Call({self.id!r}, {self.api.name!r}, {self.caller.key_id!r}, {self.status!r})"

    @property
    def seed(self) -> str:
        """Hex, unique: every id that a dialect invents for this call comes from it."""
        return self.id.replace("-", "")

    @property
    def data_class(self) -> frozenset[str]:
        """What all that comes of it carries on."""
        return self.inherited if self.decision is None else self.decision.data_class

    @property
    def restricted(self) -> bool:
        """May its data meet local backends only? As long as nobody has decided, it may not go anywhere else."""
        return RESTRICTED in self.inherited or self.decision is None or self.decision.restricted

    @property
    def attempt(self) -> Attempt | None:
        """The try whose answer the client gets: the one that is on now or was the last, unless one is ``given``."""
        return self.given or (self.attempts[-1] if self.attempts else None)

    def turned(self, route: Route) -> Route:
        """``route``, unless an operator has turned it. Embeddings stay where they are: vectors of two models cannot be
        compared."""
        if self.overrides is None or self.api.name == "embeddings":
            return route
        return self.overrides.turned(route, self.head.model)

    def request(self) -> ir.Request:
        """The whole request, read when somebody first asks for it. Raises ir.Invalid."""
        if self._request is None:
            if self.api.dialect is None:
                raise ir.Invalid(f"No rule may look into a request to {self.api.name}: its body is passed on unread.")
            self._request = self.api.dialect.read_request(self.body)
        return self._request

    def asks(self, request: ir.Request) -> None:
        """What a helper call asks: it has no client, and so no client's bytes."""
        self._request, self.changed = request, True

    def change(self, values: Mapping[str, Any], *, only_missing: bool) -> ir.Request:
        """Apply an alias's ``defaults`` (only what the client left out) or a rule's ``set`` to the request."""
        request = self.request()
        changes = {
            name: value
            for name, value in values.items()
            if not only_missing or getattr(request, name) in (None, (), {})
        }
        if changes:
            self.changed = True
            self._fitted.clear()
            self._request = msgspec.structs.replace(request, **changes)
        return self.request()

    def fitted(self, backend: Backend, upstream: ir.Upstream) -> Fitted:
        """The request as this backend can be told it, worked out once."""
        key = (backend.name, upstream.dialect)
        found = self._fitted.get(key)
        if found is None:
            found = self._fitted[key] = fit(self.request(), upstream)
        return found

    def refused(self, backend: Backend, dialect: Dialect, request: ir.Request, upstream: ir.Upstream) -> list[ir.Named]:
        """What ``dialect`` cannot tell this backend of ``request``, worked out once: it is asked for to decide, and to
        name what was dropped."""
        key = (backend.name, dialect.name)
        known = self._refused.get(key)
        if known is None or known[0] is not request:
            known = self._refused[key] = (request, dialect.refuses(request, upstream))
        return known[1]

    def read_head(self) -> None:
        """Station 3: the top level of the body, values still raw. Raises ir.Invalid."""
        self.top = strict.fields(self.body)
        if self.snapshot.config.server.strict_json:
            strict.check_exact(self.body)
        addresses.refuse(self.top)
        self.head = strict.head(self.top)
        self.changed = states.is_carried_in(self.body)
        if self.api.counts is not None:
            self.head = ir.Head(self.head.model)

    def echo(self, attempt: Attempt) -> ir.Echo:
        """What the client's writer must know of the question."""
        shown = self.head.model
        if self.snapshot.config.server.response_model == "upstream":
            shown = attempt.upstream.model
        request = self._request if attempt.exact else self.request()
        return ir.Echo(
            self.seed,
            self.started_at // 1000,
            shown,
            request,
            attempt.effort,
            previous_response_id=self.previous_response_id,
            removed=attempt.removed,
            mirror=self.mirror,
            reasoning_field=self.reasoning_field,
            stored=not self.unstored,
        )
