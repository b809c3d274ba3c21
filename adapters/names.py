"""Names that every vendor takes: rewritten by rule, the same name always to the same result (G16)."""

from __future__ import annotations

import hashlib
import re

MAX = 64
"""Characters of a rewritten name; the smallest limit of any vendor."""
BAD = re.compile(r"[^a-zA-Z0-9_-]")
"""What a name may not hold."""


def rewritten(given: str) -> str:
    """A tool's name as letters, digits, ``_`` and ``-``, beginning with a letter or ``_``, at most MAX characters.

    The same name always gives the same result, different names different ones."""
    return marked(given, "" if given[:1].isascii() and given[:1].isalpha() else "_")


def marked(given: str, before: str = "") -> str:
    """``before`` and ``given`` in legal characters, shortened, with a mark that tells it from all others."""
    mark = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{(before + BAD.sub('_', given))[: MAX - 9]}_{mark}"


def qualified(namespace: str | None, name: str) -> str:
    """A tool's name together with that of the group that it was offered in, as MCP clients spell it: ``mcp__x__y``."""
    return name if namespace is None else f"{namespace}__{name}"
