"""Redis, in whichever form the operator has it: one server, behind Sentinel, or a Cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import redis.asyncio

    return cast("Redis", redis.asyncio.Redis.from_url(url, **options))


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
