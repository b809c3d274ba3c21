"""A Claude client's request as the hub understands it, and errors that name the field."""

from typing import Any

import msgspec
import pytest

from adapters import ir
from adapters.anthropic_messages import DIALECT

HI = {"role": "user", "content": "hi"}


def read(**fields: Any) -> ir.Request:
    body = {"model": "m", "max_tokens": 5, "messages": [HI], **fields}
    return DIALECT.read_request(msgspec.json.encode({k: v for k, v in body.items() if v is not ...}))


def test_the_fields_are_understood() -> None:
    request = read(
        stream=True,
        system="Be brief.",
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        stop_sequences=["END"],
        service_tier="standard_only",
        metadata={"user_id": "u"},
        tools=[{"name": "t", "description": "d", "input_schema": {"type": "object"}, "strict": True}],
        tool_choice={"type": "tool", "name": "t", "disable_parallel_tool_use": True},
        output_config={"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    )
    assert (request.family, request.dialect, request.stream) == ("anthropic", DIALECT.name, True)
    assert [text.text for text in request.system] == ["Be brief."]
    assert (request.temperature, request.top_p, request.top_k, request.stop) == (0.5, 0.9, 4, ("END",))
    assert (request.max_output_tokens, request.service_tier, request.user) == (5, "standard_only", "u")
    tool = request.tools[0]
    assert (tool.name, tool.description, tool.parameters, tool.strict) == ("t", "d", {"type": "object"}, True)
    assert request.tool_choice == ir.ToolChoice("named", ("t",))
    assert request.parallel_tool_calls is False
    assert request.effort == "high"
    assert request.format is not None
    assert (request.format.kind, request.format.schema) == ("json_schema", {"type": "object"})
    assert request.extras == {}


def test_unknown_fields_are_carried() -> None:
    request = read(container="c", context_management={"edits": []}, metadata={"user_id": "u", "x": 1})
    assert {name: bytes(raw) for name, raw in request.extras.items()} == {
        "container": b'"c"',
        "context_management": b'{"edits":[]}',
        "metadata": b'{"user_id":"u","x":1}',
    }


def test_tool_results_are_messages_of_their_own_before_the_text() -> None:
    content = [
        {"type": "text", "text": "so"},
        {"type": "tool_result", "tool_use_id": "a", "content": "1", "is_error": True},
        {"type": "tool_result", "tool_use_id": "b"},
    ]
    request = read(messages=[{"role": "user", "content": content}])
    assert [message.role for message in request.messages] == ["tool", "tool", "user"]
    first = request.messages[0].blocks[0]
    assert isinstance(first, ir.ToolResult)
    assert (first.id, first.is_error, first.content[0]) == ("a", True, first.content[0])
    assert isinstance(first.content[0], ir.Text)


IMAGE = {"type": "base64", "media_type": "image/png", "data": "AA"}


def test_blocks_are_understood() -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "tool_use", "id": "a", "name": "t", "input": {"n": 2512292042121000001}},
        {"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
        {"type": "document", "source": {"type": "file", "file_id": "f"}, "title": "T"},
        {"type": "document", "source": {"type": "content", "content": "c"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "image", "source": IMAGE}]}},
    ]
    blocks = read(messages=[{"role": "assistant", "content": content}]).messages[0].blocks
    assert blocks[0] == ir.Reasoning(summary=("hm",), state=ir.VendorState("anthropic", "signature", "s"))
    assert blocks[1] == ir.Reasoning(state=ir.VendorState("anthropic", "redacted", "d"))
    assert blocks[2] == ir.ToolCall("a", "t", '{"n":2512292042121000001}')
    assert isinstance(blocks[3], ir.Opaque)
    assert blocks[3].wire_type == "server_tool_use"
    assert blocks[4] == ir.Media("image", url="https://x/y")
    assert blocks[5] == ir.Media("image", data="AA", media_type="image/png")
    assert blocks[6] == ir.Media("file", file_id="f", name="T")
    assert isinstance(blocks[7], ir.Media)
    assert (blocks[7].data, blocks[7].media_type) == ("Yw==", "text/plain")
    assert isinstance(blocks[8], ir.Opaque)


def test_thinking_without_a_signature_has_no_state() -> None:
    content = [{"type": "thinking", "thinking": "hm", "signature": ""}]
    block = read(messages=[{"role": "assistant", "content": content}]).messages[0].blocks[0]
    assert isinstance(block, ir.Reasoning)
    assert block.state is None


@pytest.mark.parametrize(
    ("choice", "mode"), [("auto", "auto"), ("any", "required"), ("none", "none"), ("tool", "named")]
)
def test_tool_choice(choice: str, mode: str) -> None:
    name = {"name": "t"} if choice == "tool" else {}
    found = read(tool_choice={"type": choice, **name}).tool_choice
    assert found is not None
    assert found.mode == mode


def test_hosted_tools_are_kept_whole() -> None:
    entry = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    tool = read(tools=[entry]).tools[0]
    assert (tool.kind, tool.type, tool.name) == ("hosted", "web_search_20250305", "web_search")
    assert tool.raw is not None
    assert msgspec.json.decode(tool.raw) == entry


def test_max_tokens_may_be_absent() -> None:
    assert read(max_tokens=...).max_output_tokens is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ...}, "model"),
        ({"messages": ...}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [HI, {"role": "user", "content": 5}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]},
            "messages[0].content[0].source.url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "a", "name": "b", "input": 1}]}]},
            "messages[0].content[0].input",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [1]}]}]},
            "messages[0].content[0].content[0]",
        ),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"system": [{"type": "image", "source": {"type": "url", "url": "u"}}]}, "system"),
        ({"system": 5}, "system"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "t"}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "maybe"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": 3}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_g78_bad_input_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ir.Invalid) as caught:
        read(**fields)
    failure = caught.value.failure
    assert (failure.status, failure.param) == (400, param)
    assert param in failure.message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff{}"])
def test_g78_a_body_that_is_no_object(body: bytes) -> None:
    with pytest.raises(ir.Invalid):
        DIALECT.read_request(body)
