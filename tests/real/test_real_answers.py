"""What the engine says reaches both APIs whole and streamed, over either of its endpoints, with its own token counts."""

from __future__ import annotations

import json

import pytest
from asking import LIMIT, PATHS, Said, ask, asked, of_chat, of_response, sdk, with_tools
from engine import Engine
from live import Live
from openai.types.chat import ChatCompletion

pytestmark = pytest.mark.real

APIS = ("chat", "responses")
BACKENDS = ("chat", "own")
CALL = (("get_weather", {"city": "Paris"}),)
SAYINGS = {
    "text": Said("The train change lines."),
    "call": Said("", calls=CALL, finish="tool_calls"),
    "text_and_call": Said("Hello!", calls=CALL, finish="tool_calls"),
    "text_call_text": Said("one two", calls=CALL, finish="tool_calls"),
    "thought": Said("three", "one two"),
    "text_and_thought": Said("one three", "two"),
}
"""What the model is made to say (make_model.SAYINGS), as a client must be told it."""
LOST = {"text_call_text": "two", "text_and_thought": "three"}
"""What the engine's whole answers keep of a text that something else has parted: its end. Its streams have all of it."""


def own_usage(engine: Engine, **body: object) -> tuple[int, int]:
    """The engine's own count of input and output tokens, from its chat endpoint, asked past Turnout."""
    usage = engine.ask(PATHS["chat"], **body).json()["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]


def told_strict(api: str, backend: str) -> bool:
    """Chat's default is not Responses': where one becomes the other it is said, and the template shows the model that."""
    return (api, backend) == ("chat", "own")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("saying", SAYINGS)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("api", APIS)
def test_cell(live: Live, engine: Engine, api: str, backend: str, saying: str, *, stream: bool) -> None:
    more = {"generation_config": engine.scripts[saying]}
    told = ask(live, api, f"to-{backend}", stream=stream, **with_tools(api), **more)
    calls = tuple((name, json.loads(arguments)) for name, arguments in told.said.calls)
    usage = own_usage(engine, **asked("chat", **with_tools("chat", strict=told_strict(api, backend)), **more))
    wanted = SAYINGS[saying]._replace(usage=usage)
    if not stream and saying in LOST:
        wanted = wanted._replace(text=LOST[saying])
    assert told.said._replace(calls=calls) == wanted
    (row,) = told.rows
    assert (row.backend, row.outcome, row.attempt) == (backend, "ok", 1)
    assert (row.input_tokens, row.output_tokens) == usage
    if wanted.reasoning:
        assert row.reasoning_source != "reported", "the engine tells no count, or 0 beside a thought"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
def test_what_the_weights_say_by_themselves(live: Live, engine: Engine, api: str, *, stream: bool) -> None:
    """No script: eight tokens, greedily. The engine alone says the same, and Turnout tells that they were cut."""
    direct = of_chat(ChatCompletion.model_validate(engine.ask(PATHS["chat"], **asked("chat", max_tokens=8)).json()))
    told = ask(live, api, "local_only", stream=stream, **{LIMIT[api]: 8})
    assert told.said == direct
    assert (direct.finish, direct.usage and direct.usage[1]) == ("length", 8)
    assert told.headers["x-turnout-backend"] == "chat"
    (row,) = told.rows
    assert (row.policy, row.input_tokens, row.output_tokens) == ("local_only", *(direct.usage or ()))


def test_the_sdk_by_its_own_methods(live: Live, engine: Engine) -> None:
    client, more = sdk(live), {"generation_config": engine.scripts["text"]}
    words = asked("chat")["messages"]
    chat = client.chat.completions.create(model="local_only", messages=words, extra_body=more)
    response = client.responses.create(model="to-own", input="Hi!", extra_body=more)
    with client.chat.completions.stream(model="local_only", messages=words, extra_body=more) as stream:
        streamed = stream.get_final_completion()
    with client.responses.stream(model="to-own", input="Hi!", extra_body=more) as events:
        final = events.get_final_response()
    assert of_chat(chat).text == of_response(response).text == "The train change lines."
    assert streamed.choices[0].message.content == final.output_text == "The train change lines."


def test_a_tool_loop(live: Live, engine: Engine) -> None:
    """The call goes back with its result; the engine's template sees both."""
    client = sdk(live)
    for alias in ("to-chat", "to-own"):
        first = client.responses.create(
            model=alias,
            input="Weather?",
            **with_tools("responses"),
            extra_body={"generation_config": engine.scripts["call"]},
        )
        (call,) = [item for item in first.output if item.type == "function_call"]
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        last = client.responses.create(
            model=alias, input=[{"role": "user", "content": "Weather?"}, *first.output, result],
            **with_tools("responses"), extra_body={"generation_config": engine.scripts["text"]},
        )  # fmt: skip
        assert last.output_text == "The train change lines."
        assert last.usage
        assert first.usage
        assert last.usage.input_tokens > first.usage.input_tokens


@pytest.mark.parametrize("alias", ["to-chat", "to-own"])
@pytest.mark.parametrize("api", APIS)
def test_g53_instructions_of_every_kind_reach_a_strict_template(
    live: Live, engine: Engine, api: str, alias: str
) -> None:
    """The template takes one leading system message and no developer: two instructions become that one."""
    said = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "Hi!"}]
    if api == "chat":
        body = {"messages": [{"role": "system", "content": "Be brief."}, *said]}
    else:
        body = {"instructions": "Be brief.", "input": said}
    told = ask(live, api, alias, stream=False, **body, **{LIMIT[api]: 16})
    one = [{"role": "system", "content": "Be brief.\n\nBe kind."}, said[1]]
    assert told.said.usage == own_usage(engine, messages=one, temperature=0, max_tokens=16)


