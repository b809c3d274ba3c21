"""Looking up a prompt's words in the tables."""

from __future__ import annotations

from msgspec import Struct

from policies.classify import tables


class Words(Struct, frozen=True):
    """Whole words, beginnings by their length, and pieces of running text."""

    words: frozenset[str]
    stems: dict[int, frozenset[str]]
    pieces: tuple[str, ...] = ()

    def among(self, said: frozenset[str], text: str = "") -> bool:
        """Is one of these words among those ``said``, or does a piece stand in ``text``?"""
        if not self.words.isdisjoint(said):
            return True
        if any(not stems.isdisjoint([word[:length] for word in said]) for length, stems in self.stems.items()):
            return True
        return bool(text) and any(piece in text for piece in self.pieces)

    def count(self, said: frozenset[str]) -> int:
        """How many different words of these are among those ``said``."""
        begun = (len(stems.intersection([word[:length] for word in said])) for length, stems in self.stems.items())
        return len(self.words & said) + sum(begun)


def _words(table: str, pieces: str = "") -> Words:
    """Tables to lookups. Pieces are parted by ``|`` where they have spaces of their own."""
    entries = [word for line in table.strip().splitlines() for word in line.split()[1:]]
    stems: dict[int, set[str]] = {}
    for stem in (word[:-1] for word in entries if word.endswith("*")):
        stems.setdefault(len(stem), set()).add(stem)
    parted = [line.split(maxsplit=1)[1] for line in pieces.strip().splitlines()]
    found = [piece for line in parted for piece in (line.split("|") if "|" in line else line.split())]
    return Words(
        frozenset(word for word in entries if not word.endswith("*")),
        {length: frozenset(group) for length, group in stems.items()},
        tuple(found),
    )


make = _words(tables.MAKE, tables.MAKE_PIECES)
reason = _words(tables.REASON, tables.REASON_PIECES)
rewrite = _words(tables.REWRITE, tables.REWRITE_PIECES)
greet = _words(tables.GREET + tables.GREET_WHOLE)
ask = _words(tables.ASK, tables.ASK_PIECES)
technical = _words(tables.TECHNICAL)
explain = _words(tables.EXPLAIN)
limits = _words(tables.LIMITS)
