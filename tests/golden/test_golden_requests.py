"""Every recorded request: written back as it was to its own vendor, and told to the others in their own SDK's types."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from cassettes import Interaction, in_scope
from excluded import listed
from playing import name, upstream_of
from recordings import SHARED
from vendor_types import assert_anthropic_request, assert_chat_request, assert_google_request, assert_responses_request

from adapters import ir
from adapters.catalog import DIALECTS
from adapters.fitting import fit

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
REQUESTS = [found for found in in_scope() if found.name not in listed("requests")]
CONTEXT = ir.Context("5eed", 1_700_000_000)
_FREE = {"args", "response", "parametersJsonSchema", "responseJsonSchema", "parameters", "labels", "responseSchema"}
"""Google's fields whose names within are the client's own."""
TARGETS: Mapping[str, tuple[str, str, str, Callable[[Any], None]]] = {
    "chat": ("openai_chat", "openai", "gpt-5.2", assert_chat_request),
    "responses": ("openai_responses", "openai", "gpt-5.6", assert_responses_request),
    "claude": ("anthropic_messages", "anthropic", "claude-opus-5-5", assert_anthropic_request),
    "old claude": (
        "anthropic_messages", "anthropic", "claude-sonnet-4-5", lambda body: assert_anthropic_request(body, sampling=True)
    ),
    "gemini": ("google_gemini", "google", "gemini-3.1-pro", assert_google_request),
    "vllm": ("openai_chat", "vllm", "qwen3", lambda body: assert_chat_request(body, server=True)),
}  # fmt: skip


@pytest.mark.parametrize("found", REQUESTS, ids=name)
def test_a_recorded_request_is_written_back_field_by_field(found: Interaction) -> None:
    assert written(found) == spelt_alike(found, found.asked)


def written(found: Interaction) -> Any:
    """The request, read, fitted and written by its own dialect for the model it was sent to."""
    dialect, upstream = DIALECTS[found.dialect or ""], own_upstream(found)
    fitted = fit(dialect.read_request(json.dumps(found.asked).encode()), upstream)
    assert [named for named in dialect.refuses(fitted.request, upstream) if named.kind == "contract"] == []
    return spelt_alike(found, json.loads(dialect.write_request(fitted.request, upstream, CONTEXT).body))


def own_upstream(found: Interaction) -> ir.Upstream:
    """The backend as an operator would describe it who knows that it took this request."""
    upstream = upstream_of(found.dialect or "", found.provider, found.asked["model"])
    limit = "max_completion_tokens" if "max_completion_tokens" in found.asked else None
    can = upstream.capabilities
    known = {"mid_system": True, "one_system": False, "service_tiers": True, "files": True}
    known |= {"max_tokens_field": limit or can.max_tokens_field}
    return msgspec.structs.replace(upstream, capabilities=msgspec.structs.replace(can, **known))


def spelt_alike(found: Interaction, body: Any) -> Any:
    """What says the same in two ways, told in one: Google's spellings, ``stream: false``, a limit where only input counts."""
    if found.dialect == "google_gemini":
        return _camel({field: value for field, value in body.items() if field != "model"})
    unsaid = {"stream"} if not body.get("stream") else set()
    if found.counts:
        unsaid |= {"max_tokens"}
    body = {field: value for field, value in body.items() if field not in unsaid}
    if found.dialect == "openai_chat":
        body["messages"] = [_turn(message) for message in body["messages"]]
    return body


def _turn(message: dict[str, Any]) -> dict[str, Any]:
    """A text, and a list of one text part; null, and nothing."""
    match message.get("content"):
        case [{"type": "text", "text": text}]:
            message = {**message, "content": text}
    return {field: value for field, value in message.items() if value is not None}


def _camel(value: Any, within: str = "") -> Any:
    if isinstance(value, list):
        return [_camel(inner, within) for inner in value]
    if not isinstance(value, dict) or within in _FREE:
        return value
    names = {field: re.sub(r"_([a-z])", lambda match: match[1].upper(), field) for field in value}
    return {names[field]: _camel(inner, names[field]) for field, inner in value.items()}


def told(found: Interaction, target: str) -> list[ir.Named] | Any:
    """The body for another vendor, or why it cannot be said."""
    dialect, provider, model, _ = TARGETS[target]
    writer, upstream = DIALECTS[dialect], upstream_of(dialect, provider, model)
    try:
        fitted = fit(DIALECTS[found.dialect or ""].read_request(json.dumps(found.asked).encode()), upstream)
    except ir.Invalid as error:
        failure = error.failure
        return [ir.Named(failure.param or "", failure.message, "contract")]
    named = [*fitted.named, *writer.refuses(fitted.request, upstream)]
    refused = [one for one in named if one.kind == "contract"]
    if refused:
        return refused
    needs = {need: ir.Media("image", data="QQ==", media_type="image/png") for need in writer.needs(fitted.request, upstream)}
    context = msgspec.structs.replace(CONTEXT, fetched=needs)
    return json.loads(writer.write_request(fitted.request, upstream, context).body)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("found", REQUESTS, ids=name)
def test_a_recorded_request_is_told_to_others_in_their_types_or_refused_by_name(found: Interaction, target: str) -> None:
    body = told(found, target)
    if isinstance(body, list):
        assert body
        assert all(named.name and named.why for named in body)
    elif found.dialect != TARGETS[target][0]:
        TARGETS[target][3](body)


MOST_REFUSED = 0.25
"""Of all recorded requests; vendors' own tools are a large part of the recordings."""


@pytest.mark.parametrize("target", TARGETS)
def test_most_recorded_requests_can_be_told_to_others(target: str) -> None:
    foreign = [found for found in REQUESTS if found.dialect != TARGETS[target][0]]
    refused = [found.name for found in foreign if isinstance(told(found, target), list)]
    assert len(refused) <= MOST_REFUSED * len(foreign)
