"""A Responses request body -> the hub's request, every field read, kept as extras, or refused by name."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters import ir, strict
from adapters.glance import turns
from adapters.openai_responses import tools, wire
from adapters.openai_responses.items_in import read_input
from adapters.openai_responses.wire import Fields

_PLAIN: dict[str, msgspec.json.Decoder[Any]] = {
    "parallel_tool_calls": wire.BOOL,
    "max_output_tokens": wire.INT,
    "temperature": wire.FLOAT,
    "top_p": wire.FLOAT,
    "presence_penalty": wire.FLOAT,
    "frequency_penalty": wire.FLOAT,
    "top_logprobs": wire.INT,
    "service_tier": wire.STR,
    "user": wire.STR,
    "safety_identifier": wire.STR,
    "prompt_cache_key": wire.STR,
    "store": wire.BOOL,
    "metadata": wire.WORDS,
}
"""Fields whose name and value are the hub's own. (The penalties are those of Open Responses.)"""

_HEAD = frozenset({"model", "stream"})
_WITHOUT_INPUT = ("previous_response_id", "prompt", "conversation")
"""With one of these a request may come without ``input``."""

_SUMMARIES = ("auto", "concise", "detailed")
_VERBOSITIES = ("low", "medium", "high")
_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "top_logprobs": (0, 20),
    "max_output_tokens": (1, float("inf")),
}


def glance(fields: ir.Extras) -> None:
    """See adapters.dialect.Dialect: text or items whose roles there are, and plain fields of their types."""
    if "input" in fields or not any(name in fields for name in _WITHOUT_INPUT):
        turns(fields, "input", wire.ROLES, text=True, named=False)
    told = Fields({name: raw for name, raw in fields.items() if name in _PLAIN and not wire.is_null(raw)})
    for name, decoder in _PLAIN.items():
        told.take(name, decoder)


def read_request(body: bytes) -> ir.Request:
    """A request body. Raises ir.Invalid that names the field, the reason and the mend."""
    top = strict.fields(body)
    head = strict.head(top)
    fields = Fields({name: raw for name, raw in top.items() if not wire.is_null(raw) and name not in _HEAD})
    messages = _messages(fields)
    system = fields.take("instructions", wire.STR)
    plain: dict[str, Any] = {name: fields.take(name, decoder) for name, decoder in _PLAIN.items()}
    _check_ranges(plain)
    include = fields.take("include", wire.STRINGS) or []
    return ir.Request(
        model=head.model,
        stream=head.stream,
        messages=messages,
        system=() if system is None else (ir.Text(system),),
        include=tuple(include),
        logprobs=True if wire.LOGPROBS in include else None,
        **_tools(fields),
        **_reasoning(fields),
        **_text(fields),
        **plain,
        extras=fields.rest,
        dialect=wire.NAME,
    )


def _messages(fields: Fields) -> tuple[ir.Message, ...]:
    raw = fields.rest.pop("input", None)
    if raw is not None:
        return read_input(raw)
    if any(name in fields.rest for name in _WITHOUT_INPUT):
        return ()
    why = "Missing required parameter: 'input'. Send a string or a list of items."
    raise ir.Invalid(why, "input", "missing_required_parameter")


def _check_ranges(plain: dict[str, Any]) -> None:
    for name, (low, high) in _RANGES.items():
        value = plain[name]
        if value is not None and not low <= value <= high:
            bound = f"between {low:g} and {high:g}" if high < float("inf") else f"of at least {low:g}"
            why = f"Invalid '{name}': expected a value {bound}, but got {value:g} instead."
            raise ir.Invalid(why, name, "invalid_value")


def _tools(fields: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {"tools": tools.read_tools(fields.take("tools", wire.RAW_LIST) or [])}
    raw = fields.rest.get("tool_choice")
    if raw is not None:
        found["tool_choice"] = choice = tools.read_choice(raw)
        if choice is not None:
            del fields.rest["tool_choice"]
    return found


def _inner(fields: Fields, name: str) -> Fields | None:
    """An object field, taken apart; ``_put_back`` returns what is left of it."""
    raw = fields.rest.pop(name, None)
    return None if raw is None else Fields.of(raw, name)


def _put_back(fields: Fields, name: str, inner: Fields) -> None:
    left = {field: raw for field, raw in inner.rest.items() if not wire.is_null(raw)}
    if left:
        fields.rest[name] = wire.encode(left)


def _word(fields: Fields, name: str, allowed: tuple[str, ...]) -> str | None:
    """A word of a closed list."""
    said = fields.take(name, wire.STR)
    if said is not None and said not in allowed:
        raise fields.wrong(name, f"'{said}'. Supported values are: {', '.join(map(repr, allowed))}")
    return said


def _reasoning(fields: Fields) -> dict[str, Any]:
    inner = _inner(fields, "reasoning")
    if inner is None:
        return {}
    found = {"effort": _word(inner, "effort", ir.EFFORTS), "reasoning_summary": _word(inner, "summary", _SUMMARIES)}
    _put_back(fields, "reasoning", inner)
    return found


def _text(fields: Fields) -> dict[str, Any]:
    inner = _inner(fields, "text")
    if inner is None:
        return {}
    found = {"format": tools.read_format(inner), "verbosity": _word(inner, "verbosity", _VERBOSITIES)}
    _put_back(fields, "text", inner)
    return found
