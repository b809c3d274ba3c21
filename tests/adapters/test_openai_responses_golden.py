"""Recorded Responses traffic: read to the end, written again, checked; and every accepted request read and rewritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from responses_kit import (
    CONTEXT,
    ECHO,
    OPENAI,
    bodies,
    cassettes,
    read,
    relay,
    streams,
    strict_events,
    strict_response,
    text,
    write,
)

from adapters import ir
from adapters.openai_responses import DIALECT

EDITED = {"openai-image-generation-tool.1.chunks.txt", "openai-shell-container.1.chunks.txt"}
"""Recordings that were edited by hand: their final object says something else than their stream."""


def sse(payloads: list[bytes]) -> bytes:
    """As a server sends them, with what servers mix in."""
    events = (b"data: " + payload + (b"\r\n\r\n" if n % 3 else b"\n\n") for n, payload in enumerate(payloads))
    return b": hello\n\n" + b"".join(events)


def wire_text(output: list[dict[str, Any]]) -> str:
    parts = [part for item in output if item["type"] == "message" for part in item["content"]]
    return "".join(part.get("text", "") for part in parts)


def essence(output: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What a call or a message says. (Sealed reasoning is sealed anew for the final object: only that it is there.)"""
    fields = ("call_id", "name", "arguments", "input", "phase")
    said = [{name: item[name] for name in fields if item.get(name) is not None} for item in output]
    return [
        (item["type"], bool(item.get("encrypted_content")), fields) for item, fields in zip(output, said, strict=True)
    ]


def test_every_recorded_stream_is_read_to_the_end_and_rewritten_right(shared: Path) -> None:
    seen = 0
    for name, payloads in streams(shared):
        final = json.loads(payloads[-1])["response"]
        machine = relay(sse(payloads))
        assert machine.failure is None, name
        events = strict_events(machine.tail)
        told = events[-1]["response"]
        if name not in EDITED:
            assert wire_text(told["output"]) == wire_text(final["output"]), name
            assert essence(told["output"]) == essence(final["output"]), name
        for field in ("input_tokens", "output_tokens", "total_tokens"):
            assert told["usage"][field] == final["usage"][field], name
        calls = any(item["type"] in {"function_call", "custom_tool_call"} for item in final["output"])
        assert machine.finishes[0].reason == ("tool_calls" if calls else "stop"), name
        seen += 1
    assert seen >= 25


def test_every_recorded_answer_is_read_whole_and_rewritten_right(shared: Path) -> None:
    seen = 0
    for name, body in bodies(shared):
        reply = ir.collect(DIALECT.read_response(body))
        source, told = json.loads(body), strict_response(DIALECT.write_response(reply, ECHO))
        assert reply.failure is None, name
        assert wire_text(told["output"]) == wire_text(source["output"]), name
        assert essence(told["output"]) == essence(source["output"]), name
        assert told["status"] == "completed", name
        again = ir.collect(DIALECT.read_response(msgspec.json.encode(told)))
        assert json.loads(DIALECT.write_response(again, ECHO)) == told, name
        seen += 1
    assert seen >= 50


def test_a_whole_answer_told_as_a_stream_is_the_same_answer(shared: Path) -> None:
    for name, body in bodies(shared):
        events = DIALECT.read_response(body)
        streamed = strict_events(write(events))[-1]["response"]
        assert streamed == json.loads(DIALECT.write_response(ir.collect(events), ECHO)), name


def test_a_stream_and_only_its_final_object_say_the_same(shared: Path) -> None:
    for name, payloads in streams(shared):
        if name in EDITED:
            continue
        whole, ended = ir.collect(read(*map(bytes.decode, payloads))), ir.collect(read(payloads[-1].decode()))
        assert text(whole) == text(ended), name
        assert whole.usage == ended.usage, name
        assert [block.kind for block in whole.blocks] == [block.kind for block in ended.blocks], name
        assert [block.text for block in whole.blocks] == [block.text for block in ended.blocks], name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_g02_translation_does_not_see_where_the_bytes_were_cut(shared: Path, data: st.DataObject) -> None:
    recorded = [sse(payloads) for _, payloads in streams(shared) if sum(map(len, payloads)) < 60_000]
    stream = data.draw(st.sampled_from(recorded))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=40))
    torn, whole = relay(stream, cuts), relay(stream)
    assert torn.tail == whole.tail
    assert torn.usage == whole.usage


def test_every_recorded_request_is_written_as_it_was_read(shared: Path) -> None:
    seen = 0
    for name, call in cassettes(shared):
        asked = {field: value for field, value in call["request"]["parsed_body"].items() if value is not None}
        request = DIALECT.read_request(json.dumps(asked).encode())
        upstream = msgspec.structs.replace(OPENAI, model=asked["model"])
        sent = json.loads(DIALECT.write_request(request, upstream, CONTEXT).body)
        assert sent == {"stream": False, **asked}, name
        assert DIALECT.refuses(request, upstream) == [], name
        seen += 1
    assert seen >= 60


def test_recorded_errors_become_the_mapped_error(shared: Path) -> None:
    errors = [call for _, call in cassettes(shared) if call["response"]["status"]["code"] != 200]
    for call in errors:
        body = call["response"].get("body", {}).get("string") or json.dumps(call["response"].get("parsed_body"))
        failure = DIALECT.read_error(call["response"]["status"]["code"], {}, body.encode())
        assert (failure.kind, failure.status) == ("invalid", 400)
        assert failure.message == json.loads(body)["error"]["message"]
    assert errors
    path = shared / "data/golden/vercel-ai/openai-responses/reasoning-model-temperature-error.json"
    assert DIALECT.read_error(400, {}, path.read_bytes()).param == "temperature"
