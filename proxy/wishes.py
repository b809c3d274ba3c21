"""A worker's way to the supervisor for what operators ask of it, and its answers back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec

from proxy.control import Granted, Wish

_PATIENCE = 90.0
"""Seconds; a dry run reads thousands of rows."""


class Wishes:
    """The open questions of one worker."""

    def __init__(self, say: Callable[[Wish], None]) -> None:
        self._say = say
        self._numbers = count()
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def __call__(self, wish: Wish) -> dict[str, Any]:
        """The supervisor's answer; its ``number`` is given here."""
        number, told = next(self._numbers), asyncio.get_running_loop().create_future()
        self._open[number] = told
        self._say(msgspec.structs.replace(wish, number=number))
        try:
            async with asyncio.timeout(_PATIENCE):
                return await told  # type: ignore[no-any-return]
        except TimeoutError:
            return {"ok": False, "error": f"the supervisor did not answer within {_PATIENCE:g} s"}
        finally:
            del self._open[number]

    def heard(self, granted: Granted) -> None:
        """An answer; whoever asked may have left."""
        told = self._open.get(granted.number)
        if told is not None and not told.done():
            told.set_result(granted.outcome)
