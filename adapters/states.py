"""What only a vendor can read (signatures, encrypted reasoning) on its way through clients that are not the vendor's.

Three carriers (decision D7): sealed into a field that the client gives back (``seal``), kept by tool call for clients
that have no such field (``Keeper``), or in a vendor's own field that the client sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec
from msgspec import Struct

from adapters import ir

Unseal: TypeAlias = Callable[[str], bytes | None]
"""A sealed text -> what was sealed; None when it was not sealed by us, for this tenant."""


class Kept(Struct, frozen=True):
    """The state of one turn that called tools, under the id of each of its calls."""

    family: ir.Family
    model: str
    """The upstream's model: state is bound to it."""
    reasoning: tuple[ir.Reasoning, ...] = ()
    """What came before the first call, in order, with its state."""
    call: ir.VendorState | None = None
    """The state of this very call."""


class Keeper:
    """Overhears an answer and gathers what must be kept of it."""

    def __init__(self, upstream: ir.Upstream) -> None:
        self._upstream = upstream

    def __call__(self, event: ir.Event) -> Iterable[ir.Event]:
        """One event of the answer, as the upstream told it; it passes unchanged."""
        return (event,)

    def kept(self) -> Mapping[str, bytes]:
        """Tool call id -> encoded ``Kept``; empty when the answer had no state or no calls."""
        return {}


def wanted(request: ir.Request, upstream: ir.Upstream) -> Sequence[str]:
    """The ids of the calls whose state this upstream must get back and the request does not carry."""
    return ()


def give_back(
    request: ir.Request, upstream: ir.Upstream, kept: Mapping[str, bytes], unseal: Unseal
) -> tuple[ir.Request, tuple[ir.Removed, ...]]:
    """The request with every state of this upstream where its vendor expects it, and without everybody else's."""
    return request, ()


def seal(close: Callable[[bytes], str]) -> Callable[[ir.VendorState], str]:
    """What an ``ir.Echo`` carries: a state -> the text that travels through the client."""
    return lambda state: close(msgspec.json.encode(state))
