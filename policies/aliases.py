"""Which model names a key may ask for: names, and patterns in which ``*`` is any text."""

from __future__ import annotations

from collections.abc import Iterable

from policies.rules.book import PIN
from policies.verdict import Denied

KEY = "key"
"""What stands as the policy of a decision that the key's own aliases have made."""
RULE = "aliases"
_ANY = "*"
_SHOWN = 20
"""Names that a refusal lists; a key with more of them is told how many."""


def allowed(aliases: tuple[str, ...] | None, name: str) -> bool:
    """``aliases``: a key's own; None: it may ask for everything. A pin (``backend/NAME``) is past the choice of
    aliases, so that only a pattern that speaks of pins (``backend/*``) allows it."""
    if aliases is None:
        return True
    pin = name.startswith(PIN)
    return any(fits(pattern, name) for pattern in aliases if pattern.startswith(PIN) is pin)


def fits(pattern: str, name: str) -> bool:
    """Is ``name`` what ``pattern`` says, with any text for each ``*``? One pass, however many there are."""
    first, *others = pattern.split(_ANY)
    if not others:
        return name == first
    last = others.pop()
    at, end = len(first), len(name) - len(last)
    if at > end or not (name.startswith(first) and name.endswith(last)):
        return False
    for part in others:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def answered(pattern: str, names: Iterable[str]) -> bool:
    """Can a key with this pattern ask for anything at all? ``names``: aliases, patterns among them, and pins."""
    if _ANY not in pattern:
        return any(fits(name, pattern) for name in names)
    pin = pattern.startswith(PIN)
    return any(name.startswith(PIN) is pin and (_ANY in name or fits(pattern, name)) for name in names)


def denied(aliases: tuple[str, ...], name: str) -> Denied:
    """The refusal, which names what this key may ask for and nobody else's aliases."""
    shown = ", ".join(aliases[:_SHOWN]) or "none"
    more = f" and {len(aliases) - _SHOWN} more" if len(aliases) > _SHOWN else ""
    text = f"This API key may not ask for the model '{name}': it may ask for {shown}{more}."
    return Denied(text, code="model_not_allowed", param="model")
