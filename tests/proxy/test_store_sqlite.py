"""The store in SQLite: tenants, threads, retention, several openers, and a disk that fails."""

from __future__ import annotations

import asyncio
import stat
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec
import pytest

from policies.sticky import Answered
from proxy.state import sqlite
from proxy.state.opening import BUSY_MS, alone
from proxy.state.sqlite import SqliteStore
from proxy.state.store import MOST_TURNS, StoreFailed, ThreadTooLong, Turn

MOST = 99_999
FIRST = """
CREATE TABLE turns (
    tenant TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, previous TEXT, size INTEGER NOT NULL,
    input BLOB NOT NULL, response BLOB NOT NULL, PRIMARY KEY (tenant, id)
);
CREATE INDEX turns_created ON turns (created);
CREATE TABLE items (
    tenant TEXT NOT NULL, id TEXT NOT NULL, turn TEXT NOT NULL, PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX items_turn ON items (tenant, turn);
CREATE TABLE calls (
    tenant TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, state BLOB NOT NULL, PRIMARY KEY (tenant, id)
);
CREATE INDEX calls_created ON calls (created);
"""
"""The tables as the first version made them."""
NOON = 1_795_176_000
DAY = 86_400
T = TypeVar("T")


class Clock:
    """Seconds since 1970, as the test says."""

    def __init__(self) -> None:
        self.now = float(NOON)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / sqlite.FILE


@pytest.fixture
def store(path: Path, clock: Clock) -> Iterator[SqliteStore]:
    opened = SqliteStore(path, clock=clock)
    yield opened
    opened.close()


def run(work: Awaitable[T]) -> T:
    async def it() -> T:
        return await work

    return asyncio.run(it())


def turn(id_: str, previous: str | None = None, **more: Any) -> Turn:
    values: dict[str, Any] = {
        "id": id_, "tenant": "a", "created": NOON, "previous": previous, "response": b'{"id":"%s"}' % id_.encode(),
        "input": (msgspec.Raw(b'{"role":"user","content":"' + id_.encode() + b'"}'),),
    }  # fmt: skip
    return Turn(**values | more)


def thread(store: SqliteStore, length: int) -> None:
    for at in range(length):
        run(store.keep_turn(turn(f"r{at}", f"r{at - 1}" if at else None)))


def ids(turns: list[Turn] | None) -> list[str] | None:
    return None if turns is None else [one.id for one in turns]


def test_what_is_kept_is_found_as_it_was(store: SqliteStore) -> None:
    kept = turn("r1", "r0", input=(msgspec.Raw(b'{"a": 1.50}'), msgspec.Raw(b"[ ]")))
    run(store.keep_turn(kept))
    found = run(store.turn("a", "r1"))
    assert found is not None
    assert [bytes(item) for item in found.input] == [b'{"a": 1.50}', b"[ ]"]
    assert msgspec.structs.replace(found, input=()) == msgspec.structs.replace(kept, input=())


def test_another_tenants_turns_do_not_exist(store: SqliteStore) -> None:
    run(store.keep_turn(turn("r1"), ["msg_1"]))
    run(store.keep_calls("a", {"call_1": b"x"}))
    assert run(store.turn("b", "r1")) is None
    assert run(store.thread("b", "r1", most=MOST)) is None
    assert run(store.turns_with("b", ["msg_1"], most=MOST)) == []
    assert run(store.calls("b", ["call_1"])) == {}
    assert run(store.forget_turn("b", "r1")) is False
    assert run(store.turn("a", "r1")) is not None


def test_two_tenants_may_have_turns_of_one_id(store: SqliteStore) -> None:
    run(store.keep_turn(turn("r1", response=b"of a"), ["m"]))
    run(store.keep_turn(turn("r1", tenant="b", response=b"of b"), ["m"]))
    run(store.forget_turn("a", "r1"))
    [left] = run(store.turns_with("b", ["m"], most=MOST))
    assert left.response == b"of b"


def test_a_thread_is_told_from_its_beginning(store: SqliteStore) -> None:
    thread(store, 200)
    assert ids(run(store.thread("a", "r150", most=MOST))) == [f"r{at}" for at in range(151)]
    assert ids(run(store.thread("a", "r0", most=MOST))) == ["r0"]
    assert run(store.thread("a", "r200", most=MOST)) is None


def test_a_thread_with_a_gap_is_gone(store: SqliteStore) -> None:
    thread(store, 4)
    assert run(store.forget_turn("a", "r1")) is True
    assert run(store.forget_turn("a", "r1")) is False
    assert run(store.thread("a", "r3", most=MOST)) is None
    assert ids(run(store.thread("a", "r0", most=MOST))) == ["r0"]


