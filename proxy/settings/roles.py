"""Names that stand for backends: pools as written, roles as bound or as derived."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.providers import PROVIDERS
from proxy.backends import Backend
from proxy.settings.grammar import Document

CLAUDE_FAMILY = "anthropic"


def pools(document: Document) -> dict[str, tuple[str, ...]]:
    """pool -> its backends."""
    return {name: tuple(members) for name, members in document.pools.items()}


def roles(document: Document, backends: Mapping[str, Backend]) -> dict[str, tuple[str, ...]]:
    """role -> its backends: those that the file binds; ``local``, ``cloud`` and ``claude`` otherwise from what the
    backends are. Backends that need the caller's own bearer are in no derived role. An empty role is unbound."""
    derived = {
        "local": tuple(name for name, backend in backends.items() if backend.local),
        "cloud": tuple(name for name, backend in backends.items() if not (backend.local or backend.from_client)),
        "claude": tuple(name for name, b in backends.items() if _is_claude(b) and not b.from_client),
    }
    named = pools(document)
    bound = {role: named.get(target, (target,)) for role, target in document.roles.items()}
    return {role: members for role, members in {**derived, **bound}.items() if members}


def _is_claude(backend: Backend) -> bool:
    return PROVIDERS[backend.provider].family == CLAUDE_FAMILY
