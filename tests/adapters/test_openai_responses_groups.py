"""Namespaces, and items that put tools on offer: read one by one, written as they came (G19)."""

import json
from typing import Any

import pytest

from adapters import ir, providers
from adapters.catalog import DIALECTS

DIALECT = DIALECTS["openai_responses"]
OPENAI = ir.Upstream(
    provider="openai", dialect="openai_responses", model="gpt-5.6", wire="exact",
    capabilities=providers.capabilities("openai", "gpt-5.6"),
)  # fmt: skip
F = {"type": "function", "name": "f", "parameters": {"type": "object"}}
Y: dict[str, Any] = {"type": "function", "name": "y", "description": "d", "defer_loading": True}
Z: dict[str, Any] = {"type": "custom", "name": "z"}
GROUP: dict[str, Any] = {"type": "namespace", "name": "mcp__x", "description": "What x can do.", "tools": [Y, Z]}
SEARCH = {"type": "web_search"}


def read(**fields: Any) -> ir.Request:
    return DIALECT.read_request(json.dumps({"model": "m", "input": "Hi", **fields}).encode())


def sent(request: ir.Request) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(DIALECT.write_request(request, OPENAI, ir.Context("0" * 32, 1)).body)
    return body


def test_g19_a_groups_tools_are_read_one_by_one_and_keep_their_place() -> None:
    tools = read(tools=[F, GROUP, SEARCH]).tools
    assert [(tool.namespace, tool.name, tool.kind) for tool in tools] == [
        (None, "f", "function"), ("mcp__x", "y", "function"), ("mcp__x", "z", "custom"), (None, "web_search", "hosted"),
    ]  # fmt: skip
    places = [tool.at(index) for index, tool in enumerate(tools)]
    assert places == ["tools[0]", "tools[1].tools[0]", "tools[1].tools[1]", "tools[2]"]
    assert json.loads(bytes(tools[1].group["description"])) == "What x can do."


@pytest.mark.parametrize("tools", [[F, GROUP, SEARCH], [GROUP, {**GROUP, "name": "other"}], [GROUP, F, GROUP]])
def test_g19_a_group_is_written_and_echoed_as_it_came(tools: list[Any]) -> None:
    request = read(tools=tools)
    assert sent(request)["tools"] == tools
    echo = ir.Echo("0" * 32, 1, "m", request)
    echoed = json.loads(DIALECT.write_response(ir.Reply(), echo))["tools"]
    assert [{**told, **asked} for told, asked in zip(echoed, tools, strict=True)] == echoed


def test_g19_a_call_keeps_its_group() -> None:
    call = {"type": "function_call", "call_id": "c", "namespace": "mcp__x", "name": "y", "arguments": "{}"}
    request = read(input=[call])
    (block,) = request.messages[0].blocks
    assert isinstance(block, ir.ToolCall)
    assert (block.namespace, block.name, block.extras) == ("mcp__x", "y", {})
    assert sent(request)["input"] == [call]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({"type": "function", "name": "f"}, ("f",)),
        ({"type": "function", "namespace": "mcp__x", "name": "y"}, ("mcp__x__y",)),
        ({"type": "custom", "namespace": "mcp__x", "name": "z"}, ("mcp__x__z",)),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [
                {"type": "function", "name": "f"}, {"type": "custom", "namespace": "mcp__x", "name": "z"}]},
            ("f", "mcp__x__z"),
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "namespace", "name": "mcp__x"}]},
            ("mcp__x",),
        ),
    ],
)  # fmt: skip
def test_g19_a_choice_names_a_tool_with_its_group(choice: dict[str, Any], names: tuple[str, ...]) -> None:
    request = read(tools=[F, GROUP], tool_choice=choice)
    assert request.tool_choice is not None
    assert request.tool_choice.names == names
    assert sent(request)["tool_choice"] == choice


@pytest.mark.parametrize(
    ("group", "param"),
    [
        ({"type": "namespace", "tools": []}, "tools[0].name"),
        ({"type": "namespace", "name": "x"}, "tools[0].tools"),
        ({"type": "namespace", "name": "x", "tools": [{"type": "function"}]}, "tools[0].tools[0].name"),
        ({"type": "namespace", "name": "x", "tools": [5]}, "tools[0].tools[0]"),
    ],
)
def test_a_group_that_is_none_is_refused_by_name(group: dict[str, Any], param: str) -> None:
    with pytest.raises(ir.Invalid) as caught:
        read(tools=[group])
    assert caught.value.failure.param == param


@pytest.mark.parametrize("kind", ["additional_tools", "tool_search_output"])
def test_items_that_offer_tools_are_kept_whole_and_their_tools_read(kind: str) -> None:
    item = {"type": kind, "tools": [GROUP, F]}
    request = read(input=[{"role": "user", "content": "Hi"}, item])
    (block,) = request.messages[1].blocks
    assert isinstance(block, ir.Opaque)
    assert [(tool.name, tool.where) for tool in block.tools] == [
        ("y", "input[1].tools[0].tools[0]"), ("z", "input[1].tools[0].tools[1]"), ("f", "input[1].tools[1]"),
    ]  # fmt: skip
    assert sent(request)["input"][1] == item
