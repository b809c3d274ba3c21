"""The effect of a configuration on the calls of the past: which would go elsewhere, be refused or let in, and at what
cost. Nothing is sent and nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from policies import aliases, pricing, replay
from policies.machine import hours
from policies.pricing import Price
from policies.replay import Judge, Past, Unreplayable
from policies.rules.book import PIN
from policies.rules.grammar import Route
from policies.tariff import tier_of
from policies.verdict import Caller, Target
from proxy.callers import caller_of
from proxy.ledger.parts import usage_of
from proxy.ledger.record import UsageRecord
from proxy.prices import Prices
from proxy.settings.grammar import Key
from proxy.snapshot import Snapshot

_DAY_MS = 86_400_000
_SHORTEST_MS = 3_600_000
"""A span from which nobody should reckon a day's cost."""
_EXAMPLES = 3
_MOVES = 200
"""Pairs of places that are told apart, those with the most calls; refusals may have many reasons."""


class Ground(Struct, frozen=True, kw_only=True):
    """One configuration, ready to decide the past. ``callers``: by key, those of the store included."""

    snapshot: Snapshot
    callers: Mapping[str, Caller]
    judge: Judge
    prices: Prices


class Went(Struct, frozen=True):
    """Where a call goes: its plan, or why it is refused."""

    plan: tuple[Target, ...] = ()
    refused: str | None = None

    @property
    def target(self) -> Target | None:
        return self.plan[0] if self.plan else None

    @property
    def backend(self) -> str | None:
        return self.plan[0].backend if self.plan else None


class Move(Struct):
    """Calls that go from one place to another. Costs in nano-dollars, of those whose cost is known on both sides."""

    origin: str
    to: str
    calls: int = 0
    before_nano_usd: int = 0
    after_nano_usd: int = 0
    unknown_cost: int = 0
    examples: list[str] = []
    """Request ids."""


class Effects(Struct, kw_only=True):
    """What became of the decisions that were looked at. ``moves`` holds the refused and the newly allowed, too."""

    looked: int = 0
    same: int = 0
    moved: int = 0
    refused: int = 0
    """Of calls that are let in now."""
    allowed: int = 0
    """Of calls that are refused now."""
    unreplayable: int = 0
    why_unreplayable: dict[str, int] = {}
    """What was not kept -> how many decisions hang on it."""
    unknown: int = 0
    """Rows without a decision: turned away before the rules, or of an older Turnout."""
    reordered: int = 0
    """Of ``same``: another backend would stand in for the first."""
    before_nano_usd: int = 0
    after_nano_usd: int = 0
    unknown_cost: int = 0
    """Calls whose cost is not known on both sides; they are in neither sum."""
    since: int | None = None
    until: int | None = None
    """Of the calls, milliseconds since 1970."""
    moves: list[Move] = []
    more_moves: int = 0
    """Pairs of places beyond those."""

    @property
    def per_day(self) -> int | None:
        """Nano-dollars more (or less) in a day like these; None where they lie too close together."""
        span = (self.until or 0) - (self.since or 0)
        if self.since is None or span < _SHORTEST_MS:
            return None
        return (self.after_nano_usd - self.before_nano_usd) * _DAY_MS // span

    def plain(self) -> dict[str, Any]:
        """As JSON tells it."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        for move in found["moves"]:
            move["from"] = move.pop("origin")
        difference = self.after_nano_usd - self.before_nano_usd
        return {**found, "difference_nano_usd": difference, "difference_per_day_nano_usd": self.per_day}


def grounds(old: Snapshot, new: Snapshot, keys: Sequence[Key]) -> tuple[Ground, Ground]:
    """Both configurations. ``keys``: those of the store that are good. Prompts are judged anew only where the
    classifier's rules differ."""
    same = old.config.classifier == new.config.classifier
    found = []
    for each in (old, new):
        teams = each.config.teams
        callers = {key.name: caller_of(key, teams) for key in keys if key.team is None or key.team in teams}
        callers |= {caller.name: caller for caller in each.callers.values()}
        model = each.weights.model
        judge = Judge(model.version, None if same or each is old else model.thresholds)
        found.append(Ground(snapshot=each, callers=callers, judge=judge, prices=Prices(each.overlay)))
    return found[0], found[1]


