"""Reads the book: every worker's file and every row that still waits in a spool, as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec

from proxy.ledger.record import COLUMNS, UsageRecord
from proxy.ledger.schema import SPOOL, files
from proxy.ledger.spool import read, set_aside

_PATIENCE = 2000
"""Milliseconds that a reader, which is never on the loop, waits for a file."""


def rows(
    path: Path,
    *,
    since: int | None = None,
    until: int | None = None,
    limit: int | None = None,
    filters: Mapping[str, Any] | None = None,
) -> list[UsageRecord]:
    """The newest ``limit`` rows, oldest first. Times are milliseconds since 1970, ``until`` exclusive; ``filters``
    are column -> value. Raises KeyError for a column that does not exist."""
    wanted = dict(filters or {})
    for name in wanted:
        if name not in COLUMNS:
            raise KeyError(name)
    where: list[tuple[str, Any]] = [(f'"{name}" IS ?', value) for name, value in wanted.items()]
    where += [("started_at >= ?", since)] if since is not None else []
    where += [("started_at < ?", until)] if until is not None else []
    waiting = (r for r in _waiting(path) if _meets(r, since, until, wanted))
    found = _merged(waiting, *(_select(file, where, limit) for file in files(path)))
    found.sort(key=lambda record: (record.started_at, record.request_id, record.attempt))
    return found if limit is None else found[max(len(found) - limit, 0) :]


def find(path: Path, request_id: str) -> list[UsageRecord]:
    """Every attempt of one call, in order, and its helper calls after it. Empty when the book has never heard of it."""
    own = [("(request_id = ?1 OR parent_id = ?1)", request_id)]
    waiting = (r for r in _waiting(path) if request_id in {r.request_id, r.parent_id})
    found = _merged(waiting, *(_select(file, own, None) for file in files(path)))
    return sorted(found, key=lambda r: (r.request_id != request_id, r.started_at, r.request_id, r.attempt))


def _merged(*sources: Iterable[UsageRecord]) -> list[UsageRecord]:
    """A row that moved from a spool into its database while we read is met twice and counted once. The spools come
    first, so that it cannot be missed."""
    return list({(r.request_id, r.attempt): r for source in sources for r in source}.values())


def _waiting(path: Path) -> Iterator[UsageRecord]:
    """The rows in spools. The files set aside are listed after the spool was read: a spool that is rotated meanwhile
    is then met among them, or its rows in the database."""
    for database in {path, *(file.with_suffix(path.suffix) for file in files(path, SPOOL)), *files(path)}:
        spool = database.with_suffix(SPOOL)
        yield from _rows(spool)
        for file in set_aside(spool):
            yield from _rows(file)


def _rows(file: Path) -> Iterator[UsageRecord]:
    try:
        yield from (row for row in read(file) if isinstance(row, UsageRecord))
    except FileNotFoundError:
        return


def _select(file: Path, where: Sequence[tuple[str, Any]], limit: int | None) -> list[UsageRecord]:
    connection = apsw.Connection(
        f"file:{_quoted(file)}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    try:
        connection.set_busy_timeout(_PATIENCE)
        there = {row[1] for row in connection.execute("PRAGMA table_info(usage)")}
        columns = [name for name in COLUMNS if name in there]
        if not columns:
            return []
        query = f"SELECT {','.join(columns)} FROM usage"  # noqa: S608 - names come from COLUMNS
        if where:
            query += " WHERE " + " AND ".join(clause for clause, _ in where)
        query += f" ORDER BY started_at DESC LIMIT {-1 if limit is None else limit}"
        values = tuple(value for _, value in where)
        return [_record(columns, row) for row in connection.execute(query, values)]
    finally:
        connection.close()


def _quoted(file: Path) -> str:
    return str(file.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _record(columns: Sequence[str], row: Sequence[Any]) -> UsageRecord:
    return msgspec.convert(dict(zip(columns, row, strict=True)), UsageRecord, strict=False)


def _meets(record: UsageRecord, since: int | None, until: int | None, wanted: Mapping[str, Any]) -> bool:
    if since is not None and record.started_at < since:
        return False
    if until is not None and record.started_at >= until:
        return False
    values = dict(zip(COLUMNS, msgspec.structs.astuple(record), strict=True))
    return all(values[name] == value for name, value in wanted.items())
