"""The configuration for operators: what a reload would change, what was in force, and the way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from adapters import ir
from proxy.call import Rejected
from proxy.control import Wish
from proxy.endpoints.plain import answer, failed
from proxy.house import House
from proxy.settings.source import MAX_TEXT

Wishes: TypeAlias = Callable[[Wish], Awaitable[dict[str, Any]]]
"""Asks the supervisor, and answers with the outcome."""
Admit: TypeAlias = Callable[[House, Request[Any, Any, Any]], None]

USUAL, MOST = 1_000, 10_000
"""Decisions that a dry run looks at."""


def handlers(house: House, wishes: Wishes | None, admit: Admit) -> list[HTTPRouteHandler]:
    """``POST /admin/config/diff``, ``GET /admin/config/history``, ``…/N``, and ``POST /admin/config/rollback``."""

    @post("/admin/config/diff", status_code=200)
    async def diff(request: Request[Any, Any, Any]) -> Response[bytes]:
        admit(house, request)
        body = await request.body()
        entry = _number(request, "entry") if "entry" in request.query_params else None
        if entry is None and not body:
            message = "Send a configuration's text as the body, or ?entry=N for one of the history."
            raise failed(400, message, "missing_body")
        return _told(
            house, await weighed(request, wishes, entry=entry, text=None if entry is not None else _text(body))
        )

    @get("/admin/config/history")
    async def history(request: Request[Any, Any, Any]) -> Response[bytes]:
        admit(house, request)
        return _told(house, {"object": "list", **await _asked(wishes, Wish("history"))})

    @get("/admin/config/history/{entry:int}")
    async def shown(request: Request[Any, Any, Any], entry: FromPath[int]) -> Response[bytes]:
        admit(house, request)
        return _told(house, await _asked(wishes, Wish("show", entry=entry)))

    @post("/admin/config/rollback", status_code=200)
    async def rollback(request: Request[Any, Any, Any]) -> Response[bytes]:
        admit(house, request)
        wish = Wish("rollback", entry=_number(request, "entry"), who=who(request))
        return _told(house, await _asked(wishes, wish))

    return [diff, history, shown, rollback]


async def weighed(
    request: Request[Any, Any, Any], wishes: Wishes | None, *, entry: int | None = None, text: str | None = None
) -> dict[str, Any]:
    """The dry run that was asked for; without ``entry`` and ``text`` of the file as it is on the disk."""
    last = _number(request, "last", MOST) if "last" in request.query_params else USUAL
    return await _asked(wishes, Wish("dry_run", entry=entry, text=text, last=last))


def who(request: Request[Any, Any, Any]) -> str:
    """Who asks, for the history: where from, as there is one admin key for all."""
    return request.client.host if request.client is not None else "unknown"


def alone() -> Rejected:
    """The refusal of a process that nobody supervises."""
    message = "This process has no supervisor that could do it."
    return Rejected(ir.Failure("invalid", 409, message, code="no_supervisor"))


async def _asked(wishes: Wishes | None, wish: Wish) -> dict[str, Any]:
    if wishes is None:
        raise alone()
    return await wishes(wish)


def _told(house: House, outcome: dict[str, Any]) -> Response[bytes]:
    """An outcome that is not good: 422 where the configuration is bad, else the status that it names."""
    status = outcome.pop("status", 422)
    return answer(house, outcome, 200 if outcome.get("ok") else status)


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise failed(400, "The configuration is not UTF-8.", "invalid_encoding") from None
    if len(text) > MAX_TEXT:
        raise failed(413, f"The configuration is larger than {MAX_TEXT} characters.", "request_too_large")
    return text


def _number(request: Request[Any, Any, Any], name: str, most: int = 10**9) -> int:
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 11 and 1 <= int(text) <= most):
        raise failed(400, f"Invalid value for '{name}': send a number from 1 to {most}.", "invalid_value", name)
    return int(text)
