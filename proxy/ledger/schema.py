"""The ledger's tables by version, and how an SQLite file is opened, checked and brought up to date."""

# ruff: noqa: S608 - these statements are whole

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import apsw
import structlog

from proxy.ledger.rows import Rows

OLDEST_SQLITE = (3, 51, 3)
"""Before it, two connections that write or checkpoint could corrupt a WAL database."""

_SUMS = """
    CREATE TABLE {} (
        id INTEGER PRIMARY KEY, {} alias TEXT, policy TEXT, class TEXT, backend TEXT, upstream_model TEXT, api TEXT,
        outcome TEXT, calls INTEGER, attempts INTEGER, failed INTEGER, input INTEGER, input_known INTEGER,
        cached INTEGER, cached_known INTEGER, cache_write INTEGER, cache_write_known INTEGER, output INTEGER,
        output_known INTEGER, reasoning INTEGER, reasoning_known INTEGER, cost INTEGER, cost_known INTEGER,
        machine INTEGER, machine_known INTEGER, baseline INTEGER, baseline_known INTEGER, baseline_unknown INTEGER,
        compared INTEGER, compared_known INTEGER, compared_unknown INTEGER
    );
"""
"""The hour or day is in the id, above its 24 lowest bits, so that lines lie in the order of time."""
_CALLERS = "tenant TEXT, key_id TEXT,"
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE usage (
        request_id TEXT NOT NULL, client_request_id TEXT, parent_id TEXT, attempt INTEGER NOT NULL,
        started_at INTEGER NOT NULL, tenant TEXT NOT NULL, alias TEXT, policy TEXT, rule TEXT, class TEXT,
        backend TEXT, upstream_model TEXT, api TEXT NOT NULL, stream INTEGER NOT NULL, status INTEGER,
        outcome TEXT NOT NULL, input_tokens INTEGER, cached_tokens INTEGER, cache_write_tokens INTEGER,
        output_tokens INTEGER, reasoning_tokens INTEGER, reasoning_source TEXT, cost_nano_usd INTEGER,
        generation INTEGER, duration_ms REAL, ttft_ms REAL, policy_hash TEXT, decision_reason TEXT, facts TEXT,
        trace TEXT, dropped TEXT, upstream_request_id TEXT, upstream_status INTEGER, error_code TEXT,
        error_message TEXT, price_source TEXT, unit_prices TEXT, finish_reason TEXT, key_id TEXT, effort TEXT,
        overhead_ms REAL,
        PRIMARY KEY (request_id, attempt)
    ) WITHOUT ROWID;
    CREATE INDEX usage_started_at ON usage (started_at);
    CREATE INDEX usage_parent_id ON usage (parent_id) WHERE parent_id IS NOT NULL;
    """,
    """
    ALTER TABLE usage ADD COLUMN cached_from TEXT;
    ALTER TABLE usage ADD COLUMN purpose TEXT;
    ALTER TABLE usage ADD COLUMN flags TEXT;
    """,
    """
    ALTER TABLE usage ADD COLUMN parts TEXT;
    ALTER TABLE usage ADD COLUMN service_tier TEXT;
    ALTER TABLE usage ADD COLUMN machine_ms REAL;
    ALTER TABLE usage ADD COLUMN baseline TEXT;
    ALTER TABLE usage ADD COLUMN baseline_nano_usd INTEGER;
    ALTER TABLE usage ADD COLUMN user TEXT;
    ALTER TABLE usage ADD COLUMN session TEXT;
    ALTER TABLE usage ADD COLUMN tags TEXT;
    """,
    # 4: rows lie at places of their own (place.py), long texts are kept once (texts.py), hours and days are summed
    # (rollups.py). Rows of before are moved over one by one, by ``_move``.
    """
    DROP INDEX usage_started_at;
    DROP INDEX usage_parent_id;
    ALTER TABLE usage RENAME TO before;
    CREATE TABLE usage (
        id INTEGER PRIMARY KEY, request_id TEXT NOT NULL, client_request_id TEXT, parent_id TEXT,
        attempt INTEGER NOT NULL, started_at INTEGER NOT NULL, tenant TEXT NOT NULL, alias TEXT, policy TEXT, rule TEXT,
        class TEXT, backend TEXT, upstream_model TEXT, api TEXT NOT NULL, stream INTEGER NOT NULL, status INTEGER,
        outcome TEXT NOT NULL, input_tokens INTEGER, cached_tokens INTEGER, cache_write_tokens INTEGER,
        output_tokens INTEGER, reasoning_tokens INTEGER, reasoning_source TEXT, cost_nano_usd INTEGER,
        generation INTEGER, duration_ms REAL, ttft_ms REAL, policy_hash TEXT, decision_reason, facts TEXT, trace,
        dropped TEXT, upstream_request_id TEXT, upstream_status INTEGER, error_code TEXT, error_message TEXT,
        price_source, unit_prices, finish_reason TEXT, key_id TEXT, effort TEXT, overhead_ms REAL, cached_from TEXT,
        purpose TEXT, flags TEXT, parts TEXT, service_tier TEXT, machine_ms REAL, baseline TEXT,
        baseline_nano_usd INTEGER, user TEXT, session TEXT, tags TEXT
    );
    CREATE UNIQUE INDEX usage_odd ON usage (request_id, attempt) WHERE id < 0;
    CREATE INDEX usage_odd_started_at ON usage (started_at) WHERE id < 0;
    CREATE INDEX usage_parent_id ON usage (parent_id) WHERE parent_id IS NOT NULL;
    CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
    CREATE TABLE stale (hour INTEGER PRIMARY KEY);
    CREATE TABLE folding (hour INTEGER PRIMARY KEY);
    CREATE TABLE folded (day INTEGER PRIMARY KEY);
    CREATE TRIGGER usage_added AFTER INSERT ON usage BEGIN
        INSERT OR IGNORE INTO stale VALUES (new.started_at / 3600000);
    END;
    CREATE TRIGGER usage_changed AFTER UPDATE ON usage BEGIN
        INSERT OR IGNORE INTO stale VALUES (new.started_at / 3600000);
    END;
    CREATE TRIGGER usage_gone AFTER DELETE ON usage BEGIN
        INSERT OR IGNORE INTO stale VALUES (old.started_at / 3600000);
    END;
    """
    + _SUMS.format("hours", "")
    + _SUMS.format("caller_hours", _CALLERS)
    + _SUMS.format("caller_days", _CALLERS),
)
"""One script per version: version n is what the first n scripts make. Append only, never edit."""

VERSION = len(MIGRATIONS)
PLACED = 4
"""The version from which on rows have places."""
_PRAGMAS = (
    # In a new file only: what pruning frees can be given back to the disk.
    ("auto_vacuum", "incremental"),
    ("journal_mode", "wal"),
    ("synchronous", "normal"),
    ("wal_autocheckpoint", 8000),
)
SPOOL = ".spool"
"""The suffix of the file, beside a database, in which its rows wait."""


_log = structlog.get_logger("ledger")


class LedgerError(Exception):
    """The ledger cannot be used; the message names the file, the reason and the mend."""


def check_sqlite() -> None:
    """Raises LedgerError when the SQLite library inside apsw is too old to be trusted with a WAL."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < OLDEST_SQLITE:
        need = ".".join(map(str, OLDEST_SQLITE))
        raise LedgerError(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt the ledger (fixed in {need}): pip install --upgrade apsw"
        )


