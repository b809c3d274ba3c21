"""Counts of what happens: plain dictionaries on the path, turned into Prometheus text only when someone scrapes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec
from msgspec import Struct

from adapters import ir
from proxy.telemetry import names
from proxy.telemetry.names import Metric

Labels: TypeAlias = tuple[str, ...]
OTHER = "other"
_NONE = "none"


class Histogram(Struct):
    """Observations per bucket (the last one is +Inf) and their sum."""

    counts: list[int]
    total: float = 0.0


class Series(Struct, frozen=True):
    """One metric's values, as they travel from a worker to the supervisor."""

    metric: str
    values: list[tuple[Labels, float]] = []
    histograms: list[tuple[Labels, Histogram]] = []


class Meters:
    """The counters of one worker. Labels are bounded: an unlisted value or one series too many counts as ``other``."""

    def __init__(self, *, most_series: int = 500) -> None:
        self._most = most_series
        self._values: dict[str, dict[Labels, float]] = {metric.name: {} for metric in names.METRICS}
        self._histograms: dict[str, dict[Labels, Histogram]] = {metric.name: {} for metric in names.METRICS}
        self._allowed: dict[str, frozenset[str]] = {}
        self._in_flight = self._values[names.IN_FLIGHT.name]
        self._in_flight[()] = 0
        self._answers = self._values[names.ANSWERS.name]
        self._answers[()] = 0
        self._looks: list[Callable[[], Iterable[tuple[Metric, Labels, float]]]] = []

    def allow(self, label: str, values: Collection[str]) -> None:
        """From now on ``label`` takes these values only (the backends and policies of a configuration)."""
        self._allowed[label] = frozenset(values) | {_NONE, OTHER}

    def request_started(self) -> None:
        self._in_flight[()] += 1

    def request_ended(  # noqa: PLR0913 - every label and every time of a call, by name
        self,
        *,
        api: str,
        status: int,
        outcome: str,
        duration: float,
        stream: bool = False,
        policy: str | None = None,
        backend: str | None = None,
        first_token: float | None = None,
        overhead: float | None = None,
    ) -> None:
        """The call is over for the client, with or without a row (a 401 has none). Times in seconds."""
        self._in_flight[()] -= 1
        where, told = backend or _NONE, "true" if stream else "false"
        self.add(names.REQUESTS, (api, policy or _NONE, where, f"{status // 100}xx", told, outcome))
        self.observe(names.DURATION, (api, where), duration)
        if first_token is not None:
            self.observe(names.FIRST_TOKEN, (api, where), first_token)
        if overhead is not None:
            self.observe(names.OVERHEAD, (api,), overhead)

    def answered(self) -> None:
        """The end of an answer was released to its client: there must be a row for it."""
        self._answers[()] += 1

    def attempt(self, backend: str, outcome: str) -> None:
        self.add(names.ATTEMPTS, (backend, outcome))

    def tokens(self, backend: str, usage: ir.Usage | None, reasoning: int | None, cost: int | None) -> None:
        """What an attempt used, and its cost in nano-dollars; what nobody told is not counted."""
        if usage is not None:
            told = (usage.input, usage.cached, usage.cache_write, usage.output, reasoning)
            for name, count in zip(("input", "cached", "cache_write", "output", "reasoning"), told, strict=True):
                if count is not None and count > 0:
                    self.add(names.TOKENS, (backend, name), count)
        if cost is not None:
            self.add(names.COST, (backend,), cost)

    def price_missing(self, backend: str, reason: str) -> None:
        self.add(names.PRICE_MISSING, (backend, reason))

    def records(self, state: str, rows: int) -> None:
        """What became of ledger rows; fits ``Ledger(count=…)``. Also called by the ledger's thread."""
        self.add(names.RECORDS, (state,), rows)

    def reloaded(self, outcome: str, generation: int, at: float) -> None:
        """A reload was tried ``at`` (seconds since 1970); ``generation`` is the one in force after it."""
        self.add(names.RELOADS, (outcome,))
        self._values[names.GENERATION.name][()] = generation
        self._values[names.LAST_RELOAD_OK.name][()] = int(outcome == "ok")
        self._values[names.LAST_RELOAD.name][()] = at

    def overridden(self, generation: int, counts: Mapping[str, int]) -> None:
        """What operators have turned; ``counts``: by kind."""
        self._values[names.OVERRIDES_GENERATION.name][()] = generation
        self._values[names.OVERRIDES.name].update({(kind,): count for kind, count in counts.items()})

    def breaker(self, backend: str, state: str) -> None:
        """``closed`` | ``half_open`` | ``open``."""
        cells, labels = self._values[names.BREAKER.name], (backend,)
        cells[labels if labels in cells else self._admit(names.BREAKER, labels, cells)] = names.BREAKER_STATES[state]

    def waiting(self, backend: str, calls: int) -> None:
        """So many wait for their turn there."""
        cells, labels = self._values[names.WAITING.name], (backend,)
        cells[labels if labels in cells else self._admit(names.WAITING, labels, cells)] = calls

    def store_failed(self, operation: str) -> None:
        """``read`` | ``write`` | ``ledger`` (asked for by a client or an operator)."""
        self.add(names.STORE_FAILURES, (operation,))

    def pots(self, home: str, *, away: bool) -> None:
        """A round trip to where limits are counted ended."""
        self.add(names.POTS, (home, "failed" if away else "ok"))
        self._values[names.POTS_AWAY.name][(home,)] = int(away)

    def add(self, metric: Metric, labels: Labels, amount: float = 1) -> None:
        """Count. On the path: one look-up and one addition."""
        cells = self._values[metric.name]
        if labels not in cells:
            labels = self._admit(metric, labels, cells)
            cells.setdefault(labels, 0)
        cells[labels] += amount

    def observe(self, metric: Metric, labels: Labels, value: float) -> None:
        """Put a value into its bucket."""
        cells = self._histograms[metric.name]
        cell = cells.get(labels)
        if cell is None:
            labels = self._admit(metric, labels, cells)
            cell = cells.setdefault(labels, Histogram([0] * (len(metric.buckets) + 1)))
        cell.counts[bisect_left(metric.buckets, value)] += 1
        cell.total += value

    def watch(self, look: Callable[[], Iterable[tuple[Metric, Labels, float]]]) -> None:
        """``look`` gives the values of gauges that nobody keeps: it is called when somebody asks."""
        self._looks.append(look)

    def snapshot(self) -> list[Series]:
        """A copy of every value, fit to be encoded and summed over workers by ``merge``."""
        for metric, labels, value in (told for look in self._looks for told in look()):
            cells = self._values[metric.name]
            cells[labels if labels in cells else self._admit(metric, labels, cells)] = value
        return [
            Series(
                metric.name,
                list(self._values[metric.name].items()),
                [(key, Histogram(cell.counts[:], cell.total)) for key, cell in self._histograms[metric.name].items()],
            )
            for metric in names.METRICS
        ]

    def render(self) -> bytes:
        """This worker's metrics as Prometheus text (0.0.4)."""
        return render(self.snapshot())

    def _admit(self, metric: Metric, labels: Labels, cells: Mapping[Labels, object]) -> Labels:
        """The labels under which an unseen series may be kept."""
        known = tuple(self._known(name, value) for name, value in zip(metric.labels, labels, strict=True))
        if known not in cells and len(cells) >= self._most:
            known = (OTHER,) * len(labels)
        if known != labels:
            folded = self._values[names.DROPPED_SERIES.name]
            folded[(metric.name,)] = folded.get((metric.name,), 0) + 1
        return known

    def _known(self, label: str, value: str) -> str:
        allowed = self._allowed.get(label)
        return value if allowed is None or value in allowed else OTHER


