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
