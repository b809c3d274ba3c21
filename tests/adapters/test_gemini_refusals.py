"""What Gemini cannot be told is named, never lost in silence (decision D11)."""

from typing import Any

import msgspec
import pytest

from adapters import ir
from adapters.google_gemini import DIALECT

HI = ir.Message("user", (ir.Text("Hi"),))
FUNCTION = ir.Tool("f")


def named(capabilities: ir.Capabilities | None = None, **fields: Any) -> dict[str, str]:
    target = ir.Upstream(
        provider="google",
        dialect="google_gemini",
        model="m",
        family="google",
        capabilities=capabilities or ir.Capabilities(),
    )
    request = ir.Request(**{"model": "a", "messages": (HI,), **fields})
    return {found.name: found.kind for found in DIALECT.refuses(request, target)}


def test_a_plain_question_is_refused_nothing() -> None:
    assert named(temperature=0.0, top_p=1.0, seed=1, service_tier="auto", tools=(FUNCTION,), n=1, effort="none") == {}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"logit_bias": {"1": 1.0}}, "logit_bias"),
        ({"tools": (ir.Tool("web_search", "hosted", type="web_search"),)}, "tools[0]"),
        ({"tools": (ir.Tool("web_search", "hosted", type="web_search", where="tools[4]"),)}, "tools[4]"),
        ({"modalities": ("text", "audio")}, "modalities"),
        ({"messages": (ir.Message("user", (ir.Media("audio", data="A"),)),)}, "messages.audio"),
        ({"messages": (ir.Message("user", (ir.Media("file", data="A"),)),)}, "messages.file"),
        ({"messages": (ir.Message("tool", (ir.ToolResult("1", (ir.Media("audio", data="A"),)),)),)}, "messages.audio"),
        (
            {"messages": (ir.Message("assistant", (ir.Opaque("openai", "mcp_call", msgspec.Raw(b"{}")),)),)},
            "messages.mcp_call",
        ),
    ],
)
def test_contracts(fields: dict[str, Any], name: str) -> None:
    assert named(**fields) == {name: "contract"}


@pytest.mark.parametrize(
    ("capability", "fields", "name"),
    [
        ({"choices": False}, {"n": 2}, "n"),
        ({"logprobs": False}, {"logprobs": True}, "logprobs"),
        ({"tools": False}, {"tools": (FUNCTION,)}, "tools"),
        ({"forced_tools": False}, {"tool_choice": ir.ToolChoice("required")}, "tool_choice"),
        ({"forced_tools": False}, {"tool_choice": ir.ToolChoice("allowed", ("f",), True)}, "tool_choice"),
        ({"max_stop": 1}, {"stop": ("a", "b")}, "stop"),
        ({"images": False}, {"messages": (ir.Message("user", (ir.Media("image", data="A"),)),)}, "messages.image"),
    ],
)
def test_contracts_by_capability(capability: dict[str, Any], fields: dict[str, Any], name: str) -> None:
    assert named(ir.Capabilities(**capability), **fields) == {name: "contract"}
    assert named(**fields) == {}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        *(({name: "x"}, name) for name in ("verbosity", "user", "safety_identifier", "prompt_cache_key")),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"store": False}, "store"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"temperature": 3.0}, "temperature"),
        ({"effort": "high"}, "reasoning_effort"),
        ({"messages": (ir.Message("user", (ir.Text("a"),), name="bob"),)}, "messages.name"),
        ({"messages": (ir.Message("assistant", (ir.Reasoning("raw"),)),)}, "messages.reasoning"),
    ],
)
def test_tuning(fields: dict[str, Any], name: str) -> None:
    assert named(**fields) == {name: "tuning"}


def test_tuning_by_capability() -> None:
    bare = ir.Capabilities(sampling=False, penalties=False, seed=False, max_output=5)
    fields = {"temperature": 1.0, "top_p": 1.0, "top_k": 1, "presence_penalty": 1.0, "seed": 1, "max_output_tokens": 9}
    assert named(bare, **fields) == dict.fromkeys(fields, "tuning")
    assert named(**fields) == {}


def test_a_clamped_effort_is_named() -> None:
    levels = ir.Capabilities(thinking="level", efforts=("low", "high"))
    assert named(levels, effort="max") == {"reasoning_effort": "tuning"}
    assert named(levels, effort="none") == {"reasoning_effort": "tuning"}
    assert named(levels, effort="low") == {}


def test_unknown_fields_are_named_for_other_families_only() -> None:
    extras = {"prediction": msgspec.Raw(b"{}")}
    assert named(extras=extras) == {"prediction": "unknown"}
    assert named(extras=extras, family="google") == {}


def patched(body: dict[str, Any], **changes: Any) -> tuple[Any, list[str]]:
    target = ir.Upstream(provider="google", dialect="google_gemini", model="m", family="google", **changes)
    top = msgspec.json.decode(msgspec.json.encode(body), type=dict[str, msgspec.Raw])
    out, dropped = DIALECT.patch(top, target)
    return msgspec.json.decode(msgspec.json.encode(out)), [found.name for found in dropped]


def test_an_exact_relay_passes_everything_but_what_the_url_says() -> None:
    body = {"contents": [{"new": 1}], "generationConfig": {"temperature": 1, "topK": 2}, "novelty": {}}
    assert patched({**body, "model": "x", "stream": True}) == (body, [])


@pytest.mark.parametrize("key", ["generationConfig", "generation_config"])
def test_an_exact_relay_drops_what_the_model_refuses(key: str) -> None:
    config = {"temperature": 1, "topP": 1, "top_k": 1, "presencePenalty": 1, "frequencyPenalty": 1, "seed": 1}
    bare = ir.Capabilities(sampling=False, penalties=False, seed=False)
    body, dropped = patched({key: {**config, "maxOutputTokens": 3}}, capabilities=bare)
    assert body == {key: {"maxOutputTokens": 3}}
    assert dropped == ["temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "seed"]


def test_an_exact_relay_adds_the_operators_options() -> None:
    options = {"generationConfig": {"seed": 2}, "safetySettings": []}
    body, dropped = patched({"generationConfig": {"seed": 1, "topK": 3}}, options=options)
    assert body == {"generationConfig": {"seed": 2, "topK": 3}, "safetySettings": []}
    assert dropped == []
