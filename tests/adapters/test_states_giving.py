"""What goes back: each upstream's own state, at its place, and nothing of anybody else's."""

from __future__ import annotations

import msgspec
import pytest

from adapters import ir, states
from adapters.states.envelope import closed

THINKS = ir.Capabilities(thinking="adaptive")
CLAUDE = ir.Upstream(
    provider="anthropic", dialect="anthropic_messages", model="c1", family="anthropic", capabilities=THINKS
)
GEMINI = ir.Upstream(provider="google", dialect="google_gemini", model="g1", family="google", capabilities=THINKS)
OPENAI = ir.Upstream(provider="openai", dialect="openai_responses", model="o1", capabilities=THINKS)
VLLM = ir.Upstream(provider="vllm", dialect="openai_chat", model="v1", capabilities=THINKS)
SIGNATURE = ir.VendorState("anthropic", "signature", "sig", "c1")
GOOGLES = ir.VendorState("google", "thought_signature", "g", "g1")
A, B = ir.ToolCall("a", "f", "{}"), ir.ToolCall("b", "f", "{}")
SAYS = ir.Text("so")
STORED = ir.Reasoning(summary=("stored",), state=SIGNATURE)


def seal(plain: bytes) -> str:
    return states.PREFIX + plain.hex()


def unseal(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text.removeprefix(states.PREFIX))
    except ValueError:
        return None


def sealed(state: ir.VendorState, call: str | None = None, *, kind: str = "encrypted_content") -> ir.VendorState:
    return ir.VendorState("openai", kind, closed(state, seal, call=call))


def request(*blocks: ir.Block) -> ir.Request:
    results = ir.Message("tool", (ir.ToolResult("a", (ir.Text("1"),)),))
    return ir.Request(model="m", messages=(ir.Message("user", (SAYS,)), ir.Message("assistant", blocks), results))


def given(
    upstream: ir.Upstream, *blocks: ir.Block, kept: dict[str, states.Kept] | None = None
) -> tuple[tuple[ir.Block, ...], tuple[ir.Removed, ...]]:
    stored = {id_: msgspec.json.encode(found) for id_, found in (kept or {}).items()}
    asked, removed = states.give_back(request(*blocks), upstream, stored, unseal)
    return asked.messages[1].blocks, removed


# --- what is asked of the store ------------------------------------------------------------------------------------


@pytest.mark.parametrize("upstream", [CLAUDE, GEMINI, OPENAI])
def test_calls_without_state_are_looked_up(upstream: ir.Upstream) -> None:
    assert states.wanted(request(SAYS, A, B), upstream) == ["a", "b"]
    assert states.wanted(request(ir.Reasoning("words"), A), upstream) == ["a"]


def test_ids_are_asked_for_as_they_are_kept() -> None:
    (id_,) = states.wanted(request(ir.ToolCall("functions.look:0", "f", "{}")), CLAUDE)
    assert id_.startswith("functions_look_0_")


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param((STORED, A), id="signed thinking"),
        pytest.param((ir.Reasoning(state=sealed(SIGNATURE)), A), id="sealed"),
        pytest.param((msgspec.structs.replace(A, state=SIGNATURE), B), id="a signed call"),
        pytest.param((SAYS,), id="no call"),
    ],
)
def test_turns_that_carry_their_state_are_not(blocks: tuple[ir.Block, ...]) -> None:
    assert states.wanted(request(*blocks), CLAUDE) == []


def test_nothing_is_looked_up_for_models_that_do_not_think_or_take_no_state() -> None:
    dull = msgspec.structs.replace(CLAUDE, capabilities=ir.Capabilities())
    assert states.wanted(request(A), dull) == ()
    assert states.wanted(request(A), VLLM) == ()


# --- what was stored -----------------------------------------------------------------------------------------------


def test_stored_thinking_stands_where_it_stood() -> None:
    between = ir.Reasoning(state=SIGNATURE)
    kept = {
        "a": states.Kept("anthropic", "c1", (STORED,), (between,)),
        "b": states.Kept("anthropic", "c1", before=(between,)),
    }
    assert given(CLAUDE, SAYS, A, B, kept=kept) == ((STORED, SAYS, between, A, between, B), ())


