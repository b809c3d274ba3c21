"""The compiled rules: for each request who may serve it, in which order, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from policies.data_classes.data_class import RESTRICTED
from policies.escalation import escalate
from policies.facts import Facts
from policies.load import spilled
from policies.moment import Moment
from policies.retries import Retries
from policies.rules.conditions import CONTENT, facts_of, nearest
from policies.rules.grammar import Problem, Route
from policies.rules.names import Names
from policies.rules.order import arranged
from policies.rules.plan import NO_PLAN, PINNED, Plan, Refuses, nobody, plan, recorded_skips
from policies.rules.terms import NO_TERMS, Terms
from policies.rules.walking import Line, Walk
from policies.sticky import Sticky, stays
from policies.verdict import Arranged, Caller, Decision, Denied, Target

PIN = "backend/"
"""``model: backend/NAME`` asks for one backend, past the policy's choice of targets."""

Change: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Applies what rules set to the request; what changed by it."""

_JUDGED = frozenset({"chat", "responses", "messages"})
"""APIs whose answers ``escalate`` judges; those of the others pass as bytes."""

_STICKY: tuple[Sticky, ...] = ("conversation", "tool_loop")
"""What asks for more comes first."""


class Compiled(Struct, frozen=True, kw_only=True):
    """A policy with its parents' rules in place."""

    name: str
    lines: tuple[Line, ...]
    reject: bool = False
    retries: Retries = Retries()
    hash: str = ""
    text: str = ""
    looks_at: frozenset[str] = frozenset()
    terms: Terms = NO_TERMS
    """The policy's own, for all its rules."""
    sticky: Sticky = "never"
    """The most that any of its rules asks for; ``never`` where they name a single backend between them."""
    broken: str | None = None
    """Why it cannot be used here (a library policy whose role is unbound, and that nothing refers to)."""


