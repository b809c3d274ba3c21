"""What one worker knows of overrides: as last heard of, until they end, and whatever becomes of their store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from policies.overrides import Override
from proxy import overrides as module
from proxy.overrides import Board
from proxy.snapshot import Snapshot, build_text
from proxy.state.overrides import Stored
from proxy.state.store import StoreFailed

FILE = """version: 1
backends:
  oss: {provider: vllm, model: m, base_url: "http://127.0.0.1:9/v1"}
  gpt: {provider: openai, model: gpt-5.6, credential: sk-x}
aliases: {auto: {policy: hybrid}, "gpt-*": {policy: hybrid}}
"""
NOW = 1_900_000_000.0


class Shelf:
    """A store in memory that can be away, forget, or go back."""

    def __init__(self) -> None:
        self.stored = Stored()
        self.away = False
        self.reads = 0

    def put(self, *overrides: Override, mark: str, generation: int | None = None) -> None:
        self.stored = Stored(generation=generation or self.stored.generation + 1, mark=mark, overrides=overrides)

    async def news(self, mark: str) -> Stored | None:
        self.reads += 1
        await asyncio.sleep(0)
        if self.away:
            raise StoreFailed("nobody is there")
        return None if self.stored.mark == mark else self.stored

    async def swap(self, new: Stored, was: str) -> bool:
        if self.stored.mark != was:
            return False
        self.stored = new
        return True

    async def close(self) -> None:
        """Nothing is open."""


class Told:
    """Everything that the operator would be told."""

    def __init__(self) -> None:
        self.words: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *what: self.words.append((name, *what))

    def of(self, *names: str) -> list[tuple[Any, ...]]:
        return [
            (word[0], *(each.told if isinstance(each, Override) else each for each in word[1:]))
            for word in self.words
            if word[0] in names
        ]


class Clock:
    """``time.time`` of the board."""

    def __init__(self) -> None:
        self.now = NOW

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def board(shelf: Shelf, told: Told, clock: Clock) -> Board:
    made = Board(shelf, told, speaks=True)  # type: ignore[arg-type]
    made.adopt(snapshot())
    return made


def snapshot(text: str = FILE) -> Snapshot:
    return build_text(text, file="proxy.yaml", generation=1, env={})


def drain(name: str, until: float | None = NOW + 60, id_: str = "d") -> Override:
    return Override(id=id_, kind="drain", name=name, until=until, created=NOW, by="ann@x")


def policy(name: str, to: str, until: float | None = NOW + 60, id_: str = "p") -> Override:
    return Override(id=id_, kind="policy", name=name, policy=to, until=until, created=NOW + 1, by="ann@x")


def refresh(board: Board) -> None:
    asyncio.run(board.refresh())


def drained(board: Board) -> set[str]:
    return set(board.now.drained) if board.now is not None else set()


def test_nothing_is_overridden_at_first_and_costs_no_look_at_the_clock(board: Board, clock: Clock) -> None:
    refresh(board)
    clock.time = None  # type: ignore[method-assign, assignment] - who looks fails
    assert board.now is None


def test_what_is_set_is_heard_of_and_told_once(board: Board, shelf: Shelf, told: Told) -> None:
    refresh(board)
    shelf.put(drain("gpt"), policy("auto", "local_only"), mark="a")
    refresh(board)
    refresh(board)
    assert board.now is not None
    assert (board.now.generation, drained(board), set(board.now.policies)) == (1, {"gpt"}, {"auto"})
    assert told.of("override_on") == [
        ("override_on", "drain gpt", "set"),
        ("override_on", "policy auto=local_only", "set"),
    ]
    assert told.words[-1] == ("overridden", 1, {"policy": 1, "drain": 1})
    shelf.put(policy("auto", "local_only"), mark="b")
    refresh(board)
    assert told.of("override_off") == [("override_off", "drain gpt", "cleared")]
    assert drained(board) == set()


def test_what_stood_before_a_start_is_told_as_such(board: Board, shelf: Shelf, told: Told) -> None:
    shelf.put(drain("gpt"), mark="a")
    shelf.away = True
    refresh(board)
    assert drained(board) == set()
    shelf.away = False
    refresh(board)
    refresh(board)
    assert told.of("override_on") == [("override_on", "drain gpt", "stands")]


def test_it_ends_by_itself_at_its_time_also_while_nobody_asks(
    board: Board, shelf: Shelf, told: Told, clock: Clock
) -> None:
    shelf.put(drain("gpt"), drain("oss", NOW + 90, "e"), mark="a")
    refresh(board)
    clock.now = NOW + 60
    assert drained(board) == {"oss"}
    assert told.of("override_off") == [("override_off", "drain gpt", "expired")]
    clock.now = NOW + 90
    refresh(board)
    assert told.of("override_off")[1:] == [("override_off", "drain oss", "expired")]
    assert (board.now, board.listed()) == (None, [])


def test_a_worker_that_does_not_speak_follows_in_silence(shelf: Shelf, told: Told, clock: Clock) -> None:
    board = Board(shelf, told, speaks=False)  # type: ignore[arg-type]
    board.adopt(snapshot())
    shelf.put(drain("gpt"), mark="a")
    refresh(board)
    assert drained(board) == {"gpt"}
    assert told.of("override_on", "override_off", "override_ignored") == []


@pytest.mark.parametrize(
    ("turned", "why"),
    [
        (drain("claude"), "there is no backend 'claude'"),
        (policy("embed", "hybrid"), "there is no alias 'embed'"),
        (policy("auto", "night"), "there is no policy 'night'"),
        (policy("auto", "claude_only"), "policy claude_only cannot be used: "),
        (Override(id="n", kind="slow", name="gpt"), "a newer Turnout has made it"),
    ],
)
def test_what_the_configuration_does_not_know_is_kept_ignored_and_told(
    board: Board, shelf: Shelf, told: Told, turned: Override, why: str
) -> None:
    shelf.put(turned, drain("gpt", id_="good"), mark="a")
    refresh(board)
    [ignored, good] = sorted(board.listed(), key=lambda each: each.ignored is None)
    assert (ignored.ignored or "").startswith(why)
    assert good.ignored is None
    assert (drained(board), board.now is not None and board.now.policies) == ({"gpt"}, {})
    assert [word[1] for word in told.of("override_ignored")] == [turned.told]


def test_a_reload_makes_it_meaningless_and_another_gives_it_its_meaning_back(
    board: Board, shelf: Shelf, told: Told
) -> None:
    shelf.put(drain("gpt"), mark="a")
    refresh(board)
    without = FILE.replace("  gpt: {provider: openai, model: gpt-5.6, credential: sk-x}\n", "")
    board.adopt(snapshot(without))
    board.adopt(snapshot(without))
    assert board.now is None
    assert board.listed()[0].ignored == "there is no backend 'gpt'"
    board.adopt(snapshot())
    assert drained(board) == {"gpt"}
    assert told.of("override_ignored") == [("override_ignored", "drain gpt", "there is no backend 'gpt'")]


def test_while_the_store_is_away_what_is_known_goes_on_and_ends(
    board: Board, shelf: Shelf, told: Told, clock: Clock
) -> None:
    shelf.put(drain("gpt"), mark="a")
    refresh(board)
    shelf.away = True
    refresh(board)
    refresh(board)
    assert (drained(board), board.away) == ({"gpt"}, "nobody is there")
    clock.now += 60
    refresh(board)
    assert board.listed() == []
    shelf.away = False
    refresh(board)
    assert board.away is None
    assert told.of("overrides_away", "overrides_back") == [("overrides_away", "nobody is there"), ("overrides_back",)]


def test_a_store_that_was_emptied_is_told_again(board: Board, shelf: Shelf, told: Told) -> None:
    shelf.put(drain("gpt"), mark="a", generation=7)
    refresh(board)
    shelf.stored = Stored()
    refresh(board)
    assert shelf.stored.overrides == (drain("gpt"),)
    assert (shelf.stored.generation, board.generation, drained(board)) == (8, 8, {"gpt"})
    assert told.of("overrides_restored") == [("overrides_restored", 1)]


def test_what_was_made_since_then_is_kept(board: Board, shelf: Shelf) -> None:
    """Under the very generation that this worker knows, too."""
    shelf.put(drain("gpt"), mark="a")
    refresh(board)
    shelf.put(drain("oss", id_="new"), mark="b", generation=1)
    refresh(board)
    assert drained(board) == {"gpt", "oss"}
    assert {each.id for each in shelf.stored.overrides} == {"d", "new"}


def test_a_store_that_went_back_brings_nothing_back_that_was_cleared(board: Board, shelf: Shelf) -> None:
    shelf.put(drain("gpt"), mark="a")
    refresh(board)
    before = shelf.stored
    shelf.put(drain("oss", id_="later"), mark="b")
    refresh(board)
    shelf.stored = before
    refresh(board)
    assert drained(board) == {"oss"}
    assert [each.id for each in shelf.stored.overrides] == ["later"]


def test_of_two_workers_who_tell_it_again_one_does(shelf: Shelf, told: Told, clock: Clock) -> None:
    boards = [Board(shelf, told, speaks=False) for _ in range(2)]  # type: ignore[arg-type]
    shelf.put(drain("gpt"), mark="a")

    async def run() -> None:
        for board in boards:
            board.adopt(snapshot())
        await asyncio.gather(*(board.refresh() for board in boards))
        shelf.stored = Stored()
        await asyncio.gather(*(board.refresh() for board in boards))
        await asyncio.gather(*(board.refresh() for board in boards))

    asyncio.run(run())
    assert [board.generation for board in boards] == [2, 2]
    assert all(drained(board) == {"gpt"} for board in boards)
    assert len(told.of("overrides_restored")) == 1


def test_two_looks_at_the_same_time_take_it_for_one_change(board: Board, shelf: Shelf, told: Told) -> None:
    shelf.put(drain("gpt"), mark="a")

    async def run() -> None:
        await asyncio.gather(*(board.refresh() for _ in range(5)))

    asyncio.run(run())
    assert (shelf.stored.generation, board.generation) == (1, 1)
    assert told.of("overrides_restored") == []
    assert len(told.of("override_on")) == 1


def test_no_attempt_begins_at_a_backend_that_was_drained_meanwhile(board: Board, shelf: Shelf) -> None:
    gpt, oss = snapshot().backends["gpt"], snapshot().backends["oss"]
    assert board.refuses(gpt) is None
    shelf.put(drain("gpt"), mark="a")
    refresh(board)
    failure = board.refuses(gpt)
    assert failure is not None
    assert (failure.status, failure.code) == (503, "backend_drained")
    assert failure.message == "drained by override until 2030-03-17T17:47:40Z"
    assert board.refuses(oss) is None


def test_p7_an_override_follows_the_wall_clock_when_it_is_set(board: Board, shelf: Shelf, clock: Clock) -> None:
    """A clock that was an hour ahead by mistake ends it, and once it is set right it stands again to its time."""
    shelf.put(drain("gpt"), mark="a")
    refresh(board)
    clock.now += 3600
    assert drained(board) == set()
    refresh(board)
    assert board.listed() == []
    clock.now -= 3600
    refresh(board)
    assert drained(board) == {"gpt"}
    clock.now += 60
    assert drained(board) == set()
