"""The compiled rules: for each request who may serve it, in which order, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from policies.conditions import CONTENT, Condition, nearest
from policies.facts import Facts
from policies.grammar import Problem, Route
from policies.load import spilled
from policies.moment import Moment
from policies.names import Names
from policies.order import arranged
from policies.plan import PINNED, Only, Plan, Refuses, nobody, plan
from policies.retries import Retries
from policies.sticky import stays
from policies.terms import NO_TERMS, Terms
from policies.verdict import Arranged, Caller, Decision, Denied, Target

PIN = "backend/"
"""``model: backend/NAME`` asks for one backend, past the policy's choice of targets."""

_SHOWN = frozenset(
    {"class", "score", "input_tokens", "max_output", "depth", "effort", "language", "budget_used", "structured_output"}
)
"""Facts whose value the trace tells when a rule is passed over; all others may be private, or speak for themselves."""


class Line(Struct, frozen=True, kw_only=True):
    """A compiled rule or guard. ``label`` is its name in the trace: ``hybrid[2]``, ``premium.before[0]``."""

    label: str
    conditions: tuple[Condition, ...]
    use: tuple[Target, ...] | None = None
    only: Only | None = None
    deny: str | None = None
    set: Mapping[str, Any] = {}
    terms: Terms = NO_TERMS
    ends: bool = True
    reason: str | None = None
    does: str = ""
    """What it does, for the trace."""


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
    broken: str | None = None
    """Why it cannot be used here (a library policy whose role is unbound, and that nothing refers to)."""


