"""Fetches what a client's request points at, for backends that do not: bounded, and never into our own network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters import ir
from proxy.call import Rejected
from proxy.settings.grammar import MediaRules


class MediaFetcher:
    """One per house."""

    async def fetch(self, needs: Sequence[ir.Need], rules: MediaRules) -> Mapping[ir.Need, ir.Media]:
        """Everything that is needed, at the same time. Raises Rejected (400) that names the address's fault."""
        raise Rejected(ir.Failure("invalid", 400, "Turnout fetches no links here: send a data: URL."))

    async def close(self) -> None:
        """Let go of connections."""
