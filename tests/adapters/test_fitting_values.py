"""Values that one vendor knows are told to another in its own words."""

from __future__ import annotations

import msgspec
import pytest

from adapters import ir
from adapters.fitting import values

CLAUDE = ir.Request(model="m", messages=(), family="anthropic", service_tier="standard_only", user="u" * 65)
GPT = ir.Upstream(provider="openai", dialect="openai_responses", model="m", family="openai")
GPT_CHAT = ir.Upstream(provider="openai", dialect="openai_chat", model="m", family="openai", wire="exact")
OWN = ir.Upstream(provider="anthropic", dialect="anthropic_messages", model="m", family="anthropic")
GEMINI = ir.Upstream(provider="google", dialect="google_gemini", model="m", family="google")


def test_the_vendors_own_backend_gets_them_as_they_are() -> None:
    assert values.fit(CLAUDE, OWN).request is CLAUDE


def test_tier_and_user_are_said_in_openais_words() -> None:
    fitted = values.fit(CLAUDE, GPT)
    assert fitted.request.service_tier == "default"
    assert len(fitted.request.user or "") == 64
    assert fitted.request.user != values.fit(msgspec.structs.replace(CLAUDE, user="v" * 65), GPT).request.user
    assert [(named.name, named.kind) for named in fitted.named] == [("user", "tuning")]


@pytest.mark.parametrize("user", [None, "", "u" * 64])
def test_a_user_that_fits_is_unchanged(user: str | None) -> None:
    fitted = values.fit(msgspec.structs.replace(CLAUDE, user=user), GPT)
    assert (fitted.request.user, fitted.named) == (user, ())


def test_only_openai_bounds_the_user() -> None:
    assert values.fit(CLAUDE, GEMINI).request.user == "u" * 65


def test_a_prewarm_is_another_vendors_contract() -> None:
    asked = msgspec.structs.replace(CLAUDE, user=None, max_output_tokens=0)
    assert [(named.name, named.kind) for named in values.fit(asked, GEMINI).named] == [("max_tokens", "contract")]
    assert values.fit(asked, OWN).named == ()


@pytest.mark.parametrize("upstream", [OWN, GEMINI])
def test_what_this_proxy_keeps_itself_is_asked_of_nobody(upstream: ir.Upstream) -> None:
    asked = ir.Request(model="m", messages=(), family="openai", dialect="openai_responses")
    for store in (True, False):
        assert values.fit(msgspec.structs.replace(asked, store=store), upstream).request.store is None


@pytest.mark.parametrize("upstream", [GPT, GPT_CHAT])
@pytest.mark.parametrize("store", [True, False])
def test_openai_keeps_turns_too_and_is_told(upstream: ir.Upstream, store: bool) -> None:
    asked = ir.Request(model="m", messages=(), family="openai", dialect="openai_responses", store=store)
    assert values.fit(asked, upstream).request is asked


def test_a_chat_clients_wish_to_keep_nothing_is_met_by_whoever_keeps_nothing() -> None:
    asked = ir.Request(model="m", messages=(), family="openai", dialect="openai_chat", store=True)
    assert values.fit(asked, GEMINI).request is asked
    assert values.fit(msgspec.structs.replace(asked, store=False), GEMINI).request.store is None
