"""Taking hold of a ledger's file: its lock, its connection, and what to do with a file that is broken."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import structlog

from proxy.ledger.schema import LedgerError, connect

BROKEN = (apsw.CorruptError, apsw.NotADBError)
AWAY = (
    apsw.BusyError, apsw.LockedError, apsw.FullError, apsw.IOError, apsw.ReadOnlyError, apsw.CantOpenError,
    apsw.PermissionsError, apsw.ProtocolError, apsw.NoMemError, apsw.SchemaChangeError, *BROKEN,
)  # fmt: skip
"""The database cannot take the row now: it waits in the spool."""
_WAL_LIMIT = 1 << 20
_log = structlog.get_logger("ledger")


def claim(database: Path) -> int:
    """Take the slot of this file for our lifetime; a crash frees it. Raises LedgerError when another holds it."""
    try:
        slot = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(
            f"{database}: {error.strerror}: make its folder, or set ledger.url to one that exists"
        ) from error
    try:
        fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(slot)
        raise LedgerError(
            f"{database}: another Turnout writes it: end that one, or give each its own ledger.url"
        ) from error
    return slot


def open_database(path: Path, *, broken: bool = False) -> apsw.Connection:
    """A connection ready to write. A file that is no database any more is put aside, loudly, never deleted."""
    if broken:
        _quarantine(path)
    try:
        return connect(path)
    except BROKEN:
        _quarantine(path)
    except apsw.Error as error:
        raise LedgerError(
            f"{path}: {told(error)}: see that its folder can be written and nothing else holds it"
        ) from error
    return connect(path)


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """All or nothing. apsw's own ``with connection`` keeps the interpreter's lock while it waits for another worker,
    and with it the loop; ``execute`` lets it go."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # Some failures (a full disk) have rolled back by themselves.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def checkpoint(path: Path) -> None:
    """Fold a long write-ahead log back into its file, for a thread whose fsync makes no call wait."""
    log = Path(f"{path}-wal")
    if not log.exists() or log.stat().st_size < _WAL_LIMIT:
        return
    connection = apsw.Connection(str(path))
    try:
        connection.pragma("wal_checkpoint", "passive")
    finally:
        connection.close()


def _quarantine(path: Path) -> None:
    kept = put_aside(path)
    _log.error("ledger.corrupt", path=str(path), kept=str(kept), mend="sqlite3 FILE .recover; a new ledger was begun")


def put_aside(path: Path) -> Path:
    """Rename a broken database and the files beside it; returns its new name."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    kept = path.with_name(f"{path.name}.corrupt-{stamp}")
    for end in ("", "-wal", "-shm"):
        part = Path(f"{path}{end}")
        if part.exists():
            part.rename(f"{kept}{end}")
    return kept


def told(error: Exception) -> str:
    """The kind and the words of SQLite's error."""
    return f"{type(error).__name__.removesuffix('Error').lower()}: {error}"
