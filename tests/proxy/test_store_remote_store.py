"""The store in Redis: what the store in SQLite promises, a Redis that goes and comes, forgets, or will not write."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis as client
from live import PATIENCE, free_port
from services import Server, redis_cluster, redis_server

from policies.sticky import Answered
from proxy.state import recent, remote_store
from proxy.state.remote_store import MOST_BYTES, RedisStore
from proxy.state.sqlite import SqliteStore
from proxy.state.store import MOST_TURNS, StoreFailed, ThreadTooLong, Turn

MOST = 99_999
DAY = 86_400
LIFE = "turnout:{stored}:life"
NOON = int(time.time())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with redis_server() as started:
        yield started


@pytest.fixture
def raw(server: Server) -> Iterator[client.Redis]:
    """An empty Redis, as another process sees it."""
    with client.Redis(port=server.port) as opened:
        opened.flushall()
        opened.set(LIFE, f"{NOON - 100} of old")
        yield opened


class Clock:
    now = float(NOON)

    def __call__(self) -> float:
        return self.now


def within(url: str, folder: Path, test: Callable[[RedisStore], Awaitable[None]], **more: Any) -> None:
    async def run() -> None:
        store = RedisStore(url, SqliteStore(folder / "state.db"), **more)
        try:
            await test(store)
        finally:
            store.close()

    asyncio.run(run())


async def well(store: RedisStore) -> None:
    """As soon as it answers; the first look may take longer than it has, on a busy machine."""
    deadline = time.monotonic() + PATIENCE
    await store.look()
    while store.trouble is not None and time.monotonic() < deadline:
        await store.look()


def turn(id_: str, previous: str | None = None, **more: Any) -> Turn:
    values: dict[str, Any] = {
        "id": id_, "tenant": "a", "created": NOON, "previous": previous, "response": b'{"id":"%s"}' % id_.encode(),
        "input": (msgspec.Raw(b'{"role":"user","content":"' + id_.encode() + b'"}'),),
    }  # fmt: skip
    return Turn(**values | more)


def ids(turns: list[Turn] | None) -> list[str] | None:
    return None if turns is None else [one.id for one in turns]


def test_what_is_kept_is_found_as_it_was(server: Server, raw: client.Redis, tmp_path: Path) -> None:
    async def test(store: RedisStore) -> None:
        for size in (1, 100_000):
            told = msgspec.Raw(b'{"a": 1.50, "b": "%b"}' % (b"x" * size))
            kept = turn(
                "r1", "r0", input=(told, msgspec.Raw(b"[ ]")), response=b"of a" * size, call="c", data_class=frozenset("xy"),
                home=Answered("b", NOON + 0.5, 10, None),
            )  # fmt: skip
            await store.keep_turn(kept)
            found = await store.turn("a", "r1")
            assert found is not None
            assert [bytes(item) for item in found.input] == [bytes(told), b"[ ]"]
            assert msgspec.structs.replace(found, input=()) == msgspec.structs.replace(kept, input=())
        assert raw.memory_usage("turnout:{stored:a}:turn:r1") < 20_000

    within(server.url, tmp_path, test)


def test_another_tenants_turns_do_not_exist(server: Server, raw: client.Redis, tmp_path: Path) -> None:
    async def test(store: RedisStore) -> None:
        await store.keep_turn(turn("r1"), ["m"])
        await store.keep_calls("a", {"call_1": b"x"})
        for tenant in ("b", "a}:turn:r1", "{", "A"):
            assert await store.turn(tenant, "r1") is None
            assert await store.thread(tenant, "r1", most=MOST) is None
            assert await store.turns_with(tenant, ["m"], most=MOST) == []
            assert await store.calls(tenant, ["call_1"]) == {}
            assert await store.forget_turn(tenant, "r1") is False
        await store.keep_turn(turn("r1", tenant="a}:turn:x"))
        assert await store.turn("a", "x}:turn:r1") is None
        assert await store.turn("a", "r1") is not None

    within(server.url, tmp_path, test)


def test_a_thread_is_told_from_its_beginning(server: Server, raw: client.Redis, tmp_path: Path) -> None:
    async def test(store: RedisStore) -> None:
        names = [f"r{at}" if at % 3 else f"#é{at}" * 99 for at in range(20)]
        for at, name in enumerate(names):
            await store.keep_turn(turn(name, names[at - 1] if at else None))
        assert ids(await store.thread("a", names[15], most=MOST)) == names[:16]
        assert ids(await store.thread("a", names[0], most=MOST)) == names[:1]
        assert await store.thread("a", "r99", most=MOST) is None
        assert await store.forget_turn("a", names[1]) is True
        assert await store.forget_turn("a", names[1]) is False
        assert await store.thread("a", names[3], most=MOST) is None

    within(server.url, tmp_path, test)


def test_a_thread_has_its_bounds(
    server: Server, raw: client.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_store, "MOST_TURNS", 4)
    assert MOST_TURNS == 1000

    async def test(store: RedisStore) -> None:
        for at in range(5):
            await store.keep_turn(turn(f"r{at}", f"r{at - 1}" if at else None, input=(), response=b"x" * 98))
        assert len(await store.thread("a", "r3", most=400) or ()) == 4
        for name, most in (("r3", 399), ("r4", MOST)):
            with pytest.raises(ThreadTooLong):
                await store.thread("a", name, most=most)
        await store.keep_turn(turn("r1", "r1"))
        with pytest.raises(ThreadTooLong):
            await store.thread("a", "r1", most=MOST)
        assert store.trouble is None

    within(server.url, tmp_path, test)


def test_the_longest_thread(server: Server, raw: client.Redis, tmp_path: Path) -> None:
    async def test(store: RedisStore) -> None:
        for at in range(MOST_TURNS + 1):
            await store.keep_turn(turn(f"r{at}", f"r{at - 1}" if at else None))
        assert len(await store.thread("a", f"r{MOST_TURNS - 1}", most=MOST) or ()) == MOST_TURNS
        with pytest.raises(ThreadTooLong):
            await store.thread("a", f"r{MOST_TURNS}", most=MOST)

    within(server.url, tmp_path, test)


def test_an_item_leads_to_the_turn_that_holds_it(server: Server, raw: client.Redis, tmp_path: Path) -> None:
    async def test(store: RedisStore) -> None:
        await store.keep_turn(turn("r1"), ["m1", "m2"])
        await store.keep_turn(turn("r2", created=NOON + 1), ["m3"])
        assert ids(await store.turns_with("a", ["m3", "m1", "m2", "m9"], most=MOST)) == ["r1", "r2"]
        assert await store.turns_with("a", [], most=MOST) == []
        with pytest.raises(ThreadTooLong):
            await store.turns_with("a", ["m3", "m1"], most=85)
        await store.keep_turn(turn("r1", response=b"new"), ["m1"])
        [found] = await store.turns_with("a", ["m1"], most=MOST)
        assert found.response == b"new"
        await store.forget_turn("a", "r1")
        assert ids(await store.turns_with("a", ["m3", "m1"], most=MOST)) == ["r2"]

    within(server.url, tmp_path, test)


def test_calls_are_found_by_id_however_many_are_asked_for(server: Server, raw: client.Redis, tmp_path: Path) -> None:
    async def test(store: RedisStore) -> None:
        await store.keep_calls("a", {"call_1": b"1", "call'2": b"2"})
        await store.keep_calls("a", {"call_1": b"one", **{f"y{at}": b"y" for at in range(1500)}})
        other = RedisStore(server.url, SqliteStore(tmp_path / "other.db"))
        asked = ["call_1", "call'2", *(f"x{at}" for at in range(5000))]
        assert await other.calls("a", asked) == await store.calls("a", asked) == {"call_1": b"one", "call'2": b"2"}
        other.close()

    within(server.url, tmp_path, test)


def test_marks_come_together_whoever_makes_them(server: Server, raw: client.Redis, tmp_path: Path) -> None:
    async def test(store: RedisStore) -> None:
        other = RedisStore(server.url, SqliteStore(tmp_path / "other.db"))
        await store.look()
        await other.look()
        assert (store.has_marks, await store.marked("a", ["c1"])) == (None, frozenset())
        await store.mark("a", ["c1", "c2"], {"internal"})
        await other.mark("a", ["c1"], {"restricted"})
        assert await store.marked("a", ["c1"]) == {"internal", "restricted"}
        assert await other.marked("a", ["c2", "c3"]) == {"internal"}
        assert await other.marked("b", ["c1"]) == frozenset()
        assert (store.has_marks, other.has_marks) == (True, True)
        other.close()

    within(server.url, tmp_path, test)


def test_what_is_too_old_is_not_found_and_goes_by_itself(server: Server, raw: client.Redis, tmp_path: Path) -> None:
    clock = Clock()

    async def test(store: RedisStore) -> None:
        store.retention = 30 * DAY
        await store.keep_turn(turn("r1"), ["m"])
        await store.keep_turn(turn("r2", "r1", created=NOON + DAY))
        await store.keep_calls("a", {"c": b"s"})
        await store.mark("a", ["c"], {"x"})
        for kind in ("turn:r1", "item:m", "call:c", "mark:c"):
            assert 29 * DAY < raw.ttl(f"turnout:{{stored:a}}:{kind}") <= 30 * DAY + 1  # type: ignore[operator]
        clock.now += 30 * DAY + 1
        assert await store.turn("a", "r1") is None
        assert await store.turns_with("a", ["m"], most=MOST) == []
        assert await store.thread("a", "r2", most=MOST) is None
        assert await store.turn("a", "r2") is not None
        store.retention = float("inf")
        await store.keep_turn(turn("r3"))
        assert raw.ttl("turnout:{stored:a}:turn:r3") == -1

    within(server.url, tmp_path, test, clock=clock)


def test_a_turn_that_is_too_large_is_refused_and_nobody_is_away(
    server: Server, raw: client.Redis, tmp_path: Path
) -> None:
    async def test(store: RedisStore) -> None:
        import os

        with pytest.raises(StoreFailed, match="too large"):
            await store.keep_turn(turn("r1", response=os.urandom(MOST_BYTES)))
        assert store.trouble is None

    within(server.url, tmp_path, test)


def test_threads_by_name_stay_on_this_machine(tmp_path: Path) -> None:
    async def test(store: RedisStore) -> None:
        home = Answered("b", time.time(), 10, None)
        await store.keep_thread("a", [b"one"], home)
        assert await store.thread_home("a", [b"one"]) == home

    within(f"redis://127.0.0.1:{free_port()}/0", tmp_path, test)


def test_while_it_is_away_nobody_asks_it_and_what_was_told_of_tools_is_told_later(tmp_path: Path) -> None:
    port = free_port()
    heard: list[str | None] = []

    async def test(store: RedisStore) -> None:
        for _ in range(2):
            with pytest.raises(StoreFailed, match="Redis"):
                await store.keep_turn(turn("r1"))
        with pytest.raises(StoreFailed, match="away"):
            await store.keep_calls("a", {"c": b"s"})
        with pytest.raises(StoreFailed, match="away"):
            await store.mark("a", ["c"], {"x"})
        with pytest.raises(StoreFailed, match="away"):
            await store.marked("a", ["c"])
        assert await store.calls("a", ["c", "d"]) == {"c": b"s"}
        with pytest.raises(StoreFailed):
            await store.calls("a", ["d"])
        await store.look()
        assert (len(heard), store.has_marks) == (1, True)
        with redis_server(port=port), client.Redis(port=port) as seen:
            await store.look()
            assert (heard[1:], store.trouble) == ([None], None)
            assert seen.get("turnout:{stored:a}:call:c") == b"s"
            assert seen.smembers("turnout:{stored:a}:mark:c") == {b"x"}
            assert await store.turn("a", "r1") is None

    within(f"redis://127.0.0.1:{port}/0", tmp_path, test, told=heard.append)


def test_a_redis_that_was_flushed_hears_of_tools_once_more(
    server: Server, raw: client.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(store: RedisStore) -> None:
        with pytest.raises(StoreFailed, match="told again"):  # nobody has looked yet
            await store.marked("a", ["d"])
        await store.look()
        await store.mark("a", ["c"], {"x"})
        await store.keep_calls("a", {"c": b"s"})
        assert await store.marked("a", ["c", "d"]) == {"x"}
        raw.flushall()
        with pytest.raises(StoreFailed, match="told again"):
            await store.marked("a", ["d"])
        await store.look()
        assert raw.smembers("turnout:{stored:a}:mark:c") == {b"x"}
        assert raw.get("turnout:{stored:a}:call:c") == b"s"
        with pytest.raises(StoreFailed, match="told again"):  # others may not have told it yet
            await store.marked("a", ["d"])
        monkeypatch.setattr(remote_store, "_TOLD", -1)
        commands = raw.info("commandstats")["cmdstat_sadd"]["calls"]  # type: ignore[index]
        await store.look()
        assert await store.marked("a", ["c", "d"]) == {"x"}
        assert raw.info("commandstats")["cmdstat_sadd"]["calls"] == commands  # type: ignore[index]

    within(server.url, tmp_path, test)


def test_one_that_hangs_is_waited_for_once_and_by_nobody_longer_than_its_time(tmp_path: Path) -> None:
    with redis_server() as hung:

        async def test(store: RedisStore) -> None:
            await store.keep_turn(turn("r1"))
            hung.signal(signal.SIGSTOP)
            began = time.monotonic()
            outcomes = await asyncio.gather(*(store.turn("a", "r1") for _ in range(50)), return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {StoreFailed}
            assert time.monotonic() - began < 1.9
            began = time.monotonic()
            with pytest.raises(StoreFailed, match="away"):
                await store.turn("a", "r1")
            assert time.monotonic() - began < 0.5
            hung.signal(signal.SIGCONT)
            await well(store)
            assert await store.turn("a", "r1") is not None

        within(hung.url, tmp_path, test)


def test_one_that_is_full_is_read_and_says_that_it_takes_nothing(
    server: Server, raw: client.Redis, tmp_path: Path
) -> None:
    async def test(store: RedisStore) -> None:
        await store.keep_turn(turn("r1"))
        await store.look()
        raw.config_set("maxmemory", "1")
        try:
            with pytest.raises(StoreFailed, match="OutOfMemory"):
                await store.keep_turn(turn("r2"))
            await store.look()
            assert store.trouble is not None
            assert await store.turn("a", "r1") is not None
        finally:
            raw.config_set("maxmemory", "0")
        await store.look()
        assert store.trouble is None
        await store.keep_turn(turn("r2"))

    within(server.url, tmp_path, test)


def test_a_wrong_password_is_told_without_it(tmp_path: Path) -> None:
    with redis_server("--requirepass", "right") as guarded:
        heard: list[str | None] = []

        async def test(store: RedisStore) -> None:
            with pytest.raises(StoreFailed):
                await store.keep_turn(turn("r1"))

        within(f"redis://:wr0ng@127.0.0.1:{guarded.port}/0", tmp_path, test, told=heard.append)
        assert "AuthenticationError" in str(heard)
        assert "wr0ng" not in str(heard)


def test_a_closed_store_says_so(server: Server, tmp_path: Path) -> None:
    closed = RedisStore(server.url, SqliteStore(tmp_path / "state.db"))
    closed.close()
    with pytest.raises(StoreFailed, match="closed"):
        asyncio.run(closed.turn("a", "r1"))


def test_what_is_remembered_of_tools_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "MOST", 3)
    monkeypatch.setattr(recent, "MOST_BYTES", 10)
    lately = recent.Recent()
    for at in range(5):
        lately.keep("a", {f"c{at}": b"four"})
        lately.mark("a", [f"c{at}"], {"x"})
    names = [f"c{at}" for at in range(5)]
    assert list(lately.states("a", names)) == ["c3", "c4"]
    assert [name for name in names if lately.marks("a", [name])] == ["c2", "c3", "c4"]
    lately.keep("a", {"c4": b"0123456789"})
    assert lately.states("a", names) == {"c4": b"0123456789"}


def test_what_is_no_turn_of_ours_is_told(server: Server, raw: client.Redis, tmp_path: Path) -> None:
    async def test(store: RedisStore) -> None:
        for noise in (b"z noise", b"= noise"):
            raw.hset("turnout:{stored:a}:turn:r1", mapping={"at": NOON, "turn": noise})
            with pytest.raises(StoreFailed, match="no turn of ours"):
                await store.turn("a", "r1")
        assert store.trouble is None

    within(server.url, tmp_path, test)


def test_in_a_cluster_each_tenant_is_whole_at_one_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_store, "_TOLD", -1)

    async def test(store: RedisStore) -> None:
        await well(store)
        for tenant in ("a", "b", "c d", "{e}"):
            await store.keep_turn(turn("r1", tenant=tenant, call="call"), ["m1"])
            await store.keep_turn(turn("r2", "r1", tenant=tenant), ["m2"])
            assert ids(await store.thread(tenant, "r2", most=MOST)) == ["r1", "r2"]
            assert ids(await store.turns_with(tenant, ["m1", "m2"], most=MOST)) == ["r1", "r2"]
            await store.keep_calls(tenant, {"c1": b"1", "c2": b"2"})
            await store.mark(tenant, ["c1", "c2"], {"x"})
            assert await store.calls(tenant, ["c2", "c3"]) == {"c2": b"2"}
            assert await store.marked(tenant, ["c1", "c3"]) == {"x"}
            assert await store.forget_turn(tenant, "r1") is True
            assert await store.thread(tenant, "r2", most=MOST) is None

    with redis_cluster() as nodes:
        within(nodes[0].url, tmp_path, test)
        used = []
        for node in nodes:
            with client.Redis(port=node.port) as raw:
                used.append(raw.dbsize())
        assert sum(each > 1 for each in used) > 1  # type: ignore[operator, misc]


def test_a_crowd_of_our_own_is_no_sign_that_redis_is_away(
    server: Server, raw: client.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_store, "TIMEOUT", 0.2)

    async def test(store: RedisStore) -> None:
        gate = threading.Event()
        busy = [asyncio.create_task(asyncio.to_thread(store._desk.submit(gate.wait).result)) for _ in range(4)]
        with pytest.raises(StoreFailed, match="too many wait"):
            await store.keep_turn(turn("r1"))
        gate.set()
        await asyncio.gather(*busy)
        assert store.trouble is None
        await store.keep_turn(turn("r1"))

    within(server.url, tmp_path, test)


def test_a_redis_that_would_forget_in_silence_is_warned_of_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test(store: RedisStore) -> None:
        for _ in range(3):
            await store.look()
        assert store.trouble is None

    for policy, told in (("volatile-lru", 1), ("noeviction", 0)):
        with redis_server("--maxmemory-policy", policy) as server:
            within(server.url, tmp_path, test)
            assert capsys.readouterr().out.count("stored.evicts") == told
    with redis_server("--maxmemory-policy", "allkeys-lru") as server, client.Redis(port=server.port) as raw:
        raw.execute_command("ACL SETUSER shy on nopass ~* +@all -info")
        within(f"redis://shy:x@127.0.0.1:{server.port}/0", tmp_path, test)
        assert "stored.evicts" not in capsys.readouterr().out
