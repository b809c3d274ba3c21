"""Whatever OpenAI's published specification allows to be sent is never answered with a 5xx, and every answer fits it.

The bodies are made by schemathesis from the specification of the reference folder: such as fit it and such as do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from checker import parse_sse
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from live import Live, demo_config, demo_upstream
from schemathesis import GenerationMode

OPERATIONS = {"chat": "/chat/completions", "responses": "/responses"}
ALIASES = ("to-local", "to-chat", "to-openai", "to-claude", "to-gemini", "auto", "no-such-model")
EXAMPLES = 60
"""Per operation and mode."""
RULES = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.fixture(scope="module")
def spec(shared: Path) -> Any:
    """OpenAI's specification."""
    return schemathesis.openapi.from_path(shared / "data" / "specs" / "openai-openapi.yaml")


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with demo_upstream() as url, Live(demo_config(url)) as one:
        yield one


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=30, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfit"])
@pytest.mark.parametrize("api", OPERATIONS)
def test_no_body_is_answered_with_a_5xx_and_every_answer_fits(
    spec: Any, live: Live, http: httpx2.Client, api: str, mode: GenerationMode
) -> None:
    path = OPERATIONS[api]
    operation = spec[path]["POST"]
    fits, fits_error = _validator(spec.raw_schema, path), _error(spec.raw_schema)
    seen: set[int] = set()

    @given(case=operation.as_strategy(generation_mode=mode), alias=st.sampled_from(ALIASES))
    @RULES
    def ask(case: Any, alias: str) -> None:
        body = case.body
        if isinstance(body, dict) and isinstance(body.get("model"), str):
            body = {**body, "model": alias}
        try:
            got = http.post(live.base_url + path, json=body)
        except (TypeError, ValueError):
            return  # not JSON at all: nobody could have sent it
        seen.add(got.status_code)
        assert got.status_code < 500, (body, got.text)
        if got.status_code != 200:
            fits_error.validate(got.json())
        elif got.headers["content-type"].startswith("text/event-stream"):
            assert parse_sse(got.content, done=b"[DONE]" in got.content)
        else:
            fits.validate(got.json())

    ask()
    assert 400 in seen


def _validator(spec: Any, path: str) -> Draft202012Validator:
    """Of a whole answer."""
    answer = spec["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    return Draft202012Validator({**answer, "components": spec["components"]})


def _error(spec: Any) -> Draft202012Validator:
    """Of an error: all four fields must be there."""
    return Draft202012Validator({"$ref": "#/components/schemas/ErrorResponse", "components": spec["components"]})
