"""What changes with a model's family and version, as tables: parsed numbers decide, never a substring."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

Version = tuple[int, int]
Changes = Mapping[str, Any]

NEWEST: Version = (9999, 0)
"""The version of an id that has no number (``claude-next``, ``gemini-flash-latest``): the newest rules hold."""


class Row(Struct, frozen=True):
    """For versions ``since`` to ``until``, these capabilities differ. Rows add up in order; a ``word`` limits a row to
    the ids that have it as a part (``opus``, ``flash``, ``pro``)."""

    since: Version
    changes: Changes
    word: str | None = None
    until: Version = NEWEST


class Family(Struct, frozen=True):
    """One vendor's naming: ids that begin with ``pattern``, at these ``providers`` (empty: at any)."""

    pattern: re.Pattern[str]
    rows: tuple[Row, ...]
    providers: tuple[str, ...] = ()
    responses_only: frozenset[str] = frozenset()
    """Words of ids that the vendor serves at its Responses endpoint alone."""


def parse(model: str) -> tuple[Version, tuple[str, ...]]:
    """The version and the words of an id: ``claude-opus-4-8-20260301`` -> (4, 8), (claude, opus, 4, 8, 20260301).

    The version is the first number of one or two digits and, if it follows at once, the second.
    """
    words = tuple(re.split(r"[-.:@_]", bare(model)))
    numbers = [int(found[1]) if (found := _NUMBER.fullmatch(word)) else None for word in words]
    for index, major in enumerate(numbers):
        if major is not None:
            minor = numbers[index + 1] if index + 1 < len(numbers) else None
            return (major, minor or 0), words
    return NEWEST, words


def changes(provider: str, model: str) -> dict[str, Any]:
    """The fields of ir.Capabilities that differ for this model at this provider."""
    version, words = parse(model)
    merged: dict[str, Any] = {}
    for family in _families(provider, model):
        for row in family.rows:
            if row.since <= version <= row.until and (row.word is None or row.word in words):
                merged.update(row.changes)
    return merged


def responses_only(provider: str, model: str) -> bool:
    """True for models that the vendor serves at its Responses endpoint alone."""
    words = parse(model)[1]
    return any(not family.responses_only.isdisjoint(words) for family in _families(provider, model))


def _families(provider: str, model: str) -> list[Family]:
    named = bare(model)
    return [f for f in FAMILIES if f.pattern.match(named) and (not f.providers or provider in f.providers)]


def bare(model: str) -> str:
    """``ft:gpt-4o:org``, ``models/gemini-3-pro`` and ``openai/gpt-oss-120b`` without what stands before the id."""
    return model.lower().removeprefix("ft:").rpartition("/")[2]


_NUMBER = re.compile(r"o?(\d{1,2})o?")

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

# --- OpenAI (protocol.md 2.1) --------------------------------------------------------------------------------------

_REASONS: Changes = {
    "thinking": "effort",
    "can_disable_thinking": False,
    "sampling": False,
    "penalties": False,
    "logprobs": False,
    "logit_bias": False,
    "max_stop": 0,
}

_O_SERIES = Family(
    re.compile(r"o\d(?=-|$)"),
    (
        Row(
            (0, 0),
            {**_REASONS, "efforts": ("low", "medium", "high"), "context": 200_000, "max_output": 100_000},
        ),
        Row((0, 0), {"images": False, "files": False}, "mini", until=(3, 9)),
    ),
    ("openai",),
    frozenset({"pro", "research"}),
)