def test_a_thread_that_bites_its_tail_ends(store: SqliteStore) -> None:
    run(store.keep_turn(turn("r1", "r1")))
    with pytest.raises(ThreadTooLong):
        run(store.thread("a", "r1", most=1 << 30))


def test_the_longest_thread(store: SqliteStore, path: Path) -> None:
    thread(store, 1)
    with apsw.Connection(str(path)) as db:
        rows = [("a", f"r{at}", NOON, f"r{at - 1}", 2, b"[]", b"") for at in range(1, MOST_TURNS + 1)]
        columns = "tenant, id, created, previous, size, input, response"
        db.executemany(f"INSERT INTO turns ({columns}) VALUES (?,?,?,?,?,?,?)", rows)  # noqa: S608
    assert len(run(store.thread("a", f"r{MOST_TURNS - 1}", most=MOST)) or ()) == MOST_TURNS
    with pytest.raises(ThreadTooLong):
        run(store.thread("a", f"r{MOST_TURNS}", most=MOST))


def test_a_thread_of_too_many_bytes_is_not_loaded(store: SqliteStore) -> None:
    for at in range(4):
        run(store.keep_turn(turn(f"r{at}", f"r{at - 1}" if at else None, input=(), response=b"x" * 98)))
    assert len(run(store.thread("a", "r3", most=400)) or ()) == 4
    with pytest.raises(ThreadTooLong):
        run(store.thread("a", "r3", most=399))


def test_an_item_leads_to_the_turn_that_holds_it(store: SqliteStore) -> None:
    run(store.keep_turn(turn("r1"), ["m1", "m2"]))
    run(store.keep_turn(turn("r2", created=NOON + 1), ["m3"]))
    assert ids(run(store.turns_with("a", ["m3", "m1", "m2", "m9"], most=MOST))) == ["r1", "r2"]
    run(store.forget_turn("a", "r1"))
    assert ids(run(store.turns_with("a", ["m3", "m1"], most=MOST))) == ["r2"]


def test_a_turn_that_is_kept_again_is_replaced(store: SqliteStore) -> None:
    run(store.keep_turn(turn("r1", response=b"old"), ["m1"]))
    run(store.keep_turn(turn("r1", response=b"new"), ["m1"]))
    found = run(store.turn("a", "r1"))
    assert found is not None
    assert found.response == b"new"
    assert ids(run(store.turns_with("a", ["m1"], most=MOST))) == ["r1"]


def test_calls_are_found_by_id_however_many_are_asked_for(store: SqliteStore) -> None:
    run(store.keep_calls("a", {"call_1": b"1", "call'2": b"2"}))
    run(store.keep_calls("a", {"call_1": b"one"}))
    asked = ["call_1", "call'2", *(f"x{at}" for at in range(50_000))]
    assert run(store.calls("a", asked)) == {"call_1": b"one", "call'2": b"2"}


def test_what_is_too_old_is_not_found_even_before_it_is_dropped(store: SqliteStore, clock: Clock) -> None:
    store.retention = 30 * DAY
    thread(store, 2)
    run(store.keep_turn(turn("r2", "r1", created=NOON + DAY), ["m"]))
    run(store.keep_calls("a", {"c": b""}))
    clock.now += 30 * DAY
    assert len(run(store.thread("a", "r2", most=MOST)) or ()) == 3
    clock.now += 1
    assert run(store.turn("a", "r1")) is None
    assert run(store.calls("a", ["c"])) == {}
    assert run(store.thread("a", "r2", most=MOST)) is None
    assert run(store.turn("a", "r2")) is not None
    assert ids(run(store.turns_with("a", ["m"], most=MOST))) == ["r2"]
    store.retention = 40 * DAY
    assert run(store.turn("a", "r1")) is not None


def left(path: Path) -> list[int]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    return [len(list(db.execute(f"SELECT 1 FROM {table}"))) for table in ("turns", "items", "calls")]  # noqa: S608


def test_pruning_drops_what_is_too_old_and_only_that(store: SqliteStore, clock: Clock, path: Path) -> None:
    for at in range(250):
        run(store.keep_turn(turn(f"old{at}"), [f"m{at}"]))
    run(store.keep_calls("a", {f"c{at}": b"" for at in range(7)}))
    clock.now += 5 * DAY
    run(store.keep_turn(turn("new", created=NOON + 5 * DAY), ["m"]))
    run(store.keep_calls("a", {"c": b""}))
    assert store.prune() == 0
    store.retention = 5 * DAY
    assert store.prune() == 0
    store.retention = 4 * DAY
    assert store.prune() == 257
    assert left(path) == [1, 1, 1]


