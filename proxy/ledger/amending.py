"""Counts of reasoning that came after their row was written: they wait here until a thread puts them into it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

_MOST = 10_000
"""Counts that wait; the oldest goes first."""
_ROUNDS = 60
"""How often a row is looked for: it may come later than its count, and still wait in the spool."""


class Amendment(Struct, frozen=True):
    """The reasoning tokens of one attempt, counted."""

    request_id: str
    attempt: int
    reasoning_tokens: int
    rounds: int = 0


class Amendments:
    """``put`` is called by the loop, ``settle`` by a thread."""

    def __init__(self) -> None:
        self._waiting: deque[Amendment] = deque(maxlen=_MOST)

    def put(self, request_id: str, attempt: int, reasoning_tokens: int) -> None:
        """Never waits."""
        self._waiting.append(Amendment(request_id, attempt, reasoning_tokens))

    def settle(self, write: Callable[[Amendment], bool]) -> None:
        """Have each written; ``write`` says whether its row was found. What it raises is raised, and nothing lost."""
        for _ in range(len(self._waiting)):
            amendment = self._waiting[0]
            found = write(amendment)
            self._waiting.popleft()
            if not found and amendment.rounds < _ROUNDS:
                self._waiting.append(replace(amendment, rounds=amendment.rounds + 1))
