"""A prompt as numbers: what its shape and its words say, from at most 4 KB of it."""

from __future__ import annotations

import re
import unicodedata
from math import log2

from msgspec import Struct

from policies.classify import shape, words
from policies.classify.lexicon import learned
from policies.prompt import PromptView
from policies.text import estimate_tokens

HEAD = TAIL = 2_048
"""Characters looked at from either end of the last user turn."""

_MENTION = re.compile(r"@[\w.-]{1,64}")
_TOKEN = re.compile(r"[^\W\d_]\w*")
_LATIN = re.compile(r"[a-z]+")
_NAME = re.compile(r"\b(?:[A-Z]{2,}|[A-Z]?[a-z]+[A-Z])[A-Za-z]*\b")
"""OAuth, FastAPI, SQL: names of things that are built, spelt alike in all languages."""
_LEAD, _CLOSE = 300, 150
"""What is asked stands at the front of a prompt, or at its end."""
_ORDER = 100
"""Where words are not parted, or end in vowel signs, an order stands in so many characters of the front or close."""
_SUM = 2
"""A question with so many different numbers is a problem about someone who makes something, not an order to."""


class Features(Struct, frozen=True):
    """``values`` by feature name; ``places`` of its words in the learned table, None where the language is not one of
    those; the rest is what the gate rules look at."""

    values: dict[str, float]
    places: frozenset[int] | None
    text: str
    """The sample: folded to lower case, its ends composed, without mentions."""
    asked: list[str]
    """The words of the front and of the end, where an instruction stands."""
    opening: str
    """The front up to the first colon or line end: the instruction apart from what it is about."""
    tokens: int
    """Estimated tokens of the whole last user turn."""
    numbers: int
    question: bool


def extract(view: PromptView) -> Features:
    """All features in one pass over the sample."""
    raw = view.text
    sample = (raw if len(raw) <= HEAD + TAIL else f"{raw[:HEAD]}\n{raw[-TAIL:]}").strip()
    composed = sample if sample.isascii() else _composed(sample)
    clean = _MENTION.sub(" ", composed).strip() if "@" in composed else composed
    text = clean.lower()
    seen = shape.measure(clean, text, max(1.0, len(raw) / max(len(sample), 1)) if len(raw) > HEAD + TAIL else 1.0)
    asked = _TOKEN.findall(text[:_LEAD]) + (_TOKEN.findall(text[-_CLOSE:]) if len(text) > _LEAD else [])
    places = learned(text)
    said = _said(clean, text, asked, english=places is not None)
    if seen.listed:
        said = dict.fromkeys(said, 0.0)
    elif seen.questions and seen.numbers >= _SUM and not seen.values["code"]:
        said |= {"makes": 0.0, "explains": 0.0, "limits": 0.0, "technical": 0.0}
    values = seen.values | said | _around(view)
    opening = re.split(r"[:：\n]", text, maxsplit=1)[0]
    asks = seen.questions > 0 or (not text.isascii() and text.endswith(";"))
    return Features(values, places, text, asked, opening, estimate_tokens(raw), seen.numbers, asks)


def _composed(sample: str) -> str:
    """NFC of both ends. Not of the whole: composing takes quadratic time on a hostile run of marks."""
    if len(sample) <= _LEAD + _CLOSE:
        return unicodedata.normalize("NFC", sample)
    ends = unicodedata.normalize("NFC", sample[:_LEAD]), unicodedata.normalize("NFC", sample[-_CLOSE:])
    return ends[0] + sample[_LEAD:-_CLOSE] + ends[1]


def _said(clean: str, text: str, asked: list[str], *, english: bool) -> dict[str, float]:
    """The kinds of words that an order is made of, in all languages of the tables."""
    said = frozenset(asked)
    kinds = words.english if english else words.every
    lead = text if len(text) <= _LEAD * 1.5 else f"{text[:_LEAD]} {text[-_CLOSE:]}"
    ends = "" if lead.isascii() else lead if len(lead) <= _ORDER else f"{text[:_ORDER]} {text[-_ORDER // 2 :]}"
    return {
        "explains": float(kinds.explain.among(said, lead)),
        "reasons": float(kinds.reason.among(said, lead)),
        "makes": float(kinds.make.among(said, ends)),
        "limits": min(kinds.limits.count(said), 4),
        "technical": min(kinds.technical.count(frozenset(_LATIN.findall(lead))) + bool(_NAME.search(clean[:_LEAD])), 5),
    }


def _around(view: PromptView) -> dict[str, float]:
    """What stands around the last turn."""
    return {
        "system": log2(1 + view.system_chars / 400),
        "context": log2(1 + view.context_chars / 1_000),
        "depth": min(view.depth - 1, 8) if view.depth else 0.0,
        "output": log2(1 + view.max_output / 1_000) if view.max_output else 0.0,
        "structured": float(view.structured),
        "media": float(view.media),
    }
