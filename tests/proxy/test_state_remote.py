"""Where Redis is: one server, behind sentinels, a cluster; with passwords of their own, and any sign in them."""

from __future__ import annotations

import asyncio

import pytest
import redis
from services import redis_cluster, redis_sentinel, redis_server

from proxy.state.remote import open_blocking, open_redis


def speaks(url: str) -> None:
    """For the loop and for a thread."""

    async def asked() -> None:
        client = open_redis(url)
        assert await client.set("k", "v")
        await client.aclose()

    asyncio.run(asked())
    with open_blocking(url) as client:
        assert client.get("k") == b"v"


def test_one_server_with_a_password() -> None:
    with redis_server("--requirepass", "p@ss/w:rd") as server:
        speaks(f"redis://:p%40ss%2Fw%3Ard@127.0.0.1:{server.port}/3")
        with pytest.raises(redis.AuthenticationError):
            speaks(server.url)


def test_sentinels_with_another_password_than_the_master_and_one_that_is_gone() -> None:
    with (
        redis_server("--requirepass", "p@ss") as master,
        redis_sentinel(master, more="requirepass s%cret\nsentinel auth-pass turnout p@ss\n") as sentinel,
    ):
        hosts = f"127.0.0.1:1,127.0.0.1:{sentinel.port}"
        speaks(f"redis+sentinel://:p%40ss@{hosts}/turnout/2?sentinel_password=s%25cret")
        with pytest.raises(redis.ConnectionError):
            speaks(f"redis+sentinel://:p%40ss@{hosts}/turnout/2?sentinel_password=wrong")
        with pytest.raises(redis.ConnectionError):
            speaks(f"redis+sentinel://:p%40ss@{hosts}/another/2?sentinel_password=s%25cret")


def test_a_cluster_is_found_by_any_of_its_nodes() -> None:
    with redis_cluster() as nodes:
        speaks(f"redis+cluster://127.0.0.1:1,127.0.0.1:{nodes[1].port}")
