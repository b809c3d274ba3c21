"""In which order the targets of a rule are tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from policies.grammar import Order
from policies.verdict import Arranged, Target

if TYPE_CHECKING:
    from policies.facts import Facts
    from policies.moment import Moment


def arranged(
    targets: Sequence[Target], order: Order, weights: Mapping[str, float], facts: Facts, moment: Moment
) -> Arranged:
    """Those that are able, as ``order`` wants them."""
    return Arranged(tuple(targets))
