"""The keys that one worker knows: the file's, and those of the store as it last heard of them.

The store is asked twice a second whether anything has changed, which is one small read; and at once, but not often,
where a key that may have been made a moment ago is unknown. While it cannot be asked, what is known goes on.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from policies.verdict import Caller
from proxy import keys, minting
from proxy.callers import caller_of
from proxy.keys import Refusal
from proxy.settings.grammar import Team
from proxy.state.keys import Entry, KeyStore, News
from proxy.state.store import StoreFailed

if TYPE_CHECKING:
    from proxy.snapshot import Snapshot
    from proxy.telemetry.observer import Telemetry

EVERY = 0.5
"""Seconds between two looks at the store: a revocation holds everywhere within a second."""
_LOOKS = 10
"""Looks within a second for the sake of keys that nobody knows: whoever guesses costs no more."""
_DOUBTFUL = frozenset({"missing", "unknown", "untrusted"})
_PATIENCE = 1.0
"""Seconds for which a store that could not be asked is left alone."""


def _doubtful(found: Caller | Refusal) -> bool:
    """May the store know better?"""
    return found is keys.LOCAL or (isinstance(found, Refusal) and found.reason in _DOUBTFUL)


class Keyring:
    """See the module. ``now`` everywhere: seconds since 1970."""

    def __init__(self, store: KeyStore, telemetry: Telemetry) -> None:
        self.store = store
        self.away: str | None = None
        """Why the store cannot be asked now."""
        self._telemetry = telemetry
        self._file: Mapping[str, Caller] = {}
        self._file_names: frozenset[str] = frozenset()
        self._teams: Mapping[str, Team] = {}
        self._entries: dict[str, Entry] = {}
        self._unread: set[str] = set()
        self._hashes: dict[str, tuple[str, float]] = {}
        """SHA-256, hex -> the key's name, and until when this secret of it is good."""
        self._callers: dict[str, Caller] = {}
        """By name; made when first asked for, from the teams of the snapshot in force."""
        self._version = 0
        self._read = False
        self._turn = asyncio.Lock()
        self._failed = -math.inf
        self._second, self._looks = -math.inf, 0

    def adopt(self, snapshot: Snapshot) -> None:
        """Follow this configuration: its own keys, and its teams for those of the store."""
        self._file, self._teams = snapshot.callers, snapshot.config.teams
        self._file_names = frozenset(caller.name for caller in snapshot.callers.values())
        self._callers.clear()
        self._tell_shadowed(self._entries)

    @property
    def undecided(self) -> bool:
        """Nobody knows yet whether there is any key at all, so that nobody can be trusted without one."""
        return not self._read and not self._file

    @property
    def entries(self) -> Sequence[Entry]:
        """Every key of the store, as last heard of."""
        return list(self._entries.values())

    @property
    def find(self) -> keys.Find | None:
        """How a key is looked up; None while there is none, neither in the file nor in the store."""
        keyed = self._file or self._entries or self._unread or not self._read
        return self._find if keyed else None

    def named(self, name: str) -> Caller | None:
        """Who has the key of this name, of the file's and of the store's; None: nobody who would be let in."""
        found = next((caller for caller in self._file.values() if caller.name == name), None)
        entry = self._entries.get(name)
        if found is None and entry is not None:
            stored = self._stored(entry.key.sha256 or "")
            return stored if isinstance(stored, Caller) else None
        return found

    async def reconsider(
        self, found: Caller | Refusal, headers: Mapping[str, str], again: Callable[[], Caller | Refusal]
    ) -> Caller | Refusal:
        """Nobody here knows who asks: see whether the store does by now. ``found`` is who asks as far as is known,
        ``again`` tells it once more."""
        ours = _doubtful(found) and any(map(minting.is_ours, keys.told(headers)))
        if not (ours or self.undecided):
            return found
        await self._look()
        found = again()
        return keys.unavailable() if self.away is not None and _doubtful(found) else found

    async def refresh(self) -> None:
        """Hear of what has changed in the store. A store that cannot be asked is told to the operator, once."""
        async with self._turn:
            await self._refresh()

    def _find(self, digest: str) -> Caller | Refusal | None:
        found = self._file.get(digest) or self._stored(digest)
        if isinstance(found, Caller) and found.expires is not None and found.expires <= time.time():
            return keys.expired(found.name, found.expires)
        return found

    def _stored(self, digest: str) -> Caller | Refusal | None:
        name, until = self._hashes.get(digest, ("", math.inf))
        entry = self._entries.get(name)
        if entry is None or name in self._file_names:
            return None
        if entry.revoked is not None:
            return keys.revoked(name, entry.revoked)
        if until <= time.time():
            return keys.replaced(name, until)
        team = entry.key.team
        return keys.teamless(name, team) if team is not None and team not in self._teams else self._caller(entry)

    def _caller(self, entry: Entry) -> Caller:
        found = self._callers.get(entry.key.name)
        if found is None:
            found = self._callers[entry.key.name] = caller_of(entry.key, self._teams)
        return found

    async def _look(self) -> None:
        """Ask the store now, unless it has just failed, or too many have made us ask."""
        asked = time.monotonic()
        if self._failed > asked - _PATIENCE or (self._read and not self._may_look(asked)):
            return
        async with self._turn:
            if self._failed < asked:
                await self._refresh()

    def _may_look(self, now: float) -> bool:
        if now - self._second >= 1:
            self._second, self._looks = now, 0
        self._looks += 1
        return self._looks <= _LOOKS

    async def _refresh(self) -> None:
        try:
            news = await self.store.news(self._version)
            if self._has_lost(news):
                news = await self._restored()
            self._apply(news)
        except StoreFailed as error:
            self._failed = time.monotonic()
            if self.away is None:
                self._telemetry.keys_away(str(error))
            self.away = str(error)
            return
        self._read, self._failed = True, -math.inf
        if self.away is not None:
            self.away = None
            self._telemetry.keys_back()

    def _has_lost(self, news: News) -> bool:
        """A store that was emptied, or went back to an earlier state, knows less than we do; or other keys."""
        if news.version < self._version or news.count is None:
            return news.version < self._version
        heard = {*(entry.key.name for entry in news.entries), *news.unread}
        new = sum(name not in self._entries and name not in self._unread for name in heard)
        return news.count != len(self._entries) + len(self._unread) + new

    async def _restored(self) -> News:
        """A revocation that the store has forgotten holds on, and nobody loses a key: what it lost is put back."""
        self._telemetry.keys_restored(len(self._entries))
        await self.store.restore(self._entries.values())
        news = await self.store.news(0)
        self._entries, self._unread, self._hashes = {}, set(), {}
        self._callers.clear()
        return news

    def _apply(self, news: News) -> None:
        self._version = news.version
        if not (news.entries or news.unread):
            return
        changed = {*(entry.key.name for entry in news.entries), *news.unread}
        self._hashes = {digest: known for digest, known in self._hashes.items() if known[0] not in changed}
        for name in changed:
            self._entries.pop(name, None)
            self._callers.pop(name, None)
        self._unread = self._unread - changed | set(news.unread)
        for entry in news.entries:
            name = entry.key.name
            self._entries[name] = entry
            self._hashes |= {former.sha256: (name, former.until) for former in entry.formers}
            self._hashes[entry.key.sha256 or ""] = (name, math.inf)
        if news.unread:
            self._telemetry.keys_unread(news.unread)
        self._tell_shadowed(changed)

    def _tell_shadowed(self, names: Iterable[str]) -> None:
        both = sorted(self._file_names.intersection(names))
        if both:
            self._telemetry.keys_shadowed(both)
