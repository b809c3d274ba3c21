"""The stream invariant checker (protocol.md section 1): what must hold of every streamed answer, whoever wrote it.

``parse_sse`` checks the framing, ``check_responses`` and ``check_chat`` the sense. All raise AssertionError with the
reason. Schemas are not checked here: the SDK's types do that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from checker_chat import check_chat
from checker_words import check_twins, check_usage, must

__all__ = ["check_chat", "check_echo", "check_responses", "check_twins", "parse_sse"]

Event = dict[str, Any]


# --- framing -------------------------------------------------------------------------------------------------------


def parse_sse(data: bytes, *, done: bool = True) -> list[Event]:
    """A whole stream's bytes -> the JSON of its events, comments left out, ``[DONE]`` required (or refused) last."""
    must(data.endswith(b"\n\n"), "the stream does not end with a blank line")
    must(b"\r" not in data, "a carriage return in the framing")
    payloads = [block for raw in data.split(b"\n\n")[:-1] if (block := _payload(raw.decode())) is not None]
    if done:
        must(payloads and payloads[-1] == "[DONE]", "data: [DONE] is not the last event")
        payloads.pop()
    must("[DONE]" not in payloads, "data: [DONE] is not the last event, or comes unasked")
    return [json.loads(payload) for payload in payloads]


def _payload(block: str) -> str | None:
    lines = block.split("\n")
    if all(line.startswith(":") for line in lines):
        return None
    must(lines[-1].startswith("data: "), f"not an event of one data line: {block[:80]!r}")
    payload = lines[-1].removeprefix("data: ")
    kind = json.loads(payload).get("type") if payload.startswith("{") else None
    typed = isinstance(kind, str)
    must(len(lines) == (2 if typed else 1), f"one event per block, event: line where it has a type: {block[:80]!r}")
    must(not typed or lines[0] == f"event: {kind}", f"{lines[0]!r} does not equal the type {kind!r}")
    return payload


# --- Responses -----------------------------------------------------------------------------------------------------

PREFIX = {"message": "msg_", "reasoning": "rs_", "function_call": "fc_", "custom_tool_call": "ctc_"}
TERMINAL = {"response.completed": "completed", "response.incomplete": "incomplete", "response.failed": "failed"}


class Kind(NamedTuple):
    """A kind of text that streams: where its part sits, in which list of the item, and under which field."""

    index: str | None
    part: str | None
    items: str | None
    field: str
    type: str | None


KINDS = {
    "response.output_text": Kind("content_index", "response.content_part", "content", "text", "output_text"),
    "response.refusal": Kind("content_index", "response.content_part", "content", "refusal", "refusal"),
    "response.reasoning_text": Kind("content_index", "response.content_part", "content", "text", "reasoning_text"),
    "response.reasoning_summary_text": Kind(
        "summary_index", "response.reasoning_summary_part", "summary", "text", "summary_text"
    ),
    "response.function_call_arguments": Kind(None, None, None, "arguments", None),
    "response.custom_tool_call_input": Kind(None, None, None, "input", None),
}
FRAMES = {"response.content_part": "content_index", "response.reasoning_summary_part": "summary_index"}


class _Part:
    def __init__(self, type_: str | None) -> None:
        self.type = type_
        self.text = ""
        self.said = False
        self.closed = False
        self.notes: list[Any] = []


class _Item:
    def __init__(self, item: Mapping[str, Any], index: int) -> None:
        self.id = item.get("id")
        self.type = item["type"]
        self.index = index
        self.done: Mapping[str, Any] | None = None
        self.parts: dict[tuple[str | None, int], _Part] = {}


def check_responses(events: Sequence[Event], request: Mapping[str, Any] | None = None) -> None:
    """Every event of one streamed response, in order. ``request``: the body that asked, to check its echo."""
    must(events, "the stream is empty")
    for number, event in enumerate(events):
        got = event.get("sequence_number")
        must(got == number, f"sequence_number is {got} on event {number} ({event.get('type')})")
    if events[0].get("type") == "error":
        _check_flat_error(events)
        return
    walk = _Responses()
    for event in events:
        walk.see(event)
    walk.finish(events, request)


def _check_flat_error(events: Sequence[Event]) -> None:
    must(len(events) == 1, "something follows an error event")
    must(isinstance(events[0].get("message"), str), "the error event has no message")
    must("error" not in events[0], "the error is nested: SDKs expect it flat")


