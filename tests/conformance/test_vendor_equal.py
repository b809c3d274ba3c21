"""The same call twice, once with the vendor's SDK and once with OpenAI's through Turnout: the upstream must see one.

Path and body are compared. Two headers differ on purpose: anthropic 2.x sends its key as a bearer and the API version
2026-10-21, which refuses sampling to every model; Turnout sends x-api-key and 2023-06-01, where older models take it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest
import sdk_chat
from google import genai
from google.genai import types
from openai.lib._pydantic import to_strict_json_schema
from sdk_road import Road, build
from sdk_words import PIXEL, WEATHER, Answer, Json, Person, Question, Result, Said, user

BYTES = PIXEL.partition(",")[2]
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}
CALLED = Answer(
    "", (), "tool_calls", (0, 0, 0, 0, 0), "", None, ("call_1",), {"role": "assistant", "tool_calls": [CALL]}
)
LOOP = (user("Weather in Oslo"), CALLED, Result("call_1", "snow"))


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


@pytest.fixture(scope="module")
def claude(road: Road) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=road.url, api_key="k", max_retries=0) as sdk:
        yield sdk


@pytest.fixture(scope="module")
def gemini(road: Road) -> genai.Client:
    return genai.Client(api_key="k", http_options=types.HttpOptions(base_url=road.url, api_version="v1beta"))


def ours(road: Road, backend: str, question: Question, **more: Any) -> Json:
    """What the upstream saw of this question, asked with OpenAI's SDK through Turnout."""
    road.journal.clear()
    asked = {"model": f"backend/{backend}", **sdk_chat.spell(question), **more}
    if more.get("stream"):
        list(road.sdk.chat.completions.create(**asked))
    else:
        sdk_chat.whole(road.sdk, asked, question)
    (entry,) = road.sent()
    return entry


def theirs(road: Road, ask: Callable[[], object]) -> Json:
    """What the upstream saw of a call that the vendor's own SDK sent."""
    road.journal.clear()
    ask()
    (entry,) = road.journal
    return entry


TOOL = {
    "name": "get_weather",
    "description": WEATHER["description"],
    "input_schema": anthropic.transform_schema(WEATHER["parameters"]),
    "strict": True,
}
CLAUDE_TURNS = [
    {"role": "user", "content": "Weather in Oslo"},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Oslo"}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "snow"}]},
]
HI = [{"role": "user", "content": "Hi"}]
CLAUDE: dict[str, tuple[Question, Json]] = {
    "text": (Question((user("Hi"),)), {"messages": HI}),
    "system": (Question((Said("system", "Be brief."), user("Hi"))), {"messages": HI, "system": "Be brief."}),
    "turns": (
        Question((user("Hi"), Said("assistant", "Hello"), user("Bye"))),
        {"messages": [*HI, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Bye"}]},
    ),
    "tools": (Question((user("Hi"),), tools=(WEATHER,)), {"messages": HI, "tools": [TOOL]}),
    "any tool, one at a time": (
        Question((user("Hi"),), tools=(WEATHER,), choice="required", parallel=False),
        {"messages": HI, "tools": [TOOL], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
    ),
    "one tool": (
        Question((user("Hi"),), tools=(WEATHER,), choice="get_weather"),
        {"messages": HI, "tools": [TOOL], "tool_choice": {"type": "tool", "name": "get_weather"}},
    ),
    "tool result": (Question(LOOP, tools=(WEATHER,)), {"messages": CLAUDE_TURNS, "tools": [TOOL]}),
    "image": (
        Question((user("What?", PIXEL),)),
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What?"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": BYTES}},
                    ],
                }
            ]
        },
    ),
    "effort": (
        Question((user("Hi"),), effort="high"),
        {
            "messages": HI,
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "high"},
        },
    ),
    "stop and limit": (
        Question((user("Hi"),), stop=("END",), limit=64),
        {"messages": HI, "stop_sequences": ["END"], "max_tokens": 64},
    ),
}


@pytest.mark.parametrize("case", CLAUDE)
def test_anthropic(road: Road, claude: anthropic.Anthropic, case: str) -> None:
    question, asked = CLAUDE[case]
    wanted = theirs(
        road, lambda: claude.messages.create(model="claude-sonnet-5", **{"max_tokens": 32000, "timeout": 20, **asked})
    )
    assert_same(ours(road, "claude", question), wanted)


def test_anthropic_stream(road: Road, claude: anthropic.Anthropic) -> None:
    asked: Any = {"model": "claude-sonnet-5", "max_tokens": 32000, "messages": HI}
    wanted = theirs(road, lambda: list(claude.messages.create(**asked, stream=True)))
    assert_same(ours(road, "claude", Question((user("Hi"),)), stream=True), wanted)


