"""A defect of ours behind a quiet endpoint: told like one on the road, in the client's words, with an id for the log."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from proxy.app import create_app


class Told:
    """The telemetry of a house whose keys cannot be looked up."""

    def __init__(self) -> None:
        self.crashes: list[tuple[str, BaseException]] = []

    def crashed(self, request_id: str, error: BaseException) -> None:
        self.crashes.append((request_id, error))


def fails(*_: Any) -> None:
    raise LookupError("sk-canary")


def ask(house: Any, path: str, headers: dict[str, str]) -> httpx2.Response:
    async def answered() -> httpx2.Response:
        app: Any = create_app(house)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(answered())


@pytest.mark.parametrize("path", ["/v1/models", "/v1/responses/resp_1", "/v1/files"])
@pytest.mark.parametrize("anthropic", [False, True])
def test_a_defect_is_told_with_its_id_and_nothing_else(path: str, anthropic: bool) -> None:
    told = Told()
    house: Any = SimpleNamespace(snapshot=SimpleNamespace(generation=1), telemetry=told, name=fails)
    got = ask(house, path, {"anthropic-version": "2023-06-01"} if anthropic else {})
    assert got.status_code == 500
    ((request_id, error),) = told.crashes
    assert (got.headers["x-request-id"], type(error)) == (request_id, LookupError)
    assert list(got.json()) == (["type", "error", "request_id"] if anthropic else ["error"])
    assert request_id in got.json()["error"]["message"]
    assert "sk-canary" not in got.text
