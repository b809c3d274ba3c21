"""Cache breakpoints: up to where a prompt is to be kept, in Anthropic's words and in OpenAI's, on the same block.

Anthropic says ``cache_control`` (``ttl`` 5m or 1h), OpenAI ``prompt_cache_breakpoint`` (30m or 12h). A client of either
may set either; only Anthropic is told, as OpenAI, Gemini and local servers keep prefixes by themselves (G61).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from adapters import ir

Mark: TypeAlias = dict[str, str]
"""``cache_control`` as it goes on the wire."""

CACHE_CONTROL = "cache_control"
_BREAKPOINT = "prompt_cache_breakpoint"
_OPTIONS = "prompt_cache_options"
NAMES = frozenset({CACHE_CONTROL, _BREAKPOINT})
"""The fields that set a breakpoint."""
MOST = 4
"""Breakpoints that Anthropic takes in one request; the last ones win."""
_HOUR = "1h"
_LONG = frozenset({_HOUR, "12h"})
"""OpenAI's 30m is Anthropic's 5m and 12h its 1h: short and long, as each has two."""
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def of(extras: ir.Extras) -> Mark | None:
    """The breakpoint that stands among a block's extras."""
    if not extras:
        return None
    name = next((name for name in (CACHE_CONTROL, _BREAKPOINT) if name in extras), None)
    told = _object(extras[name]) if name is not None else {}
    if not told or (name == _BREAKPOINT and told.get("mode") != "explicit"):
        return None
    return mark(long=told.get("ttl") in _LONG)


def mark(*, long: bool = False) -> Mark:
    """A breakpoint whose prefix is kept for an hour, or for five minutes."""
    return {"type": "ephemeral", "ttl": _HOUR} if long else {"type": "ephemeral"}


def field(extras: ir.Extras) -> dict[str, Any]:
    """The breakpoint as a field of a block, or nothing."""
    found = of(extras) if extras else None
    return {} if found is None else {CACHE_CONTROL: found}


def on_result(result: ir.ToolResult) -> Mark | None:
    """The breakpoint of a tool's result, whose parts cannot have one of their own."""
    for extras in _of_result(result):
        if (found := of(extras)) is not None:
            return found
    return None


def automatic(request: ir.Request) -> bool:
    """May a breakpoint be set for this client? Not where it set one, or said that it will."""
    options = _object(request.extras.get(_OPTIONS))
    return options.get("mode") != "explicit" and next(among(request), None) is None


def whole(request: ir.Request) -> Mark | None:
    """The client's own automatic breakpoint: ``cache_control`` at the top level."""
    return of({CACHE_CONTROL: request.extras[CACHE_CONTROL]}) if CACHE_CONTROL in request.extras else None


def among(request: ir.Request) -> Iterator[Mark]:
    """Every breakpoint of the request, in the order in which Anthropic counts them."""
    found = [of(extras) for extras in _before_messages(request)]
    for message in request.messages:
        for block in message.blocks:
            if type(block) is ir.ToolResult:
                found.append(on_result(block))
            elif not isinstance(block, ir.Opaque) and block.extras:
                found.append(of(block.extras))
        found.append(of(message.extras))
    yield from (each for each in (*found, whole(request)) if each is not None)


def _before_messages(request: ir.Request) -> Iterator[ir.Extras]:
    """Extras where there are any: nearly all of a request has none, and is asked for them with every request."""
    holders: tuple[ir.Tool | ir.Text, ...] = (*request.tools, *request.system)
    for holder in holders:
        if holder.extras:
            yield holder.extras


def _in_messages(request: ir.Request) -> Iterator[ir.Extras]:
    for message in request.messages:
        if message.extras:
            yield message.extras
        for block in message.blocks:
            if type(block) is ir.ToolResult:
                yield from _of_result(block)
            elif not isinstance(block, ir.Opaque) and block.extras:
                yield block.extras


def _of_result(result: ir.ToolResult) -> Iterator[ir.Extras]:
    if result.extras:
        yield result.extras
    for part in result.content:
        if part.extras:
            yield part.extras


