"""What only a vendor can read (signatures, encrypted reasoning) on its way through clients that are not the vendor's.

Three carriers (decision D7): sealed into a field that the client gives back (``Carrier``), kept by tool call for
clients that have no such field (``Keeper``), or in a vendor's own field that the client sent. One rule for all: state
that has passed through us belongs to one family and to one model, the one that was *asked of the upstream*
(``ir.Upstream.model``); any other upstream goes without. State that a client sent in its vendor's own form names no
model, and is its vendor's to judge.
"""

from __future__ import annotations

from adapters.states.carrier import Carrier, carrier
from adapters.states.envelope import PREFIX, Seal, Unseal, classes, is_carried_in
from adapters.states.giving import give_back, named, wanted
from adapters.states.keeper import Keeper, Kept, keeper

__all__ = [
    "PREFIX",
    "Carrier",
    "Keeper",
    "Kept",
    "Seal",
    "Unseal",
    "carrier",
    "classes",
    "give_back",
    "is_carried_in",
    "keeper",
    "named",
    "wanted",
]
