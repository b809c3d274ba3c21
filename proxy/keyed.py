"""The keys of the store for whoever is not a worker: a start, a reload, a check, the command line.

``python -m proxy.keyed`` asks the Redis whose URL stands at its input whether it has keys, and leaves with 1 where it
has none.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from proxy import interpreter
from proxy.config import Config
from proxy.settings.checks import is_loopback
from proxy.settings.source import Mistake
from proxy.snapshot import Snapshot, build_text
from proxy.state.store import StoreFailed

if TYPE_CHECKING:
    from proxy.state.keys import KeyStore, News

_NONE = 1


async def built(text: str, *, file: str, generation: int, env: Mapping[str, str]) -> Snapshot:
    """As ``build_text``; a bind beyond this machine may do without a key in the file where the store has one. Raises
    ConfigError."""
    snapshot = build_text(text, file=file, generation=generation, env=env, has_keys=True)
    if await keyed(snapshot.config):
        return snapshot
    return build_text(text, file=file, generation=generation, env=env, has_keys=False)


async def keyed(config: Config) -> bool:
    """May it be served as far as its keys go? Where the store cannot be asked it may: nobody is let in as long as
    nobody knows whether there are keys."""
    server = config.server
    if is_loopback(server.host) or server.open or config.keys:
        return True
    if config.state.redis is not None:
        return await _beside(config.state.redis)
    try:
        return _any(await stored(config))
    except StoreFailed:
        return True


async def _beside(url: str) -> bool:
    """As ``keyed``, asked by a process of its own: the supervisor does without TLS and without Redis' client."""
    words = interpreter.words("proxy.keyed")
    asking = await asyncio.create_subprocess_exec(*words, stdin=subprocess.PIPE)
    await asking.communicate(url.encode())
    return asking.returncode != _NONE


def _any(news: News) -> bool:
    return bool(news.entries or news.unread)


async def clashes(config: Config) -> tuple[list[Mistake], list[str]]:
    """Where this file and the keys of the store disagree: what is wrong with the file, and what the operator should
    know. A running Turnout goes on with the file's word."""
    try:
        news = await stored(config)
    except StoreFailed as error:
        return [], [f"the keys of the store could not be looked at: {error}"]
    names = {entry.key.name for entry in news.entries if entry.revoked is None}
    mistakes: list[Mistake] = [
        (
            ("keys", index, "name"),
            f"the store has a key named '{key.name}', too: name one otherwise, or revoke that one",
        )
        for index, key in enumerate(config.keys)
        if key.name in names
    ]
    teams = {entry.key.name: entry.key.team for entry in news.entries if entry.revoked is None}
    warnings = [
        f"key '{name}' of the store is refused: there is no team '{team}' any more"
        for name, team in teams.items()
        if team is not None and team not in config.teams
    ]
    return mistakes, warnings


async def stored(config: Config) -> News:
    """Every key of the store, which is not made where it is not there. Raises StoreFailed."""
    if config.state.redis is None:
        # The supervisor, which seldom comes here, does without SQLite's library.
        from proxy.state.keys import glance

        return glance(state_file(config))
    async with opened(config) as store:
        return await store.news(0)


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[KeyStore]:
    """The store, to be changed, whether Turnout runs or not. Raises StoreFailed."""
    if config.state.redis is not None:
        async with _remote(config.state.redis) as remote:
            yield remote
        return
    from proxy.state.keys import SqliteKeys
    from proxy.state.sqlite import SqliteStore

    file = SqliteStore(state_file(config))
    try:
        yield SqliteKeys(file)
    finally:
        file.close()


@asynccontextmanager
async def _remote(url: str) -> AsyncIterator[KeyStore]:
    from proxy.state.remote import open_redis
    from proxy.state.remote_keys import RedisKeys

    store = RedisKeys(open_redis(url))
    try:
        yield store
    finally:
        await store.close()


def state_file(config: Config) -> Path:
    """Where the keys are without Redis. Raises StoreFailed."""
    from proxy.ledger.address import folder_of
    from proxy.ledger.schema import LedgerError
    from proxy.state.sqlite import FILE

    try:
        return folder_of(config.ledger.url) / FILE
    except LedgerError as error:
        raise StoreFailed(str(error)) from error


def place(config: Config) -> str:
    """The same for eyes."""
    return "Redis" if config.state.redis is not None else str(state_file(config).resolve())


async def _looked(url: str) -> int:
    try:
        async with _remote(url) as store:
            return 0 if _any(await store.news(0)) else _NONE
    except StoreFailed:
        return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_looked(sys.stdin.read())))
