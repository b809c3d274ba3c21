"""Names that may have been meant by a word that is none."""

from __future__ import annotations

from collections.abc import Iterable


def near(word: str, known: Iterable[str], *, most: int = 1, like: float = 0.6) -> list[str]:
    """Those of ``known`` that are most like ``word``, the best first. ``like``: from 0, anything, to 1, the same."""
    # Late: it takes half a mebibyte of each process, and hardly any of them ever meets a slip.
    from difflib import get_close_matches

    return get_close_matches(word, list(known), n=most, cutoff=like)
