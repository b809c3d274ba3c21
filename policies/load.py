"""How busy a backend is, and whether its next answer would begin too late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from policies.verdict import Arranged, Target


class Load(Struct, frozen=True, kw_only=True):
    """One backend, now. ``share``: of what it can do at once, 1 = full; ``start``: predicted seconds to the first token
    of a call sent now. None: not measured."""

    share: float | None = None
    start: float | None = None
    spilling: bool = False
    """Calls are being sent elsewhere until it has recovered (hysteresis)."""


def spilled(
    targets: Sequence[Target], load: Mapping[str, Load], *, ttft_target: float | None, restricted: bool
) -> Arranged:
    """The targets with those behind whose answer would begin later than ``ttft_target`` seconds."""
    return Arranged(tuple(targets))
