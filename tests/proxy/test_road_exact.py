"""Exact passthrough: what OpenAI's own backends are sent and what their clients see, byte for byte but for the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from live import Live, demo_upstream
from public_door import CHAT, RESPONSES, ask, post
from scripted import Upstream, scripted, stream, whole

ODD = b'"x":1.50E+2, "deep" : {"n":[1.0,  -0.0, 12345678901234567890123, 1e-7],"s":"\\u00e9\\/","\\u0061":null}'
"""Fields that nobody knows, in spellings that a JSON library would not give back."""
PIECES = (b'"x":1.50E+2', b'{"n":[1.0,  -0.0, 12345678901234567890123, 1e-7],"s":"\\u00e9\\/","\\u0061":null}')
MESSAGES = b'[{"role":"user", "content":"\\u0048i", "odd":1.0}]'
HEAD = b'{"id":"chatcmpl-1", "object":"chat.completion","created":1, "model" : "gpt-4.1-2025","odd":1.50, '
WHOLE = HEAD + (
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"the \\"model\\":\\"gpt-4.1-2025\\" is \\u00e9"},'
    b'"finish_reason":"stop","logprobs":null}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}'
)
CHUNKS = (
    b'data: {"id":"c","object":"chat.completion.chunk","model":"gpt-4.1-2025","choices":[{"index":0,"delta":{"role":"assistant","content":""},"odd":1.0}]}\n\n',
    b'data: {"id":"c","model":"gpt-4.1-2025","obfuscation":"x\\u00e9","choices":[{"index":0,"delta":{"content":"ok"}}]}\n\n',
    b'data: {"id":"c","model":"gpt-4.1-2025","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
)
USAGE = b'data: {"id":"c","model":"gpt-4.1-2025","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}\n\n'
DONE = b"data: [DONE]\n\n"
RESPONSE = (
    b'{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"gpt-4.1-2025","odd":1.50,"output":['
    b'{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"ok","annotations":[]}]}],'
    b'"usage":{"input_tokens":3,"output_tokens":1,"total_tokens":4}}'
)


@pytest.fixture(scope="module")
def raw() -> Iterator[Upstream]:
    with scripted() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def journal() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def live(raw: Upstream, journal: list[dict[str, Any]]) -> Iterator[Live]:
    with (
        demo_upstream(journal=journal) as demo,
        Live(f"""version: 1
backends:
  raw:    {{provider: openai, base_url: "{raw.url}/v1", model: gpt-4.1, credential: sk-raw}}
  reason: {{provider: openai, base_url: "{demo}/v1", model: gpt-5.6, credential: sk-demo}}
aliases:
  raw:    {{use: [raw]}}
  'a"b':  {{use: [raw]}}
  reason: {{use: [reason]}}
