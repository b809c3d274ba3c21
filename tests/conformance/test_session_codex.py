"""A session as Codex CLI has it, ten tool turns before every backend: compressed, with groups of tools, free-text tools,
tools that come later, sealed reasoning, and a WebSocket that is refused at once (G19, G57, G63, G67, G79, G84)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from codex_client import Answer, Codex, Manner, refused_upgrade
from codex_items import Call, CustomToolCall, FunctionCall, Message, output, said
from codex_tools import LATER, PATCH
from live import Live, demo_upstream
from sdk_road import BACKENDS, assert_request
from sdk_words import PIXEL, Json

ROWS = {
    **BACKENDS,
    "ollama": "provider: ollama, model: demo-ollama, base_url: '{url}/v1'",
    "llama": "provider: llama_cpp, model: demo-llama, base_url: '{url}/v1'",
    "claude-budget": "provider: anthropic, model: claude-sonnet-4-5, base_url: '{url}/v1', credential: k",
    "flash": "provider: google, model: gemini-3-flash, base_url: '{url}/v1beta', credential: k",
}
FRAME = "<environment_context>\n  <cwd>/work</cwd>\n  <shell>bash</shell>\n</environment_context>"
Name = tuple[str | None, str]
SCRIPT: list[tuple[str, list[list[Name]]]] = [
    (
        "Use the tool exec_command, then use the tool view_image, then use the tool apply_patch, and last of all use "
        f"the tool update_plan.\n```\n{PATCH}```",
        [[(None, "exec_command")], [(None, "view_image")], [(None, "apply_patch")], [(None, "update_plan")]],
    ),
    (
        "Use the tool search. Then use the tools fetch and exec_command; then use the tool mcp__docs__search.",
        [[("mcp__docs", "search")], [("mcp__docs", "fetch"), (None, "exec_command")], [("mcp__docs", "search")]],
    ),
    (
        "Use the tool exec_command, then use the tool mcp__tracker__search, then use the tool take_note, and done.",
        [[(None, "exec_command")], [("mcp__tracker", "search")], [(None, "take_note")]],
    ),
]
"""Prompts, and the calls of each step. The tools of the last two steps come with the results of the step before."""
TURNS = sum(len(steps) for _, steps in SCRIPT)
FREE_TEXT = {("apply_patch"), ("take_note")}


@pytest.fixture(scope="module")
def road() -> Iterator[tuple[Live, list[Json]]]:
    journal: list[Json] = []
    with demo_upstream(journal=journal) as url:
        backends = [f"  {name}: {{{row.format(url=url)}}}" for name, row in ROWS.items()]
        aliases = [f"  to-{name}: {{use: [{name}]}}" for name in ROWS]
        with Live("\n".join(["version: 1", "backends:", *backends, "aliases:", *aliases, ""])) as live:
            yield live, journal


def _told(call: Call, turn: int) -> str | list[Json]:
    """A picture, parts of text as MCP servers give them, or plain text."""
    if call.name == "view_image":
        return [{"type": "input_image", "image_url": PIXEL}]
    if isinstance(call, FunctionCall) and call.namespace is not None:
        return [{"type": "input_text", "text": f"page of {turn}"}, {"type": "input_text", "text": "\nmore"}]
    return f"Exit code: 0\nOutput:\nline of {turn}"


def _calls(answer: Answer, wanted: list[Name]) -> list[Call]:
    """The answer's calls: these tools, by their own names and groups, each in its own form."""
    calls = [item for item in answer.items if isinstance(item, FunctionCall | CustomToolCall)]
    assert [(call.namespace, call.name) for call in calls] == wanted
    for call in calls:
        assert isinstance(call, CustomToolCall) == (call.name in FREE_TEXT)
        if isinstance(call, FunctionCall):
            assert isinstance(json.loads(call.arguments), dict)
        elif call.name == "apply_patch":
            assert call.input == PATCH
        else:
            assert not call.input.startswith("{"), "free text, and no JSON around it"
    return calls


def _run(codex: Codex) -> list[Answer]:
    """The whole script; every answer, in order."""
    answers: list[Answer] = []
    new = [said("developer", "<permissions instructions>\nread-only\n</permissions instructions>"), said("user", FRAME)]
    for prompt, steps in SCRIPT:
        new.append(said("user", prompt))
        for number, step in enumerate(steps):
            answers.append(codex.ask(new))
            new = [output(call, _told(call, len(answers))) for call in _calls(answers[-1], step)]
            if prompt is SCRIPT[-1][0] and number == 0:
                new.append(LATER)
        answers.append(codex.ask(new))
        [message] = [item for item in answers[-1].items if isinstance(item, Message)]
        assert f"of {len(answers) - 1}" in message.content[0].text, "the last result was read"
        assert not _calls(answers[-1], [])
        new = []
    assert len(answers) == TURNS + len(SCRIPT)
    return answers


@pytest.mark.parametrize("manner", ["codex", "verbatim", "stored"])
@pytest.mark.parametrize("backend", ROWS)
def test_ten_tool_turns(road: tuple[Live, list[Json]], backend: str, manner: Manner) -> None:
    live, journal = road
    journal.clear()
    status, connection, seconds = refused_upgrade(live.url)
    assert (status, connection.lower()) == (426, "close")
    assert seconds < 2
    with httpx2.Client(timeout=20) as http:
        answers = _run(Codex(live.url, f"to-{backend}", manner, http))
    print(backend, [answer.headers.get("x-turnout-dropped") for answer in answers][:1])
    print(backend, [answer.headers.get("x-turnout-dropped") for answer in answers][-1:])
    print(backend, [states(entry["body"]) for entry in journal])
    print({n: v for n, v in journal[0]["headers"].items()})
    for entry in journal:
        assert_request(entry)


def states(body: Json) -> int:
    parts = [part for turn in body.get("contents", ()) for part in turn["parts"]]
    blocks = [block for turn in body.get("messages", ()) for block in turn.get("content") or () if isinstance(block, dict)]
    held = ("thoughtSignature", "signature", "encrypted_content")
    return sum(any(name in one for name in held) for one in (*parts, *blocks, *body.get("input", ())))
