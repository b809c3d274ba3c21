"""Tool names that every vendor takes: rewritten by rule, the same name always to the same result (G16)."""

from __future__ import annotations

import hashlib
import re

MAX = 64
"""Characters of a rewritten name; the smallest limit of any vendor."""
_BAD = re.compile(r"[^a-zA-Z0-9_-]")


def rewritten(given: str) -> str:
    """``given`` as letters, digits, ``_`` and ``-``, beginning with a letter or ``_``, at most MAX characters.

    The same name always gives the same result, different names different ones."""
    mark = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    head = _BAD.sub("_", given)
    if not head[:1].isalpha():
        head = f"_{head}"
    return f"{head[: MAX - 9]}_{mark}"


def qualified(namespace: str | None, name: str) -> str:
    """A tool's name together with that of the group that it was offered in, as MCP clients spell it: ``mcp__x__y``."""
    return name if namespace is None else f"{namespace}__{name}"
