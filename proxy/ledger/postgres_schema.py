"""The book's tables in PostgreSQL by version, how it is connected to, and its errors in words that hold no secret."""

# ruff: noqa: S608 - these statements are whole

from __future__ import annotations

from urllib.parse import unquote

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict

from proxy.ledger.address import shown
from proxy.ledger.schema import LedgerError

CHANGES, CARE, SCHEMA = 0x7475726E00, 0x7475726E01, 0x7475726E02
"""Advisory locks. CHANGES is shared by all who change rows, and held alone for the moment in which an hour is set aside
to be summed; CARE belongs to the one worker that sums and deletes; SCHEMA to the one that changes the tables."""
_SUMS = """
    CREATE TABLE turnout_{} (
        {} bigint NOT NULL, {} alias text, policy text, class text, backend text, upstream_model text, api text,
        outcome text, calls bigint, attempts bigint, failed bigint, input numeric, input_known bigint, cached numeric,
        cached_known bigint, cache_write numeric, cache_write_known bigint, output numeric, output_known bigint,
        reasoning numeric, reasoning_known bigint, cost numeric, cost_known bigint, machine numeric,
        machine_known bigint, baseline numeric, baseline_known bigint, baseline_unknown bigint, compared numeric,
        compared_known bigint, compared_unknown bigint
    );
    CREATE INDEX ON turnout_{} ({});
"""
_CALLERS = "tenant text, key_id text,"
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE turnout_usage (
        request_id text NOT NULL, client_request_id text, parent_id text, attempt bigint NOT NULL,
        started_at bigint NOT NULL, tenant text NOT NULL, alias text, policy text, rule text, class text, backend text,
        upstream_model text, api text NOT NULL, stream boolean NOT NULL, status bigint, outcome text NOT NULL,
        input_tokens bigint, cached_tokens bigint, cache_write_tokens bigint, output_tokens bigint,
        reasoning_tokens bigint, reasoning_source text, cost_nano_usd bigint, generation bigint,
        duration_ms double precision, ttft_ms double precision, policy_hash text, decision_reason text, facts text,
        trace text, dropped text, upstream_request_id text, upstream_status bigint, error_code text,
        error_message text, price_source text, unit_prices text, finish_reason text, key_id text, effort text,
        overhead_ms double precision, cached_from text, purpose text, flags text, parts text, service_tier text,
        machine_ms double precision, baseline text, baseline_nano_usd bigint, "user" text, session text, tags text,
        PRIMARY KEY (request_id, attempt)
    );
    CREATE INDEX turnout_usage_started_at ON turnout_usage (started_at);
    CREATE INDEX turnout_usage_parent_id ON turnout_usage (parent_id) WHERE parent_id IS NOT NULL;
    """,
    # 2: hours and days are summed.
    """
    CREATE TABLE turnout_stale (hour bigint PRIMARY KEY);
    CREATE TABLE turnout_folding (hour bigint PRIMARY KEY);
    CREATE TABLE turnout_folded (day bigint PRIMARY KEY);
    INSERT INTO turnout_stale SELECT DISTINCT started_at / 3600000 FROM turnout_usage;
    """
    + _SUMS.format("hours", "hour", "", "hours", "hour")
    + _SUMS.format("caller_hours", "hour", _CALLERS, "caller_hours", "hour")
    + _SUMS.format("caller_days", "day", _CALLERS, "caller_days", "day"),
)
"""One script per version: version n is what the first n scripts make. Append only, never edit."""
VERSION = len(MIGRATIONS)
_PATIENCE = 5
"""Seconds until a connection counts as failed."""
_SETTINGS = (
    "SELECT set_config('lock_timeout', '2s', false), set_config('statement_timeout', %s, false),"
    " set_config('idle_in_transaction_session_timeout', '60s', false)"
)
_THERE = "SELECT FROM pg_tables WHERE tablename = 'turnout_ledger' AND schemaname = ANY(current_schemas(false))"
_MENDS = (
    ("password authentication failed", "see the user and the password in ledger.url"),
    ("no password supplied", "give ledger.url a password"),
    ('role "', "see the user in ledger.url"),
    ('database "', "create it (createdb), or see its name in ledger.url"),
    ("permission denied", "let this user create tables there"),
    ("no schema has been selected", "let this user create tables there"),
    ("too many", "raise max_connections: every worker keeps one connection"),
    ("Connection refused", "see that it runs and can be reached"),
)


def connect(url: str, *, statement_seconds: float = 60) -> Connection:
    """A connection that commits each statement by itself. Raises psycopg.Error."""
    given = conninfo_to_dict(url)
    patience = given.get("connect_timeout") or _PATIENCE
    # Behind a pooler that changes connections under us, prepared statements would be another's.
    connection = psycopg.connect(
        url, autocommit=True, prepare_threshold=None, connect_timeout=int(patience), application_name="turnout"
    )
    try:
        connection.execute(_SETTINGS, (f"{int(statement_seconds * 1000)}ms",))
    except psycopg.Error:
        connection.close()
        raise
    return connection


def migrate(connection: Connection, url: str) -> None:
    """Run the scripts that this database has not seen yet, all or none; of several at one time one does. Raises
    LedgerError for a newer schema, and psycopg.Error."""
    if version(connection) == VERSION:
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA,))
        have = version(connection)
        if have > VERSION:
            raise newer(url, have)
        connection.execute("CREATE TABLE IF NOT EXISTS turnout_ledger (version bigint NOT NULL)")
        for script in MIGRATIONS[have:]:
            connection.execute(script)
        connection.execute("DELETE FROM turnout_ledger")
        connection.execute("INSERT INTO turnout_ledger VALUES (%s)", (VERSION,))


def version(connection: Connection) -> int:
    """The schema that is there; 0: none."""
    if not connection.execute(_THERE).fetchall():
        return 0
    found = connection.execute("SELECT version FROM turnout_ledger").fetchone()
    return int(found[0]) if found is not None else 0


def newer(url: str, have: int) -> LedgerError:
    """What to say of a database that a later Turnout has changed."""
    return LedgerError(
        f"{shown(url)}: written by a newer Turnout (schema {have}, this one knows {VERSION}): "
        "run that version, or name another database under ledger.url"
    )


def told(error: Exception, url: str) -> str:
    """What PostgreSQL or its driver said, in one line, without the password, and with the mend where there is one."""
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
        # What cannot be read is quoted, and may be a part of the password.
        return "ledger.url cannot be read: percent-encode what is special in its user and password"
    line = " ".join((str(error).splitlines() or [type(error).__name__])[0].split())
    for secret in _secrets(url):
        line = line.replace(secret, "[password]")
    words = line.partition("FATAL: ")[2].strip() or line
    return next((f"{words}: {mend}" for sign, mend in _MENDS if sign in words), words)


def _secrets(url: str) -> list[str]:
    rest = url.partition("://")[2]
    password = rest.rpartition("@")[0].partition(":")[2]
    return [secret for secret in (unquote(password), password) if secret]
