"""Recorded counts of tokens: the question asked again as it was, and the count told to the clients that may ask for it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from anthropic.types import MessageTokensCount
from cassettes import Interaction, in_scope
from excluded import listed
from openai.types.responses import InputTokenCountResponse
from playing import echo, name
from recordings import SHARED
from test_golden_requests import own_upstream, spelt_alike
from vendor_targets import CONTEXT, upstream_of

from adapters import ir
from adapters.catalog import DIALECTS
from adapters.counting import ENDPOINTS, Counter
from adapters.fitting import fit

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
QUESTIONS = [found for found in in_scope() if found.counts and found.name not in listed("requests")]
COUNTS = [found for found in in_scope() if found.counts and found.status == 200]
_ENDPOINTS = {"anthropic_messages": "messages", "openai_responses": "responses", "google_gemini": "gemini"}
CLIENTS: dict[str, Any] = {"messages": MessageTokensCount, "responses": InputTokenCountResponse}
"""Who may ask us for a count, and what the SDK takes for the answer."""


def counter(endpoint: str) -> Counter:
    return Counter(DIALECTS[ENDPOINTS[endpoint].dialect], ENDPOINTS[endpoint])


def test_every_dialect_that_counts_was_recorded() -> None:
    assert {found.dialect for found in COUNTS} == set(_ENDPOINTS)


@pytest.mark.parametrize("found", QUESTIONS, ids=name)
def test_a_recorded_question_for_a_count_is_asked_again_field_by_field(found: Interaction) -> None:
    ours = counter(_ENDPOINTS[found.dialect or ""])
    request = ours.read_request(json.dumps(found.asked).encode())
    sent = ours.write_request(request, own_upstream(found), CONTEXT)
    assert urlsplit(found.told["request"]["uri"]).path.endswith(sent.path.lstrip("/"))
    assert spelt_alike(found, unwrapped(json.loads(sent.body))) == spelt_alike(found, found.asked)


def unwrapped(body: Any) -> Any:
    """Google's question holds a whole generate request, or only its contents, which say the same."""
    return body.get("generateContentRequest", body)


@pytest.mark.parametrize("api", CLIENTS)
@pytest.mark.parametrize("found", COUNTS, ids=name)
def test_a_recorded_count_reaches_every_client_that_may_ask_for_it(found: Interaction, api: str) -> None:
    source = ENDPOINTS[_ENDPOINTS[found.dialect or ""]]
    count = json.loads(found.body)[source.count]
    reply = ir.collect(counter(_ENDPOINTS[found.dialect or ""]).read_response(found.body))
    assert reply.usage == ir.Usage(input=count)
    body = counter(api).write_response(reply, echo(stream=False))
    CLIENTS[api].model_validate_json(body, strict=True)
    assert json.loads(body)["input_tokens"] == count


@pytest.mark.parametrize("endpoint", _ENDPOINTS.values())
@pytest.mark.parametrize("found", QUESTIONS, ids=name)
def test_a_question_for_a_count_asks_nothing_that_the_other_vendor_does_not_take(
    found: Interaction, endpoint: str
) -> None:
    ours = counter(endpoint)
    provider, model = {"messages": ("anthropic", "claude-opus-4-6"), "responses": ("openai", "gpt-5.6")}.get(
        endpoint, ("google", "gemini-3.1-pro")
    )
    upstream = upstream_of(ours.dialect.name, provider, model)
    fitted = fit(DIALECTS[found.dialect or ""].read_request(json.dumps(found.asked).encode()), upstream)
    if any(named.kind == "contract" for named in (*fitted.named, *ours.refuses(fitted.request, upstream))):
        return
    if ours.needs(fitted.request, upstream):
        return
    body = json.loads(ours.write_request(fitted.request, upstream, CONTEXT).body)
    if ours.endpoint.fields:
        assert body.keys() <= ours.endpoint.fields
