"""Every recorded request: written back as it was to its own vendor, and told to the others in their own SDK's types."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from cassettes import Interaction, in_scope
from excluded import listed
from playing import name
from recordings import SHARED
from vendor_targets import CONTEXT, TARGETS, Target, refusal, told, upstream_of, without

from adapters import ir
from adapters.catalog import DIALECTS
from adapters.fitting import fit

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
REQUESTS = [found for found in in_scope() if found.name not in listed("requests")]
_FREE = {"args", "response", "parametersJsonSchema", "responseJsonSchema", "parameters", "labels", "responseSchema"}
"""Google's fields whose names within are the client's own."""
_HOSTS_OWN = {"preset", "clear_thinking", "reasoning_format", "service_tier"}
"""What OpenAI-compatible hosts take besides, or in other words: carried within the family (decision D11)."""
MOST_REFUSED = 1 / 3
"""Of all recorded requests: nearly all of these offer tools that their vendor runs itself."""


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


def asked_of(found: Interaction, target: Target) -> ir.UpstreamRequest | list[ir.Named]:
    """What another vendor is sent, or why it cannot be told."""
    try:
        request = DIALECTS[found.dialect or ""].read_request(json.dumps(found.asked).encode())
    except ir.Invalid as error:
        return [ir.Named(error.failure.param or "", error.failure.message, "contract")]
    return told(request, target)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("found", REQUESTS, ids=name)
def test_a_recorded_request_is_told_to_others_in_their_types_or_refused_by_name(
    found: Interaction, target: Target
) -> None:
    sent = asked_of(found, target)
    if isinstance(sent, list):
        assert sent
        assert all(named.name and named.why for named in sent)
    elif found.dialect != target.dialect:
        same_family = (target.dialect, found.dialect) == ("openai_responses", "openai_chat")
        body = without(json.loads(sent.body), _HOSTS_OWN if same_family else set())
        target.check(body)
        assert found.counts or refusal(msgspec.structs.replace(sent, body=json.dumps(body).encode()), target) is None


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_most_recorded_requests_can_be_told_to_others(target: Target) -> None:
    foreign = [found for found in REQUESTS if found.dialect != target.dialect]
    refused = [found.name for found in foreign if isinstance(asked_of(found, target), list)]
    assert len(refused) <= MOST_REFUSED * len(foreign)