class _Responses:
    def __init__(self) -> None:
        self.items: list[_Item] = []
        self.ids: set[object] = set()

    def see(self, event: Event) -> None:
        kind = event["type"]
        if kind == "response.output_item.added":
            self._added(event)
        elif kind == "response.output_item.done":
            self._done(event)
        elif "output_index" in event:
            self._child(event, *kind.rsplit(".", 1))

    def _added(self, event: Event) -> None:
        index, item = event["output_index"], event["item"]
        must(index == len(self.items), f"output_index {index} where {len(self.items)} is next")
        prefix = PREFIX.get(item["type"], "")
        must(str(item.get("id", "")).startswith(prefix), f"the id {item.get('id')} of a {item['type']} lacks {prefix}")
        must(item.get("id") is None or item["id"] not in self.ids, f"two items have the id {item.get('id')}")
        for field in ("content", "summary", "arguments", "input"):
            if item["type"] in PREFIX:
                must(not item.get(field), f"{item['type']} is announced with its {field} already there")
        self.ids.add(item.get("id"))
        self.items.append(_Item(item, index))

    def _item(self, event: Event) -> _Item:
        index = event["output_index"]
        must(0 <= index < len(self.items), f"{event['type']} for output_index {index}, which was never added")
        item = self.items[index]
        must(item.done is None, f"{event['type']} after output_index {index} was done")
        if "item_id" in event:
            must(event["item_id"] == item.id, f"{event['type']} has item_id {event['item_id']}, added as {item.id}")
        return item

    def _child(self, event: Event, stem: str, moment: str) -> None:
        item = self._item(event)
        if stem in FRAMES:
            self._framed(item, event, FRAMES[stem], moment)
        elif stem == "response.output_text.annotation":
            part = self._open(item, event, KINDS["response.output_text"])
            must(event["annotation_index"] == len(part.notes), "annotation_index is not the next")
            part.notes.append(event["annotation"])
        elif stem in KINDS:
            part = self._open(item, event, KINDS[stem])
            self._text(part, event, KINDS[stem], moment)

    def _open(self, item: _Item, event: Event, kind: Kind) -> _Part:
        if kind.index is None:
            part = item.parts.setdefault((None, 0), _Part(None))
        else:
            place = (kind.index, event[kind.index])
            must(place in item.parts, f"{event['type']} for {place}, a part that was never added")
            part = item.parts[place]
        must(not part.closed, f"{event['type']} after its part was done")
        must(part.type == kind.type, f"{event['type']} in a part of type {part.type}")
        return part

    def _text(self, part: _Part, event: Event, kind: Kind, moment: str) -> None:
        must(not part.said, f"{event['type']} after the done event of the same part")
        if moment == "delta":
            part.text += event["delta"]
        else:
            must(event[kind.field] == part.text, f"{event['type']} is not the sum of its deltas")
            part.said = True

    def _framed(self, item: _Item, event: Event, index: str, moment: str) -> None:
        place = (index, event[index])
        if moment == "added":
            known = sum(name == index for name, _ in item.parts)
            must(event[index] == known, f"{index} {event[index]} where {known} is next")
            must(not _said(event["part"]), "a part is announced with its text already there")
            item.parts[place] = _Part(event["part"]["type"])
            return
        must(place in item.parts, f"{event['type']} for {place}, a part that was never added")
        part = item.parts[place]
        must(part.said and not part.closed, f"{event['type']} before its text was done, or twice")
        _same_part(part, event["part"], event["type"])
        part.closed = True

    def _done(self, event: Event) -> None:
        item, whole = self._item(event), event["item"]
        must((whole.get("id"), whole["type"]) == (item.id, item.type), "an item's id or type changed between events")
        for place, part in item.parts.items():
            must(
                part.said and (part.closed or place[0] is None), f"the {item.type} item is done before its part {place}"
            )
        for name, index in (("content", "content_index"), ("summary", "summary_index")):
            if item.type in PREFIX:
                parts = [part for (place, _), part in item.parts.items() if place == index]
                told = whole.get(name) or []
                must(
                    len(parts) == len(told), f"the done {item.type} has {len(told)} {name} parts, {len(parts)} streamed"
                )
                for part, final in zip(parts, told, strict=True):
                    _same_part(part, final, f"the done item's {name}")
        for kind, field in (("function_call", "arguments"), ("custom_tool_call", "input")):
            if item.type == kind:
                must((None, 0) in item.parts, f"a {kind} without {field} events")
                must(whole[field] == item.parts[None, 0].text, f"the done {kind}'s {field} are not what was streamed")
        item.done = whole

    def finish(self, events: Sequence[Event], request: Mapping[str, Any] | None) -> None:
        """The frame around the items: how it began, how it ended, and what stayed the same."""
        shown = [event for event in events if isinstance(event.get("response"), dict)]
        _check_opening(events)
        last = events[-1]
        must(last["type"] in TERMINAL, f"the stream ends with {last['type']}, which is no end")
        must(sum(event["type"] in TERMINAL for event in events) == 1, "more than one terminal event")
        for field in ("id", "created_at", "model", "object"):
            must(len({event["response"].get(field) for event in shown}) == 1, f"response.{field} changes")
        response = last["response"]
        must(response["status"] == TERMINAL[last["type"]], f"status {response['status']} in {last['type']}")
        self._check_output(response)
        _check_end(response)
        for event in shown:
            check_echo(event["response"], request or {})

    def _check_output(self, response: Mapping[str, Any]) -> None:
        seen = [item.done for item in self.items]
        if response["status"] == "failed":
            done = [item for item in seen if item is not None]
            must(response["output"] in ([], done), "the failed response's output is not what was done")
            return
        must(None not in seen, "an item was never done")
        must(response["output"] == seen, "the final output is not the items that were streamed")
        for index, item in enumerate(seen):
            ends = index == len(seen) - 1 and response["status"] == "incomplete"
            wanted = "incomplete" if ends else "completed"
            if item is not None and item["type"] in PREFIX:
                must(item.get("status", wanted) == wanted, f"item {index} is {item.get('status')}, not {wanted}")


