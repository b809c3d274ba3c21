"""read(write(x)) == x: what a dialect's writer says of a hub value, its reader hears, for all that it can say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import hub_answers
import msgspec
import pytest
from hub_answers import answers
from hub_speeches import SPEECHES
from hub_strategies import MODEST, Speech, requests
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from adapters.catalog import DIALECTS
from adapters.dialect import Dialect
from adapters.sse import Splitter

CONTEXT = ir.Context("5eed", 1_700_000_000)


def normal(request: ir.Request) -> ir.Request:
    """Without what is about the request's own form: where a tool stood, and the rest of Google's generationConfig."""
    tools = tuple(msgspec.structs.replace(tool, where=None) for tool in request.tools)
    extras = request.extras
    if request.family == "google":
        extras = {name: raw for name, raw in extras.items() if name != "generationConfig"}
    return msgspec.structs.replace(request, tools=tools, extras=extras)


@pytest.mark.parametrize("speech", SPEECHES.values(), ids=SPEECHES)
@MODEST
@given(data=st.data())
def test_a_request_is_heard_as_it_was_said(speech: Speech, data: st.DataObject) -> None:
    request = data.draw(requests(speech))
    if speech.family == "anthropic":  # demands a limit
        request = msgspec.structs.replace(request, max_output_tokens=data.draw(st.integers(1, 9999)))
    dialect = DIALECTS[speech.dialect]
    assert dialect.refuses(request, speech.upstream) == []
    sent = dialect.write_request(request, speech.upstream, CONTEXT)
    stream = request.stream
    heard = dialect.read_request(sent.body)
    if speech.family == "google":  # which says both in its path
        assert ("streamGenerateContent" in sent.path) == stream
        heard = msgspec.structs.replace(heard, model=request.model, stream=stream)
    assert normal(heard) == normal(request)


# --- answers -------------------------------------------------------------------------------------------------------

ECHO = ir.Echo("5eed", 1_700_000_000, "alias", ir.Request(model="alias", messages=(), include_usage=True, n=2))
ANSWERS = {
    "openai_chat": answers(hub_answers.CHAT, choices=2),
    "openai_responses": answers(hub_answers.RESPONSES),
    "anthropic_messages": answers(hub_answers.ANTHROPIC),
    "google_gemini": answers(hub_answers.GEMINI, choices=2),
}
COUNTS = {
    "google_gemini": ("input", "output", "cached", "reasoning"),
    "others": ("input", "output", "cached", "cache_write", "reasoning"),
}


def said(events: Iterable[ir.Event], dialect: str) -> dict[str, Any]:
    """What an answer says, whatever its pieces and whoever numbered them. Each choice by itself."""
    reply = ir.collect(list(events))
    assert reply.failure is None
    assert reply.ended is not None
    usage = reply.usage or ir.Usage()
    return {
        "blocks": sorted((block.choice, at, _block(block)) for at, block in enumerate(reply.blocks)),
        "ends": {choice: finished.reason for choice, finished in sorted(reply.finishes.items())},
        "usage": {count: getattr(usage, count) for count in COUNTS.get(dialect, COUNTS["others"])},
    }


def _block(block: ir.ReplyBlock) -> str:
    notes = [(note.type, note.url, note.title, note.start, note.end) for note in block.annotations]
    told = (block.text, "".join(block.summary), block.meta.get("id"), block.meta.get("name"), notes)
    return repr((block.kind, told, block.state))


def streamed(dialect: Dialect, events: Sequence[ir.Event]) -> list[ir.Event]:
    """Told and heard as a stream."""
    writer, reader, splitter = dialect.writer(ECHO), dialect.reader(), Splitter()
    data = b"".join(line for event in events for line in writer.write(event))
    frames = [*splitter.feed(data), *splitter.end()]
    return [event for frame in frames for event in reader.read(frame)] + list(reader.end())


@pytest.mark.parametrize("name", ANSWERS)
@MODEST
@given(data=st.data())
def test_an_answer_is_heard_as_it_was_said_whole_and_streamed(name: str, data: st.DataObject) -> None:
    events, dialect = data.draw(ANSWERS[name]), DIALECTS[name]
    whole = dialect.read_response(dialect.write_response(ir.collect(events), ECHO))
    assert said(whole, name) == said(events, name)
    assert said(streamed(dialect, events), name) == said(events, name)