def test_the_clients_own_words_for_the_same_thoughts_go() -> None:
    kept = {"a": states.Kept("anthropic", "c1", (STORED,))}
    assert given(CLAUDE, ir.Reasoning("stored"), SAYS, A, kept=kept) == ((STORED, SAYS, A), ())


def test_stored_state_never_takes_the_place_of_what_the_client_sent() -> None:
    own = ir.Reasoning(summary=("own",), state=ir.VendorState("anthropic", "signature", "own"))
    assert given(CLAUDE, own, A, kept={"a": states.Kept("anthropic", "c1", (STORED,))}) == ((own, A), ())
    mine = msgspec.structs.replace(A, state=ir.VendorState("google", "thought_signature", "own"))
    kept = {"a": states.Kept("google", "g1", call=GOOGLES), "b": states.Kept("google", "g1", call=GOOGLES)}
    assert given(GEMINI, mine, B, kept=kept)[0] == (mine, msgspec.structs.replace(B, state=GOOGLES))


@pytest.mark.parametrize("bound", [("anthropic", "c2"), ("google", "c1")])
def test_stored_state_of_another_model_or_vendor_stays_where_it_is(bound: tuple[ir.Family, str]) -> None:
    assert given(CLAUDE, A, kept={"a": states.Kept(*bound, opening=(STORED,), call=GOOGLES)}) == ((A,), ())


def turn(*messages: tuple[ir.Block, ...]) -> ir.Request:
    """One answer as several messages: Responses clients send each text between thoughts and calls as its own."""
    said = (ir.Message("user", (SAYS,)), *(ir.Message("assistant", blocks) for blocks in messages))
    return ir.Request(model="m", messages=said)


def given_turn(upstream: ir.Upstream, asked: ir.Request, **kept: states.Kept) -> list[tuple[ir.Block, ...]]:
    stored = {id_: msgspec.json.encode(found) for id_, found in kept.items()}
    told, _ = states.give_back(asked, upstream, stored, unseal)
    return [message.blocks for message in told.messages[1:]]


def test_state_that_came_with_one_message_of_a_turn_is_not_given_again_with_the_next() -> None:
    asked = turn((ir.Reasoning(summary=("hm",), state=sealed(SIGNATURE)), SAYS), (SAYS, A))
    assert states.wanted(asked, CLAUDE) == []
    opened = ir.Reasoning(summary=("hm",), state=SIGNATURE)
    kept = states.Kept("anthropic", "c1", (STORED,))
    assert given_turn(CLAUDE, asked, a=kept) == [(opened, SAYS), (SAYS, A)]


def test_what_was_thought_first_opens_the_first_message_of_its_turn() -> None:
    between = ir.Reasoning(state=SIGNATURE)
    asked = turn((SAYS,), (SAYS, A))
    assert states.wanted(asked, CLAUDE) == ["a"]
    kept = states.Kept("anthropic", "c1", (STORED,), (between,))
    assert given_turn(CLAUDE, asked, a=kept) == [(STORED, SAYS), (SAYS, between, A)]


def test_the_state_of_a_call_finds_it_in_the_message_before() -> None:
    asked = turn((SAYS, A), (SAYS, ir.Reasoning(state=sealed(GOOGLES, "a"))))
    assert given_turn(GEMINI, asked) == [(SAYS, msgspec.structs.replace(A, state=GOOGLES)), (SAYS,)]


def test_a_message_of_nothing_but_anothers_state_goes() -> None:
    assert given_turn(OPENAI, turn((ir.Reasoning(state=sealed(SIGNATURE)),))) == []
    assert given_turn(CLAUDE, turn((ir.Reasoning(state=sealed(GOOGLES)),), (), (SAYS,))) == [(), (SAYS,)]


# --- what was sealed -----------------------------------------------------------------------------------------------


