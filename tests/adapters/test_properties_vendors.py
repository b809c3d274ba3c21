"""Whatever a client says, each vendor is told in its own SDK's types; whatever a vendor answers, each client hears in
the types of its own."""

from __future__ import annotations

import json

import hub_answers
import pytest
from checker import check_twins, parse_sse
from checker_messages import check_message_twins
from heard import CLIENTS, heard, message
from hub_answers import answers
from hub_rough import roughened
from hub_speeches import SPEECHES
from hub_strategies import MODEST, Speech, requests
from hypothesis import given
from hypothesis import strategies as st
from told import Told, arguments
from vendor_targets import TARGETS, refusal, told

from adapters import ir
from adapters.catalog import DIALECTS
from adapters.relay import StreamRelay

DIALECT_OF = {"chat": "openai_chat", "responses": "openai_responses", "messages": "anthropic_messages"}
ECHO = ir.Echo("5eed", 1_700_000_000, "alias", ir.Request(model="alias", messages=(), include_usage=True))


@pytest.mark.parametrize("speech", SPEECHES.values(), ids=SPEECHES)
@MODEST
@given(data=st.data())
def test_a_conversation_is_told_in_each_vendors_types(speech: Speech, data: st.DataObject) -> None:
    request = data.draw(requests(speech))
    for target in TARGETS.values():
        sent = told(request, target)
        if isinstance(sent, list):
            assert all(named.name and named.why for named in sent)
        elif speech.dialect != target.dialect:  # where it is the same, the client's own form goes on
            target.check(json.loads(sent.body))


CARELESS = {name: speech for name, speech in SPEECHES.items() if name != "gemini"}
"""Those that clients of ours speak."""


@pytest.mark.parametrize("speech", CARELESS.values(), ids=CARELESS)
@MODEST
@given(data=st.data())
def test_no_vendor_refuses_what_a_careless_client_says(speech: Speech, data: st.DataObject) -> None:
    """It is refused by name before, or mended; the demo refuses what the vendors do."""
    request = data.draw(requests(speech).flatmap(roughened))
    for target in TARGETS.values():
        sent = told(request, target)
        if isinstance(sent, ir.UpstreamRequest) and speech.dialect != target.dialect:
            target.check(json.loads(sent.body))
            assert refusal(sent, target) is None


def wanted(events: list[ir.Event], api: str) -> Told:
    """What the client of ``api`` must hear, read off the events by eye."""
    reply = ir.collect(events)
    usage = reply.usage or ir.Usage()
    calls = [(block.meta["name"], _input(block, api)) for block in reply.blocks if block.kind in ir.CALLS]
    counts = {
        count: getattr(usage, count) for count in ("input", "cached", "cache_write", "output", "reasoning", "total")
    }
    text = "".join(block.text for block in reply.blocks if block.kind == "text")
    declined = api == "messages" and any(block.kind == "refusal" for block in reply.blocks)
    finish = "content_filter" if declined else reply.finishes[0].reason  # a refusal is a stop_reason there
    return Told(text, sorted(calls, key=repr), counts, finish)


def _input(block: ir.ReplyBlock, api: str) -> object:
    """Anthropic's clients know no free text: it travels within an object."""
    if block.kind == "tool_call":
        return arguments(block.text)
    return {"input": block.text} if api == "messages" else block.text


@pytest.mark.parametrize("api", CLIENTS)
@MODEST
@given(events=answers(hub_answers.ANYTHING))
def test_an_answer_reaches_each_client_in_its_types(api: str, events: list[ir.Event]) -> None:
    target = DIALECTS[DIALECT_OF[api]]
    relay = StreamRelay(DIALECTS["google_gemini"], target, ECHO, exact=False)
    streamed = b"".join([*relay.replay(events), *relay.tail])
    whole = target.write_response(ir.collect(events), ECHO)
    for body, stream in ((whole, False), (streamed, True)):
        got = heard(api, body, stream=stream)
        got.calls.sort(key=repr)
        assert got == wanted(events, api)
    if api == "messages":
        check_message_twins(message(streamed, stream=True), message(whole, stream=False))
    elif api == "responses":
        check_twins(parse_sse(streamed)[-1]["response"], json.loads(whole))
