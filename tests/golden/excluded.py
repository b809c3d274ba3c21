"""Reads excluded.toml: which recordings are judged otherwise than the rest, and why (decision D30)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

_TOLD: dict[str, Any] = tomllib.loads(Path(__file__).with_name("excluded.toml").read_text("utf-8"))


def listed(part: str) -> dict[str, str]:
    """interaction -> reason, for one part of the file. Raises KeyError for a part that is not there."""
    return {name: entry["reason"] for entry in _TOLD[part] for name in entry["interactions"]}


TORN = listed("torn")
"""Recorded streams that contradict themselves: a test of their own says what reaches the client."""