_GPT = Family(
    re.compile(r"(chat)?gpt-(?!oss|image|live|realtime|audio)"),
    (
        Row((3, 0), {"json_schema": False, "images": False, "files": False, "context": 16_385}, until=(3, 9)),
        Row((4, 0), {"context": 128_000, "max_output": 16_384}, until=(4, 0)),
        Row((4, 0), {"json_schema": False, "images": False, "files": False, "context": 8_192}, "4", until=(4, 0)),
        Row((4, 0), {"images": True, "context": 128_000, "max_output": 4_096}, "turbo", until=(4, 0)),
        Row((4, 0), {"audio": True}, "audio", until=(4, 0)),
        Row((4, 1), {"context": 1_047_576, "max_output": 32_768}, until=(4, 4)),
        Row(
            (5, 0),
            {
                **_REASONS,
                "efforts": ("minimal", "low", "medium", "high"),
                "verbosity": True,
                "custom_tools": True,
                "context": 400_000,
                "max_output": 128_000,
            },
        ),
        Row((5, 1), {"efforts": ("none", "low", "medium", "high"), "can_disable_thinking": True}),
        Row((5, 2), {"efforts": ("none", "low", "medium", "high", "xhigh")}),
        Row((5, 4), {"chat_tools_with_effort": False, "context": 1_050_000}),
        Row((5, 4), {"context": 400_000}, "mini", until=(5, 4)),
        Row((5, 4), {"context": 400_000}, "nano", until=(5, 4)),
        Row((6, 0), {"efforts": ("none", "low", "medium", "high", "xhigh", "max")}),
        Row((6, 0), {"efforts": ("low", "medium", "high", "xhigh", "max"), "can_disable_thinking": False}, "astra"),
        Row((6, 1), {"efforts": ("low", "medium", "high", "xhigh"), "can_disable_thinking": False}, "sol"),
        Row((5, 0), {"efforts": ("high",), "can_disable_thinking": False}, "pro", until=(5, 1)),
        Row((5, 2), {"efforts": ("medium", "high", "xhigh"), "can_disable_thinking": False}, "pro"),
        Row(
            (5, 0),
            {
                "thinking": "none",
                "efforts": (),
                "sampling": True,
                "custom_tools": False,
                "verbosity": False,
                "chat_tools_with_effort": True,
                "context": 128_000,
                "max_output": 16_384,
            },
            "chat",
        ),
    ),
    ("openai",),
    frozenset({"pro", "codex", "cyber", "rosalind", "daybreak"}),
)

# --- Anthropic (protocol.md 2.2) -----------------------------------------------------------------------------------

_CLAUDE_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 10_000, "high": 16_384, "xhigh": 32_768}
"""Thinking tokens; read back at 4096 and 16384 they give the same words."""

_ALWAYS: Changes = {
    "thinking": "always",
    "can_disable_thinking": False,
    "manual_thinking": False,
    "forced_tools": False,
}

_CLAUDE_CACHES = (
    Row((0, 0), {"cache_minimum": 1024}),
    Row((0, 0), {"cache_minimum": 2048}, "haiku", until=(4, 4)),
    Row((4, 5), {"cache_minimum": 4096}, "haiku", until=(5, 4)),
    Row((4, 5), {"cache_minimum": 4096}, "opus", until=(4, 6)),
    Row((4, 7), {"cache_minimum": 2048}, "opus", until=(4, 7)),
    Row((5, 0), {"cache_minimum": 512}, "opus"),
    Row((5, 5), {"cache_minimum": 512}),
    Row((0, 0), {"cache_minimum": 512}, "fable"),
    Row((5, 0), {"cache_minimum": 512}, "mythos"),
)
"""Tokens before a breakpoint does anything (platform.claude.com, prompt caching, 2026-10). A shorter prefix with a
breakpoint is answered without a cache, and without an error; so where sources differ the smaller number stands."""

