"""Redis, in whichever form the operator has it: one server, behind Sentinel, or a Cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from urllib.parse import parse_qs, unquote, urlsplit

from proxy.state.store import StoreFailed

if TYPE_CHECKING:
    import redis
    from redis.asyncio import Redis

T = TypeVar("T")

SCHEMES = ("redis://", "rediss://", "redis+sentinel://", "redis+cluster://")
PREFIX = "turnout:"
"""Of every key that we keep there."""
TIMEOUT = 1.0
"""Seconds that one command may take; a slower Redis counts as away."""
_AGAIN = 1
"""A connection that has gone stale is worth one more try, at once; whoever is away is asked again in a second."""


class _Kit(NamedTuple):
    """The parts of the client: for the loop, or for a thread. Their arguments are the same."""

    from_url: Callable[..., Any]
    sentinel: Callable[..., Any]
    cluster: Callable[..., Any]
    node: Callable[..., Any]
    retry: Callable[..., Any]


def open_redis(url: str) -> Redis:
    """A client; it connects when it is first used, and again after a loss. Commands raise redis.RedisError, and of a
    cluster RedisClusterException, which is none.

    ``redis+sentinel://user:password@host:26379,host2:26379/NAME/DB`` asks the sentinels for the master called NAME, who
    may want a password of their own: ``?sentinel_password=…&sentinel_username=…``. ``redis+cluster://host:7000,host2:7001``
    names some nodes of a cluster. Both take ``?tls=true``.
    """
    import redis.asyncio as r
    from redis.asyncio import cluster, retry, sentinel

    kit = _Kit(r.Redis.from_url, sentinel.Sentinel, cluster.RedisCluster, cluster.ClusterNode, retry.Retry)
    return cast("Redis", _opened(url, kit))


def open_blocking(url: str) -> redis.Redis:
    """The same for threads. A cluster is asked for its nodes at once, so that this may take a while, and raise."""
    import redis as r
    from redis import cluster, retry, sentinel

    kit = _Kit(r.Redis.from_url, sentinel.Sentinel, cluster.RedisCluster, cluster.ClusterNode, retry.Retry)
    return cast("redis.Redis", _opened(url, kit))


def _opened(url: str, kit: _Kit) -> Any:
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as Lost

    # Who does not answer in time would not the second time.
    again = kit.retry(NoBackoff(), _AGAIN, (Lost,))
    options: dict[str, Any] = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT, "retry": again}
    if url.startswith("redis+sentinel://"):
        return _behind_sentinels(url, kit, options)
    if url.startswith("redis+cluster://"):
        return _cluster(url, kit, options)
    return kit.from_url(url, **options)


async def within(command: Awaitable[T]) -> T:
    """What Redis says to it. The client tries again and again by itself; nobody waits for that longer than for one
    command. Raises StoreFailed."""
    from redis.exceptions import RedisClusterException, RedisError

    try:
        async with asyncio.timeout(TIMEOUT):
            return await command
    except TimeoutError as error:
        raise StoreFailed(f"Redis did not answer within {TIMEOUT:g} s") from error
    except (RedisError, RedisClusterException, OSError) as error:
        raise StoreFailed(f"Redis: {error}") from error


def _behind_sentinels(url: str, kit: _Kit, options: dict[str, Any]) -> Any:
    parts = urlsplit(url)
    name, _, db = parts.path.strip("/").partition("/")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    options["ssl"] = query.get("tls") == "true"
    theirs = {**options, "username": query.get("sentinel_username"), "password": query.get("sentinel_password")}
    own = {**options, "username": _plain(parts.username), "password": _plain(parts.password), "db": int(db or 0)}
    asked = kit.sentinel(_hosts(parts.netloc, 26379), sentinel_kwargs=theirs, **own)
    return asked.master_for(name or "mymaster")


def _cluster(url: str, kit: _Kit, options: dict[str, Any]) -> Any:
    parts = urlsplit(url)
    nodes = [kit.node(host, port) for host, port in _hosts(parts.netloc, 6379)]
    secure = parse_qs(parts.query).get("tls", ["false"])[0] == "true"
    own = {"username": _plain(parts.username), "password": _plain(parts.password), "ssl": secure}
    return kit.cluster(startup_nodes=nodes, **own, **options)


def _plain(word: str | None) -> str | None:
    """As it was before a URL had to carry it."""
    return None if word is None else unquote(word)


def _hosts(netloc: str, usual: int) -> list[tuple[str, int]]:
    """``user:password@a:1,b`` -> [(a, 1), (b, usual)]."""
    found = []
    for each in netloc.rpartition("@")[2].split(","):
        host, _, port = each.rpartition(":") if ":" in each else (each, "", "")
        found.append((host, int(port or usual)))
    return found
