"""The Keeper: state is bound to the model that was asked, and kept under the calls that need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from adapters import ir, states

CLAUDE = ir.Upstream(provider="anthropic", dialect="anthropic_messages", model="claude-asked", family="anthropic")
GEMINI = ir.Upstream(provider="google", dialect="google_gemini", model="gemini-asked", family="google")
OPENAI = ir.Upstream(provider="openai", dialect="openai_responses", model="gpt-asked")
SIGNED = ir.VendorState("anthropic", "signature", "sig")
BOUND = ir.VendorState("anthropic", "signature", "sig", "claude-asked")


def thought(block: int, text: str, state: ir.VendorState | None, **meta: Any) -> list[ir.Event]:
    item = meta.pop("item", block)
    said: list[ir.Event] = [ir.Delta(block, "summary", piece) for piece in text]
    return [ir.BlockStarted(block, "reasoning", item, meta=meta), *said, ir.BlockEnded(block, state)]


def call(block: int, id_: str, state: ir.VendorState | None = None, choice: int = 0) -> list[ir.Event]:
    meta = {"id": id_, "name": "f"} | ({"state": state} if state else {})
    return [
        ir.BlockStarted(block, "tool_call", block, choice, meta),
        ir.Delta(block, "arguments", "{}"),
        ir.BlockEnded(block, state),
    ]


def text(block: int) -> list[ir.Event]:
    return [ir.BlockStarted(block, "text", block), ir.Delta(block, "text", "so"), ir.BlockEnded(block)]


def hear(upstream: ir.Upstream, events: Sequence[ir.Event]) -> tuple[list[ir.Event], dict[str, states.Kept]]:
    keeper = states.keeper(upstream)
    assert keeper is not None
    passed = [out for event in events for out in keeper(event)]
    kept = keeper.kept()
    return passed, {id_: msgspec.json.decode(raw, type=states.Kept) for id_, raw in kept.items()}


def test_events_pass_with_their_state_bound_to_the_model_that_was_asked() -> None:
    passed, _ = hear(CLAUDE, [ir.Started("msg_1", "claude-reported"), *thought(0, "hm", SIGNED)])
    assert passed[0] == ir.Started("msg_1", "claude-reported")
    assert passed[-1] == ir.BlockEnded(0, BOUND)


def test_a_state_that_is_told_at_the_start_is_bound_there_too() -> None:
    state = ir.VendorState("google", "thought_signature", "g")
    passed, kept = hear(GEMINI, call(0, "a", state))
    bound = msgspec.structs.replace(state, model="gemini-asked")
    assert isinstance(passed[0], ir.BlockStarted)
    assert passed[0].meta == {"id": "a", "name": "f", "state": bound}
    assert kept == {"a": states.Kept("google", "gemini-asked", call=bound)}


def test_thinking_is_kept_with_the_call_that_it_leads_to() -> None:
    silent = ir.VendorState("anthropic", "signature", "two")
    events = [*thought(0, "one", SIGNED), *text(1), *thought(2, "", silent), *call(3, "a"), *call(4, "b")]
    _, kept = hear(CLAUDE, events)
    before = ir.Reasoning(state=msgspec.structs.replace(silent, model="claude-asked"))
    opening = ir.Reasoning(summary=("one",), state=BOUND)
    assert kept == {"a": states.Kept("anthropic", "claude-asked", (opening,), (before,))}


def test_thinking_between_calls_belongs_to_the_second() -> None:
    _, kept = hear(CLAUDE, [*call(0, "a"), *thought(1, "then", SIGNED), *call(2, "b")])
    assert list(kept) == ["b"]
    assert kept["b"].before == (ir.Reasoning(summary=("then",), state=BOUND),)


def test_parts_of_one_item_are_one_thought_under_the_vendors_id() -> None:
    sealed = ir.VendorState("openai", "encrypted_content", "E")
    parts = [*thought(0, "one", None, item_id="rs_1", item=7), *thought(1, "two", sealed, item_id="rs_1", item=7)]
    _, kept = hear(OPENAI, [*parts, *call(2, "a")])
    state = msgspec.structs.replace(sealed, model="gpt-asked")
    assert kept["a"].opening == (ir.Reasoning(summary=("one", "two"), state=state, id="rs_1"),)


def test_raw_text_is_kept_as_raw_text() -> None:
    events: list[ir.Event] = [ir.BlockStarted(0, "reasoning", 0), ir.Delta(0, "text", "raw"), ir.BlockEnded(0, SIGNED)]
    _, kept = hear(CLAUDE, [*events, *call(1, "a")])
    assert kept["a"].opening == (ir.Reasoning("raw", state=BOUND),)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([*thought(0, "hm", SIGNED), *text(1)], id="no call"),
        pytest.param([*thought(0, "hm", None), *call(1, "a")], id="no state"),
        pytest.param([*call(0, "a"), *thought(1, "hm", SIGNED)], id="state after the last call"),
    ],
)
def test_there_may_be_nothing_to_keep(events: list[ir.Event]) -> None:
    assert hear(CLAUDE, events)[1] == {}


def test_choices_do_not_mix() -> None:
    first, second = (ir.VendorState("google", "thought_signature", word) for word in ("one", "two"))
    _, kept = hear(GEMINI, [*call(0, "a", first), *call(1, "b", second, choice=1)])
    assert [kept[id_].call for id_ in ("a", "b")] == [
        msgspec.structs.replace(state, model="gemini-asked") for state in (first, second)
    ]


def test_an_id_is_kept_as_every_client_will_spell_it() -> None:
    state = ir.VendorState("google", "thought_signature", "g")
    (id_,) = hear(GEMINI, call(0, "functions.look:0", state))[1]
    assert id_ == "functions_look_0_" + id_[-8:]


def test_chat_upstreams_tell_no_state() -> None:
    assert states.keeper(ir.Upstream(provider="vllm", dialect="openai_chat", model="m")) is None
