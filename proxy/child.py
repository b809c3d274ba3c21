"""A helper call is a Call: it walks stations 6 to 11 for the call that it helps, with a row and limits of its own.

It has no client, no terms (so that no helper is helped) and no more time than it is given. Whatever becomes of it, the
call that it helps can go on without.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from adapters import failures, ir
from policies.data_classes.data_class import RESTRICTED
from policies.facts import observe
from policies.rules.plan import Only, nobody, plan
from policies.verdict import Decision, Target
from proxy import attribution, ids
from proxy.apis import APIS
from proxy.call import Api, Call, Rejected
from proxy.decide import refuses
from proxy.line import Line

if TYPE_CHECKING:
    from proxy.house import House

Ride: TypeAlias = "Callable[[Call, House, Line], Awaitable[None]]"
"""Stations 6 to 11; handed in, for the road itself calls helpers."""

_API = APIS["/v1/chat/completions"]


class HelperFailed(Exception):  # noqa: N818 - a fact, not a fault of ours
    """There is no answer; the words say why."""


async def ask(
    parent: Call,
    house: House,
    request: ir.Request,
    targets: Sequence[Target],
    *,
    purpose: str,
    within: float,
    ride: Ride,
    api: Api = _API,
) -> ir.Reply:
    """The answer of the first of ``targets`` that may see the parent's data, can take the request and answers within
    ``within`` seconds, asked in the words of ``api``. Raises HelperFailed; a parent that is cancelled takes its helpers
    with it."""
    child = _child(parent, request, purpose, api)
    parent.helpers.append(child)
    heard = _Heard()
    try:
        child.decision = _decision(parent, child, targets, house)
        if child.decision.denied is not None:
            child.failure = ir.Failure("forbidden", child.decision.denied.status, child.decision.denied.reason)
            raise HelperFailed(child.decision.denied.reason)
        async with asyncio.timeout(within if within < float("inf") else None):
            await ride(child, house, Line(heard.send))
    except (Rejected, ir.Invalid) as error:
        child.failure = error.failure
        raise HelperFailed(error.failure.message) from None
    except TimeoutError:
        child.failure = failures.timeout(f"no answer within {within:g} s")
        raise HelperFailed(child.failure.message) from None
    except asyncio.CancelledError:
        child.outcome, child.status = "cancelled", 499
        raise
    finally:
        child.status = child.failure.status if child.failure is not None else child.status
        house.record(child)
    return ir.collect(api.wire.read_response(bytes(heard.body)))


def _child(parent: Call, request: ir.Request, purpose: str, api: Api) -> Call:
    decision = parent.decision or Decision(policy="")
    child = Call(
        id=ids.uuid7(),
        api=api,
        headers={},
        peer=None,
        snapshot=parent.snapshot,
        overrides=parent.overrides,
        started=time.monotonic(),
        started_at=time.time_ns() // 1_000_000,
        trace=parent.trace.helper() if parent.trace is not None else None,
        caller=parent.caller,
        head=ir.Head(parent.head.model),
        parent_id=parent.id,
        purpose=purpose,
        attribution=attribution.of(parent),
        baseline=parent.baseline,
        inherited=parent.inherited | decision.data_class,
    )
    child.asks(request)
    return child


def _decision(parent: Call, child: Call, targets: Sequence[Target], house: House) -> Decision:
    """The parent's rule and its data class; of ``targets``, those that may see its data, are there and are able."""
    decision = parent.decision or Decision(policy="")
    moment = house.moment(child)
    request = child.request()
    facts = observe(request, alias=child.head.model, api=child.api.kind, stream=False, caller=child.caller, headers={})
    found = plan(
        targets,
        facts,
        only=barriers(decision, child.inherited, targets),
        refuses=lambda target: refuses(child, target),
        available=moment.available,
        reject=False,
    )
    names = ", ".join(target.backend for target in found.targets)
    left = tuple(f"{skip.backend} left out: {skip.why}" for skip in found.skips)
    return Decision(
        policy=decision.policy,
        policy_hash=decision.policy_hash,
        rule=decision.rule,
        plan=found.targets,
        skipped=tuple((skip.backend, skip.why) for skip in found.skips),
        dropped=found.dropped,
        data_class=child.inherited,
        allowed=decision.allowed,
        denied=None if found.targets else nobody(decision.policy, found.skips),
        trace=(f"{child.purpose} for {parent.id}", *left, *([f"plan: {names}"] if names else [])),
    )


def barriers(decision: Decision, classes: frozenset[str], targets: Sequence[Target]) -> list[Only]:
    """Whom a call's data may not meet through a helper: all but local backends where it is restricted, and whoever its
    guards and rules leave out."""
    found = []
    if RESTRICTED in classes | decision.data_class:
        local = frozenset(target.backend for target in targets if target.local)
        found.append(Only(local, "restricted data may only meet local backends"))
    if decision.allowed is not None:
        found.append(Only(decision.allowed, "the rules of the call that it helps leave it out"))
    return found


class _Heard:
    """Where a client would be: keeps the body of the answer."""

    def __init__(self) -> None:
        self.body = bytearray()

    async def send(self, message: Any) -> None:
        self.body += message.get("body", b"")