def _said(part: Mapping[str, Any]) -> object:
    return part.get("text") or part.get("refusal") or part.get("annotations")


def _same_part(part: _Part, final: Mapping[str, Any], where: str) -> None:
    must(final["type"] == part.type, f"{where} has type {final['type']}, added as {part.type}")
    must((final.get("text") or final.get("refusal") or "") == part.text, f"{where} is not the sum of its deltas")
    must((final.get("annotations") or []) == part.notes, f"{where} has annotations that were not streamed")


def _check_opening(events: Sequence[Event]) -> None:
    kinds = [event["type"] for event in events]
    must(kinds[0] == "response.created", f"the stream begins with {kinds[0]}")
    opening = [kind for kind in kinds[1:3] if kind != "response.queued"]
    wanted = {"response.in_progress", "response.failed"} if len(kinds) == 2 else {"response.in_progress"}
    must(opening and opening[0] in wanted, "response.created is not followed by response.in_progress")
    must(kinds.count("response.created") == 1 >= kinds.count("response.in_progress"), "created or in_progress twice")
    must("error" not in kinds, "an error event after response.created")
    for event in events[: min(2, len(events) - 1)]:
        response = event["response"]
        must(response["status"] in {"in_progress", "queued"}, f"{event['type']} with status {response['status']}")
        must(not response["output"] and not response.get("usage"), f"{event['type']} already has output or usage")
    must(str(events[0]["response"]["id"]).startswith("resp_"), "the response's id lacks resp_")


def _check_end(response: Mapping[str, Any]) -> None:
    status, details, error = response["status"], response.get("incomplete_details"), response.get("error")
    must((details is not None) == (status == "incomplete"), f"incomplete_details {details} on a {status} response")
    must(details is None or details.get("reason"), "incomplete without a reason")
    must((error is not None) == (status == "failed"), f"error {error} on a {status} response")
    must(error is None or (error.get("code") and error.get("message")), "an error without code and message")
    if response.get("usage") is not None:
        read, written = ("input_tokens", "cached_tokens"), ("output_tokens", "reasoning_tokens")
        check_usage(response["usage"], read, written)


ECHOED: dict[str, Any] = {
    "instructions": None,
    "metadata": {},
    "previous_response_id": None,
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "store": True,
    "safety_identifier": None,
    "prompt_cache_key": None,
    "user": None,
}


def check_echo(response: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    """The response says again what the request asked."""
    for field, default in ECHOED.items():
        asked = request.get(field)
        if asked is not None:
            must(response.get(field, default) == asked, f"{field} is not echoed: {response.get(field)!r}")
    asked_tools, told = request.get("tools") or [], response.get("tools") or []
    if request:
        must(len(asked_tools) == len(told), f"{len(asked_tools)} tools were sent, {len(told)} are echoed")
    for asked, tool in zip(asked_tools, told, strict=False):
        must({**tool, **asked} == tool, f"the tool {asked.get('name')} is not echoed as it was sent")
    shape = (request.get("text") or {}).get("format")
    must(not shape or shape.items() <= response["text"]["format"].items(), "text.format is not echoed")
    effort = (request.get("reasoning") or {}).get("effort")
    must(not effort or (response.get("reasoning") or {}).get("effort"), "reasoning.effort is not echoed")