def decisions(rows: Iterable[UsageRecord], last: int) -> list[UsageRecord]:
    """The last row of each of the last ``last`` calls, oldest first; helper calls decide nothing."""
    found = {row.request_id: row for row in rows if row.parent_id is None}
    return list(found.values())[-last:]


def effects(rows: Sequence[UsageRecord], old: Ground, new: Ground) -> Effects:
    """What becomes of these decisions. Both configurations decide them by the same facts, so that what differs differs
    by the configuration alone."""
    found, moves = Effects(why_unreplayable={}, moves=[]), dict[tuple[str, str], Move]()
    lacking: Counter[str] = Counter()
    for row in rows:
        found.looked += 1
        found.since = row.started_at if found.since is None else min(found.since, row.started_at)
        found.until = row.started_at if found.until is None else max(found.until, row.started_at)
        kept: dict[str, Any] = msgspec.json.decode(row.facts, type=dict[str, Any]) if row.facts else {}
        if "alias" not in kept:
            found.unknown += 1
            continue
        try:
            sides = went(row, kept, old), went(row, kept, new)
        except Unreplayable as error:
            if _untouched(row, kept, old, new):
                found.same += 1
                _count_cost(row, None, None, old, new, found)
            else:
                lacking[str(error)] += 1
            continue
        _count(row, sides, old, new, found, moves)
    found.unreplayable, found.why_unreplayable = lacking.total(), dict(lacking.most_common())
    most = sorted(moves.values(), key=lambda move: -move.calls)
    found.moves, found.more_moves = most[:_MOVES], len(most[_MOVES:])
    return found


def went(row: UsageRecord, kept: Mapping[str, Any], ground: Ground) -> Went:
    """Where this configuration sends a call of the past. Raises Unreplayable."""
    snapshot, alias = ground.snapshot, str(kept["alias"])
    caller = _caller(row, ground)
    if caller is None:
        return Went(refused=f"there is no key '{row.key_id}'" if row.key_id else "a key is needed")
    if not aliases.allowed(caller.aliases, alias):
        return Went(refused=f"the key '{caller.name}' may not ask for '{alias}'")
    route = _route(snapshot, alias)
    if route is None:
        return Went(refused=f"there is no model '{alias}'")
    clock = row.started_at / 1000
    found = replay.decide(
        snapshot.book,
        route,
        _past(row, kept),
        caller=caller,
        judge=ground.judge,
        patterns=_patterns(snapshot),
        unavailable={name: each.unavailable for name, each in snapshot.backends.items()},
        price=lambda target: _price(ground, target.backend, clock),
        pin=alias.removeprefix(PIN) if alias.startswith(PIN) else None,
    )
    return Went(found.plan, None if found.denied is None else found.denied.reason)


def _past(row: UsageRecord, kept: Mapping[str, Any]) -> Past:
    dice = int(row.request_id[-8:], 16) / 2**32
    return Past(kept=kept, at=row.started_at / 1000, input_tokens=row.input_tokens or None, dice=dice)


def _caller(row: UsageRecord, ground: Ground) -> Caller | None:
    if row.key_id is not None:
        return ground.callers.get(row.key_id)
    config = ground.snapshot.config
    return Caller() if config.server.open or not ground.callers else None


def _route(snapshot: Snapshot, alias: str) -> Route | None:
    if alias.startswith(PIN):
        name = alias.removeprefix(PIN)
        return Route(alias=alias, use=(name,)) if name in snapshot.backends else None
    return snapshot.route(alias)


def _patterns(snapshot: Snapshot) -> Mapping[str, str]:
    return {} if snapshot.sought is None else {kind: label for kind, _, label in snapshot.sought.detectors}


