"""Recorded traffic with Claude: every answer is read to its end, every request is written back as it was."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from shared_folder import shared_folder

from adapters import ir, sse
from adapters.anthropic_messages import DIALECT
from adapters.families import changes
from adapters.providers import PROVIDERS
from adapters.relay import StreamRelay

FOLDER = shared_folder()
GOLDEN = (FOLDER or Path()) / "data/golden"
ECHO = ir.Echo("0123456789abcdef", 1_700_000_000, "alias")
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
needs_recordings = pytest.mark.skipif(FOLDER is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
OURS = ("text", "thinking", "redacted_thinking", "tool_use")
"""Blocks that we write ourselves; any other passes whole, and some are newer than the installed SDK's types."""


@cache
def streams() -> list[Any]:
    """Every recorded answer; some files hold the answers of several steps, one after another."""
    found: list[Any] = []
    for path in sorted((GOLDEN / "vercel-ai/anthropic").glob("*.chunks.txt")):
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
        ends = [i for i, line in enumerate(lines) if line.startswith(b'{"type":"message_stop"')]
        for i, (a, b) in enumerate(pairwise([-1, *ends])):
            found.append(pytest.param(tuple(lines[a + 1 : b + 1]), id=f"{path.name}-{i}"))
    return found


def stream_bytes(lines: tuple[bytes, ...]) -> bytes:
    return b"".join(sse.render(line, msgspec.json.decode(line)["type"]) for line in lines)


def typed(body: dict[str, Any]) -> dict[str, Any]:
    """``body`` without the vendor's own tool counts, whose older recordings lack a count that is required today."""
    usage = {name: value for name, value in body.get("usage", {}).items() if name != "server_tool_use"}
    return {**body, "usage": usage} if "usage" in body else body


def read_stream(data: bytes) -> list[ir.Event]:
    reader, splitter = DIALECT.reader(), sse.Splitter()
    frames = [*splitter.feed(data), *splitter.end()]
    return [event for frame in frames for event in reader.read(frame)] + list(reader.end())


def run(data: bytes, cuts: list[int] | None = None) -> tuple[bytes, ir.Usage | None]:
    relay = StreamRelay(DIALECT, DIALECT, ECHO, exact=False)
    edges = [0, *(cuts or []), len(data)]
    out = [line for a, b in pairwise(edges) for line in relay.feed(data[a:b])]
    out += relay.close()
    return b"".join([*out, *relay.tail]), relay.usage


def interactions() -> Iterator[Any]:
    if FOLDER is None:
        return
    for path in sorted((GOLDEN / "pydantic-ai").rglob("*.yaml")):
        if b"api.anthropic.com" not in path.read_bytes():
            continue
        for document in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader):
            for i, found in enumerate((document or {}).get("interactions", [])):
                if "api.anthropic.com" in found.get("request", {}).get("uri", ""):
                    yield pytest.param(found, id=f"{path.stem}-{i}")


@cache
def recorded() -> list[Any]:
    return list(interactions())


def as_upstream(body: dict[str, Any]) -> ir.Upstream:
    row = PROVIDERS["anthropic"]
    can = msgspec.structs.replace(row.capabilities, **changes("anthropic", body["model"]))
    if any(message["role"] == "system" for message in body["messages"]):
        can = msgspec.structs.replace(can, mid_system=True)  # the recording shows that the model took them
    return ir.Upstream(
        provider="anthropic", dialect=DIALECT.name, model=body["model"], family="anthropic", capabilities=can
    )


@needs_recordings
@pytest.mark.parametrize("lines", streams())
def test_a_recorded_stream_is_read_to_its_end(lines: tuple[bytes, ...]) -> None:
    events = read_stream(stream_bytes(lines))
    assert isinstance(events[-1], ir.Ended)
    assert [type(e) for e in events].count(ir.Finished) == 1
    reply = ir.collect(events)
    wire = [msgspec.json.decode(line) for line in lines]
    deltas = [event["delta"] for event in wire if event["type"] == "content_block_delta"]
    starts = [event["content_block"] for event in wire if event["type"] == "content_block_start"]
    assert "".join(b.text for b in reply.blocks if b.kind == "text") == "".join(d.get("text", "") for d in deltas)
    assert [s for b in reply.blocks for s in b.summary if s] == _thoughts(wire)
    assert len([b for b in reply.blocks if b.kind == "tool_call"]) == [s["type"] for s in starts].count("tool_use")
    assert len([b for b in reply.blocks if b.annotations]) <= len(starts)
    assert sum(len(b.annotations) for b in reply.blocks) == [d["type"] for d in deltas].count("citations_delta")
    assert len(reply.blocks) == len(starts)
    last = [event["usage"] for event in wire if event["type"] == "message_delta"][-1]
    assert reply.usage is not None
    assert reply.usage.output == last["output_tokens"]


