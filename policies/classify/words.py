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


class Kinds(Struct, frozen=True):
    """The kinds of words, in all languages or in one."""

    make: Words
    reason: Words
    rewrite: Words
    greet: Words
    ask: Words
    technical: Words
    explain: Words
    limits: Words


def _words(table: str, pieces: str, languages: frozenset[str]) -> Words:
    """Tables to lookups. Pieces are parted by ``|`` where they have spaces of their own; no languages means all."""
    entries = [word for line in _lines(table, languages) for word in line.split()]
    stems: dict[int, set[str]] = {}
    for stem in (word[:-1] for word in entries if word.endswith("*")):
        stems.setdefault(len(stem), set()).add(stem)
    parted = _lines(pieces, languages)
    found = [piece for line in parted for piece in (line.split("|") if "|" in line else line.split())]
    return Words(
        frozenset(word for word in entries if not word.endswith("*")),
        {length: frozenset(group) for length, group in stems.items()},
        tuple(found),
    )


def _lines(table: str, languages: frozenset[str]) -> list[str]:
    parted = (line.split(maxsplit=1) for line in table.splitlines() if line)
    return [said for code, said in parted if not languages or code in languages]


def _kinds(*codes: str) -> Kinds:
    chosen = frozenset(codes)
    return Kinds(
        make=_words(tables.MAKE, tables.MAKE_PIECES, chosen),
        reason=_words(tables.REASON, tables.REASON_PIECES, chosen),
        rewrite=_words(tables.REWRITE, tables.REWRITE_PIECES, chosen),
        greet=_words(tables.GREET + tables.GREET_WHOLE, "", chosen),
        ask=_words(tables.ASK, tables.ASK_PIECES, chosen),
        technical=_words(tables.TECHNICAL, "", chosen),
        explain=_words(tables.EXPLAIN, tables.EXPLAIN_PIECES, chosen),
        limits=_words(tables.LIMITS, "", chosen),
    )


every = _kinds()
english = _kinds("en", "xx")
"""For a text that is surely English: words of other languages are other words in it (come, solo, sin, lag)."""
