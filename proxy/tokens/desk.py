"""The worker's side of its counting process: begun with the first count, ended when nobody has asked for a while."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

import msgspec

from proxy import interpreter
from proxy.tokens.clerk import HEAD, Asked

_MOST_SECONDS = 20.0
"""For one count, the loading of its tokenizer included."""
_REST = 30.0
"""Seconds without another try after a process that failed."""
_IDLE = 900.0
"""Seconds after the last count at which the process may go, and its 80 MB with it."""
_LEAVE = 1.0
_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "TMPDIR",
)
"""All of the environment that a counting process has use for: the keys in it are no business of its."""

_encode = msgspec.msgpack.Encoder().encode
_counts: msgspec.msgpack.Decoder[list[int] | str] = msgspec.msgpack.Decoder(list[int] | str)


class CountFailed(Exception):  # noqa: N818 - a fact, not a fault of ours
    """There is no count; the words say why."""


class Desk:
    """Asks one at a time: a count takes a millisecond for every 50 KB."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._loaded: set[str] = set()
        self._rests_until = 0.0
        self._idle: asyncio.TimerHandle | None = None

    def ready(self, tokenizer: str) -> bool:
        """Is it loaded?"""
        return self._process is not None and tokenizer in self._loaded

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process is not None else None

    async def count(self, tokenizer: str, texts: Sequence[str]) -> list[int]:
        """The tokens of each text, by a vocabulary that we ship or by the path of a file; without texts it is loaded
        for later. Raises CountFailed."""
        async with self._turn:
            told = await self._asked(Asked(tokenizer, tuple(texts)))
            if isinstance(told, str):
                raise CountFailed(told)
            self._loaded.add(tokenizer)
            return told[: len(texts)]

    async def close(self) -> None:
        """The process ends, at once if need be."""
        async with self._turn:
            process = self._process
            self._dismiss()
            if process is not None:
                try:
                    async with asyncio.timeout(_LEAVE):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()

    async def _asked(self, asked: Asked) -> list[int] | str:
        clock = asyncio.get_running_loop().time
        if clock() < self._rests_until:
            raise CountFailed("the counting process has failed a moment ago")
        if self._process is not None and not _is_there(self._process):
            self._dismiss()
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                process = self._process = self._process or await _start()
                told = await _told(process, _encode(asked))
        except (TimeoutError, OSError, asyncio.IncompleteReadError, msgspec.MsgspecError) as error:
            self._rests_until = clock() + _REST
            self._end()
            raise CountFailed(f"the counting process has failed ({type(error).__name__})") from None
        except asyncio.CancelledError:
            self._end()  # its answer, if it comes, would be taken for the next one's
            raise
        self._watch_idle()
        return told

    def _watch_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(_IDLE, self._leave)

    def _leave(self) -> None:
        if not self._turn.locked():
            self._dismiss()

    def _end(self) -> None:
        """A process that cannot be talked to any more."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        self._dismiss()

    def _dismiss(self) -> None:
        """It ends by itself when its line does."""
        if self._idle is not None:
            self._idle.cancel()
        process, self._process, self._loaded = self._process, None, set()
        if process is not None and process.stdin is not None:
            process.stdin.close()


def _is_there(process: Process) -> bool:
    return process.returncode is None and process.stdin is not None and not process.stdin.is_closing()


async def _start() -> Process:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    words = interpreter.words("proxy.tokens.clerk")
    return await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, env=environment)


async def _told(process: Process, message: bytes) -> list[int] | str:
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(len(message).to_bytes(HEAD, "big") + message)
    await process.stdin.drain()
    size = int.from_bytes(await process.stdout.readexactly(HEAD), "big")
    return _counts.decode(await process.stdout.readexactly(size))