def test_sealed_state_is_opened_in_its_place() -> None:
    item = ir.Reasoning(summary=("hm",), state=sealed(SIGNATURE), id="rs_1")
    assert given(CLAUDE, item, SAYS, A) == ((ir.Reasoning(summary=("hm",), state=SIGNATURE), SAYS, A), ())


@pytest.mark.parametrize("first", [True, False])
def test_the_state_of_a_call_finds_it_from_either_side(first: bool) -> None:
    carrier = ir.Reasoning(state=sealed(GOOGLES, "a"), id="rs_1")
    blocks = (carrier, A, B) if first else (A, B, carrier)
    assert given(GEMINI, *blocks) == ((msgspec.structs.replace(A, state=GOOGLES), B), ())


def test_a_real_signature_on_the_call_wins_over_a_sealed_one() -> None:
    mine = msgspec.structs.replace(A, state=ir.VendorState("google", "thought_signature", "own"))
    assert given(GEMINI, ir.Reasoning(state=sealed(GOOGLES, "a")), mine)[0] == (mine,)


def test_the_vendors_own_id_comes_back() -> None:
    state = ir.VendorState("openai", "encrypted_content", "E", "o1")
    text = closed(state, seal, id="rs_real")
    thinking = ir.Reasoning(summary=("hm",), state=ir.VendorState("anthropic", "signature", text))
    assert given(OPENAI, thinking, A)[0][0] == ir.Reasoning(summary=("hm",), state=state, id="rs_real")


@pytest.mark.parametrize(
    ("upstream", "state", "reason"),
    [
        pytest.param(GEMINI, sealed(SIGNATURE), "model_mismatch", id="another vendor"),
        pytest.param(VLLM, sealed(SIGNATURE), "model_mismatch", id="no vendor at all"),
        pytest.param(
            CLAUDE, sealed(msgspec.structs.replace(SIGNATURE, model="c2")), "model_mismatch", id="another model"
        ),
        pytest.param(CLAUDE, ir.VendorState("openai", "encrypted_content", "gAAA"), "model_mismatch", id="unsealed"),
        pytest.param(
            CLAUDE, ir.VendorState("openai", "encrypted_content", "turnout1.xx"), "organization_mismatch", id="altered"
        ),
        pytest.param(
            CLAUDE,
            ir.VendorState("openai", "encrypted_content", seal(b'{"v":2}')),
            "organization_mismatch",
            id="of another version",
        ),
        pytest.param(
            OPENAI,
            ir.VendorState("openai", "encrypted_content", "turnout1.xx"),
            "organization_mismatch",
            id="altered, at a vendor whose own field it is",
        ),
    ],
)
def test_what_is_not_for_this_upstream_is_taken_out_and_told(
    upstream: ir.Upstream, state: ir.VendorState, reason: str
) -> None:
    blocks, removed = given(upstream, ir.Reasoning(state=state, id="rs_1"), SAYS)
    assert (blocks, removed) == ((SAYS,), (ir.Removed("rs_1", reason),))
    blocks, _ = given(upstream, ir.Reasoning(summary=("words",), state=state, id="rs_1"), SAYS)
    assert blocks == (ir.Reasoning(summary=("words",), id="rs_1"), SAYS), "words are nobody's secret"


def test_a_foreign_state_on_a_call_goes_too() -> None:
    assert given(CLAUDE, msgspec.structs.replace(A, state=GOOGLES)) == ((A,), (ir.Removed(None, "model_mismatch"),))


def test_an_upstreams_own_unsealed_state_is_its_vendors_to_judge() -> None:
    own = ir.Reasoning(state=ir.VendorState("openai", "encrypted_content", "gAAA"), id="rs_1")
    assert given(OPENAI, own, A) == ((own, A), ())


def test_a_request_without_state_is_left_alone() -> None:
    asked = request(ir.Reasoning("words"), A)
    assert states.give_back(asked, CLAUDE, {}, unseal) == (asked, ())


def test_a_loss_is_named_once() -> None:
    gone = ir.Removed("rs_1", "model_mismatch")
    assert states.named(()) == ()
    assert [(named.name, named.kind) for named in states.named((gone, gone))] == [("reasoning", "tuning")]
