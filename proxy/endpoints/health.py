"""Whether the process lives, whether it can serve, its metrics, and what it may be asked."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from policies import health
from proxy.endpoints.plain import answer, text
from proxy.house import House
from proxy.overrides import Listed
from proxy.snapshot import Backend
from proxy.telemetry.metrics import Series

Others: TypeAlias = Callable[[], Awaitable[list[list[Series]]]]
"""Asks the other workers for their metrics."""


async def nobody() -> list[list[Series]]:
    """There are no other workers."""
    return []


def handlers(house: House, others: Others = nobody) -> list[HTTPRouteHandler]:
    """``/health/live``, ``/health/ready``, ``/metrics`` and ``/openapi.json``. None asks a backend: that would cost
    tokens."""

    @get("/health/live", sync_to_thread=False)
    def live() -> Response[bytes]:
        return answer(house, {"status": "ok"})

    @get("/health/ready", sync_to_thread=False)
    def ready() -> Response[bytes]:
        state = readiness(house)
        return answer(house, state, 200 if state["ready"] else 503)

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        return text(house, house.telemetry.render(await others()), "text/plain; version=0.0.4")

    @get("/openapi.json", sync_to_thread=False)
    def openapi() -> Response[bytes]:
        from proxy.openapi import document  # seldom asked for

        return answer(house, document())

    return [live, ready, metrics, openapi]


def drained(house: House) -> dict[str, str]:
    """backend -> why it gets no new calls, of those that an operator has drained. A house that can reach nobody else is
    ready all the same: its errors say why, and a balancer that took all of it out would not."""
    overrides = house.overrides.now
    return {} if overrides is None else {name: overrides.why(name) or "" for name in overrides.drained}


def _told(override: Listed) -> dict[str, str | None]:
    """What anybody may know of it: not who made it, nor why."""
    return {"override": override.override, "until": override.until, "state": override.ignored or "active"}


def _reload(house: House) -> str:
    """A refused file is no reason to take a replica out: the old one goes on."""
    last = house.last_reload
    if last is None or last.get("ok"):
        return "ok"
    return f"refused at {last.get('at')}: the file is not what is in force (GET /admin/config says why)"


def readiness(house: House) -> dict[str, Any]:
    """Ready: a usable backend, somebody who may ask, and not draining. A ledger in trouble keeps its rows in the spool,
    keys that cannot be read are as they were, for limits, budgets and stored responses holds what ``state.away`` says,
    and a backend whose breaker is open can only be found well again by a call: each says so here, and is
    ``degraded``."""
    snapshot = house.snapshot
    backends = {name: _standing(house, backend) for name, backend in snapshot.backends.items()}
    usable = any(backend.unavailable is None for backend in snapshot.backends.values())
    down = any(backends[name] != "ok" for name, each in snapshot.backends.items() if each.unavailable is None)
    keyring, overrides = house.keyring, house.overrides
    lost = keyring.away is not None and keyring.undecided
    ready = usable and not lost and not house.draining
    trouble = _troubles(house)
    found: dict[str, Any] = {
        "ready": ready,
        "draining": house.draining,
        "degraded": any((*trouble.values(), overrides.away, down)),
        "generation": snapshot.generation,
        "config": snapshot.hash[:12],
        "reload": _reload(house),
        **{what: why or "ok" for what, why in trouble.items()},
        "backends": backends | drained(house),
        "overrides": [_told(each) for each in overrides.listed()],
        "overrides_generation": overrides.generation,
    }
    if not usable:
        return {**found, "why": "no backend is usable: set a credential, or start a local server"}
    return {**found, "why": "nobody knows yet whether there are keys"} if lost else found


def _troubles(house: House) -> dict[str, str | None]:
    """Feature -> what is the matter with it; None: nothing. Anybody may ask, so nothing here says where things are."""
    away, purse = house.snapshot.config.state.away, house.purse
    return {
        "ledger": house.ledger.trouble,
        "keys": None if house.keyring.away is None else "cannot be read; those that are known go on",
        "limits": None if purse.rates.away is None else f"cannot be counted; state.away.limits: {away.limits}",
        "budgets": None if purse.budgets.away is None else f"cannot be counted; state.away.budgets: {away.budgets}",
        "stored": None if house.store.trouble is None else f"cannot be written; state.away.stored: {away.stored}",
    }


def _standing(house: House, backend: Backend) -> str:
    """``ok``, or why nothing is sent there."""
    state = house.backends.breaker(backend)
    return backend.unavailable or health.available(state, time.monotonic()) or "ok"
