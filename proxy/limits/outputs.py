"""How long answers are, alias by alias: what nineteen of twenty stay within is reserved for the next one."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable

MOST = 1000
"""Answers of one alias that are remembered."""
_ALIASES = 200
"""Aliases; those of which nobody has heard for longest are forgotten (a pattern takes any name)."""
_STEP = 32
"""Answers after which the figure is worked out anew."""
_SHARE = 0.95


class Outputs:
    """The memory of one worker."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Answers] = OrderedDict()

    def note(self, alias: str, tokens: int) -> None:
        """One more answer had so many tokens."""
        found = self._kept.get(alias)
        if found is None:
            found = self._kept[alias] = _Answers()
            if len(self._kept) > _ALIASES:
                self._kept.popitem(last=False)
        found.add(tokens)

    def usual(self, alias: str) -> int | None:
        """Tokens that 95 of 100 of its last answers stayed within; None: there were none."""
        found = self._kept.get(alias)
        return None if found is None else found.most()

    def lacks(self, alias: str) -> bool:
        """Has the ledger not been asked for this alias? True once."""
        found = self._kept.setdefault(alias, _Answers())
        self._kept.move_to_end(alias)
        asked, found.asked = found.asked, True
        return not asked

    def seed(self, alias: str, tokens: Iterable[int]) -> None:
        """What the ledger knew, the oldest first; what was noted meanwhile is newer."""
        found = self._kept.setdefault(alias, _Answers())
        newer = [*found.tokens]
        found.tokens.clear()
        found.tokens.extend([*tokens, *newer])
        found.stale = True


class _Answers:
    __slots__ = ("asked", "stale", "tokens", "told", "unseen")

    def __init__(self) -> None:
        self.tokens: deque[int] = deque(maxlen=MOST)
        self.asked = False
        self.stale = True
        self.unseen = 0
        self.told: int | None = None

    def add(self, tokens: int) -> None:
        self.tokens.append(tokens)
        self.unseen += 1
        if self.unseen >= _STEP or len(self.tokens) < _STEP:
            self.stale = True

    def most(self) -> int | None:
        if self.stale and self.tokens:
            ordered = sorted(self.tokens)
            self.told = ordered[min(int(len(ordered) * _SHARE), len(ordered) - 1)]
            self.stale, self.unseen = False, 0
        return self.told