def test_it_prunes_once_an_hour(store: SqliteStore, clock: Clock, path: Path) -> None:
    store.retention = 4 * DAY
    store.maintain()
    run(store.keep_turn(turn("old", created=NOON - 9 * DAY)))
    clock.now += 3599
    store.maintain()
    assert left(path)[0] == 1
    clock.now += 1
    store.maintain()
    assert left(path)[0] == 0


def test_it_does_so_by_itself(path: Path, clock: Clock) -> None:
    store = SqliteStore(path, clock=clock)
    store.retention = 4 * DAY
    run(store.keep_turn(turn("old", created=NOON - 9 * DAY)))
    store.start(every=0.001)
    assert emptied(path)
    store.close()


def emptied(path: Path) -> bool:
    """Waits for it."""
    return any(left(path)[0] == 0 or threading.Event().wait(0.001) for _ in range(10_000))


def test_its_log_is_kept_short(path: Path, clock: Clock) -> None:
    store = SqliteStore(path, clock=clock)
    run(store.keep_turn(turn("r1", response=b"x" * (1 << 21))))
    before = path.stat().st_size
    store.maintain()
    assert path.stat().st_size > before + (1 << 21)
    store.close()


def test_a_round_that_fails_is_told_and_the_next_one_tries_again(
    path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    store = SqliteStore(path, clock=clock)
    store.retention = 4 * DAY
    store._db.execute("ALTER TABLE turns RENAME TO elsewhere")
    store.maintain()
    assert "state.maintain" in capsys.readouterr().out
    store._db.execute("ALTER TABLE elsewhere RENAME TO turns")
    run(store.keep_turn(turn("old", created=NOON - 9 * DAY)))
    clock.now += 3600
    store.maintain()
    assert left(path)[0] == 0
    store.close()


def test_it_outlives_its_process(path: Path, clock: Clock) -> None:
    first = SqliteStore(path, clock=clock)
    run(first.keep_turn(turn("r1")))
    # Not closed: killed.
    second = SqliteStore(path, clock=clock)
    assert run(second.turn("a", "r1")) is not None
    first.close()
    second.close()


def test_many_open_and_close_one_new_file_at_once(path: Path, clock: Clock) -> None:
    def life(at: int) -> None:
        one = SqliteStore(path, clock=clock)
        run(one.keep_turn(turn(f"r{at}")))
        one.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(life, range(40)))
    assert left(path)[0] == 40


def test_nobody_else_may_read_the_file(store: SqliteStore, path: Path) -> None:
    run(store.keep_turn(turn("r1")))
    files = list(path.parent.glob("state.db*"))
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len(files) == 4


def held(path: Path) -> apsw.Connection:
    """Another worker, in the middle of its own write."""
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    return other


def test_a_store_that_is_locked_says_so(store: SqliteStore, path: Path) -> None:
    store._db.set_busy_timeout(1)
    other = held(path)
    with pytest.raises(StoreFailed, match="busy"):
        run(store.keep_turn(turn("r1")))
    assert run(store.turn("a", "r1")) is None
    other.close()
    run(store.keep_turn(turn("r1")))
    assert run(store.turn("a", "r1")) is not None


def test_the_loop_goes_on_while_the_store_waits(store: SqliteStore, path: Path) -> None:
    """A waiting SQLite call that kept the interpreter's lock would let no callback run before its second is over."""
    other = held(path)

    async def both() -> int:
        waiting = asyncio.ensure_future(store.keep_turn(turn("r1")))
        turns = 0
        while turns < 20 and not waiting.done():
            await asyncio.to_thread(bool)
            turns += not waiting.done()
        other.close()
        await waiting
        return turns

    assert run(both()) == 20


def test_a_failed_turn_leaves_nothing_behind(store: SqliteStore, path: Path) -> None:
    store._db.execute("CREATE TRIGGER full BEFORE INSERT ON items BEGIN SELECT RAISE(ABORT, 'disk'); END")
    with pytest.raises(StoreFailed, match="disk"):
        run(store.keep_turn(turn("r1"), ["m"]))
    assert left(path) == [0, 0, 0]


def test_a_broken_file_is_put_aside(path: Path, clock: Clock) -> None:
    path.write_bytes(b"no database " * 1000)
    opened = SqliteStore(path, clock=clock)
    run(opened.keep_turn(turn("r1")))
    opened.close()
    [kept] = path.parent.glob("state.db.corrupt-*")
    assert kept.read_bytes().startswith(b"no database")


