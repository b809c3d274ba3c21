"""Provider rows and model families: what is true of which model, by parsed version."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.families import NEWEST, parse
from adapters.providers import PROVIDERS, capabilities, speaks


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("gpt-5", (5, 0)),
        ("gpt-5-2025-08-07", (5, 0)),
        ("gpt-5.4-mini-2026-03-05", (5, 4)),
        ("gpt-4o-2024-05-13", (4, 0)),
        ("ft:gpt-4.1:acme:x:1", (4, 1)),
        ("gpt-6-astra", (6, 0)),
        ("claude-opus-4-20250514", (4, 0)),
        ("claude-opus-4-5-20251101", (4, 5)),
        ("claude-3-5-sonnet-latest", (3, 5)),
        ("claude-sonnet-4-5@20250929", (4, 5)),
        ("models/gemini-2.5-flash-lite-preview-09-2025", (2, 5)),
        ("gemini-flash-latest", NEWEST),
        ("claude-next", NEWEST),
    ],
)
def test_versions_are_parsed(model: str, version: tuple[int, int]) -> None:
    assert parse(model)[0] == version


@pytest.mark.parametrize("model", ["gpt-5", "gpt-5.6", "gpt-6-astra", "gpt-7", "gpt-10.3-nova", "o3", "o4-mini"])
def test_g81_reasoning_models_take_no_sampling_and_no_stop(model: str) -> None:
    can = capabilities("openai", model)
    assert can.max_tokens_field == "max_completion_tokens"
    assert (can.sampling, can.penalties, can.max_stop, can.thinking) == (False, False, 0, "effort")
    assert "high" in can.efforts


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4.1-mini", "gpt-4", "gpt-3.5-turbo", "gpt-5-chat-latest"])
def test_models_that_do_not_reason_take_sampling(model: str) -> None:
    can = capabilities("openai", model)
    assert (can.sampling, can.thinking, can.efforts) == (True, "none", ())


@pytest.mark.parametrize(
    ("model", "refused"),
    [("gpt-5.3", False), ("gpt-5.4", True), ("gpt-5.6-sol", True), ("gpt-6.1-terra", True), ("gpt-8", True)],
)
def test_g31_chat_refuses_tools_with_effort_from_5_4(model: str, refused: bool) -> None:
    assert capabilities("openai", model).chat_tools_with_effort is not refused


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("gpt-5", ("minimal", "low", "medium", "high")),
        ("gpt-5.1", ("none", "low", "medium", "high")),
        ("gpt-5.4", ("none", "low", "medium", "high", "xhigh")),
        ("gpt-6-astra", ("low", "medium", "high", "xhigh", "max")),
        ("gpt-6.1-sol", ("low", "medium", "high", "xhigh")),
        ("gpt-5-pro", ("high",)),
    ],
)
def test_openai_efforts(model: str, efforts: tuple[str, ...]) -> None:
    assert capabilities("openai", model).efforts == efforts


def test_gpt_4_turbo_sees_and_gpt_4_does_not() -> None:
    assert not capabilities("openai", "gpt-4-0613").images
    assert capabilities("openai", "gpt-4-turbo").images
    assert capabilities("openai", "gpt-4o").json_schema


@pytest.mark.parametrize("model", ["gpt-5-pro", "gpt-5.1-codex-max", "o3-deep-research", "o1-pro", "gpt-6-cyber"])
def test_some_models_are_served_at_responses_alone(model: str) -> None:
    assert speaks("openai", model) == ("openai_responses",)


def test_other_openai_models_speak_both() -> None:
    assert speaks("openai", "gpt-5.6") == ("openai_chat", "openai_responses")
    assert speaks("vllm", "acme/deepseek-pro") == ("openai_chat",)


CLAUDE: list[tuple[str, dict[str, Any]]] = [
    ("claude-3-5-sonnet-20241022", {"thinking": "none", "sampling": True, "default_max_output": 8192}),
    ("claude-3-7-sonnet-latest", {"thinking": "budget", "json_schema": False}),
    ("claude-opus-4-1-20250805", {"thinking": "budget", "sampling": True, "max_output": 32_000}),
    ("claude-haiku-4-5", {"thinking": "budget", "sampling": True, "json_schema": True, "prefill": True}),
    ("claude-sonnet-4-6", {"thinking": "adaptive", "sampling": True, "budgets": {}, "prefill": True}),
    ("claude-opus-4-7", {"thinking": "adaptive", "sampling": False, "mid_system": False, "prefill": False}),
    ("claude-opus-4-8", {"mid_system": True, "forced_tools": True, "can_disable_thinking": True}),
    ("claude-opus-5", {"thinking": "adaptive", "can_disable_thinking": True, "forced_tools": True}),
    ("claude-opus-5-5", {"thinking": "always", "can_disable_thinking": False, "forced_tools": False}),
    ("claude-opus-7", {"thinking": "always", "sampling": False, "mid_system": True}),
    ("claude-fable-5", {"thinking": "always", "forced_tools": False}),
    ("claude-mythos-preview", {"thinking": "always", "forced_tools": False}),
    ("claude-sonnet-5", {"thinking": "adaptive", "sampling": False, "mid_system": False, "forced_tools": True}),
]


@pytest.mark.parametrize(("model", "wanted"), CLAUDE)
def test_claude_by_version(model: str, wanted: dict[str, Any]) -> None:
    can = capabilities("anthropic", model)
    assert {name: getattr(can, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("models", "tokens"),
    [
        ("claude-3-opus-20240229 claude-opus-4-1 claude-opus-4-8 claude-3-7-sonnet-latest claude-sonnet-4-6", 1024),
        ("claude-sonnet-5", 1024),
        ("claude-3-haiku-20240307 claude-3-5-haiku-latest claude-opus-4-7", 2048),
        ("claude-haiku-4-5 claude-opus-4-5-20251101 claude-opus-4-6", 4096),
        ("claude-opus-5 claude-opus-5-5 claude-sonnet-5-5 claude-haiku-5-5 claude-fable-5 claude-opus-9", 512),
    ],
)
def test_how_long_a_prompt_must_be_to_be_kept(models: str, tokens: int) -> None:
    assert {model: capabilities("anthropic", model).cache_minimum for model in models.split()} == dict.fromkeys(
        models.split(), tokens
    )


def test_breakpoints_are_set_for_anthropic_alone() -> None:
    assert {name for name, row in PROVIDERS.items() if row.prompt_cache} == {"anthropic"}
    assert capabilities("openai", "gpt-5.6").cache_minimum is None


@pytest.mark.parametrize(
    ("model", "off"),
    [
        ("claude-sonnet-4-6", (True, False, None, True)),
        ("claude-haiku-4-5", (True, False, None, False)),
        ("claude-opus-4-8", (True, False, None, True)),
        ("claude-opus-5", (True, False, "high", True)),
        ("claude-haiku-5-5", (True, False, "high", True)),
        ("claude-sonnet-5", (True, False, None, True)),
        ("claude-sonnet-5-5", (True, True, None, True)),
        ("claude-sonnet-6", (True, True, None, True)),
        ("claude-opus-5-5", (False, False, "high", True)),
    ],
)
def test_how_claude_stops_thinking(model: str, off: tuple[Any, ...]) -> None:
    can = capabilities("anthropic", model)
    assert (can.can_disable_thinking, can.between_tools, can.off_effort, can.forced_with_thinking) == off


def test_small_reasoning_models_see_nothing() -> None:
    assert not capabilities("openai", "o3-mini-2025-01-31").images
    assert capabilities("openai", "o4-mini").images
    assert capabilities("openai", "o3").images


@pytest.mark.parametrize("model", [m for m, _ in CLAUDE[1:]])
def test_g49_the_default_limit_is_large_where_the_model_allows(model: str) -> None:
    can = capabilities("anthropic", model)
    assert can.default_max_output is not None
    assert can.max_output is not None
    assert 16_000 <= can.default_max_output <= can.max_output


@pytest.mark.parametrize(
    ("model", "thinking", "efforts", "off"),
    [
        ("gemini-2.0-flash", "none", (), True),
        ("gemini-2.5-flash", "budget", ("none", "minimal", "low", "medium", "high"), True),
        ("gemini-2.5-pro", "budget", ("minimal", "low", "medium", "high", "xhigh"), False),
        ("gemini-3-pro-preview", "level", ("low", "high"), False),
        ("gemini-3.1-pro", "level", ("low", "medium", "high"), False),
        ("gemini-3-flash-preview", "level", ("minimal", "low", "medium", "high"), False),
        ("gemini-3.8-flash", "level", ("low", "medium", "high"), False),
        ("gemini-4-argon", "level", ("low", "medium", "high"), False),
    ],
)
def test_gemini_by_version(model: str, thinking: str, efforts: tuple[str, ...], off: bool) -> None:
    can = capabilities("google", model)
    assert (can.thinking, can.efforts, can.can_disable_thinking) == (thinking, efforts, off)


def test_budgets_name_exactly_the_efforts() -> None:
    for provider, model in [
        ("anthropic", "claude-sonnet-4-5"),
        ("google", "gemini-2.5-pro"),
        ("google", "gemini-2.5-flash"),
    ]:
        can = capabilities(provider, model)
        assert set(can.budgets) == set(can.efforts)


def test_local_servers_differ_as_recorded() -> None:
    assert capabilities("vllm", "qwen").reasoning_field == "reasoning"
    assert capabilities("llama_cpp", "qwen").reasoning_field == "reasoning_content"
    ollama = capabilities("ollama", "llama3.1")
    assert (ollama.image_urls, ollama.logit_bias, ollama.choices, ollama.thinking) == (False, False, False, "none")
    assert capabilities("ollama", "qwen3:8b").thinking == "effort"
    assert capabilities("vllm", "openai/gpt-oss-120b").efforts == ("low", "medium", "high")
    assert not capabilities("vllm", "openai/gpt-oss-120b").logprobs


def test_transformers_promises_only_what_it_keeps() -> None:
    """Measured by tests/real: the rest it takes and passes over in silence, or refuses (top_k)."""
    can = capabilities("transformers", "tiny")
    broken = (can.forced_tools, can.json_schema, can.json_object, can.logprobs, can.choices, can.images, can.audio)
    assert not any((*broken, can.top_k, can.penalties, can.parallel_tools, can.strict_tools))
    assert (can.tools, can.seed, can.logit_bias, can.max_stop) == (True, True, True, None)


def test_g50_local_servers_are_told_max_tokens() -> None:
    for name, row in PROVIDERS.items():
        if row.local:
            assert capabilities(name, "any").max_tokens_field == "max_tokens"
            assert capabilities(name, "any").one_system


def test_families_do_not_reach_other_providers() -> None:
    assert capabilities("openai_compatible", "gpt-5.6").sampling
    assert capabilities("vllm", "claude-distill").sampling


def test_rows_are_whole() -> None:
    wanted = "openai anthropic google vllm ollama llama_cpp lm_studio tgi transformers localai text_generation_webui"
    assert set(wanted.split()) | {"openai_compatible"} == set(PROVIDERS)
    assert {name for name, row in PROVIDERS.items() if row.wire == "exact"} == {"openai", "anthropic", "google"}
    for row in PROVIDERS.values():
        assert row.dialect == row.speaks[0]
        assert row.base_url is None or row.base_url.endswith(row.version)


def test_what_each_vendor_enforces_of_a_format() -> None:
    def enforced(provider: str, model: str) -> tuple[bool, bool, bool, bool, bool]:
        can = capabilities(provider, model)
        return can.json_schema, can.json_object, can.json_with_tools, can.recursive_schemas, can.open_schemas

    assert enforced("openai", "gpt-5.6") == (True, True, True, True, True)
    assert enforced("openai", "gpt-4")[:2] == (False, True)
    assert enforced("anthropic", "claude-sonnet-5") == (True, False, True, False, False)
    assert enforced("anthropic", "claude-sonnet-4-0")[0] is False
    assert enforced("google", "gemini-2.5-pro") == (True, True, False, False, True)
    assert enforced("google", "gemini-3.1-pro") == (True, True, True, False, True)
    assert enforced("google", "gemini-9")[2] is True
    for server in ("vllm", "ollama", "llama_cpp", "lm_studio"):
        assert enforced(server, "m") == (True, True, True, True, True)
