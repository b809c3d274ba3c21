"""What cannot be said to Claude is named, with what follows from it (decision D11)."""

from typing import Any

import msgspec
import pytest

from adapters import ir
from adapters.anthropic_messages import DIALECT

TOOL = ir.Tool("t", parameters={"type": "object"})
HI = (ir.Message("user", (ir.Text("hi"),)),)


def refused(can: ir.Capabilities | None = None, **fields: Any) -> dict[str, str]:
    request = ir.Request(**{"model": "m", "messages": HI, **fields})
    target = ir.Upstream(
        provider="p", dialect=DIALECT.name, model="c", family="anthropic", capabilities=can or ir.Capabilities()
    )
    return {named.name: named.kind for named in DIALECT.refuses(request, target)}


def test_a_plain_request_is_not_refused() -> None:
    assert refused(n=1, logprobs=False, modalities=("text",), tools=(TOOL,)) == {}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"include": ("message.output_text.logprobs",)}, "include"),
        ({"logit_bias": {"1": 5.0}}, "logit_bias"),
        ({"modalities": ("text", "audio")}, "modalities"),
        ({"tools": (ir.Tool("w", "hosted", type="web_search"),)}, "tools[0]"),
        ({"tools": (ir.Tool("w", "hosted", type="web_search", where="tools[3]"),)}, "tools[3]"),
        ({"tools": (ir.Tool("a", parameters={"type": "array"}),)}, "tools[0]"),
        ({"messages": (ir.Message("user", (ir.Media("audio", data="x"),)),)}, "messages[0].content[0]"),
        ({"messages": (ir.Message("user", (ir.Media("file", data="x"),)),)}, "messages[0].content[0]"),
        ({"messages": (ir.Message("user", (ir.Media("image", file_id="x"),)),)}, "messages[0].content[0]"),
        (
            {"messages": (ir.Message("user", (ir.Media("image", data="x", media_type="image/tiff"),)),)},
            "messages[0].content[0]",
        ),
        (
            {"messages": (ir.Message("user", (ir.Opaque("openai", "web_search_call", msgspec.Raw(b"{}")),)),)},
            "messages[0].content[0]",
        ),
    ],
)
def test_contract(fields: dict[str, Any], name: str) -> None:
    assert refused(**fields) == {name: "contract"}


@pytest.mark.parametrize("media_type", ["application/zip", "image/png"])
def test_a_file_that_is_neither_pdf_nor_text_is_refused(media_type: str) -> None:
    message = ir.Message("user", (ir.Media("file", data="x", media_type=media_type),))
    assert refused(ir.Capabilities(files=True), messages=(message,)) == {"messages[0].content[0]": "contract"}


def test_a_backend_without_tools() -> None:
    assert refused(ir.Capabilities(tools=False), tools=(TOOL,)) == {"tools[0]": "contract"}


def test_media_within_a_tool_result_counts() -> None:
    message = ir.Message("tool", (ir.ToolResult("a", (ir.Media("image", url="https://x/y"),)),))
    assert refused(ir.Capabilities(images=False), messages=(message,)) == {"messages[0].content[0]": "contract"}


@pytest.mark.parametrize("mode", ["required", "named"])
def test_a_model_that_cannot_be_forced(mode: Any) -> None:
    choice = ir.ToolChoice(mode, ("t",) if mode == "named" else ())
    assert refused(ir.Capabilities(forced_tools=False), tools=(TOOL,), tool_choice=choice) == {
        "tool_choice": "contract"
    }


def test_prefill_only_where_the_model_continues() -> None:
    begun = (*HI, ir.Message("assistant", (ir.Text("The answer is"),)))
    assert refused(messages=begun) == {}
    assert refused(ir.Capabilities(prefill=False), messages=begun) == {"messages": "contract"}


def test_tuning_is_named_and_never_decides() -> None:
    fields = {
        "seed": 1,
        "presence_penalty": -0.5,
        "frequency_penalty": 0.5,
        "verbosity": "low",
        "prompt_cache_key": "k",
        "store": True,
        "metadata": {"a": "b"},
        "service_tier": "flex",
        "effort": "high",
    }
    expected = {**dict.fromkeys(fields, "tuning"), "reasoning_effort": "tuning"}
    del expected["effort"]
    assert refused(**fields) == expected


def test_user_and_safety_identifier_cannot_both_be_said() -> None:
    assert refused(user="a", safety_identifier="a") == {}
    assert refused(user="a", safety_identifier="b") == {"user": "tuning"}
