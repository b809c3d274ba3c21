"""The OpenAPI document says what the routes are: no more, no less, and in valid OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from litestar.routes import ASGIRoute, HTTPRoute
from live import Live, demo_config, demo_upstream
from public_door import get

from proxy.app import create_app
from proxy.house import House
from proxy.openapi import document

UNBUILT = ("absent", "cancel")
"""Handlers of what is not there: they say what to do instead."""


def routes() -> Iterator[tuple[str, str]]:
    """Method and path of every route of ours."""
    for route in create_app(cast(House, None)).routes:
        path = re.sub(r":\w+}", "}", route.path)
        if isinstance(route, ASGIRoute):
            yield "post", path
        elif isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.fn.__name__ not in UNBUILT:
                    yield from ((method.lower(), path) for method in handler.http_methods if method != "OPTIONS")


def described() -> list[tuple[str, str]]:
    return [(method, path) for path, item in document()["paths"].items() for method in item]


def test_every_route_is_described_and_nothing_else() -> None:
    assert sorted(described()) == sorted(routes())


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    made = document()
    schemas = made["components"]["schemas"]
    told = set(re.findall(r"#/components/schemas/(\w+)", repr(made)))
    assert told == set(schemas)


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, item[method]) for path, item in document()["paths"].items() for method in item]


@pytest.mark.parametrize(("method", "path", "operation"), operations(), ids=lambda value: str(value)[:40])
def test_admin_routes_take_the_admin_key_and_no_other(method: str, path: str, operation: dict[str, Any]) -> None:
    names = {name for each in operation["security"] for name in each}
    assert ("admin" in names) == path.startswith("/admin/")
    assert not (path.startswith("/admin/") and names != {"admin"})
    assert ("401" in operation["responses"]) == bool(names)


def test_it_is_served_to_everybody_and_says_the_same() -> None:
    with demo_upstream() as url, Live(demo_config(url, "server: {admin_key: sk-admin}")) as live:
        heard = get(live, "/openapi.json")
        assert (heard.status, heard.headers["content-type"]) == (200, "application/json")
        assert heard.body == document()
