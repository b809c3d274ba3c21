"""One walk over the rules of a policy: which line ends it, and what the lines on the way leave behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from policies.data_classes.data_class import RESTRICTED
from policies.facts import Facts
from policies.rules.conditions import Condition
from policies.rules.plan import Only, stays_local
from policies.rules.terms import NO_TERMS, Terms
from policies.verdict import Target

_SHOWN = frozenset(
    {
        "class", "score", "p_local_worse", "input_tokens", "max_output", "depth", "effort", "language", "budget_used",
        "budget_pace", "structured_output",
    }
)  # fmt: skip
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
    applies: str = ""
    """What the trace says when it applies."""


class Walk:
    """One pass over the lines: what they add up to."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.trace: list[str] = []
        self.only: list[Only] = []
        self.set: dict[str, Any] = {}
        self.terms = NO_TERMS
        self.raised = False
        """A rule has raised the data class."""
        if facts.labels:
            self.trace.append("data class: " + ", ".join([f"{label} ({by})" for label, by in facts.labels]))

    def first(self, lines: Sequence[Line]) -> Line | None:
        """The line that ends the walk, or None; lines that go on leave their marks."""
        facts, trace = self.facts, self.trace
        for line in lines:
            for condition in line.conditions:
                if not condition.holds(facts):
                    trace.append(self._passed(condition) if condition.fact in _SHOWN else condition.miss)
                    break
            else:
                trace.append(line.applies)
                if line.set or line.only is not None or line.terms is not NO_TERMS:
                    self._marked(line)
                if line.ends:
                    return line
        return None

    def _marked(self, line: Line) -> None:
        """What a rule that applies leaves behind, whether the walk ends with it or goes on."""
        self.set.update(line.set)
        self.terms = line.terms.over(self.terms)
        if line.only is not None:
            self.only.append(line.only)
        if line.terms.data_class is not None:
            self.raised = self.facts.raise_class(line.terms.data_class, line.label) or self.raised

    def guarded(self, line: Line | None, guards: Sequence[Line], targets: Iterable[Target]) -> Line | None:
        """What stands around the rules is so by the data class that they end with: where one of them has raised it,
        the guards are looked at once more (none of their filters is ever taken back), and restricted data stays."""
        if self.raised:
            self.trace.append(f"the rules made the data class {'+'.join(sorted(self.facts.data_class))}: guards again")
            line = self.first(guards) or line
        if RESTRICTED in self.facts.data_class:
            self.only.append(stays_local(targets))
        return line

    def _passed(self, missing: Condition) -> str:
        value = self.facts.value(missing.fact)
        return missing.miss if value is None else f"{missing.miss} (it is {value})"
