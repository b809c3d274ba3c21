"""Ids and names that Anthropic accepts: rewritten by rule, so that the same input always gives the same output."""

from __future__ import annotations

import hashlib
import re

MAX_TOOL_NAME = 128
_BAD = re.compile(r"[^a-zA-Z0-9_-]")


def legal_id(given: str) -> str:
    """A tool call's id within ``[a-zA-Z0-9_-]+``; a valid one is unchanged, two different ones stay different (G11)."""
    return given if given and not _BAD.search(given) else _rewritten(given, 64)


def legal_name(given: str) -> str:
    """A tool's name within ``[a-zA-Z0-9_-]{1,128}``, by the same rule."""
    return given if is_legal_name(given) else _rewritten(given, MAX_TOOL_NAME)


def is_legal_name(given: str) -> bool:
    """True where Anthropic takes the tool name as it is."""
    return 0 < len(given) <= MAX_TOOL_NAME and not _BAD.search(given)


def _rewritten(given: str, limit: int) -> str:
    mark = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_BAD.sub('_', given)[: limit - 9]}_{mark}"
