"""Roles, pools and backends: one word in, the backends that it stands for out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from policies.verdict import Target

Expansion: TypeAlias = Callable[[str], tuple[str, ...] | None]

ROLES = ("local", "cloud", "claude")
"""The words of the library policies; a role that nothing is bound to is known, and empty."""

_MENDS = {
    "local": "mark a backend `local: true`, or bind it with `roles: {local: NAME}`",
    "cloud": "add a backend of a cloud provider, or bind it with `roles: {cloud: NAME}`",
    "claude": "add a backend with `provider: anthropic`, or bind it with `roles: {claude: NAME}`",
}


class Names:
    """What the words under ``use`` mean. A role outranks a pool, a pool a backend; a backend comes once."""

    def __init__(
        self,
        roles: Mapping[str, Sequence[str]],
        pools: Mapping[str, Sequence[str]],
        targets: Mapping[str, Target],
    ) -> None:
        self.targets = targets
        self.roles = {role: tuple(roles.get(role, ())) for role in (*ROLES, *roles)}
        self.pools = pools
        self.known = frozenset((*self.roles, *pools, *targets))

    def expand(self, word: str) -> tuple[str, ...] | None:
        """The backends of a role, pool or backend, in order; None when there is no such word."""
        if word not in self.known:
            return None
        members = self.roles.get(word)
        return self._pool(word) if members is None else self._all(members, self._pool)

    def backends(self, words: Sequence[str]) -> tuple[str, ...]:
        """The backends of several words, in order, without repeats; unknown words stand for none."""
        return self._all(words, self.expand)

    def unbound(self, word: str) -> str:
        """Why a known word stands for no backend, and the mend."""
        what = f"role {word!r} is not bound to any backend" if word in self.roles else f"pool {word!r} is empty"
        return f"{what}: {_MENDS.get(word, f'name at least one backend in {word!r}')}"

    def ambiguous(self, word: str) -> bool:
        """Is this word a role and also a pool or backend with other members?"""
        twice = word in self.roles and (word in self.pools or word in self.targets)
        return twice and self._pool(word) != self.expand(word)

    def _pool(self, word: str, seen: frozenset[str] = frozenset()) -> tuple[str, ...]:
        if word in self.pools and word not in seen:
            return self._all(self.pools[word], lambda member: self._pool(member, seen | {word}))
        return (word,) if word in self.targets else ()

    def _all(self, words: Sequence[str], expand: Expansion) -> tuple[str, ...]:
        return tuple(dict.fromkeys(backend for word in words for backend in expand(word) or ()))
