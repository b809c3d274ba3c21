"""Durations as operators write them."""

from __future__ import annotations

import math
import re

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_SECONDS = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(value: object) -> float:
    """``5s``, ``500ms``, ``2m``, ``1h``, ``90d`` or a number of seconds -> seconds; ``never`` is infinite. Raises
    ValueError that says what is taken instead."""
    if value == "never":
        return math.inf
    found = None if isinstance(value, bool) else _DURATION.fullmatch(str(value))
    if found is None:
        raise ValueError(f"'{value}' is not a duration: write 500ms, 5s, 2m, 1h, 90d or never")
    return float(found[1]) * _SECONDS[found[2]]