_CLAUDE = Family(
    re.compile(r"(.*\.)?claude-"),
    (
        Row(
            (0, 0),
            {
                "json_schema": False,
                "strict_tools": False,
                "context": 200_000,
                "max_output": 4_096,
                "default_max_output": 4_096,
            },
        ),
        Row((3, 5), {"max_output": 8_192, "default_max_output": 8_192}),
        Row(
            (3, 7),
            {
                "thinking": "budget",
                "budgets": _CLAUDE_BUDGETS,
                "efforts": tuple(_CLAUDE_BUDGETS),
                "forced_with_thinking": False,
                "max_output": 64_000,
                "default_max_output": 32_000,
            },
        ),
        Row((4, 0), {"max_output": 32_000}, "opus", until=(4, 1)),
        Row((4, 5), {"json_schema": True, "strict_tools": True, "max_strict_tools": 20}),
        Row(
            (4, 6),
            {
                "thinking": "adaptive",
                "budgets": {},
                "efforts": ("low", "medium", "high", "max"),
                "forced_with_thinking": True,
                "context": 1_000_000,
            },
        ),
        Row(
            (4, 7),
            {
                "efforts": ("low", "medium", "high", "xhigh", "max"),
                "manual_thinking": False,
                "sampling": False,
                "prefill": False,
                "max_output": 128_000,
            },
        ),
        Row((4, 8), {"mid_system": True}, "opus"),
        Row((5, 0), {"off_effort": "high"}, "opus"),
        Row((5, 5), {"off_effort": "high"}, "haiku"),
        Row((5, 5), {"between_tools": True, "forced_tools": False, "mid_system": True}, "sonnet"),
        Row((5, 5), _ALWAYS, "opus"),
        Row((0, 0), {**_ALWAYS, "mid_system": True}, "fable"),
        Row((0, 0), _ALWAYS, "mythos"),
        *_CLAUDE_CACHES,
    ),
    ("anthropic",),
)

# --- Google (protocol.md 2.3, 3.3) ---------------------------------------------------------------------------------

_FLASH_BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24_576}
_PRO_BUDGETS = {"minimal": 128, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 32_768}

_GEMINI = Family(
    re.compile(r"gemini-"),
    (
        Row((0, 0), {"json_with_tools": False, "context": 1_048_576, "max_output": 8_192}),
        Row(
            (2, 5),
            {
                "thinking": "budget",
                "budgets": _FLASH_BUDGETS,
                "efforts": tuple(_FLASH_BUDGETS),
                "max_output": 65_536,
            },
        ),
        Row(
            (2, 5),
            {"budgets": _PRO_BUDGETS, "efforts": tuple(_PRO_BUDGETS), "can_disable_thinking": False},
            "pro",
        ),
        Row(
            (3, 0),
            {
                "json_with_tools": True,
                "thinking": "level",
                "budgets": {},
                "efforts": ("minimal", "low", "medium", "high"),
                "can_disable_thinking": False,
                "penalties": False,
            },
        ),
        Row((3, 0), {"efforts": ("low", "high")}, "pro"),
        Row((3, 1), {"efforts": ("low", "medium", "high")}, "pro"),
        Row((3, 7), {"efforts": ("low", "medium", "high")}),
    ),
    ("google",),
)

# --- open weights, whoever serves them (protocol.md 2.4) -----------------------------------------------------------

_GPT_OSS = Family(
    re.compile(r"gpt-oss"),
    (
        Row(
            (0, 0),
            {
                "thinking": "effort",
                "efforts": ("low", "medium", "high"),
                "can_disable_thinking": False,
                "images": False,
                "audio": False,
            },
        ),
    ),
)
_GPT_OSS_ON_VLLM = Family(re.compile(r"gpt-oss"), (Row((0, 0), {"logprobs": False}),), ("vllm",))
_THINKERS_ON_OLLAMA = Family(
    re.compile(r"qwen3|qwq|deepseek-(r1|v3\.1|v3\.2)|magistral|glm-[4-9]"),
    (Row((0, 0), {"thinking": "effort", "efforts": _EFFORTS}),),
    ("ollama",),
)
"""Ollama refuses an effort for models that do not think."""

FAMILIES: tuple[Family, ...] = (_O_SERIES, _GPT, _CLAUDE, _GEMINI, _GPT_OSS, _GPT_OSS_ON_VLLM, _THINKERS_ON_OLLAMA)
