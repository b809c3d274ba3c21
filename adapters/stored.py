"""What stands for content that a vendor keeps: a request without it would mean something else."""

from __future__ import annotations

from collections.abc import Mapping

from adapters import ir

_FIELDS = frozenset({"conversation", "previous_response_id", "prompt"})
_RUN_BY: Mapping[ir.Family, frozenset[str]] = {"anthropic": frozenset({"container", "mcp_servers"})}
"""Fields of a vendor that stand for work on its own servers."""
_WHY = "it stands for content that was stored elsewhere: send the whole input"


def named(name: str, why: str, request: ir.Request) -> ir.Named:
    """An unknown top-level field that is left out, and ``why``; but nothing can take the place of stored content."""
    if request.family == "openai" and name in _FIELDS:
        return ir.Named(name, _WHY, "contract")
    if name in _RUN_BY.get(request.family, ()):
        return ir.Named(name, f"only {request.family} runs it, on its own servers", "contract")
    return ir.Named(name, why, "unknown")


def why(wire_type: str, otherwise: str) -> str:
    """Why a part of the conversation cannot be said: the mend where it only points at a stored item."""
    return f'{_WHY}, as clients do with "store": false' if wire_type == "item_reference" else otherwise
