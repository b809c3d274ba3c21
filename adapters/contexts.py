"""Where servers tell how many tokens fit, and how their answers are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

Step: TypeAlias = str

ANY = "*"
"""Every entry of a mapping or list."""
MODEL = "@model"
"""Of a list, the entries that are about the model that is asked for."""
_NAMES = ("id", "name", "model", "key")


class Place(Struct, frozen=True, kw_only=True):
    """One page and the fields of it that hold the number. ``pattern`` finds it in a text."""

    path: str
    """``{model}`` is the upstream's model."""
    root: bool = False
    """The path begins at the server's root, beside the version that the base URL ends in."""
    post: bool = False
    """It is asked with ``{"model": …}`` in a POST."""
    fields: tuple[tuple[Step, ...], ...]
    """Ways through the answer, the best first."""
    pattern: str | None = None

    @property
    def name(self) -> str:
        """For those who read where a number came from: ``/api/ps context_length``."""
        return f"{self.path} {self.fields[0][-1]}"

    def body(self, model: str) -> bytes:
        """What to send; empty for a GET."""
        return msgspec.json.encode({"model": model}) if self.post else b""

    def read(self, body: bytes, model: str) -> int | None:
        """The tokens that this page tells, or None."""
        try:
            told = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        found = (self._number(value) for way in self.fields for value in _follow(told, way, model))
        return next((number for number in found if number is not None), None)

    def _number(self, value: Any) -> int | None:
        if self.pattern is not None and isinstance(value, str):
            match = re.search(self.pattern, value)
            value = int(match[1]) if match else None
        return value if type(value) is int and value > 0 else None


def _follow(value: Any, way: Sequence[Step], model: str) -> Iterator[Any]:
    if not way:
        yield value
        return
    for inner in _inside(value, way[0], model):
        yield from _follow(inner, way[1:], model)


def _inside(value: Any, step: Step, model: str) -> list[Any]:
    if isinstance(value, list):
        return [entry for entry in value if step == ANY or (step == MODEL and _about(entry, model))]
    if not isinstance(value, Mapping):
        return []
    if step == ANY:
        return list(value.values())
    return [value[step]] if step in value else []


def _about(entry: Any, model: str) -> bool:
    """Servers name a model with or without ``:latest``."""
    names = [entry.get(name) for name in _NAMES] if isinstance(entry, Mapping) else []
    return any(name in (model, f"{model}:latest") for name in names)


_OPENAI_LIST = Place(
    path="/models",
    fields=(("data", MODEL, "max_model_len"), ("data", MODEL, "context_length"), ("data", MODEL, "context_window")),
)

PLACES: Mapping[str, tuple[Place, ...]] = {
    "models": (_OPENAI_LIST,),
    "llama_cpp": (Place(path="/props", root=True, fields=(("default_generation_settings", "n_ctx"), ("n_ctx",))),),
    # What is loaded counts: the model may be able to do more, and Ollama cuts what is longer without a word.
    "ollama": (
        Place(path="/api/ps", root=True, fields=(("models", MODEL, "context_length"),)),
        Place(path="/api/show", root=True, post=True, fields=(("parameters",),), pattern=r"num_ctx\s+(\d+)"),
    ),
    "lm_studio": (Place(path="/api/v0/models", root=True, fields=(("data", MODEL, "loaded_context_length"),)),),
    "tgi": (Place(path="/info", root=True, fields=(("max_total_tokens",), ("max_input_tokens",))),),
    "gemini": (Place(path="/models/{model}", fields=(("inputTokenLimit",),)),),
}
"""The name that a provider's row has for them -> the pages to ask, the surest first."""
