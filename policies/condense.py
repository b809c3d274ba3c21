"""Whether old turns are worth shortening before a dear model reads them, and which."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from policies.grammar import Path, Problem
from policies.names import Names
from policies.verdict import Target


class Condensing(Struct, frozen=True, kw_only=True):
    """``condense: local`` or ``condense: {by: local, …}``: who shortens."""

    by: tuple[Target, ...]


def read_condense(value: Any, path: Path, names: Names) -> tuple[Condensing | None, list[Problem]]:
    """The rule's words, or what is wrong with them."""
    if not isinstance(value, str) or not names.backends([value]):
        return None, [(path, f"takes a backend, pool or role such as `local`, not {value!r}")]
    return Condensing(by=tuple(names.targets[name] for name in names.backends([value]))), []