def test_anthropic_structured_output(road: Road, claude: anthropic.Anthropic) -> None:
    asked: Any = {"model": "claude-sonnet-5", "max_tokens": 32000, "messages": HI, "output_format": Person}
    wanted = theirs(road, lambda: claude.messages.parse(**asked, timeout=20))
    assert_same(ours(road, "claude", Question((user("Hi"),), shape=Person)), wanted)


DECLARED = {
    "name": "get_weather",
    "description": WEATHER["description"],
    "parameters_json_schema": WEATHER["parameters"],
}
GEMINI_TOOLS = [{"function_declarations": [DECLARED]}]
STRICT = {"tools": GEMINI_TOOLS, "tool_config": {"function_calling_config": {"mode": "VALIDATED"}}}
"""One strict tool has the calls of all validated."""
GEMINI: dict[str, tuple[Question, Any, Json]] = {
    "text": (Question((user("Hi"),)), "Hi", {}),
    "system": (Question((Said("system", "Be brief."), user("Hi"))), "Hi", {"system_instruction": "Be brief."}),
    "turns": (
        Question((user("Hi"), Said("assistant", "Hello"), user("Bye"))),
        [
            types.UserContent("Hi"),
            types.ModelContent("Hello"),
            types.UserContent("Bye"),
        ],
        {},
    ),
    "tools": (Question((user("Hi"),), tools=(WEATHER,)), "Hi", STRICT),
    "one tool": (
        Question((user("Hi"),), tools=(WEATHER,), choice="get_weather"),
        "Hi",
        {
            "tools": GEMINI_TOOLS,
            "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["get_weather"]}},
        },
    ),
    "tool result": (
        Question(LOOP, tools=(WEATHER,)),
        [
            types.UserContent("Weather in Oslo"),
            types.ModelContent(
                types.Part(
                    function_call=types.FunctionCall(id="call_1", name="get_weather", args={"city": "Oslo"}),
                    thought_signature=b"skip_thought_signature_validator",
                )
            ),
            types.UserContent(
                types.Part(
                    function_response=types.FunctionResponse(
                        id="call_1", name="get_weather", response={"output": "snow"}
                    )
                )
            ),
        ],
        STRICT,
    ),
    "image": (
        Question((user("What?", PIXEL),)),
        [
            types.UserContent(
                [
                    types.Part(text="What?"),
                    types.Part(inline_data=types.Blob(mime_type="image/png", data=BYTES)),  # type: ignore[arg-type]
                ]
            )
        ],
        {},
    ),
    "structured output": (
        Question((user("Hi"),), shape=Person),
        "Hi",
        {"response_mime_type": "application/json", "response_json_schema": to_strict_json_schema(Person)},
    ),
    "effort": (
        Question((user("Hi"),), effort="high"),
        "Hi",
        {"thinking_config": {"include_thoughts": True, "thinking_level": "HIGH"}},
    ),
    "stop, limit and sampling": (
        Question((user("Hi"),), stop=("END",), limit=64),
        "Hi",
        {"stop_sequences": ["END"], "max_output_tokens": 64},
    ),
}


@pytest.mark.parametrize("case", GEMINI)
def test_google(road: Road, gemini: genai.Client, case: str) -> None:
    question, contents, config = GEMINI[case]
    wanted = theirs(
        road,
        lambda: gemini.models.generate_content(
            model="gemini-3.1-pro",
            contents=contents,
            config=types.GenerateContentConfig(**config) if config else None,
        ),
    )
    assert_same(ours(road, "gemini", question), wanted)


def test_google_stream(road: Road, gemini: genai.Client) -> None:
    wanted = theirs(road, lambda: list(gemini.models.generate_content_stream(model="gemini-3.1-pro", contents="Hi")))
    assert_same(ours(road, "gemini", Question((user("Hi"),)), stream=True), wanted)


def assert_same(got: Json, wanted: Json) -> None:
    """Path, query, and the body field by field."""
    assert (got["path"], got["query"]) == (wanted["path"], wanted["query"])
    assert normal(got["body"]) == normal(wanted["body"])


FREE = ("parametersJsonSchema", "responseJsonSchema", "input_schema", "schema", "args", "input", "response")


def normal(value: Any) -> Any:
    """Google's SDK mixes snake_case into its camelCase, and one says ``stream: false`` where the other is silent."""
    if isinstance(value, list):
        return [normal(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    named = {_NAMES.get(name, name): inner for name, inner in value.items() if (name, inner) != ("stream", False)}
    return {name: inner if name in FREE else normal(inner) for name, inner in named.items()}


_NAMES = {
    "parameters_json_schema": "parametersJsonSchema",
    "mime_type": "mimeType",
    "include_thoughts": "includeThoughts",
    "thinking_level": "thinkingLevel",
}