def _untouched(row: UsageRecord, kept: Mapping[str, Any], old: Ground, new: Ground) -> bool:
    """Is all that this decision goes by the same in both, so that it is the same whatever was not kept?"""
    before, after = old.snapshot, new.snapshot
    alias = str(kept["alias"])
    one, other = _route(before, alias), _route(after, alias)
    caller = _caller(row, new)
    if one is None or one != other or caller is None or caller != _caller(row, old):
        return False
    same = all(
        getattr(before.config, part) == getattr(after.config, part)
        for part in ("guards", "pools", "roles", "data_classes", "classifier")
    )
    policies = [each.book.policy(one, caller) for each in (before, after)]
    return same and before.book.names.targets == after.book.names.targets and policies[0].hash == policies[1].hash


def _count(
    row: UsageRecord, sides: tuple[Went, Went], old: Ground, new: Ground, found: Effects, moves: dict[Any, Move]
) -> None:
    before, after = sides
    names = _named(before, after)
    move = None
    if names[0] == names[1] or (before.target is None and after.target is None):
        found.same += 1
        found.reordered += [each.backend for each in before.plan] != [each.backend for each in after.plan]
    else:
        found.moved += before.target is not None and after.target is not None
        found.refused += after.target is None
        found.allowed += before.target is None
        move = moves.setdefault(names, Move(*names, examples=[]))
        move.calls += 1
        if len(move.examples) < _EXAMPLES:
            move.examples.append(row.request_id)
    _count_cost(row, sides, move, old, new, found)


def _named(before: Went, after: Went) -> tuple[str, str]:
    """Both places as they are told; a backend that has another model now is another place."""
    one, other = before.target, after.target
    if one is not None and other is not None and one.backend == other.backend and one.upstream != other.upstream:
        models = [f"{each.backend} ({each.upstream.provider}/{each.upstream.model})" for each in (one, other)]
        if models[0] != models[1]:
            return models[0], models[1]
    told = [each.target.backend if each.target is not None else f"refused: {each.refused}" for each in (before, after)]
    return told[0], told[1]


def _count_cost(
    row: UsageRecord,
    sides: tuple[Went, Went] | None,
    move: Move | None,
    old: Ground,
    new: Ground,
    found: Effects,
) -> None:
    """``sides`` None: it stays where it was."""
    if row.attempt == 0 and (sides is None or sides[1].target is None or sides[0].target is not None):
        return  # nobody was asked, nor would be for the first time
    at = [row.backend, row.backend] if sides is None else [each.backend for each in sides]
    before, after = (0 if name is None else _cost(row, name, side) for name, side in zip(at, (old, new), strict=True))
    sums: list[Effects | Move] = [found] if move is None else [found, move]
    for into in sums:
        if before is None or after is None:
            into.unknown_cost += 1
        else:
            into.before_nano_usd += before
            into.after_nano_usd += after


def _cost(row: UsageRecord, backend: str, ground: Ground) -> int | None:
    """What the call's own tokens cost there, nano-dollars. Where it was not answered there, vendors' caches and tools
    are as for a baseline: the same reads, no writes."""
    here = ground.snapshot.backends.get(backend)
    if here is None:
        return None
    own = backend == row.backend
    if here.machine is not None:
        return hours(round(row.machine_ms * 1_000_000), here.machine.busy) if own and row.machine_ms else None
    usage = usage_of(row)
    price = _price(ground, backend, row.started_at / 1000, tier_of(usage) if own else None)
    if price is None or row.attempt == 0:
        return None
    return pricing.cost(usage, price) if own else pricing.counterfactual(usage, price)


def _price(ground: Ground, backend: str, now: float, tier: str | None = None) -> Price | None:
    here = ground.snapshot.backends[backend]
    if here.machine is not None:
        return None  # what its calls take is learned where they are
    quote = ground.prices.quote(
        here.provider, here.upstream.model, now=now, own=here.price, tier=tier, local=here.local
    )
    return quote.price
