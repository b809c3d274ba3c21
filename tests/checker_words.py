"""What both halves of the stream checker say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def must(holds: object, why: str) -> None:
    """The one way to complain."""
    if not holds:
        raise AssertionError(why)


def check_usage(usage: Mapping[str, Any], read: tuple[str, str], written: tuple[str, str]) -> None:
    """Whole numbers; the total is the sum; a part is no more than its whole (G82)."""
    for whole, part in (read, written):
        details = usage.get(f"{whole}_details") or {}
        must(type(usage[whole]) is int and usage[whole] >= 0, f"usage.{whole} is {usage[whole]!r}")
        count = details.get(part, 0)
        must(type(count) is int and 0 <= count <= usage[whole], f"usage.{part} {count!r} is not within {whole}")
    must(usage["total_tokens"] == usage[read[0]] + usage[written[0]], "usage.total_tokens is not the sum")


OWN = ("id", "call_id", "created_at", "completed_at", "encrypted_content")
"""What two answers to one question may differ in: who they are, and when they were made."""


def check_twins(streamed: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
    """The last response of a stream says what the whole answer to the same question says, usage included."""
    one, other = _impersonal(streamed), _impersonal(whole)
    for field in sorted({*one, *other}):
        must(one.get(field) == other.get(field), f"{field} streamed is {one.get(field)!r}, whole {other.get(field)!r}")


def _impersonal(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _impersonal(inner) for name, inner in value.items() if name not in OWN}
    return [_impersonal(inner) for inner in value] if isinstance(value, list) else value