def kept(extras: ir.Extras, upstream: ir.Upstream) -> ir.Extras:
    """Extras as an OpenAI-like upstream may have them: OpenAI itself knows its own breakpoints, all others none."""
    if not extras:
        return {}
    strange = {CACHE_CONTROL} if upstream.wire == "exact" else NAMES
    return {name: raw for name, raw in extras.items() if name not in strange}


def dropped(request: ir.Request, upstream: ir.Upstream) -> list[ir.Named]:
    """What an OpenAI-like upstream or Gemini is not told, by name."""
    told = upstream.wire == "exact" and upstream.family == "openai"
    strange = sorted({CACHE_CONTROL} if told else NAMES)
    extras = [request.extras, *_before_messages(request), *_in_messages(request)]
    found = [name for name in strange if any(name in each for each in extras)]
    return [ir.Named(name, "this backend caches by itself", "tuning") for name in found]


def strip(out: ir.Extras) -> list[ir.Named]:
    """An exact relay's fields for OpenAI without ``cache_control``; all that is beside it stays byte for byte."""
    found = out.pop(CACHE_CONTROL, None) is not None
    for name in _LISTS:
        before = out.get(name)
        if before is not None and _QUOTED in bytes(before):
            out[name] = _without(before)
            found = found or bytes(out[name]).count(_QUOTED) < bytes(before).count(_QUOTED)
    return [ir.Named(CACHE_CONTROL, "this backend caches by itself", "tuning")] if found else []


def _without(raw: msgspec.Raw) -> msgspec.Raw:
    """A list of messages, items, parts, calls or tools without it; what is within a schema is the schema's."""
    if bytes(raw)[:1] != b"[" or _QUOTED not in bytes(raw):
        return raw
    return msgspec.Raw(msgspec.json.encode([_object_without(each) for each in _RAWS.decode(raw)]))


def _object_without(raw: msgspec.Raw) -> Any:
    if bytes(raw)[:1] != b"{" or _QUOTED not in bytes(raw):
        return raw
    fields = {name: value for name, value in _FIELDS.decode(raw).items() if name != CACHE_CONTROL}
    return {name: _without(value) if name in _NESTED else value for name, value in fields.items()}


_QUOTED = b'"cache_control"'
_LISTS = ("messages", "input", "tools")
_NESTED = ("content", "output", "tool_calls")
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def named(request: ir.Request) -> list[ir.Named]:
    """What of the breakpoints of another family's client Anthropic is not told."""
    marks = list(among(request))
    if len(marks) > MOST:
        return [ir.Named(CACHE_CONTROL, f"the last {MOST} of {len(marks)} breakpoints are sent", "tuning")]
    long = [each.get("ttl") == _HOUR for each in marks]
    if sorted(long, reverse=True) != long:
        return [ir.Named(CACHE_CONTROL, "a longer ttl may not follow a shorter one; the shorter is sent", "tuning")]
    return []


def settle(body: dict[str, Any]) -> None:
    """Hold a written request to what the vendor takes: four breakpoints, and no longer ``ttl`` after a shorter one.
    ``body``: ``tools``, ``system``, ``messages`` and a top-level ``cache_control``, each part a dict."""
    holders = _holders(body)
    for holder in holders[:-MOST]:
        del holder[CACHE_CONTROL]
    short = False
    for holder in holders[-MOST:]:
        short = short or holder[CACHE_CONTROL].get("ttl") != _HOUR
        if short:
            holder[CACHE_CONTROL] = mark()


def _holders(body: dict[str, Any]) -> list[dict[str, Any]]:
    """What has a breakpoint, in order."""
    parts = [body.get("tools"), body.get("system"), *[turn["content"] for turn in body.get("messages", ())]]
    lists = [part for part in parts if isinstance(part, list)]
    found = [each for part in lists for each in part if isinstance(each, dict) and CACHE_CONTROL in each]
    return [*found, body] if CACHE_CONTROL in body else found


def _object(raw: msgspec.Raw | None) -> dict[str, Any]:
    try:
        return _OBJECT.decode(raw) if raw is not None else {}
    except msgspec.MsgspecError:
        return {}
