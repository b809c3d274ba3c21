"""State goes out with an answer and comes back with the next question: whatever was thought, said and called, in any
order, every state stands again where its vendor told it. (Random turns, over every client and every vendor.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_states_giving import seal, unseal

from adapters import ir, providers, states
from adapters.catalog import DIALECTS
from adapters.fitting import Chain, fit
from adapters.openai_responses import thread
from adapters.providers import CHAT, GEMINI, MESSAGES, RESPONSES

Json = dict[str, Any]
MODELS = {MESSAGES: ("anthropic", "claude-sonnet-5"), GEMINI: ("google", "gemini-3.1-pro"), RESPONSES: ("openai", "o9")}
KINDS = {MESSAGES: "signature", GEMINI: "thought_signature", RESPONSES: "encrypted_content"}
ROADS = [(client, vendor) for client in (CHAT, RESPONSES, MESSAGES) for vendor in MODELS if client != vendor]
SAID: Mapping[str, tuple[ir.BlockKind, ir.Channel, str]] = {
    "text": ("text", "text", "so"),
    "thought": ("reasoning", "summary", "hm"),
    "call": ("tool_call", "arguments", "{}"),
}
SCHEMA = {"type": "object", "properties": {}}


def upstream(dialect: str) -> ir.Upstream:
    provider, model = MODELS[dialect]
    return ir.Upstream(
        provider=provider, dialect=dialect, model=model, family=providers.FAMILIES[dialect], wire="exact",
        capabilities=providers.capabilities(provider, model),
    )  # fmt: skip


class Turn:
    """An answer's events, as ``dialect`` tells them, block by block."""

    def __init__(self, dialect: str) -> None:
        self.events: list[ir.Event] = [ir.Started("id", "m", dialect=dialect)]
        self._dialect = dialect
        self._blocks = 0

    def add(self, kind: str, *, signed: bool = False, item: int | None = None) -> int:
        block, family = self._blocks, providers.FAMILIES[self._dialect]
        self._blocks += 1
        item = block if item is None else item
        state_kind = "redacted" if kind == "redacted" else KINDS[self._dialect]
        state = ir.VendorState(family, state_kind, f"{state_kind}{block}") if signed else None
        meta: Json = {"item_id": f"rs_{item}"} if self._dialect == RESPONSES and kind != "call" else {}
        if kind == "call":
            meta = {"id": f"call_{block}", "name": "f"} | ({"state": state} if state and block % 2 else {})
        is_, channel, words = SAID.get(kind, ("reasoning", "summary", ""))
        self.events.append(ir.BlockStarted(block, is_, item, meta=meta))
        self.events += [ir.Delta(block, channel, words)] if words else []
        self.events.append(ir.BlockEnded(block, state))
        return block


@st.composite
def turns(draw: st.DrawFn, dialect: str) -> list[ir.Event]:
    """Thoughts, words and calls, one to three times; the last thing is a call, as nothing is kept of what follows it."""
    turn = Turn(dialect)
    for _ in range(draw(st.integers(1, 3))):
        _think(draw, turn, dialect)
        if draw(st.booleans()):
            turn.add("text", signed=dialect == GEMINI and draw(st.booleans()))
        for number in range(draw(st.integers(0, 2))):
            turn.add("call", signed=dialect == GEMINI and number == 0)
    turn.add("call", signed=dialect == GEMINI)
    return [*turn.events, ir.UsageReported(ir.Usage(1, 1)), ir.Finished(0, "tool_calls"), ir.Ended()]


def _think(draw: st.DrawFn, turn: Turn, dialect: str) -> None:
    if dialect == MESSAGES:
        for kind in draw(st.lists(st.sampled_from(["thought", "empty", "redacted"]), max_size=3)):
            turn.add(kind, signed=True)
    elif dialect == RESPONSES:
        for parts in draw(st.lists(st.integers(1, 3), max_size=2)):
            first = turn.add("thought", signed=parts == 1)
            for left in range(parts - 2, -1, -1):
                turn.add("thought", signed=left == 0, item=first)
    elif draw(st.booleans()):
        turn.add("thought")


# --- the client ----------------------------------------------------------------------------------------------------


def answered(client: str, told: Json, *, stored: bool) -> Json:
    """The next question of a client that gives back what it was told and answers the calls. ``stored``: it is this proxy
    that keeps the turn (Responses)."""
    if client == RESPONSES:
        items = told["output"]
        if stored:
            items = [msgspec.json.decode(raw) for raw in thread.replay(msgspec.json.encode(told))]
        calls = [item["call_id"] for item in items if item["type"] == "function_call"]
        results = [{"type": "function_call_output", "call_id": id_, "output": "1"} for id_ in calls]
        tool: Json = {"type": "function", "name": "f", "parameters": SCHEMA}
        return {"input": [{"role": "user", "content": "Hi"}, *items, *results], "tools": [tool]}
    if client == MESSAGES:
        said = told["content"]
        calls = [block["id"] for block in said if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": id_, "content": "1"} for id_ in calls]
        turns_ = [("user", "Hi"), ("assistant", said), ("user", results)]
        messages = [{"role": role, "content": content} for role, content in turns_]
        return {"messages": messages, "max_tokens": 9, "tools": [{"name": "f", "input_schema": SCHEMA}]}
    message = told["choices"][0]["message"]
    message = {name: message[name] for name in ("role", "content", "tool_calls")}
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "1"} for call in message["tool_calls"]]
    tools = [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]
    return {"messages": [{"role": "user", "content": "Hi"}, message, *results], "tools": tools}


# --- the law -------------------------------------------------------------------------------------------------------


def told_states(events: Sequence[ir.Event]) -> list[tuple[str, str | None]]:
    """Calls with their state, and thoughts that have one, in order."""
    found = []
    for block in ir.collect(events).blocks:
        state = block.state.data if block.state is not None else None
        if block.kind == "tool_call" or (block.kind == "reasoning" and state):
            found.append((block.meta.get("id", "thought"), state))
    return found


def given_states(request: ir.Request) -> list[tuple[str, str | None]]:
    """The same of what goes back."""
    found = []
    for block in (block for message in request.messages for block in message.blocks):
        if isinstance(block, ir.ToolCall | ir.Reasoning):
            state = block.state.data if block.state is not None else None
            if isinstance(block, ir.ToolCall) or state:
                found.append((block.id if isinstance(block, ir.ToolCall) else "thought", state))
    return found


@pytest.mark.parametrize(("client", "vendor"), ROADS)
@given(data=st.data())
def test_every_state_comes_back_to_where_it_was(client: str, vendor: str, data: st.DataObject) -> None:
    events, to = data.draw(turns(vendor)), upstream(vendor)
    keeper, carrier = states.keeper(to), states.carrier(client, to, seal)
    assert keeper is not None
    passed = Chain((keeper,) if carrier is None else (keeper, carrier))
    reply = ir.collect([told for event in events for told in passed(event)])
    asked = ir.Request(model="m", messages=(), effort="low", dialect=client)
    echo = ir.Echo("0" * 32, 1, "m", asked, mirror=data.draw(st.booleans()))
    told = msgspec.json.decode(DIALECTS[client].write_response(reply, echo))
    body = {"model": "m", **answered(client, told, stored=data.draw(st.booleans()))}
    request = fit(DIALECTS[client].read_request(msgspec.json.encode(body)), to).request
    kept: Mapping[str, bytes] = {id_: raw for id_, raw in keeper.kept().items() if id_ in states.wanted(request, to)}
    given_back, removed = states.give_back(request, to, kept, unseal)
    assert (given_states(given_back), removed) == (told_states(events), ())
