"""Hours of the day and days of the week, as a rule writes them, on the clock of a time zone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo

from policies.near import near

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN = re.compile(r"(\d{1,2})(?::(\d\d))?\s*-\s*(\d{1,2})(?::(\d\d))?(?:\s+(\S+))?")


def zone(name: object) -> tzinfo:
    """``Europe/Berlin`` or ``UTC``, from the machine's own tables, read once, at load. ValueError with the nearest."""
    # Late: most files name no zone, and the module is heavy.
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(str(name))
    except (ValueError, OSError, KeyError) as mistake:
        meant = near(str(name), available_timezones())
        mend = f"did you mean {meant[0]!r}?" if meant else "write one such as 'Europe/Berlin' or 'UTC'"
        raise ValueError(f"there is no time zone {str(name)!r} here: {mend}") from mistake


def hours(text: str, clock: tzinfo = UTC) -> Callable[[datetime], bool]:
    """``9-17``, ``22:00-06:00`` (past midnight) or ``9-17 Europe/Berlin``; the first minute is in, the last is not.

    ``clock``: whose hours these are where the text names no zone. ValueError if it is not so written.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"takes hours such as '9-17', '22:00-06:00' or '9-17 Europe/Berlin', not {text!r}")
    start, end = _minute(found[1], found[2]), _minute(found[3], found[4])
    if start == end:
        raise ValueError(f"begins when it ends, so that no hour is in it: write 0-24 for all of the day, not {text!r}")
    told = _clock(zone(found[5]) if found[5] else clock)

    def between(now: datetime) -> bool:
        here = told(now)
        minute = here.hour * 60 + here.minute
        return start <= minute < end if start <= end else not end <= minute < start

    return between


def _minute(hour: str, minute: str | None) -> int:
    total = int(hour) * 60 + int(minute or 0)
    if total > 24 * 60 or int(minute or 0) > 59:
        raise ValueError(f"{hour}:{minute or '00'} is not a time of day")
    return total


def days(texts: Sequence[str], clock: tzinfo = UTC) -> Callable[[datetime], bool]:
    """``mon``, ``mon-fri``, ``sat`` …; a span may cross the weekend. ValueError if not so."""
    wanted: set[int] = set()
    for text in texts:
        first, dash, last = text.lower().partition("-")
        start, end = _day(first.strip()), _day(last.strip() if dash else first.strip())
        wanted.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    told = _clock(clock)
    return lambda now: told(now).weekday() in wanted


def _clock(wanted: tzinfo) -> Callable[[datetime], datetime]:
    """What that clock shows; a moment without a zone is UTC already."""
    if wanted is UTC:
        return lambda now: now if now.tzinfo in (None, UTC) else now.astimezone(UTC)
    return lambda now: (now if now.tzinfo is not None else now.replace(tzinfo=UTC)).astimezone(wanted)


def _day(text: str) -> int:
    found = [day for day, name in enumerate(_DAYS) if len(text) > 2 and name.startswith(text)]
    if not found:
        raise ValueError(f"takes days such as 'mon' or 'mon-fri', not {text!r}")
    return found[0]
