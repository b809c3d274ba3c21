"""The shape of a prompt as numbers: what hardly depends on its language, counted in a few passes of C."""

from __future__ import annotations

import re
from itertools import pairwise
from math import log2

from msgspec import Struct

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_OPTION = re.compile(r"^[ \t]{0,8}\(?[A-Ja-j][.)][ \t]+(.*)$", re.MULTILINE)
_POINT = re.compile(r"^[ \t]{0,8}(?:[-*•]|\(?\d{1,2}[.)])[ \t]", re.MULTILINE)
_NUMERIC = re.compile(r"\W{0,4}\d")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_PAIRS = 1_000
"""Pairs of characters looked at for what comes again in a text without spaces."""

_PLAIN = (
    ("？", "?"), ("؟", "?"), ("，", ","), ("、", ","), ("،", ","), ("。", ". "), ("।", ". "), ("：", ":"), ("（", "("),
    ("）", ")"), ("％", "%"), ("“", '"'), ("”", '"'), ("„", '"'), ("«", '"'), ("»", '"'), ("「", '"'), ("−", "-"),
    ("×", "*"), ("÷", "/"),
)  # fmt: skip
"""Punctuation of other scripts beside the sign of ASCII that does its work."""

_DENSE = bytes(range(0xE2, 0xF0))
"""Lead bytes of scripts in which a character says what 2.5 Latin letters say."""

OPEN = ("size", "digits", "numbers", "sentences", "commas", "repeats")
"""Features that weigh otherwise where nothing is listed to choose from."""

_NO_OPTIONS = {"options": 0.0, "option_size": 0.0, "option_numbers": 0.0}


class Shape(Struct, frozen=True):
    """``values`` by feature name, each of them 0 where there is nothing to count."""

    values: dict[str, float]
    numbers: int
    """Different numbers."""
    questions: int
    listed: bool
    """Are there answers to choose from, marked by letters?"""


def measure(text: str, lower: str, scale: float) -> Shape:
    """The shape of a sample; ``scale`` is how many times longer the whole text is than the sample."""
    plain = text
    if not text.isascii():
        for sign, same in _PLAIN:
            plain = plain.replace(sign, same)
    data = plain.encode("utf-8", "surrogatepass")
    size = len(plain) + 1.5 * _count(data, _DENSE)
    broken = "\n" in plain
    options = _OPTION.findall(plain) if broken else []
    listed = len(options) > 1
    numbers = _NUMBER.findall(plain)
    different = len(set(numbers))
    values = {
        "size": min(log2(1 + size * scale / 50), 8.0),
        "repeats": _repeats(lower),
        **_figures(numbers, different, size),
        **_signs(data, size),
        **_build(plain[: plain.find(options[0])] if listed else plain),
        **(_list(options) if listed else _NO_OPTIONS),
        "points": log2(1 + len(_POINT.findall(plain))) if broken else 0.0,
    }
    for name in OPEN:
        values["open_" + name] = 0.0 if listed else values[name]
    return Shape(values, different, data.count(b"?"), listed)


def _repeats(lower: str) -> float:
    """How often a word comes again, on average, as a logarithm; pairs of characters where words are not parted."""
    if not lower.isascii() and _UNSPACED.search(lower) is not None:
        lower = lower[:_PAIRS]
        pairs = set(pairwise(lower))
        return log2((len(lower) - 1) / len(pairs)) if pairs else 0.0
    words = lower.split()
    return log2(len(words) / len(set(words))) if words else 0.0


def _count(data: bytes, signs: bytes) -> int:
    return len(data) - len(data.translate(None, signs))


def _figures(numbers: list[str], different: int, size: float) -> dict[str, float]:
    return {
        "numbers": log2(1 + len(numbers)),
        "distinct": log2(1 + different),
        "digits": min(sum(map(len, numbers)) / (size + 20), 0.4) * 10,
        "decimals": log2(1 + sum("." in number or "," in number for number in numbers)),
        "big": log2(1 + sum(len(number) >= 4 for number in numbers)),
    }


def _signs(data: bytes, size: float) -> dict[str, float]:
    operators = _count(data, b"=+*/^<>")
    return {
        "operators": log2(1 + operators),
        "formula": min(operators / (size + 20), 0.1) * 20,
        "markup": log2(1 + _count(data, b"\\_{}")),
        "brackets": log2(1 + _count(data, b"([")),
        "quotes": log2(1 + data.count(b'"')),
        "percent": min(log2(1 + data.count(b"%")), 2.0),
        "questions": float(min(data.count(b"?"), 4)),
    }


def _build(stem: str) -> dict[str, float]:
    """How the text before the options is built."""
    return {
        "sentences": log2(1 + sum(map(stem.count, (". ", "? ", "! ", ".\n", "?\n", ":\n")))),
        "commas": log2(1 + stem.count(",")),
        "lines": log2(1 + stem.strip().count("\n")),
        "indented": log2(1 + stem.count("\n  ") + stem.count("\n\t")),
        "code": float("```" in stem or "):\n" in stem or "();" in stem),
    }


def _list(options: list[str]) -> dict[str, float]:
    return {
        "options": log2(1 + len(options)),
        "option_size": log2(1 + sum(map(len, options)) / len(options) / 8),
        "option_numbers": sum(_NUMERIC.match(option) is not None for option in options) / len(options),
    }
