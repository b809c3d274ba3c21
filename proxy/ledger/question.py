"""What is asked of the book, in the words of the command line and of ``GET /admin/usage``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from policies.near import near
from proxy.ledger.record import COLUMNS

_SPAN = re.compile(r"(\d+)([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TIMES = ("hour", "day", "month")
_OTHER_WORDS = {"caller": "key_id", "key": "key_id", "team": "tenant", "model": "upstream_model"}
"""What people say -> the column that holds it."""
_TAG = "tag:"
_USUAL = "day, alias, backend, caller, team, class, policy, user, tag:NAME"
_WHOLE = frozenset({"attempt", "started_at", "status", "stream", "generation", "upstream_status"})
"""Columns of whole numbers."""


class Asked(Struct, frozen=True, kw_only=True):
    """Times are milliseconds since 1970, ``until`` exclusive. ``by`` and ``filters`` name columns."""

    since: int | None = None
    until: int | None = None
    by: tuple[str, ...] = ("day",)
    shown: tuple[str, ...] = ("day",)
    """``by`` in the words of whoever asks."""
    filters: Mapping[str, Any] = {}
    timezone: str = "UTC"


def asked(
    *,
    since: str | None = None,
    until: str | None = None,
    by: str = "day",
    where: Iterable[str] = (),
    timezone: str = "UTC",
    now: float,
) -> Asked:
    """``now``: seconds since 1970. Raises ValueError that says what is wrong, with its mend."""
    zone = _zone(timezone)
    shown = tuple(word.strip() for word in by.split(",") if word.strip()) or ("day",)
    return Asked(
        since=None if since is None else moment(since, "since", zone, now),
        until=None if until is None else moment(until, "until", zone, now),
        by=tuple(_dimension(word) for word in shown),
        shown=shown,
        filters=dict(_filter(text) for text in where),
        timezone=timezone,
    )


def moment(text: str, name: str, zone: ZoneInfo, now: float) -> int:
    """``30m``, ``12h``, ``7d``, ``2w`` before now, or a date or time in ``zone`` -> milliseconds since 1970."""
    span = _SPAN.fullmatch(text)
    if span is not None:
        return int((now - int(span[1]) * _SECONDS[span[2]]) * 1000)
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} {text}: write 30m, 12h, 7d, 2w or a date as 2026-08-01") from None
    return int((told if told.tzinfo else told.replace(tzinfo=zone)).astimezone(UTC).timestamp() * 1000)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"timezone {name}: there is none of this name: write Europe/Berlin or UTC") from None


def _dimension(word: str) -> str:
    column = _OTHER_WORDS.get(word, word)
    if column in _TIMES or column in COLUMNS or (column.startswith(_TAG) and len(column) > len(_TAG)):
        return column
    raise ValueError(f"by {word}: {_near(word)}there is {_USUAL} and every column")


def _filter(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    column = _OTHER_WORDS.get(name, name)
    if not separator or (column not in COLUMNS and not column.startswith(_TAG)):
        raise ValueError(f"where {text}: {_near(name)}write a column and its value, such as alias=auto")
    if value in {"", "-"}:
        return column, None
    return column, _number(text, value) if column in _WHOLE else value


def _number(text: str, value: str) -> int:
    if value in {"true", "false"}:
        return int(value == "true")
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"where {text}: a whole number stands there, such as attempt=1") from None


def _near(word: str) -> str:
    meant = near(word, [*_TIMES, *_OTHER_WORDS, *COLUMNS], like=0.7)
    return f"did you mean '{meant[0]}'? " if meant else ""
