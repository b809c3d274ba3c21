"""The demo's mind: one answer to one question, the same in every dialect, with honest token counts."""

from __future__ import annotations

import re
from itertools import groupby, takewhile
from typing import Literal

import msgspec

from proxy.demo.base import Json, encode
from proxy.demo.filling import fill
from proxy.demo.spoiling import spoil_arguments, spoil_text
from proxy.demo.tokens import IMAGE_TOKENS, count, pieces
from proxy.demo.wishes import means, steps, verbatim

Choice = Literal["auto", "none", "required"]
Kind = Literal["text", "image", "media", "call", "result", "thought"]

_THOUGHTS = (
    "The user asks “{q}”, and the demo has to say something short.",
    "It has no model behind it, so the answer comes from a rule.",
    "Tools are called when they are offered, and schemas are filled from their own words.",
    "Nothing here may depend on the dialect that carried the question.",
    "So the plainest sentence that quotes the question will do.",
)
_SENTENCES = {"minimal": 1, "low": 1, "medium": 2, "high": 3, "xhigh": 4, "max": 5}
_JSON_ONLY = re.compile(r"\bone json object only\b", re.IGNORECASE)
"""An instruction that any model follows; vendors without a JSON mode can be asked in no other way."""
_SCHEMA_TOLD = re.compile(r"\bJSON Schema:\s*(\{.*\})$", re.MULTILINE)
_RESULT_OF = "The result of tool call "
"""Before images that a tool's own turn cannot hold."""
_COUNT_TO = re.compile(r"\bcount to (\d{1,6})\b", re.IGNORECASE)


class Said(msgspec.Struct, frozen=True):
    """One part of the conversation. ``text`` is empty for an image or other media."""

    role: str
    text: str
    kind: Kind = "text"


class Tool(msgspec.Struct, frozen=True):
    """A tool on offer; a custom one takes free text instead of arguments."""

    name: str
    schema: Json
    description: str = ""
    custom: bool = False
    namespace: str | None = None


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """A question. ``only`` narrows the tools; ``effort`` is None for no reasoning; ``limit`` is in tokens."""

    said: tuple[Said, ...]
    tools: tuple[Tool, ...] = ()
    choice: Choice = "auto"
    only: tuple[str, ...] = ()
    parallel: bool = True
    schema: Json | None = None
    json_object: bool = False
    effort: str | None = None
    limit: int | None = None
    stops: tuple[str, ...] = ()
    caches: bool = False
    variant: int = 0
    spoil: str = ""
    """How the answer fails to keep to its format (``spoiling``)."""

    @property
    def answered(self) -> bool:
        """The model is shown an answer of its own."""
        return any(part.role == "assistant" and part.kind == "text" for part in self.said)


class ToolCall(msgspec.Struct, frozen=True):
    """A call the demo makes: ``arguments`` for a function, ``input`` for a custom tool."""

    tool: Tool
    arguments: Json
    input: str = ""

    @property
    def text(self) -> str:
        return self.input if self.tool.custom else encode(self.arguments).decode()


class Tokens(msgspec.Struct, frozen=True):
    """What was counted: ``prompt`` includes ``cached`` and ``written``; ``visible`` excludes ``reasoning``."""

    prompt: int
    reasoning: int
    visible: int
    cached: int = 0
    written: int = 0

    @property
    def output(self) -> int:
        return self.reasoning + self.visible

    @property
    def total(self) -> int:
        return self.prompt + self.output


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo says; ``stop`` is the stop sequence that ended it."""

    reasoning: str
    text: str
    calls: tuple[ToolCall, ...]
    finish: Literal["stop", "length", "tool_calls"]
    stop: str | None
    tokens: Tokens


def think(prompt: Prompt) -> Answer:
    """The answer to ``prompt``, cut to its limit and at its stop sequences."""
    question = _question(prompt)
    reasoning = _reasoning(prompt.effort, question)
    calls = _calls(prompt, question)
    said = "" if calls else spoil_text(prompt.spoil, _text(prompt, question), again=prompt.answered)
    text, stop = _stopped(said, prompt.stops)
    return _cut(prompt, reasoning, text, calls, stop)


def prompt_tokens(prompt: Prompt) -> int:
    """Tokens of everything that was sent: messages, tools, media."""
    return _prefix(prompt) + sum(_tokens_of(part) for part in prompt.said if part.role != "system")


def _prefix(prompt: Prompt) -> int:
    words = (f"{tool.name} {tool.description} {encode(tool.schema).decode()}" for tool in prompt.tools)
    tools = sum(count(text) for text in words)
    return tools + sum(_tokens_of(part) for part in prompt.said if part.role == "system")


def _tokens_of(part: Said) -> int:
    return IMAGE_TOKENS if part.kind in ("image", "media") else count(part.text)


def _question(prompt: Prompt) -> str:
    return " ".join(_asked(prompt).split())


def _asked(prompt: Prompt) -> str:
    return next((part.text for part in reversed(prompt.said) if _asks(part)), "")


def _asks(part: Said) -> bool:
    return part.role == "user" and part.kind == "text" and bool(part.text.strip()) and not _of_result(part)


def _results(prompt: Prompt) -> list[str]:
    """What the tools have just said; where they can show no image, it stands in a user's turn behind them."""
    results: list[str] = []
    for part in reversed(prompt.said):
        if part.kind == "result":
            results.insert(0, part.text)
        elif results or not _of_result(part):
            break
    return results


