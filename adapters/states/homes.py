"""The dialects whose messages hold vendor state: whose it is, and the kind that a client of theirs gives back."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from adapters import ir
from adapters.providers import GEMINI, MESSAGES, RESPONSES


class Home(Struct, frozen=True):
    """``kind`` as in ir.VendorState."""

    family: ir.Family
    kind: str


HOMES: Mapping[str, Home] = {
    MESSAGES: Home("anthropic", "signature"),
    GEMINI: Home("google", "thought_signature"),
    RESPONSES: Home("openai", "encrypted_content"),
}
"""Chat is not among them: it has no field for state, so what its clients must bring back is kept for them."""


def family_at(upstream: ir.Upstream) -> ir.Family | None:
    """Whose state this upstream reads; None: nobody's."""
    home = HOMES.get(upstream.dialect)
    return home.family if home is not None else None
