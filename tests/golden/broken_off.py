"""A recorded stream that breaks off after k bytes: where its own end lies, and what a client may hear of the rest."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from checker import check_chat, check_responses, parse_sse
from checker_messages import check_error, check_messages
from heard import heard
from playing import ANSWERS, Recorded

Spans = dict[tuple[Any, ...], str]
STREAMS = [found for found in ANSWERS if found.stream]
_EVENT = re.compile(rb"(?:[^\r\n]+\r?\n)+\r?\n|[^\r\n][^\0]*\Z")
_ENDS = ("response.completed", "response.incomplete", "response.failed", "message_stop")
_ERRORS = ("error", "response.failed")
_DELTAS = {
    "text_delta": "text", "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}  # fmt: skip


def end_of(found: Recorded) -> tuple[int, int]:
    """Where the event lies that ends the answer: the offset after its last character, and that after its blank line."""
    for event in _EVENT.finditer(found.body):
        lines = [line.removeprefix(b"data:").strip() for line in event[0].splitlines() if line.startswith(b"data:")]
        if lines and _ends(found.dialect or "", b"\n".join(lines)):
            return event.start() + len(event[0].rstrip()), event.end()
    raise AssertionError(f"{found.name} has no end")


def _ends(dialect: str, data: bytes) -> bool:
    """Every recording has one choice."""
    told: Any = {} if data == b"[DONE]" else json.loads(data)
    if dialect == "openai_chat":
        return any(choice.get("finish_reason") for choice in told.get("choices", ()))
    if dialect == "google_gemini":
        blocked = told.get("promptFeedback", {}).get("blockReason")
        return bool(blocked) or any(candidate.get("finishReason") for candidate in told.get("candidates", ()))
    return told.get("type") in _ENDS


# --- what a client hears -------------------------------------------------------------------------------------------


def events(api: str, out: bytes) -> list[Any]:
    """The events of a stream that may end in any way, each of them well-formed."""
    return parse_sse(out, done=out.endswith(b"data: [DONE]\n\n"))


def spans(api: str, told: Sequence[Any]) -> Spans:
    """All that was said in pieces, added up: text, reasoning, arguments."""
    found: Spans = defaultdict(str)
    for key, piece in (said for event in told for said in _said(api, event)):
        found[key] += piece
    return dict(found)


def _said(api: str, event: Any) -> Iterator[tuple[tuple[Any, ...], str]]:
    if api == "chat":
        for choice in event.get("choices", ()):
            yield from _chat(choice["index"], choice["delta"])
    elif event["type"] == "content_block_delta":
        kind = event["delta"]["type"]
        if kind in _DELTAS:
            yield (event["index"], kind), event["delta"][_DELTAS[kind]]
    elif event["type"].endswith(".delta"):
        key = [event.get(name) for name in ("type", "output_index", "content_index", "summary_index")]
        yield tuple(key), event["delta"]


def _chat(choice: int, delta: Any) -> Iterator[tuple[tuple[Any, ...], str]]:
    for name in ("content", "refusal", "reasoning_content"):
        yield (choice, name), delta.get(name) or ""
    for call in delta.get("tool_calls") or ():
        told = call.get("function") or call.get("custom") or {}
        yield (choice, "call", call["index"]), told.get("arguments") or told.get("input") or ""


def check_broken(api: str, out: bytes, whole: bytes, *, exact: bool = False) -> None:
    """Nothing is made up: a prefix of what the uncut answer says, then one error in the client's dialect, and no end.
    (Open Responses closes every stream with ``[DONE]``, also one that failed; to a chat client it means an end.)
    ``exact``: these are a vendor's own bytes, which may hold what no checker of ours knows."""
    told = events(api, out)
    assert (b"[DONE]" in out) == (api == "responses")
    failed = [event for event in told if (api == "chat" and "error" in event) or event.get("type") in _ERRORS]
    assert len(failed) == 1
    assert told[-1] is failed[0]
    if api == "chat":
        check_chat(told, include_usage=False, done=False)
    elif api == "messages":
        check_error(failed[0])
        assert exact or check_messages(told, done=False) is not None
    else:
        check_responses(told)
        assert not [event for event in told if event["type"] in _ENDS[:2]]
    uncut = spans(api, events(api, whole))
    for key, text in spans(api, told).items():
        assert uncut.get(key, "").startswith(text), f"{key}: {text!r} is no beginning of {uncut.get(key)!r}"


def check_ended(api: str, out: bytes, whole: bytes) -> None:
    """Cut after its end, an answer is whole; its usage may be missing."""
    got, expected = heard(api, out, stream=True), heard(api, whole, stream=True)
    assert (got.text, got.calls, got.finish) == (expected.text, expected.calls, expected.finish)
