"""Google's recorded streams, whole and cut anywhere: not a word, a call, a signature or a token is lost."""

import re
from pathlib import Path
from typing import Any

import gemini_recordings as recordings
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vendor_types import assert_google_response

from adapters import ir
from adapters.google_gemini import DIALECT
from adapters.relay import StreamRelay
from adapters.sse import Frame

ECHO = ir.Echo("ab12", 1_700_000_000, "shown")


def reply(*frames: Any) -> ir.Reply:
    reader = DIALECT.reader()
    found = [event for told in frames for event in reader.read(Frame(msgspec.json.encode(told)))]
    return ir.collect([*found, *reader.end()])


def words(frames: list[dict[str, Any]], *, thought: bool) -> str:
    parts = [part for told in frames for part in told["candidates"][0].get("content", {}).get("parts", [])]
    return "".join(part.get("text", "") for part in parts if part.get("thought", False) is thought)


def test_recordings_lose_no_word_no_call_and_no_token(shared: Path) -> None:
    for name, stream in recordings.streams(shared):
        frames = recordings.frames_of(stream)
        found = reply(*frames)
        assert found.failure is None, name
        assert found.ended is not None, name
        said = "".join(block.text for block in found.blocks if block.kind == "text")
        thought = "".join("".join(block.summary) for block in found.blocks if block.kind == "reasoning")
        assert (said, thought) == (words(frames, thought=False), words(frames, thought=True)), name
        calls = [block for block in found.blocks if block.kind == "tool_call"]
        sent = [
            part
            for told in frames
            for part in told["candidates"][0]["content"]["parts"]
            if part.get("functionCall", {}).get("name")
        ]
        assert [block.meta["name"] for block in calls] == [part["functionCall"]["name"] for part in sent], name
        assert found.finishes[0].reason == ("tool_calls" if calls else "stop"), name
        last = frames[-1]["usageMetadata"]
        assert found.usage is not None
        assert found.usage.total == last["totalTokenCount"], name
        assert found.usage.output == last.get("candidatesTokenCount", 0) + last.get("thoughtsTokenCount", 0), name
        signatures = re.findall(rb'"thoughtSignature": ?"([^"]+)"', stream)
        kept = [block.state.data.encode() for block in found.blocks if block.state]
        assert kept == signatures, name


def test_the_recorded_call_in_pieces(shared: Path) -> None:
    path = shared / "data/golden/vercel-ai/google/google-stream-tool-call-arguments.chunks.txt"
    found = reply(*(msgspec.json.decode(line) for line in path.read_bytes().splitlines() if line))
    assert [block.text for block in found.blocks] == ['{"location":"Boston"}', '{"location":"San Francisco"}']
    assert [bool(block.state) for block in found.blocks] == [True, False]


def relayed(stream: bytes, cuts: list[int], *, exact: bool) -> tuple[bytes, StreamRelay]:
    relay = StreamRelay(DIALECT, DIALECT, ECHO, exact=exact)
    out: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        out += relay.feed(stream[start:end])
    out += relay.close()
    return b"".join(out + relay.tail), relay


SAMPLE = (
    'data: {"candidates":[{"content":{"parts":[{"text":"naïve 東京","thought":true}]},"index":0}]}\r\n\r\n'
    'data: {"candidates":[{"content":{"parts":[{"text":"é°😀"},{"functionCall":{"name":"f","args":{"a":"ü"}}}]}}],\r\n'
    'data: "modelVersion":"m","responseId":"r"}\r\n\r\n'
    ": ping\r\n\r\n"
    'data: {"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],'
    '"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2,"totalTokenCount":3}}\r\n\r\n'
).encode()


@pytest.mark.parametrize("exact", [True, False])
def test_g02_every_single_cut_gives_the_same_answer(exact: bool) -> None:
    whole, relay = relayed(SAMPLE, [], exact=exact)
    assert relay.failure is None
    for cut in range(1, len(SAMPLE)):
        assert relayed(SAMPLE, [cut], exact=exact)[0] == whole


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_g02_recordings_cut_anywhere_give_the_same_answer(shared: Path, data: st.DataObject) -> None:
    _, stream = data.draw(st.sampled_from(STREAMS.setdefault("all", recordings.streams(shared))))
    stream = stream.replace(b"\r\n", data.draw(st.sampled_from([b"\r\n", b"\n", b"\r"])))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    exact = data.draw(st.booleans())
    whole, _ = relayed(stream, [], exact=exact)
    cut, relay = relayed(stream, cuts, exact=exact)
    assert relay.failure is None
    assert relay.done
    assert cut == whole


STREAMS: dict[str, list[tuple[str, bytes]]] = {}


def test_recordings_written_again_say_the_same(shared: Path) -> None:
    for name, stream in recordings.streams(shared):
        again = recordings.frames_of(relayed(stream, [], exact=False)[0])
        for told in again:
            assert_google_response(told)
            assert told["modelVersion"] == "shown"
        before, after = reply(*recordings.frames_of(stream)), reply(*again)
        assert after.finishes == before.finishes, name
        assert after.usage is not None
        assert before.usage is not None
        assert (after.usage.input, after.usage.output) == (before.usage.input, before.usage.output), name
        assert [block.text for block in after.blocks] == [block.text for block in before.blocks], name
        assert [block.state for block in after.blocks] == [block.state for block in before.blocks], name
        assert [block.annotations for block in after.blocks] == [block.annotations for block in before.blocks], name
