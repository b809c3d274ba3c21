"""The official clients' helpers for structured output, on backends that do not enforce it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from anthropic import Anthropic
from live import Live, demo_upstream
from openai import DefaultHttpxClient, InternalServerError, OpenAI
from openai.types.chat import ParsedChatCompletion
from pydantic import BaseModel
from structured import GOOD, KINDS, config


class Weather(BaseModel):
    city: str
    degrees: int


SAID = "How is the weather in Lyon? It was 21 degrees."


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with demo_upstream() as demo, Live(config(demo)) as made:
        yield made


@pytest.fixture(scope="module")
def sdk(live: Live) -> Iterator[OpenAI]:
    with OpenAI(api_key="k", base_url=live.base_url, max_retries=0, http_client=DefaultHttpxClient()) as client:
        yield client


@pytest.mark.parametrize("fault", ["good", "json-prose", "json-mended"])
@pytest.mark.parametrize("kind", KINDS)
def test_chat_parse(sdk: OpenAI, kind: str, fault: str) -> None:
    messages = [{"role": "user", "content": SAID}]
    answer = sdk.chat.completions.parse(model=f"{kind}-{fault}", messages=messages, response_format=Weather)  # type: ignore[arg-type]
    assert isinstance(answer, ParsedChatCompletion)
    parsed = answer.choices[0].message.parsed
    assert isinstance(parsed, Weather)
    if fault != "json-mended":
        assert parsed == Weather.model_validate(GOOD)


@pytest.mark.parametrize("fault", ["good", "json-mended"])
@pytest.mark.parametrize("kind", KINDS)
def test_chat_stream(sdk: OpenAI, kind: str, fault: str) -> None:
    messages = [{"role": "user", "content": SAID}]
    with sdk.chat.completions.stream(
        model=f"{kind}-{fault}",
        messages=messages,  # type: ignore[arg-type]
        response_format=Weather,
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in kinds
    assert isinstance(final.choices[0].message.parsed, Weather)


@pytest.mark.parametrize("fault", ["good", "json-prose", "json-mended"])
@pytest.mark.parametrize("kind", KINDS)
def test_responses_parse(sdk: OpenAI, kind: str, fault: str) -> None:
    answer = sdk.responses.parse(model=f"{kind}-{fault}", input=SAID, text_format=Weather)
    assert isinstance(answer.output_parsed, Weather)
    with sdk.responses.stream(model=f"{kind}-{fault}", input=SAID, text_format=Weather) as stream:
        for _ in stream:
            pass
        assert isinstance(stream.get_final_response().output_parsed, Weather)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_stays_bad_is_an_error_and_never_none(sdk: OpenAI, kind: str) -> None:
    with pytest.raises(InternalServerError) as caught:
        sdk.responses.parse(model=f"{kind}-json-broken", input=SAID, text_format=Weather)
    assert caught.value.code == "structured_output_invalid"


@pytest.mark.parametrize("kind", KINDS)
def test_messages_parse(live: Live, kind: str) -> None:
    url = live.base_url.removesuffix("/v1")
    with httpx2.Client() as http, Anthropic(api_key="k", base_url=url, max_retries=0, http_client=http) as client:
        answer = client.messages.parse(
            model=f"{kind}-json-mended",
            max_tokens=1024,
            messages=[{"role": "user", "content": SAID}],
            output_format=Weather,
        )
    assert isinstance(answer.parsed_output, Weather)
