"""The look at all connections: who has had his time, whose clock stands still, and what a reload changes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from proxy.config import load
from proxy.connections import ANSWER, BODY, HEAD, IDLE, LEAVING, LINGER_SECONDS, NEW, Connections

BASE = "version: 1\nbackends: {oss: {provider: vllm, model: m}}\n"


@dataclass(eq=False)
class _Connection:
    stage: int
    since: float = 0.0
    heeds: bool = True
    ends: list[str] = field(default_factory=list)

    def late(self) -> None:
        self.ends.append("late")

    def heeded(self, now: float, patience: float) -> bool:
        return self.heeds

    def hang_up(self) -> None:
        self.ends.append("hung up")


def _rules(more: str) -> Connections:
    rules = Connections()
    rules.adopt(load(BASE + more, file="proxy.yaml", env={}))
    return rules


@pytest.mark.parametrize(
    ("stage", "seconds"),
    [(NEW, 2.0), (HEAD, 2.0), (BODY, 4.0), (IDLE, 8.0), (LEAVING, LINGER_SECONDS)],
    ids=["new", "head", "body", "idle", "leaving"],
)
def test_each_stage_has_its_time_and_not_a_moment_less(stage: int, seconds: float) -> None:
    rules = _rules("timeouts: {head: 2s, body: 4s, idle: 8s, write: 16s}")
    one = _Connection(stage)
    passed = 0.0
    while not one.ends:
        passed += 0.25
        rules.look([one], 0.25)
    assert one.ends == ["late"]
    assert seconds < passed <= seconds + 1.25


def test_while_we_answer_no_time_runs_but_that_of_taking() -> None:
    rules = _rules("")
    patient, deaf = _Connection(ANSWER), _Connection(ANSWER, heeds=False)
    rules.look([patient, deaf], 1e6)
    assert (patient.ends, deaf.ends) == ([], ["hung up"])


def test_never_is_never() -> None:
    rules = _rules("timeouts: {head: never, body: never, idle: never, write: never}")
    all_of_them = [_Connection(stage) for stage in (NEW, HEAD, BODY, ANSWER, IDLE)]
    rules.look(all_of_them, 1e9)
    assert not any(each.ends for each in all_of_them)


def test_a_reload_holds_for_connections_that_are_open() -> None:
    rules = _rules("timeouts: {idle: 1h}\nserver: {max_connections: 5}")
    one = _Connection(IDLE)
    rules.look([one], 60.0)
    assert (one.ends, rules.most) == ([], 5)
    rules.adopt(
        load(BASE + "timeouts: {idle: 10s}\nserver: {max_connections: 7, max_head: 8KiB}", file="proxy.yaml", env={})
    )
    rules.look([one], 1.0)
    assert (one.ends, rules.most, rules.max_head) == (["late"], 7, 8192)


def test_a_crowd_is_ended_in_pieces() -> None:
    """A thousand at once would hold up everybody else's calls."""
    rules = _rules("timeouts: {head: 2s}")
    crowd = [_Connection(HEAD) for _ in range(120)]
    looks = 0
    while rules.look([each for each in crowd if not each.ends], 4.0 if not looks else 0.0):
        looks += 1
    assert all(each.ends == ["late"] for each in crowd)
    assert looks == 2


def test_what_is_turned_away_is_looked_at_too() -> None:
    rules = _rules("")
    one = _Connection(LEAVING)
    rules.turned_away.add(one)
    rules.look([], LINGER_SECONDS + 0.1)
    assert one.ends == ["late"]