class Book(Struct, frozen=True, kw_only=True):
    """Guards and policies, ready to decide. ``warnings`` is what the operator should know but may ignore."""

    guards: tuple[Line, ...]
    policies: Mapping[str, Compiled]
    names: Names
    warnings: tuple[Problem, ...] = ()

    def decide(
        self,
        route: Route,
        facts: Facts,
        *,
        caller: Caller,
        refuses: Refuses,
        moment: Moment,
        pin: str | None = None,
        change: Change | None = None,
    ) -> Decision:
        """Guards, then the caller's policy, then who of its targets can serve.

        ``refuses`` is the upstream dialect's word on the request, ``moment`` what is so now. ``pin``:
        ``backend/NAME``. ``change`` applies what rules set before their targets are judged, and tells what has changed.
        A refusal is a value: ``Decision.denied``.
        """
        policy, source = self._policy(route, caller)
        walk = Walk(facts)
        line = walk.first(self.guards)
        if line is None:
            walk.trace.append(f"policy {policy.name}: {source}")
            line = walk.guarded(walk.first(policy.lines), self.guards, self.names.targets.values())
        denied = self._denied(policy, line, pin, caller)
        if policy.terms is not NO_TERMS:
            walk.terms = walk.terms.over(policy.terms)
        if route.ttft_target is not None:
            walk.terms = walk.terms.over(Terms(ttft_target=route.ttft_target))
        recorded = facts.recorded()
        if moment.spent is not None:
            recorded["spent"] = True
        if denied is not None:
            return _refused(_told(policy, line, walk, recorded, pinned=pin is not None), denied)
        if walk.set and change is not None:
            walk.set = dict(change(walk.set))
        targets: Sequence[Target] = (line.use if line is not None else None) or ()
        if moment.spent is not None:
            targets = self._thrifty(targets, moment.spent, walk)
        if pin is not None:
            targets = (self.names.targets[_pinned(pin)],)
        found = plan(
            targets,
            facts,
            only=walk.only,
            refuses=refuses,
            available=moment.available,
            reject=policy.reject,
            contexts=moment.contexts,
        )
        steps = [] if pin is not None else _settled(walk, found, moment)
        decision = _told(policy, line, walk, recorded, found, steps, pinned=pin is not None)
        if decision.plan:
            return decision
        return _refused(decision, nobody(policy.name, found.skips, facts.needs if facts.request is not None else ()))

    @property
    def ttft_targets(self) -> frozenset[float]:
        """Every one of its policies' and rules', in seconds."""
        own = [policy.terms for policy in self.policies.values()]
        terms = own + [line.terms for policy in self.policies.values() for line in policy.lines]
        return frozenset(each.ttft_target for each in terms if each.ttft_target is not None)

    @property
    def weighs_prices(self) -> bool:
        """May the very first call make somebody ask what a token costs? (A thread may do so from its second on.)"""
        lines = [*self.guards, *(line for policy in self.policies.values() for line in policy.lines)]
        terms = [*(line.terms for line in lines), *(policy.terms for policy in self.policies.values())]
        return any(each.order == "cheapest" or each.condense or each.ttft_target is not None for each in terms)

    def lines(self, route: Route, caller: Caller) -> tuple[Line, ...]:
        """Every guard and rule on this road."""
        return (*self.guards, *self._policy(route, caller)[0].lines)

    def policy(self, route: Route, caller: Caller) -> Compiled:
        """Whose rules hold on this road."""
        return self._policy(route, caller)[0]

    def needs(self, route: Route, caller: Caller) -> frozenset[str]:
        """The facts that the rules on this road look at."""
        return self._policy(route, caller)[0].looks_at

    def reads_content(self, route: Route, caller: Caller) -> bool:
        """Must the body be read before this road can be decided?"""
        return not CONTENT.isdisjoint(self.needs(route, caller))

    def sticky(self, route: Route, caller: Caller) -> Sticky:
        """May it matter on this road where a thread was answered before?"""
        return self._policy(route, caller)[0].sticky

    def show(self, name: str) -> str:
        """The policy as YAML with its ``extends`` resolved. KeyError with the nearest name when there is none."""
        if name not in self.policies:
            raise KeyError(f"there is no policy {name!r}: {nearest(name, self.policies)}")
        return self.policies[name].text

    def retries(self, policy: str) -> Retries:
        """How patient this policy is after a failure; the default for anything that is no policy."""
        return self.policies[policy].retries if policy in self.policies else Retries()

    def _policy(self, route: Route, caller: Caller) -> tuple[Compiled, str]:
        """The caller's policy and which choice it is: an override, the team's for this alias, the team's default, the
        alias's.

        A team's default does not move an alias that names its backends (embeddings): only a pin, which is past the
        choice of targets but not past the rules, is held to it.
        """
        if (override := route.override) is not None:
            return self._named(override.policy or ""), f"override {override.told} until {override.end}"
        direct = route.use is not None and not route.alias.startswith(PIN)
        if not caller.policy and route.policy is not None:
            return self._named(route.policy), "the alias's"
        for key, source in ((route.alias, "the team's for this alias"), ("default", "the team's default")):
            if key in caller.policy and (key != "default" or not direct):
                return self._named(caller.policy[key]), source
        if route.policy is not None:
            return self._named(route.policy), "the alias's"
        return self._direct(route), "the alias names its backends"

    def _thrifty(self, targets: Sequence[Target], why: str, walk: Walk) -> Sequence[Target]:
        """The local ones of a rule's targets, else those of the role ``local``; where there are none, they stay, for
        the draw to refuse them."""
        local = self.names.backends(("local",))
        kept = [target for target in targets if target.local] or [self.names.targets[name] for name in local]
        walk.trace.append(f"{why}: {'local backends only' if kept else 'and no backend is local'}")
        return kept or targets

    def _named(self, name: str) -> Compiled:
        found = self.policies.get(name)
        if found is not None:
            return found
        missing = f"there is no policy {name!r}: {nearest(name, self.policies)}"
        return Compiled(name=name, lines=(), looks_at=_facts_of(self.guards), broken=missing)

    def _direct(self, route: Route) -> Compiled:
        """A policy of one rule, for an alias that names backends. Nothing else is tried when these fail."""
        lines: tuple[Line, ...] = ()
        if route.use is not None:
            targets = tuple(self.names.targets[name] for name in self.names.backends(route.use))
            lines = (Line(label="use", conditions=(), use=targets, applies=f"use applies: use {', '.join(route.use)}"),)
        name = PINNED if route.alias.startswith(PIN) else f"alias:{route.alias}"
        return Compiled(name=name, lines=lines, looks_at=_facts_of(self.guards), sticky=clinging(lines, NO_TERMS))

    def _denied(self, policy: Compiled, line: Line | None, pin: str | None, caller: Caller) -> Denied | None:
        if line is not None and line.deny is not None:
            return Denied(line.deny)
        if pin is not None:
            return self._pin_denied(_pinned(pin), caller)
        if policy.broken is not None:
            return Denied(f"policy {policy.name} cannot be used: {policy.broken}", 503, "no_backend_available")
        return Denied(f"no rule of policy {policy.name} applies to this request") if line is None else None

    def _pin_denied(self, name: str, caller: Caller) -> Denied | None:
        target = self.names.targets.get(name)
        if target is None:
            text = f"there is no backend {name!r}: {nearest(name, self.names.targets)}"
            return Denied(text, 404, "model_not_found", "model")
        if caller.pin is False or (caller.pin == "local" and not target.local):
            which = "any backend" if caller.pin is False else "a backend that is not local"
            return Denied(f"{caller.name} may not pin {which}: send an alias as `model` instead", param="model")
        return None


