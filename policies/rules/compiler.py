"""Checks policies and guards and turns them into a Book; every mistake is told with its place and its mend."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from policies.retries import Retries
from policies.rules.actions import compile_action, read_seconds
from policies.rules.book import Book, Compiled, clinging
from policies.rules.conditions import compile_when, facts_of, nearest
from policies.rules.grammar import Guard, Path, Policy, Problem, Rule, RuleErrors
from policies.rules.names import Names
from policies.rules.show import page, written
from policies.rules.terms import NO_TERMS, Terms
from policies.rules.unreachable import GUARDS, Placed, unreachable
from policies.rules.walking import Line
from policies.verdict import Target

_SETTINGS = ("unsupported", "retries", "sticky", "ttft_target")
"""What a policy says for all its rules; a child that is silent has its parent's."""
_SIZE = frozenset({"input_tokens"})
"""What must be known of a request before it, or a move of its thread, can be priced."""


class _Placed(Struct, frozen=True):
    """A rule with its label in the trace and its place in the file."""

    label: str
    path: Path
    rule: Rule
    layer: int = GUARDS
    """0: the policy's own; 1: its parent's, and so on."""
    own: bool = True
    """It stands in the operator's file."""


def compile_book(
    policies: Mapping[str, Policy],
    guards: Sequence[Guard],
    *,
    pools: Mapping[str, tuple[str, ...]],
    roles: Mapping[str, tuple[str, ...]],
    targets: Mapping[str, Target],
    library: Mapping[str, Policy] | None = None,
    used: Mapping[Path, str] | None = None,
    uses: Mapping[Path, Sequence[str]] | None = None,
) -> Book:
    """Compile all rules, or raise RuleErrors with all that is wrong.

    ``targets`` are all backends, those without a credential included (``available`` leaves them out later).
    ``used``: place in the file -> the policy that is named there (aliases, teams); ``uses``: place -> the backends,
    pools and roles named there. A library policy that cannot work here is a mistake only where it is used.
    """
    compiler = _Compiler(policies, library or {}, Names(roles, pools, targets))
    compiler.guard(guards)
    compiled = {name: compiler.policy(name) for name in {**(library or {}), **policies}}
    for path, name in (used or {}).items():
        compiler.check_policy(path, name, compiled.get(name))
    for path, words in (uses or {}).items():
        compiler.check_words(path, words)
    if compiler.problems:
        raise RuleErrors(compiler.problems)
    return Book(guards=compiler.guards, policies=compiled, names=compiler.names, warnings=tuple(compiler.warnings))


