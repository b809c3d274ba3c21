"""Top-level fields of another API that one backend is not told: left out by name, or part of what was asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec

from adapters import ir, stored

_OPENAIS = frozenset(
    {
        "access_programs",
        "context_management",
        "image",
        "max_tool_calls",
        "moderation",
        "web_search_options",
    }
)
"""What OpenAI alone does for a request, with another answer in the end (protocol.md 3.1)."""
_ONLY = "only OpenAI does this: leave it out, or name a model of OpenAI's"
_USUAL: Mapping[str, bytes] = {"background": b"false", "metadata": b"{}", "truncation": b'"disabled"'}
"""Values that ask for what is done anyway."""
_NOTHING = (b"null", b"[]")


def fields(request: ir.Request, why: str, kept: Collection[str] = ()) -> Iterator[ir.Named]:
    """The extras of ``request`` that are not ``kept``, each with ``why``, but for those that ask for nothing."""
    for name, raw in request.extras.items():
        if name not in kept and _asks(name, raw):
            yield _named(name, why, request)


def _asks(name: str, raw: msgspec.Raw) -> bool:
    told = bytes(raw)
    return told not in _NOTHING and told != _USUAL.get(name)


def _named(name: str, why: str, request: ir.Request) -> ir.Named:
    if request.family == "openai" and name in _OPENAIS:
        return ir.Named(name, _ONLY, "contract")
    return stored.named(name, why, request)
