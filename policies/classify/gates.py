"""Rules that decide before any score: what is surely easy, and what surely is not."""

from __future__ import annotations

import re

from policies.classify import words
from policies.classify.features import Features

_ARITHMETIC = re.compile(r"\d{1,4}\s*[-+*/x×÷]\s*\d{1,4}")
_SHORT = 30
"""Estimated tokens up to which a plain question may be taken for one fact."""
_LONG = 2_000
"""Estimated tokens from which even a summary is no longer easy."""


def gate(seen: Features) -> tuple[str, str] | None:
    """(class, reason code) when a rule decides, else None. Shortness alone never means simple."""
    if _greeting(seen):
        return "simple", "greeting"
    if seen.values["makes"]:
        return "complex", "action_verb"
    if seen.values["reasons"]:
        return "complex", "reasoning"
    if _rewrite(seen):
        return "simple", "rewrite"
    if seen.tokens <= _SHORT and _plain(seen):
        return _short(seen)
    return None


def _greeting(seen: Features) -> bool:
    """Nothing but words of greeting, thanks, yes and no."""
    said = re.findall(r"[^\s!.,?…~¡¿！。，？、]+", seen.text[:120])
    return 0 < len(said) <= 8 and len(seen.text) <= 120 and all(word in words.every.greet.words for word in said)


def _rewrite(seen: Features) -> bool:
    """Summarise or translate what is given: the instruction is short, and so is the text that follows it."""
    if seen.tokens > _LONG or len(seen.opening) > 48:
        return False
    pieces = "" if seen.opening.isascii() else seen.opening
    return words.every.rewrite.among(frozenset(re.findall(r"[^\s,.!?]+", seen.opening)), pieces)


def _plain(seen: Features) -> bool:
    """No code, no options, no constraints, nothing to explain."""
    values = seen.values
    return not any(values[name] for name in ("code", "options", "points", "limits", "explains", "lines"))


def _formal(seen: Features) -> bool:
    """Is it, in part, a formula or code?"""
    return any(seen.values[name] for name in ("operators", "markup", "brackets"))


def _short(seen: Features) -> tuple[str, str] | None:
    if seen.numbers <= 2 and _ARITHMETIC.search(seen.text) is not None and seen.values["technical"] == 0:
        return "simple", "arithmetic"
    asks = words.every.ask.among(frozenset(seen.asked[:3]), seen.text)
    if asks and seen.numbers <= 1 and not _formal(seen) and seen.values["technical"] <= 1:
        return "simple", "one_fact"
    if seen.values["technical"] and not seen.question and not asks:
        return "complex", "technical_order"
    return None
