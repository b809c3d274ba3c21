"""Does a shortened text still say what the long one said? The facts that a pure check can see, and how one is put back.

Seen are numbers and dates, identifiers and code, addresses, what stands in quotes, names with a capital letter, the
value after a colon or after "is called", and what follows "I am", "must" and the like (in English). Words of a script
without capital letters cannot be seen to be names, so that such texts are not to be shortened at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_CASED_SHARE = 0.7
"""Of its letters; below that, names cannot be seen."""
_RUN = re.compile(
    r"https?://[^\s\"'`<>()\[\]{}“”]+|\d+(?:[.,:/-]\d+)+(?![\w-])"
    r"|[^\s\"'`“”„«»()\[\]{}<>|,;!?…—–]+(?:'[^\W\d_]+)?"
)
_EDGE = ".:*_#~=+-/\\"
_ORDINAL = re.compile(r"(?m)^[ \t]*\d{1,3}[.)]\s")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_CODE = re.compile(r"[a-z][A-Z]|\w[_/\\@=#]\w|[a-z]{2}\.[a-zA-Z]{2}|::")
_QUOTED = re.compile(
    r"\"([^\"\n]{2,80})\"|“([^”\n]{2,80})”|„([^“”\n]{2,80})[“”]|«([^»\n]{2,80})»|`([^`\n]{1,80})`"
    r"|(?<!\w)'([^'\n]{2,80})'(?!\w)"
)
_VALUE = re.compile(r"[:=][ \t]+([^\s.,;:!?]+)[ \t]*(?=[.,;!?]?(?:\s|$))")
_CALLED = re.compile(
    r"\b(?:called|named|nicknamed|(?:password|passphrase|hint|code ?name|nickname|pin|token|secret|key|answer|colou?r"
    r"|name|owner|deadline|status|city|country|language|version|reason|choice|winner|limit|goal|title|topic|animal|pet|food)"
    r"\s+(?:is|was|are|were|=))\W+(?:an?\s+|the\s+)?([^\W\d_][\w-]+)",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"\b(?:my|our|his|her|their|its)\s+(?:[\w'-]+\s+){1,4}(?:is|are|was|were)\s+(?:an?\s+|the\s+)?([\w-]+)",
    re.IGNORECASE,
)
_MATTERS = re.compile(
    r"\b(?:I(?:'m|’m| am|'ve| have| was| live| like| love| prefer| need| want| hate| use| work| own| speak| moved)"
    r"|[Ww]e (?:are|have|use|need|want|prefer|decided|chose)|(?:must|never|always|do not|don't|don’t|decided|allergic))"
    r"((?:\s+[\w'’-]+){1,6})"
)
"""What somebody is or wants, and what is to be or not to be done."""
_SENTENCE = re.compile(r"[^\n.!?]+(?:[.!?]+(?=\S)[^\n.!?]+)*[.!?]*\n?|\n")
_START = re.compile(r"(?:^|[.!?:\n•*-]\s*[\"'“„«(]?)$")
_SUBJECT = re.compile(r"\s+(?:is|was|are|were|has|had|will|said|says|wants|wanted|lives|works|prefers|[A-Z])|'s\b")
_COMMON_WORDS = (
    "a all also an and another any are as at be both but by can do each every first for from has have he her here "
    "his how i if in is it its let many more most my no not now of on once one only or other our please second "
    "several she so some sometimes such that the their then there these they third this those to today was we "
    "what when where which while who why with yes you your "
)
_COMMON = frozenset(_COMMON_WORDS.split())
"""English words that stand with a capital at the beginning of a sentence and are no names."""


def readable(text: str) -> bool:
    """Is this script one in which names have capital letters?"""
    letters = [c for c in text[:20_000] if c.isalpha()]
    cased = sum(c.islower() or c.isupper() for c in letters)
    return cased >= _CASED_SHARE * max(len(letters), 1)


def missing(before: str, after: str) -> tuple[str, ...]:
    """The facts of ``before`` that ``after`` does not say, each once, in order."""
    said = _Said(after)
    return tuple(fact for fact in dict.fromkeys(_facts(before)) if not said.has(fact))


def invented(before: str, after: str) -> tuple[str, ...]:
    """What ``after`` says and ``before`` does not: numbers, identifiers and addresses. A shortened text has none."""
    said = _Said(before)
    strong = (run for run, _ in _runs(_ORDINAL.sub(" ", after)) if _is_hard(run))
    return tuple(fact for fact in dict.fromkeys(strong) if not said.has(fact))


def mended(before: str, after: str) -> str | None:
    """``after``, and behind it the sentences of ``before`` that say what it has lost. None where that cannot be."""
    lost = {fact.casefold() for fact in missing(before, after)}
    if not lost:
        return after
    kept: list[str] = []
    for sentence in _SENTENCE.findall(before):
        said = {fact.casefold() for fact in _facts(sentence)} | {run.casefold() for run, _ in _runs(sentence)}
        if not lost.isdisjoint(said):
            kept.append(sentence.strip())
            lost -= said
    whole = "\n".join(filter(None, [after.strip(), " ".join(kept)]))
    return None if len(whole) >= len(before) or missing(before, whole) else whole


class _Said:
    """What a text says, for look-ups: its runs, its numbers, and the whole."""

    def __init__(self, text: str) -> None:
        self._whole = _folded(text)
        self._runs = {run.casefold() for run, _ in _runs(text)}
        self._numbers = {_plain(number) for number in _NUMBER.findall(text)}

    def has(self, fact: str) -> bool:
        word = fact.casefold()
        if word in self._runs:
            return True
        if _NUMBER.fullmatch(fact):
            return _plain(fact) in self._numbers
        folded = _folded(fact)
        return folded in self._whole and re.search(rf"(?<!\w){re.escape(folded)}(?!\w)", self._whole) is not None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _plain(number: str) -> str:
    """``48,300`` and ``48300`` are one number."""
    return re.sub(r",(?=\d{3}(?!\d))", "", number)


def _facts(text: str) -> Iterator[str]:
    text = _ORDINAL.sub(lambda found: " " * len(found[0]), text)
    for run, start in _runs(text):
        if _is_hard(run) or _is_name(run, text, start):
            yield run
    for found in _QUOTED.finditer(text):
        yield next(filter(None, found.groups()))
    yield from _that_matter(text)
    for pattern in (_VALUE, _CALLED, _OWN):
        for found in pattern.finditer(text):
            word = found[1].strip(_EDGE)
            if len(word) > 1 and not any(c.isdigit() for c in word):  # what has a digit is a run, and told whole
                yield word


def _that_matter(text: str) -> Iterator[str]:
    """The longer words behind what says that they matter."""
    for found in _MATTERS.finditer(text):
        yield from (word for word in found[1].split() if len(word) > 3 and word.casefold() not in _COMMON)


def _runs(text: str) -> Iterator[tuple[str, int]]:
    """Each run of characters without what stands around it, and where it begins."""
    for found in _RUN.finditer(text):
        run = found[0].rstrip(_EDGE)
        start = found.start() + len(run) - len(run.lstrip(_EDGE))
        run = run.lstrip(_EDGE).removesuffix("'s").removesuffix("’s")
        if run:
            yield run, start


def _is_hard(run: str) -> bool:
    """A number, an identifier, an address, a word of capitals: it stands as it is, or it is lost."""
    if any(c.isdigit() for c in run):
        return True
    return (len(run) > 1 and run.isupper() and run.isascii()) or _CODE.search(run) is not None


def _is_name(run: str, text: str, start: int) -> bool:
    """A capital letter where grammar asks for none, or before what a subject is followed by."""
    if len(run) < 2 or not run[0].isupper() or run.casefold().partition("'")[0] in _COMMON:
        return False
    before = text[max(start - 3, 0) : start]
    if not (start == 0 or _START.search(before)):
        return True
    return _SUBJECT.match(text, start + len(run)) is not None
