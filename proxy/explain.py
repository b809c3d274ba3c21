"""What would become of a request: the live decision, made by the same code, with nothing sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from adapters import ir
from policies import caching
from policies.moment import Moment
from policies.overrides import Overrides
from policies.pricing import Price
from policies.verdict import Caller, Decision, Target
from proxy import cache, ids
from proxy.apis import APIS
from proxy.call import Call, Rejected
from proxy.condense import predict
from proxy.decide import decide
from proxy.forecast import Forecast, forecast_of
from proxy.outside import header_class
from proxy.prices import Prices, from_sheet
from proxy.recall import recall, recall_nothing
from proxy.snapshot import Snapshot
from proxy.state.condensed import Condensed
from proxy.threads import home_of

if TYPE_CHECKING:
    from proxy.house import House

NAMES = tuple(api.name for api in APIS.values())
"""The APIs by the name that the ledger has for them: chat, responses, messages and so on."""


class Explained(Struct, frozen=True, kw_only=True):
    """A decision as the client would meet it. ``failure`` is the error that it would get before any backend is asked;
    ``decision`` is None when the request was turned away before the rules looked at it."""

    decision: Decision | None = None
    failure: ir.Failure | None = None
    forecasts: tuple[Forecast, ...] = ()
    """One for each target of the plan, in its order."""
    cache: Mapping[str, Any] | None = None
    """What the rule says of the response cache, and why this request passes it by; None: nothing."""
    condense: str | None = None
    """What the guard says of shortening old turns, with its numbers; None: no rule asks for it."""
    missing: tuple[str, ...] = ()
    """What the live call would know and this explanation does not."""

    @property
    def target(self) -> Target | None:
        """Who is asked first."""
        plan = self.decision.plan if self.decision is not None else ()
        return plan[0] if plan else None

    @property
    def backend(self) -> str | None:
        """``x-turnout-backend``, if this backend answers."""
        return self.target.backend if self.target is not None else None

    @property
    def dropped(self) -> tuple[ir.Named, ...]:
        """What that backend is not told, each name once (``x-turnout-dropped``)."""
        if self.decision is None or self.backend is None:
            return ()
        return tuple({named.name: named for named in self.decision.dropped.get(self.backend, ())}.values())


def explain(
    snapshot: Snapshot,
    api: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    caller: Caller | None = None,
    *,
    moment: Moment | None = None,
    overrides: Overrides | None = None,
) -> Explained:
    """Decide on ``body``, the bytes of a request to ``api`` (a name of NAMES).

    ``caller`` is who asks (default: nobody's key, on loopback), ``moment`` what is so (default: every backend in
    health, idle, and the time now), ``overrides`` what operators have turned. There is no store here, so that no stored
    turn is known.
    """
    call = _call(snapshot, api, body, headers, caller)
    call.overrides = overrides
    try:
        call.read_head()
        missing = ("stored turns: the new input stands for the whole thread",) if recall_nothing(call) else ()
    except (Rejected, ir.Invalid) as error:
        return Explained(failure=error.failure)
    told = msgspec.structs.replace(moment or unhindered(snapshot), outside=header_class(call))
    told = told if overrides is None else overrides.over(told)
    return _decided(call, told, missing)


async def explain_here(
    house: House, api: str, body: bytes, headers: Mapping[str, str] | None = None, caller: Caller | None = None
) -> Explained:
    """The same in a running house: by its health, load, threads and stored turns. No backend is asked, nor the hook
    that may give a class."""
    call = _call(house.snapshot, api, body, headers, caller)
    call.overrides = house.overrides.now
    house.recognise(call)
    try:
        await house.in_turn(call.body, call.read_head)
        await recall(call, house)
    except (Rejected, ir.Invalid) as error:
        return Explained(failure=error.failure)
    call.home = await home_of(call, house)
    call.outside = header_class(call)
    hooked = house.snapshot.config.classifier.hook is not None and call.outside is None
    missing = ("the class that classifier.hook would give: the built-in one stands here",) if hooked else ()
    if from_sheet(house.snapshot.backends.values()):
        await asyncio.to_thread(house.prices.warm)  # for the forecasts, and not on the loop
    return await house.in_turn(call.body, lambda: _decided(call, house.moment(call), missing, house.condensed))


def named(snapshot: Snapshot, key: str) -> Caller | None:
    """Who has the key of this name."""
    return next((caller for caller in snapshot.callers.values() if caller.name == key), None)


def unhindered(snapshot: Snapshot) -> Moment:
    """Every backend that is set up is in health and idle, and every call is its thread's first."""
    prices, now = Prices(snapshot.overlay), time.time()

    def price(target: Target) -> Price | None:
        backend, upstream = snapshot.backends[target.backend], target.upstream
        if backend.machine is not None:
            return None  # what its calls take is learned where they are
        return prices.quote(upstream.provider, upstream.model, now=now, own=backend.price, local=target.local).price

    return Moment(
        time=datetime.now(UTC),
        available=lambda target: snapshot.backends[target.backend].unavailable,
        price=price,
        health={name: "up" if each.unavailable is None else "down" for name, each in snapshot.backends.items()},
    )


