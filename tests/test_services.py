"""The servers that tests start are real, empty and gone afterwards."""

import asyncio

import psycopg
from services import postgres_server, redis_server

from proxy.state.remote import open_redis


def test_redis_answers() -> None:
    async def asked(url: str) -> bool:
        client = open_redis(url)
        try:
            await client.set("turnout:x", 1)
            return await client.get("turnout:x") == b"1"
        finally:
            await client.aclose()

    with redis_server() as server:
        assert asyncio.run(asked(server.url))
    assert server.process.returncode is not None


def test_postgres_answers() -> None:
    with postgres_server() as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert server.process.returncode is not None
