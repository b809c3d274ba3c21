"""What changes rows in PostgreSQL. Each change marks the hours that it touches, so that they are summed again."""

# ruff: noqa: S608 - every name in these statements is our own

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import psycopg
from psycopg import Connection

from proxy.ledger.amending import Amendment
from proxy.ledger.postgres_schema import CHANGES
from proxy.ledger.record import COLUMNS, UsageRecord, storable
from proxy.ledger.shelf import Key, key_of
from proxy.ledger.spans import HOUR

_MARK = "INSERT INTO turnout_stale SELECT unnest(%s::bigint[]) ON CONFLICT DO NOTHING"
_MARKED = f"INSERT INTO turnout_stale SELECT DISTINCT started_at / {HOUR} FROM changed ON CONFLICT DO NOTHING"
_ADD = (
    "INSERT INTO turnout_usage SELECT * FROM json_populate_recordset(NULL::turnout_usage, %s::json)"
    " ON CONFLICT (request_id, attempt) DO "
)
_CHANGES = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in COLUMNS if name not in {"request_id", "attempt"})
_HERE = (
    "SELECT request_id, attempt FROM turnout_usage WHERE (request_id, attempt) IN"
    " (SELECT * FROM unnest(%s::text[], %s::bigint[]))"
)
_AMEND = f"""WITH changed AS (
 UPDATE turnout_usage SET reasoning_tokens = %s, reasoning_source = 'counted'
 WHERE request_id = %s AND attempt = %s AND reasoning_source = 'estimated' RETURNING started_at
), marked AS ({_MARKED}) SELECT count(*) FROM changed"""
_PRUNE = f"""WITH changed AS (
 DELETE FROM turnout_usage WHERE ctid = ANY(ARRAY(SELECT ctid FROM turnout_usage WHERE started_at < %s LIMIT %s))
 RETURNING started_at
), marked AS ({_MARKED}) SELECT count(*) FROM changed"""

_encode = msgspec.json.Encoder().encode


@contextmanager
def changing(connection: Connection) -> Iterator[None]:
    """A transaction that changes rows: none of their hours is set aside to be summed meanwhile."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (CHANGES,))
        yield


def add(connection: Connection, records: Sequence[UsageRecord]) -> int:
    """Put rows in, each once; returns how many were new."""
    try:
        return _put(connection, records, "NOTHING")
    except psycopg.DataError:
        # One of them holds what no column takes: half a character, a number past 64 bits.
        return _put(connection, [storable(record) for record in records], "NOTHING")


def replace(connection: Connection, records: Sequence[UsageRecord], late: Collection[Key]) -> set[Key]:
    """Put rows in the place of those with their keys, or before those that are on their way; which were there."""
    rows = [storable(record) for record in records]
    known = here(connection, [key_of(row) for row in rows])
    chosen = [row for row in rows if key_of(row) in known or key_of(row) in late]
    if chosen:
        _put(connection, chosen, f"UPDATE SET {_CHANGES}")
    return {key_of(row) for row in chosen}


def here(connection: Connection, keys: Sequence[Key]) -> set[Key]:
    """Which of these rows are there."""
    ids, attempts = [request_id for request_id, _ in keys], [attempt for _, attempt in keys]
    return {(str(request_id), int(attempt)) for request_id, attempt in connection.execute(_HERE, (ids, attempts))}


def amend(connection: Connection, amendment: Amendment) -> bool:
    """Raise a row's split to ``counted``. False: there is no such row, or its split is no estimate."""
    values = (amendment.reasoning_tokens, amendment.request_id, amendment.attempt)
    with changing(connection):
        found = connection.execute(_AMEND, values).fetchone()
    return found is not None and found[0] > 0


def prune(connection: Connection, before: int, most: int) -> int:
    """Delete some rows that started before ``before`` (milliseconds since 1970); how many."""
    with changing(connection):
        found = connection.execute(_PRUNE, (before, most)).fetchone()
    return int(found[0]) if found is not None else 0


def _put(connection: Connection, records: Sequence[UsageRecord], otherwise: str) -> int:
    hours = sorted({record.started_at // HOUR for record in records})
    with changing(connection):
        connection.execute(_MARK, (hours,))
        return connection.execute(_ADD + otherwise, (_encode(records).decode(),)).rowcount