@pytest.mark.parametrize("alias", ["to-chat", "to-own"])
def test_tuning_that_the_engine_refuses_is_dropped_and_named(live: Live, alias: str) -> None:
    """It answers 422 to a field that it does not know, and passes over some that it does."""
    tuning = {"top_k": 3, "presence_penalty": 0.5, "frequency_penalty": 0.5, "user": "u", "seed": 1, "top_p": 1}
    told = ask(live, "chat", alias, stream=False, max_tokens=16, **tuning)
    assert {"top_k", "presence_penalty", "frequency_penalty"} <= set(told.headers["x-turnout-dropped"].split(", "))


@pytest.mark.parametrize(
    "contract",
    [{"tool_choice": "required"}, {"n": 2}, {"logprobs": True}],
    ids=lambda contract: next(iter(contract)),
)
def test_a_promise_that_the_engine_would_break_in_silence_is_refused(live: Live, contract: dict[str, object]) -> None:
    """It takes these fields and does nothing with them; so Turnout does not send them there."""
    body = {"model": "local_only", **asked("chat"), **with_tools("chat"), **contract}
    status, answer = live.call("POST", "/v1/chat/completions", json.dumps(body).encode())
    assert status == 400, answer
    assert answer["error"]["code"] == "unsupported_parameter"


def test_a_format_that_the_engine_does_not_enforce_is_never_free_text(live: Live) -> None:
    """Its little model cannot follow the instruction: it is asked twice, or cut off; never is free text whole."""
    body = {"model": "to-chat", **asked("chat"), "response_format": {"type": "json_object"}}
    status, answer = live.call("POST", "/v1/chat/completions", json.dumps(body).encode())
    if status == 200:
        (choice,) = answer["choices"]
        assert choice["finish_reason"] == "length" or isinstance(json.loads(choice["message"]["content"]), dict)
    else:
        assert (status, answer["error"]["code"]) == (502, "structured_output_invalid")


def test_logit_bias_reaches_it_as_the_floats_that_it_demands(live: Live, engine: Engine) -> None:
    """Whole numbers make it fail (500)."""
    assert engine.ask(PATHS["chat"], **asked("chat", max_tokens=4, logit_bias={"5": 100})).status_code == 500
    told = ask(live, "chat", "to-chat", stream=False, max_tokens=4, logit_bias={"5": 100})
    assert len(set(told.said.text)) == 1


@pytest.mark.parametrize("alias", ["to-chat", "to-own"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_generation_that_breaks_is_an_error(live: Live, alias: str, *, stream: bool) -> None:
    """Whole, it answers 500 in plain text; a stream it begins with 200, and breaks before it has said anything."""
    body = {"model": alias, **asked("chat"), "stream": stream, "generation_config": '{"num_beams": "x"}'}
    status, answer = live.call("POST", "/v1/chat/completions", json.dumps(body).encode())
    assert status == 502, answer
    assert "own" in answer["error"]["message"] or "chat" in answer["error"]["message"]


def test_the_engines_own_refusal_is_told(live: Live) -> None:
    body = {"model": "to-chat", **asked("chat"), "no_such_field": 1}
    status, answer = live.call("POST", "/v1/chat/completions", json.dumps(body).encode())
    assert status == 400, answer
    assert "no_such_field" in answer["error"]["message"]
    assert answer["error"]["type"] == "invalid_request_error"