def _pinned(pin: str) -> str:
    return pin.removeprefix(PIN)


def clinging(lines: Sequence[Line], terms: Terms) -> Sticky:
    """The most stickiness that a policy of these rules, with these terms of its own, asks for. Whoever condenses must
    know what is cached where."""
    if any(line.terms.condense is not None for line in lines):
        return "conversation"
    uses = [line for line in lines if line.use]
    if len({target.backend for line in uses for target in line.use or ()}) < 2:
        return "never"
    asked = {line.terms.sticky or terms.sticky or "tool_loop" for line in lines}
    return next((mode for mode in _STICKY if mode in asked), "never")


def _facts_of(lines: Sequence[Line]) -> frozenset[str]:
    return frozenset(fact for line in lines for fact in facts_of(line.conditions))


def _refused(decision: Decision, denied: Denied) -> Decision:
    trace = (*decision.trace, f"denied: {denied.reason}")
    return msgspec.structs.replace(decision, denied=denied, trace=trace)


def _settled(walk: Walk, found: Plan, moment: Moment) -> list[Arranged]:
    """The able targets in the order in which they are tried, one step after the other: as the rule wants them, past
    those that are too busy, and where the thread stays."""
    terms, facts = walk.terms, walk.facts
    if terms is NO_TERMS and moment.home is None:
        return []
    ordered = arranged(found.targets, terms.order or "listed", terms.weights or {}, facts, moment)
    spread = spilled(
        ordered.targets,
        moment.load,
        ttft_target=terms.ttft_target,
        restricted=RESTRICTED in facts.data_class,
        tokens=facts.input_tokens if facts.request is not None and terms.ttft_target is not None else None,
        price=moment.price,
    )
    return [ordered, spread, stays(spread.targets, facts, moment, terms.sticky or "tool_loop", spread.late)]


def _left_out(found: Plan) -> Sequence[str]:
    if not found.skips:
        return found.notes
    return [*(f"{skip.backend} left out: {skip.why}" for skip in found.skips), *found.notes]


def _told(
    policy: Compiled,
    line: Line | None,
    walk: Walk,
    recorded: dict[str, Any],
    found: Plan = NO_PLAN,
    steps: Sequence[Arranged] = (),
    *,
    pinned: bool,
) -> Decision:
    """The decision with its plan, and in its trace how it came about. ``recorded``: the facts as they were before the
    targets were looked at."""
    targets = steps[-1].targets if steps else found.targets
    trace = [*walk.trace, *_left_out(found)]
    facts = {**recorded, **recorded_skips(found.skips)} if found.skips else recorded
    for step in steps:
        trace += step.notes
        facts = {**facts, **step.facts}
    if targets:
        trace.append("plan: " + ", ".join([target.backend for target in targets]))
    if targets and walk.terms.escalate is not None and recorded.get("api") in _JUDGED:
        trace += escalate.told(walk.terms.escalate, targets)
    denies = line is not None and line.deny is not None
    return Decision(
        policy=policy.name,
        policy_hash=policy.hash,
        rule=PINNED if pinned and not denies else line.label if line is not None else "",
        reason=line.reason if line is not None else None,
        cls=recorded.get("class"),
        score=recorded.get("score"),
        gate=recorded.get("gate"),
        verdict=walk.facts.judged,
        plan=targets,
        skipped=tuple([(skip.backend, skip.why) for skip in found.skips]) if found.skips else (),
        dropped=found.dropped,
        set=walk.set,
        terms=walk.terms,
        data_class=walk.facts.data_class,
        allowed=frozenset.intersection(*(only.backends for only in walk.only)) if walk.only else None,
        pinned=pinned,
        trace=tuple(trace),
        facts=facts,
    )
