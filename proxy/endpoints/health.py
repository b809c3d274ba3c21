"""Whether the process lives, whether it can serve, its metrics, and what it may be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from proxy.endpoints.plain import answer, text
from proxy.house import House
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


def readiness(house: House) -> dict[str, Any]:
    """Ready: a usable backend, somebody who may ask, and not draining. A ledger in trouble keeps its rows in the spool,
    and keys that cannot be read are as they were: both say so here, and are ``degraded``."""
    snapshot = house.snapshot
    backends = {name: backend.unavailable or "ok" for name, backend in snapshot.backends.items()}
    usable = any(state == "ok" for state in backends.values())
    keyring = house.keyring
    lost = keyring.away is not None and keyring.undecided
    ready = usable and not lost and not house.draining
    found: dict[str, Any] = {
        "ready": ready,
        "draining": house.draining,
        "degraded": house.ledger.trouble is not None or keyring.away is not None,
        "generation": snapshot.generation,
        "config": snapshot.hash[:12],
        "ledger": house.ledger.trouble or "ok",
        "keys": "ok" if keyring.away is None else "cannot be read; those that are known go on",
        "backends": backends,
    }
    if not usable:
        return {**found, "why": "no backend is usable: set a credential, or start a local server"}
    return {**found, "why": "nobody knows yet whether there are keys"} if lost else found
