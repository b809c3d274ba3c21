"""What a rule may look at: every value is found out when it is first asked for, and never twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec

from adapters import ir
from policies.classify import Verdict
from policies.language import guess_language
from policies.prompt import PromptView, blocks, media, texts, view
from policies.text import estimate_tokens
from policies.verdict import Caller, Told

DATA_CLASS_HEADER = "x-turnout-data-class"
IMAGE_TOKENS = 1_000
"""What one image counts in the estimate; files and sounds are not counted, for nobody knows before they are read."""

_RANKS = {"public": 0, "internal": 1, "confidential": 2, "restricted": 4}
_OWN_RANK = 3
"""An operator's own data class stands between confidential and restricted."""

LABEL = re.compile(r"[a-z0-9_-]{1,32}")
"""A data class."""

_CHEAP = ("tools", "modality", "max_output", "structured_output", "effort", "depth")
_DEAR = ("input_tokens", "language")

Classify = Callable[[PromptView], Verdict]


def estimate_input(request: ir.Request) -> int:
    """About how many tokens the prompt is: texts and tool definitions by script, images at a flat rate."""
    tools = sum(len(msgspec.json.encode(tool.parameters)) + len(tool.description or "") for tool in request.tools)
    images = sum(part.kind == "image" for part in media(request)) * IMAGE_TOKENS
    return sum(map(estimate_tokens, texts(request))) + tools // 4 + images


class Facts:
    """The values of one request. Unknown is None: the body was not read, or nobody told."""

    def __init__(self, request: ir.Request | None, head: Mapping[str, Any], classify: Classify | None) -> None:
        self.request = request
        self._head = head
        self._classify = classify

    def value(self, name: str) -> Any:
        """The fact called ``name`` in the rule language, or None."""
        head = self._head
        if name in head:
            return head[name]
        if self.request is None and name != "data_class":
            return None
        found = _FOUND.get(name)
        return None if found is None else found(self)

    @cached_property
    def data_class(self) -> frozenset[str]:
        """The most restrictive label of key and header; an operator's own labels all stand."""
        labels = {label for label in (self._head["key_data_class"], self._told_class()) if label}
        top = max((_RANKS.get(label, _OWN_RANK) for label in labels), default=0)
        return frozenset(label for label in labels if _RANKS.get(label, top) >= top)

    def _told_class(self) -> str | None:
        """The header's label. One that is no word at all is taken for the strictest, never for none."""
        told: str | None = self._head["headers"].get(DATA_CLASS_HEADER)
        if told is None:
            return None
        label = told.strip().lower()
        return label if LABEL.fullmatch(label) else "restricted"

    @cached_property
    def verdict(self) -> Verdict | None:
        """What the classifier says; None when there is none or the body was not read."""
        return self._classify(self.prompt) if self._classify is not None and self.request is not None else None

    @cached_property
    def prompt(self) -> PromptView:
        return view(self._read())

    @cached_property
    def input_tokens(self) -> int:
        return estimate_input(self._read())

    @cached_property
    def tools(self) -> frozenset[str]:
        """``any`` or ``none``, ``history`` when one was called before, ``name:X`` for each on offer."""
        request = self._read()
        words = {f"name:{tool.name}" for tool in request.tools}
        words.add("any" if words else "none")
        if any(isinstance(block, ir.ToolCall | ir.ToolResult) for block in blocks(request)):
            words.add("history")
        return frozenset(words)

    @cached_property
    def modality(self) -> frozenset[str]:
        return frozenset({"text", *(part.kind for part in media(self._read()))})

    @cached_property
    def needs(self) -> frozenset[str]:
        """Abilities without which the answer would be another one."""
        request = self._read()
        offered = "any" in self.tools and (request.tool_choice is None or request.tool_choice.mode != "none")
        asked = {
            "tools": offered or "history" in self.tools,
            "images": "image" in self.modality,
            "files": "file" in self.modality,
            "audio": "audio" in self.modality or "audio" in request.modalities,
            "structured_output": self.structured_output != "text",
            "reasoning": request.effort not in {None, "none"} or bool(request.thinking_budget),
        }
        return frozenset(ability for ability, wanted in asked.items() if wanted)

    @cached_property
    def structured_output(self) -> str:
        form = self._read().format
        return "text" if form is None else form.kind

    @cached_property
    def language(self) -> str | None:
        return guess_language(self.prompt.text)

    def recorded(self) -> dict[str, Any]:
        """What is written down (D16): the head, and of the content what is cheap or was looked at anyway.
        No prompt text, no header values, no tool names."""
        found = {name: self._head[name] for name in ("alias", "model", "api", "stream", "team", "budget_used")}
        if found["model"] == found["alias"]:
            del found["model"]
        found["data_class"] = "+".join(sorted(self.data_class)) or None
        if self.request is not None:
            found.update((name, self.value(name)) for name in _CHEAP)
            found.update((name, self.value(name)) for name in _DEAR if name in self.__dict__)
            found["tools"] = len(self.request.tools) if "any" in self.tools else None
            found["tool_history"] = "history" in self.tools or None
            found["modality"] = "+".join(sorted(self.modality))
        verdict: Verdict | None = self.__dict__.get("verdict")
        if verdict is not None:
            found.update({"class": verdict.cls, "score": verdict.score, "gate": verdict.gate})
            found["weights"] = verdict.weights
        found.update((name, self._head[name]) for name in ("class", "class_by") if name in self._head)
        return {"v": 1} | {name: value for name, value in found.items() if value is not None}

    def _read(self) -> ir.Request:
        if self.request is None:
            raise LookupError("this fact needs the request, which was not read")
        return self.request


