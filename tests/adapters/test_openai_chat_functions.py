"""The time before tools: ``functions``, and the ``function_call`` that answers them."""

import json
from typing import Any

import pytest

from adapters import ir
from adapters.catalog import DIALECTS

DIALECT = DIALECTS["openai_chat"]
FUNCTION = {"name": "f", "parameters": {"type": "object"}}
CALL = (
    ir.Started("x", "m", 1),
    ir.BlockStarted(0, "tool_call", 0, meta={"id": "c", "name": "f"}),
    ir.Delta(0, "arguments", '{"a"'),
    ir.Delta(0, "arguments", ":1}"),
    ir.BlockEnded(0),
)


def read(**fields: Any) -> ir.Request:
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return DIALECT.read_request(json.dumps(asked).encode())


def echo(**fields: Any) -> ir.Echo:
    return ir.Echo("0" * 32, 1, "m", read(**fields))


def choices(events: tuple[ir.Event, ...], **fields: Any) -> list[Any]:
    """The choice of each streamed chunk."""
    writer = DIALECT.writer(echo(**fields))
    lines = [line for event in events for line in writer.write(event) if b"[DONE]" not in line]
    return [json.loads(line.removeprefix(b"data: "))["choices"][0] for line in lines]


def test_functions_are_tools_of_which_one_is_called() -> None:
    request = read(functions=[FUNCTION], function_call={"name": "f"})
    assert [tool.name for tool in request.tools] == ["f"]
    assert (request.legacy_functions, request.parallel_tool_calls) == (True, False)
    assert request.tool_choice == ir.ToolChoice("named", ("f",))


@pytest.mark.parametrize("fields", [{}, {"tools": [{"type": "function", "function": FUNCTION}]}])
def test_tools_are_not_of_that_time(fields: dict[str, Any]) -> None:
    request = read(**fields)
    assert (request.legacy_functions, request.parallel_tool_calls) == (False, None)


def test_a_whole_answer() -> None:
    reply = ir.collect([*CALL, ir.Finished(0, "tool_calls"), ir.Ended()])
    (choice,) = json.loads(DIALECT.write_response(reply, echo(functions=[FUNCTION])))["choices"]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"] == {
        "role": "assistant", "content": None, "refusal": None,
        "function_call": {"name": "f", "arguments": '{"a":1}'},
    }  # fmt: skip


def test_a_streamed_answer() -> None:
    told = choices((*CALL, ir.Finished(0, "tool_calls"), ir.Ended()), functions=[FUNCTION])
    assert [choice["delta"] for choice in told[1:]] == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"a"'}},
        {"function_call": {"arguments": ":1}"}},
        {},
    ]
    assert told[-1]["finish_reason"] == "function_call"


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_an_answer_without_a_call_ends_as_ever(reason: Any) -> None:
    events = (ir.Started(), ir.BlockStarted(0, "text", 0), ir.Delta(0, "text", "Hi"), ir.BlockEnded(0))
    told = choices((*events, ir.Finished(0, reason), ir.Ended()), functions=[FUNCTION])
    assert told[-1]["finish_reason"] == reason
