"""What the ledger knows of the past: what a budget's window has cost so far, and how long an alias's answers were."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from contextlib import closing
from typing import Protocol

from policies.limits import windows
from policies.limits.limit import Limit

_PIECES = 12
"""Parts in which the cost of a rolling window is looked up: each counts until the last of it is over."""


class Past(Protocol):
    """What is asked of a ``proxy.ledger.book.Book``. Raises LedgerError."""

    def spent(self, *, since: int, team: str | None = None, key: str | None = None, local: Collection[str] = ()) -> int:
        """Nano-dollars since ``since`` (milliseconds since 1970); those of the backends ``local`` are left out."""
        ...

    def outputs(self, alias: str, most: int) -> list[int]:
        """The output tokens of the newest answers under this alias."""
        ...

    def close(self) -> None: ...


Open = Callable[[], Past]
"""Opens the book for a look; called by threads."""


def spent_in(book: Open, limit: Limit, local: Collection[str], now: float) -> dict[int, int]:
    """Slot -> nano-dollars in it, of all that counts at ``now`` (seconds since 1970). May take seconds."""
    here = windows.slot(limit.window, now)
    terms = limit.budget
    left_out = local if terms is not None and terms.counts == "cloud" else ()
    whose = {"team": limit.name} if limit.scope == "team" else {"key": limit.name}
    size = here.end - here.start
    step = here.end - here.oldest if limit.window.span != "rolling" else math.ceil(limit.window.seconds / _PIECES)
    edges = list(range(here.oldest, here.end, max(step // size, 1) * size))
    with closing(book()) as opened:
        since = [opened.spent(since=edge * 1000, local=left_out, **whose) for edge in edges]
    # What was spent between two edges counts as if it had been at the end of that time: for a while too long.
    ends = [*(edge - size for edge in edges[1:]), here.start]
    after = [*since[1:], 0]
    return {end: whole - rest for end, whole, rest in zip(ends, since, after, strict=True)}
