"""From the targets that a rule names to those that can serve: each one left out has its reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from adapters import ir
from policies.capabilities import ABILITIES, CONTEXT, lacks
from policies.facts import Facts
from policies.moment import Available
from policies.verdict import Denied, Target

PINNED = "pinned"
"""Stands where a policy's name would when the client asked for one backend itself."""

_PROVE = "run 'turnout probe {}', or say so under its capabilities"

Refuses: TypeAlias = Callable[[Target], Sequence[ir.Named]]


class Only(Struct, frozen=True):
    """A filter over targets: which backends pass, and who says so."""

    backends: frozenset[str]
    why: str


def stays_local(targets: Iterable[Target]) -> Only:
    """The filter that no configuration can remove: restricted data may only meet local backends."""
    local = frozenset(target.backend for target in targets if target.local)
    return Only(local, "restricted data may only meet backends marked 'local: true'")


class Skip(Struct, frozen=True):
    """A target that was left out. ``names``: the contract parameters (or dropped ones) that it cannot take."""

    backend: str
    cause: Literal["rule", "contract", "away"]
    why: str
    names: tuple[str, ...] = ()
    code: str = "unsupported_parameter"


class Plan(Struct, frozen=True):
    """Who can serve, in order; who was left out; and what each of the first will leave out of the request."""

    targets: tuple[Target, ...]
    skips: tuple[Skip, ...]
    dropped: dict[str, tuple[ir.Named, ...]]
    notes: tuple[str, ...] = ()
    """What the trace tells of those who are asked all the same."""


NO_PLAN = Plan((), (), {})
"""Nobody was looked at."""


def plan(
    targets: Iterable[Target],
    facts: Facts,
    *,
    only: Sequence[Only],
    refuses: Refuses,
    available: Available,
    reject: bool,
    contexts: Mapping[str, int] | None = None,
) -> Plan:
    """Targets in order. ``reject``: what a writer would drop makes it skip the target instead. ``contexts``:
    ``Moment.contexts``."""
    kept: list[Target] = []
    skips: list[Skip] = []
    dropped: dict[str, tuple[ir.Named, ...]] = {}
    for target in targets:
        named: Sequence[ir.Named] = ()
        skip = _barred(target, only) if only else None
        if skip is None:
            named = _named(target, facts, refuses, contexts.get(target.backend) if contexts else None)
            skip = (_unable(target, named, reject) if named else None) or _away(target, available)
        if skip is not None:
            skips.append(skip)
            continue
        kept.append(target)
        if named:
            dropped[target.backend] = tuple(named)
    return _vouched(Plan(tuple(kept), tuple(skips), dropped), facts)


def recorded_skips(skips: Iterable[Skip]) -> dict[str, str]:
    """What the ledger keeps of those that were left out (D16): who was ``away``, and who was ``unable`` for a reason
    that only the request tells."""
    away = [skip.backend for skip in skips if skip.cause == "away"]
    unable = [skip.backend for skip in skips if skip.cause == "contract" and not ABILITIES.issuperset(skip.names)]
    return {name: "+".join(found) for name, found in (("away", away), ("unable", unable)) if found}


def _vouched(found: Plan, facts: Facts) -> Plan:
    """Without those whose needed ability nobody has vouched for; with them where nobody else is left."""
    if facts.request is None or not any(target.unproven for target in found.targets):
        return found
    doubts = {target.backend: sorted(target.unproven & facts.needs) for target in found.targets}
    sure = tuple(target for target in found.targets if not doubts[target.backend])
    told = [(name, f"{', '.join(lacking)} unproven here") for name, lacking in doubts.items() if lacking]
    if not sure:
        notes = tuple(f"{name} is asked all the same: {why}, and nobody else is left" for name, why in told)
        return msgspec.structs.replace(found, notes=notes)
    skips = tuple(Skip(name, "contract", f"{why}: {_PROVE.format(name)}", tuple(doubts[name])) for name, why in told)
    dropped = {target.backend: found.dropped[target.backend] for target in sure if target.backend in found.dropped}
    return Plan(sure, (*found.skips, *skips), dropped)


def _barred(target: Target, only: Sequence[Only]) -> Skip | None:
    return next((Skip(target.backend, "rule", each.why) for each in only if target.backend not in each.backends), None)


def _named(target: Target, facts: Facts, refuses: Refuses, context: int | None) -> Sequence[ir.Named]:
    """What the dialect refuses and what the backend lacks, each name once."""
    named = refuses(target)
    if facts.request is None:
        if context is None and not _limited(target):
            return named
        facts.look()
    if facts.request is None:
        return named
    told = {each.name for each in named}
    able = target.upstream.capabilities
    if context is not None and (able.context is None or context < able.context):
        able = msgspec.structs.replace(able, context=context)
    return [*named, *(each for each in lacks(facts, able) if each.name not in told)]


def _limited(target: Target) -> bool:
    """Must the body be read to know whether it can serve? Where bytes pass unread, nothing is looked at."""
    if target.upstream.wire != "variant":
        return False
    able = target.upstream.capabilities
    return not able.tools or able.context is not None or bool(target.unproven)


def _unable(target: Target, named: Sequence[ir.Named], reject: bool) -> Skip | None:
    blocking = [each for each in named if reject or each.kind == "contract"]
    if not blocking:
        return None
    why = "cannot take " + "; ".join(f"{each.name} ({each.why})" for each in blocking)
    return Skip(target.backend, "contract", why, tuple(each.name for each in blocking), blocking[0].code)


def _away(target: Target, available: Available) -> Skip | None:
    why = available(target)
    return None if why is None else Skip(target.backend, "away", why)


def nobody(policy: str, skips: Sequence[Skip], needs: Collection[str] = ()) -> Denied:
    """Why no target is left: the request's own doing (400), a rule's (403), or nobody is there now (503). ``needs``:
    the abilities that it asks for (``Facts.needs``)."""
    lacking = "; ".join(f"{skip.backend}: {skip.why}" for skip in skips) or "its rule names no backend"
    causes = {skip.cause for skip in skips}
    nobody_here = "no backend" if policy == PINNED else f"no backend of {policy}"
    names = [name for skip in skips for name in skip.names]
    needed = _needed(names, needs)
    if "away" in causes or not skips:
        return Denied(f"{nobody_here} is available now{needed}: {lacking}", 503, "no_backend_available")
    if causes == {"rule"}:
        return Denied(f"{policy} leaves no backend for this request: {lacking}")
    if set(names) == {CONTEXT}:
        text = f"the request is too long for every backend of {policy}: {lacking}. Shorten it."
        return Denied(text, 400, "context_length_exceeded")
    text = f"{nobody_here} can serve this request{needed}: {lacking}. Leave {names[0]!r} out or choose another model."
    code = next(skip.code for skip in skips if skip.names)
    return Denied(text, 400, code, names[0])


def _needed(names: Sequence[str], needs: Collection[str]) -> str:
    """What the request needs: its abilities, and what somebody could not take."""
    found = sorted({*needs, *names} - {CONTEXT})
    return f", which needs {', '.join(found)}" if found else ""