def _call(snapshot: Snapshot, api: str, body: bytes, headers: Mapping[str, str] | None, caller: Caller | None) -> Call:
    return Call(
        id=ids.uuid7(),
        api=next(row for row in APIS.values() if row.name == api),
        headers={name.lower(): value for name, value in (headers or {}).items()},
        peer=None,
        snapshot=snapshot,
        started=time.monotonic(),
        started_at=time.time_ns() // 1_000_000,
        caller=caller or Caller(),
        body=body,
    )


def _decided(call: Call, moment: Moment, missing: Sequence[str], remembered: Condensed | None = None) -> Explained:
    try:
        decision = decide(call, moment)
        shorter = predict(call, moment, remembered or Condensed())
    except (Rejected, ir.Invalid) as error:
        return Explained(decision=call.decision, failure=error.failure, missing=tuple(missing))
    if shorter is not None and shorter.pieces:
        missing = (*missing, "the shortened texts: bodies and prices are those of the request as it is")
    forecasts = tuple(forecast_of(call, target, moment) for target in decision.plan)
    rule = cache.rule_of(call)
    return Explained(
        decision=call.decision,
        forecasts=forecasts,
        cache=caching.told(rule, cache.passed_by(call, rule) if rule is not None else None),
        condense=shorter.told if shorter is not None else None,
        missing=tuple(missing),
    )


def as_json(found: Explained) -> dict[str, Any]:
    """The decision as plain values; what nobody decided is None."""
    decision = found.decision or Decision(policy="")
    denied, failure = decision.denied, found.failure
    return {
        "class": decision.cls,
        "score": decision.score,
        "gate": decision.gate,
        "policy": decision.policy or None,
        "policy_hash": decision.policy_hash or None,
        "rule": decision.rule or None,
        "reason": decision.reason,
        "overrides": list(decision.overrides),
        "backend": found.backend,
        "plan": [target.backend for target in decision.plan],
        "skipped": [{"backend": name, "why": why} for name, why in decision.skipped],
        "targets": [msgspec.structs.asdict(each) for each in found.forecasts],
        "dropped": [named.name for named in found.dropped],
        "set": dict(decision.set),
        "cache": found.cache,
        "condense": found.condense,
        "data_class": sorted(decision.data_class),
        "pinned": decision.pinned,
        "denied": None if denied is None else {"status": denied.status, "code": denied.code, "reason": denied.reason},
        "failure": None if failure is None else _failure(failure),
        "missing": list(found.missing),
        "trace": list(decision.trace),
        "facts": dict(decision.facts),
    }


def _failure(failure: ir.Failure) -> dict[str, Any]:
    return {"status": failure.status, "code": failure.code, "param": failure.param, "message": failure.message}
