"""Prompts in a file: JSON Lines, each a chat, Responses or Messages request, or ``{"prompt": "…"}``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from adapters import ir
from policies.classify import PromptView
from policies.classify.measuring import Outcome
from policies.prompt import view
from proxy.apis import APIS, guessed


class Sample(Struct, frozen=True, kw_only=True):
    """One line that could be read. ``outcome``: how the answers turned out, where the line has labels."""

    line: int
    id: str | int | None = None
    view: PromptView
    outcome: Outcome | None = None


class BadLine(Struct, frozen=True):
    """A line that could not be read, and why."""

    line: int
    why: str
    id: str | int | None = None


Score = Annotated[float, Meta(ge=0, le=1)]


class _Labels(Struct):
    """What a line may have beside its request. The means stand before the single scores: they have less noise."""

    id: str | int | None = None
    prompt: str | None = None
    local_worse: bool | Score | None = None
    weak: Score | None = None
    strong: Score | None = None
    weak_mean: Score | None = None
    strong_mean: Score | None = None


_labels = msgspec.json.Decoder(_Labels)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CONTENT = frozenset({"messages", "input"})
"""What is classified of a request. Its ``model`` changes no class, so that it may be missing."""
_DIALECTS = {api.name: api.dialect for api in APIS.values()}


def samples(lines: Iterable[bytes]) -> Iterator[Sample | BadLine]:
    """Every line that is not empty, in order, numbered from 1."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _sample(number, line)


def _sample(number: int, line: bytes) -> Sample | BadLine:
    named = None
    try:
        told = _labels.decode(line)
        named = told.id
        prompt = PromptView(text=told.prompt) if told.prompt is not None else view(_request(line))
    except (msgspec.DecodeError, UnicodeDecodeError, ir.Invalid) as error:
        return BadLine(number, str(error), named)
    return Sample(line=number, id=told.id, view=prompt, outcome=_outcome(told))


def _request(line: bytes) -> ir.Request:
    fields = _fields.decode(line)
    dialect = _DIALECTS.get(guessed(line))
    if dialect is None or not _CONTENT & fields.keys():
        raise ir.Invalid("it is no chat, Responses or Messages request and has no 'prompt'")
    if "model" in fields:
        return dialect.read_request(line)
    return dialect.read_request(msgspec.json.encode({"model": "auto", **fields}))


def _outcome(told: _Labels) -> Outcome | None:
    local = told.weak if told.weak_mean is None else told.weak_mean
    cloud = told.strong if told.strong_mean is None else told.strong_mean
    if local is not None and cloud is not None:
        return Outcome(local, cloud)
    return None if told.local_worse is None else Outcome(1.0 - float(told.local_worse), 1.0)
