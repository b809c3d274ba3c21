"""A prompt's class from outside (S24): a header of the caller, or a service of the operator that is asked briefly.

Late or dead means the built-in classifier: nobody waits longer than ``classifier.hook.timeout``, and a hook that fails
again and again is left alone for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec
from msgspec import Struct

from adapters import ir
from policies import health
from policies.prompt import PromptView, view
from policies.text import estimate_tokens
from policies.verdict import Told
from proxy.backends import is_public
from proxy.call import Call
from proxy.decide import route_of
from proxy.upstream.seam import Cargo, Engine, Outgoing, UpstreamFailed

if TYPE_CHECKING:
    from proxy.house import House
    from proxy.settings.grammar import ClassHook

Class = Literal["simple", "moderate", "complex"]
CLASSES: tuple[str, ...] = get_args(Class)
MOST = 4_096
"""Characters of the last user turn that the hook is shown: half from its front, half from its end."""
_MOST_ANSWER = 4_096
_ASKED = frozenset({"class"})
"""The facts that a class from outside stands for."""
_FAILED = ir.Failure("timeout", 504, "the hook gave no class in time")


class _Answer(Struct):
    cls: Class = msgspec.field(name="class")


_answer = msgspec.json.Decoder(_Answer)


class Hook:
    """Asks the operator's service, and keeps the breaker that leaves it alone after repeated failures."""

    def __init__(self, left_alone: Callable[[float], None]) -> None:
        """``left_alone`` hears, with its seconds, of each pause that begins."""
        self._breaker = health.CLOSED
        self._url = ""
        self._left_alone = left_alone

    async def ask(self, prompt: PromptView, hook: ClassHook, engine: Engine) -> str | None:
        """The class, or None: too late, dead, or no class at all."""
        now = time.monotonic()
        if hook.url != self._url:  # a reload has named another service
            self._url, self._breaker = hook.url, health.CLOSED
        if health.available(self._breaker, now) is not None:
            return None
        self._breaker = health.started(self._breaker, now)
        try:
            async with asyncio.timeout(hook.timeout):
                found = _answer.decode(await _asked(engine, _outgoing(prompt, hook))).cls
        except (TimeoutError, UpstreamFailed, msgspec.MsgspecError, UnicodeDecodeError):
            before, self._breaker = self._breaker, health.failed(self._breaker, _FAILED, time.monotonic())
            if self._breaker.opened_until != before.opened_until:
                self._left_alone(self._breaker.pause)
            return None
        except BaseException:
            self._breaker = health.left(self._breaker)
            raise
        self._breaker = health.succeeded(self._breaker, time.monotonic())
        return found


async def told_class(call: Call, house: House) -> Told | None:
    """The class that this call came with, or that the hook gives; None: the built-in classifier decides.

    The hook is not asked for a call whose rules do not look at the class.
    """
    hook = call.snapshot.config.classifier.hook
    told = header_class(call)
    if told is not None or hook is None or call.api.dialect is None:
        return told
    _, route = route_of(call)
    if _ASKED.isdisjoint(call.snapshot.book.needs(route, call.caller)):
        return None
    prompt = await house.in_turn(call.body, lambda: view(call.request()))
    began = time.monotonic()
    found = await house.hook.ask(prompt, hook, house.engine)
    call.upstream_seconds += time.monotonic() - began
    return Told(found, "hook") if found is not None else None


def header_class(call: Call) -> Told | None:
    """The class that the caller names itself, where ``classifier.header`` lets it."""
    header = call.snapshot.config.classifier.header
    given = call.headers.get(header.lower(), "").strip().lower() if header is not None else ""
    return Told(given, "header") if given in CLASSES else None


def _outgoing(prompt: PromptView, hook: ClassHook) -> Outgoing:
    text = prompt.text if len(prompt.text) <= MOST else f"{prompt.text[: MOST // 2]}\n{prompt.text[-MOST // 2 :]}"
    asked: dict[str, Any] = {
        "text": text,
        "tokens": estimate_tokens(prompt.text),
        "depth": prompt.depth,
        "tools": prompt.tools,
        "media": prompt.media,
    }
    headers = {"content-type": "application/json", "accept": "application/json", "user-agent": "turnout"}
    own = {name.lower(): value.reveal() for name, value in hook.headers.items()}
    return Outgoing(
        url=hook.url,
        headers=list({**headers, **own}.items()),
        body=msgspec.json.encode(asked),
        connect_timeout=hook.timeout,
        # No rule has looked yet, so that nobody knows how the data will be classed: as if it were restricted.
        cargo=Cargo("classifier.hook", local=not is_public(hook.url), restricted=True),
    )


async def _asked(engine: Engine, outgoing: Outgoing) -> bytes:
    answer = await engine.send(outgoing)
    try:
        body = b""
        async for chunk in answer.chunks():
            body += chunk
            if len(body) > _MOST_ANSWER:
                return b""
        return body if answer.status == 200 else b""
    finally:
        await answer.close()
