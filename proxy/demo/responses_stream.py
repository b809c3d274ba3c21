"""A finished response taken apart into the events that would have built it, in the order of OpenAI's stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from proxy.demo.base import Json
from proxy.demo.tokens import fragments, pieces


def events(opened: Json, finished: Json) -> Iterator[Json]:
    """Events without their sequence numbers: created, in_progress, each item's own, one terminal."""
    yield {"type": "response.created", "response": opened}
    yield {"type": "response.in_progress", "response": opened}
    for index, item in enumerate(finished["output"]):
        yield from _item(item, index)
    yield {"type": f"response.{finished['status']}", "response": finished}


def _item(item: Json, index: int) -> Iterator[Json]:
    place = {"output_index": index}
    empty, inner = _OPENERS[item["type"]]
    begun = {**item, **empty}
    if "status" in item:
        begun["status"] = "in_progress"
    yield {"type": "response.output_item.added", "item": begun, **place}
    at = {"item_id": item["id"], **place}
    yield from inner(item, at)
    yield {"type": "response.output_item.done", "item": item, **place}


def _message(item: Json, at: Json) -> Iterator[Json]:
    for index, part in enumerate(item["content"]):
        here = {**at, "content_index": index}
        yield {"type": "response.content_part.added", "part": {**part, "text": "", "logprobs": []}, **here}
        for piece, logprobs in _spoken(part):
            yield {"type": "response.output_text.delta", "delta": piece, "logprobs": logprobs, **here}
        done = {"text": part["text"], "logprobs": [_bare(entry) for entry in part["logprobs"]]}
        yield {"type": "response.output_text.done", **done, **here}
        yield {"type": "response.content_part.done", "part": part, **here}


def _spoken(part: Json) -> Iterator[tuple[str, list[Json]]]:
    for index, piece in enumerate(pieces(part["text"])):
        yield piece, [_bare(entry) for entry in part["logprobs"][index : index + 1]]


def _bare(entry: Json) -> Json:
    return {key: value for key, value in entry.items() if key != "bytes"}


def _reasoning(item: Json, at: Json) -> Iterator[Json]:
    for index, part in enumerate(item["summary"]):
        here = {**at, "summary_index": index}
        yield {"type": "response.reasoning_summary_part.added", "part": {**part, "text": ""}, **here}
        for piece in pieces(part["text"]):
            yield {"type": "response.reasoning_summary_text.delta", "delta": piece, **here}
        yield {"type": "response.reasoning_summary_text.done", "text": part["text"], **here}
        yield {"type": "response.reasoning_summary_part.done", "part": part, **here}


def _function(item: Json, at: Json) -> Iterator[Json]:
    for part in fragments(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", "delta": part, **at}
    done = {"arguments": item["arguments"], "name": item["name"]}
    yield {"type": "response.function_call_arguments.done", **done, **at}


def _custom(item: Json, at: Json) -> Iterator[Json]:
    for part in fragments(item["input"]):
        yield {"type": "response.custom_tool_call_input.delta", "delta": part, **at}
    yield {"type": "response.custom_tool_call_input.done", "input": item["input"], **at}


_OPENERS: dict[str, tuple[Json, Callable[[Json, Json], Iterator[Json]]]] = {
    "message": ({"content": []}, _message),
    "reasoning": ({"summary": []}, _reasoning),
    "function_call": ({"arguments": ""}, _function),
    "custom_tool_call": ({"input": ""}, _custom),
}
