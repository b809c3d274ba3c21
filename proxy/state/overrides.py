"""The store of overrides: all of them as one document, changed as a whole. One interface, two homes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec import Struct

from policies.overrides import Override
from proxy.ledger.opening import transaction
from proxy.state.store import StoreFailed

if TYPE_CHECKING:
    from pathlib import Path

    import apsw

    from proxy.state.sqlite import SqliteStore

_NEWS = "SELECT told FROM overrides WHERE mark <> ?"
_SWAP = """INSERT INTO overrides (one, mark, told) VALUES (1, ?1, ?2)
 ON CONFLICT (one) DO UPDATE SET mark = ?1, told = ?2 WHERE mark = ?3"""
_IS_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'overrides'"


class Stored(Struct, frozen=True, kw_only=True):
    """What is turned, expired ones perhaps included."""

    generation: int = 0
    mark: str = ""
    """Of the change that made it this; empty: nothing was ever turned. A store that was emptied counts anew, and would
    come to the same generation with other overrides."""
    overrides: tuple[Override, ...] = ()


class OverrideStore(Protocol):
    """All raise StoreFailed."""

    async def news(self, mark: str) -> Stored | None:
        """What is turned now; None: the same as at this mark. One small read."""
        ...

    async def swap(self, new: Stored, was: str) -> bool:
        """Put ``new`` there; False: it is not as the mark ``was`` left it; look again."""
        ...

    async def close(self) -> None: ...


class SqliteOverrides:
    """In state.db, at the desk of its store."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def news(self, mark: str) -> Stored | None:
        return await self._store.do(lambda db: _news(db, mark))

    async def swap(self, new: Stored, was: str) -> bool:
        def work(db: apsw.Connection) -> bool:
            with transaction(db):
                db.execute(_SWAP, (new.mark, packed(new), was))
                return bool(db.changes())

        return await self._store.do(work)

    async def close(self) -> None:
        """The store is closed by who opened it."""


def _news(db: apsw.Connection, mark: str) -> Stored | None:
    found = db.execute(_NEWS, (mark,)).fetchone()
    return None if found is None else read(found[0])


def glance(path: Path) -> Stored:
    """What is turned by this state.db, which is neither made nor changed. Raises StoreFailed."""
    import apsw

    from proxy.ledger.opening import told
    from proxy.state.opening import BUSY_MS

    if not path.exists():
        return Stored()
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            db.set_busy_timeout(BUSY_MS)
            return (_news(db, "") if db.execute(_IS_THERE).fetchone() else None) or Stored()
        finally:
            db.close()
    except apsw.Error as error:
        raise StoreFailed(f"{path}: {told(error)}") from error


def packed(stored: Stored) -> str:
    """JSON."""
    return msgspec.json.encode(stored).decode()


def read(text: str | bytes) -> Stored:
    """The same back. Raises StoreFailed."""
    try:
        return _stored.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreFailed(f"the overrides cannot be read ({error}): was a newer Turnout here?") from error


_stored = msgspec.json.Decoder(Stored)
