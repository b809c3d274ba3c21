"""The recorded conversations in front of Anthropic's clients: every vendor's answers told as messages, Anthropic's
requests told to the others, and the recorded counts."""

from __future__ import annotations

import json
from typing import Annotated, Any, get_args

import msgspec
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from cassettes import Interaction, in_scope
from checker import parse_sse
from checker_messages import check_message, check_message_twins, check_messages
from excluded import listed
from pydantic import Discriminator, TypeAdapter
from recordings import SHARED
from told import Told, arguments, counts
from vendor_types import assert_chat_request, assert_google_request, assert_responses_request

from adapters import ir, sse
from adapters.catalog import DIALECTS
from adapters.counting import ENDPOINTS, Counter
from adapters.fitting import fit
from adapters.providers import FAMILIES, PROVIDERS, capabilities
from adapters.relay import StreamRelay

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
ALL = [found for found in in_scope() if found.status == 200]
ANSWERS = [found for found in ALL if not found.counts and found.name not in listed("answers")]
COUNTS = [found for found in ALL if found.counts]
REQUESTS = [found for found in ALL if found.dialect == "anthropic_messages" and found.name not in listed("requests")]
MESSAGES = DIALECTS["anthropic_messages"]
ECHO = ir.Echo("5eed", 1_700_000_000, "alias", ir.Request(model="alias", messages=()))
_EVENT: TypeAdapter[Any] = TypeAdapter(Annotated[get_args(RawMessageStreamEvent)[0], Discriminator("type")])
_FINISHES = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "pause_turn": "length",
    "model_context_window_exceeded": "length", "tool_use": "tool_calls", "refusal": "content_filter",
}  # fmt: skip


def name(found: Interaction) -> str:
    return found.name


def whole(found: Interaction) -> Any:
    """The recorded answer as one message."""
    dialect = DIALECTS[found.dialect or ""]
    events = list(dialect.read_response(found.body))
    if found.stream:
        reader, splitter = dialect.reader(), sse.Splitter()
        frames = [*splitter.feed(found.body), *splitter.end()]
        events = [event for frame in frames for event in reader.read(frame)] + list(reader.end())
    message = json.loads(MESSAGES.write_response(ir.collect(events), ECHO))
    if found.dialect != MESSAGES.name:  # of its own vendor's beta blocks the SDK's types know nothing
        Message.model_validate_json(json.dumps(message), strict=True)
    check_message(message)
    return message


def streamed(found: Interaction) -> Any:
    """The recorded answer as the events of a message, added up."""
    source = DIALECTS[found.dialect or ""]
    relay = StreamRelay(source, MESSAGES, ECHO, exact=False)
    out = relay.feed(found.body) + relay.close() if found.stream else relay.replay(source.read_response(found.body))
    events = parse_sse(b"".join([*out, *relay.tail]), done=False)
    for event in events if found.dialect != MESSAGES.name else ():
        _EVENT.validate_python(event, strict=True)
    return check_messages(events)


def heard(message: Any) -> Told:
    usage = message["usage"]
    cached, made = usage["cache_read_input_tokens"] or 0, usage["cache_creation_input_tokens"] or 0
    read = usage["input_tokens"] + cached + made
    thought = (usage.get("output_tokens_details") or {}).get("thinking_tokens")
    blocks = message["content"]
    calls = [(block["name"], arguments(json.dumps(block["input"]))) for block in blocks if block["type"] == "tool_use"]
    return Told(
        "".join(block["text"] for block in blocks if block["type"] == "text"),
        calls,
        counts(input=read, cached=cached, cache_write=made, output=usage["output_tokens"], reasoning=thought),
        _FINISHES[message["stop_reason"]],
    )


@pytest.mark.parametrize("found", ANSWERS, ids=name)
def test_a_recorded_answer_reaches_the_client_intact(found: Interaction) -> None:
    one, other = whole(found), streamed(found)
    check_message_twins(other, one)
    said, got = found.answer, heard(one)
    assert got.text == said.text
    assert sorted(map(repr, got.calls)) == sorted(map(repr, _wrapped(said)))
    assert got.finish == said.finish
    counted = {count: told for count, told in said.usage.items() if count != "total"}
    assert {count: got.usage.get(count, 0) for count in counted} == counted


def _wrapped(said: Told) -> list[Any]:
    """A free-text tool's input travels within an object."""
    return [(called, given if isinstance(given, dict) else {"input": given}) for called, given in said.calls]


TARGETS = {
    "openai_chat": ("openai", "gpt-5.2", assert_chat_request),
    "openai_responses": ("openai", "gpt-5.6", assert_responses_request),
    "google_gemini": ("google", "gemini-3.1-pro", assert_google_request),
}


@pytest.mark.parametrize("dialect", TARGETS)
@pytest.mark.parametrize("found", REQUESTS, ids=name)
def test_a_recorded_request_can_be_told_to_others(found: Interaction, dialect: str) -> None:
    """In the other vendor's types, or refused with a reason; never half."""
    provider, model, check = TARGETS[dialect]
    target = DIALECTS[dialect]
    upstream = ir.Upstream(
        provider=provider,
        dialect=dialect,
        model=model,
        family=FAMILIES[dialect],
        wire=PROVIDERS[provider].wire,
        capabilities=capabilities(provider, model),
    )
    fitted = fit(MESSAGES.read_request(json.dumps(found.asked).encode()), upstream)
    refused = [
        named for named in (*fitted.named, *target.refuses(fitted.request, upstream)) if named.kind == "contract"
    ]
    if refused or target.needs(fitted.request, upstream):
        assert all(named.name and named.why for named in refused)
        return
    check(json.loads(target.write_request(fitted.request, upstream, ir.Context("5eed", 1_700_000_000)).body))


_ENDPOINTS = {"anthropic_messages": "messages", "openai_responses": "responses", "google_gemini": "gemini"}


@pytest.mark.parametrize("found", COUNTS, ids=name)
def test_a_recorded_count_is_read_and_its_question_kept(found: Interaction) -> None:
    endpoint = ENDPOINTS[_ENDPOINTS[found.dialect or ""]]
    counter = Counter(DIALECTS[endpoint.dialect], endpoint)
    told = json.loads(found.body)
    assert ir.collect(counter.read_response(found.body)).usage == ir.Usage(input=told[endpoint.count])
    if endpoint.within is None:
        fields = {field: msgspec.Raw(json.dumps(value).encode()) for field, value in found.asked.items()}
        assert {field for field in fields if field not in endpoint.fields} == set()
