"""Numbers as a rule writes them: comparisons, ranges, shares of one."""

from __future__ import annotations

import re

from policies.rules.meaning import Span

_NUMBER = r"(-?\d+(?:\.\d+)?)\s*([kKM%]?)"
_COMPARE = re.compile(rf"(>=|<=|>|<|=)?\s*{_NUMBER}")
_RANGE = re.compile(rf"{_NUMBER}\s*-\s*{_NUMBER}")
_UNIT = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "%": 0.01}


def span(wanted: object) -> Span:
    """``>32000``, ``<=8k``, ``1k-8k`` (both ends included), ``80%``, ``>-0.5``, or a bare number for equality. Raises
    ValueError with the mend."""
    text = str(wanted).strip()
    found = _range(text) or _comparison(wanted, text)
    if found is None:
        raise ValueError(f"takes a comparison such as '>32000', '<=8k' or '1k-8k', not {wanted!r}")
    return found


def number(wanted: object) -> Span:
    """Anything but a share: tokens, turns, a logit. Raises ValueError with the mend."""
    if "%" in str(wanted):
        raise ValueError(f"is no share: write a plain number, such as '>32000' or '>-0.5', not {wanted!r}")
    return span(wanted)


def share(wanted: object) -> Span:
    """A share of one, so ``80`` alone is surely a slip for ``80%``. Raises ValueError with the mend."""
    if any(float(number) > 10 and unit != "%" for number, unit in re.findall(_NUMBER, str(wanted))):
        raise ValueError(f"is a share: write per cent, such as '>80%', not {wanted!r}")
    return span(wanted)


def _range(text: str) -> Span | None:
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    low, high = _scaled(found[1], found[2]), _scaled(found[3], found[4])
    if low > high:
        raise ValueError(f"the range {text!r} is empty: write the smaller number first")
    return Span(low, high)


def _comparison(wanted: object, text: str) -> Span | None:
    found = None if isinstance(wanted, bool) else _COMPARE.fullmatch(text)
    if found is None:
        return None
    bound = _scaled(found[2], found[3])
    match found[1]:
        case ">" | ">=":
            return Span(low=bound, low_in=found[1] == ">=")
        case "<" | "<=":
            return Span(high=bound, high_in=found[1] == "<=")
    return Span(bound, bound)


def _scaled(number: str, unit: str) -> float:
    """``k`` is 1,000; per cent are shares of one."""
    return round(float(number) * _UNIT[unit], 9)
