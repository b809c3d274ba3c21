"""The store of the keys that the command line makes: by name, never with a secret. One interface, two homes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import apsw
import msgspec
from msgspec import Struct

from proxy.ledger.opening import told, transaction
from proxy.settings.grammar import Key
from proxy.settings.units import decode, shown
from proxy.state.opening import BUSY_MS
from proxy.state.store import StoreFailed

if TYPE_CHECKING:
    from pathlib import Path

    from proxy.state.sqlite import SqliteStore

Row = tuple[str, int, str]
"""name, version, entry."""
_TURN = """INSERT INTO changed VALUES ('keys', 1) ON CONFLICT (what) DO UPDATE SET version = version + 1
 RETURNING version"""
_ADD = "INSERT OR IGNORE INTO keys (name, version, entry) VALUES (?,?,?)"
_CHANGE = "UPDATE keys SET version = ?, entry = ? WHERE name = ? AND version = ?"
_VERSION = "SELECT coalesce(max(version), 0) FROM changed WHERE what = 'keys'"
_NEWS = "SELECT name, version, entry FROM keys WHERE version > ? ORDER BY version"
_IS_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'keys'"


class Former(Struct, frozen=True):
    """A secret that was replaced: its SHA-256, hex, and until when it works on (seconds since 1970)."""

    sha256: str
    until: float


class Entry(Struct, frozen=True, kw_only=True):
    """One key of the store. Times are seconds since 1970."""

    key: Key
    """As it would stand in proxy.yaml, with the SHA-256 of its secret."""
    created: float
    revoked: float | None = None
    formers: tuple[Former, ...] = ()
    """The secrets before this one, the latest last."""
    version: int = 0
    """Given by the store: it grows with every change of any key."""


class News(Struct, frozen=True):
    """What has changed since a version."""

    version: int
    entries: tuple[Entry, ...] = ()
    unread: tuple[str, ...] = ()
    """Names of keys that only a newer Turnout can read."""
    count: int | None = None
    """How many there are now, where that is cheap to know: a store that forgets has fewer than we know of."""


class KeyStore(Protocol):
    """All raise StoreFailed."""

    async def news(self, since: int) -> News:
        """The keys that were made or changed after this version; 0: all. One small read where there are none."""
        ...

    async def add(self, entry: Entry) -> bool:
        """False: there is a key of this name."""
        ...

    async def change(self, entry: Entry) -> bool:
        """False: it is not as ``entry.version`` left it; look again."""
        ...

    async def restore(self, entries: Iterable[Entry]) -> None:
        """Put back what the store has lost of these, or has in an older version."""
        ...

    async def close(self) -> None: ...


class SqliteKeys:
    """In state.db, at the desk of its store."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def news(self, since: int) -> News:
        return await self._store.do(lambda db: _news(db, since))

    async def add(self, entry: Entry) -> bool:
        def work(db: apsw.Connection) -> bool:
            with transaction(db):
                version = int(db.execute(_TURN).get)
                db.execute(_ADD, (entry.key.name, version, packed(entry)))
                return bool(db.changes())

        return await self._store.do(work)

    async def change(self, entry: Entry) -> bool:
        def work(db: apsw.Connection) -> bool:
            with transaction(db):
                version = int(db.execute(_TURN).get)
                db.execute(_CHANGE, (version, packed(entry), entry.key.name, entry.version))
                return bool(db.changes())

        return await self._store.do(work)

    async def restore(self, entries: Iterable[Entry]) -> None:
        """A file forgets nothing while it is open."""

    async def close(self) -> None:
        """The store is closed by who opened it."""


def _news(db: apsw.Connection, since: int) -> News:
    version = int(db.execute(_VERSION).get)
    return News(version) if version == since else read(version, db.execute(_NEWS, (since,)))


def glance(path: Path) -> News:
    """Every key of this state.db, which is neither made nor changed; none where it is not there. Raises StoreFailed."""
    if not path.exists():
        return News(0)
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            db.set_busy_timeout(BUSY_MS)
            return _news(db, 0) if db.execute(_IS_THERE).fetchone() else News(0)
        finally:
            db.close()
    except apsw.Error as error:
        raise StoreFailed(f"{path}: {told(error)}") from error


def read(version: int, rows: Iterable[Row], count: int | None = None) -> News:
    """Rows of a store -> news."""
    entries, unread = [], []
    for name, own, entry in rows:
        try:
            entries.append(msgspec.structs.replace(_entry.decode(entry), version=own))
        except msgspec.MsgspecError:
            unread.append(name)
    return News(version, tuple(entries), tuple(unread), count)


def packed(entry: Entry) -> str:
    """JSON. What is as by default is left out, so that an older Turnout can read what it knows."""
    return msgspec.json.encode({**_told(entry, _exact), "key": _told(entry.key, _exact)}).decode()


def plain(key: Key) -> dict[str, Any]:
    """What was said of a key, in the words of the grammar, for eyes."""
    return _told(key, shown)


def _told(value: Struct, hook: Callable[[Any], Any]) -> dict[str, Any]:
    usual = {field.name: field.default for field in msgspec.structs.fields(type(value))}
    given = {name: getattr(value, name) for name in usual if getattr(value, name) != usual[name]}
    given.pop("version", None)
    return {name: _pruned(msgspec.to_builtins(each, enc_hook=hook)) for name, each in given.items()}


def _pruned(value: Any) -> Any:
    """Without what nobody has said."""
    if not isinstance(value, dict):
        return value
    return {name: _pruned(each) for name, each in value.items() if each is not None}


def _exact(value: Any) -> Any:
    """Money is written to the last digit."""
    return str(value) if isinstance(value, Decimal) else shown(value)


_entry = msgspec.json.Decoder(Entry, dec_hook=decode, strict=False)
