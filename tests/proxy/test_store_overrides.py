"""The store of overrides in both its homes: what was put there is found whole, and a lost update is told."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from services import Server, redis_server
from store_homes import homes, within

from policies.overrides import Override
from proxy.state.opening import open_store
from proxy.state.overrides import OverrideStore, SqliteOverrides, Stored, glance
from proxy.state.remote import open_redis
from proxy.state.remote_overrides import RedisOverrides
from proxy.state.store import StoreFailed

TURNED = Override(
    id="3fa2c1", kind="policy", name="auto", policy="local_only", until=99.5, created=17.25, by="ann@x", reason="Zürich"
)
FIRST = Stored(generation=1, mark="a", overrides=(TURNED,))
SECOND = Stored(generation=2, mark="b", overrides=(TURNED, Override(id="4", kind="drain", name="claude")))


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    with redis_server() as server:
        yield server


HOMES = in_sqlite, in_redis = homes(SqliteOverrides, RedisOverrides)


@pytest.mark.parametrize("home", HOMES)
def test_what_was_put_there_is_found_whole_and_only_what_is_new(home: Any, tmp_path: Path, redis: Server) -> None:
    async def test(store: OverrideStore) -> None:
        assert await store.news("") is None
        assert await store.swap(FIRST, "")
        assert await store.news("") == FIRST
        assert await store.news("a") is None
        assert await store.swap(SECOND, "a")
        assert await store.news("a") == SECOND
        assert await store.news("b") is None

    within(home, tmp_path, redis, test)


@pytest.mark.parametrize("home", HOMES)
def test_of_two_who_change_it_at_the_same_time_one_looks_again(home: Any, tmp_path: Path, redis: Server) -> None:
    async def test(store: OverrideStore) -> None:
        assert await asyncio.gather(store.swap(FIRST, ""), store.swap(SECOND, "")) == [True, False]
        assert not await store.swap(SECOND, "z")
        assert await store.news("") == FIRST

    within(home, tmp_path, redis, test)


def test_a_redis_that_was_emptied_says_so(tmp_path: Path, redis: Server) -> None:
    async def test(store: OverrideStore) -> None:
        assert await store.swap(FIRST, "")
        await open_redis(redis.url).flushall()
        assert await store.news("a") == Stored()

    within(in_redis, tmp_path, redis, test)


def test_a_redis_that_is_stopped_fails_within_its_time(tmp_path: Path, redis: Server) -> None:
    async def test(store: OverrideStore) -> None:
        redis.signal(signal.SIGSTOP)
        try:
            with pytest.raises(StoreFailed, match="Redis"):
                await store.news("")
            with pytest.raises(StoreFailed, match="Redis"):
                await store.swap(FIRST, "")
        finally:
            redis.signal(signal.SIGCONT)

    within(in_redis, tmp_path, redis, test)


def test_what_only_a_newer_turnout_can_read_is_told(tmp_path: Path) -> None:
    db = open_store(tmp_path / "state.db")
    db.execute("INSERT INTO overrides VALUES (1, 'x', '{\"generation\": \"many\"}')")
    db.close()
    with pytest.raises(StoreFailed, match="was a newer Turnout here"):
        glance(tmp_path / "state.db")


def test_a_glance_makes_nothing(tmp_path: Path, redis: Server) -> None:
    file = tmp_path / "state.db"
    assert glance(file) == Stored()
    assert not file.exists()

    async def test(store: OverrideStore) -> None:
        assert glance(file) == Stored()
        assert await store.swap(FIRST, "")
        assert glance(file) == FIRST

    within(in_sqlite, tmp_path, redis, test)
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreFailed, match=r"state\.db"):
        glance(file)
