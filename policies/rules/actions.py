"""What a rule does, checked and resolved: whom it uses, whom it leaves out, what it sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from policies.caching import read_cache
from policies.condensing.condense import read_condense
from policies.data_classes.data_class import RESTRICTED
from policies.durations import seconds
from policies.escalation.escalate import read_escalate
from policies.rules import setting
from policies.rules.conditions import nearest
from policies.rules.grammar import RESERVED, Path, Problem, Rule
from policies.rules.names import Names
from policies.rules.order import read_weights
from policies.rules.plan import Only
from policies.rules.terms import NO_TERMS, Terms
from policies.rules.vocabulary import spelled
from policies.verdict import Target

_TOLD = ("sticky", "ttft_target", "condense", "escalate")
"""Words whose values the trace tells as they are written."""


class Action(Struct, frozen=True):
    """A rule's deeds. ``does`` tells them in the trace."""

    use: tuple[Target, ...] | None
    only: Only | None
    set: Mapping[str, Any]
    """What changes the request; what changes how it is treated is in ``terms``."""
    terms: Terms
    does: str


def compile_action(rule: Rule, path: Path, names: Names) -> tuple[Action, list[Problem], list[Problem]]:
    """The action, what is wrong with it, and what the operator should know."""
    problems = [*_shape(rule, path), *_empty(rule, path), *_use_problems(rule.use, path, names)]
    problems.extend(setting.problems(rule.set or {}, (*path, "set")))
    only, mistakes = _only(rule.only, path, names)
    problems.extend(mistakes)
    terms, mistakes = _terms(rule, path, names)
    problems.extend(mistakes)
    use = None if rule.use is None else tuple(names.targets[name] for name in names.backends(rule.use))
    changed = {key: value for key, value in (rule.set or {}).items() if key not in setting.TREATED}
    told = [*_warnings(rule, path, names), *_nobody_left(use, only, terms, path)]
    return Action(use, only, changed, terms, _does(rule)), problems, told


def _terms(rule: Rule, path: Path, names: Names) -> tuple[Terms, list[Problem]]:
    """The order of the targets and the treatment of the call."""
    treated = rule.set or {}
    readers: tuple[tuple[str, Path, Any, Callable[[Any, Path], tuple[Any, list[Problem]]]], ...] = (
        ("cache", ("set", "cache"), treated.get("cache"), read_cache),
        ("condense", ("condense",), rule.condense, partial(read_condense, names=names)),
        ("escalate", ("escalate",), rule.escalate, read_escalate),
        ("ttft_target", ("ttft_target",), rule.ttft_target, read_seconds),
    )
    weights, problems = read_weights(rule, path, names)
    read: dict[str, Any] = {"order": rule.order, "weights": weights, "sticky": rule.sticky}
    for word, place, value, reader in readers:
        if value is not None:
            read[word], mistakes = reader(value, (*path, *place))
            problems.extend(mistakes)
    terms = Terms(**read, data_class=treated.get("data_class"))
    return NO_TERMS if terms == NO_TERMS else terms, problems


def read_seconds(value: Any, path: Path) -> tuple[float | None, list[Problem]]:
    """A duration of some length, or what is wrong with it."""
    try:
        found = seconds(value)
    except ValueError as mistake:
        return None, [(path, str(mistake))]
    return (found, []) if found > 0 else (None, [(path, f"must be more than 0s, or never, not {value!r}")])


def _shape(rule: Rule, path: Path) -> Iterator[Problem]:
    """Which deeds go together."""
    if rule.use is not None and rule.deny is not None:
        yield path, "has both `use` and `deny`: make two rules of it"
    if rule.continue_ and (rule.use is not None or rule.deny is not None):
        yield (*path, "continue"), "`use` and `deny` end the walk: leave `continue` out"
    if rule.use is None and rule.deny is None and not rule.continue_:
        mend = "add `continue: true`" if _changes(rule) else "add `use`, `deny`, or `set` with `continue: true`"
        yield path, f"would end the walk with nobody to ask: {mend}"


def _empty(rule: Rule, path: Path) -> Iterator[Problem]:
    """Deeds that say nothing."""
    if rule.deny is not None and not rule.deny.strip():
        yield (*path, "deny"), "is empty: say why, the client is told"
    if rule.set is not None and not rule.set:
        yield (*path, "set"), "is empty: write what is to be set, such as {effort: low}, or leave it out"
    if (
        rule.continue_
        and not _changes(rule)
        and all(word is None for word in (rule.set, rule.only, rule.use, rule.deny))
    ):
        yield path, "goes on without having done anything: add `set`, `only` or another deed, or leave it out"


