"""Lines that would be repeated are written once in a while."""

from __future__ import annotations

from proxy.telemetry.seldom import Seldom


def test_a_line_stands_for_those_that_were_held_back() -> None:
    now = 0.0
    seldom = Seldom(10.0, clock=lambda: now)
    assert [seldom.count("a") for _ in range(5)] == [1, 0, 0, 0, 0]
    assert seldom.count("b") == 1
    now = 9.9
    assert seldom.count("a") == 0
    now = 10.0
    assert (seldom.count("a"), seldom.count("a")) == (6, 0)
    now = 100.0
    assert (seldom.count("a"), seldom.count("b")) == (2, 1)
