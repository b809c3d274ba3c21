"""A generateContent body -> the hub's Request: what the hub has no word for stays, in Google's spelling, in extras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from msgspec import Raw

from adapters import ir, strict
from adapters.glance import turns
from adapters.google_gemini import read_content, schema
from adapters.google_gemini.usage import hub_tier
from adapters.google_gemini.wire import camel, fields, items, raw, take, value

_PLAIN: Mapping[str, tuple[str, Any]] = {
    "temperature": ("temperature", float),
    "topP": ("top_p", float),
    "candidateCount": ("n", int),
    "maxOutputTokens": ("max_output_tokens", int),
    "presencePenalty": ("presence_penalty", float),
    "frequencyPenalty": ("frequency_penalty", float),
    "seed": ("seed", int),
    "responseLogprobs": ("logprobs", bool),
    "logprobs": ("top_logprobs", int),
}
"""generationConfig field -> the hub's, and its type."""
T = TypeVar("T")


def glance(fields: ir.Extras) -> None:
    """See adapters.dialect.Dialect."""
    turns(fields, "contents", read_content.ROLES, named=False)


def read_request(body: bytes) -> ir.Request:
    """A generateContent body. The model and whether to stream stand in the URL; ``model`` is read where it is told.

    Raises ir.Invalid that names the field, the reason and the mend."""
    top: ir.Extras = {camel(name): told for name, told in strict.fields(body).items()}
    contents = read_content.Contents()
    entries = items(top, "contents", "contents")
    if not entries:
        raise ir.Invalid("'contents' is missing or empty. Send at least one content.", "contents")
    told: dict[str, Any] = {
        "model": (take(top, "model", str, "model") or "").removeprefix("models/"),
        "stream": take(top, "stream", bool, "stream") or False,
        "messages": tuple(contents.read(entry, f"contents[{at}]") for at, entry in enumerate(entries)),
        "system": tuple(read_content.system(top.pop("systemInstruction", None))),
        "tools": schema.read_tools(items(top, "tools", "tools")),
        "tool_choice": schema.read_choice(top),
        "service_tier": hub_tier(take(top, "serviceTier", str, "serviceTier")),
    }
    return ir.Request(family="google", **told, **_generation(top), extras=top)


def _generation(top: ir.Extras) -> dict[str, Any]:
    """Take what the hub knows out of ``generationConfig``; the rest stays in ``top``."""
    config = top.pop("generationConfig", None)
    if config is None:
        return {}
    inner = fields(config, "generationConfig")
    told: dict[str, Any] = {}
    for name, (field, kind) in _PLAIN.items():
        told[field] = take(inner, name, kind, f"generationConfig.{name}")
    top_k = take(inner, "topK", float, "generationConfig.topK")
    told["top_k"] = None if top_k is None else int(top_k)
    told["stop"] = tuple(take(inner, "stopSequences", list[str], "generationConfig.stopSequences") or ())
    modalities = take(inner, "responseModalities", list[str], "generationConfig.responseModalities") or []
    told["modalities"] = tuple(modality.lower() for modality in modalities)
    told["format"] = _format(inner)
    told |= _thinking(inner)
    top["generationConfig"] = raw(inner)
    return {field: known for field, known in told.items() if known is not None}


def _format(inner: ir.Extras) -> ir.Format | None:
    """``responseMimeType`` with either kind of schema; the older ``responseSchema`` also stays as it is."""
    if inner.get("responseMimeType") is None or value(inner["responseMimeType"]) != "application/json":
        return None
    del inner["responseMimeType"]
    if "responseJsonSchema" in inner:
        return ir.Format("json_schema", schema=value(inner.pop("responseJsonSchema")))
    if "responseSchema" in inner:
        return ir.Format("json_schema", schema=schema.json_schema(value(inner["responseSchema"])))
    return ir.Format("json_object")


def _thinking(inner: ir.Extras) -> dict[str, Any]:
    """What is asked of thinking. The wish stays as it was written too, for Google alone to read."""
    config: Raw | None = inner.get("thinkingConfig")
    if config is None:
        return {}
    told = fields(config, "generationConfig.thinkingConfig")
    inner["thinkingConfig"] = raw(told)
    level = take(told, "thinkingLevel", str, "generationConfig.thinkingConfig.thinkingLevel")
    shown = take(told, "includeThoughts", bool, "generationConfig.thinkingConfig.includeThoughts")
    return {
        "effort": level.lower() if level else None,
        "thinking_budget": take(told, "thinkingBudget", int, "generationConfig.thinkingConfig.thinkingBudget"),
        "reasoning_summary": "auto" if shown else None,
    }
