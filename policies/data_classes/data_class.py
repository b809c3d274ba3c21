"""How closely data is kept: labels, and of several the most restrictive."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from policies.near import near

if TYPE_CHECKING:
    from policies.rules.grammar import Path, Problem

RESTRICTED = "restricted"
"""The data class that may only meet backends marked ``local: true``."""
RANKS = {"public": 0, "internal": 1, "confidential": 2, RESTRICTED: 4}
_OWN = 3
"""An operator's own data class stands between confidential and restricted."""

LABEL = re.compile(r"[a-z0-9_-]{1,32}")
"""A data class."""
_LIKE = 0.75
"""How like a known class (difflib's ratio) a word is that is taken for a slip."""
NOT_A_LABEL = "must be a word of small letters, digits, '-' and '_', of at most 32"


def strictest(labels: Collection[str]) -> frozenset[str]:
    """Those of ``labels`` that count together: the one of the highest rank, and all of the operator's own."""
    if not labels:
        return frozenset()
    top = max(RANKS.get(label, _OWN) for label in labels)
    return frozenset(label for label in labels if RANKS.get(label, top) >= top)


@lru_cache(maxsize=256)
def told_classes(header: str) -> tuple[str, ...]:
    """What a client's header says, one label or several with commas. What is no word at all, and what is nearly
    ``restricted``, is taken for the strictest, never for none."""
    return tuple(_taken(label.strip().lower()) for label in header.split(","))


def _taken(label: str) -> str:
    slip = label not in RANKS and near(label, (RESTRICTED,), like=_LIKE)
    return RESTRICTED if slip or not LABEL.fullmatch(label) else label


def label_problems(label: object, path: Path) -> Iterator[Problem]:
    """What is wrong with a data class that the operator writes. One that is nearly a known one is taken for a slip: as
    a class of its own it would let restricted data go."""
    if not isinstance(label, str) or not LABEL.fullmatch(label):
        yield path, f"{NOT_A_LABEL}, not {label!r}"
    elif label not in RANKS and (meant := near(label, RANKS, like=_LIKE)):
        text = (
            f"{label!r} would be a class of your own: did you mean {meant[0]!r}? Else take a word that is less like it"
        )
        yield path, text
