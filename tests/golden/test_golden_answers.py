"""Every recorded answer, read to its end and told to the clients of all three APIs, whole and as a stream."""

from __future__ import annotations

import json

import pytest
from checker import check_twins, parse_sse
from checker_messages import check_message_twins
from heard import CLIENTS, heard, message
from playing import ALIAS, ANSWERS, API_OF, Recorded, assert_heard, echo, events, name, payloads, tell
from recordings import SHARED
from told import Told, arguments, counts

from adapters import ir
from adapters.catalog import DIALECTS
from adapters.relay import StreamRelay

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
MODES = {"whole": False, "stream": True}
PASSED = [found for found in ANSWERS if found.stream and found.dialect in API_OF]


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
def test_a_recorded_answer_is_read_to_its_end(found: Recorded) -> None:
    seen = events(found)
    reply = ir.collect(seen)
    assert reply.failure is None
    assert isinstance(seen[-1], ir.Ended)
    said, got = found.said, told(reply)
    assert (got.text, got.calls, got.finish) == (said.text, said.calls, said.finish)
    assert {count: got.usage.get(count) for count in said.usage} == said.usage


@pytest.mark.parametrize("stream", MODES.values(), ids=MODES)
@pytest.mark.parametrize("api", CLIENTS)
@pytest.mark.parametrize("found", ANSWERS, ids=name)
def test_a_recorded_answer_reaches_the_client_intact(found: Recorded, api: str, stream: bool) -> None:
    assert_heard(api, found.said, heard(api, tell(found, api, stream=stream), stream=stream))


@pytest.mark.parametrize("api", CLIENTS)
@pytest.mark.parametrize("found", ANSWERS, ids=name)
def test_a_recorded_answer_says_the_same_whole_and_streamed(found: Recorded, api: str) -> None:
    whole, streamed = tell(found, api, stream=False), tell(found, api, stream=True)
    if api == "messages":
        check_message_twins(message(streamed, stream=True), message(whole, stream=False))
    elif api == "responses":
        check_twins(parse_sse(streamed)[-1]["response"], json.loads(whole))
    else:
        assert heard(api, streamed, stream=True) == heard(api, whole, stream=False)


@pytest.mark.parametrize("found", PASSED, ids=name)
def test_a_recorded_stream_passes_unread_and_is_overheard(found: Recorded) -> None:
    dialect = DIALECTS[found.dialect or ""]
    machine = StreamRelay(dialect, dialect, echo(stream=True), exact=True)
    out = b"".join([*machine.feed(found.body), *machine.close(), *machine.tail])
    assert payloads(out, ALIAS) == payloads(found.body, ALIAS)
    assert machine.failure is None
    assert machine.usage is not None or not found.said.usage
    said, usage = found.said.usage, machine.usage or ir.Usage()
    assert {count: getattr(usage, count) for count in said if count != "total"} == {
        count: told for count, told in said.items() if count != "total"
    }
