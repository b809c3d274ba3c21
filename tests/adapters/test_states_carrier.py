"""The Carrier: another vendor's state goes to the client sealed, in a reasoning block of the client's own dialect."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapters import ir, states

CLAUDE = ir.Upstream(provider="anthropic", dialect="anthropic_messages", model="c", family="anthropic")
GEMINI = ir.Upstream(provider="google", dialect="google_gemini", model="g", family="google")
STATE = ir.VendorState("google", "thought_signature", "c2ln", "g")
OTHER = ir.VendorState("google", "thought_signature", "b3RoZXI=", "g")
THOUGHT: list[ir.Event] = [ir.BlockStarted(0, "reasoning", 0), ir.Delta(0, "summary", "hm")]
TEXT: list[ir.Event] = [ir.BlockStarted(1, "text", 1), ir.Delta(1, "text", "so"), ir.BlockEnded(1)]


def seal(plain: bytes) -> str:
    return states.PREFIX + plain.decode()


def sealed(state: ir.VendorState, **more: str) -> ir.VendorState:
    """What a Responses client gets of it."""
    fields = {"family": state.family, "kind": state.kind, "data": state.data, "model": state.model, **more}
    return ir.VendorState("openai", "encrypted_content", seal(msgspec.json.encode(fields)))


def call(block: int, id_: str, early: ir.VendorState | None, late: ir.VendorState | None = None) -> list[ir.Event]:
    meta = {"id": id_, "name": "f"} | ({"state": early} if early else {})
    start = ir.BlockStarted(block, "tool_call", block, meta=meta)
    return [start, ir.Delta(block, "arguments", "{}"), ir.BlockEnded(block, early or late)]


def carried(events: Sequence[ir.Event], upstream: ir.Upstream = GEMINI) -> list[ir.Event]:
    carrier = states.carrier("openai_responses", upstream, seal)
    assert carrier is not None
    return [out for event in events for out in carrier(event)]


def empty(block: int, state: ir.VendorState) -> list[ir.Event]:
    return [ir.BlockStarted(block, "reasoning", block), ir.BlockEnded(block, state)]


def test_the_state_of_a_thought_stays_in_its_place() -> None:
    signed = ir.VendorState("anthropic", "signature", "s", "c")
    got = carried([*THOUGHT, ir.BlockEnded(0, signed), *TEXT], CLAUDE)
    assert got == [*THOUGHT, ir.BlockEnded(0, sealed(signed)), *TEXT]


def test_the_vendors_own_id_of_a_thought_goes_with_it() -> None:
    openai = ir.Upstream(provider="openai", dialect="openai_responses", model="o")
    carrier = states.carrier("anthropic_messages", openai, seal)
    assert carrier is not None
    start = ir.BlockStarted(0, "reasoning", 0, meta={"item_id": "rs_1"})
    events = [start, ir.BlockEnded(0, ir.VendorState("openai", "encrypted_content", "E", "o"))]
    end = [out for event in events for out in carrier(event)][-1]
    assert isinstance(end, ir.BlockEnded)
    assert end.state is not None
    assert (end.state.family, end.state.kind) == ("anthropic", "signature")
    assert msgspec.json.decode(end.state.data.removeprefix(states.PREFIX))["id"] == "rs_1"


def test_the_state_of_a_call_goes_into_the_thought_before_it() -> None:
    got = carried([*THOUGHT, ir.BlockEnded(0), *call(1, "a", STATE)])
    assert got == [*THOUGHT, ir.BlockEnded(0, sealed(STATE, call="a")), *call(1, "a", STATE)]


def test_usage_in_between_parts_nothing() -> None:
    usage = ir.UsageReported(ir.Usage(1))
    got = carried([*THOUGHT, ir.BlockEnded(0), usage, *call(1, "a", STATE)])
    assert got == [*THOUGHT, usage, ir.BlockEnded(0, sealed(STATE, call="a")), *call(1, "a", STATE)]


def test_without_a_thought_before_it_it_gets_an_empty_one() -> None:
    assert carried(call(1, "a", STATE)) == [*empty(-1, sealed(STATE, call="a")), *call(1, "a", STATE)]


def test_two_calls_need_two() -> None:
    got = carried([*THOUGHT, ir.BlockEnded(0), *TEXT, *call(2, "a", STATE), *call(3, "b", OTHER)])
    assert got[: 2 + 1 + 3] == [*THOUGHT, ir.BlockEnded(0), *TEXT]
    assert got[6:] == [
        *empty(-1, sealed(STATE, call="a")),
        *call(2, "a", STATE),
        *empty(-2, sealed(OTHER, call="b")),
        *call(3, "b", OTHER),
    ]


def test_a_thought_keeps_its_own_state_beside_a_calls() -> None:
    got = carried([*THOUGHT, ir.BlockEnded(0, OTHER), *call(1, "a", STATE)])
    assert got[2:5] == [ir.BlockEnded(0, sealed(OTHER)), *empty(-1, sealed(STATE, call="a"))]


def test_a_state_that_comes_late_follows_its_call() -> None:
    got = carried(call(1, "a", None, STATE))
    assert got == [*call(1, "a", None, STATE), *empty(-1, sealed(STATE, call="a"))]


def test_a_thought_without_state_ends_when_the_answer_goes_on() -> None:
    ended = [ir.Finished(0, "stop"), ir.Ended()]
    assert carried([*THOUGHT, ir.BlockEnded(0), *TEXT, *ended]) == [*THOUGHT, ir.BlockEnded(0), *TEXT, *ended]
    assert carried([*THOUGHT, ir.BlockEnded(0), *ended]) == [*THOUGHT, ir.BlockEnded(0), *ended]


def test_the_state_of_plain_text_is_not_carried() -> None:
    events = [*TEXT[:2], ir.BlockEnded(1, STATE)]
    assert carried(events) == events


def test_only_another_vendors_state_needs_it_and_only_where_it_fits() -> None:
    assert states.carrier("openai_chat", CLAUDE, seal) is None
    assert states.carrier("anthropic_messages", CLAUDE, seal) is None
    assert states.carrier("openai_responses", ir.Upstream(provider="v", dialect="openai_chat", model="m"), seal) is None