def _changes(rule: Rule) -> bool:
    return any((rule.set, rule.only, rule.condense, rule.escalate, rule.sticky, rule.ttft_target, rule.order))


def _use_problems(use: Sequence[str] | None, path: Path, names: Names) -> Iterator[Problem]:
    if use is None:
        return
    unknown = [word for word in use if names.expand(word) is None]
    for word in unknown:
        text = f"there is no backend, pool or role {word!r}: {nearest(word, names.known)}"
        yield (*path, "use", use.index(word)), text
    if not use:
        yield (*path, "use"), "names nobody: write at least one backend, pool or role"
    elif not unknown and not names.backends(use):
        yield (*path, "use"), names.unbound(use[0])


def _only(wanted: Mapping[str, Any] | None, path: Path, names: Names) -> tuple[Only | None, list[Problem]]:
    """The backends that pass: ``local`` (true or false) and ``backends`` (words of ``use``), both if both stand."""
    if wanted is None:
        return None, []
    problems = list(_only_problems(wanted, (*path, "only"), names))
    if problems:
        return None, problems
    passing = set(names.targets)
    if "local" in wanted:
        passing &= {name for name, target in names.targets.items() if target.local is wanted["local"]}
    if "backends" in wanted:
        passing &= set(names.backends(wanted["backends"]))
    kinds = ["local" if wanted["local"] else "not local"] if "local" in wanted else []
    kinds += [f"one of {', '.join(wanted['backends'])}"] if "backends" in wanted else []
    return Only(frozenset(passing), f"must be {' and '.join(kinds)} ({'.'.join(map(str, path))})"), []


def _only_problems(wanted: Mapping[str, Any], path: Path, names: Names) -> Iterator[Problem]:
    if not wanted:
        yield path, "lets nobody through: write {local: true} or {backends: [NAME]}"
    for key, value in wanted.items():
        if key not in {"local", "backends"}:
            yield (*path, key), f"unknown word {key!r}: {nearest(key, ('local', 'backends'))}"
        elif key == "local" and not isinstance(value, bool):
            yield (*path, key), f"takes true or false, not {value!r}"
        elif key == "backends":
            yield from _backends_problems(value, (*path, key), names)


def _backends_problems(value: Any, path: Path, names: Names) -> Iterator[Problem]:
    if not isinstance(value, list) or not value:
        yield path, f"takes a list of backends, pools or roles, not {value!r}"
        return
    for index, word in enumerate(value):
        if not isinstance(word, str) or names.expand(word) is None:
            text = f"there is no backend, pool or role {word!r}: {nearest(str(word), names.known)}"
            yield (*path, index), text


def _warnings(rule: Rule, path: Path, names: Names) -> Iterator[Problem]:
    for word in RESERVED:
        if getattr(rule, word) is not None:
            yield (*path, word), f"`{word}` is understood but not yet in effect"
    by = rule.condense.get("by") if isinstance(rule.condense, Mapping) else rule.condense
    if isinstance(by, str) and names.expand(by) == ():
        yield (*path, "condense"), f"nobody shortens: {names.unbound(by)}"
    for index, word in enumerate(rule.use or ()):
        if names.expand(word) == ():
            yield (*path, "use", index), names.unbound(word)
        elif names.ambiguous(word):
            yield (*path, "use", index), f"{word!r} is a role and also a pool or backend: the role is meant here"


def _nobody_left(use: tuple[Target, ...] | None, only: Only | None, terms: Terms, path: Path) -> Iterator[Problem]:
    """A rule's own words that leave out all whom it uses, so that it refuses every request it applies to."""
    if use and only is not None and only.backends.isdisjoint(target.backend for target in use):
        yield (*path, "use"), "nobody is left of it, for `only` leaves all of them out"
    if use and terms.data_class == RESTRICTED and not any(target.local for target in use):
        yield (
            (*path, "use"),
            "nobody is left of it, for none of them is `local: true` and the rule makes data restricted",
        )


def _does(rule: Rule) -> str:
    deeds = [f"use {', '.join(rule.use)}"] if rule.use else []
    deeds += [f"order {rule.order}"] if rule.order else []
    deeds += [f"deny: {rule.deny}"] if rule.deny is not None else []
    deeds += [f"set {setting.told(rule.set)}"] if rule.set else []
    deeds += [f"only {spelled(rule.only)}"] if rule.only else []
    deeds += [f"{word} {spelled(value)}" for word in _TOLD if (value := getattr(rule, word)) is not None]
    return "; ".join(deeds)
