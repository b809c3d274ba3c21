"""What the tests of the Responses dialect share: an echo, strict SDK types, and a stream driven end to end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import msgspec
import yaml
from checker import check_responses, parse_sse
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from adapters import ir
from adapters.openai_responses import DIALECT
from adapters.relay import StreamRelay
from adapters.sse import Frame

ECHO = ir.Echo("5eed", 1_700_000_000, "auto")
SURE = ir.Capabilities(
    thinking="effort", custom_tools=True, verbosity=True, files=True, service_tiers=True, efforts=ir.EFFORTS
)
OPENAI = ir.Upstream(provider="openai", dialect="openai_responses", model="gpt-6-sol", wire="exact", capabilities=SURE)
LOCAL = ir.Upstream(provider="vllm", dialect="openai_responses", model="m", capabilities=SURE)
CONTEXT = ir.Context("5eed", 1_700_000_000)

_response: TypeAdapter[Response] = TypeAdapter(Response)
_EVENTS = {
    kind.model_fields["type"].annotation.__args__[0]: kind for kind in get_args(get_args(ResponseStreamEvent)[0])
}
"""Each event's own type, so that what is wrong is told of the one event that is meant."""


def strict_response(body: bytes) -> dict[str, Any]:
    """A whole answer, valid for the SDK with every literal enforced."""
    _response.validate_json(body, strict=True)
    return json.loads(body)


def strict_events(lines: Iterable[bytes], request: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """A written stream, valid for the SDK and for the invariant checker."""
    events = parse_sse(b"".join(lines))
    for event in events:
        kind = _EVENTS.get(event["type"])
        assert kind is not None, f"{event['type']} is no event of the SDK"
        kind.model_validate(event, strict=True)
    check_responses(events, request)
    return events


def frame(event: dict[str, Any] | str) -> Frame:
    return Frame((event if isinstance(event, str) else json.dumps(event)).encode())


def read(*events: dict[str, Any] | str, end: bool = False) -> list[ir.Event]:
    """Wire events through a fresh reader."""
    reader = DIALECT.reader()
    out = [told for event in events for told in reader.read(frame(event))]
    return out + (list(reader.end()) if end else [])


def write(events: Iterable[ir.Event], echo: ir.Echo = ECHO) -> list[bytes]:
    """Hub events through a fresh writer."""
    writer = DIALECT.writer(echo)
    return [line for event in events for line in writer.write(event)]


def relay(stream: bytes, cuts: Sequence[int] = (), echo: ir.Echo = ECHO) -> StreamRelay:
    """A stream cut at ``cuts``, through the mended relay; all that the client got lies in ``tail``."""
    machine = StreamRelay(DIALECT, DIALECT, echo, exact=False)
    marks = [0, *sorted(cuts), len(stream)]
    got = [line for a, b in pairwise(marks) for line in machine.feed(stream[a:b])]
    got += machine.close()
    machine.tail[:0] = got
    return machine


def text(reply: ir.Reply) -> str:
    return "".join(block.text for block in reply.blocks if block.kind == "text")


def completed(output: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """A final response object."""
    return {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": output, **fields}


def message_item(words: str, id_: str = "msg_1", **fields: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": words, "annotations": []}
    return {"id": id_, "type": "message", "role": "assistant", "status": "completed", "content": [part], **fields}


def call_item(**fields: Any) -> dict[str, Any]:
    base = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a":1}'}
    return {**base, "status": "completed", **fields}


USAGE = ir.UsageReported(ir.Usage(9, 7, 4, reasoning=3))
ASKED: dict[str, Any] = {
    "model": "auto",
    "input": "Hi",
    "instructions": "Be brief.",
    "metadata": {"k": "v"},
    "previous_response_id": "resp_0",
    "conversation": "conv_1",
    "tools": [
        {"type": "function", "name": "f", "parameters": {"type": "object"}},
        {"type": "custom", "name": "patch"},
        {"type": "web_search", "search_context_size": "low"},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "patch"}]},
    "parallel_tool_calls": False,
    "max_output_tokens": 99,
    "max_tool_calls": 2,
    "temperature": 0.5,
    "top_p": 0.5,
    "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}, "verbosity": "low"},
    "reasoning": {"effort": "xhigh", "summary": "auto"},
    "store": False,
    "service_tier": "flex",
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "truncation": "auto",
}


def echo(effort: str | None = None, **fields: Any) -> ir.Echo:
    """As the road makes it: a thread has been put in the place of ``previous_response_id``, which the echo tells."""
    previous = fields.pop("previous_response_id", None)
    request = DIALECT.read_request(json.dumps({"model": "auto", "input": "Hi", **fields}, indent=2).encode())
    return msgspec.structs.replace(ECHO, request=request, effort=effort, previous_response_id=previous)


def say(*blocks: tuple[str, dict[str, Any], list[tuple[str, str]]], reason: str = "stop") -> list[ir.Event]:
    """A whole answer: blocks of (kind, meta, [(channel, data)…]), each an item of its own."""
    events: list[ir.Event] = [ir.Started("up_1", "m", 5)]
    for number, (kind, meta, deltas) in enumerate(blocks):
        events.append(ir.BlockStarted(number, kind, number, meta=meta))  # type: ignore[arg-type]
        events += [ir.Delta(number, channel, data) for channel, data in deltas]  # type: ignore[arg-type]
        events.append(ir.BlockEnded(number))
    return [*events, USAGE, ir.Finished(0, reason), ir.Ended()]  # type: ignore[arg-type]


def both(events: list[ir.Event], told: ir.Echo = ECHO) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The stream, and the whole answer, which must be what the stream ends with."""
    streamed = strict_events(write(events, told))
    whole = strict_response(DIALECT.write_response(ir.collect(events), told))
    assert streamed[-1]["response"] == whole
    return streamed, whole


# --- recordings ----------------------------------------------------------------------------------------------------

VERCEL = ("openai-responses", "open-responses", "xai-responses")
PYDANTIC = ("openai-responses", "deepseek-responses")


def streams(shared: Path) -> Iterator[tuple[str, list[bytes]]]:
    """(name, SSE payloads) of every recorded stream."""
    for folder in VERCEL:
        for path in sorted((shared / "data/golden/vercel-ai" / folder).glob("*.chunks.txt")):
            yield path.name, [line for line in path.read_bytes().splitlines() if line.strip()]
    for name, call in cassettes(shared):
        text_ = (call["response"].get("body") or {}).get("string")
        if isinstance(text_, str) and "data: " in text_ and '"response.created"' in text_:
            yield name, [line[6:].encode() for line in text_.splitlines() if line.startswith("data: ")]


def cassettes(shared: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, interaction) of every recorded generate call."""
    for folder in PYDANTIC:
        for path in sorted((shared / "data/golden/pydantic-ai" / folder).glob("*.yaml")):
            loaded = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            for number, call in enumerate(loaded["interactions"]):
                asked = call["request"]
                if asked["method"] == "POST" and asked["uri"].partition("?")[0].endswith("/responses"):
                    yield f"{path.name}#{number}", call


def bodies(shared: Path) -> Iterator[tuple[str, bytes]]:
    """(name, body) of every recorded whole answer that is no error."""
    for folder in VERCEL:
        for path in sorted((shared / "data/golden/vercel-ai" / folder).glob("*.json")):
            if b'"output"' in (body := path.read_bytes()):
                yield path.name, body
    for name, call in cassettes(shared):
        parsed = call["response"].get("parsed_body")
        if parsed is not None and call["response"]["status"]["code"] == 200:
            yield name, json.dumps(parsed).encode()
