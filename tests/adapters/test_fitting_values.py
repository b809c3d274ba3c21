"""Values that one vendor knows are told to another in its own words."""

from __future__ import annotations

import msgspec
import pytest

from adapters import ir
from adapters.fitting import values

CLAUDE = ir.Request(model="m", messages=(), family="anthropic", service_tier="standard_only", user="u" * 65)
GPT = ir.Upstream(provider="openai", dialect="openai_responses", model="m", family="openai")
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
