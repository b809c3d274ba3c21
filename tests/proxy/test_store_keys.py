"""The store of keys in both its homes: what was made is found, versions grow, a lost update is told."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from live import PATIENCE
from services import Server, redis_server
from store_homes import homes, within

from proxy.settings.grammar import Key
from proxy.settings.shape import convert
from proxy.state.keys import Entry, Former, KeyStore, SqliteKeys, glance
from proxy.state.opening import open_store
from proxy.state.remote import open_redis
from proxy.state.remote_keys import RedisKeys
from proxy.state.sqlite import SqliteStore
from proxy.state.store import StoreFailed

WRITTEN = {
    "name": "ann", "team": "t", "owner": "ann@x.org", "tags": ["a", "b=c"], "aliases": ["gpt-*"], "sha256": "0" * 64,
    "data_class": "internal", "expires": "2999-01-01", "limits": {"rpm": 5},
    "budget": {"usd": "5.123456789", "window": "30d", "soft": 0.5},
}  # fmt: skip
FULL: Key = convert(Key, WRITTEN)


def entry(name: str, at: int = 0, **more: Any) -> Entry:
    return Entry(key=Key(name=name, sha256=f"{at:064x}"), created=float(at), **more)


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    with redis_server() as server:
        yield server


HOMES = in_sqlite, in_redis = homes(SqliteKeys, RedisKeys)


@pytest.mark.parametrize("home", HOMES)
def test_what_was_made_is_found_whole(home: Any, tmp_path: Path, redis: Server) -> None:
    async def test(store: KeyStore) -> None:
        made = Entry(key=FULL, created=17.5, formers=(Former("1" * 64, 99.0),))
        assert await store.add(made)
        [found] = (await store.news(0)).entries
        assert msgspec.structs.replace(found, version=0) == made
        assert found.key.budget is not None
        assert str(found.key.budget.usd) == "5.123456789"

    within(home, tmp_path, redis, test)


@pytest.mark.parametrize("home", HOMES)
def test_only_what_changed_is_news(home: Any, tmp_path: Path, redis: Server) -> None:
    async def test(store: KeyStore) -> None:
        assert (await store.news(0)).entries == ()
        for name in ("ann", "bob", "cid"):
            assert await store.add(entry(name))
        first = await store.news(0)
        assert [each.key.name for each in first.entries] == ["ann", "bob", "cid"]
        assert (await store.news(first.version)).entries == ()
        assert await store.change(msgspec.structs.replace(first.entries[0], revoked=5.0))
        news = await store.news(first.version)
        assert [(each.key.name, each.revoked) for each in news.entries] == [("ann", 5.0)]
        assert news.version > first.version
        assert news.entries[0].version == news.version

    within(home, tmp_path, redis, test)


@pytest.mark.parametrize("home", HOMES)
def test_a_name_is_given_once_and_of_two_changes_one_wins(home: Any, tmp_path: Path, redis: Server) -> None:
    async def test(store: KeyStore) -> None:
        assert await store.add(entry("ann", 1))
        assert not await store.add(entry("ann", 2))
        [seen] = (await store.news(0)).entries
        assert seen.created == 1.0
        one, other = (msgspec.structs.replace(seen, revoked=at) for at in (5.0, 6.0))
        assert await store.change(one)
        assert not await store.change(other)
        assert [each.revoked for each in (await store.news(0)).entries] == [5.0]
        assert not await store.change(entry("nobody", version=seen.version))

    within(home, tmp_path, redis, test)


@pytest.mark.parametrize("home", HOMES)
def test_many_who_make_the_same_name_make_one(home: Any, tmp_path: Path, redis: Server) -> None:
    async def test(store: KeyStore) -> None:
        made = await asyncio.gather(*(store.add(entry("ann", at)) for at in range(20)))
        assert made.count(True) == 1
        others = await asyncio.gather(*(store.add(entry(f"key-{at}", at)) for at in range(20)))
        assert all(others)
        news = await store.news(0)
        assert len(news.entries) == 21
        assert len({each.version for each in news.entries}) == 21

    within(home, tmp_path, redis, test)


def test_redis_is_given_back_what_it_lost_and_keeps_what_is_newer(tmp_path: Path, redis: Server) -> None:
    async def test(store: KeyStore) -> None:
        for name in ("ann", "bob"):
            await store.add(entry(name))
        before = (await store.news(0)).entries
        await store.change(msgspec.structs.replace(before[1], revoked=5.0))
        now = (await store.news(0)).entries
        later = now[-1].version + 10**6
        await store.restore([*before, entry("lost", version=later)])
        news = await store.news(0)
        assert {each.key.name: each.revoked for each in news.entries} == {"ann": None, "bob": 5.0, "lost": None}
        assert (news.version, news.count) == (later, 3)
        assert now[-1] in news.entries
        await store.add(entry("new"))
        assert (await store.news(later)).entries[0].version == later + 1

    within(in_redis, tmp_path, redis, test)


def test_a_glance_makes_no_file_and_reads_one_that_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    assert glance(path).entries == ()
    assert not path.exists()

    async def test() -> None:
        store = SqliteStore(path)
        await SqliteKeys(store).add(entry("ann"))
        assert [each.key.name for each in glance(path).entries] == ["ann"]
        store.close()

    asyncio.run(test())


def test_a_glance_at_an_older_file_and_at_none(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    db = open_store(path)
    db.execute("DROP TABLE keys")
    db.close()
    assert glance(path).entries == ()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreFailed, match=r"state\.db: notadb"):
        glance(path)


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_redis_that_hangs_or_is_gone_costs_one_time_out(how: signal.Signals) -> None:
    async def test(server: Server) -> None:
        store = RedisKeys(open_redis(server.url))
        await store.add(entry("ann"))
        server.signal(how)
        began = time.monotonic()
        with pytest.raises(StoreFailed, match="Redis"):
            await store.news(0)
        assert time.monotonic() - began < 2.0
        await store.close()

    with redis_server() as server:
        asyncio.run(asyncio.wait_for(test(server), PATIENCE))
