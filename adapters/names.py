"""Tool names that every vendor takes: rewritten by rule, so that the client's own name can be found again (G16)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

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


def restored(sent: str, own: Iterable[str]) -> str:
    """The client's own name for a tool that went upstream as ``sent``."""
    names = list(own)
    return sent if sent in names else next((name for name in names if rewritten(name) == sent), sent)
