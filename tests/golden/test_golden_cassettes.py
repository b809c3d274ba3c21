"""Conversations recorded by others, through the dialects without a socket: answers read, requests written back."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from cassettes import Interaction, in_scope
from excluded import listed
from heard import PATHS, heard
from recordings import SHARED
from told import Told, arguments, counts

from adapters import ir, sse
from adapters.catalog import DIALECTS
from adapters.providers import FAMILIES, PROVIDERS, capabilities
from adapters.relay import StreamRelay

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
GENERATED = [found for found in in_scope() if not found.counts]
ANSWERS = [found for found in GENERATED if found.status == 200 and found.name not in listed("answers")]
ERRORS = [found for found in in_scope() if found.status != 200]
REQUESTS = [found for found in in_scope() if found.name not in listed("requests")]
_FREE = {"args", "response", "parametersJsonSchema", "responseJsonSchema", "parameters", "labels", "responseSchema"}
"""Google's fields whose names within are the client's own."""


def name(found: Interaction) -> str:
    return found.name


def read(found: Interaction) -> ir.Reply:
    dialect = DIALECTS[found.dialect or ""]
    if not found.stream:
        return ir.collect(list(dialect.read_response(found.body)))
    reader, splitter = dialect.reader(), sse.Splitter()
    frames = [*splitter.feed(found.body), *splitter.end()]
    return ir.collect([event for frame in frames for event in reader.read(frame)] + list(reader.end()))


def told(reply: ir.Reply) -> Told:
    text = "".join(block.text for block in reply.blocks if block.kind == "text" and block.choice == 0)
    calls = [(block.meta["name"], arguments(block.text)) for block in reply.blocks if block.kind == "tool_call"]
    calls += [(block.meta["name"], block.text) for block in reply.blocks if block.kind == "custom_tool_call"]
    usage = reply.usage or ir.Usage()
    total = usage.total if usage.total is not None else (usage.input or 0) + (usage.output or 0)
    found = counts(
        input=usage.input, cached=usage.cached, cache_write=usage.cache_write, output=usage.output,
        reasoning=usage.reasoning, total=total,
    )  # fmt: skip
    return Told(text, calls, found, reply.finishes[0].reason)


@pytest.mark.parametrize("found", ANSWERS, ids=name)
def test_a_recorded_answer_is_read_to_its_end(found: Interaction) -> None:
    reply = read(found)
    assert reply.failure is None
    assert reply.ended is not None
    said, got = found.answer, told(reply)
    assert (got.text, got.calls, got.finish) == (said.text, said.calls, said.finish)
    assert {count: got.usage.get(count) for count in said.usage} == said.usage


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", PATHS)
@pytest.mark.parametrize("found", ANSWERS, ids=name)
def test_a_recorded_answer_reaches_the_client_intact(found: Interaction, api: str, stream: bool) -> None:
    said, got = found.answer, heard(api, relayed(found, api, stream=stream), stream=stream)
    assert got.text == said.text
    assert sorted(map(repr, got.calls)) == sorted(map(repr, said.calls))
    assert got.finish == said.finish
    assert {count: got.usage.get(count, 0) for count in said.usage} == said.usage


def relayed(found: Interaction, api: str, *, stream: bool) -> bytes:
    """What station 9 makes of the recording for a client of ``api``; a whole answer may be told as a stream."""
    source, target = DIALECTS[found.dialect or ""], DIALECTS[f"openai_{api}"]
    request = ir.Request(model="alias", messages=(), stream=stream, include_usage=True)
    echo = ir.Echo("5eed", 1_700_000_000, "alias", request)
    if not stream:
        return target.write_response(read(found), echo)
    relay = StreamRelay(source, target, echo, exact=False)
    out = relay.feed(found.body) + relay.close() if found.stream else relay.replay(source.read_response(found.body))
    return b"".join([*out, *relay.tail])


@pytest.mark.parametrize("found", ERRORS, ids=name)
def test_a_recorded_error_becomes_the_mapped_failure(found: Interaction) -> None:
    failure = DIALECTS[found.dialect or ""].read_error(found.status, {}, found.body)
    assert failure.status == found.status
    assert failure.message == json.loads(found.body)["error"]["message"]
    assert failure.kind == {400: "invalid", 404: "not_found", 429: "limited"}[found.status]


@pytest.mark.parametrize("found", REQUESTS, ids=name)
def test_a_recorded_request_is_written_back_field_by_field(found: Interaction) -> None:
    assert written(found) == spelt_alike(found, found.asked)


def written(found: Interaction) -> Any:
    """The request, read and written by its own dialect for the model it was sent to."""
    dialect, asked, upstream = DIALECTS[found.dialect or ""], found.asked, upstream_of(found)
    request = dialect.read_request(json.dumps(asked).encode())
    assert [named for named in dialect.refuses(request, upstream) if named.kind == "contract"] == []
    sent = dialect.write_request(request, upstream, ir.Context("5eed", 1_700_000_000))
    return spelt_alike(found, json.loads(sent.body))


def upstream_of(found: Interaction) -> ir.Upstream:
    """The backend as an operator would describe it who knows that it took this request."""
    limit = "max_completion_tokens" if "max_completion_tokens" in found.asked else None
    can = capabilities(found.provider, found.asked["model"])
    known = {"mid_system": True, "one_system": False, "service_tiers": True, "files": True}
    return ir.Upstream(
        provider=found.provider,
        dialect=found.dialect or "",
        model=found.asked["model"],
        family=FAMILIES[found.dialect or ""],
        wire=PROVIDERS[found.provider].wire,
        capabilities=msgspec.structs.replace(can, **known, max_tokens_field=limit or can.max_tokens_field),
    )


def spelt_alike(found: Interaction, body: Any) -> Any:
    """What says the same in two ways, told in one: Google's spellings, ``stream: false``, a limit where only input counts."""
    if found.dialect == "google_gemini":
        return _camel({field: value for field, value in body.items() if field != "model"})
    unsaid = {"stream"} if not body.get("stream") else set()
    if found.counts:
        unsaid |= {"max_tokens"}
    body = {field: value for field, value in body.items() if field not in unsaid}
    if found.dialect == "openai_chat":
        body["messages"] = [_turn(message) for message in body["messages"]]
    return body


def _turn(message: dict[str, Any]) -> dict[str, Any]:
    """A text, and a list of one text part; null, and nothing."""
    match message.get("content"):
        case [{"type": "text", "text": text}]:
            message = {**message, "content": text}
    return {field: value for field, value in message.items() if value is not None}


def _camel(value: Any, within: str = "") -> Any:
    if isinstance(value, list):
        return [_camel(inner, within) for inner in value]
    if not isinstance(value, dict):
        return value
    if within in _FREE:
        return value
    names = {field: re.sub(r"_([a-z])", lambda match: match[1].upper(), field) for field in value}
    return {names[field]: _camel(inner, names[field]) for field, inner in value.items()}
