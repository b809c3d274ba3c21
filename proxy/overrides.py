"""The overrides that one worker knows: those of the store as it last heard of them, resolved against its snapshot.

The store is asked twice a second whether anything has changed. While it cannot be asked, what is known goes on, and
ends in time.
"""

from __future__ import annotations

import asyncio
import math
import time
from secrets import token_hex
from typing import TYPE_CHECKING

from msgspec import Struct

from adapters import ir
from policies.overrides import DRAIN, EVERY, POLICY, Override, Overrides, iso
from proxy.state.overrides import OverrideStore, Stored
from proxy.state.store import StoreFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.snapshot import Backend, Snapshot
    from proxy.telemetry.observer import Telemetry


class Listed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One override as it is shown. Times are ISO 8601, UTC."""

    id: str
    override: str
    """``policy auto=local_only``, ``drain claude``."""
    until: str | None
    """None: until somebody clears it."""
    created: str
    by: str
    reason: str | None = None
    ignored: str | None = None
    """Why it is without effect now."""


class Board:
    """See the module. Of all workers that follow one log, one ``speaks``."""

    def __init__(self, store: OverrideStore, telemetry: Telemetry, *, speaks: bool) -> None:
        self.store = store
        self.away: str | None = None
        """Why the store cannot be asked now."""
        self._telemetry = telemetry
        self._speaks = speaks
        self._snapshot: Snapshot | None = None
        self._stored = Stored()
        self._standing: dict[str, Override] = {}
        """By id: those that have not expired."""
        self._ignored: dict[str, str] = {}
        """Id -> why it is without effect."""
        self._seen: set[str] = set()
        """Ids of all that were ever heard of: one that a store knows again was cleared, and stays so."""
        self._begun = False
        """The store was heard: what comes is new."""
        self._turn = asyncio.Lock()
        self._now: Overrides | None = None
        self._ends = math.inf

    @property
    def now(self) -> Overrides | None:
        """What is in force; None: nothing, which costs a call nothing."""
        if self._now is not None and time.time() >= self._ends:
            self._settle()
        return self._now

    def adopt(self, snapshot: Snapshot) -> None:
        """Follow this configuration, which may not know what an override speaks of."""
        self._snapshot = snapshot
        self._settle()

    def listed(self) -> list[Listed]:
        """Every one that has not expired, in the order in which they were made."""
        return listed(self._standing.values(), self._ignored)

    @property
    def generation(self) -> int:
        """Of the overrides, as last heard of."""
        return self._stored.generation

    def refuses(self, backend: Backend) -> ir.Failure | None:
        """Why no attempt may begin here any more, although the call's plan, made before, names it."""
        why = self._now.why(backend.name) if self._now is not None else None
        return None if why is None else ir.Failure("shed", 503, why, "server_error", "backend_drained")

    async def refresh(self) -> None:
        """Hear of what has changed in the store. A store that cannot be asked is told to the operator, once."""
        async with self._turn:
            found = await self._heard()
            if found is not None:
                self._stored = found
                self._seen.update(each.id for each in found.overrides)
            if found is not None or self._moved():
                self._settle()
            self._begun = self._begun or self.away is None

    async def _heard(self) -> Stored | None:
        try:
            found = await self.store.news(self._stored.mark)
            if found is not None and found.generation <= self._stored.generation:
                found = await self._restored(found)
        except StoreFailed as error:
            if self.away is None:
                self._telemetry.overrides_away(str(error))
            self.away = str(error)
            return None
        if self.away is not None:
            self.away = None
            self._telemetry.overrides_back()
        return found

    def _moved(self) -> bool:
        """Has the clock gone past an end, or, set right, back before one?"""
        now = time.time()
        return [each.id for each in self._stored.overrides if each.stands(now)] != [*self._standing]

    async def _restored(self, found: Stored) -> Stored | None:
        """A store that was emptied, or went back to an earlier state, has lost what we know, and brings back nothing
        that we know to be cleared; what it has beside that was made since."""
        new = tuple(each for each in found.overrides if each.id not in self._seen)
        whole = Stored(
            generation=self._stored.generation + 1, mark=token_hex(8), overrides=(*self._stored.overrides, *new)
        )
        if not await self.store.swap(whole, found.mark):
            return await self.store.news(self._stored.mark)
        self._telemetry.overrides_restored(len(self._stored.overrides))
        return whole

    def _settle(self) -> None:
        """What is in force from now on."""
        snapshot = self._snapshot
        if snapshot is None:
            return
        now, before = time.time(), self._standing
        self._standing = {each.id: each for each in self._stored.overrides if each.stands(now)}
        self._ends = min((each.until for each in self._standing.values() if each.until is not None), default=math.inf)
        whys = {id_: why for id_, each in self._standing.items() if (why := idle(each, snapshot)) is not None}
        if self._speaks:
            self._tell(before, now, whys)
        self._ignored = whys
        self._now = in_force(self._stored.generation, self._standing.values(), snapshot)
        kinds = [each.kind for each in self._standing.values()]
        self._telemetry.overridden(self._stored.generation, {kind: kinds.count(kind) for kind in (POLICY, DRAIN)})

    def _tell(self, before: dict[str, Override], now: float, whys: dict[str, str]) -> None:
        """What has come and gone, once each."""
        for id_, each in self._standing.items():
            if id_ not in before:
                self._telemetry.override_on(each, "set" if self._begun else "stands")
        for id_, each in before.items():
            if id_ not in self._standing:
                self._telemetry.override_off(each, "cleared" if each.stands(now) else "expired")
        for id_, why in whys.items():
            if self._ignored.get(id_) != why:
                self._telemetry.override_ignored(self._standing[id_], why)


def in_force(generation: int, standing: Iterable[Override], snapshot: Snapshot) -> Overrides | None:
    """Those of ``standing`` that this configuration knows; None: there is none."""
    known = [each for each in standing if idle(each, snapshot) is None]
    if not known:
        return None
    policies = {each.name: each for each in known if each.kind == POLICY}
    drained = {each.name: each for each in known if each.kind == DRAIN}
    return Overrides(generation, policies, drained)


def idle(override: Override, snapshot: Snapshot) -> str | None:
    """Why this configuration has no use for it, or None."""
    if override.kind == DRAIN:
        return None if override.name in snapshot.backends else f"there is no backend '{override.name}'"
    if override.kind != POLICY:
        return "a newer Turnout has made it"
    if override.name != EVERY and snapshot.route(override.name) is None:
        return f"there is no alias '{override.name}'"
    policy = snapshot.book.policies.get(override.policy or "")
    if policy is None:
        return f"there is no policy '{override.policy}'"
    return None if policy.broken is None else f"policy {override.policy} cannot be used: {policy.broken}"


def listed(overrides: Iterable[Override], ignored: dict[str, str]) -> list[Listed]:
    """As they are shown, the oldest first. ``ignored``: id -> why."""
    return [
        Listed(
            id=each.id,
            override=each.told,
            until=None if each.until is None else iso(each.until),
            created=iso(each.created),
            by=each.by,
            reason=each.reason,
            ignored=ignored.get(each.id),
        )
        for each in sorted(overrides, key=lambda each: each.created)
    ]
