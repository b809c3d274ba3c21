"""What a rule may look at: every value is found out when it is first asked for, and never twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec

from adapters import ir
from policies.classify import Verdict
from policies.data_classes.data_class import strictest, told_classes
from policies.language import guess_language
from policies.prompt import PromptView, blocks, media, texts, view
from policies.text import estimate_tokens
from policies.verdict import Caller, Told

DATA_CLASS_HEADER = "x-turnout-data-class"
IMAGE_TOKENS = 1_000
"""What one image counts in the estimate; files and sounds are not counted, for nobody knows before they are read."""

_HEAD = ("alias", "model", "api", "stream", "team", "budget_used", "budget_pace")
_CHEAP = ("max_output", "structured_output", "effort", "depth")
_DEAR = ("input_tokens", "language")

_GIVEN = frozenset({"header", "inherited"})
"""Who gives a data class that no configuration can tell again."""

Classify = Callable[[PromptView], Verdict]
_NOTHING: Mapping[str, str] = {}


class Noted(Mapping[str, Any]):
    """What is so of each backend, and of which of them a rule has asked: that is written down."""

    __slots__ = ("_found", "told")

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._found = found
        self.told: dict[str, Any] = {}

    def __getitem__(self, backend: str) -> Any:
        value = self.told[backend] = self._found[backend]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def estimate_input(request: ir.Request) -> int:
    """About how many tokens the prompt is: texts and tool definitions by script, images at a flat rate."""
    tools = sum(len(msgspec.json.encode(tool.parameters)) + len(tool.description or "") for tool in request.tools)
    images = sum(part.kind == "image" for part in media(request)) * IMAGE_TOKENS
    return sum(map(estimate_tokens, texts(request))) + tools // 4 + images


class Facts:
    """The values of one request. Unknown is None: the body was not read, or nobody told."""

    def __init__(self, request: ir.Request | None, head: Mapping[str, Any], classify: Classify | None) -> None:
        self.request = request
        self.reader: Callable[[], ir.Request | None] | None = None
        """Reads the body after all: for targets that can do less than others."""
        self.head = head
        self._classify = classify
        self.labels = _labels(head)
        """Every data class that was given, and by whom."""
        self._data_class: frozenset[str] | None = None

    def look(self) -> None:
        """Read the body, where it was not and can be."""
        if self.request is None and self.reader is not None:
            self.request = self.reader()

    def value(self, name: str) -> Any:
        """The fact called ``name`` in the rule language, or None."""
        head = self.head
        if name in head:
            return head[name]
        if self.request is None and name != "data_class":
            return None
        found = _FOUND.get(name)
        return None if found is None else found(self)

    @property
    def data_class(self) -> frozenset[str]:
        """The most restrictive label of all that were given; an operator's own labels all stand."""
        if self._data_class is None:
            self._data_class = strictest([label for label, _ in self.labels])
        return self._data_class

    def raise_class(self, label: str, by: str) -> bool:
        """A rule gives this data class; True where that changes what the others came to. It never lowers it."""
        before = self.data_class
        self.labels.append((label, by))
        self._data_class = None
        return self.data_class != before

    @cached_property
    def verdict(self) -> Verdict | None:
        """What the classifier says; None when there is none or the body was not read."""
        return self._classify(self.prompt) if self._classify is not None and self.request is not None else None

    @property
    def judged(self) -> Verdict | None:
        """The classifier's verdict, if a rule has asked for it."""
        return self.__dict__.get("verdict")

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
        head = self.head
        found: dict[str, Any] = {"v": 1}
        for name in _HEAD:
            value = head[name]
            if value is not None:
                found[name] = value
        if found["model"] == found["alias"]:
            del found["model"]
        if self.data_class:
            found["data_class"] = "+".join(sorted(self.data_class))
        if head["found"]:
            found["data_found"] = "+".join(sorted(head["found"]))
        if self.labels and (given := {label for label, by in self.labels if by in _GIVEN}):
            found["data_given"] = "+".join(sorted(given))
        found.update(_around(head))
        if self.request is not None:
            found.update((name, value) for name, value in self._content(self.request) if value is not None)
        if "class" in head:
            found.update({"class": head["class"], "class_by": head["class_by"]})
        return found

    def _content(self, request: ir.Request) -> Iterator[tuple[str, Any]]:
        yield from ((name, self.value(name)) for name in _CHEAP)
        yield from ((name, self.value(name)) for name in _DEAR if name in self.__dict__)
        yield "tools", len(request.tools) if "any" in self.tools else None
        yield "tool_history", "history" in self.tools or None
        yield "tools_off", (request.tool_choice is not None and request.tool_choice.mode == "none") or None
        yield "thinking", bool(request.thinking_budget) or None
        yield "modality", "+".join(sorted(self.modality))
        verdict = self.judged
        if verdict is not None:
            yield from (("class", verdict.cls), ("score", verdict.score), ("gate", verdict.gate))
            yield from (("p_local_worse", verdict.p_local_worse), ("weights", verdict.weights))
            yield from (("gated", verdict.gated), ("plain", verdict.plain or None))

    def _read(self) -> ir.Request:
        if self.request is None:
            raise LookupError("this fact needs the request, which was not read")
        return self.request


def _around(head: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What rules have asked of backends: who was down, and shares to the hundredth."""
    for name in ("health", "load"):
        if isinstance(head[name], Noted) and (told := head[name].told):
            yield name, {key: round(value, 2) if isinstance(value, float) else value for key, value in told.items()}


def _labels(head: Mapping[str, Any]) -> list[tuple[str, str]]:
    given = []
    if DATA_CLASS_HEADER in head["headers"]:
        given = [(label, "header") for label in told_classes(head["headers"][DATA_CLASS_HEADER])]
    if head["key_data_class"] or head["team_data_class"]:
        given = [(head["key_data_class"], "key"), (head["team_data_class"], "team"), *given]
    if head["inherited"] or head["found"]:
        given += [(label, "inherited") for label in sorted(head["inherited"])]
        given += [(label, f"pattern {kind}") for kind, label in head["found"].items()]
    return [(label, by) for label, by in given if label] if given else []


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
    "p_local_worse": lambda facts: facts.verdict.p_local_worse if facts.verdict else None,
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
    inherited: Collection[str] = (),
    found: Mapping[str, str] = _NOTHING,
) -> Facts:
    """The facts of one request. ``request`` is None while the body is unread; header names are in lower case.

    ``alias`` is the route's name, ``model`` what the client sent (default: the request's, else the alias).
    ``outside``: the class that a header or the operator's hook has given, which stands before the classifier's.
    ``inherited``: the data classes of what the request refers to; ``found``: kind of pattern -> its data class.
    ``conditions``: ``budget_used`` and ``budget_pace`` (shares of one), ``health`` (backend -> up | down), ``load``
    (backend -> share).
    """
    given = conditions or {}
    head = {
        "alias": alias,
        "model": model or (request.model if request is not None else alias),
        "api": api,
        "stream": stream,
        "caller": (caller.name, caller.team) if caller.team else (caller.name,),
        "team": caller.team,
        "tags": caller.tags,
        "headers": headers,
        "key_data_class": caller.data_class,
        "team_data_class": caller.team_data_class,
        "inherited": inherited,
        "found": found,
        "time": now,
        "weekday": now,
        "budget_used": given.get("budget_used"),
        "budget_pace": given.get("budget_pace"),
        "health": given.get("health"),
        "load": given.get("load"),
    }
    if outside is not None:
        head |= {"class": outside.cls, "class_by": outside.by}
    return Facts(request, head, classify)
