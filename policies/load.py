"""How busy a backend is, whether its next answer would begin too late, and who then goes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from adapters import ir
from policies.pricing import Price, cost, dollars
from policies.verdict import Arranged, Target

ADMIT = 0.75
"""While calls are being sent elsewhere, a local backend is asked whose answer would begin within this share of the
target (before, within all of it): its queue stays short, its slots stay full, the prediction may be a quarter wrong."""
LOW = 0.5
"""Below this share of the target a backend is at ease."""
HOLD = 30.0
"""Seconds between two changes of mind, and how long a backend must have been at ease before all calls return."""
_LONG = 2.0
"""A prompt of so many times the usual length is judged by what its own reading takes."""


class Load(Struct, frozen=True, kw_only=True):
    """One backend, now. None: not measured."""

    share: float | None = None
    """Of what it can do at once; 1 is full, more when calls wait."""
    wait: float | None = None
    """Seconds that a call sent now would wait for its turn."""
    reading: float | None = None
    """Seconds from its turn to its first token, for a prompt of the usual length."""
    usual: float = 0.0
    """Input tokens of the usual prompt."""
    per_token: float = 0.0
    """Seconds more for each input token beyond the usual."""
    spilling: frozenset[float] = frozenset()
    """The targets (seconds) for whose sake calls are being sent elsewhere until it has recovered (hysteresis)."""
    waiting: float | None = None
    """Calls in the engine's queue, and how much of its KV memory is in use: by its own gauges, while they are fresh."""
    kv: float | None = None

    @property
    def start(self) -> float | None:
        """Predicted seconds to the first token of a usual call sent now."""
        return None if self.wait is None else self.wait + (self.reading or 0.0)

    def starts(self, tokens: int | None) -> float | None:
        """The same for a prompt of ``tokens`` (None: unknown, taken for a usual one)."""
        if self.start is None or tokens is None:
            return self.start
        return self.start + max(0.0, tokens - self.usual) * self.per_token

    def reads(self, tokens: int | None) -> float:
        """Seconds that an engine with nothing else to do would need, for a prompt that is unusually long; else 0."""
        if tokens is None or self.reading is None or tokens <= _LONG * self.usual:
            return 0.0
        return self.reading + (tokens - self.usual) * self.per_token


class Spill(Struct, frozen=True):
    """Are calls being sent elsewhere for the sake of one target? Times are seconds of a monotonic clock."""

    on: bool = False
    since: float | None = None
    """Of the last change."""
    low_since: float | None = None
    """Since when it has been at ease."""


def turned(spill: Spill, start: float | None, target: float, now: float) -> Spill:
    """What the predicted ``start`` makes of it; at most one change in HOLD seconds. A start that nobody can tell
    counts as low: without calls there is nothing that could be measured."""
    settled = spill.since is None or now - spill.since >= HOLD
    if not spill.on:
        return Spill(True, now) if settled and start is not None and start > target else spill
    if start is not None and start >= LOW * target:
        return spill if spill.low_since is None else replace(spill, low_since=None)
    if spill.low_since is None:
        return replace(spill, low_since=now)
    return Spill(False, now) if settled and now - spill.low_since >= HOLD else spill


class Shares(Mapping[str, float | None]):
    """backend -> its share of capacity, asked for when a rule reads it."""

    def __init__(self, load: Mapping[str, Load]) -> None:
        self._load = load

    def __getitem__(self, backend: str) -> float | None:
        return self._load[backend].share

    def __iter__(self) -> Iterator[str]:
        return iter(self._load)

    def __len__(self) -> int:
        return len(self._load)


def _no_price(_: Target) -> Price | None:
    return None


def spilled(
    targets: Sequence[Target],
    load: Mapping[str, Load],
    *,
    ttft_target: float | None,
    restricted: bool,
    tokens: int | None = None,
    price: Callable[[Target], Price | None] = _no_price,
) -> Arranged:
    """The targets with those behind whose answer would begin later than ``ttft_target`` seconds.

    Only local ones are predicted. Restricted data stays in its order, whatever that costs in time; where nobody else
    is left, who is late is asked all the same. ``tokens``: of the prompt, None when it was not counted.
    """
    kept = Arranged(tuple(targets))
    if ttft_target is None:
        return kept
    late = {each.backend: why for each in targets if (why := _late(each, load, ttft_target, tokens)) is not None}
    if not late or (ahead := [each for each in targets if each.backend not in late]) == []:
        return replace(kept, notes=tuple(f"{name} {why}, and nobody else is left" for name, why in late.items()))
    if restricted:
        return replace(kept, notes=tuple(f"{name} {why}; restricted data stays" for name, why in late.items()))
    behind = [each for each in targets if each.backend in late]
    if [*ahead, *behind] == list(targets):
        return replace(kept, late=frozenset(late))
    dearer = _dearer(behind[0], ahead[0], price, tokens)
    notes = [f"{each.backend} behind: it {late[each.backend]}" for each in behind]
    return Arranged((*ahead, *behind), (*notes, f"{ahead[0].backend} instead: {dearer}"), late=frozenset(late))


def _late(target: Target, load: Mapping[str, Load], limit: float, tokens: int | None) -> str | None:
    """Why this target would answer too late, with the numbers; None: it would not, or nobody can tell."""
    found = load.get(target.backend) if target.local else None
    if found is None:
        return None
    start = found.starts(tokens)
    if start is not None and start > (ADMIT * limit if limit in found.spilling else limit):
        return f"would begin in {start:.1f} s, target {limit:g} s{_gauges(found)}"
    if (reading := found.reads(tokens)) > limit:
        return f"would read {tokens:,} tokens for {reading:.1f} s, target {limit:g} s"
    return None


def _gauges(load: Load) -> str:
    told: list[Any] = [f"waiting {load.waiting:g}"] if load.waiting is not None else []
    told += [f"KV {load.kv:.0%}"] if load.kv is not None else []
    return f" ({', '.join(told)})" if told else ""


def _dearer(mine: Target, other: Target, price: Callable[[Target], Price | None], tokens: int | None) -> str:
    """What the move costs by the input, whose size is known; nobody knows how long an answer will be."""
    here, there = _input(price(mine), tokens), _input(price(other), tokens)
    if here is None or there is None:
        return f"the price of {(mine if here is None else other).backend} is unknown"
    told = f"{dollars(abs(there - here))} {'more' if there >= here else 'less'}"
    if tokens is None:
        return f"{told} per million input tokens"
    return f"about {told} for {tokens:,} input tokens, and its output"


def _input(price: Price | None, tokens: int | None) -> int | None:
    """Nano-dollars of reading so many tokens; of a million at the usual rate, where nobody has counted."""
    if price is None or tokens is None:
        return None if price is None else price.input
    return cost(ir.Usage(input=tokens, output=0), price)
