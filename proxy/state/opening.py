"""Opens the store's file, one worker at a time: SQLite cannot change the journal of a file that others open, too."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import structlog

from proxy.ledger.opening import BROKEN, put_aside, told, transaction
from proxy.state.store import StoreFailed

BUSY_MS = 1000
"""How long a write may wait for another worker's; each takes well under a millisecond."""
_SCHEMA = """
CREATE TABLE turns (
    tenant TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, previous TEXT, size INTEGER NOT NULL,
    input BLOB NOT NULL, response BLOB NOT NULL, PRIMARY KEY (tenant, id)
);
CREATE INDEX turns_created ON turns (created);
CREATE TABLE items (
    tenant TEXT NOT NULL, id TEXT NOT NULL, turn TEXT NOT NULL, PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX items_turn ON items (tenant, turn);
CREATE TRIGGER turn_gone AFTER DELETE ON turns BEGIN
    DELETE FROM items WHERE tenant = old.tenant AND turn = old.id;
END;
CREATE TABLE calls (
    tenant TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, state BLOB NOT NULL, PRIMARY KEY (tenant, id)
);
CREATE INDEX calls_created ON calls (created);
"""
_CHANGES = (
    # 2: where a thread was answered, with its stored turns and, for several workers, by its name.
    """
ALTER TABLE turns ADD COLUMN home BLOB;
CREATE TABLE threads (
    tenant TEXT NOT NULL, id BLOB NOT NULL, created INTEGER NOT NULL, home BLOB NOT NULL, PRIMARY KEY (tenant, id)
);
CREATE INDEX threads_created ON threads (created);
""",
    # 3: data keeps its class, with its stored turn and with the tool calls that its answer made.
    """
ALTER TABLE turns ADD COLUMN data_class TEXT NOT NULL DEFAULT '';
CREATE TABLE marks (
    tenant TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, data_class TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX marks_created ON marks (created);
""",
    # 4: keys that the command line makes, what was granted beside a budget, and what is used of limits and budgets.
    """
CREATE TABLE keys (name TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, entry TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX keys_version ON keys (version);
CREATE TABLE grants (
    id TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, nano_usd INTEGER NOT NULL, created INTEGER NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE pots (
    pot TEXT NOT NULL, slot INTEGER NOT NULL, used INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (pot, slot)
) WITHOUT ROWID;
CREATE TABLE leases (
    pot TEXT NOT NULL, holder TEXT NOT NULL, remaining INTEGER NOT NULL, exposed INTEGER NOT NULL,
    expires REAL NOT NULL, PRIMARY KEY (pot, holder)
) WITHOUT ROWID;
CREATE TABLE heard (
    pot TEXT NOT NULL, holder TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (pot, holder)
) WITHOUT ROWID;
CREATE TABLE warned (mark TEXT NOT NULL PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE changed (what TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
""",
    # 5: a stored turn is found by the id of its call in the ledger, for whoever may read this file.
    """
ALTER TABLE turns ADD COLUMN call TEXT;
CREATE INDEX turns_call ON turns (call) WHERE call IS NOT NULL;
""",
    # 6: what operators have turned, as one document.
    """
CREATE TABLE overrides (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), mark TEXT NOT NULL, told TEXT NOT NULL);
""",
)
"""What each version from the second on made of the one before it."""
VERSION = 1 + len(_CHANGES)

_log = structlog.get_logger("state")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Nobody else opens or closes this file meanwhile; a process that dies lets go by dying."""
    held = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def open_store(path: Path) -> apsw.Connection:
    """A connection ready to use. A file that is no database any more is put aside, loudly, never deleted. Raises
    StoreFailed that names the file, the reason and the mend."""
    try:
        with alone(path):
            return _opened(path)
    except (apsw.Error, OSError) as error:
        mend = "see that its folder can be written and nothing else holds it"
        raise StoreFailed(f"{path}: {told(error)}: {mend}") from error


def _opened(path: Path) -> apsw.Connection:
    try:
        return _connect(path)
    except BROKEN:
        kept = put_aside(path)
        _log.error("state.corrupt", path=str(path), kept=str(kept), mend="sqlite3 FILE .recover; a new one was begun")
        return _connect(path)


def _connect(path: Path) -> apsw.Connection:
    # What was asked and answered is nobody else's business; the files beside it take after this one.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "normal")
        # A thread beside this connection folds the log back, so that no answer waits for a disk's fsync.
        connection.pragma("wal_autocheckpoint", 8000)
        _create(connection, path)
    except (apsw.Error, StoreFailed):
        connection.close()
        raise
    return connection


def _create(connection: apsw.Connection, path: Path) -> None:
    have = int(connection.pragma("user_version"))
    if have > VERSION:
        raise StoreFailed(
            f"{path}: written by a newer Turnout (schema {have}): run that version, or move the file away"
        )
    if have == VERSION:
        return
    with transaction(connection):
        for change in (_SCHEMA, *_CHANGES)[have:]:
            connection.execute(change)
        connection.pragma("user_version", VERSION)
