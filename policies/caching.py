"""May this answer be kept and given again, for how long, and under which key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from policies.durations import seconds
from policies.grammar import Path, Problem


class Caching(Struct, frozen=True, kw_only=True):
    """``set: {cache: {ttl: 1h, tools: true}}``."""

    ttl: float
    """Seconds."""
    tools: bool = False
    """Also for requests with tools."""


def read_cache(value: Any, path: Path) -> tuple[Caching | None, list[Problem]]:
    """The rule's words, or what is wrong with them."""
    problems = list(_problems(value, path))
    if problems:
        return None, problems
    return Caching(ttl=seconds(value["ttl"]), tools=value.get("tools", False)), []


def _problems(value: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(value, dict) or "ttl" not in value:
        yield path, f"must be a mapping such as {{ttl: 1h}}, not {value!r}"
        return
    for key, each in value.items():
        if key not in {"ttl", "tools"}:
            yield (*path, key), f"unknown word {key!r}: one of: tools, ttl"
        elif key == "tools" and not isinstance(each, bool):
            yield (*path, key), f"takes true or false, not {each!r}"
    try:
        seconds(value["ttl"])
    except ValueError as mistake:
        yield (*path, "ttl"), str(mistake)
