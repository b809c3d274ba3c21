"""Token counts and tool calls of a Responses answer -> the hub's, and the ``usage`` object from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from adapters import ir
from adapters.openai_responses import wire
from adapters.usage import OBJECT, checked, count, first, inner, tool_calls, whole_output

_KNOWN = frozenset({"input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details"})
_TOOLS = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
}
"""Output items of tools that are charged for besides tokens -> the tool."""
_FREE_ACTIONS = frozenset({"open_page", "find_in_page", "find"})
"""What a web search does besides searching: not charged for."""


def read_usage(raw: Any, tier: Any = None, calls: Mapping[str, Any] | None = None) -> ir.Usage | None:
    """``usage`` of a response object, or None where there is nothing to tell. ``tier``: the service tier really used;
    ``calls``: what ``tools_run`` found."""
    if not raw and tier is None and not calls:
        return None
    told = raw if isinstance(raw, Mapping) else {}
    flaws = [] if raw is None or isinstance(raw, Mapping) else [OBJECT]
    ins, outs = inner(told, "input_tokens_details", flaws), inner(told, "output_tokens_details", flaws)
    read_kinds, written = (inner(ins, f"{name}_tokens_details", flaws) for name in ("cached", "cache_write"))
    prompt, output, total = (told.get(f"{name}_tokens") for name in ("input", "output", "total"))
    reasoning = outs.get("reasoning_tokens")
    xai = tool_calls(inner(told, "server_side_tool_usage_details", flaws), "_calls")
    return checked(
        ir.Usage(
            input=prompt,
            output=whole_output(prompt, output, total, reasoning),
            cached=ins.get("cached_tokens"),
            cache_write=first(ins.get("cache_write_tokens"), ins.get("created_cache_tokens")),
            cache_write_12h=written.get("ttl_12h_tokens"),
            reasoning=reasoning,
            total=total,
            service_tier=None if tier == "" else tier,
            input_audio=ins.get("audio_tokens"),
            input_image=ins.get("image_tokens"),
            cached_audio=read_kinds.get("audio_tokens"),
            cached_image=read_kinds.get("image_tokens"),
            output_audio=outs.get("audio_tokens"),
            output_image=outs.get("image_tokens"),
            calls={**(calls or {}), **xai},
            extras={
                name: wire.encode(value) for name, value in told.items() if name not in _KNOWN and value is not None
            },
            flaws=tuple(flaws),
        )
    )


def tools_run(output: Iterable[Mapping[str, Any]], tool_usage: object) -> dict[str, Any]:
    """How often each of the vendor's own tools ran: as it says itself (``tool_usage``, which leaves out what it does
    not charge for), else as its output items show."""
    calls: dict[str, Any] = {}
    for item in output:
        tool = _TOOLS.get(item["type"])
        action = item.get("action")
        if tool is None or (isinstance(action, Mapping) and action.get("type") in _FREE_ACTIONS):
            continue
        calls[tool] = calls.get(tool, 0) + 1
    searched = tool_usage.get("web_search") if isinstance(tool_usage, Mapping) else None
    told = searched.get("num_requests") if isinstance(searched, Mapping) else None
    if told is not None:
        calls["web_search"] = told
    return {tool: times for tool, times in calls.items() if count(times) != 0}


def whole_number(value: object) -> int | None:
    """A time, also from servers that tell it as a float; a flag is no number."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def write(usage: ir.Usage) -> dict[str, Any] | None:
    """``usage``: all integers, parts within their wholes, total their sum (G82). None: it was not told."""
    known = checked(usage)
    if known.input is None or known.output is None:
        return None
    read: dict[str, Any] = {"cached_tokens": known.cached or 0, "cache_write_tokens": known.cache_write or 0}
    if known.cache_write_12h is not None:
        short = (known.cache_write or 0) - known.cache_write_12h
        read["cache_write_tokens_details"] = {"ttl_30m_tokens": max(short, 0), "ttl_12h_tokens": known.cache_write_12h}
    return {
        "input_tokens": known.input,
        "input_tokens_details": read,
        "output_tokens": known.output,
        "output_tokens_details": {"reasoning_tokens": known.reasoning or 0},
        "total_tokens": known.input + known.output,
    }
