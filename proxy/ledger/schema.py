"""The ledger's tables by version, and how an SQLite file is opened, checked and brought up to date."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import apsw

OLDEST_SQLITE = (3, 51, 3)
"""Before it, two connections that write or checkpoint could corrupt a WAL database."""

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
)
"""One script per version: version n is what the first n scripts make. Append only, never edit."""

VERSION = len(MIGRATIONS)
SPOOL = ".spool"
"""The suffix of the file, beside a database, in which its rows wait."""


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
        for name, value in (("journal_mode", "wal"), ("synchronous", "normal"), ("wal_autocheckpoint", 8000)):
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
        for script in MIGRATIONS[have:]:
            connection.execute(script)
        connection.pragma("user_version", VERSION)


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
        raise LedgerError(
            f"ledger.url {url.split(':', 1)[0]!r}: this Turnout keeps its ledger in SQLite: sqlite:///turnout.db"
        )
    return Path(url.removeprefix(prefix))
