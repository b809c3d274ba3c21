"""Opens the house: ledger, engine and telemetry of one worker, from its first snapshot."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from proxy.house import House
from proxy.keyring import Keyring
from proxy.keys import is_loopback
from proxy.ledger.address import folder_of, is_postgres
from proxy.ledger.book import open_book
from proxy.ledger.schema import path_of
from proxy.ledger.writing import Ledger
from proxy.limits import beating
from proxy.limits.history import History
from proxy.limits.purse import Purse
from proxy.overrides import Board
from proxy.sealing import Seals
from proxy.seat import Seat
from proxy.snapshot import Snapshot
from proxy.state.keys import KeyStore, SqliteKeys
from proxy.state.overrides import OverrideStore, SqliteOverrides
from proxy.state.pots import Coffers, MemoryPots, Pots
from proxy.state.pots_sqlite import SqlitePots
from proxy.state.sqlite import FILE, SqliteStore
from proxy.state.store import Store
from proxy.telemetry.observer import Telemetry
from proxy.threads import Threads
from proxy.upstream.stock import StockEngine

_LOOK = 1.0
"""Seconds between two looks at the store."""


def open_house(snapshot: Snapshot, *, host: str, slot: int, workers: int) -> House:
    """``host``: the address that is really bound, whatever a later configuration says. Raises LedgerError or
    StoreFailed when a file cannot be used."""
    config = snapshot.config
    telemetry = Telemetry(otlp=config.telemetry.otlp)
    ledger = _ledger(config.ledger.url, slot, workers, telemetry)
    ledger.start()
    folder = folder_of(config.ledger.url)
    local = SqliteStore(folder / FILE, shared=workers > 1)
    store = _store(config.state.redis, local, telemetry)
    house = House(
        snapshot,
        engine=StockEngine(),
        ledger=ledger,
        book=partial(open_book, config.ledger.url, folder),
        store=store,
        threads=Threads(local if workers > 1 else None),
        keyring=Keyring(_keys(config.state.redis, local), telemetry),
        overrides=Board(_overrides(config.state.redis, local), telemetry, speaks=slot == 0),
        seals=Seals(config.server.secret, folder),
        telemetry=telemetry,
        purse=_purse(snapshot, folder, telemetry, workers=workers),
        bound_loopback=is_loopback(host),
    )
    if config.state.redis is not None:
        from proxy.state.remote_breakers import RedisBreakers

        house.breakers.share(RedisBreakers(config.state.redis), house.identities)
    local.start()
    house.errands.every(_LOOK, store.look)
    beating.start(house)
    return house


def _store(redis: str | None, local: SqliteStore, telemetry: Telemetry) -> Store:
    """Where turns and the state of tool calls are."""
    if redis is None:
        return local
    from proxy.state.remote_store import RedisStore

    return RedisStore(redis, local, told=telemetry.stored_away)


def share(house: House, seat: Seat) -> None:
    """This worker is one of several: what they have in common stands in a page of memory, unless Redis has it."""
    from proxy.state.breaker_page import BreakerPage
    from proxy.state.counts import Shared, room

    house.machines.share(Shared(seat.counts, seat.slot, seat.workers))
    if house.snapshot.config.state.redis is None:
        house.breakers.share(BreakerPage(seat.counts, seat.slot, room(seat.workers)), house.identities)


def _purse(snapshot: Snapshot, folder: Path, telemetry: Telemetry, *, workers: int) -> Purse:
    """One worker alone counts what is used in a minute in its memory; budgets outlive it in any case."""
    config = snapshot.config
    budgets = coffers(config.state.redis, folder)
    rates: Pots = MemoryPots() if workers == 1 and config.state.redis is None else budgets
    past = History(partial(open_book, config.ledger.url, folder))
    return Purse(rates, budgets, past, told=telemetry.pots_asked, refused=telemetry.refused_by, workers=workers)


def coffers(redis: str | None, folder: Path) -> Coffers:
    """Where budgets are counted, and shared limits."""
    if redis is None:
        return SqlitePots(folder / FILE)
    from proxy.state.pots_redis import RedisPots

    return RedisPots(redis)


def _ledger(url: str, slot: int, workers: int, telemetry: Telemetry) -> Ledger:
    worker, count = slot if workers > 1 else None, telemetry.meters.records
    if is_postgres(url):
        from proxy.ledger import postgres

        return postgres.Ledger(url, folder_of(url), worker=worker, workers=workers, count=count)
    from proxy.ledger import sqlite

    return sqlite.Ledger(path_of(url), worker=worker, workers=workers, count=count)


def _keys(redis: str | None, store: SqliteStore) -> KeyStore:
    """Where the keys are that the command line makes."""
    if redis is None:
        return SqliteKeys(store)
    from proxy.state.remote import open_redis
    from proxy.state.remote_keys import RedisKeys

    return RedisKeys(open_redis(redis))


def _overrides(redis: str | None, store: SqliteStore) -> OverrideStore:
    """Where what operators have turned is kept."""
    if redis is None:
        return SqliteOverrides(store)
    from proxy.state.remote import open_redis
    from proxy.state.remote_overrides import RedisOverrides

    return RedisOverrides(open_redis(redis))
