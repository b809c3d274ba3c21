"""Tools: called when they are needed, when they must be, two at once, one at a time; and is their result read?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from adapters import ir
from policies.cards import UNASKED, Trials
from proxy.judging import Judge
from proxy.probing.asking import Asker, Heard, Question, tried


def _tool(name: str, does: str, **properties: Any) -> ir.Tool:
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return ir.Tool(name, description=does, parameters=schema)


_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
_WEATHER = _tool("get_weather", "The weather in a city, now.", city=_TEXT)
_TASKS: tuple[tuple[ir.Tool, str], ...] = (
    (_WEATHER, "What is the weather in Lisbon right now? Use the tool."),
    (_tool("multiply", "The product of two numbers.", a=_NUMBER, b=_NUMBER), "What is 4817 times 2293? Use the tool."),
    (
        _tool(
            "set_thermostat", "Set a room's temperature.",
            room={"type": "string", "enum": ["kitchen", "bedroom", "office"]}, celsius=_NUMBER,
        ),
        "Please set the bedroom to 19.5 degrees.",
    ),
    (
        _tool("find_orders", "The orders of a customer.", customer=_TEXT, limit={"type": "integer"}),
        "Show me the last 3 orders of the customer Anna Berg.",
    ),
    (
        _tool("send_message", "Send a message to people.", to={"type": "array", "items": _TEXT}, text=_TEXT),
        "Tell Ben and Clara that the meeting begins at ten.",
    ),
)  # fmt: skip
_CODE = "QX-4711"
_LOOK_UP = _tool("look_up_booking", "The booking code of a guest.", guest=_TEXT)


def _valid(heard: Heard, tool: ir.Tool) -> bool:
    """One call or more, all of this tool, all with arguments that its schema takes."""
    judge = Judge(tool.parameters, "parameters")
    return bool(heard.calls) and all(
        call.meta.get("name") == tool.name and not judge.faults(call.text or "{}") for call in heard.calls
    )


async def chosen(asker: Asker, times: int) -> Trials:
    """Left to choose, with the one tool that the question needs."""

    async def one(tool: ir.Tool, question: str) -> bool:
        return _valid(await asker.ask(question, tools=(tool,)), tool)

    return await tried(_rounds([partial(one, tool, question) for tool, question in _TASKS], times))


async def required(asker: Asker, times: int) -> Trials:
    """``tool_choice: required``, for a question that needs no tool."""

    async def one(tool: ir.Tool) -> bool:
        choice = ir.ToolChoice("required")
        return _valid(await asker.ask("Good morning!", tools=(tool,), tool_choice=choice), tool)

    return await tried(_rounds([partial(one, tool) for tool, _ in _TASKS], times))


async def named(asker: Asker, times: int) -> Trials:
    """The tool that is named, for a question that suits another one."""

    async def one(other: ir.Tool, question: str) -> bool:
        wanted = _LOOK_UP
        choice = ir.ToolChoice("named", (wanted.name,))
        return _valid(await asker.ask(question, tools=(other, wanted), tool_choice=choice), wanted)

    return await tried(_rounds([partial(one, tool, question) for tool, question in _TASKS], times))


_BOTH = "What is the weather in Lisbon, and what is it in Oslo? Call the tool for both cities in parallel, at once."


async def parallel(asker: Asker, times: int) -> tuple[Trials, Trials]:
    """Two calls in one answer; and, where it makes them, one when that is asked for."""

    async def calls(**fields: Any) -> int | None:
        heard = await asker.ask(_BOTH, tools=(_WEATHER,), **fields)
        return len(heard.calls) if _valid(heard, _WEATHER) else None

    async def two() -> bool | None:
        return None if (found := await calls()) is None else found > 1

    async def alone() -> bool | None:
        return None if (found := await calls(parallel_tool_calls=False)) is None else found == 1

    several = await tried([two] * times)
    return several, await tried([alone] * times) if several.right else UNASKED


async def results(asker: Asker, times: int) -> Trials:
    """The round trip: question, call, result, and an answer that has the result in it."""
    call = ir.ToolCall("call_probe00001", _LOOK_UP.name, '{"guest":"Anna Berg"}')
    result = ir.ToolResult(call.id, (ir.Text(f'{{"booking_code":"{_CODE}"}}'),), name=_LOOK_UP.name)

    async def one() -> bool:
        heard = await asker.ask(
            "What is the booking code of Anna Berg?",
            ir.Message("assistant", (call,)),
            ir.Message("tool", (result,)),
            tools=(_LOOK_UP,),
        )
        return _CODE in heard.text

    return await tried([one] * times)


def _rounds(questions: Sequence[Question], times: int) -> list[Question]:
    """The first ``times`` of them, and again from the first where that is more than there are."""
    return [questions[at % len(questions)] for at in range(times)]
