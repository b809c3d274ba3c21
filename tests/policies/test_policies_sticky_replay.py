"""Done when 8, small: chats and agent sessions replayed under hybrid and under Claude alone, with cache prices."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

from replay import Row, replay
from replay_sessions import sessions


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], Row]:
    return {(row.sessions, row.alias): row for row in replay(sessions(40))}


def test_the_median_session_switches_once_at_the_most(rows: dict[tuple[str, str], Row]) -> None:
    assert rows["all", "hybrid"].switches[0] <= 1
    assert rows["agents", "hybrid"].switches[2] == 0


def test_hybrid_costs_less_and_no_session_much_more(rows: dict[tuple[str, str], Row]) -> None:
    for which in ("chats", "all"):
        assert rows[which, "hybrid"].dollars < rows[which, "claude_only"].dollars
    assert rows["all", "hybrid"].dearer <= 2


def test_staying_means_fewer_switches_than_never_staying(rows: dict[tuple[str, str], Row]) -> None:
    most, worst = rows["chats", "hybrid"].switches, rows["chats", "never"].switches
    assert most[1] <= worst[1]
    assert most[2] < worst[2]
    assert rows["chats", "hybrid"].local < rows["chats", "never"].local


def test_the_replay_is_the_same_each_time() -> None:
    assert replay(sessions(6)) == replay(sessions(6))
