"""The time over which a limit counts, cut into slots: which one a moment falls in, which still count, when they end.

A window of the calendar is one slot. A rolling one has sixty: what was used is known to the slot and not to the second,
and a slot counts as long as any moment of it may lie within the window, so that never too much is let through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache

from msgspec import Struct

from policies.limits.limit import Window

SLOTS = 60
"""Of a rolling window; at the most a sixtieth of its span counts for too long."""
_DAY = 86_400
_ALWAYS = 2**52
"""Seconds since 1970 that nobody will see: when the slot of what is under way ends."""


class Slot(Struct, frozen=True):
    """Where a moment falls. Seconds since 1970, whole."""

    start: int
    end: int
    """When the next slot begins."""
    oldest: int
    """The start of the earliest slot that still counts."""
    newest: int
    """The start of the latest: of a rolling window, as far ahead as it is long. A clock that was ahead is put back one
    day, and what was used meanwhile counts; but it does not lock anybody out for as long as the clock was wrong."""

    def holds(self, now: float) -> bool:
        """Is this moment in it?"""
        return self.start <= now < self.end


def slot(window: Window, now: float) -> Slot:
    """``now``: wall clock, seconds since 1970."""
    if window.span == "now":
        return Slot(0, _ALWAYS, 0, 0)
    if window.span == "rolling":
        size = _size(window)
        start = int(now // size) * size
        return Slot(start, start + size, int((now - window.seconds) // size) * size, int(now + window.seconds))
    first, last = _dates(window, now)
    start = _midnight(window, first)
    return Slot(start, _midnight(window, last), start, start)


def frees(window: Window, used: Mapping[int, int], short: int, now: float) -> float | None:
    """Seconds until ``short`` more can be had, for what was used has left the window; None: that alone will not bring
    it. ``used``: start of the slot -> how much."""
    if window.span == "now":
        return None
    here = slot(window, now)
    if window.span != "rolling":
        return here.end - now if used.get(here.start, 0) >= short else None
    freed = 0
    for start in sorted(used):
        if here.oldest <= start <= here.newest:
            freed += used[start]
            if freed >= short:
                return max(start + _size(window) + window.seconds - now, 0.0)
    return None


def elapsed(window: Window, now: float) -> float:
    """Share of a window of the calendar that is over, the day that is running included where it has several; a rolling
    one is always whole."""
    if window.span in {"rolling", "now"}:
        return 1.0
    if window.span == "day":
        here = slot(window, now)
        return (now - here.start) / (here.end - here.start)
    first, last = _dates(window, now)
    today = datetime.fromtimestamp(now, _zone(window.timezone)).date()
    return ((today - first).days + 1) / (last - first).days


def resets(window: Window, now: float) -> float:
    """When all that counts now has left the window: seconds since 1970."""
    here = slot(window, now)
    return here.end + (window.seconds if window.span == "rolling" else 0.0)


def named(window: Window, now: float) -> str:
    """For a client: ``November 2026 (UTC)``, ``the week of 2026-11-16 (Europe/Berlin)``, ``the last 30 days``."""
    if window.span == "now":
        return "at one time"
    if window.span == "rolling":
        return f"the last {_lasting(window.seconds)}"
    first, _ = _dates(window, now)
    told = {"day": f"{first}", "week": f"the week of {first}", "month": f"{first:%B %Y}"}[window.span]
    return f"{told} ({window.timezone})"


def iso(moment: float) -> str:
    """``2026-12-01T00:00:00Z``."""
    return datetime.fromtimestamp(math.ceil(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _lasting(seconds: float) -> str:
    if seconds == 60:
        return "minute"
    for unit, name in ((_DAY, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= unit and seconds % unit == 0:
            count = int(seconds // unit)
            return f"{count} {name}" if count > 1 else name[:-1]
    return f"{seconds:g} seconds"


def _size(window: Window) -> int:
    """Of a slot of a rolling window, in whole seconds."""
    return max(math.ceil(window.seconds / SLOTS), 1)


def _dates(window: Window, now: float) -> tuple[date, date]:
    """The first day of the window of the calendar that ``now`` is in, and that of the next."""
    today = datetime.fromtimestamp(now, _zone(window.timezone)).date()
    if window.span == "day":
        return today, today + timedelta(days=1)
    if window.span == "week":
        first = today - timedelta(days=today.weekday())
        return first, first + timedelta(days=7)
    first = today.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1)


def _midnight(window: Window, day: date) -> int:
    """When this day begins there. Where the clocks skip midnight it is the moment at which they do."""
    return int(datetime(day.year, day.month, day.day, tzinfo=_zone(window.timezone)).timestamp())


@cache
def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    # Late: most files name no zone, and the module is heavy.
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)
