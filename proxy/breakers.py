"""What those who share backends tell each other of their breakers: which is open, which is well again, who probes.

Each worker has its own breakers and decides by them. Twice a second it hears what others have seen, beside the calls;
while it cannot, it goes on by itself. Only the one call that would be the probe waits for a word, and not for long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol, TypeAlias

from msgspec import Struct

from policies import health
from proxy.state.memory import Backends, Key

EVERY = 0.5
"""Seconds between two looks: what one has seen all know within a second."""
_SAME = 0.1
"""Seconds by which two clocks may tell one end of a pause differently."""
PATIENCE = 0.25
"""Seconds for which a probe waits to be told that it is the only one."""

Post: TypeAlias = Callable[[Callable[[], Awaitable[None]]], bool]


def quota_key(identity: Key) -> Key:
    """What is kept beside a backend's breaker: its vendor's word on its quota."""
    name, digest = identity
    return name, f"{digest}/quota"


class PeersAway(Exception):  # noqa: N818 - a fact about the store
    """The others cannot be heard now; the message says why."""


class Opening(Struct, frozen=True):
    """A breaker that somebody has seen open. ``stamp``: no two openings have the same. Seconds from now."""

    stamp: int
    left: float
    pause: float
    cause: str


class News(Struct, frozen=True):
    """All that are open. ``lost``: the others have forgotten what they were told."""

    openings: Mapping[Key, Opening] = {}
    lost: bool = False


class Peers(Protocol):
    """Where breakers are shared. Every method raises PeersAway."""

    async def news(self, keys: Iterable[Key]) -> News | None:
        """Of these; None: nothing has changed."""
        ...

    async def opened(self, key: Key, left: float, pause: float, cause: str) -> int:
        """Tell that it is open; the stamp. Whoever was probing it does so no longer."""
        ...

    async def closed(self, key: Key) -> None:
        """Tell that it is well again."""
        ...

    async def probe(self, key: Key) -> bool:
        """May we probe it? Nobody else may then, until we have told how it went or are gone."""
        ...

    async def probing(self, key: Key) -> None:
        """We still do."""
        ...

    async def left(self, key: Key) -> None:
        """We do not probe it after all."""
        ...

    async def close(self) -> None: ...


class Breakers:
    """See the module."""

    def __init__(self, backends: Backends, post: Post, told: Callable[[str | None], None]) -> None:
        """``post`` takes an errand; ``told`` hears why the others cannot be heard, and None when they can again."""
        self._backends = backends
        self._post = post
        self._told = told
        self._peers: Peers | None = None
        self._keys: Callable[[], Iterable[Key]] = tuple
        self._away = False
        self._heard: dict[Key, int] = {}
        """What others know to be open: the stamps."""
        self._probing: set[Key] = set()
        self.closings: dict[Key, float] = {}
        """Until when a vendor wants to be left alone (monotonic seconds), by ``quota_key``."""

    def share(self, peers: Peers, keys: Callable[[], Iterable[Key]]) -> None:
        """There are others. ``keys``: of the backends that there are now."""
        self._peers, self._keys = peers, keys
        self._backends.changed = self._changed

    async def probe(self, key: Key) -> bool:
        """May a call probe this backend now? Where nobody can say, it may."""
        if self._peers is None or self._away:
            return True
        try:
            async with asyncio.timeout(PATIENCE):
                granted = await self._peers.probe(key)
        except (PeersAway, TimeoutError):
            return True
        if granted:
            self._probing.add(key)
        return granted

    def leave_alone(self, key: Key, seconds: float) -> None:
        """A vendor has said so; all who share its quota do."""
        self._left_alone(key, time.monotonic() + seconds)
        if self._peers is not None and not self._away:
            self._post(lambda: self._tell_closing(key, seconds))

    async def exchange(self) -> None:
        """Hear what others have seen, and tell again what they have lost."""
        if self._peers is None:
            return
        keys = [*self._keys()]
        try:
            for key in self._probing:
                await self._peers.probing(key)
            news = await self._peers.news(keys)
            if news is not None:
                self._follow(news)
            if self._away or (news is not None and news.lost):
                await self._tell_all(self._peers, keys)
        except PeersAway as error:
            if not self._away:
                self._told(str(error))
            self._away = True
            return
        if self._away:
            self._away = False
            self._told(None)

    async def close(self) -> None:
        """Let go of whatever the others are heard by; a probe is left to them."""
        if self._peers is None:
            return
        try:
            for key in self._probing:
                await self._peers.left(key)
        except PeersAway:
            pass
        await self._peers.close()

    def _follow(self, news: News) -> None:
        now = time.monotonic()
        for key, each in news.openings.items():
            state, until = self._backends.known(key), now + each.left
            if each.cause == health.LIMITED:
                self._left_alone(key, until)
                continue
            if self._heard.get(key) == each.stamp or state.probing_since is not None:
                continue
            if state.opened_until is None or state.opened_until < until - _SAME:
                self._backends.learn(key, health.adopted(until, each.pause, each.cause))
        for key in self._heard.keys() - news.openings.keys():
            state = self._backends.known(key)
            if not news.lost and state.opened_until is not None and state.probing_since is None:
                self._backends.learn(key, health.recovered(state, now))
        self._heard = {key: each.stamp for key, each in news.openings.items()}

    def _changed(self, key: Key, state: health.Breaker) -> None:
        if state.probing_since is None:
            self._post(lambda: self._tell(key))

    async def _tell(self, key: Key) -> None:
        """How it stands with this one now. What cannot be told is told when the others can be heard again."""
        if self._peers is None or self._away:
            return
        try:
            await self._tell_one(self._peers, key)
        except PeersAway:
            self._heard.pop(key, None)

    def _left_alone(self, key: Key, until: float) -> None:
        self.closings[key] = max(self.closings.get(key, until), until)

    async def _tell_closing(self, key: Key, seconds: float) -> None:
        try:
            if self._peers is not None:
                await self._peers.opened(key, seconds, 0.0, health.LIMITED)
        except PeersAway:
            return  # the others will be told by the vendor

    async def _tell_one(self, peers: Peers, key: Key) -> None:
        state, now = self._backends.known(key), time.monotonic()
        if state.probing_since is not None:
            return
        self._probing.discard(key)
        if state.opened_until is None:
            self._heard.pop(key, None)
            await peers.closed(key)
        elif state.opened_until > now:
            self._heard[key] = await peers.opened(key, state.opened_until - now, state.pause, state.cause)
        else:
            await peers.left(key)

    async def _tell_all(self, peers: Peers, keys: Iterable[Key]) -> None:
        for key in keys:
            if self._backends.known(key).opened_until is not None:
                await self._tell_one(peers, key)