def _of_result(part: Said) -> bool:
    return part.kind == "image" or part.text.startswith(_RESULT_OF)


def _reasoning(effort: str | None, question: str) -> str:
    sentences = _THOUGHTS[: _SENTENCES.get(effort or "", 0)]
    return " ".join(sentences).format(q=question[:40].replace("{", "").replace("}", ""))


def _calls(prompt: Prompt, question: str) -> tuple[ToolCall, ...]:
    usable = [tool for tool in prompt.tools if not prompt.only or tool.name in prompt.only]
    if not usable or prompt.choice == "none":
        return ()
    wished = steps(question)
    if wished and prompt.choice == "auto":
        return tuple(_call(tool, prompt, question) for tool in _wished(prompt, usable, wished))
    if prompt.choice == "auto" and _results(prompt):
        return ()
    chosen = [usable[0]]
    if prompt.parallel and "parallel" in question.lower() and not (prompt.choice == "required" and prompt.only):
        chosen.append(usable[1] if len(usable) > 1 else usable[0])
    return tuple(_call(tool, prompt, question) for tool in chosen)


def _wished(prompt: Prompt, usable: list[Tool], wished: list[list[str]]) -> list[Tool]:
    """The tools of the step that comes now; none once all are taken, or where that step's tools are not on offer."""
    since = takewhile(lambda part: not _asks(part), reversed(prompt.said))
    taken = sum(kind == "call" for kind, _ in groupby(part.kind for part in since))
    names = wished[taken] if taken < len(wished) else []
    found = [tool for name in names for tool in usable if means(name, tool.name, tool.namespace)]
    return found if prompt.parallel else found[:1]


def _call(tool: Tool, prompt: Prompt, question: str) -> ToolCall:
    given = verbatim(_asked(prompt))
    if tool.custom:
        return ToolCall(tool, {}, f"demo input for {tool.name}: {question[:60]}" if given is None else given)
    filled = fill(tool.schema, question, given)
    arguments = filled if isinstance(filled, dict) else {}
    return ToolCall(tool, spoil_arguments(prompt.spoil, arguments, again=prompt.answered))


def _text(prompt: Prompt, question: str) -> str:
    results = _results(prompt)
    schema = _schema(prompt)
    if schema is not None:
        return encode(fill(schema, question)).decode()
    if prompt.json_object or any(part.role == "system" and _JSON_ONLY.search(part.text) for part in prompt.said):
        return encode({"answer": f"Demo answer to “{question[:60]}”", "demo": True}).decode()
    counting = _COUNT_TO.search(question)
    if counting:
        return " ".join(str(number) for number in range(1, int(counting[1]) + 1))
    if results:
        return f"Demo answer to “{question[:60]}”: the tool said {'; '.join(result[:200] for result in results)}."
    return _plain(prompt, question)


def _schema(prompt: Prompt) -> Json | None:
    """The one that is enforced, or the one that the instructions tell."""
    told = [found[1] for part in prompt.said if part.role == "system" and (found := _SCHEMA_TOLD.search(part.text))]
    if prompt.schema is not None or not told:
        return prompt.schema
    try:
        return msgspec.json.decode(told[-1], type=Json)
    except msgspec.DecodeError:
        return None


def _plain(prompt: Prompt, question: str) -> str:
    image = "I see an image. " if any(part.kind == "image" for part in prompt.said) else ""
    variant = f" (choice {prompt.variant + 1})" if prompt.variant else ""
    more = "…" if len(question) > 60 else ""
    return f"{image}Demo answer to “{question[:60]}{more}”: no model is connected, but the line is clear.{variant}"


def _stopped(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    found = [(text.index(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return text, None
    place, stop = min(found)
    return text[:place], stop


def _cut(prompt: Prompt, reasoning: str, text: str, calls: tuple[ToolCall, ...], stop: str | None) -> Answer:
    left = 1_000_000_000 if prompt.limit is None else prompt.limit
    thought, spoken = pieces(reasoning), pieces(text)
    cost = sum(count(call.tool.name) + count(call.text) for call in calls)
    over = len(thought) + len(spoken) + cost > left
    thought = thought[:left]
    spoken = spoken[: left - len(thought)]
    kept = () if over else calls
    prefix = _prefix(prompt) if prompt.caches else 0
    later = any(part.role == "assistant" for part in prompt.said)
    tokens = Tokens(
        prompt_tokens(prompt),
        len(thought),
        len(spoken) + (cost if kept else 0),
        cached=prefix if later else 0,
        written=0 if later else prefix,
    )
    finish: Literal["stop", "length", "tool_calls"] = "length" if over else "tool_calls" if kept else "stop"
    return Answer(
        reasoning="".join(thought),
        text="".join(spoken),
        calls=kept,
        finish=finish,
        stop=None if over else stop,
        tokens=tokens,
    )