_FOUND: dict[str, Callable[[Facts], Any]] = {
    "data_class": lambda facts: facts.data_class,
    "tools": lambda facts: facts.tools,
    "needs": lambda facts: facts.needs,
    "modality": lambda facts: facts.modality,
    "input_tokens": lambda facts: facts.input_tokens,
    "max_output": lambda facts: facts.request and facts.request.max_output_tokens,
    "structured_output": lambda facts: facts.structured_output,
    "effort": lambda facts: facts.request and facts.request.effort,
    "class": lambda facts: facts.verdict and facts.verdict.cls,
    "score": lambda facts: facts.verdict.score if facts.verdict else None,
    "language": lambda facts: facts.language,
    "depth": lambda facts: facts.prompt.depth,
}


def observe(  # noqa: PLR0913 - the one place where all that is known of a request meets
    request: ir.Request | None,
    *,
    alias: str,
    api: str,
    stream: bool,
    caller: Caller,
    headers: Mapping[str, str],
    now: datetime | None = None,
    classify: Classify | None = None,
    conditions: Mapping[str, Any] | None = None,
    model: str | None = None,
    outside: Told | None = None,
) -> Facts:
    """The facts of one request. ``request`` is None while the body is unread; header names are in lower case.

    ``alias`` is the route's name, ``model`` what the client sent (default: the request's, else the alias).
    ``outside``: the class that a header or the operator's hook has given, which stands before the classifier's.
    ``conditions``: ``budget_used`` (share of one), ``health`` (backend -> up | down), ``load`` (backend -> share).
    """
    given = conditions or {}
    head = {
        "alias": alias,
        "model": model or (request.model if request is not None else alias),
        "api": api,
        "stream": stream,
        "caller": tuple(name for name in (caller.name, caller.team) if name),
        "team": caller.team,
        "tags": caller.tags,
        "headers": headers,
        "key_data_class": caller.data_class,
        "time": now,
        "weekday": now,
        "budget_used": given.get("budget_used"),
        "health": given.get("health"),
        "load": given.get("load"),
    }
    if outside is not None:
        head |= {"class": outside.cls, "class_by": outside.by}
    return Facts(request, head, classify)
