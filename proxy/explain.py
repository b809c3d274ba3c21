"""What would become of a request: the live decision, made by the same code, with nothing sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from adapters import ir
from policies.moment import Moment
from policies.verdict import Caller, Decision, Target
from proxy import ids
from proxy.apis import APIS
from proxy.call import Call, Rejected
from proxy.decide import decide
from proxy.recall import recall_nothing
from proxy.snapshot import Snapshot

NAMES = tuple(api.name for api in APIS.values())
"""The APIs by the name that the ledger has for them: chat, responses, messages and so on."""


class Explained(Struct, frozen=True, kw_only=True):
    """A decision as the client would meet it. ``failure`` is the error that it would get before any backend is asked;
    ``decision`` is None when the request was turned away before the rules looked at it."""

    decision: Decision | None = None
    failure: ir.Failure | None = None

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
) -> Explained:
    """Decide on ``body``, the bytes of a request to ``api`` (a name of NAMES).

    ``caller`` is who asks (default: nobody's key, on loopback), ``moment`` what is so (default: every backend in
    health, idle, and the time now).
    """
    call = Call(
        id=ids.uuid7(),
        api=next(row for row in APIS.values() if row.name == api),
        headers={name.lower(): value for name, value in (headers or {}).items()},
        peer=None,
        snapshot=snapshot,
        started=0.0,
        started_at=0,
        caller=caller or Caller(),
        body=body,
    )
    try:
        call.read_head()
        recall_nothing(call)
        decide(call, moment or _unhindered(snapshot))
    except (Rejected, ir.Invalid) as error:
        return Explained(decision=call.decision, failure=error.failure)
    return Explained(decision=call.decision)


def as_json(found: Explained) -> dict[str, Any]:
    """The decision as plain values; what nobody decided is None."""
    decision = found.decision or Decision(policy="")
    denied = decision.denied
    return {
        "class": decision.cls,
        "score": decision.score,
        "gate": decision.gate,
        "policy": decision.policy or None,
        "policy_hash": decision.policy_hash or None,
        "rule": decision.rule or None,
        "reason": decision.reason,
        "backend": found.backend,
        "plan": [target.backend for target in decision.plan],
        "skipped": [{"backend": name, "why": why} for name, why in decision.skipped],
        "dropped": [named.name for named in found.dropped],
        "set": dict(decision.set),
        "pinned": decision.pinned,
        "denied": None if denied is None else {"status": denied.status, "code": denied.code, "reason": denied.reason},
        "trace": list(decision.trace),
        "facts": dict(decision.facts),
    }


def _unhindered(snapshot: Snapshot) -> Moment:
    """Every backend that is set up is in health and idle."""
    return Moment(
        time=datetime.now(UTC),
        available=lambda target: snapshot.backends[target.backend].unavailable,
        health={name: "up" if each.unavailable is None else "down" for name, each in snapshot.backends.items()},
    )
