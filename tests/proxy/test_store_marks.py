"""The store keeps the class of data: with stored turns and by tool call, tenant by tenant, and across versions."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec
import pytest

from proxy.state import opening
from proxy.state.sqlite import SqliteStore
from proxy.state.store import StoreFailed, Turn

T = TypeVar("T")


def run(job: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(job)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path)
    yield opened
    opened.close()


def turn(**changes: Any) -> Turn:
    given: dict[str, Any] = {"id": "resp_1", "tenant": "a", "created": 2_000_000_000, "input": (), "response": b"{}"}
    return Turn(**(given | changes))


def test_a_turn_keeps_its_classes(store: SqliteStore) -> None:
    run(store.keep_turn(turn(data_class=frozenset({"restricted", "hr"})), ["msg_1"]))
    run(store.keep_turn(turn(id="resp_2", previous="resp_1")))
    [first, second] = run(store.thread("a", "resp_2", most=10**6)) or []
    assert (first.data_class, second.data_class) == ({"restricted", "hr"}, frozenset())
    [held] = run(store.turns_with("a", ["msg_1"], most=10**6))
    assert held.data_class == {"restricted", "hr"}


def test_marks_add_up_and_belong_to_their_tenant(store: SqliteStore) -> None:
    assert not store.has_marks
    run(store.mark("a", ["call_1", "call_2"], {"hr"}))
    run(store.mark("a", ["call_1"], {"restricted"}))
    assert store.has_marks
    assert run(store.marked("a", ["call_1", "call_9"])) == {"hr", "restricted"}
    assert run(store.marked("a", ["call_2"])) == {"hr"}
    assert run(store.marked("b", ["call_1"])) == frozenset()


def test_marks_are_found_as_long_as_anything_is(path: Path) -> None:
    now = [1_000.0]
    store = SqliteStore(path, clock=lambda: now[0])
    store.retention = 60.0
    run(store.mark("a", ["call_1"], {"hr"}))
    now[0] += 61
    assert run(store.marked("a", ["call_1"])) == frozenset()
    assert store.prune() == 1
    store.close()


def test_without_any_mark_a_store_of_ones_own_is_not_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(path, shared=False)

    async def fails(*_: Any) -> Any:
        raise StoreFailed("asked all the same")

    monkeypatch.setattr(store, "_run", fails)
    assert run(store.marked("a", ["call_1"])) == frozenset()
    store.close()


def test_marks_of_another_worker_become_known(path: Path) -> None:
    one, other = SqliteStore(path), SqliteStore(path)
    run(other.mark("a", ["call_1"], {"restricted"}))
    assert run(one.marked("a", ["call_1"])) == {"restricted"}
    assert not one.has_marks
    one.maintain()
    assert one.has_marks
    one.close()
    other.close()
    again = SqliteStore(path, shared=False)
    assert again.has_marks
    again.close()


def test_a_file_of_the_version_before_is_taken_over(path: Path) -> None:
    old = apsw.Connection(str(path))
    for change in (opening._SCHEMA, opening._CHANGES[0]):
        old.execute(change)
    old.pragma("user_version", 2)
    row = ("a", "resp_1", 2_000_000_000, None, 4, msgspec.json.encode([]), b"{}", None)
    old.execute("INSERT INTO turns VALUES (?,?,?,?,?,?,?,?)", row)
    old.close()
    store = SqliteStore(path)
    found = run(store.turn("a", "resp_1"))
    assert found is not None
    assert found.data_class == frozenset()
    run(store.mark("a", ["call_1"], {"hr"}))
    store.close()
