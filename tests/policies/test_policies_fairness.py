"""Whose turn it is: every tenant in turn, of each the first, whatever comes and goes."""

from hypothesis import given
from hypothesis import strategies as st

from policies.fairness import FairQueue


def drained(queue: FairQueue[str]) -> list[str]:
    found = []
    while (first := queue.first) is not None:
        found.append(first)
        queue.served(first[0], first)
    return found


def test_tenants_take_turns_and_each_is_served_in_its_own_order() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3", "b1", "c1", "c2"):
        queue.add(item[0], item)
    assert len(queue) == 6
    assert drained(queue) == ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert len(queue) == 0


def test_who_leaves_costs_its_tenant_no_turn() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "b1"):
        queue.add(item[0], item)
    queue.leave("a", "a1")
    queue.leave("a", "a1")
    queue.leave("z", "z1")
    assert drained(queue) == ["a2", "b1"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "serve", "leave"]))))
def test_nobody_is_lost_and_nobody_waits_for_more_than_one_of_each_other_tenant(story: list[tuple[str, str]]) -> None:
    queue: FairQueue[str] = FairQueue()
    waiting: list[str] = []
    passed: dict[str, list[str]] = {}
    for at, (tenant, what) in enumerate(story):
        if what == "add":
            item = f"{tenant}{at}"
            queue.add(tenant, item)
            waiting.append(item)
        elif what == "leave":
            mine = [item for item in waiting if item[0] == tenant]
            for item in mine[-1:]:
                queue.leave(tenant, item)
                waiting.remove(item)
        elif (first := queue.first) is not None:
            assert first == next(item for item in waiting if item[0] == first[0])
            queue.served(first[0], first)
            waiting.remove(first)
            for other in {item[0] for item in waiting} - {first[0]}:
                passed.setdefault(other, []).append(first[0])
                assert passed[other].count(first[0]) <= 1
            passed[first[0]] = []
        passed = {each: found for each, found in passed.items() if any(item[0] == each for item in waiting)}
        assert len(queue) == len(waiting)
