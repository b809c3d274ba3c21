"""Reads the book: every database and every row that still waits in a spool, as one."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from proxy.ledger.record import COLUMNS, UsageRecord
from proxy.ledger.shelf import Key, Shelf, Source, key_of, order
from proxy.ledger.sqlite_shelf import shelves_of
from proxy.ledger.sums import Ask, Folded
from proxy.ledger.totals import TAG, Total, check

_END = 1 << 42
"""A moment after all others, in milliseconds since 1970."""
_SOME = 500
"""Waiting rows that are looked for in the database at one time."""


class Reader:
    """See proxy.ledger.book.Book. Nothing is held open between two questions."""

    def __init__(self, shelves: Callable[[], Sequence[Shelf]]) -> None:
        self._shelves = shelves

    def rows(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> list[UsageRecord]:
        if limit is None:
            return list(self.each(since=since, until=until, filters=filters))
        start, end, ask = since or 0, _END if until is None else until, Ask((), checked(filters))
        found: dict[Key, UsageRecord] = {}
        for shelf in self._shelves():
            late = [row for row in shelf.waiting() if ask.meets(row, start, end)]
            with shelf.reading() as source:
                stored = source.newest(limit, start, end, ask.filters) if source else []
            found |= {key_of(row): row for row in (*late, *stored)}
        return sorted(found.values(), key=order)[max(len(found) - limit, 0) :]

    def each(
        self, *, since: int | None = None, until: int | None = None, filters: Mapping[str, Any] | None = None
    ) -> Iterator[UsageRecord]:
        return self._each(Ask((), checked(filters)), since or 0, _END if until is None else until)

    def find(self, request_id: str) -> list[UsageRecord]:
        found: dict[Key, UsageRecord] = {}
        for shelf in self._shelves():
            late = [row for row in shelf.waiting() if request_id in {row.request_id, row.parent_id}]
            with shelf.reading() as source:
                stored = source.find(request_id) if source else []
            found |= {key_of(row): row for row in (*late, *stored)}
        return sorted(found.values(), key=lambda row: (row.request_id != request_id, *order(row)))

    def totals(
        self,
        by: Sequence[str] = ("day",),
        *,
        since: int | None = None,
        until: int | None = None,
        filters: Mapping[str, Any] | None = None,
        timezone: str = "UTC",
    ) -> dict[tuple[str, ...], Total]:
        check(by)
        start, end = since or 0, _END if until is None else until
        ask = Ask(tuple(by), checked(filters), timezone)
        folded = Folded(ask)
        for shelf in self._shelves():
            late = shelf.waiting()
            with shelf.reading() as source:
                if source is not None:
                    source.fold(ask, start, end, folded)
                for row in _only_waiting(late, source):
                    if ask.meets(row, start, end):
                        folded.add(row)
        return folded.totals()

    def spent(self, *, since: int, team: str | None = None, key: str | None = None, local: Collection[str] = ()) -> int:
        filters = {name: value for name, value in (("tenant", team), ("key_id", key)) if value is not None}
        by_backend = self.totals(("backend",), since=since, filters=filters)
        return sum(total.cost.value for (backend,), total in by_backend.items() if backend not in local)

    def outputs(self, alias: str, most: int) -> list[int]:
        found: list[tuple[int, int]] = []
        for shelf in self._shelves():
            late = shelf.waiting()
            with shelf.reading() as source:
                found += [told for row in _only_waiting(late, source) if (told := _answered(row, alias)) is not None]
                found += source.outputs(alias, most) if source is not None else []
        return [tokens for _, tokens in sorted(found)[max(len(found) - most, 0) :]]

    def rewrite(self, records: Sequence[UsageRecord]) -> int:
        left = {key_of(record): record for record in records}
        for shelf in self._shelves():
            late = {key_of(row) for row in shelf.waiting()}
            for key in shelf.replace(left, late):
                del left[key]
        return len(records) - len(left)

    def close(self) -> None:
        """There is nothing to let go of."""

    def _each(self, ask: Ask, since: int, until: int) -> Iterator[UsageRecord]:
        with ExitStack() as held:
            sources: list[Iterable[UsageRecord]] = []
            for shelf in self._shelves():
                late = [row for row in shelf.waiting() if ask.meets(row, since, until)]
                source = held.enter_context(shelf.reading())
                sources.append(sorted(_only_waiting(late, source), key=order))
                if source is not None:
                    sources.append(source.read(since, until, ask.filters))
            yield from heapq.merge(*sources, key=order)


def rows(
    path: Path,
    *,
    since: int | None = None,
    until: int | None = None,
    limit: int | None = None,
    filters: Mapping[str, Any] | None = None,
) -> list[UsageRecord]:
    """``Book.rows`` of the SQLite ledger at ``path``."""
    return Reader(lambda: shelves_of(path)).rows(since=since, until=until, limit=limit, filters=filters)


def find(path: Path, request_id: str) -> list[UsageRecord]:
    """``Book.find`` of the SQLite ledger at ``path``."""
    return Reader(lambda: shelves_of(path)).find(request_id)


def checked(filters: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Raises KeyError for a column that does not exist."""
    wanted = dict(filters or {})
    check(name for name in wanted if name.startswith(TAG))
    for name in wanted:
        if name not in COLUMNS and not name.startswith(TAG):
            raise KeyError(name)
    return wanted


def _only_waiting(late: Iterable[UsageRecord], source: Source | None) -> Iterator[UsageRecord]:
    """Waiting rows that the database does not have (they may have moved there), each once."""
    told: set[Key] = set()
    waiting = iter(late)
    while some := {key_of(row): row for row in islice(waiting, _SOME)}:
        stored = source.here(list(some)) if source is not None else set()
        fresh = some.keys() - stored - told
        told |= fresh
        yield from (row for key, row in some.items() if key in fresh)


def _answered(row: UsageRecord, alias: str) -> tuple[int, int] | None:
    """(start, output tokens) of an answer under an alias."""
    if row.alias != alias or row.outcome != "ok" or row.attempt == 0 or row.parent_id is not None:
        return None
    return None if row.output_tokens is None else (row.started_at, row.output_tokens)
