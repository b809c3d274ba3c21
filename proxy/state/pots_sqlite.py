"""Pots in SQLite: several workers of one machine share them, and budgets outlive a restart."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from policies.limits.leasing import Lease, Order, Pot, Standing, renew, unknown
from proxy.ledger.opening import told, transaction
from proxy.state.opening import alone, open_store
from proxy.state.pots import Grant, PotsAway, SharedBy
from proxy.state.store import StoreFailed

_USED = "SELECT slot, used FROM pots WHERE pot = ?"
_LEASES = "SELECT holder, remaining, exposed, expires FROM leases WHERE pot = ?"
_HEARD = "SELECT number FROM heard WHERE pot = ? AND holder = ?"
_GRANTED = "SELECT coalesce(sum(nano_usd), 0) FROM grants WHERE owner = ? AND until > ?"
_KEEP_USED = "INSERT OR REPLACE INTO pots (pot, slot, used, until) VALUES (?,?,?,?)"
_DROP_USED = "DELETE FROM pots WHERE pot = ? AND slot < ?"
_KEEP_LEASE = "INSERT OR REPLACE INTO leases (pot, holder, remaining, exposed, expires) VALUES (?,?,?,?,?)"
_DROP_LEASE = "DELETE FROM leases WHERE pot = ? AND holder = ?"
_KEEP_HEARD = "INSERT OR REPLACE INTO heard (pot, holder, number, at) VALUES (?,?,?,?)"
_FIRST = "INSERT OR IGNORE INTO warned (mark, until) VALUES (?,?)"
_GRANT = "INSERT OR REPLACE INTO grants (id, owner, nano_usd, created, until) VALUES (?,?,?,?,?)"
_GRANTS = "SELECT id, owner, nano_usd, until FROM grants WHERE until > ? ORDER BY until, id"
_OLD = (
    "DELETE FROM pots WHERE until < ?",
    "DELETE FROM warned WHERE until < ?",
    "DELETE FROM grants WHERE until < ?",
    "DELETE FROM heard WHERE at < ? - 86400",
)
"""What may be dropped, once an hour."""
_HOUR = 3600.0
_JUMP = 60.0
"""Seconds by which a clock that is kept right is never set forth in an hour."""
_MOST = 100
"""Orders of one transaction: some ten milliseconds in which no other worker can write."""

T = TypeVar("T")


class SqlitePots:
    """See proxy.state.pots. Leases end by a monotonic clock, which all processes of one machine share."""

    name = "sqlite"
    shared_by: SharedBy = "machine"

    def __init__(
        self, path: Path, *, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Opens the file when it is first asked: most houses have no limits. ``clock``: seconds since 1970."""
        self._path = path
        self._clock = clock
        self._monotonic = monotonic
        self._opened: apsw.Connection | None = None
        self._desk = ThreadPoolExecutor(1, thread_name_prefix="pots")
        self._tidy_at = 0.0
        """Monotonic."""
        self._lead = -math.inf
        """Of the clock on the wall before the monotonic one, when tidying was last thought of. Not yet: then nothing is
        dropped, for nobody knows whether the clock is right."""

    async def renew(self, holder: str, orders: Sequence[Order]) -> list[Standing]:
        found: list[Standing] = []
        for start in range(0, len(orders), _MOST):
            found += await self._run(partial(self._renewed, holder, orders[start : start + _MOST]))
        return found

    async def first(self, mark: str, until: int) -> bool:
        return await self._run(lambda: self._changed(_FIRST, (mark, until)))

    async def grant(self, grant: Grant) -> None:
        row = (grant.id, grant.of, grant.nano_usd, int(self._clock()), grant.until)
        await self._run(lambda: self._changed(_GRANT, row))

    async def revoke(self, grant_id: str) -> bool:
        return await self._run(lambda: self._changed("DELETE FROM grants WHERE id = ?", (grant_id,)))

    async def grants(self) -> list[Grant]:
        rows = await self._run(lambda: list(self._db.execute(_GRANTS, (int(self._clock()),))))
        return [Grant(id=id_, of=owner, nano_usd=nano, until=until) for id_, owner, nano, until in rows]

    async def close(self) -> None:
        """Let go of the file, once all that was asked for is done."""
        self._desk.shutdown()
        if self._opened is not None:
            with alone(self._path):
                self._opened.close()

    @property
    def _db(self) -> apsw.Connection:
        """For the desk's thread alone. Raises StoreFailed when the file cannot be used."""
        if self._opened is None:
            self._opened = open_store(self._path)
        return self._opened

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._desk, work)
        except StoreFailed as error:
            raise PotsAway(str(error)) from error
        except (apsw.Error, RuntimeError) as error:
            raise PotsAway(f"{self._path}: {told(error)}") from error

    def _renewed(self, holder: str, orders: Sequence[Order]) -> list[Standing]:
        with transaction(self._db):
            self._tidy()
            return [self._renew(holder, order) for order in orders]

    def _renew(self, holder: str, order: Order) -> Standing:
        execute, now = self._db.execute, int(self._clock())
        granted = int(execute(_GRANTED, (order.of, now)).get)
        used = dict(execute(_USED, (order.pot,)))
        if not used and order.cautious and not order.raised:
            return unknown(order, granted=granted)
        leases = {name: Lease(*rest) for name, *rest in execute(_LEASES, (order.pot,))}
        number = execute(_HEARD, (order.pot, holder)).get
        pot = Pot(used=dict(used), leases=dict(leases), heard={} if number is None else {holder: number})
        found = renew(pot, holder, order, now=self._monotonic(), granted=granted)
        changed = [(slot, amount) for slot, amount in pot.used.items() if used.get(slot) != amount]
        self._db.executemany(_KEEP_USED, [(order.pot, slot, amount, now + order.lasts) for slot, amount in changed])
        if len(pot.used) < len(used) + len(changed):
            execute(_DROP_USED, (order.pot, order.forget))
        if pot.heard.get(holder) != number:
            execute(_KEEP_HEARD, (order.pot, holder, pot.heard[holder], now))
        for name in leases.keys() - pot.leases.keys():
            execute(_DROP_LEASE, (order.pot, name))
        if (own := pot.leases.get(holder)) is not None:
            execute(_KEEP_LEASE, (order.pot, holder, own.leased, own.exposable, own.ends))
        return found

    def _changed(self, sql: str, row: tuple[object, ...]) -> bool:
        with transaction(self._db):
            self._db.execute(sql, row)
            return int(self._db.changes()) > 0

    def _tidy(self) -> None:
        """Once an hour. Not when the clock on the wall has jumped forth since the last time: what seems long over may
        have been used a moment ago."""
        passed = self._monotonic()
        if passed < self._tidy_at:
            return
        now, before = self._clock(), self._lead
        self._tidy_at, self._lead = passed + _HOUR, now - passed
        if self._lead - before < _JUMP:
            for statement in _OLD:
                self._db.execute(statement, (int(now),))
