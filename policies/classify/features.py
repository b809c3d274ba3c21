"""A prompt as numbers: what its shape and its words say, from at most 4 KB of it."""

from __future__ import annotations

import re
import unicodedata
from math import log2

from msgspec import Struct

from policies.classify import words
from policies.prompt import PromptView
from policies.text import estimate_tokens

HEAD = TAIL = 2_048
"""Characters looked at from either end of the last user turn."""

_MENTION = re.compile(r"@[\w.-]{1,64}")
_TOKEN = re.compile(r"[^\W\d_]\w*")
_LATIN = re.compile(r"[a-z]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_OPTION = re.compile(r"^[ \t]{0,8}(?:[-*•]|\(?[A-Ja-j0-9]{1,2}[.)])\s", re.MULTILINE)
_SYMBOLS = "{}<>[]()=;\\^_|&~`#$"
_QUESTION = re.compile(r"[?？؟;](?=\s|$)|[?？؟]")
_LEAD = 300
"""What is asked stands at the front of a prompt, or at its end."""


class Features(Struct, frozen=True):
    """``values`` by feature name; the rest is what the gate rules look at."""

    values: dict[str, float]
    text: str
    """The sample: folded to lower case, composed, without mentions."""
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
    sample = raw if len(raw) <= HEAD + TAIL else f"{raw[:HEAD]}\n{raw[-TAIL:]}"
    composed = sample if sample.isascii() else unicodedata.normalize("NFC", sample)
    text = (_MENTION.sub(" ", composed) if "@" in composed else composed).lower().strip()
    asked = _TOKEN.findall(text[:_LEAD]) + (_TOKEN.findall(text[-_LEAD // 2 :]) if len(text) > _LEAD else [])
    said = frozenset(asked)
    lead = text if len(text) <= _LEAD * 1.5 else f"{text[:_LEAD]} {text[-_LEAD // 2 :]}"
    tokens = estimate_tokens(raw)
    numbers = len(set(_NUMBER.findall(text)))
    questions = len(_QUESTION.findall(text))
    values = {
        "length": log2(1 + tokens / 12),
        "numbers": min(numbers, 8),
        "questions": min(max(questions - 1, 0), 4),
        "explains": float(words.explain.among(said)),
        "reasons": float(words.reason.among(said, lead)),
        "makes": float(words.make.among(said, "" if lead.isascii() else lead)),
        **_shape(text),
        **_around(view),
    }
    return Features(values, text, asked, re.split(r"[:：\n]", text, maxsplit=1)[0], tokens, numbers, questions > 0)


def _shape(text: str) -> dict[str, float]:
    """What does not depend on the language, and the few words that most languages share."""
    return {
        "lines": log2(1 + text.count("\n")),
        "code": float("```" in text),
        "symbols": min(sum(map(text.count, _SYMBOLS)) / max(len(text), 20), 0.25) * 4,
        "options": min(len(_OPTION.findall(text)), 6),
        "limits": min(words.limits.count(frozenset(_TOKEN.findall(text))), 4),
        "technical": min(words.technical.count(frozenset(_LATIN.findall(text))), 5),
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
