"""Done when 8: what old clients take from a response by habit is there on every backend (decision D25)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from checker import check_responses
from live import Live, demo_config, demo_upstream
from openai import OpenAI
from openai.types.responses import Response

BACKENDS = ("local", "chat", "openai", "claude", "gemini")
MODES = (False, True)
ASKED: Any = {"effort": "medium", "summary": "auto"}


@pytest.fixture(scope="module")
def journal() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def sdk(journal: list[dict[str, Any]]) -> Iterator[OpenAI]:
    mirrors = "\n".join(f"  m-{name}: {{use: [{name}], responses: {{reasoning_text: mirror}}}}" for name in BACKENDS)
    with demo_upstream(journal=journal) as url, Live(demo_config(url, mirrors)) as live:
        client = OpenAI(
            base_url=live.base_url, api_key="k", max_retries=0, timeout=20, _strict_response_validation=True
        )
        yield client
        client.close()


def answer(sdk: OpenAI, model: str, *, stream: bool, **more: Any) -> Response:
    """The response; of a stream, which the checker has passed, its last."""
    asked = {"model": model, "input": "What is 2 + 2?", **more}
    if not stream:
        return sdk.responses.create(**asked)
    events = list(sdk.responses.create(**asked, stream=True))
    check_responses([event.model_dump(exclude_unset=True) for event in events], asked)
    last = events[-1]
    assert last.type == "response.completed"
    return last.response


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_habit_of_extraction(sdk: OpenAI, backend: str, stream: bool) -> None:
    response: Any = answer(sdk, f"m-{backend}", stream=stream, reasoning=ASKED)
    thought, said = response.output[0].content[0].text, response.output[1].content[0].text
    assert response.output_text == said != ""
    assert (thought == "") is (backend == "chat"), "all but an OpenAI chat server tell of their reasoning"
    assert [item.type for item in response.output] == ["reasoning", "message"]
    summary = "".join(part.text for part in response.output[0].summary)
    assert summary in ("", thought)


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_without_the_wish_nothing_is_mirrored(sdk: OpenAI, backend: str, stream: bool) -> None:
    """Neither for an alias that does not mirror, nor for a client that did not ask for reasoning."""
    plain = answer(sdk, f"to-{backend}", stream=stream, reasoning=ASKED)
    for item in plain.output:
        assert item.type != "reasoning" or not (item.summary and item.content)
    unasked = answer(sdk, f"m-{backend}", stream=stream, reasoning={"effort": "none"})
    assert unasked.output[0].type == "message" or not (unasked.output[0].summary and unasked.output[0].content)


@pytest.mark.parametrize("backend", BACKENDS)
def test_mirrored_text_is_neither_sent_back_nor_counted(
    sdk: OpenAI, journal: list[dict[str, Any]], backend: str
) -> None:
    first: Any = answer(sdk, f"m-{backend}", stream=False, reasoning=ASKED)
    usage = first.usage
    assert usage.output_tokens_details.reasoning_tokens <= usage.output_tokens
    twin = answer(sdk, f"to-{backend}", stream=False, reasoning=ASKED)
    assert twin.usage == usage
    items = [item.model_dump(exclude_unset=True) for item in first.output]
    journal.clear()
    again = answer(sdk, f"m-{backend}", stream=False, reasoning=ASKED, input=[
        {"role": "user", "content": "What is 2 + 2?"}, *items, {"role": "user", "content": "And 3?"},
    ])  # fmt: skip
    assert again.output_text
    sent = str(journal[-1]["body"])
    thought = first.output[0].content[0].text
    assert not thought or sent.count(thought) <= 1
    assert '"text": ""' not in sent
