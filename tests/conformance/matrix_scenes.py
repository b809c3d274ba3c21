"""The twelve scenes of the matrix: each asks, says what the upstream answers, and judges what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from matrix_cell import Cell, cut
from matrix_shape_responses import failed
from matrix_words import IMAGE, Call, Fault, Heard, Json, Past, Question, Says, Told
from scripted import Answer, stream, whole

WORDS = ("Grüße ", "aus 日本 ", "🙂")
THOUGHTS = ("The user asks. ", "Größe means size; ", "say so.")
PARIS = Call("call_1a", "get_weather", {"city": "Paris — “Île”", "unit": "celsius"})
ROME = Call("call_2b", "get_time", {"zone": "Europe/Rome"})
SAID = Says(WORDS)
THOUGHT = Says(WORDS, THOUGHTS, thought=7)


def text(cell: Cell) -> list[Heard]:
    heard = [cell.ask(Question(), SAID)]
    cell.sent()
    return heard


def parallel_tools(cell: Cell) -> list[Heard]:
    """Two calls at once, and their results in the next turn."""
    first = cell.ask(Question(tools=True), Says(calls=(PARIS, ROME)), "tool_calls")
    return [first, _answered(cell, first, "sunny", "noon")]


def tool_loop(cell: Cell) -> list[Heard]:
    """Text and a call, its result, another call, its result, the answer."""
    first = cell.ask(Question(tools=True), Says(("Let me look.",), calls=(PARIS,)), "tool_calls")
    past = Past(first, ("sunny, 21 °C",))
    second = cell.ask(Question(tools=True, past=(past,)), Says(calls=(ROME,)), "tool_calls")
    last = cell.ask(Question(tools=True, past=(past, Past(second, ("noon",)))), SAID)
    _assert_told(cell, (PARIS, ROME), ("sunny, 21 °C", "noon"))
    return [first, second, last]


def reasoning(cell: Cell) -> list[Heard]:
    heard = cell.ask(Question(effort="high"), THOUGHT)
    cell.sent()
    assert bool(heard.thoughts) == ((cell.api, cell.upstream) not in _SILENT)
    if cell.api == "responses" and heard.thoughts:
        (item,) = [item for item in heard.wire["output"] if item["type"] == "reasoning"]
        assert (bool(item["summary"]), bool(item.get("content"))) == (cell.shape.summarises, not cell.shape.summarises)
    return [heard]


_SILENT = {(api, "openai_chat") for api in ("chat", "responses", "messages")} | {("chat", "openai_responses")}
"""OpenAI's chat shows no reasoning, and a chat client cannot ask OpenAI for a summary."""


def reasoning_tools(cell: Cell) -> list[Heard]:
    """What the vendor signed comes back to it with the results, whatever the client keeps of it."""
    says = Says((), THOUGHTS, (PARIS, ROME), thought=7)
    first = cell.ask(Question(tools=True, effort="high"), says, "tool_calls")
    last = _answered(cell, first, "sunny", "noon", effort="high")
    assert cell.turns().states == cell.shape.states
    return [first, last]


def structured_output(cell: Cell) -> list[Heard]:
    """The schema reaches the upstream, its JSON the client."""
    heard = cell.ask(Question(shaped=True), Says(('{"name": "Ann', 'a", "mood": ', '"good"}')))
    assert json.loads(heard.text) == {"name": "Anna", "mood": "good"}
    assert '"mood"' in json.dumps(cell.sent())
    return [heard]


def image(cell: Cell) -> list[Heard]:
    heard = cell.ask(Question(image=True), SAID)
    assert IMAGE in json.dumps(cell.sent())
    return [heard]


def refusal(cell: Cell) -> list[Heard]:
    """The model declines: in a field of its own, in its stop reason, without a word, or in plain text."""
    says = cell.shape.declines(Says(refusal="I cannot help with that."))
    return [cell.ask(Question(), says, cell.shape.finish)]


def length(cell: Cell) -> list[Heard]:
    heard = cell.ask(Question(limit=64), replace(SAID, end="length"), "length")
    assert "64" in json.dumps(cell.sent())
    return [heard]


def content_filter(cell: Cell) -> list[Heard]:
    """The answer is stopped in its midst."""
    return [cell.ask(Question(), replace(SAID, end="content_filter"), "content_filter")]


def error_before_first_byte(cell: Cell) -> list[Told]:
    """An HTTP status, and an error under a 200."""
    refused, broken = cell.shape.refused, cell.shape.broken
    told = [cell.fails(lambda _: whole(refused.body, refused.status), refused)]
    if cell.stream:
        return [*told, cell.fails(lambda body: stream(cell.shape.error_event(0, body)), broken)]
    return [*told, cell.fails(lambda body: whole(_error_body(cell, body)), broken)]


def _error_body(cell: Cell, body: Json) -> Json:
    return cell.shape.broken.body or failed(body)


def error_mid_stream(cell: Cell) -> list[Told]:
    """The vendor's error after half of the answer, and a stream that just ends. Of a whole answer: half of its body."""
    if not cell.stream:
        return [cell.fails(lambda body: _halved(cell.shape.answer(body, SAID, False)), _GARBAGE)]
    broken = cell.breaks(lambda body: _broken(cell, body), cell.shape.broken, WORDS[0])
    ended = cell.breaks(lambda body: _half(cell, body), _INTERRUPTED, WORDS[0])
    return [broken, ended]


_GARBAGE = Fault(200, {}, 502, "server_error", "upstream_bad_response")
_INTERRUPTED = Fault(200, {}, 502, "server_error", "upstream_interrupted")


def _halved(answer: Answer) -> Answer:
    (body,) = answer.parts
    assert isinstance(body, bytes)
    return whole(body[: len(body) // 2])


def _half(cell: Cell, body: Json) -> Answer:
    """The stream up to the event with the first words, which stand whole in one event."""
    answer = cell.shape.answer(body, replace(SAID, pieces=WORDS), True)
    at = next(n for n, part in enumerate(answer.parts) if isinstance(part, bytes) and _says(part))
    return cut(answer, at + 1)


def _says(part: bytes) -> bool:
    return WORDS[0].encode() in part


def _broken(cell: Cell, body: Json) -> Answer:
    half = _half(cell, body)
    return stream(*half.parts, cell.shape.error_event(len(half.parts), body))


def _answered(cell: Cell, first: Heard, *results: str, effort: str | None = None) -> Heard:
    """The turn with the results."""
    last = cell.ask(Question(tools=True, effort=effort, past=(Past(first, results),)), SAID)
    _assert_told(cell, (PARIS, ROME), results)
    return last


def _assert_told(cell: Cell, calls: tuple[Call, ...], results: tuple[str, ...]) -> None:
    """Calls and results have reached the upstream, each result with its call."""
    sent = cell.turns()
    assert [(call.name, call.arguments) for call in sent.calls] == [(call.name, call.arguments) for call in calls]
    assert sent.results == tuple(zip((call.id for call in sent.calls), results, strict=True))
    if cell.shape.own_ids:
        assert sent.calls == calls


SCENES: dict[str, Callable[[Cell], list[Any]]] = {
    "text": text,
    "parallel_tools": parallel_tools,
    "tool_loop": tool_loop,
    "reasoning": reasoning,
    "reasoning_tools": reasoning_tools,
    "structured_output": structured_output,
    "image": image,
    "refusal": refusal,
    "length": length,
    "content_filter": content_filter,
    "error_before_first_byte": error_before_first_byte,
    "error_mid_stream": error_mid_stream,
}
