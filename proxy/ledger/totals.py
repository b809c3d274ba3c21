"""Rows folded into totals: calls, tokens and money by day or by any column, and how much of it nobody told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from proxy.ledger.record import COLUMNS, UsageRecord

DIMENSIONS = ("day", "alias", "backend", "class", "policy")
"""What is usually asked for; every other column of the row is a dimension too."""
TIMES = ("hour", "day", "month")
TAG = "tag:"
UNKNOWN = "-"
_UNFIT = frozenset('"\\')
"""No tag has them in its name."""


class Sum(Struct):
    """A sum that knows how many of its terms nobody told."""

    value: int = 0
    known: int = 0
    unknown: int = 0

    def add(self, term: int | None) -> None:
        if term is None:
            self.unknown += 1
        else:
            self.value += term
            self.known += 1

    def gather(self, value: int, known: int, unknown: int) -> None:
        """Add what others have summed."""
        self.value += value
        self.known += known
        self.unknown += unknown


class Total(Struct):
    """One line of the totals. ``calls`` and ``failed`` count what clients asked, once each; ``attempts`` counts every
    try, those of helper calls included. Sums run over attempts that reached an upstream."""

    calls: int = 0
    attempts: int = 0
    failed: int = 0
    input: Sum = msgspec.field(default_factory=Sum)
    cached: Sum = msgspec.field(default_factory=Sum)
    cache_write: Sum = msgspec.field(default_factory=Sum)
    output: Sum = msgspec.field(default_factory=Sum)
    reasoning: Sum = msgspec.field(default_factory=Sum)
    cost: Sum = msgspec.field(default_factory=Sum)
    machine: Sum = msgspec.field(default_factory=Sum)
    """Microseconds of backends with running costs; other backends have none, which is not unknown."""
    baseline: Sum = msgspec.field(default_factory=Sum)
    """What the baseline would have cost, over answered calls that have one, kept answers included. Unknown: it has no
    price."""
    compared: Sum = msgspec.field(default_factory=Sum)
    """What was spent for calls that have a baseline, whether they were answered or not."""

    @property
    def saved(self) -> Sum:
        """What the baseline would have cost, less what was spent, also where that is more; of calls that have one."""
        spent, baseline = self.compared, self.baseline
        return Sum(baseline.value - spent.value, baseline.known, baseline.unknown + spent.unknown)

    def add(self, record: UsageRecord) -> None:
        if record.parent_id is None:
            self.calls += record.outcome != "fallback"
            self.failed += record.outcome in {"error", "interrupted", "denied"}
        if record.baseline is not None:
            self._compare(record)
        if record.attempt == 0:
            return
        self.attempts += 1
        self.input.add(record.input_tokens)
        self.cached.add(record.cached_tokens)
        self.cache_write.add(record.cache_write_tokens)
        self.output.add(record.output_tokens)
        self.reasoning.add(record.reasoning_tokens)
        self.cost.add(record.cost_nano_usd)
        if record.machine_ms is not None:
            self.machine.add(math.floor(record.machine_ms * 1000 + 0.5))

    def _compare(self, record: UsageRecord) -> None:
        answered = record.parent_id is None and record.outcome == "ok"
        if record.baseline_nano_usd is not None or answered:
            self.baseline.add(record.baseline_nano_usd)
        if record.attempt != 0:
            self.compared.add(record.cost_nano_usd)


Totals = Mapping[tuple[str, ...], Total]


def totals(
    records: Iterable[UsageRecord], by: Sequence[str] = ("day",), timezone: str = "UTC"
) -> dict[tuple[str, ...], Total]:
    """The rows folded by ``hour``, ``day``, ``month``, ``tag:NAME`` or any column, in the order of the keys; unknown
    values are ``"-"``. Raises KeyError for a dimension that does not exist."""
    check(by)
    zone = zone_of(timezone)
    found: dict[tuple[str, ...], Total] = {}
    for record in records:
        found.setdefault(key_of(record, by, zone), Total()).add(record)
    return dict(sorted(found.items()))


def check(by: Iterable[str]) -> None:
    """Raises KeyError for a dimension that does not exist."""
    for name in by:
        tag = name.startswith(TAG) and not _UNFIT.intersection(name)
        if name not in TIMES and name not in _FIELDS and not tag:
            raise KeyError(name)


def zone_of(timezone: str) -> tzinfo:
    """Raises KeyError for a zone that does not exist."""
    try:
        return UTC if timezone == "UTC" else ZoneInfo(timezone)
    except ValueError as error:
        raise KeyError(timezone) from error


def key_of(record: UsageRecord, by: Sequence[str], zone: tzinfo) -> tuple[str, ...]:
    """The line of the totals on which this row counts."""
    return tuple(_of(record, name, zone) for name in by)


def time_label(name: str, moment: datetime) -> str:
    """How ``hour``, ``day`` or ``month`` of a moment is written; an hour has its distance from UTC with it."""
    if name == "hour":
        return moment.replace(minute=0, second=0, microsecond=0).isoformat(timespec="minutes").replace("+00:00", "Z")
    return moment.date().isoformat()[: 7 if name == "month" else 10]


def label(value: Any) -> str:
    """A column's value as a key."""
    return UNKNOWN if value is None else str(value)


def value_of(record: UsageRecord, name: str) -> Any:
    """The value of a column, or of a tag."""
    if not name.startswith(TAG):
        return getattr(record, _FIELDS[name])
    return None if record.tags is None else _tags(record.tags).get(name.removeprefix(TAG))


_FIELDS = dict(zip(COLUMNS, UsageRecord.__struct_fields__, strict=True))
_tags = msgspec.json.Decoder(dict[str, Any]).decode


def _of(record: UsageRecord, name: str, zone: tzinfo) -> str:
    if name in TIMES:
        return time_label(name, datetime.fromtimestamp(record.started_at / 1000, zone))
    return label(value_of(record, name))
