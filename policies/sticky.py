"""Keeps a thread at the backend that answered it: while a tool call is open, or while a move would cost more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from policies.verdict import Arranged, Target

if TYPE_CHECKING:
    from policies.facts import Facts
    from policies.moment import Moment

Sticky: TypeAlias = Literal["never", "tool_loop", "conversation"]


class Home(Struct, frozen=True, kw_only=True):
    """Where a thread was answered last."""

    backend: str
    age: float
    """Seconds since then."""
    cached_tokens: int | None = None
    """Tokens of the prompt that its cache held or was given then; None: unknown."""


def stays(targets: Sequence[Target], facts: Facts, moment: Moment, mode: Sticky) -> Arranged:
    """The targets in the order in which they are to be tried, the thread's home first where it is to stay."""
    return Arranged(tuple(targets))
