"""Redis, in whichever form the operator has it: one server, behind Sentinel, or a Cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from redis.asyncio import Redis

SCHEMES = ("redis://", "rediss://", "redis+sentinel://", "redis+cluster://")
PREFIX = "turnout:"
"""Of every key that we keep there."""
TIMEOUT = 1.0
"""Seconds that one command may take; a slower Redis counts as away."""


def open_redis(url: str) -> Redis:
    """A client; it connects when it is first used, and again after a loss. Commands raise redis.RedisError, and of a
    cluster RedisClusterException, which is none.

    ``redis+sentinel://user:password@host:26379,host2:26379/NAME/DB`` asks the sentinels for the master called NAME;
    ``redis+cluster://host:7000,host2:7001`` names some nodes of a cluster.
    """
    options: dict[str, Any] = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
    if url.startswith("redis+sentinel://"):
        return _behind_sentinels(url, options)
    if url.startswith("redis+cluster://"):
        return cast("Redis", _cluster(url, options))
    import redis.asyncio

    return redis.asyncio.Redis.from_url(url, **options)


def _behind_sentinels(url: str, options: dict[str, Any]) -> Redis:
    from redis.asyncio import sentinel

    parts = urlsplit(url)
    name, _, db = parts.path.strip("/").partition("/")
    own = {**options, "username": parts.username, "password": parts.password, "db": int(db or 0)}
    make: Callable[..., Any] = sentinel.Sentinel
    asked = make(_hosts(parts.netloc, 26379), sentinel_kwargs=dict(options), **own)
    return cast("Redis", asked.master_for(name or "mymaster"))


def _cluster(url: str, options: dict[str, Any]) -> Any:
    from redis.asyncio.cluster import ClusterNode, RedisCluster

    parts = urlsplit(url)
    nodes = [ClusterNode(host, port) for host, port in _hosts(parts.netloc, 6379)]
    secure = parse_qs(parts.query).get("tls", ["false"])[0] == "true"
    return RedisCluster(startup_nodes=nodes, username=parts.username, password=parts.password, ssl=secure, **options)


def _hosts(netloc: str, usual: int) -> list[tuple[str, int]]:
    """``user:password@a:1,b`` -> [(a, 1), (b, usual)]."""
    found = []
    for each in netloc.rpartition("@")[2].split(","):
        host, _, port = each.rpartition(":") if ":" in each else (each, "", "")
        found.append((host, int(port or usual)))
    return found
