"""From the targets that a rule names to those that can serve: each one left out has its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from adapters import ir
from policies.capabilities import CONTEXT, lacks
from policies.facts import Facts
from policies.moment import Available
from policies.verdict import Denied, Target

PINNED = "pinned"
"""Stands where a policy's name would when the client asked for one backend itself."""

Refuses: TypeAlias = Callable[[Target], Sequence[ir.Named]]


class Only(Struct, frozen=True):
    """A filter over targets: which backends pass, and who says so."""

    backends: frozenset[str]
    why: str


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


def plan(
    targets: Iterable[Target],
    facts: Facts,
    *,
    only: Sequence[Only],
    refuses: Refuses,
    available: Available,
    reject: bool,
) -> Plan:
    """Targets in order. ``reject``: what a writer would drop makes it skip the target instead."""
    kept: list[Target] = []
    skips: list[Skip] = []
    dropped: dict[str, tuple[ir.Named, ...]] = {}
    for target in targets:
        named: Sequence[ir.Named] = ()
        skip = _barred(target, only)
        if skip is None:
            named = _named(target, facts, refuses)
            skip = _unable(target, named, reject) or _away(target, available)
        if skip is not None:
            skips.append(skip)
            continue
        kept.append(target)
        if named:
            dropped[target.backend] = tuple(named)
    return Plan(tuple(kept), tuple(skips), dropped)


def _barred(target: Target, only: Sequence[Only]) -> Skip | None:
    return next((Skip(target.backend, "rule", each.why) for each in only if target.backend not in each.backends), None)


def _named(target: Target, facts: Facts, refuses: Refuses) -> list[ir.Named]:
    """What the dialect refuses and what the backend lacks, each name once."""
    named = list(refuses(target))
    told = {each.name for each in named}
    return named + [each for each in lacks(facts, target.upstream.capabilities) if each.name not in told]


def _unable(target: Target, named: Sequence[ir.Named], reject: bool) -> Skip | None:
    blocking = [each for each in named if reject or each.kind == "contract"]
    if not blocking:
        return None
    why = "cannot take " + "; ".join(f"{each.name} ({each.why})" for each in blocking)
    return Skip(target.backend, "contract", why, tuple(each.name for each in blocking), blocking[0].code)


def _away(target: Target, available: Available) -> Skip | None:
    why = available(target)
    return None if why is None else Skip(target.backend, "away", why)


def nobody(policy: str, skips: Sequence[Skip]) -> Denied:
    """Why no target is left: the request's own doing (400), a rule's (403), or nobody is there now (503)."""
    lacking = "; ".join(f"{skip.backend}: {skip.why}" for skip in skips) or "its rule names no backend"
    causes = {skip.cause for skip in skips}
    nobody_here = "no backend" if policy == PINNED else f"no backend of {policy}"
    if "away" in causes or not skips:
        return Denied(f"{nobody_here} is available now: {lacking}", 503, "no_backend_available")
    if causes == {"rule"}:
        return Denied(f"{policy} leaves no backend for this request: {lacking}")
    names = [name for skip in skips for name in skip.names]
    if set(names) == {CONTEXT}:
        text = f"the request is too long for every backend of {policy}: {lacking}. Shorten it."
        return Denied(text, 400, "context_length_exceeded")
    text = f"{nobody_here} can serve this request: {lacking}. Leave {names[0]!r} out or choose another model."
    code = next(skip.code for skip in skips if skip.names)
    return Denied(text, 400, code, names[0])