def test_a_file_of_a_newer_turnout_is_left_alone(path: Path, clock: Clock) -> None:
    SqliteStore(path, clock=clock).close()
    with apsw.Connection(str(path)) as db:
        db.pragma("user_version", 99)
    with pytest.raises(StoreFailed, match="newer Turnout"):
        SqliteStore(path, clock=clock)


def test_a_folder_that_is_not_there_is_told_with_its_mend(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(StoreFailed, match="see that its folder can be written"):
        SqliteStore(tmp_path / "nowhere" / "state.db", clock=clock)


def test_only_one_opens_at_a_time(path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def enter(at: int) -> None:
        with alone(path):
            inside.append(at)
            most.append(len(inside))
            inside.remove(at)

    calls: list[Callable[[], None]] = [lambda at=at: enter(at) for at in range(20)]  # type: ignore[misc]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda call: call(), calls))
    assert set(most) == {1}


def test_behind_a_locked_file_nobody_waits_for_the_others_too(store: SqliteStore, path: Path) -> None:
    """Answers wait for the store, and calls that came together would have queued for a second each."""
    other = held(path)

    async def together() -> float:
        began = time.monotonic()
        kept = [store.keep_turn(turn(f"r{at}")) for at in range(6)]
        outcomes = await asyncio.gather(*kept, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {StoreFailed}
        return time.monotonic() - began

    assert run(together()) < 3 * BUSY_MS / 1000
    other.close()


def test_turns_of_too_many_bytes_are_not_loaded(store: SqliteStore) -> None:
    for at in range(3):
        run(store.keep_turn(turn(f"r{at}"), [f"m{at}"]))
    size = sum(len(b"".join(map(bytes, one.input))) + len(one.response) for one in [turn("r0")])
    assert len(run(store.turns_with("a", ["m0", "m1"], most=3 * size + 100))) == 2
    with pytest.raises(ThreadTooLong):
        run(store.turns_with("a", ["m0", "m1"], most=size))


def test_a_closed_store_says_so(path: Path, clock: Clock) -> None:
    closed = SqliteStore(path, clock=clock)
    closed.close()
    with pytest.raises(StoreFailed, match="closed"):
        run(closed.turn("a", "r1"))


def test_a_thread_is_found_by_the_first_name_that_is_known(store: SqliteStore) -> None:
    wide, exact = Answered("b", NOON, 10, None), Answered("a", NOON + 1.5, None, 300.0)
    run(store.keep_thread("a", [b"one", b"two"], wide))
    assert run(store.thread_home("a", [b"none", b"two"])) == wide
    run(store.keep_thread("a", [b"one"], exact))
    assert run(store.thread_home("a", [b"one", b"two"])) == exact
    assert run(store.thread_home("a", [b"two", b"one"])) == wide
    assert run(store.thread_home("b", [b"one", b"two"])) is None
    assert run(store.thread_home("a", [])) is None


def test_threads_are_known_for_a_day_whatever_is_kept_else(store: SqliteStore, clock: Clock) -> None:
    run(store.keep_turn(turn("r1", home=Answered("a", NOON))))
    run(store.keep_thread("a", [b"one"], Answered("a", NOON)))
    clock.now += DAY - 1
    assert store.prune() == 0
    assert run(store.thread_home("a", [b"one"])) is not None
    clock.now += 2
    assert run(store.thread_home("a", [b"one"])) is None
    assert store.prune() == 1
    found = run(store.turn("a", "r1"))
    assert found is not None
    assert found.home == Answered("a", NOON)


def test_a_store_of_the_first_version_is_taken_over(path: Path) -> None:
    with apsw.Connection(str(path)) as db:
        db.execute(FIRST)
        db.pragma("user_version", 1)
        db.execute("INSERT INTO turns VALUES ('a', 'old', ?, NULL, 4, CAST('[]' AS BLOB), CAST('{}' AS BLOB))", (NOON,))
        db.execute("INSERT INTO calls VALUES ('a', 'call', ?, CAST('state' AS BLOB))", (NOON,))
    db.close()
    opened = SqliteStore(path)
    try:
        found = run(opened.turn("a", "old"))
        assert found is not None
        assert (found.home, found.response) == (None, b"{}")
        assert run(opened.calls("a", ["call"])) == {"call": b"state"}
        run(opened.keep_turn(turn("new", "old", home=Answered("b", NOON))))
        assert ids(run(opened.thread("a", "new", most=MOST))) == ["old", "new"]
    finally:
        opened.close()
