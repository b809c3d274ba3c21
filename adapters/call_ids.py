"""Ids of tool calls that every vendor takes: the same id always becomes the same one."""

from __future__ import annotations

import hashlib
import re

MAX = 64
"""Characters of a rewritten id."""
_BAD = re.compile(r"[^a-zA-Z0-9_-]")


def legal_id(given: str) -> str:
    """A tool call's id within ``[a-zA-Z0-9_-]+``; a valid one is unchanged, two different ones stay different (G11)."""
    if given and not _BAD.search(given):
        return given
    mark = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_BAD.sub('_', given)[: MAX - 9]}_{mark}"