""") as made,
    ):
        yield made


@pytest.mark.parametrize(
    ("path", "question", "answer"),
    [(CHAT, b'"messages":' + MESSAGES, WHOLE), (RESPONSES, b'"input":' + MESSAGES, RESPONSE)],
)
def test_all_but_the_model_reaches_the_upstream_byte_for_byte(
    live: Live, raw: Upstream, path: str, question: bytes, answer: bytes
) -> None:
    raw.script(whole(answer))
    assert post(live, path, b'{"model":"raw",' + ODD + b"," + question + b"}").status == 200
    [asked] = raw.asked
    assert asked.path == path
    assert list(asked.body) == ["model", "x", "deep", "messages" if path == CHAT else "input"]
    assert asked.body["model"] == "gpt-4.1"
    assert [piece for piece in (*PIECES, MESSAGES) if piece not in asked.raw] == []


@pytest.mark.parametrize(("path", "answer"), [(CHAT, WHOLE), (RESPONSES, RESPONSE)])
def test_a_whole_answer_is_the_upstreams_but_for_the_model(live: Live, raw: Upstream, path: str, answer: bytes) -> None:
    raw.script(whole(answer))
    heard = post(live, path, b'{"model":"raw","messages":' + MESSAGES + b',"input":"x"}')
    assert heard.raw == answer.replace(b'"gpt-4.1-2025"', b'"raw"', 1)
    [row] = live.rows_of(heard.id)
    assert (row.upstream_model, row.input_tokens, row.output_tokens) == ("gpt-4.1-2025", 3, 1)


def test_a_stream_is_the_upstreams_but_for_the_model_and_our_usage(live: Live, raw: Upstream) -> None:
    raw.script(stream(*CHUNKS, USAGE, DONE))
    heard = ask(live, "raw", stream=True)
    assert heard.raw == b"".join(CHUNKS).replace(b'"gpt-4.1-2025"', b'"raw"') + DONE
    assert raw.asked[0].body["stream_options"] == {"include_usage": True}
    [row] = live.rows_of(heard.id)
    assert (row.input_tokens, row.output_tokens, row.outcome) == (3, 1, "ok")


def test_usage_is_shown_to_a_client_that_asked(live: Live, raw: Upstream) -> None:
    raw.script(stream(*CHUNKS, USAGE, DONE))
    heard = ask(live, "raw", stream=True, stream_options={"include_usage": True, "include_obfuscation": False})
    assert heard.events[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    assert raw.asked[0].body["stream_options"] == {"include_usage": True, "include_obfuscation": False}


@pytest.mark.parametrize("pieces", [1, 7])
def test_frames_cut_anywhere_are_put_together(live: Live, raw: Upstream, pieces: int) -> None:
    told = b"".join((*CHUNKS, USAGE, DONE))
    raw.script(stream(*(told[at : at + pieces] for at in range(0, len(told), pieces))))
    assert ask(live, "raw", stream=True).raw == b"".join(CHUNKS).replace(b'"gpt-4.1-2025"', b'"raw"') + DONE


def test_an_alias_with_a_quote_stays_json(live: Live, raw: Upstream) -> None:
    raw.script(whole(WHOLE))
    assert ask(live, 'a"b').body["model"] == 'a"b'


@pytest.mark.parametrize("streamed", [False, True])
def test_g31_tools_with_an_effort_go_through_responses(
    live: Live, journal: list[dict[str, Any]], streamed: bool
) -> None:
    journal.clear()
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": schema}}
    heard = ask(live, "reason", "Weather in Paris?", tools=[tool], reasoning_effort="medium", stream=streamed)
    assert heard.status == 200
    [asked] = journal
    assert asked["path"] == "/v1/responses"
    assert asked["body"]["reasoning"]["effort"] == "medium"
    if streamed:
        assert {event["object"] for event in heard.events} == {"chat.completion.chunk"}
        deltas = [choice["delta"] for event in heard.events for choice in event["choices"]]
        calls = [call for delta in deltas for call in delta.get("tool_calls") or ()]
        told = "".join(call["function"].get("arguments") or "" for call in calls)
    else:
        assert heard.body["object"] == "chat.completion"
        [call] = heard.body["choices"][0]["message"]["tool_calls"]
        assert call["function"]["name"] == "get_weather"
        told = call["function"]["arguments"]
    assert "city" in msgspec.json.decode(told)
    [row] = live.rows_of(heard.id)
    assert (row.api, row.effort, row.finish_reason, heard.told("dropped")) == ("chat", "medium", "tool_calls", None)


@pytest.mark.parametrize("more", [{}, {"reasoning_effort": "none"}, {"reasoning_effort": "medium"}])
def test_g31_other_chat_calls_stay_chat(live: Live, journal: list[dict[str, Any]], more: dict[str, Any]) -> None:
    journal.clear()
    assert ask(live, "reason", **more).status == 200
    assert journal[0]["path"] == "/v1/chat/completions"


def test_g81_a_fixed_stop_does_not_lock_a_client_out(live: Live, journal: list[dict[str, Any]]) -> None:
    journal.clear()
    heard = ask(live, "reason", stop=["User:"], temperature=0, max_tokens=500)
    assert heard.status == 200
    assert set((heard.told("dropped") or "").split(", ")) == {"stop", "temperature"}
    assert set(journal[0]["body"]) == {"model", "messages", "max_completion_tokens"}
