"""The invariants of an Anthropic message, streamed or whole, whoever wrote it; the SDK's types check the schemas.

All raise AssertionError with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from checker_words import must

Event = dict[str, Any]

STOPS = {
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded",
}  # fmt: skip
ERRORS = {
    "invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error",
    "request_too_large", "rate_limit_error", "timeout_error", "api_error", "overloaded_error",
}  # fmt: skip
DELTAS = {
    "text": {"text_delta": "text", "citations_delta": "citation"},
    "thinking": {"thinking_delta": "thinking", "signature_delta": "signature"},
    "tool_use": {"input_json_delta": "partial_json"},
    "server_tool_use": {"input_json_delta": "partial_json"},
}
"""Block type -> the deltas that it may have, and the field that each fills."""
EMPTY: dict[str, Event] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}
TOKENS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
OWN = ("id", "tool_use_id", "signature", "data")
"""What two answers to one question may differ in: names, and what is sealed."""


def check_messages(events: Sequence[Event], *, done: bool = True) -> Event:
    """Every event of one streamed message, in order -> the message that they add up to. ``done``: False where it must
    end with an error instead."""
    told = [event for event in events if event["type"] != "ping"]
    must(told, "the stream is empty")
    must(events[0]["type"] != "ping", "a ping before the stream has begun")
    if not done:
        must(told[-1]["type"] == "error", "the stream broke off without an error")
        check_error(told.pop())
    stream = _Stream()
    for event in told:
        stream.see(event)
    must(stream.over == done, "the stream has no message_stop" if done else "an error after message_stop")
    if done:
        check_message(stream.message)
    return stream.message


def check_error(body: Mapping[str, Any]) -> None:
    """The body of an error answer, or the data of an error event."""
    must(body.get("type") == "error", f"an error of the type {body.get('type')!r}")
    error = body.get("error") or {}
    must(error.get("type") in ERRORS, f"error.type is {error.get('type')!r}")
    must(isinstance(error.get("message"), str) and error["message"], "an error without a message")


def check_message(message: Mapping[str, Any]) -> None:
    """One whole message."""
    must(str(message.get("id", "")).startswith("msg_"), f"the id {message.get('id')!r} lacks msg_")
    must((message.get("type"), message.get("role")) == ("message", "assistant"), "not an assistant's message")
    must(message.get("model"), "a message without a model")
    blocks = message["content"]
    for block in blocks:
        _check_block(block)
    ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
    must(len(set(ids)) == len(ids), "two calls have the same id")
    _check_stop(message, calls=len(ids))
    _check_usage(message["usage"])


def check_message_twins(streamed: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
    """A streamed message (of ``check_messages``) says what the whole answer to the same question says."""
    one, other = _comparable(streamed), _comparable(whole)
    for field in sorted({*one, *other}):
        must(one.get(field) == other.get(field), f"{field} streamed is {one.get(field)!r}, whole {other.get(field)!r}")


class _Stream:
    """The message so far, and what may come next."""

    def __init__(self) -> None:
        self.message: Event = {}
        self.over = False
        self._open: Event | None = None
        self._pieces: list[str] = []
        self._signed = False
        self._seen: dict[str, Callable[[Event], None]] = {
            "message_start": self._begin,
            "content_block_start": self._start,
            "content_block_delta": self._delta,
            "content_block_stop": self._stop,
            "message_delta": self._finish,
            "message_stop": self._end,
        }

    def see(self, event: Event) -> None:
        kind = event["type"]
        must(kind in self._seen, f"{kind} where the stream must go on")
        must(not self.over, f"{kind} after message_stop")
        must(bool(self.message) != (kind == "message_start"), f"{kind}: message_start comes first, and once")
        self._seen[kind](event)

    def _begin(self, event: Event) -> None:
        self.message = {**event["message"]}
        must(self.message["content"] == [], "message_start already has content")
        for field in ("stop_reason", "stop_sequence", "stop_details"):
            must(self.message.get(field) is None, f"message_start already has its {field}")
        _check_usage(self.message["usage"])

    def _start(self, event: Event) -> None:
        must(self._open is None, "a block starts while another is open")
        must(self.message["stop_reason"] is None, "a block starts after the message has stopped")
        place = len(self.message["content"])
        must(event["index"] == place, f"index {event['index']} where {place} is next")
        block = {**event["content_block"]}
        for field, empty in EMPTY.get(block["type"], {}).items():
            must(block.get(field) == empty, f"a {block['type']} block starts with its {field} already there")
        must(not block.get("citations"), "a text block starts with its citations already there")
        self._open, self._pieces, self._signed = block, [], False

    def _delta(self, event: Event) -> None:
        block, delta = self._current(event), event["delta"]
        field = DELTAS.get(block["type"], {}).get(delta["type"], "")
        must(field, f"{delta['type']} in a {block['type']} block")
        must(not self._signed, f"{delta['type']} after the signature")
        if field == "partial_json":
            self._pieces.append(delta[field])
        elif field == "citation":
            block["citations"] = [*(block.get("citations") or []), delta[field]]
        else:
            block[field] += delta[field]
            self._signed = field == "signature"

    def _stop(self, event: Event) -> None:
        block = self._current(event)
        text = "".join(self._pieces)
        if text:
            try:
                block["input"] = json.loads(text)
            except ValueError:
                must(False, f"the input of {block.get('id')} is not JSON: {text!r}")
        self.message["content"] = [*self.message["content"], block]
        self._open = None

    def _current(self, event: Event) -> Event:
        place = len(self.message["content"])
        must(self._open is not None, f"{event['type']} while no block is open")
        must(event["index"] == place, f"{event['type']} for index {event['index']}, open is {place}")
        assert self._open is not None
        return self._open

    def _finish(self, event: Event) -> None:
        must(self._open is None, "message_delta while a block is open")
        must(self.message["stop_reason"] is None, "stop_reason is told twice")
        usage = self.message["usage"]
        for field in TOKENS:
            less = (event["usage"].get(field) or 0) < (usage.get(field) or 0)
            must(not less, f"usage.{field} falls from {usage.get(field)} to {event['usage'].get(field)}")
        self.message |= event["delta"]
        self.message["usage"] = {**usage, **event["usage"]}
        written = "cache_creation_input_tokens"
        if event["usage"].get(written, 0) != usage.get(written, 0):
            self.message["usage"].pop(
                "cache_creation", None
            )  # the sum has grown, of which only the start tells the parts

    def _end(self, event: Event) -> None:
        must(self.message["stop_reason"] is not None, "message_stop without a stop_reason")
        must(event == {"type": "message_stop"}, "message_stop says more than its type")
        self.over = True


def _check_block(block: Mapping[str, Any]) -> None:
    match block["type"]:
        case "text":
            must(block["text"], "a text block without text")
        case "thinking":
            must(block["thinking"] or block["signature"], "a thinking block without thinking or signature")
        case "redacted_thinking":
            must(block["data"], "a redacted block without data")
        case "tool_use":
            must(re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"]), f"the call's id {block['id']!r} would be refused")
            must(block["name"], "a call without a name")
            must(isinstance(block["input"], dict), f"the input of {block['id']} is no object")


def _check_stop(message: Mapping[str, Any], *, calls: int) -> None:
    reason = message["stop_reason"]
    must(reason in STOPS, f"stop_reason is {reason!r}")
    if reason in ("end_turn", "stop_sequence", "tool_use"):
        must((reason == "tool_use") == bool(calls), f"{reason} with {calls} calls")
    must((message["stop_sequence"] is not None) == (reason == "stop_sequence"), f"a stop_sequence with {reason}")
    must(message.get("stop_details") is None or reason == "refusal", f"stop_details with {reason}")


def _check_usage(usage: Mapping[str, Any]) -> None:
    for field in TOKENS:
        count = usage.get(field)
        may_lack = field.startswith("cache_")
        must(may_lack if count is None else type(count) is int and count >= 0, f"usage.{field} is {count!r}")
    thought = (usage.get("output_tokens_details") or {}).get("thinking_tokens", 0)
    must(0 <= thought <= usage["output_tokens"] or usage["output_tokens"] <= 1, "more thinking tokens than output")
    split = usage.get("cache_creation")
    if split is not None:
        must(sum(split.values()) == (usage.get("cache_creation_input_tokens") or 0), "cache_creation is not the sum")


def _comparable(message: Mapping[str, Any]) -> Event:
    usage = message["usage"]
    counted = {field: usage.get(field) for field in (*TOKENS, "output_tokens_details", "server_tool_use")}
    return {**_impersonal(message), "usage": counted}


def _impersonal(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _impersonal(inner) for name, inner in value.items() if name not in OWN and inner is not None}
    return [_impersonal(inner) for inner in value] if isinstance(value, list) else value
