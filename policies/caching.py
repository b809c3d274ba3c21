"""May this answer be kept and given again, for how long, and under which key.

Exact only: an answer is given again to the very same question, never to one that means nearly the same. What "nearly"
is would be for another model to say, it would sometimes be wrong, and nobody would see it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from adapters import ir
from policies.durations import seconds
from policies.rules.grammar import Path, Problem
from policies.rules.vocabulary import nearest

MAX_TTL = 30 * 86_400.0
"""Seconds: the state of tool calls is kept no longer either (``state.retention``). Our own limit."""

_WORDS = ("ttl", "tools")
_APIS = ("chat", "responses", "messages")
"""Whose answers are read; those of embeddings and legacy completions pass as bytes, and a count is no answer."""

_TRANSPORT = frozenset({"model", "stream", "stream_options", "prompt_cache_key", "prompt_cache_retention"})
"""Fields that change no answer: the alias has its own place in the key, a stream may be told whole and a whole answer
as a stream, and the vendor's prompt cache is about its price. Who asks (``user``, ``safety_identifier``, ``metadata``)
stays in the key: users that a client tells apart never share an answer."""
_TUNED = ("effort", "thinking_budget", "reasoning_summary", "max_output_tokens", "temperature", "top_p")
"""What an alias's defaults and a rule's ``set`` may change in what the client sent."""
_HOSTED = frozenset({"web_search_options", "mcp_servers", "container"})
"""Unknown fields that stand for tools which the vendor runs."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="sorted").encode


class Caching(Struct, frozen=True, kw_only=True):
    """``set: {cache: {ttl: 1h, tools: true}}``."""

    ttl: float
    """Seconds."""
    tools: bool = False
    """Also for requests with tools."""


class Wish(Struct, frozen=True):
    """What the client's ``Cache-Control`` says. ``age``: the oldest answer that it takes, in seconds."""

    look: bool = True
    keep: bool = True
    age: float | None = None


# --- the rule's words ----------------------------------------------------------------------------------------------


def read_cache(value: Any, path: Path) -> tuple[Caching | None, list[Problem]]:
    """The rule's words, or what is wrong with them; that it must be a mapping at all is told by ``setting``."""
    if not isinstance(value, Mapping):
        return None, []
    problems = list(_problems(value, path))
    if problems:
        return None, problems
    return Caching(ttl=seconds(value["ttl"]), tools=value.get("tools", False)), []


def _problems(value: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    for key, each in value.items():
        if key not in _WORDS:
            yield (*path, key), f"unknown word {key!r}: {nearest(str(key), _WORDS)}"
        elif key == "tools" and not isinstance(each, bool):
            yield (*path, key), f"takes true or false, not {each!r}"
    mistake = _ttl_mistake(value["ttl"]) if "ttl" in value else "is missing: say how long, such as {ttl: 1h}"
    if mistake is not None:
        yield (*path, "ttl"), mistake


def _ttl_mistake(value: Any) -> str | None:
    try:
        told = seconds(value)
    except ValueError as mistake:
        return str(mistake)
    return None if 0 < told <= MAX_TTL else f"must be more than 0s and at most 30d, not {value!r}"


# --- may it be kept ------------------------------------------------------------------------------------------------


def bypass(request: ir.Request, api: str, caching: Caching) -> str | None:
    """Why this request passes the cache by, in one word for a header; None: it does not.

    ``stored``: the answer is to be stored as a turn (``store`` is true unless a Responses client says otherwise), and
    each stored turn is one of its own. ``tools``: tools are on offer or were called, and the rule does not say
    ``tools: true``.
    """
    if api not in _APIS:
        return api
    if request.store or (api == "responses" and request.store is None):
        return "stored"
    return "tools" if not caching.tools and _with_tools(request) else None


def _with_tools(request: ir.Request) -> bool:
    if request.tools or not _HOSTED.isdisjoint(request.extras):
        return True
    spoken = (block for message in request.messages for block in message.blocks)
    return any(isinstance(block, ir.ToolCall | ir.ToolResult | ir.Opaque) for block in spoken)


def unfit(reply: ir.Reply, choices: int, pauses: Collection[str] = ()) -> str | None:
    """Why this answer is not kept: ``failed``, ``cut`` (also by a filter, a limit or a word nobody knows), ``empty``;
    None: it is whole. ``choices``: how many were asked for; ``pauses``: the vendors' words for a pause."""
    if reply.failure is not None:
        return "failed"
    whole = [end for end in reply.finishes.values() if _is_whole(end) and end.detail not in pauses]
    if reply.ended is None or len(whole) < max(choices, len(reply.finishes)):
        return "cut"
    said = {block.choice for block in reply.blocks if block.kind != "reasoning" and (block.text or _is_thing(block))}
    return None if all(choice in said for choice in reply.finishes) else "empty"


def _is_whole(finished: ir.Finished) -> bool:
    return finished.known and finished.reason in ("stop", "tool_calls")


def _is_thing(block: ir.ReplyBlock) -> bool:
    """A block that says something without any text."""
    return block.kind not in ("text", "refusal")


def wish(cache_control: str) -> Wish:
    """The request header ``Cache-Control`` (RFC 9111 section 5.2.1): ``no-store``, ``no-cache`` (asked anew, and that
    answer kept) and ``max-age``. What is not understood asks for nothing."""
    told = {name.strip().lower(): value for name, _, value in (d.partition("=") for d in cache_control.split(","))}
    age = told.get("max-age", "").strip()
    most = float(age[:9]) if age.isascii() and age.isdecimal() else None
    keep = "no-store" not in told
    return Wish(look=keep and "no-cache" not in told, keep=keep, age=most)


# --- the key -------------------------------------------------------------------------------------------------------


def key(  # noqa: PLR0913 - all that may make one question another, by name
    body: ir.Extras,
    request: ir.Request,
    *,
    tenant: str,
    data_class: Collection[str],
    alias: str,
    api: str,
    policy_hash: str,
    rule: str,
    headers: Mapping[str, str],
) -> bytes:
    """SHA-256 of the question: nothing of a prompt can be read from it.

    ``body`` is the top level of what the client sent, ``request`` what the alias and the rules made of it. The client's
    own words are taken, not the hub's: where bytes pass unread, fields that the hub does not know change the answer,
    too. Order of keys and white space do not count. ``headers`` are those that a body's meaning depends on.
    """
    said = {name: raw for name, raw in body.items() if name not in _TRANSPORT}
    plain, raw = _plain(said)
    tuned = {name: getattr(request, name) for name in _TUNED}
    who = (tenant, sorted(data_class), alias, api, policy_hash, rule)
    return sha256(_encode((who, tuned, headers, plain, raw))).digest()


def _plain(fields: ir.Extras) -> tuple[dict[str, Any], dict[str, str]]:
    """The values, and as they were written those that no reader here can hold (``1e999``, what is nested too deeply,
    bytes that are no text)."""
    plain: dict[str, Any] = {}
    raw: dict[str, str] = {}
    for name, value in fields.items():
        try:
            plain[name] = _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raw[name] = bytes(value).decode("latin-1")
    return plain, raw


def told(caching: Caching | None, why: str | None) -> dict[str, Any] | None:
    """What ``explain`` shows. ``why``: the request passes the cache by."""
    return None if caching is None else {"ttl": caching.ttl, "tools": caching.tools, "bypass": why}
