"""What the tests of the egress guarantee share: gates that count what passes, and a house in this process behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from asgi_post import Reply, post
from live import demo_upstream

from proxy.app import create_app
from proxy.house import House
from proxy.opening import open_house
from proxy.snapshot import build_text

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
CARD = "4111 1111 1111 1111"
PROVIDERS = {
    "vllm": "/v1",
    "openai_compatible": "/v1",
    "openai": "/v1",
    "anthropic": "",
    "google": "/v1beta",
}
"""Provider -> what follows the host in its base URL: every dialect, and servers of both kinds."""


@dataclass
class Gate:
    """A door in front of an upstream: it counts the connections and the bytes that come in, and passes both ways."""

    url: str = ""
    connections: int = 0
    bytes: int = 0
    said: bytearray = field(default_factory=bytearray)

    @property
    def seen(self) -> tuple[int, int]:
        return self.connections, self.bytes


@asynccontextmanager
async def gate(upstream: str) -> AsyncIterator[Gate]:
    """In front of ``upstream`` (a URL without path)."""
    made, port = Gate(), urlsplit(upstream).port
    tasks: set[asyncio.Task[Any]] = set()

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            made.bytes += len(data)
            made.said += data
            writer.write(data)
            await writer.drain()

    async def back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        ways = [asyncio.ensure_future(count(reader, outer)), asyncio.ensure_future(back(inner, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            outer.close()
            writer.close()
            tasks.discard(task)

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0) as server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Place:
    """A house whose local backends stand behind one gate and whose others behind another."""

    runner: asyncio.Runner
    house: House
    app: Any
    local: Gate
    cloud: Gate
    looked_up: list[str]
    """Names that were resolved to fetch a link."""

    def adopt(self, text: str) -> None:
        """From here on, this configuration."""
        full = f"version: 1\nledger: {{url: 'sqlite:///{self.folder}/turnout.db'}}\n{text}"
        snapshot = build_text(full, file="proxy.yaml", generation=self.house.snapshot.generation + 1, env={})
        self.house.adopt(snapshot)

    @property
    def folder(self) -> Path:
        return Path(self.house.snapshot.config.ledger.url.removeprefix("sqlite:///")).parent

    def ask(self, api: str, body: dict[str, Any] | bytes, **headers: str) -> Reply:
        """One call through the door."""
        named = {"content-type": "application/json", "host": "127.0.0.1", **headers}
        return self.runner.run(post(self.app, PATHS[api], body, named))


def _with_peer(app: Any) -> Any:
    async def asked(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": ("127.0.0.1", 1)}, receive, send)

    return asked


def backend(place: Place, name: str, provider: str, *, local: bool, model: str = "demo-x", more: str = "") -> str:
    """One line of ``backends:``."""
    url = (place.local if local else place.cloud).url + PROVIDERS[provider]
    mark = "local: true" if local else "local: false"
    key = "" if local else ", credential: sk-none-at-all"
    return f'  {name}: {{provider: {provider}, base_url: "{url}", model: {model}, {mark}{key}{more}}}\n'


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """The house, its demo upstream and the gates, in this thread's own loop."""
    with demo_upstream() as upstream, asyncio.Runner() as runner:
        local, cloud = gate(upstream), gate(upstream)
        inside, outside = runner.run(local.__aenter__()), runner.run(cloud.__aenter__())
        text = f"version: 1\nledger: {{url: 'sqlite:///{folder}/turnout.db'}}\n"
        first = build_text(text, file="proxy.yaml", generation=1, env={})
        house = runner.run(_opened(first))
        made = Place(runner, house, _with_peer(create_app(house)), inside, outside, [])

        async def resolve(host: str, _port: int) -> list[str]:
            made.looked_up.append(host)
            return []

        house.media._resolve = resolve
        try:
            yield made
        finally:
            runner.run(house.close())
            runner.run(local.__aexit__(None, None, None))
            runner.run(cloud.__aexit__(None, None, None))


async def _opened(snapshot: Any) -> House:
    return open_house(snapshot, host="127.0.0.1", slot=0, workers=1)


def told_id(reply: Reply) -> str | None:
    """The id of a response, whole or streamed, that can be gone on from."""
    if reply.status != 200:
        return None
    if reply.headers.get("content-type", "").startswith("application/json"):
        return str(msgspec.json.decode(reply.body).get("id"))
    for line in reply.body.split(b"\n"):
        if line.startswith(b"data: {") and b'"response.completed"' in line:
            return str(msgspec.json.decode(line[6:])["response"]["id"])
    return None