def _thoughts(wire: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for event in wire:
        if event["type"] == "content_block_start" and event["content_block"]["type"] == "thinking":
            found.append("")
        elif event["type"] == "content_block_delta" and event["delta"]["type"] == "thinking_delta":
            found[-1] += event["delta"]["thinking"]
    return [thought for thought in found if thought]


@needs_recordings
@pytest.mark.parametrize("lines", streams())
def test_a_recorded_stream_reaches_a_claude_client_in_the_sdks_types(lines: tuple[bytes, ...]) -> None:
    written, usage = run(stream_bytes(lines))
    events = [msgspec.json.decode(frame.data) for frame in sse.Splitter().feed(written)]
    for event in events:
        if event["type"] != "content_block_start" or event["content_block"]["type"] in OURS:
            EVENT.validate_python(typed(event))
    assert events[0]["type"] == "message_start"
    assert [e["type"] for e in events[-2:]] == ["message_delta", "message_stop"]
    assert events[0]["message"]["id"].startswith("msg_")
    again = ir.collect(read_stream(written))
    before = ir.collect(read_stream(stream_bytes(lines)))
    assert [(b.kind, b.text, b.summary, b.state and b.state.data) for b in again.blocks] == [
        (b.kind, b.text, b.summary, b.state and b.state.data) for b in before.blocks if _visible(b)
    ]
    assert again.usage is not None
    assert usage is not None
    assert (again.usage.input, again.usage.output, again.usage.cached, again.usage.reasoning) == (
        usage.input,
        usage.output,
        usage.cached,
        usage.reasoning,
    )


def _visible(block: ir.ReplyBlock) -> bool:
    return bool(block.text or any(block.summary) or block.state or block.raw or block.kind == "tool_call")


@needs_recordings
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_recorded_stream_says_the_same_wherever_it_is_cut(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(streams())).values[0]
    stream = stream_bytes(lines)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    assert run(stream, cuts) == run(stream)


@needs_recordings
@pytest.mark.parametrize(
    "path", sorted((GOLDEN / "vercel-ai/anthropic").glob("*.json")) if FOLDER else [], ids=lambda path: path.name
)
def test_a_recorded_whole_answer_reaches_a_claude_client(path: Path) -> None:
    whole_answer(msgspec.json.decode(path.read_bytes()))


@needs_recordings
@pytest.mark.parametrize("found", recorded())
def test_a_recorded_answer_is_read(found: dict[str, Any]) -> None:
    response = found["response"]
    body = response.get("parsed_body")
    if body is None:
        events = read_stream(response["body"]["string"].encode())
        assert isinstance(events[-1], ir.Ended)
    elif response["status"]["code"] != 200:
        failure = DIALECT.read_error(response["status"]["code"], {}, msgspec.json.encode(body))
        assert (failure.status, failure.code) == (404, "model_not_found")
        assert failure.message == body["error"]["message"]
    elif "content" in body:
        whole_answer(body)
    else:
        assert body.keys() == {"input_tokens"}


def whole_answer(body: dict[str, Any]) -> None:
    reply = ir.collect(DIALECT.read_response(msgspec.json.encode(body)))
    assert reply.failure is None
    assert "".join(b.text for b in reply.blocks if b.kind == "text") == _text(body)
    told = body["usage"]
    assert reply.usage is not None
    assert reply.usage.input == sum(
        told.get(name) or 0 for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    )
    written = msgspec.json.decode(DIALECT.write_response(reply, ECHO))
    ours = [block for block in written["content"] if block["type"] in OURS]
    Message.model_validate(typed({**written, "content": ours}))
    assert [_plain(block) for block in written["content"]] == [
        _plain(b) for b in body["content"] if b.get("text") != ""
    ]
    assert (written["stop_reason"], written["stop_sequence"]) == (body["stop_reason"], body.get("stop_sequence"))
    for name, value in told.items():
        if name != "iterations":
            assert written["usage"].get(name) == value, name


def _text(body: dict[str, Any]) -> str:
    return "".join(block["text"] for block in body["content"] if block["type"] == "text")


def _plain(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if value is not None and name != "caller"}


NOT_EQUAL = {
    "enabled thinking on a model that is told to think by effort": lambda body, can: (
        body.get("thinking", {}).get("type") == "enabled" and can.thinking != "budget"
    ),
}
"""Why a recorded request may be written otherwise than it was."""


@needs_recordings
@pytest.mark.parametrize("found", recorded())
def test_a_recorded_request_is_written_back_field_by_field(found: dict[str, Any]) -> None:
    body = found["request"]["parsed_body"]
    upstream = as_upstream(body)
    if any(differs(body, upstream.capabilities) for differs in NOT_EQUAL.values()):
        pytest.skip("listed in NOT_EQUAL")
    request = DIALECT.read_request(msgspec.json.encode(body))
    written = DIALECT.write_request(request, upstream, ir.Context("00", 0))
    again = msgspec.json.decode(written.body)
    if "count_tokens" in found["request"]["uri"]:
        again = {name: value for name, value in again.items() if name not in ("max_tokens", "stream")}
    assert again == body
    assert [named for named in DIALECT.refuses(request, upstream) if named.kind == "contract"] == []
