"""What the demo knows of model families: which rules of the real API a model name brings with it."""

from __future__ import annotations

import re

_CLAUDE = re.compile(r"claude-(?:([a-z]+)-)?(\d+)(?:[-.](\d{1,2}))?(?:-([a-z]+))?(?![\d])")
_GPT = re.compile(r"gpt-(\d+)(?:\.(\d+))?")
_GEMINI = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


def openai_flavour(model: str) -> bool:
    """Whether the chat endpoint answers as OpenAI's; every other name answers as a vLLM server does."""
    return model.startswith(("demo-chat", "demo-openai", "gpt-", "chatgpt-", "o1", "o3", "o4"))


def openai_reasons(model: str) -> bool:
    """A reasoning family: it refuses sampling parameters and max_tokens on every request."""
    return bool(re.match(r"(o\d|gpt-[5-9])", model)) and "chat-latest" not in model


def openai_splits_tools(model: str) -> bool:
    """gpt-5.4 and later: chat refuses function tools together with an explicit effort."""
    found = _GPT.match(model)
    return found is not None and (int(found[1]), int(found[2] or 0)) >= (5, 4)


def claude(model: str) -> tuple[str, tuple[int, int]]:
    """(line, version) of a Claude name: ``("opus", (4, 7))``. Names of the demo count as a new Sonnet."""
    found = _CLAUDE.match(model)
    if not found:
        return "sonnet", (5, 0)
    return found[1] or found[4] or "", (int(found[2]), int(found[3] or 0))


def claude_is_new(model: str) -> bool:
    """4.7 and later: no sampling parameters, no token budget for thinking, no prefill."""
    return claude(model)[1] >= (4, 7)


def claude_cannot_be_forced(model: str) -> bool:
    """Models that refuse a forced tool_choice always and cannot switch thinking off."""
    line, version = claude(model)
    return line in ("fable", "mythos") or (line == "opus" and version >= (5, 5))


def claude_takes_system_turns(model: str) -> bool:
    """role "system" in the middle of a conversation: Opus 4.8 and later, and the lines after it."""
    line, version = claude(model)
    return line in ("fable", "mythos") or (line == "opus" and version >= (4, 8))


def gemini_version(model: str) -> tuple[int, int]:
    """(major, minor) of a Gemini name. Names of the demo count as 3.0."""
    found = _GEMINI.match(model)
    return (int(found[1]), int(found[2] or 0)) if found else (3, 0)