def connect(path: Path) -> apsw.Connection:
    """The one writing connection of a file: WAL, never waiting, and its tables up to date.

    ``synchronous=NORMAL``: a row survives the end of the process at once, and a loss of power from the next
    checkpoint on. Raises LedgerError for a newer schema, and apsw.NotADBError or CorruptError for a broken file.
    """
    with suppress(OSError):  # SQLite tells it better
        # Who asked for what at which price is nobody else's business; the files beside it take after this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(0)
        for name, value in _PRAGMAS:
            connection.pragma(name, value)
        migrate(connection, path)
        connection.execute("SELECT count(*) FROM (SELECT request_id FROM usage LIMIT 1)").fetchall()
    except (apsw.Error, LedgerError):
        connection.close()
        raise
    return connection


def migrate(connection: apsw.Connection, path: Path) -> None:
    """Run the scripts that this file has not seen yet, all or none."""
    have = int(connection.pragma("user_version"))
    if have > VERSION:
        raise LedgerError(
            f"{path}: written by a newer Turnout (schema {have}, this one knows {VERSION}): "
            "run that version, or name another file under ledger.url"
        )
    if have == VERSION:
        return
    with connection:
        for version, script in enumerate(MIGRATIONS[have:], have + 1):
            connection.execute(script)
            if version == PLACED:
                _move(connection, path)
        connection.pragma("user_version", VERSION)


def _move(connection: apsw.Connection, path: Path) -> None:
    """Rows of before version 4 to their places."""
    columns = [row[1] for row in connection.execute("PRAGMA table_info(before)")]
    rows = Rows(connection, columns)
    [(many,)] = connection.execute("SELECT count(*) FROM before")
    if many:
        _log.warning("ledger.migrating", path=str(path), rows=many, schema=PLACED)
    for values in connection.execute("SELECT * FROM before"):
        rows.put_values(values)
    connection.execute("DROP TABLE before")


def files(path: Path, suffix: str | None = None) -> list[Path]:
    """Every database of one ledger, or every spool: the file itself and those of its workers (D13)."""
    first = path if suffix is None else path.with_suffix(suffix)
    workers = [p for p in path.parent.glob(f"{path.stem}-*{first.suffix}") if p.stem[len(path.stem) + 1 :].isdigit()]
    return [p for p in (first, *sorted(workers)) if p.exists()]


def worker_file(path: Path, worker: int | None) -> Path:
    """The database that one worker writes: ``turnout.db`` for the only one, else ``turnout-<worker>.db``."""
    return path if worker is None else path.with_name(f"{path.stem}-{worker}{path.suffix}")


def path_of(url: str) -> Path:
    """``ledger.url`` -> the file: ``sqlite:///turnout.db`` relative, ``sqlite:////var/lib/t.db`` absolute."""
    prefix = "sqlite:///"
    if not url.startswith(prefix) or len(url) == len(prefix):
        raise LedgerError(f"ledger.url {url.split(':', 1)[0]!r}: names no file: write sqlite:///turnout.db")
    return Path(url.removeprefix(prefix))
