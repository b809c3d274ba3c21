"""Limits, sampling, the shape of the answer and thinking, as Gemini is told them."""

from typing import Any

import pytest
from gemini_questions import CONTEXT, NEW, WEATHER, ask, generation, upstream, written

from adapters import ir
from adapters.google_gemini import DIALECT


def test_every_parameter_has_its_field() -> None:
    request = ask(
        max_output_tokens=5,
        temperature=0.2,
        top_p=0.9,
        top_k=4,
        stop=("a", ""),
        seed=1,
        presence_penalty=0.1,
        frequency_penalty=0.3,
        n=2,
        logprobs=True,
        top_logprobs=3,
        service_tier="default",
    )
    body = written(request)
    assert body["serviceTier"] == "standard"
    assert body["generationConfig"] == {
        "maxOutputTokens": 5,
        "temperature": 0.2,
        "topP": 0.9,
        "topK": 4,
        "stopSequences": ["a"],
        "seed": 1,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.3,
        "candidateCount": 2,
        "responseLogprobs": True,
        "logprobs": 3,
    }


def test_what_a_model_does_not_take_is_left_out() -> None:
    bare = ir.Capabilities(sampling=False, penalties=False, seed=False, max_output=100)
    request = ask(temperature=1.0, top_p=1.0, top_k=1, presence_penalty=1.0, seed=1, n=1, max_output_tokens=200)
    assert generation(request, upstream(bare)) == {"maxOutputTokens": 100}
    assert generation(ask(temperature=3.0)) == {"temperature": 2.0}
    assert generation(ask(), upstream(ir.Capabilities(default_max_output=7))) == {"maxOutputTokens": 7}


SHAPE = ir.Format("json_schema", "answer", {"type": "object", "additionalProperties": False}, True)


def test_shapes_are_native() -> None:
    native = {"responseMimeType": "application/json", "responseJsonSchema": SHAPE.schema}
    assert generation(ask(format=SHAPE)) == native
    assert generation(ask(format=ir.Format("json_object"))) == {"responseMimeType": "application/json"}
    assert generation(ask(format=ir.Format("text"))) == {}
    assert generation(ask(format=SHAPE, tools=(WEATHER,)), upstream(NEW)) == native


# --- thinking ------------------------------------------------------------------------------------------------------

SHOWN = {"reasoning_summary": "auto"}


@pytest.mark.parametrize(
    ("fields", "config", "effort"),
    [
        ({}, None, None),
        ({"effort": "low", **SHOWN}, {"thinkingBudget": 1024, "includeThoughts": True}, "low"),
        ({"effort": "low"}, {"thinkingBudget": 1024}, "low"),
        ({"effort": "none"}, {"thinkingBudget": 0}, "none"),
        ({"effort": "none", "reasoning_summary": "auto"}, {"thinkingBudget": 0}, "none"),
        ({"effort": "xhigh", **SHOWN}, {"thinkingBudget": 24_576, "includeThoughts": True}, "high"),
        ({"effort": "strange", **SHOWN}, {"thinkingBudget": 8192, "includeThoughts": True}, "medium"),
        ({"reasoning_summary": "auto"}, {"includeThoughts": True}, None),
        ({"thinking_budget": 99_999}, {"thinkingBudget": 24_576}, "high"),
        ({"thinking_budget": -1}, {"thinkingBudget": -1}, "medium"),
    ],
)
def test_thinking_by_budget(fields: dict[str, Any], config: Any, effort: str | None) -> None:
    assert generation(ask(**fields)).get("thinkingConfig") == config
    assert DIALECT.write_request(ask(**fields), upstream(), CONTEXT).effort == effort


@pytest.mark.parametrize(
    ("fields", "config", "effort"),
    [
        ({"effort": "medium", **SHOWN}, {"thinkingLevel": "MEDIUM", "includeThoughts": True}, "medium"),
        ({"effort": "max", **SHOWN}, {"thinkingLevel": "HIGH", "includeThoughts": True}, "high"),
        ({"effort": "none"}, {"thinkingLevel": "MINIMAL"}, "minimal"),
        ({"thinking_budget": 9000}, {"thinkingLevel": "MEDIUM"}, "medium"),
    ],
)
def test_thinking_by_level(fields: dict[str, Any], config: Any, effort: str) -> None:
    assert generation(ask(**fields), upstream(NEW)).get("thinkingConfig") == config
    assert DIALECT.write_request(ask(**fields), upstream(NEW), CONTEXT).effort == effort


def test_models_that_always_think_get_their_smallest_budget() -> None:
    always = ir.Capabilities(thinking="budget", budgets={"low": 1024, "high": 9000}, can_disable_thinking=False)
    assert generation(ask(effort="none"), upstream(always))["thinkingConfig"] == {"thinkingBudget": 1024}
    assert generation(ask(thinking_budget=0), upstream(always))["thinkingConfig"] == {"thinkingBudget": 1024}


def test_models_that_do_not_think_are_asked_nothing() -> None:
    assert generation(ask(effort="high"), upstream(ir.Capabilities())) == {}
