"""What each dialect can say, for ``hub_strategies.requests``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hub_strategies import (
    CAN,
    CUSTOMS,
    DATA,
    EFFORT,
    FUNCTIONS,
    IMAGE,
    LIMIT,
    NAMES,
    NOTHING,
    SCHEMAS,
    SHAPE,
    STOP,
    TEMPERATURE,
    TEXT,
    TOP_P,
    UNSTRICT,
    USER,
    WORDS,
    WORDY,
    Drawn,
    Speech,
    allowed,
    maybe,
    modes,
    named,
    one,
    openais_choice,
    plain_result,
    raw,
    texts,
)  # fmt: skip
from hypothesis import strategies as st

from adapters import ir

# --- OpenAI's chat -------------------------------------------------------------------------------------------------

_PDF = st.builds(lambda data, name: ir.Media("file", data=data, media_type="application/pdf", name=name), DATA, NAMES)
_SOUND = st.builds(lambda data: ir.Media("audio", data=data, media_type="audio/wav"), DATA)
_REFUSAL = texts().map(ir.Refusal)
_PROBABILITIES = st.just({"logprobs": True}) | one("top_logprobs", st.integers(1, 5)).map({"logprobs": True}.__or__)
_PENALTIES = tuple(one(f"{name}_penalty", st.sampled_from([-1.5, 0.0, 1.0])) for name in ("presence", "frequency"))
_STREAMS = st.just({"stream": True, "include_usage": True})

CHAT = Speech(
    dialect="openai_chat",
    family="openai",
    provider="openai",
    said=TEXT | IMAGE | _PDF | _SOUND,
    before=NOTHING,
    spoken=WORDS | _REFUSAL.map(lambda refusal: [refusal]) | st.builds(lambda words, no: [*words, no], WORDS, _REFUSAL),
    result=plain_result,
    gathers=False,
    instructs=("system", "developer"),
    tools=FUNCTIONS | CUSTOMS,
    choice=openais_choice,
    customs=True,
    params=(
        TEMPERATURE, TOP_P, LIMIT, STOP, EFFORT, SHAPE, *WORDY, *_PENALTIES, _STREAMS, one("seed", st.integers(0, 99)),
        one("modalities", st.just(("text",))),
        one("extras", st.just({"prediction": raw({"type": "content", "content": "x"})})),
    ),
    special=(
        _PROBABILITIES, one("n", st.integers(2, 4)),
        one("logit_bias", st.dictionaries(st.sampled_from(["7", "11"]), st.integers(-100, 100), min_size=1)),
    ),
)  # fmt: skip

CHAT_SERVER = Speech(
    dialect="openai_chat",
    family="openai",
    provider="vllm",
    wire="variant",
    can=msgspec.structs.replace(CAN, custom_tools=False, max_tokens_field="max_tokens"),
    said=TEXT,
    parts=1,
    before=st.just(()) | texts().map(lambda text: (ir.Reasoning(text),)),
    spoken=TEXT.map(lambda text: [text]),
    result=lambda call: TEXT.map(lambda text: ir.ToolResult(call.id, (text,))),
    gathers=False,
    instructs=("system",),
    tools=FUNCTIONS,
    choice=openais_choice,
    params=(TEMPERATURE, TOP_P, LIMIT, STOP, EFFORT, SHAPE, *_PENALTIES, one("top_k", st.integers(1, 50)), _STREAMS),
)

# --- OpenAI's Responses --------------------------------------------------------------------------------------------

_SEALED = NAMES.map(lambda sealed: ir.VendorState("openai", "encrypted_content", sealed))
_THOUGHTS = st.builds(
    lambda summary, state, name: (ir.Reasoning(summary=tuple(summary), state=state, id=f"rs_{name}"),),
    st.lists(texts(), max_size=2),
    maybe(_SEALED),
    NAMES,
)
_HOSTED = st.just(ir.Tool("web_search", "hosted", type="web_search", raw=raw({"type": "web_search"})))
_GROUPED = st.builds(
    lambda tool: msgspec.structs.replace(tool, namespace="crm", group={"description": raw("Customers.")}),
    FUNCTIONS | CUSTOMS,
)
_ID_FILE = st.builds(lambda name: ir.Media("file", file_id=f"file-{name}"), NAMES)
_DETAILED = st.builds(msgspec.structs.replace, IMAGE, detail=st.sampled_from(["auto", "high"]))

RESPONSES = Speech(
    dialect="openai_responses",
    family="openai",
    provider="openai",
    said=TEXT | _PDF | _ID_FILE | _DETAILED,
    before=NOTHING | _THOUGHTS,
    spoken=WORDS | st.builds(lambda words, no: [*words, no], WORDS, _REFUSAL),
    result=lambda call: plain_result(call, TEXT | _DETAILED, item_id=maybe(NAMES)),
    gathers=True,
    tools=FUNCTIONS | CUSTOMS | _HOSTED | _GROUPED,
    choice=openais_choice,
    customs=True,
    params=(
        TEMPERATURE, TOP_P, LIMIT, EFFORT, SHAPE, *WORDY, one("stream", st.just(True)),
        one("reasoning_summary", st.sampled_from(["auto", "concise", "detailed"])),
    ),
    special=(
        st.just({"logprobs": True, "include": ("message.output_text.logprobs",)}),
        one("extras", st.just({"max_tool_calls": raw(3)})),
    ),
)  # fmt: skip

# --- Anthropic -----------------------------------------------------------------------------------------------------

_SIGNED = st.builds(
    lambda text, signature: (
        ir.Reasoning(summary=(text,), state=ir.VendorState("anthropic", "signature", signature)),
    ),
    texts(),
    NAMES,
)  # fmt: skip
_REDACTED = NAMES.map(lambda data: (ir.Reasoning(state=ir.VendorState("anthropic", "redacted", data)),))
_TITLED = st.builds(
    lambda data, name: ir.Media("file", data=data, media_type="application/pdf", name=name), DATA, maybe(NAMES)
)  # fmt: skip
_BREAKPOINT = st.just({"cache_control": raw({"type": "ephemeral"})})
_FETCHED = st.just(
    ir.Tool(
        "web_fetch", "hosted", type="web_fetch_20250910", raw=raw({"type": "web_fetch_20250910", "name": "web_fetch"})
    )
)


def _anthropics_choice(tools: Sequence[ir.Tool]) -> Drawn:
    choice = modes(tools) | named(tools)
    quiet = (modes(tools) | named(tools)).filter(lambda told: told["tool_choice"].mode != "none")
    return choice | st.builds(lambda told, both: {**told, "parallel_tool_calls": both}, quiet, st.booleans())


_THINKING = st.sampled_from(
    [
        {"effort": "low"}, {"effort": "high", "thinking_budget": -1},
        {"thinking_budget": -1, "reasoning_summary": "auto"}, {"effort": "none", "thinking_budget": 0},
    ]
)  # fmt: skip

ANTHROPIC = Speech(
    dialect="anthropic_messages",
    family="anthropic",
    provider="anthropic",
    can=msgspec.structs.replace(CAN, thinking="adaptive"),
    said=TEXT | IMAGE | _TITLED | st.builds(ir.Text, texts(), extras=_BREAKPOINT),
    before=NOTHING | _SIGNED | _REDACTED,
    spoken=WORDS,
    result=lambda call: plain_result(call, TEXT | IMAGE, is_error=st.booleans()),
    gathers=False,
    tools=FUNCTIONS | _FETCHED,
    choice=_anthropics_choice,
    params=(
        STOP, USER, one("stream", st.just(True)), one("service_tier", st.sampled_from(["auto", "standard_only"])),
        _THINKING | TEMPERATURE | TOP_P | one("top_k", st.integers(1, 50)),
        one("format", SCHEMAS.map(lambda schema: ir.Format("json_schema", schema=schema, strict=True))),
    ),
)  # fmt: skip
"""``max_output_tokens`` is drawn by ``limited``: this dialect demands it."""

# --- Gemini --------------------------------------------------------------------------------------------------------

_SIGNATURES = DATA.map(lambda data: ir.VendorState("google", "thought_signature", data))
_INLINE = st.builds(
    lambda data, kind: ir.Media(kind[0], data=data, media_type=kind[1]),
    DATA,
    st.sampled_from([("image", "image/png"), ("audio", "audio/wav"), ("file", "application/pdf")]),
)
_SEARCH = st.just(ir.Tool("googleSearch", "hosted", type="googleSearch", raw=raw({"googleSearch": {}})))


def _answered(call: ir.ToolCall) -> Drawn:
    """Google's own clients get their results back as they sent them."""

    def result(text: str, failed: bool) -> ir.ToolResult:
        told = {"id": call.id, "name": call.name, "response": {"error" if failed else "output": text}}
        return ir.ToolResult(call.id, (ir.Text(text),), call.name, failed, extras={"functionResponse": raw(told)})

    return st.builds(result, texts(), st.booleans())


