"""The seam to a backend: what goes out, what comes back, and the one way in which it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from msgspec import Struct

from adapters import ir


class Cargo(Struct, frozen=True):
    """What a request carries, and whom to: ``upstream.egress`` judges by nothing else."""

    to: str
    """How an error names the receiver."""
    local: bool
    """It is marked ``local: true``."""
    restricted: bool
    """A client's data is in it that may only meet local backends."""


OURS = Cargo("a server", local=False, restricted=False)
"""Nothing of any client's is in it: our own questions after health, load and models."""


class Outgoing(Struct, frozen=True):
    """One HTTP request to a backend, host and secret included. Its repr shows neither headers nor body."""

    url: str
    headers: list[tuple[str, str]]
    body: bytes
    connect_timeout: float
    cargo: Cargo
    proxy: str | None = None
    method: str = "POST"

    def __repr__(self) -> str:
        return f"Outgoing({self.method!r}, {self.url!r}, {len(self.body)} bytes)"


class Answer(Protocol):
    """A backend's answer, its head read and its body still on the line. ``close`` is safe to call twice."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises UpstreamFailed."""
        ...

    async def close(self) -> None: ...


class Engine(Protocol):
    """Sends requests. Implementations keep the pools; credentials never live in them (D12)."""

    async def send(self, outgoing: Outgoing) -> Answer:
        """Raises UpstreamFailed."""
        ...

    async def close(self) -> None: ...


class UpstreamFailed(Exception):  # noqa: N818 - named for what the road does with it
    """The backend could not be reached, or the line broke. Foreign exceptions stop here."""

    def __init__(self, failure: ir.Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