def merge(workers: Sequence[Sequence[Series]]) -> list[Series]:
    """One set of metrics out of those of all workers."""
    return [
        _merged(metric, [s for worker in workers for s in worker if s.metric == metric.name])
        for metric in names.METRICS
    ]


def _merged(metric: Metric, parts: Sequence[Series]) -> Series:
    values: dict[Labels, float] = {}
    cells: dict[Labels, Histogram] = {}
    for part in parts:
        for labels, value in part.values:
            before = values.get(labels)
            joined = max(before or 0, value) if metric.merge == "max" else (before or 0) + value
            values[labels] = joined
        for labels, cell in part.histograms:
            sofar = cells.setdefault(labels, Histogram([0] * len(cell.counts)))
            sofar.counts = [a + b for a, b in zip(sofar.counts, cell.counts, strict=True)]
            sofar.total += cell.total
    return Series(metric.name, list(values.items()), list(cells.items()))


encode_snapshot = msgspec.json.Encoder().encode
decode_snapshot = msgspec.json.Decoder(list[Series]).decode


def render(snapshot: Sequence[Series]) -> bytes:
    """Prometheus text, format 0.0.4 (``text/plain; version=0.0.4; charset=utf-8``)."""
    by_name = {series.metric: series for series in snapshot}
    lines: list[str] = []
    for metric in names.METRICS:
        series = by_name.get(metric.name, Series(metric.name))
        lines += (f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}")
        for labels, value in series.values:
            lines.append(f"{metric.name}{_braces(metric.labels, labels)} {_number(value * metric.scale)}")
        for labels, cell in series.histograms:
            lines += _histogram(metric, labels, cell)
    return ("\n".join(lines) + "\n").encode()


def _histogram(metric: Metric, labels: Labels, cell: Histogram) -> list[str]:
    lines, seen = [], 0
    for edge, count in zip((*map(_number, metric.buckets), "+Inf"), cell.counts, strict=True):
        seen += count
        lines.append(f"{metric.name}_bucket{_braces((*metric.labels, 'le'), (*labels, edge))} {seen}")
    where = _braces(metric.labels, labels)
    return [*lines, f"{metric.name}_sum{where} {_number(cell.total)}", f"{metric.name}_count{where} {seen}"]


def _braces(labels: Labels, values: Labels) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(labels, values, strict=True))
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)
