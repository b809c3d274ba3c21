"""Overrides: what operators have turned for a while without a change of the configuration, and what decisions make of
it. Guards, egress, limits and budgets stand as ever."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from policies.moment import Moment
    from policies.rules.grammar import Route
    from policies.verdict import Decision

POLICY, DRAIN = "policy", "drain"
EVERY = "*"
"""Stands for every alias, in an override of the policy."""


class Override(Struct, frozen=True, kw_only=True):
    """One thing that an operator has turned. Times are seconds since 1970."""

    id: str
    kind: str
    """``policy``: an alias follows another policy. ``drain``: a backend gets no new calls."""
    name: str
    """The alias (``*``: every one), or the backend."""
    policy: str | None = None
    until: float | None = None
    """None: until somebody clears it."""
    created: float = 0.0
    by: str = ""
    reason: str | None = None

    @property
    def told(self) -> str:
        """``policy auto=local_only``, ``drain claude``."""
        return f"{self.kind} {self.name}" if self.policy is None else f"{self.kind} {self.name}={self.policy}"

    @property
    def end(self) -> str:
        """When it ends: ISO 8601, UTC; ``cleared`` where only somebody's hand ends it."""
        return "cleared" if self.until is None else iso(self.until)

    def stands(self, now: float) -> bool:
        """Has it not expired?"""
        return self.until is None or now < self.until


class Overrides(Struct, frozen=True):
    """Those in force at one moment: they have not expired, and the configuration knows what they speak of."""

    generation: int
    """Their own; it grows with every change."""
    policies: Mapping[str, Override] = {}
    """By alias."""
    drained: Mapping[str, Override] = {}
    """By backend."""

    def turned(self, route: Route, alias: str) -> Route:
        """Where ``alias``, which leads to ``route``, leads now. The name that was asked for comes first, then the
        pattern that serves it, then what stands for every alias."""
        if not self.policies:
            return route
        found = self.policies.get(alias) or self.policies.get(route.alias) or self.policies.get(EVERY)
        return route if found is None else msgspec.structs.replace(route, override=found)

    def over(self, moment: Moment) -> Moment:
        """The moment in which the drained backends are not to be offered, and down for rules that ask."""
        if not self.drained:
            return moment
        down = dict.fromkeys(self.drained, "down")
        return msgspec.structs.replace(
            moment,
            available=lambda target: self.why(target.backend) or moment.available(target),
            health=ChainMap(down, cast("dict[str, str]", moment.health)),  # nobody writes to it
        )

    def why(self, backend: str) -> str | None:
        """Why this backend is not to be offered, or None."""
        found = self.drained.get(backend)
        return None if found is None else f"drained by override until {found.end}"

    def marked(self, decision: Decision, route: Route) -> Decision:
        """The decision with the overrides that it stands on, as answers and rows tell them."""
        found = [] if route.override is None else [route.override]
        found += [self.drained[name] for name, why in decision.skipped if why == self.why(name)]
        told = tuple(f"{each.told}; until={each.end}; generation={self.generation}" for each in found)
        return msgspec.structs.replace(decision, overrides=told, facts={**decision.facts, "overrides": self.generation})


def iso(at: float) -> str:
    """Seconds since 1970 -> ISO 8601, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
