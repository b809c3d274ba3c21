"""The SQL that folds rows, and sums of hours and days, into totals: SQLite and PostgreSQL differ in words alone."""

# ruff: noqa: S608 - every name in these statements is our own

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from proxy.ledger.record import UsageRecord
from proxy.ledger.spans import DAY, HOUR, MILLIS, Piece, Span, Unit, plan, spans
from proxy.ledger.totals import TAG, TIMES, UNKNOWN, Sum, Total, key_of, label, time_label, value_of, zone_of

_WHAT = ("alias", "policy", "class", "backend", "upstream_model", "api", "outcome")
Level: TypeAlias = Literal["hours", "caller_hours", "caller_days"]
LEVELS: Mapping[Level, tuple[str, ...]] = {
    "hours": _WHAT,
    "caller_hours": ("tenant", "key_id", *_WHAT),
    "caller_days": ("tenant", "key_id", *_WHAT),
}
"""The tables of sums, and what each tells apart beside its time: few lines an hour for most questions, and days where
callers are told apart, who are many."""
_SUMS = {
    "input": "input_tokens", "cached": "cached_tokens", "cache_write": "cache_write_tokens", "output": "output_tokens",
    "reasoning": "reasoning_tokens", "cost": "cost_nano_usd",
    "machine": "CAST(floor(machine_ms * 1000 + 0.5) AS BIGINT)",
}  # fmt: skip
_ASKED = "parent_id IS NULL AND outcome"
_COUNTS = {
    "calls": f"{_ASKED} <> 'fallback'",
    "attempts": "attempt <> 0",
    "failed": f"{_ASKED} IN ('error', 'interrupted', 'denied')",
}
_COMPARED = {
    "baseline": (
        "CASE WHEN baseline IS NOT NULL THEN baseline_nano_usd END",
        "baseline IS NOT NULL AND baseline_nano_usd IS NULL AND parent_id IS NULL AND outcome = 'ok'",
    ),
    "compared": (
        "CASE WHEN baseline IS NOT NULL AND attempt <> 0 THEN cost_nano_usd END",
        "baseline IS NOT NULL AND attempt <> 0 AND cost_nano_usd IS NULL",
    ),
}
"""Of rows that have a baseline: the term, and when it is unknown."""
MEASURES = (
    *_COUNTS, *(name for each in _SUMS for name in (each, f"{each}_known")),
    *(name for each in _COMPARED for name in (each, f"{each}_known", f"{each}_unknown")),
)  # fmt: skip
"""What the tables of sums hold, and every query answers, in this order after its keys: ``Total`` in plain numbers."""


class Words(Struct, frozen=True):
    """What the two databases say differently."""

    mark: str
    """The place of a value."""
    rows: str
    """The table of rows."""
    tables: Mapping[Level, str]
    column: Callable[[str], str]
    """A column of the rows -> the expression of its value."""
    tag: Callable[[str], tuple[str, Any]]
    """A tag's name -> the expression of its value, with one mark, and what stands there."""
    number: Mapping[Level, str]
    """The hour or day of a sum."""
    within: Callable[[str, int, int], tuple[str, list[Any]]]
    """The condition for the sums of a level between two hours or days."""


class Query(Struct, frozen=True):
    """A statement and its values."""

    text: str
    values: tuple[Any, ...] = ()


class Ask(Struct, frozen=True):
    """What is asked of the book."""

    by: tuple[str, ...]
    filters: Mapping[str, Any] = {}
    timezone: str = "UTC"

    @property
    def unit(self) -> Unit | None:
        """How finely time must be told apart."""
        if "hour" in self.by:
            return "hour"
        return "day" if set(TIMES).intersection(self.by) else None

    @property
    def columns(self) -> tuple[str, ...]:
        """What is told apart beside time."""
        return tuple(name for name in self.by if name not in TIMES)

    @property
    def level(self) -> Level | None:
        """The sums of hours that can answer; None: only the rows can."""
        needed = {*self.columns, *self.filters}
        return next((level for level, has in LEVELS.items() if needed.issubset(has)), None)

    def meets(self, record: UsageRecord, since: int, until: int) -> bool:
        """Is this row one of those that are asked for?"""
        return since <= record.started_at < until and all(
            value_of(record, name) == value for name, value in self.filters.items()
        )


class Known(Struct, frozen=True):
    """Which sums a database has. ``stale``: hours to be read from their rows; ``folded``: days that are summed."""

    stale: Collection[int]
    folded: Collection[int]


def pieces(ask: Ask, since: int, until: int, known: Known | None) -> Iterator[tuple[Span, Piece]]:
    """What is to be read to answer for a time; ``known``: None where there are no sums."""
    if since >= until:
        return
    level = ask.level
    for span in spans(since, until, zone_of(ask.timezone)):
        if level is None or known is None:
            yield span, Piece("rows", span.since, span.until)
            continue
        days = level != "hours"
        for piece in plan(span, ask.unit, stale=known.stale, folded=known.folded, days=days):
            yield span, piece