class _Compiler:
    """What is gathered while compiling: mistakes, and warnings."""

    def __init__(self, policies: Mapping[str, Policy], library: Mapping[str, Policy], names: Names) -> None:
        self.policies = policies
        self.library = library
        self.names = names
        self.guards: tuple[Line, ...] = ()
        self.guarding: list[Placed] = []
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def guard(self, guards: Sequence[Guard]) -> None:
        """The guards, which stand before every policy that is compiled after them."""
        placed = [_guard(guard, index) for index, guard in enumerate(guards) if guard.only or guard.deny is not None]
        for index, guard in enumerate(guards):
            if not guard.only and guard.deny is None:
                self.problems.append((("guards", index), "a guard must have `only` or `deny`"))
        self.guards, self.guarding = self._lines(placed, self.problems, self.warnings)
        self.warnings.extend(unreachable(self.guarding))

    def policy(self, name: str) -> Compiled:
        """One policy. The mistakes of the operator's own rules are kept; a library policy's make it broken."""
        own = name in self.policies
        base, placed, cycle = self._resolved(name, own=own)
        problems: list[Problem] = []
        warnings: list[Problem] = []
        if cycle is not None:
            problems.append(cycle)
        lines, compiled = self._lines(placed, problems, warnings)
        warnings.extend(unreachable([*self.guarding, *compiled]))
        if own:
            problems.extend(_retries_problems(name, self.policies[name].retries))
            if not placed:
                warnings.append((("policies", name), "has no rules, so that it refuses every request: add some"))
            self.problems.extend(_once(problems, self.problems))
            self.warnings.extend(_once(warnings, self.warnings))
        return self._compiled(name, base, placed, lines, "; ".join(text for _, text in problems) or None)

    def _compiled(
        self, name: str, base: Policy, placed: Sequence[_Placed], lines: tuple[Line, ...], broken: str | None
    ) -> Compiled:
        settings = {key: value for key, value in written(base).items() if key in _SETTINGS}
        text = page(settings, [(each.label, each.rule) for each in placed])
        canonical = page(settings, [("", each.rule) for each in placed])
        every = (*self.guards, *lines)
        terms = self._terms(name, base)
        sticky = clinging(lines, terms)
        weighs = sticky == "conversation" or any(line.terms.order == "cheapest" for line in every)
        sized = _SIZE if weighs else frozenset[str]()
        return Compiled(
            name=name,
            lines=lines,
            reject=base.unsupported == "reject",
            retries=base.retries or Retries(),
            hash=hashlib.sha256(canonical.encode()).hexdigest()[:12],
            text=f"# {name}\n{text}",
            looks_at=frozenset(fact for line in every for fact in facts_of(line.conditions)) | sized,
            broken=broken,
            terms=terms,
            sticky=sticky,
        )

    def _terms(self, name: str, base: Policy) -> Terms:
        target = None
        if base.ttft_target is not None:
            target, problems = read_seconds(base.ttft_target, ("policies", name, "ttft_target"))
            if name in self.policies and self.policies[name].ttft_target is not None:
                self.problems.extend(problems)
        return NO_TERMS if target is None and base.sticky is None else Terms(sticky=base.sticky, ttft_target=target)

    def check_policy(self, path: Path, name: str, compiled: Compiled | None) -> None:
        """A place that names a policy: it must exist and work here."""
        if compiled is None:
            known = {**self.library, **self.policies}
            self.problems.append((path, f"there is no policy {name!r}: {nearest(name, known)}"))
        elif compiled.broken is not None and name not in self.policies:
            self.problems.append((path, f"policy {name!r} cannot be used: {compiled.broken}"))

    def check_words(self, path: Path, words: Sequence[str]) -> None:
        """A place that names backends, pools or roles: all must exist, and together stand for at least one."""
        known = [word for word in words if self.names.expand(word) is not None]
        for index, word in enumerate(words):
            if word not in known:
                text = f"there is no backend, pool or role {word!r}: {nearest(word, self.names.known)}"
                self.problems.append(((*path, index), text))
        if known and not self.names.backends(known):
            self.problems.append((path, self.names.unbound(known[0])))

    def _resolved(self, name: str, *, own: bool) -> tuple[Policy, list[_Placed], Problem | None]:
        """The settings and all rules of a policy, parents included, and the first thing wrong with ``extends``.

        A policy that extends its own name extends the library's.
        """
        layers: list[tuple[str, Policy, bool]] = []
        seen: set[tuple[str, bool]] = set()
        problem: Problem | None = None
        parent: str | None = name
        while parent is not None:
            policy = (self.policies if own else self.library)[parent]
            layers.append((parent, policy, own))
            seen.add((parent, own))
            here, parent = parent, policy.extends
            if parent is None:
                break
            own = own and parent in self.policies and parent != here
            problem = self._extends_problem(here, parent, own=own, seen=seen)
            if problem is not None:
                break
        return _inherited([policy for _, policy, _ in layers]), _in_order(layers), problem

    def _extends_problem(self, here: str, parent: str, *, own: bool, seen: set[tuple[str, bool]]) -> Problem | None:
        path: Path = ("policies", here, "extends")
        if parent == here and parent not in self.library:
            return path, f"{here!r} extends itself: name another policy, or leave `extends` out"
        if (parent, own) in seen:
            return path, f"{here!r} extends itself by way of {parent!r}: break the circle"
        if not own and parent not in self.library:
            return path, f"there is no policy {parent!r}: {nearest(parent, {**self.library, **self.policies})}"
        return None

    def _lines(
        self, placed: Sequence[_Placed], problems: list[Problem], warnings: list[Problem]
    ) -> tuple[tuple[Line, ...], list[Placed]]:
        """The rules that compile, to decide by and to be compared."""
        found = [(each, self._line(each, problems, warnings)) for each in placed]
        lines = [(each, line) for each, line in found if line is not None]
        return tuple(line for _, line in lines), [_compared(at, line) for at, line in lines]

    def _line(self, placed: _Placed, problems: list[Problem], warnings: list[Problem]) -> Line | None:
        rule, path = placed.rule, placed.path
        conditions, mistakes = compile_when(rule.when or {}, (*path, "when"), self.names)
        action, more, told = compile_action(rule, path, self.names)
        problems.extend((*mistakes, *more))
        warnings.extend(told)
        if mistakes or more:
            return None
        return Line(
            label=placed.label,
            conditions=tuple(
                msgspec.structs.replace(each, miss=f"{placed.label} passed over: not {each.text}")
                for each in conditions
            ),
            use=action.use,
            only=action.only,
            deny=rule.deny,
            set=action.set,
            terms=action.terms,
            ends=not rule.continue_,
            reason=rule.reason or rule.deny,
            applies=f"{placed.label} applies: {action.does}",
        )


def _compared(at: _Placed, line: Line) -> Placed:
    raises = line.terms.data_class is not None
    return Placed(at.label, at.path, line.conditions, line.ends, at.layer, at.own, raises)


def _inherited(layers: Sequence[Policy]) -> Policy:
    """The settings: the nearest layer that says something wins."""
    told = {name: [value for layer in layers if (value := getattr(layer, name)) is not None] for name in _SETTINGS}
    return Policy(**{name: values[0] for name, values in told.items() if values})


def _in_order(layers: Sequence[tuple[str, Policy, bool]]) -> list[_Placed]:
    """The child's ``before`` and ``rules``, all of the parent's, the child's ``after``."""
    first: list[_Placed] = []
    last: list[_Placed] = []
    for layer, (name, policy, own) in enumerate(layers):
        before, rules, after = (
            [_Placed(f"{prefix}[{i}]", ("policies", name, section, i), rule, layer, own) for i, rule in enumerate(part)]
            for prefix, section, part in (
                (f"{name}.before", "before", policy.before),
                (name, "rules", policy.rules),
                (f"{name}.after", "after", policy.after),
            )
        )
        first += before + rules
        last = after + last
    return first + last


def _retries_problems(name: str, retries: Retries | None) -> Iterator[Problem]:
    path: Path = ("policies", name, "retries")
    if retries is not None and retries.attempts < 1:
        yield (*path, "attempts"), f"must be a whole number of at least 1, not {retries.attempts}"
    for word in ("base", "cap", "deadline"):
        value = getattr(retries, word, None)
        if value is not None and not 0 <= value < math.inf:
            yield (*path, word), f"must be a number of seconds of at least 0, not {value:g}"


def _guard(guard: Guard, index: int) -> _Placed:
    """A guard as a rule that goes on unless it denies."""
    rule = Rule(when=guard.when, only=guard.only, deny=guard.deny, reason=guard.reason, continue_=guard.deny is None)
    return _Placed(f"guards[{index}]", ("guards", index), rule)


def _once(found: Sequence[Problem], told: Sequence[Problem]) -> list[Problem]:
    """A rule that several policies inherit is told of once."""
    return [problem for problem in dict.fromkeys(found) if problem not in told]
