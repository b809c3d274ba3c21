"""A session as Claude Code has it: twelve tools, cached system text, adaptive thinking, streams, and ten tool turns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import anthropic
import pytest
from checker_messages import check_messages
from live import Live, demo_upstream
from sdk_road import BACKENDS, assert_request, config
from sdk_words import PIXEL, Json

LOCAL = {
    "ollama": "provider: ollama, model: demo-ollama, base_url: '{url}/v1'",
    "llama": "provider: llama_cpp, model: demo-llama, base_url: '{url}/v1'",
}
NAMES = [
    "Read",
    "Bash",
    "Edit",
    "Write",
    "Glob",
    "Grep",
    "Task",
    "TodoWrite",
    "WebFetch",
    "NotebookEdit",
    "BashOutput",
    "mcp__github__create_issue",
]
CACHED = {"cache_control": {"type": "ephemeral"}}
HEADERS = {"anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14", "x-app": "cli"}
TURNS = 10


def _tool(name: str) -> Json:
    path = {"type": "string", "description": "The absolute path."}
    extra = {"type": "integer", "description": "How many lines."}
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"file_path": path, "limit": extra},
        "required": ["file_path"],
        "additionalProperties": False,
    }
    return {"name": name, "description": f"{name} does its work.\nUse it with care.", "input_schema": schema}


def _opening(model: str) -> Json:
    tools = [_tool(name) for name in NAMES]
    tools[-1] |= CACHED
    who = {"device_id": "d" * 64, "account_uuid": "", "session_id": "5f6a"}
    return {
        "model": model,
        "max_tokens": 32000,
        "system": [
            {"type": "text", "text": "You are a Claude agent."},
            {
                "type": "text",
                "text": "# Environment\nPrimary working directory: /work\n" + "Be careful. " * 200,
                **CACHED,
            },
        ],
        "tools": tools,
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "medium"},
        "metadata": {"user_id": json.dumps(who)},
    }


def _prompt(turn: int) -> Json:
    reminder = {"type": "text", "text": "<system-reminder>\nTo-do list is empty.\n</system-reminder>"}
    wish = "in parallel" if turn % 3 == 0 else "carefully"
    return {"role": "user", "content": [reminder, {"type": "text", "text": f"Step {turn}, {wish}", **CACHED}]}


def _result(call: Json, turn: int) -> Json:
    """By turn: text, blocks with an image, and an error."""
    result = {"type": "tool_result", "tool_use_id": call["id"]}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL.partition(",")[2]}}
    match turn % 3:
        case 0:
            return {**result, "content": f"     1\tline of {turn}"}
        case 1:
            return {**result, "content": [{"type": "text", "text": f"screen of {turn}"}, image]}
    return {**result, "content": f"error of {turn}", "is_error": True}


def _unmarked(messages: Sequence[Json]) -> list[Json]:
    """Claude Code moves its marks along: only the last turn has one."""
    out: list[Json] = []
    for message in messages:
        content = message["content"]
        blocks = [{key: value for key, value in block.items() if key != "cache_control"} for block in content]
        out.append({**message, "content": blocks})
    return out


class _Session:
    """``messages``: the thread as the client keeps it, each block as it came."""

    def __init__(self, sdk: anthropic.Anthropic) -> None:
        self.sdk = sdk
        self.messages: list[Json] = []
        self.headers: Any = {}

    def ask(self, model: str, message: Json) -> Json:
        """One streamed request; its answer joins the thread."""
        self.messages = [*_unmarked(self.messages), message]
        asked: Any = {**_opening(model), "messages": self.messages, "extra_headers": HEADERS}
        with self.sdk.messages.with_streaming_response.create(**asked, stream=True) as answered:
            self.headers = answered.headers
            told = check_messages([event.to_dict(mode="json") for event in answered.parse()])
        kept = [{key: value for key, value in block.items() if value is not None} for block in told["content"]]
        self.messages.append({"role": "assistant", "content": kept})
        return told

    def count(self, model: str) -> int:
        """How large the thread was before its last answer."""
        asked = {name: _opening(model)[name] for name in ("model", "system", "tools")}
        counted: Any = self.sdk.messages.count_tokens
        return int(counted(**asked, messages=self.messages[:-1], extra_headers=HEADERS).input_tokens)

    def turn(self, model: str, number: int) -> None:
        """A prompt, its calls, their results, and the answer that has used them."""
        told = self.ask(model, _prompt(number))
        calls = [block for block in told["content"] if block["type"] == "tool_use"]
        assert told["stop_reason"] == "tool_use"
        assert [call["name"] for call in calls] == NAMES[: 2 if number % 3 == 0 else 1]
        results = [_result(call, number) for call in calls]
        told = self.ask(model, {"role": "user", "content": results})
        assert told["stop_reason"] == "end_turn"
        text = "".join(block["text"] for block in told["content"] if block["type"] == "text")
        assert f"of {number}" in text


def _config(url: str) -> str:
    more = [f"  {name}: {{{row.format(url=url)}}}" for name, row in LOCAL.items()]
    aliases = [f"  to-{name}: {{use: [{name}]}}" for name in LOCAL]
    text = config(url).replace("\naliases:\n", "\n" + "\n".join([*more, "aliases:", *aliases]) + "\n")
    return text.replace(", spare]", "]")


@pytest.fixture(scope="module")
def road() -> Iterator[tuple[Live, list[Json]]]:
    journal: list[Json] = []
    with demo_upstream(journal=journal) as url, Live(_config(url)) as live:
        yield live, journal


@pytest.mark.parametrize("backend", [*BACKENDS, *LOCAL])
def test_ten_tool_turns(road: tuple[Live, list[Json]], backend: str) -> None:
    live, journal = road
    journal.clear()
    model = f"to-{backend}"
    with anthropic.Anthropic(base_url=live.url, auth_token="k", max_retries=0) as sdk:
        session = _Session(sdk)
        sizes = []
        for number in range(TURNS):
            session.turn(model, number)
            sizes.append(session.count(model))
    assert sizes == sorted(set(sizes)), "the thread grows with every turn"
    thoughts = [block for message in session.messages for block in message["content"] if block["type"] == "thinking"]
    assert bool(thoughts) == (backend not in ("chat", "openai-chat"))
    asked = [entry for entry in journal if not _is_count(entry)]
    assert len(asked) == 2 * TURNS
    for entry in asked:
        assert_request(entry)
        beta = entry["headers"].get("anthropic-beta")
        assert beta == (HEADERS["anthropic-beta"] if backend == "claude" else None)


def _is_count(entry: Json) -> bool:
    return entry["path"].endswith(("count_tokens", "input_tokens", ":countTokens", "/tokenize"))


def test_a_thread_goes_on_with_every_other_backend(road: tuple[Live, list[Json]]) -> None:
    live, journal = road
    journal.clear()
    with anthropic.Anthropic(base_url=live.url, auth_token="k", max_retries=0) as sdk:
        session = _Session(sdk)
        for number, backend in enumerate(
            ("claude", "gemini", "claude", "openai-responses", "local", "claude", "openai-chat")
        ):
            session.turn(f"to-{backend}", number)
            assert session.headers["x-turnout-backend"] == backend
    for entry in journal:
        assert_request(entry)