def measured(sums: str = "sum") -> str:
    """The measures of rows. ``sums``: the function that adds up."""
    found = [f"count(CASE WHEN {condition} THEN 1 END)" for condition in _COUNTS.values()]
    for column in _SUMS.values():
        term = f"CASE WHEN attempt <> 0 THEN {column} END"
        found += [f"coalesce({sums}({term}), 0)", f"count({term})"]
    for term, unknown in _COMPARED.values():
        found += [f"coalesce({sums}({term}), 0)", f"count({term})", f"count(CASE WHEN {unknown} THEN 1 END)"]
    return ", ".join(found)


def gathered(sums: str = "sum") -> str:
    """The measures of sums, summed again."""
    return ", ".join(f"coalesce({sums}({name}), 0)" for name in MEASURES)


def of_rows(words: Words, ask: Ask, span: Span, where: Query, sums: str = "sum") -> Query:
    """Totals of the rows that ``where`` chooses: the number of the hour or day, the columns, the measures."""
    keys = [_number("started_at", ask.unit, span.offset)]
    values: list[Any] = []
    for name in ask.columns:
        expression, told = _expression(words, name)
        keys.append(expression)
        values += told
    conditions, wanted = filtered(words, ask.filters)
    text = f"SELECT {', '.join(keys)}, {measured(sums)} FROM {words.rows} WHERE {where.text}{conditions} "
    return Query(text + _grouped(len(keys)), (*values, *where.values, *wanted))


def of_sums(words: Words, ask: Ask, span: Span, piece: Piece, sums: str = "sum") -> Query:
    """The same, of a piece that is read from hours or days."""
    level: Level = "caller_days" if piece.source == "days" else ask.level or "caller_hours"
    length = DAY if piece.source == "days" else HOUR
    keys = [_number(f"{words.number[level]} * {length}", ask.unit, span.offset), *(f'"{name}"' for name in ask.columns)]
    within, values = words.within(level, piece.start, piece.end)
    conditions, wanted = _equal(words, {f'"{name}"': value for name, value in ask.filters.items()})
    text = f"SELECT {', '.join(keys)}, {gathered(sums)} FROM {words.tables[level]} WHERE {within}{conditions} "
    return Query(text + _grouped(len(keys)), (*values, *wanted))


def filtered(words: Words, filters: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The condition that rows have these values, to stand after another."""
    conditions, values = "", []
    for name, value in filters.items():
        expression, told = _expression(words, name)
        condition, wanted = _equal(words, {expression: _typed(name, value)})
        conditions += condition
        values += [*told, *wanted]
    return conditions, values


class Folded:
    """Totals as they come together."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._zone = zone_of(ask.timezone)
        self._found: dict[tuple[str, ...], Total] = {}

    def add(self, record: UsageRecord) -> None:
        """A row that no query has counted."""
        self._found.setdefault(key_of(record, self._ask.by, self._zone), Total()).add(record)

    def gather(self, lines: Iterable[Sequence[Any]], span: Span) -> None:
        """The lines of a query."""
        ask, columns = self._ask, len(self._ask.columns)
        for number, *told in lines:
            times = _labels(number, ask.unit, span.offset)
            named = dict(zip(ask.columns, told, strict=False))
            key = tuple(times[name] if name in times else _told(name, named[name]) for name in ask.by)
            _gather(self._found.setdefault(key, Total()), [int(value) for value in told[columns:]])

    def totals(self) -> dict[tuple[str, ...], Total]:
        """In the order of the keys. A line on which nothing counts is none."""
        return dict(sorted(self._found.items()))


def _gather(total: Total, values: Sequence[int]) -> None:
    calls, attempts, failed, *sums = values
    total.calls += calls
    total.attempts += attempts
    total.failed += failed
    for at, name in enumerate(_SUMS):
        value, known = sums[at * 2 : at * 2 + 2]
        into: Sum = getattr(total, name)
        into.gather(value, known, 0 if name == "machine" else attempts - known)
    total.baseline.gather(*sums[-6:-3])
    total.compared.gather(*sums[-3:])


def _number(millis: str, unit: Unit | None, offset: int) -> str:
    return "0" if unit is None else f"({millis} + {offset}) / {MILLIS[unit]}"


def _labels(number: int, unit: Unit | None, offset: int) -> dict[str, str]:
    if unit is None:
        return {}
    away = timezone(timedelta(milliseconds=offset)) if offset else UTC
    moment = datetime.fromtimestamp((number * MILLIS[unit] - offset) / 1000, away)
    return {name: time_label(name, moment) for name in TIMES}


def _told(name: str, value: Any) -> str:
    if name == "stream" and value is not None:
        return str(bool(value))
    return UNKNOWN if value is None else label(value)


def _typed(name: str, value: Any) -> Any:
    return bool(value) if name == "stream" and value is not None else value


def _grouped(keys: int) -> str:
    return f"GROUP BY {', '.join(str(number) for number in range(1, keys + 1))}"


def _expression(words: Words, name: str) -> tuple[str, list[Any]]:
    if not name.startswith(TAG):
        return words.column(name), []
    expression, told = words.tag(name.removeprefix(TAG))
    return expression, [told]


def _equal(words: Words, wanted: Mapping[str, Any]) -> tuple[str, list[Any]]:
    told = [value for value in wanted.values() if value is not None]
    conditions = (
        f" AND {name} IS NULL" if value is None else f" AND {name} = {words.mark}" for name, value in wanted.items()
    )
    return "".join(conditions), told