def _googles_choice(tools: Sequence[ir.Tool]) -> Drawn:
    offered = [tool for tool in tools if tool.kind == "function"]

    def demanded(told: dict[str, Any]) -> dict[str, Any]:
        """Google has one word for a named tool and for an allowed one that must be called."""
        choice = told["tool_choice"]
        mode = "named" if choice.required and len(choice.names) == 1 else choice.mode
        return {"tool_choice": msgspec.structs.replace(choice, mode=mode)}

    return modes(tools) | (allowed(offered).map(demanded) if offered else st.just({}))


GEMINI = Speech(
    dialect="google_gemini",
    family="google",
    provider="google",
    can=msgspec.structs.replace(CAN, thinking="level"),
    told=False,
    said=TEXT | _INLINE,
    before=NOTHING | texts().map(lambda text: (ir.Reasoning(summary=(text,)),)),
    spoken=WORDS,
    result=_answered,
    gathers=True,
    tools=UNSTRICT | _SEARCH,
    choice=_googles_choice,
    states=maybe(_SIGNATURES),
    params=(
        TEMPERATURE, TOP_P, LIMIT, STOP, *_PENALTIES, one("top_k", st.integers(1, 50)), one("seed", st.integers(0, 99)),
        EFFORT, one("reasoning_summary", st.just("auto")),
        one("service_tier", st.sampled_from(["default", "flex", "priority"])),
        one("format", SCHEMAS.map(lambda schema: ir.Format("json_schema", schema=schema))
            | st.just(ir.Format("json_object"))),
    ),
    special=(
        _PROBABILITIES, one("n", st.integers(1, 4)), one("modalities", st.sampled_from([("text",), ("text", "audio")])),
    ),
)  # fmt: skip

SPEECHES = {
    "chat": CHAT, "chat of servers": CHAT_SERVER, "responses": RESPONSES, "anthropic": ANTHROPIC, "gemini": GEMINI,
}  # fmt: skip
