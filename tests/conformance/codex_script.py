"""What the user of a Codex session asks for, which tools the model then calls, and what these answer."""

from __future__ import annotations

import json
from collections.abc import Callable

from codex_client import Answer, Codex, Json
from codex_items import Call, CustomToolCall, FunctionCall, Message, output, said
from codex_tools import LATER, PATCH
from sdk_words import PIXEL

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
"""Prompts, and the calls of each step; two prompts are answered in several requests. The tools of the last two steps
come with the results of the step before them."""
CALLED: list[bool] = [called for _, steps in SCRIPT for called in (*(True for _ in steps), False)]
"""For every answer, whether it calls tools."""
_FREE_TEXT = {"apply_patch", "take_note"}
_OPENING = [
    said("developer", "<permissions instructions>\nThe sandbox is read-only.\n</permissions instructions>"),
    said("user", "<environment_context>\n  <cwd>/work</cwd>\n  <shell>bash</shell>\n</environment_context>"),
]


def run(codex: Codex, before: Callable[[int], None] = lambda number: None) -> list[Answer]:
    """The whole script; every answer, in order. ``before`` is told the number of each prompt."""
    answers: list[Answer] = []
    for number, (prompt, steps) in enumerate(SCRIPT):
        before(number)
        new = [*(_OPENING if number == 0 else []), said("user", prompt)]
        for place, step in enumerate(steps):
            answers.append(codex.ask(new))
            new = [output(call, _told(call, len(answers))) for call in _calls(answers[-1], step)]
            if (number, place) == (len(SCRIPT) - 1, 0):
                new.append(LATER)
        answers.append(codex.ask(new))
        assert not _calls(answers[-1], [])
        [message] = [item for item in answers[-1].items if isinstance(item, Message)]
        assert f"of {len(answers) - 1}" in message.content[0].text, "the last result was read"
    return answers


def _told(call: Call, turn: int) -> str | list[Json]:
    """A picture, parts of text as MCP servers give them, or plain text."""
    if call.name == "view_image":
        return [{"type": "input_image", "image_url": PIXEL}]
    if call.namespace is not None:
        return [{"type": "input_text", "text": f"page of {turn}"}, {"type": "input_text", "text": "\nmore"}]
    return f"Exit code: 0\nOutput:\nline of {turn}"


def _calls(answer: Answer, wanted: list[Name]) -> list[Call]:
    """The answer's calls: these tools, by their own names and groups, each in its own form."""
    calls = [item for item in answer.items if isinstance(item, FunctionCall | CustomToolCall)]
    assert [(call.namespace, call.name) for call in calls] == wanted
    for call in calls:
        assert isinstance(call, CustomToolCall) == (call.name in _FREE_TEXT)
        if isinstance(call, FunctionCall):
            assert isinstance(json.loads(call.arguments), dict)
        elif call.name == "apply_patch":
            assert call.input == PATCH
        else:
            assert call.input
            assert not call.input.startswith("{"), "free text, with no JSON around it"
    return calls
