"""The words of a prompt as places in a table of learned weights: hashed words and pairs of words, English only."""

from __future__ import annotations

import re
from itertools import islice
from math import sqrt
from zlib import crc32

BUCKETS = 1 << 16
HEAD, TAIL = 1_536, 512
"""Characters of the sample whose words are looked at, from its front and from its end."""

_WORD = re.compile(rb"[a-z]{2,24}")
_COMMON = frozenset(
    b"the and that this what which how from have are were would should could your you his their it its if with when "
    b"who where why does can than then there these those been being some each other many much between of to for is "
    b"write give find explain please".split()
)
_AMBIGUOUS = frozenset(b"of to for is it if can".split())
"""Common in English, and words of other languages as well: they count once an unmistakable one stands beside them."""
_USUAL = 120
"""Up to so many words and pairs add up in full; more of them weigh less each, or length would drown all else."""


def learned(lower: str) -> frozenset[int] | None:
    """The buckets of a lower-case sample; None where its language is not English, whose words alone were learned."""
    piece = lower if len(lower) <= HEAD + TAIL else f"{lower[:HEAD]} {lower[-TAIL:]}"
    data = piece.encode("ascii", "ignore")
    if len(data) < 0.8 * len(piece):
        return None
    words = _WORD.findall(data)
    return buckets(words) if is_english(words) else None


def is_english(words: list[bytes]) -> bool:
    """Does at least every eighth word belong to the commonest of English, one of them unmistakably?"""
    hits = [word for word in words if word in _COMMON]
    return 8 * len(hits) >= len(words) and not _AMBIGUOUS.issuperset(hits)


def buckets(words: list[bytes]) -> frozenset[int]:
    """Where these words and their neighbouring pairs stand in the table, each once."""
    single = list(map(crc32, words))
    pairs = map(crc32, islice(words, 1, None), single)
    return frozenset([code & 0xFFFF for code in single] + [code & 0xFFFF for code in pairs])


def damping(places: int) -> float:
    """What the sum over so many places is divided by."""
    return sqrt(max(places, _USUAL) / _USUAL)
