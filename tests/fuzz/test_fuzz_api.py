"""schemathesis over our own OpenAPI document, admin routes included: nothing but what the document says may come back.

Some twenty seconds in CI, always the same; ``TURNOUT_FUZZ_SECONDS`` goes on for so long, with new questions each time.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from callers import ADMIN, KEY
from hypothesis import HealthCheck, Phase, given, seed, settings
from live import Live, demo_config, demo_upstream
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from proxy.openapi import document

SECONDS = float(os.environ.get("TURNOUT_FUZZ_SECONDS", "0"))
EXAMPLES = 8
"""Of each operation and mode, in CI."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = {operation.ok().label: operation.ok() for operation in SCHEMA.get_all_operations()}


def _has_input(label: str) -> bool:
    """Nothing can be asked wrongly of what takes nothing, or any text as a part of its path."""
    method, path = label.split(" ")
    operation = document()["paths"][path][method.lower()]
    return "requestBody" in operation or any(each["in"] == "query" for each in operation["parameters"])


CASES = [
    pytest.param(label, mode, id=f"{label} {mode.value}")
    for label in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or _has_input(label)
]


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """The demo behind it: whatever is well asked is answered."""
    more = f"server: {{admin_key: {ADMIN}}}\nkeys: [{{name: me, secret: {KEY}}}]"
    with demo_upstream() as url, Live(demo_config(url, more)) as made:
        yield made


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


def models(case: Any) -> None:
    """Half of the questions go to a model that there is, so that more than the door is met."""
    if isinstance(case.body, dict) and isinstance(case.body.get("model"), str) and len(case.body["model"]) % 2:
        case.body["model"] = "backend/local" if len(case.body) % 2 else "backend/claude"


def ask(label: str, mode: GenerationMode, live: Live, session: requests.Session, number: int, examples: int) -> None:
    operation = OPERATIONS[label]
    key = ADMIN if "/admin/" in label else KEY

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        models(case)
        headers = {"authorization": f"Bearer {key}"}
        response = case.call(base_url=live.url, session=session, headers=headers, timeout=30)
        case.validate_response(response, checks=CHECKS)

    run()


@pytest.mark.parametrize(("label", "mode"), CASES)
def test_every_answer_is_one_that_the_document_knows(
    live: Live, session: requests.Session, label: str, mode: GenerationMode
) -> None:
    ends = time.monotonic() + SECONDS / len(CASES)
    ask(label, mode, live, session, 0, EXAMPLES)
    asked = EXAMPLES
    for number in itertools.count(1):
        if time.monotonic() > ends:
            break
        ask(label, mode, live, session, number, 50)
        asked += 50
    print(f"{label} {mode.value}: {asked} questions")
    assert "crashed" not in live.log()
