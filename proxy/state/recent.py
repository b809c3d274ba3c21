"""What one worker has lately told the store about tool calls: told once more to a store that was away, or forgot it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence

MOST = 20_000
"""Tool calls; those that were told first are forgotten first."""
MOST_BYTES = 4 * 1024 * 1024
"""Of all their state together."""


class Recent:
    """By tenant and tool call id: vendor state, and the classes of data."""

    def __init__(self) -> None:
        self._states: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._marks: OrderedDict[tuple[str, str], frozenset[str]] = OrderedDict()
        self._size = 0

    def keep(self, tenant: str, states: Mapping[str, bytes]) -> None:
        for id_, state in states.items():
            self._size += len(state) - len(self._states.pop((tenant, id_), b""))
            self._states[tenant, id_] = state
        while len(self._states) > MOST or self._size > MOST_BYTES:
            self._size -= len(self._states.popitem(last=False)[1])

    def mark(self, tenant: str, ids: Collection[str], data_class: Collection[str]) -> None:
        for id_ in ids:
            self._marks[tenant, id_] = self._marks.pop((tenant, id_), frozenset()).union(data_class)
        while len(self._marks) > MOST:
            self._marks.popitem(last=False)

    @property
    def has_marks(self) -> bool:
        return bool(self._marks)

    def states(self, tenant: str, ids: Sequence[str]) -> dict[str, bytes]:
        """What is known of these tool calls."""
        return {id_: self._states[tenant, id_] for id_ in ids if (tenant, id_) in self._states}

    def marks(self, tenant: str, ids: Sequence[str]) -> frozenset[str]:
        """All classes of these tool calls."""
        return frozenset().union(*(self._marks.get((tenant, id_), ()) for id_ in ids))

    def all_states(self) -> dict[str, dict[str, bytes]]:
        """By tenant."""
        found: dict[str, dict[str, bytes]] = {}
        for (tenant, id_), state in self._states.items():
            found.setdefault(tenant, {})[id_] = state
        return found

    def all_marks(self) -> dict[tuple[str, frozenset[str]], list[str]]:
        """By tenant and classes: the tool calls that have just these."""
        found: dict[tuple[str, frozenset[str]], list[str]] = {}
        for (tenant, id_), classes in self._marks.items():
            found.setdefault((tenant, classes), []).append(id_)
        return found
