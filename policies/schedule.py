"""Hours of the day and days of the week, as a rule writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(\d{1,2})(?::(\d\d))?\s*-\s*(\d{1,2})(?::(\d\d))?")


def hours(text: str) -> Callable[[datetime], bool]:
    """``9-17`` or ``22:00-06:00`` (past midnight); the first minute is in, the last is not. ValueError if not so."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"takes hours such as '9-17' or '22:00-06:00', not {text!r}")
    start, end = _minute(found[1], found[2]), _minute(found[3], found[4])
    if start <= end:
        return lambda now: start <= now.hour * 60 + now.minute < end
    return lambda now: not end <= now.hour * 60 + now.minute < start


def _minute(hour: str, minute: str | None) -> int:
    total = int(hour) * 60 + int(minute or 0)
    if total > 24 * 60 or int(minute or 0) > 59:
        raise ValueError(f"{hour}:{minute or '00'} is not a time of day")
    return total


def days(texts: Sequence[str]) -> Callable[[datetime], bool]:
    """``mon``, ``mon-fri``, ``sat`` …; a span may cross the weekend. ValueError if not so."""
    wanted: set[int] = set()
    for text in texts:
        first, _, last = text.lower().partition("-")
        start, end = _day(first), _day(last or first)
        wanted.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return lambda now: now.weekday() in wanted


def _day(text: str) -> int:
    if text[:3] not in _DAYS:
        raise ValueError(f"takes days such as 'mon' or 'mon-fri', not {text!r}")
    return _DAYS.index(text[:3])
