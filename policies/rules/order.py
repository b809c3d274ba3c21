"""In which order the targets of a rule are tried: as listed, by weight, the least busy or the cheapest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from policies import forecast
from policies.pricing import dollars
from policies.rules.grammar import Order, Path, Problem, Rule
from policies.rules.names import Names
from policies.rules.vocabulary import nearest
from policies.verdict import Arranged, Target

if TYPE_CHECKING:
    from policies.facts import Facts
    from policies.moment import Moment

_EXPECTED_INPUT = 1_000
"""Tokens of a request whose body nobody has read."""


def arranged(
    targets: Sequence[Target], order: Order, weights: Mapping[str, float], facts: Facts, moment: Moment
) -> Arranged:
    """Those that are able, as ``order`` wants them, with the numbers that decided. Ties are as listed."""
    if order == "listed" or len(targets) < 2:
        return Arranged(tuple(targets))
    if order == "weighted":
        return _weighted(targets, weights, moment.dice)
    return _least_busy(targets, moment) if order == "least_busy" else _cheapest(targets, facts, moment)


def _weighted(targets: Sequence[Target], weights: Mapping[str, float], dice: float) -> Arranged:
    """Drawn one after the other, without putting back; who has no weight has 1, and 0 is the last resort.

    One die is enough: where it fell within the part of the one that was drawn is a throw of its own.
    """
    left = [(target, weights.get(target.backend, 1.0)) for target in targets]
    drawn: list[Target] = []
    throw = dice
    while (total := sum(weight for _, weight in left)) > 0:
        at, throw = _drawn([weight for _, weight in left], throw * total)
        drawn.append(left.pop(at)[0])
    shares = " : ".join(f"{target.backend} {weights.get(target.backend, 1.0):g}" for target in targets)
    return Arranged((*drawn, *(target for target, _ in left)), (f"weighted ({shares}), drawn with {dice:.3f}",))


def _drawn(weights: Sequence[float], point: float) -> tuple[int, float]:
    """Whose part of the whole ``point`` lies in, and where in it (0 to 1)."""
    ends = list(accumulate(weights))
    at = next(index for index, end in enumerate(ends) if weights[index] > 0 and (point < end or end >= ends[-1]))
    within = (point - (ends[at] - weights[at])) / weights[at]
    return at, min(max(within, 0.0), math.nextafter(1.0, 0.0))


def _least_busy(targets: Sequence[Target], moment: Moment) -> Arranged:
    """By the share of their places that is taken; by the calls in flight where that is not known of all."""
    shares = {target.backend: _share(target, moment) for target in targets}
    if None in shares.values():
        calls = {target.backend: moment.busy.get(target.backend, 0) for target in targets}
        told = ", ".join(f"{name} {count}" for name, count in calls.items())
        return Arranged(tuple(sorted(targets, key=lambda target: calls[target.backend])), (f"calls in flight: {told}",))
    told = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    by_share = sorted(targets, key=lambda target: shares[target.backend] or 0.0)
    return Arranged(tuple(by_share), (f"busy: {told}",))


def _share(target: Target, moment: Moment) -> float | None:
    """Of what it can do at once: what its gauges say, or our own calls over its places, whichever is more."""
    load = moment.load.get(target.backend)
    told = [] if load is None or load.share is None else [load.share]
    if target.places:
        told.append(moment.busy.get(target.backend, 0) / target.places)
    return max(told, default=None)


def _cheapest(targets: Sequence[Target], facts: Facts, moment: Moment) -> Arranged:
    """By what this request will probably cost; an unknown price is not free, so it comes last."""
    request = facts.request
    tokens = _EXPECTED_INPUT if request is None else facts.input_tokens
    usage = forecast.expected(tokens, None if request is None else request.max_output_tokens)
    costs = {target.backend: forecast.expected_cost(usage, moment.price(target)) for target in targets}
    told = ", ".join(f"{name} {dollars(cost)}" for name, cost in costs.items())

    def rank(target: Target) -> float:
        cost = costs[target.backend]
        return math.inf if cost is None else cost

    note = f"expected cost of {usage.input} tokens in, {usage.output} out: {told}"
    return Arranged(tuple(sorted(targets, key=rank)), (note,))


def read_weights(rule: Rule, path: Path, names: Names) -> tuple[dict[str, float] | None, list[Problem]]:
    """backend -> weight, that of a pool or role spread evenly over its backends; and what is wrong."""
    if rule.weights is None:
        return None, []
    problems = list(_weights_problems(rule, (*path, "weights"), names))
    if problems:
        return None, problems
    spread: dict[str, float] = {}
    for word, weight in rule.weights.items():
        members = names.backends([word])
        spread |= {name: weight / len(members) for name in members}
    return spread, []


def _weights_problems(rule: Rule, path: Path, names: Names) -> Iterator[Problem]:
    if rule.order != "weighted":
        yield path, "nobody draws by them: add `order: weighted`"
    weighed: dict[str, str] = {}
    used = set(names.backends(rule.use or ()))
    for word, weight in (rule.weights or {}).items():
        members = names.expand(word)
        if members is None:
            yield (*path, word), f"there is no backend, pool or role {word!r}: {nearest(word, names.known)}"
            continue
        if not math.isfinite(weight) or weight < 0:
            yield (*path, word), f"must be a number of at least 0, not {weight:g}"
        if rule.use is not None and used.isdisjoint(members):
            yield (*path, word), f"{word!r} is not among those that `use` names"
        for twice in (name for name in members if name in weighed):
            yield (*path, word), f"{twice!r} has a weight already, by {weighed[twice]!r}: leave one out"
        weighed |= dict.fromkeys(members, word)
    if used and used <= weighed.keys() and not any((rule.weights or {}).values()):
        yield path, "are all 0, so that nobody is ever drawn: give one of them more"
