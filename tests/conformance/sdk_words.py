"""Questions and answers in words that both of OpenAI's APIs have, so that every feature is written once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

Json = dict[str, Any]

WEATHER: Json = {
    "name": "get_weather",
    "description": "The weather at a place.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
    "strict": True,
}
CLOCK: Json = {
    "name": "get_time",
    "description": "The time at a place.",
    "parameters": {
        "type": "object",
        "properties": {"zone": {"type": "string"}},
        "required": ["zone"],
        "additionalProperties": False,
    },
    "strict": True,
}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


class Address(BaseModel):
    street: str
    number: int


class Person(BaseModel):
    name: str
    age: int
    mood: Literal["good", "bad"]
    homes: list[Address]
    nickname: str | None


@dataclass(frozen=True)
class Said:
    """A turn of plain text, with an image if there is one."""

    role: Literal["system", "developer", "user", "assistant"]
    text: str
    image: str | None = None


@dataclass(frozen=True)
class Result:
    """What a tool answered to the call with this id."""

    call_id: str
    text: str


@dataclass(frozen=True)
class Answer:
    """One answer. ``usage``: input, cached, output, reasoning and total tokens. ``back``: what goes into the next turn.
    Ids differ between two calls, so they are no part of what must be equal."""

    text: str
    calls: tuple[tuple[str, str], ...]
    finish: Literal["stop", "length", "tool_calls"]
    usage: tuple[int, int, int, int, int]
    reasoning: str
    parsed: Any
    call_ids: tuple[str, ...] = field(compare=False, repr=False)
    back: Any = field(compare=False, repr=False)
    dropped: tuple[str, ...] = field(default=(), compare=False)
    """What Turnout said it left out (``x-turnout-dropped``)."""


Turn = Said | Result | Answer


@dataclass(frozen=True)
class Question:
    """One request. ``shape``: the model to parse into, or a free JSON object."""

    turns: tuple[Turn, ...]
    tools: tuple[Json, ...] = ()
    choice: Literal["auto", "required", "none"] | str | None = None
    parallel: bool | None = None
    shape: type[BaseModel] | Literal["json_object"] | None = None
    effort: str | None = None
    limit: int | None = None
    stop: tuple[str, ...] = ()

    @property
    def model(self) -> type[BaseModel] | None:
        """What ``.parse`` is given."""
        return self.shape if isinstance(self.shape, type) else None


def user(text: str, image: str | None = None) -> Said:
    return Said("user", text, image)
