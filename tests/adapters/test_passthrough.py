"""What is passed on unread: only the model's name and the asking for usage are ours, and the end is told as it came."""

from __future__ import annotations

import msgspec
import pytest

from adapters import ir, strict
from adapters.passthrough import Passthrough
from adapters.sse import Splitter

LEGACY = Passthrough("completions", "/completions")
TO = ir.Upstream(provider="vllm", dialect="openai_chat", model="m", options={"extra": 1})


def events(*frames: bytes) -> list[ir.Event]:
    reader = LEGACY.reader()
    return [e for frame in Splitter().feed(b"".join(frames)) for e in reader.read(frame)]


@pytest.mark.parametrize("options", [b"", b',"stream_options":null', b',"stream_options":{"include_usage":false}'])
def test_a_stream_always_asks_for_usage(options: bytes) -> None:
    out, named = LEGACY.patch(strict.fields(b'{"model":"alias","prompt":"x","stream":true' + options + b"}"), TO)
    assert (bytes(out["stream_options"]), named) == (b'{"include_usage":true}', [])


def test_other_stream_options_stay() -> None:
    out, _ = LEGACY.patch(strict.fields(b'{"model":"a","stream":true,"stream_options":{"x": 1.0}}'), TO)
    assert bytes(out["stream_options"]) == b'{"x":1.0,"include_usage":true}'


def test_the_rest_stays_byte_for_byte_under_the_operators_options() -> None:
    out, _ = LEGACY.patch(strict.fields(b'{"model":"alias","prompt":[1.0, 2e3],"extra":7}'), TO)
    assert {name: bytes(raw) for name, raw in out.items()} == {
        "model": b'"m"',
        "prompt": b"[1.0, 2e3]",
        "extra": b"1",
    }


@pytest.mark.parametrize(("word", "reason"), [("stop", "stop"), ("length", "length"), ("weird", "stop")])
def test_how_it_ended_is_told_whole_and_streamed(word: str, reason: str) -> None:
    body = msgspec.json.encode({"id": "c", "model": "m", "choices": [{"text": "x", "finish_reason": word}]})
    streamed = events(b"data: " + body + b"\n\n", b"data: [DONE]\n\n")
    assert ir.Finished(0, reason, word) in LEGACY.read_response(body)  # type: ignore[arg-type]
    assert streamed[-2:] == [ir.Finished(0, reason, word), ir.Ended()]  # type: ignore[arg-type]
