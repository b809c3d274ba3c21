"""The demo's tokenizer, one rule for all it counts: a word or a mark, with the white space before it."""

from __future__ import annotations

import re

_PIECE = re.compile(r"\s*(?:\w{1,12}|[^\w\s])|\s+$")

IMAGE_TOKENS = 85
"""What one image, file or sound counts, whatever its size."""


def pieces(text: str) -> list[str]:
    """The tokens of ``text``; joined they are ``text`` again."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """How many tokens ``text`` is."""
    return len(_PIECE.findall(text))


def fragments(text: str, size: int = 7) -> list[str]:
    """``text`` in runs of ``size`` characters, as tool arguments arrive in a stream."""
    return [text[start : start + size] for start in range(0, len(text), size)]
