"""The matrix's own words: what a client asks, what a model says, what is heard and what was sent, in no vendor's spelling."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from sdk_words import CLOCK, PIXEL, WEATHER

Json = dict[str, Any]
Finish = Literal["stop", "length", "tool_calls", "content_filter"]

TOOLS = (WEATHER, CLOCK)
IMAGE = PIXEL.partition(",")[2]
"""One pixel, as bare base64."""
DONE = b"data: [DONE]\n\n"
SCHEMA: Json = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "mood": {"type": "string", "enum": ["good", "bad"]}},
    "required": ["name", "mood"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Call:
    """A tool call; ``id`` is what its vendor gave it, or what the client was told."""

    id: str
    name: str
    arguments: Json


@dataclass(frozen=True)
class Counts:
    """Tokens in parts that do not overlap; every vendor adds them up, and leaves some untold, in its own way."""

    fresh: int = 17
    cached: int = 32
    written: int = 8
    visible: int = 11
    thought: int = 0

    @property
    def input(self) -> int:
        return self.fresh + self.cached + self.written

    @property
    def output(self) -> int:
        return self.visible + self.thought

    def told(self, tells: frozenset[str]) -> dict[str, int]:
        """By OpenAI's rules, where a part belongs to its whole; 0 for a part that is not among ``tells``."""
        parts = {"cached": self.cached, "written": self.written, "thought": self.thought}
        known = {name: count if name in tells else 0 for name, count in parts.items()}
        return {"input": self.input, "output": self.output, **known, "total": self.input + self.output}


@dataclass(frozen=True)
class Says:
    """What the model answers: thoughts, text in pieces, calls. ``refusal`` are its words, where it declines."""

    pieces: tuple[str, ...] = ()
    thoughts: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    refusal: str | None = None
    end: Literal["stop", "length", "content_filter"] = "stop"
    thought: int = 0
    """Tokens that it thought."""
    visible: int = 11
    """Tokens that it said."""

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def counts(self) -> Counts:
        return Counts(visible=self.visible, thought=self.thought)


@dataclass
class Heard:
    """An answer as the client has it. ``usage``: the counts on its wire, by the names of ``Counts`` and ``total``;
    0 stands for what was not told. ``back``: what goes into its next turn. Ids of calls are compared where they are
    the vendor's own."""

    text: str
    thoughts: str
    calls: tuple[Call, ...]
    refusal: str
    finish: str
    usage: dict[str, int]
    back: Any = field(compare=False, repr=False, default=None)
    wire: Any = field(compare=False, repr=False, default=None)
    """The whole answer on the client's wire, where the checkers give one for streams, too."""


@dataclass(frozen=True)
class Past:
    """A turn that called tools, and what they answered."""

    heard: Heard
    results: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """One request of the client."""

    text: str = "What is “Größe” in 日本語? 🙂"
    image: bool = False
    tools: bool = False
    effort: str | None = None
    shaped: bool = False
    limit: int | None = None
    past: tuple[Past, ...] = ()


@dataclass(frozen=True)
class Sent:
    """What the upstream was told of the turns before: calls, the results by call, and vendor state."""

    calls: tuple[Call, ...]
    results: tuple[tuple[str, str], ...]
    states: tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """An error as the client has it: in HTTP, or after ``text`` in a stream (status 200)."""

    status: int
    type: str
    code: str | None
    text: str = ""


@dataclass(frozen=True)
class Fault:
    """An upstream's error ``body`` with its HTTP ``status``, and what a client of OpenAI's APIs must be told."""

    status: int
    body: Json
    client_status: int
    type: str
    code: str


def data(value: Any) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def typed(value: Json) -> bytes:
    """An event that is named by its type."""
    return b"event: %b\n" % value["type"].encode() + data(value)
