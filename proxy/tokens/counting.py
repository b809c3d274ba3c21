"""Has an answer's texts counted: by the backend's own server, as a child call, or by our counting process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from adapters.catalog import DIALECTS
from adapters.providers import CHAT
from adapters.tokenizing import ENDPOINTS, TextCounter, asking
from policies.verdict import Target
from proxy.attempt import Attempt
from proxy.call import Api, Call
from proxy.child import HelperFailed, Ride, ask
from proxy.snapshot import Backend
from proxy.tokens.choosing import Tokenizer
from proxy.tokens.desk import CountFailed, Desk

if TYPE_CHECKING:
    from proxy.house import House

PURPOSE = "count"
_PATIENCE = 5.0
"""Seconds that a server may take to count one text."""
_REST = 60.0
"""Seconds for which a backend that could not count is not asked again."""

_WIRE = TextCounter(DIALECTS[CHAT], ENDPOINTS["vllm"])
TOKENIZE = Api("tokenize", "/tokenize", _WIRE, DIALECTS[CHAT], counts="chat", tokenizes=True)
"""What a count asks: an API without clients."""


class Counting:
    """Who counts, of one worker. ``failed`` hears of each backend that cannot, and why."""

    def __init__(self, failed: Callable[[str, str], None]) -> None:
        self.desk = Desk()
        self._failed = failed
        self._resting: dict[tuple[str, str], float] = {}

    def able(self, backend: Backend) -> bool:
        """Is there somebody to ask, who has not failed a moment ago?"""
        if backend.tokenizer is None:
            return False
        until = self._resting.get(backend.identity)
        return until is None or time.monotonic() >= until

    async def count(
        self, call: Call, attempt: Attempt, texts: Sequence[str], house: House, ride: Ride
    ) -> list[int] | None:
        """The tokens of each text; None where they could not be counted."""
        backend = attempt.backend
        tokenizer = backend.tokenizer
        if tokenizer is None:
            return None
        try:
            if tokenizer.server is None:
                return await self.desk.count(tokenizer.name, texts)
            return [await _asked(call, attempt, text, house, ride) for text in texts]
        except (CountFailed, HelperFailed) as error:
            self._resting[backend.identity] = time.monotonic() + _REST
            self._failed(backend.name, str(error))
            return None

    def expect(self, backend: Backend, house: House) -> None:
        """An answer of this backend will probably have to be counted: what that takes is made ready meanwhile."""
        tokenizer = backend.tokenizer
        if tokenizer is None or tokenizer.server is not None or self.desk.ready(tokenizer.name):
            return
        if self.able(backend):
            house.errands.post(lambda: self._load(backend, tokenizer))

    async def _load(self, backend: Backend, tokenizer: Tokenizer) -> None:
        try:
            await self.desk.count(tokenizer.name, ())
        except CountFailed as error:
            self._resting[backend.identity] = time.monotonic() + _REST
            self._failed(backend.name, str(error))

    async def close(self) -> None:
        """Nobody asks any more."""
        await self.desk.close()


def _roomy(target: Target) -> Target:
    """What a model has written has room in it, whatever our estimate of its tokens says."""
    upstream = target.upstream
    able = msgspec.structs.replace(upstream.capabilities, context=None)
    return msgspec.structs.replace(target, upstream=msgspec.structs.replace(upstream, capabilities=able))


async def _asked(call: Call, attempt: Attempt, text: str, house: House, ride: Ride) -> int:
    """What the backend that has answered counts. Its text is content: the child is checked as its parent was. Raises
    HelperFailed."""
    target = _roomy(attempt.target)
    reply = await ask(call, house, asking(text), (target,), api=TOKENIZE, purpose=PURPOSE, within=_PATIENCE, ride=ride)
    if reply.usage is None or reply.usage.input is None:
        raise HelperFailed("its answer tells no count")
    return reply.usage.input
