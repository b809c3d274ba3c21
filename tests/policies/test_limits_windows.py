"""Windows: which slot a moment falls in, that never too much counts as over, and what the calendar does to midnight."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.limits import windows
from policies.limits.limit import MINUTE, NOW, Window

MONTH = Window("month")
BERLIN = Window("day", timezone="Europe/Berlin")


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("window", "now", "start", "end"),
    [
        (MONTH, "2026-11-30T23:59:59", "2026-11-01T00:00", "2026-12-01T00:00"),
        (MONTH, "2026-12-31T12:00", "2026-12-01T00:00", "2027-01-01T00:00"),
        (MONTH, "2028-02-29T12:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        (Window("week"), "2026-11-22T23:00", "2026-11-16T00:00", "2026-11-23T00:00"),
        (Window("week"), "2026-11-23T00:00", "2026-11-23T00:00", "2026-11-30T00:00"),
        (Window("day"), "2026-11-21T00:00", "2026-11-21T00:00", "2026-11-22T00:00"),
    ],
)
def test_windows_of_the_calendar(window: Window, now: str, start: str, end: str) -> None:
    found = windows.slot(window, at(now))
    assert (found.start, found.end, found.oldest, found.newest) == (at(start), at(end), at(start), at(start))
    assert found.holds(at(now))
    assert not found.holds(at(end))
    assert windows.resets(window, at(now)) == at(end)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-21", 24)])
def test_a_day_is_as_long_as_its_clocks_make_it(day: str, hours: int) -> None:
    found = windows.slot(BERLIN, at(f"{day}T12:00", "Europe/Berlin"))
    assert found.end - found.start == hours * 3600
    assert found.start == at(f"{day}T00:00", "Europe/Berlin")


@pytest.mark.parametrize(("zone", "day"), [("Asia/Beirut", "2022-03-27"), ("America/Havana", "2026-11-01")])
def test_a_midnight_that_does_not_exist_or_comes_twice_begins_one_day(zone: str, day: str) -> None:
    """Every moment around it is in exactly one day, and each day begins where the one before it ends."""
    window = Window("day", timezone=zone)
    start = at(f"{day}T00:00", "UTC") - 86_400
    slots = {windows.slot(window, start + step * 60) for step in range(3 * 1440)}
    ordered = sorted(slots, key=lambda each: each.start)
    assert [each.end for each in ordered[:-1]] == [each.start for each in ordered[1:]]
    assert all(windows.slot(window, start + step * 60).holds(start + step * 60) for step in range(3 * 1440))


@given(
    now=st.floats(1e9, 4e9), ago=st.floats(0, 86_400), seconds=st.sampled_from([60.0, 3600.0, 86_400.0, 999 * 3600.0])
)
def test_what_lies_within_a_rolling_window_counts_and_what_is_long_over_does_not(
    now: float, ago: float, seconds: float
) -> None:
    window = Window("rolling", seconds)
    here, then = windows.slot(window, now), windows.slot(window, now - ago)
    assert here.holds(now)
    if ago < seconds:
        assert then.start >= here.oldest
    if ago > seconds * (1 + 2 / windows.SLOTS) + 2:
        assert then.start < here.oldest
    assert (here.end - here.oldest) / (here.end - here.start) <= windows.SLOTS + 2
    ahead = windows.slot(window, now + ago)
    assert (ahead.start <= here.newest) or ago > seconds
    assert ahead.start > here.newest or ago <= seconds * (1 + 2 / windows.SLOTS) + 2


@given(
    now=st.integers(1_000_000_000, 2_000_000_000),
    used=st.dictionaries(st.integers(-70, 0), st.integers(1, 9), max_size=30),
    short=st.integers(1, 60),
)
def test_after_the_told_time_so_much_has_left_the_window(now: int, used: dict[int, int], short: int) -> None:
    slots = {now + offset: count for offset, count in used.items()}
    counting = {start: count for start, count in slots.items() if start >= windows.slot(MINUTE, now).oldest}
    wait = windows.frees(MINUTE, slots, short, now)
    if wait is None:
        assert sum(counting.values()) < short
        return
    then = windows.slot(MINUTE, now + wait).oldest
    assert sum(count for start, count in counting.items() if start < then) >= short
    before = windows.slot(MINUTE, now + wait - 0.5).oldest
    assert wait == 0 or sum(count for start, count in counting.items() if start < before) < short


def test_a_window_of_the_calendar_frees_all_at_its_end_and_what_is_under_way_nothing() -> None:
    now = at("2026-11-30T23:59:00")
    assert windows.frees(MONTH, {windows.slot(MONTH, now).start: 5}, 3, now) == 60
    assert windows.frees(MONTH, {windows.slot(MONTH, now).start: 5}, 6, now) is None
    assert windows.frees(NOW, {0: 5}, 1, now) is None
    assert windows.slot(NOW, now).holds(now)


@pytest.mark.parametrize(
    ("window", "now", "share"),
    [
        (MONTH, "2026-11-01T00:00", 1 / 30),
        (MONTH, "2026-11-01T23:59", 1 / 30),
        (MONTH, "2026-11-15T12:00", 0.5),
        (MONTH, "2026-11-30T23:00", 1.0),
        (Window("week"), "2026-11-18T12:00", 3 / 7),
        (Window("day"), "2026-11-18T06:00", 0.25),
        (Window("rolling", 86_400.0), "2026-11-18T06:00", 1.0),
    ],
)
def test_how_much_of_a_window_is_over(window: Window, now: str, share: float) -> None:
    assert windows.elapsed(window, at(now)) == pytest.approx(share)


@pytest.mark.parametrize(
    ("window", "told"),
    [
        (MONTH, "November 2026 (UTC)"),
        (Window("week", timezone="Europe/Berlin"), "the week of 2026-11-16 (Europe/Berlin)"),
        (Window("day"), "2026-11-21 (UTC)"),
        (Window("rolling", 30 * 86_400.0), "the last 30 days"),
        (Window("rolling", 3600.0), "the last hour"),
        (MINUTE, "the last minute"),
        (Window("rolling", 90.0), "the last 90 seconds"),
        (NOW, "at one time"),
    ],
)
def test_a_client_is_told_which_window(window: Window, told: str) -> None:
    assert windows.named(window, at("2026-11-21T10:00")) == told


def test_a_moment_is_told_in_whole_seconds_and_never_too_early() -> None:
    assert windows.iso(datetime(2026, 12, 1, tzinfo=UTC).timestamp() - 0.25) == "2026-12-01T00:00:00Z"
    assert windows.iso((datetime(2026, 12, 1, tzinfo=UTC) + timedelta(seconds=1)).timestamp()) == "2026-12-01T00:00:01Z"
