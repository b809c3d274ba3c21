"""One question to Turnout in either API and mode, through the official SDK; every answer valid in its strict types."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, get_args

import httpx2
from checker import check_chat, check_responses, parse_sse
from live import Live
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import Discriminator, TypeAdapter

from proxy.ledger.record import UsageRecord

EVENT: TypeAdapter[Any] = TypeAdapter(Annotated[get_args(ResponseStreamEvent)[0], Discriminator("type")])
PATHS = {"chat": "/chat/completions", "responses": "/responses"}
LIMIT = {"chat": "max_completion_tokens", "responses": "max_output_tokens"}
QUESTION = "Hello! What is the weather in Paris?"
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Said(NamedTuple):
    """What an answer says, in whichever API it came."""

    text: str
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: str = "stop"
    usage: tuple[int, int] | None = None
    """Input and output tokens."""


class Told(NamedTuple):
    """What was said, the headers it came with, and the call's rows in the ledger."""

    said: Said
    headers: httpx2.Headers
    rows: list[UsageRecord]


def asked(api: str, **more: Any) -> dict[str, Any]:
    """The body of the question, without its model."""
    words = {"messages": [{"role": "user", "content": QUESTION}]} if api == "chat" else {"input": QUESTION}
    return {**words, "temperature": 0, **more}


def with_tools(api: str, *, strict: bool = False) -> dict[str, Any]:
    """The field that offers the one tool. ``strict``: with the word, which is false here."""
    tool = {**WEATHER, "strict": False} if strict else WEATHER
    return {"tools": [{"type": "function", "function": tool} if api == "chat" else {"type": "function", **tool}]}


def ask(live: Live, api: str, alias: str, *, stream: bool, **body: Any) -> Told:
    """Ask Turnout; judge the bytes, then what the SDK makes of them."""
    sent = {"model": alias, **asked(api), **body, "stream": stream}
    if stream and api == "chat":
        sent["stream_options"] = {"include_usage": True}
    answer = httpx2.post(live.base_url + PATHS[api], json=sent, timeout=60)
    assert answer.status_code == 200, answer.text
    said = (_streamed if stream else _whole)(api, answer.content, sent)
    return Told(said, answer.headers, live.rows_of(answer.headers["x-request-id"]))


def sdk(live: Live) -> OpenAI:
    """The official client, as an application has it, but for its strictness."""
    return OpenAI(base_url=live.base_url, api_key="none", max_retries=0, timeout=60, _strict_response_validation=True)


def _whole(api: str, body: bytes, sent: dict[str, Any]) -> Said:
    if api == "chat":
        return of_chat(ChatCompletion.model_validate_json(body, strict=True))
    return of_response(Response.model_validate_json(body, strict=True))


def _streamed(api: str, body: bytes, sent: dict[str, Any]) -> Said:
    events = parse_sse(body)
    if api == "chat":
        check_chat(events, include_usage=True)
        return _of_chunks([ChatCompletionChunk.model_validate(event, strict=True) for event in events])
    check_responses(events, {name: value for name, value in sent.items() if name not in ("input", "model")})
    typed = [EVENT.validate_python(event, strict=True) for event in events]
    return of_response(typed[-1].response)


def of_chat(answer: ChatCompletion) -> Said:
    """A whole chat completion."""
    (choice,) = answer.choices
    calls: list[Any] = choice.message.tool_calls or []
    return Said(
        choice.message.content or "",
        (choice.message.model_extra or {}).get("reasoning_content") or "",
        tuple((call.function.name, call.function.arguments) for call in calls),
        choice.finish_reason,
        (answer.usage.prompt_tokens, answer.usage.completion_tokens) if answer.usage else None,
    )


def _of_chunks(chunks: list[ChatCompletionChunk]) -> Said:
    choices = [choice for chunk in chunks for choice in chunk.choices]
    deltas = [choice.delta for choice in choices]
    pieces = [call for delta in deltas for call in delta.tool_calls or []]
    names = {call.index: call.function.name for call in pieces if call.function and call.function.name}
    calls = tuple(
        (name, "".join(c.function.arguments or "" for c in pieces if c.index == index and c.function))
        for index, name in names.items()
    )
    usage = chunks[-1].usage
    return Said(
        "".join(delta.content or "" for delta in deltas),
        "".join((delta.model_extra or {}).get("reasoning_content") or "" for delta in deltas),
        calls,
        next(str(choice.finish_reason) for choice in choices if choice.finish_reason),
        (usage.prompt_tokens, usage.completion_tokens) if usage else None,
    )


def of_response(answer: Response) -> Said:
    """A whole response, or the last of a stream."""
    calls = tuple((item.name, item.arguments) for item in answer.output if item.type == "function_call")
    thoughts = [item for item in answer.output if item.type == "reasoning"]
    finish = "length" if answer.status == "incomplete" else "tool_calls" if calls else "stop"
    return Said(
        answer.output_text,
        "".join(part.text for item in thoughts for part in item.content or []),
        calls,
        finish,
        (answer.usage.input_tokens, answer.usage.output_tokens) if answer.usage else None,
    )