class _Walk:
    """One pass over the lines: what they add up to."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.trace: list[str] = []
        self.only: list[Only] = []
        self.set: dict[str, Any] = {}
        self.terms = NO_TERMS

    def first(self, lines: Sequence[Line]) -> Line | None:
        """The line that ends the walk, or None; lines that go on leave their marks."""
        for line in lines:
            if self._applies(line):
                self.set.update(line.set)
                self.terms = line.terms.over(self.terms)
                if line.only is not None:
                    self.only.append(line.only)
                if line.ends:
                    return line
        return None

    def _applies(self, line: Line) -> bool:
        for condition in line.conditions:
            value = self.facts.value(condition.fact)
            if value is None or not condition.test(value):
                told = f" (it is {value})" if condition.fact in _SHOWN and value is not None else ""
                self.trace.append(f"{line.label} passed over: not {condition.text}{told}")
                return False
        self.trace.append(f"{line.label} applies: {line.does}")
        return True


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
    ) -> Decision:
        """Guards, then the caller's policy, then who of its targets can serve.

        ``refuses`` is the upstream dialect's word on the request, ``moment`` what is so now. ``pin``:
        ``backend/NAME``. A refusal is a value: ``Decision.denied``.
        """
        policy, source = self._policy(route, caller)
        walk = _Walk(facts)
        line = walk.first(self.guards)
        if line is None:
            walk.trace.append(f"policy {policy.name}: {source}")
            line = walk.first(policy.lines)
        denied = self._denied(policy, line, pin, caller)
        walk.terms = walk.terms.over(policy.terms).over(Terms(ttft_target=route.ttft_target))
        decision = self._told(policy, line, walk, pin)
        if denied is not None:
            return _refused(decision, denied)
        targets = (line.use if line is not None else None) or ()
        if pin is not None:
            targets = (self.names.targets[_pinned(pin)],)
        found = plan(targets, facts, only=walk.only, refuses=refuses, available=moment.available, reject=policy.reject)
        return _planned(decision, found, [] if pin is not None else _settled(decision, found, facts, moment))

    def needs(self, route: Route, caller: Caller) -> frozenset[str]:
        """The facts that the rules on this road look at."""
        return self._policy(route, caller)[0].looks_at

    def reads_content(self, route: Route, caller: Caller) -> bool:
        """Must the body be read before this road can be decided?"""
        return not CONTENT.isdisjoint(self.needs(route, caller))

    def show(self, name: str) -> str:
        """The policy as YAML with its ``extends`` resolved. KeyError with the nearest name when there is none."""
        if name not in self.policies:
            raise KeyError(f"there is no policy {name!r}: {nearest(name, self.policies)}")
        return self.policies[name].text

    def retries(self, policy: str) -> Retries:
        """How patient this policy is after a failure; the default for anything that is no policy."""
        return self.policies[policy].retries if policy in self.policies else Retries()

    def _policy(self, route: Route, caller: Caller) -> tuple[Compiled, str]:
        """The caller's policy and which choice it is: the team's for this alias, the team's default, the alias's.

        A team's default does not move an alias that names its backends (embeddings): only a pin, which is past the
        choice of targets but not past the rules, is held to it.
        """
        direct = route.use is not None and not route.alias.startswith(PIN)
        for key, source in ((route.alias, "the team's for this alias"), ("default", "the team's default")):
            if key in caller.policy and (key != "default" or not direct):
                return self._named(caller.policy[key]), source
        if route.policy is not None:
            return self._named(route.policy), "the alias's"
        return self._direct(route), "the alias names its backends"

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
            lines = (Line(label="use", conditions=(), use=targets, does=f"use {', '.join(route.use)}"),)
        name = PINNED if route.alias.startswith(PIN) else f"alias:{route.alias}"
        return Compiled(name=name, lines=lines, looks_at=_facts_of(self.guards))

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

    def _told(self, policy: Compiled, line: Line | None, walk: _Walk, pin: str | None) -> Decision:
        facts = walk.facts.recorded()
        ended = line.label if line is not None else ""
        denies = line is not None and line.deny is not None
        return Decision(
            policy=policy.name,
            policy_hash=policy.hash,
            rule=ended if denies or pin is None else PINNED,
            reason=line.reason if line is not None else None,
            cls=facts.get("class"),
            score=facts.get("score"),
            gate=facts.get("gate"),
            set=walk.set,
            terms=walk.terms,
            data_class=walk.facts.data_class,
            pinned=pin is not None,
            trace=tuple(walk.trace),
            facts=facts,
        )


def _pinned(pin: str) -> str:
    return pin.removeprefix(PIN)


def _facts_of(lines: Sequence[Line]) -> frozenset[str]:
    return frozenset(condition.fact for line in lines for condition in line.conditions)


def _refused(decision: Decision, denied: Denied) -> Decision:
    trace = (*decision.trace, f"denied: {denied.reason}")
    return msgspec.structs.replace(decision, denied=denied, trace=trace)


def _settled(decision: Decision, found: Plan, facts: Facts, moment: Moment) -> list[Arranged]:
    """The able targets in the order in which they are tried, one step after the other: as the rule wants them, past
    those that are too busy, and where the thread stays."""
    terms = decision.terms or NO_TERMS
    ordered = arranged(found.targets, terms.order or "listed", terms.weights or {}, facts, moment)
    spread = spilled(ordered.targets, moment.load, ttft_target=terms.ttft_target, restricted=decision.restricted)
    return [ordered, spread, stays(spread.targets, facts, moment, terms.sticky or "tool_loop")]


def _planned(decision: Decision, found: Plan, steps: Sequence[Arranged]) -> Decision:
    """The decision with its plan; a plan without targets is a refusal that names what each one lacked."""
    targets = steps[-1].targets if steps else found.targets
    lines = [f"{skip.backend} left out: {skip.why}" for skip in found.skips]
    lines += [note for step in steps for note in step.notes]
    if targets:
        lines.append("plan: " + ", ".join(target.backend for target in targets))
    decision = msgspec.structs.replace(
        decision,
        plan=targets,
        skipped=tuple((skip.backend, skip.why) for skip in found.skips),
        dropped=found.dropped,
        trace=(*decision.trace, *lines),
    )
    return decision if targets else _refused(decision, nobody(decision.policy, found.skips))
