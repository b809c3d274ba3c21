"""Protocol.md 3.1, row by row: what each client's parameter becomes at each backend, or under which name it stays."""

from typing import Any

import pytest
from reference_kit import BACKENDS, CHAT, MESSAGES, RESPONSES, Json, backend, told

from adapters import ir

CLAUDES, GEMINIS = ("claude", "claude 4.6", "opus 5.5"), ("gemini 2.5", "gemini")
CHATS, LOCALS = ("vllm", "ollama", "llama.cpp"), ("vllm", "ollama", "llama.cpp", "lm studio")
FOREIGN = (*CLAUDES, *GEMINIS)
OTHERS = (*FOREIGN, *LOCALS)

SAID: list[tuple[str, Json, dict[str, tuple[str, Any]]]] = [
    # client, fields, backend -> (where it is told, as what)
    (CHAT, {"max_tokens": 70}, {
        "gpt-4.1": ("max_completion_tokens", 70), "gpt-5.6": ("max_output_tokens", 70), "claude": ("max_tokens", 70),
        "gemini": ("generationConfig.maxOutputTokens", 70), "vllm": ("max_tokens", 70), "lm studio": ("max_output_tokens", 70)}),
    (RESPONSES, {"max_output_tokens": 70}, {
        "gpt-4.1": ("max_completion_tokens", 70), "claude": ("max_tokens", 70), "ollama": ("max_tokens", 70)}),
    (MESSAGES, {"max_tokens": 70}, {
        "gpt-4.1": ("max_completion_tokens", 70), "gpt-5.6": ("max_output_tokens", 70),
        "gemini 2.5": ("generationConfig.maxOutputTokens", 70)}),
    (CHAT, {"temperature": 1.7}, {
        "claude 4.6": ("temperature", 1.0), "claude": ("temperature", None), "gemini": ("generationConfig.temperature", 1.7),
        "vllm": ("temperature", 1.7), "gpt-4.1 on responses": ("temperature", 1.7), "gpt-5.6": ("temperature", None)}),
    (CHAT, {"top_p": 0.5}, {"claude 4.6": ("top_p", 0.5), "claude": ("top_p", None), "gemini": ("generationConfig.topP", 0.5)}),
    (MESSAGES, {"top_k": 5}, {
        "gemini": ("generationConfig.topK", 5), "vllm": ("top_k", 5), "gpt-4.1": ("top_k", None), "gpt-5.6": ("top_k", None)}),
    (CHAT, {"stop": ["a", "b"]}, {
        "claude": ("stop_sequences", ["a", "b"]), "gemini": ("generationConfig.stopSequences", ["a", "b"]),
        "llama.cpp": ("stop", ["a", "b"])}),
    (MESSAGES, {"stop_sequences": ["a"]}, {"gpt-4.1": ("stop", ["a"]), "gemini": ("generationConfig.stopSequences", ["a"])}),
    (CHAT, {"n": 2}, {"gemini": ("generationConfig.candidateCount", 2), "vllm": ("n", 2)}),
    (CHAT, {"seed": 1}, {"gemini": ("generationConfig.seed", 1), "vllm": ("seed", 1)}),
    (CHAT, {"logprobs": True, "top_logprobs": 3}, {
        "gemini": ("generationConfig.logprobs", 3), "gpt-4.1 on responses": ("include", ["message.output_text.logprobs"]),
        "vllm": ("top_logprobs", 3)}),
    (RESPONSES, {"top_logprobs": 3, "include": ["message.output_text.logprobs"]}, {
        "gpt-4.1": ("logprobs", True), "gemini": ("generationConfig.responseLogprobs", True), "vllm": ("top_logprobs", 3)}),
    (RESPONSES, {"top_logprobs": 3}, {
        "gpt-4.1": ("logprobs", True), "gemini": ("generationConfig.logprobs", 3), "vllm": ("logprobs", True)}),
    (CHAT, {"top_logprobs": 3}, {"gemini": ("generationConfig.responseLogprobs", True), "llama.cpp": ("logprobs", True)}),
    (CHAT, {"presence_penalty": 0.5}, {"gemini 2.5": ("generationConfig.presencePenalty", 0.5), "vllm": ("presence_penalty", 0.5)}),
    (CHAT, {"verbosity": "low"}, {"gpt-5.6": ("text", {"verbosity": "low"})}),
    (RESPONSES, {"text": {"verbosity": "low"}}, {"gpt-5.6": ("text", {"verbosity": "low"})}),
    (CHAT, {"user": "u"}, {"claude": ("metadata", {"user_id": "u"}), "gpt-5.6": ("user", "u")}),
    (CHAT, {"safety_identifier": "s"}, {"claude": ("metadata", {"user_id": "s"})}),
    (MESSAGES, {"metadata": {"user_id": "u"}}, {"gpt-4.1": ("user", "u"), "gpt-5.6": ("user", "u")}),
    (CHAT, {"service_tier": "auto"}, {"claude": ("service_tier", "auto"), "gemini": ("serviceTier", None)}),
    (CHAT, {"service_tier": "default"}, {"claude": ("service_tier", "auto"), "gemini": ("serviceTier", "standard")}),
    (CHAT, {"service_tier": "flex"}, {"gemini": ("serviceTier", "flex"), "gpt-5.6": ("service_tier", "flex")}),
    (CHAT, {"service_tier": "priority"}, {"gemini": ("serviceTier", "priority")}),
    (MESSAGES, {"service_tier": "standard_only"}, {"gpt-4.1": ("service_tier", "default"), "gemini": ("serviceTier", "standard")}),
    (CHAT, {"metadata": {"a": "b"}}, {"gpt-5.6": ("metadata", {"a": "b"}), "lm studio": ("metadata", {"a": "b"})}),
    (CHAT, {"prompt_cache_key": "k"}, {"gpt-5.6": ("prompt_cache_key", "k")}),
    (RESPONSES, {"reasoning": {"effort": "low", "summary": "auto"}}, {
        "claude": ("thinking", {"type": "adaptive", "display": "summarized"}),
        "gemini": ("generationConfig.thinkingConfig", {"thinkingLevel": "LOW", "includeThoughts": True})}),
    (RESPONSES, {"reasoning": {"effort": "low"}}, {
        "claude": ("thinking", {"type": "adaptive", "display": "omitted"}), "opus 5.5": ("thinking", None),
        "gemini": ("generationConfig.thinkingConfig", {"thinkingLevel": "LOW"}),
        "gemini 2.5": ("generationConfig.thinkingConfig", {"thinkingBudget": 1024})}),
    (CHAT, {"reasoning_effort": "low"}, {
        "claude": ("thinking", {"type": "adaptive", "display": "summarized"}),
        "opus 5.5": ("thinking", {"type": "adaptive", "display": "summarized"}),
        "gemini": ("generationConfig.thinkingConfig", {"thinkingLevel": "LOW", "includeThoughts": True}),
        "gpt-5.6": ("reasoning", {"effort": "low"}), "vllm": ("reasoning_effort", "low")}),
    (MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000}, {
        "claude 4.6": ("thinking", {"type": "enabled", "budget_tokens": 2000}),
        "claude": ("thinking", {"type": "adaptive", "display": "summarized"}), "opus 5.5": ("output_config", {"effort": "low"}),
        "gemini 2.5": ("generationConfig.thinkingConfig", {"thinkingBudget": 2000, "includeThoughts": True}),
        "vllm": ("reasoning_effort", "low")}),
    (MESSAGES, {"thinking": {"type": "disabled"}}, {
        "opus 5.5": ("output_config", {"effort": "low"}), "claude": ("thinking", {"type": "disabled"}),
        "vllm": ("reasoning_effort", "none")}),
    (MESSAGES, {"output_config": {"effort": "xhigh", "task_budget": {"type": "tokens", "total": 9}}}, {
        "claude 4.6": ("output_config.effort", "high"), "claude": ("output_config.effort", "xhigh"),
        "opus 5.5": ("output_config.task_budget", {"type": "tokens", "total": 9})}),
    (RESPONSES, {"reasoning": {"effort": "low", "summary": "auto"}}, {"gpt-4.1 on responses": ("reasoning", None)}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("client", "fields", "to", "path", "value"),
    [(client, fields, to, *where) for client, fields, places in SAID for to, where in places.items()],
)
def test_what_is_said(client: str, fields: Json, to: str, path: str, value: Any) -> None:
    sent = told(client, fields, BACKENDS[to])
    assert sent.at(path) == value
    assert "contract" not in sent.named.values()


NAMED: list[tuple[str, Json, str, str, tuple[str, ...]]] = [
    # client, fields, the name, its kind, backends
    (CHAT, {"temperature": 0.5}, "temperature", "tuning", ("claude", "opus 5.5", "gpt-5.6")),
    (CHAT, {"top_k": 5}, "top_k", "tuning", ("gpt-4.1", "gpt-5.6", "claude", "lm studio")),
    (CHAT, {"stop": list("abcde")}, "stop", "contract", ("gpt-4.1", "gpt-4.1 on responses", "lm studio")),
    (CHAT, {"stop": list("abcdef")}, "stop", "contract", GEMINIS),
    (CHAT, {"stop": ["a", " "]}, "stop", "tuning", CLAUDES),
    (CHAT, {"n": 2}, "n", "contract", (*CLAUDES, "ollama", "llama.cpp", "lm studio", "gpt-5.6")),
    (CHAT, {"seed": 0}, "seed", "tuning", (*CLAUDES, "gpt-5.6", "lm studio")),
    (CHAT, {"logprobs": True}, "logprobs", "contract", (*CLAUDES, "gpt-5.6", "lm studio")),
    (CHAT, {"top_logprobs": 3}, "top_logprobs", "contract", (*CLAUDES, "gpt-5.6", "lm studio")),
    (RESPONSES, {"include": ["message.output_text.logprobs"]}, "logprobs", "contract", (*CLAUDES, "lm studio")),
    (CHAT, {"logit_bias": {"1": 2}}, "logit_bias", "contract", (*FOREIGN, "ollama", "lm studio", "gpt-5.6")),
    (CHAT, {"presence_penalty": 0.5}, "presence_penalty", "tuning", (*CLAUDES, "gemini", "gpt-5.6")),
    (CHAT, {"frequency_penalty": 0.5}, "frequency_penalty", "tuning", (*CLAUDES, "gemini", "gpt-5.6")),
    (CHAT, {"verbosity": "low"}, "verbosity", "tuning", (*OTHERS, "gpt-4.1")),
    (CHAT, {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}, "modalities", "contract",
     (*OTHERS, "gpt-5.6")),
    (CHAT, {"prediction": {"type": "content", "content": "x"}}, "prediction", "unknown", FOREIGN),
    (CHAT, {"prediction": {"type": "content", "content": "x"}}, "prediction", "tuning", ("gpt-5.6", "lm studio")),
    (CHAT, {"metadata": {"a": "b"}}, "metadata", "tuning", (*FOREIGN, *CHATS)),
    (CHAT, {"user": "u"}, "user", "tuning", (*GEMINIS, *CHATS)),
    (CHAT, {"safety_identifier": "s"}, "safety_identifier", "tuning", (*GEMINIS, *CHATS)),
    (CHAT, {"service_tier": "flex"}, "service_tier", "tuning", (*CLAUDES, *LOCALS)),
    (CHAT, {"service_tier": "fast"}, "service_tier", "tuning", OTHERS),
    (CHAT, {"store": True}, "store", "tuning", (*FOREIGN, *CHATS, "gpt-5.6")),
    (CHAT, {"prompt_cache_key": "k"}, "prompt_cache_key", "tuning", (*FOREIGN, *CHATS)),
    (CHAT, {"web_search_options": {}}, "web_search_options", "contract", (*FOREIGN, "gpt-5.6", "lm studio")),
    (CHAT, {"moderation": {"model": "m"}}, "moderation", "contract", FOREIGN),
    (CHAT, {"strange": 1}, "strange", "unknown", FOREIGN),
    (RESPONSES, {"strange": 1}, "strange", "unknown", FOREIGN),
    (MESSAGES, {"strange": 1}, "strange", "unknown", (*GEMINIS, *LOCALS, "gpt-4.1", "gpt-5.6")),
    (RESPONSES, {"max_tool_calls": 3}, "max_tool_calls", "contract", (*FOREIGN, *CHATS, "gpt-4.1")),
    (RESPONSES, {"prompt": {"id": "p"}}, "prompt", "contract", (*FOREIGN, *CHATS, "gpt-4.1")),
    (RESPONSES, {"conversation": "c"}, "conversation", "contract", (*FOREIGN, *CHATS, "gpt-4.1")),
    (RESPONSES, {"moderation": {"model": "m"}}, "moderation", "contract", (*FOREIGN, *CHATS)),
    (RESPONSES, {"access_programs": {"cyber": {}}}, "access_programs", "contract", (*FOREIGN, *CHATS, "gpt-4.1")),
    (RESPONSES, {"context_management": [{"type": "compaction"}]}, "context_management", "contract",
     (*FOREIGN, *CHATS, "gpt-4.1")),
    (RESPONSES, {"image": {"context_compression": True}}, "image", "contract", (*FOREIGN, *CHATS, "gpt-4.1")),
    (RESPONSES, {"truncation": "auto"}, "truncation", "unknown", (*FOREIGN, *CHATS)),
    (RESPONSES, {"reasoning": {"mode": "pro"}}, "reasoning", "unknown", (*FOREIGN, *CHATS, "gpt-4.1")),
    (RESPONSES, {"reasoning": {"effort": "low"}}, "reasoning.effort", "tuning", ("gpt-4.1 on responses",)),
    (RESPONSES, {"reasoning": {"summary": "auto"}}, "reasoning.summary", "tuning", ("gpt-4.1 on responses", "lm studio")),
    (MESSAGES, {"container": "c"}, "container", "contract", (*GEMINIS, *LOCALS, "gpt-4.1", "gpt-5.6")),
    (MESSAGES, {"mcp_servers": [{"type": "url"}]}, "mcp_servers", "contract", (*GEMINIS, *LOCALS, "gpt-5.6")),
    (MESSAGES, {"context_management": {"edits": []}}, "context_management", "unknown", (*GEMINIS, *LOCALS)),
    (MESSAGES, {"speed": "fast"}, "speed", "unknown", (*GEMINIS, *LOCALS, "gpt-5.6")),
    (MESSAGES, {"max_tokens": 0}, "max_tokens", "contract", (*GEMINIS, *LOCALS, "gpt-4.1", "gpt-5.6")),
    (MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000}, "thinking", "tuning",
     ("claude", "opus 5.5")),
    (MESSAGES, {"thinking": {"type": "disabled"}}, "reasoning_effort", "tuning", ("opus 5.5", "gemini")),
    (MESSAGES, {"output_config": {"effort": "xhigh"}}, "reasoning_effort", "tuning", ("claude 4.6", "gemini")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("client", "fields", "name", "kind", "to"),
    [(client, fields, name, kind, to) for client, fields, name, kind, backends in NAMED for to in backends],
)
def test_what_is_named(client: str, fields: Json, name: str, kind: str, to: str) -> None:
    """D11: tuning and unknown fields are left out and named; what changes the answer makes another target of it."""
    sent = told(client, fields, BACKENDS[to])
    assert sent.named.get(name) == kind
    assert kind == "contract" or sent.body.get(name) != fields.get(name, object())


NOTHING: list[tuple[str, Json]] = [
    (CHAT, {"presence_penalty": 0, "frequency_penalty": 0, "n": 1, "logprobs": False, "modalities": ["text"]}),
    (CHAT, {"store": False, "metadata": {}, "logit_bias": {}, "service_tier": "auto", "reasoning_effort": "none"}),
    (CHAT, {"strange": None, "web_search_options": None, "moderation": None, "audio": None, "stop": []}),
    (CHAT, {"service_tier": "default", "parallel_tool_calls": True, "seed": None, "verbosity": None}),
    (RESPONSES, {"truncation": "disabled", "background": False, "max_tool_calls": None, "top_logprobs": 0}),
    (RESPONSES, {"prompt": None, "context_management": [], "conversation": None, "store": False, "include": []}),
    (RESPONSES, {"reasoning": {"effort": None, "summary": None}, "text": {"format": {"type": "text"}}}),
    (MESSAGES, {"container": None, "mcp_servers": [], "service_tier": "auto", "metadata": {}, "system": None}),
]


@pytest.mark.parametrize(("client", "fields"), NOTHING)
@pytest.mark.parametrize("to", [name for name in OTHERS if name not in ("opus 5.5", "gemini")])
def test_what_asks_for_nothing_is_neither_told_nor_named(client: str, fields: Json, to: str) -> None:
    """A policy that rejects what is dropped must not reject defaults that clients write out."""
    assert told(client, fields, BACKENDS[to]).named == {}


def test_the_fast_tier_is_a_speed_where_the_operator_says_so() -> None:
    quick = backend("anthropic", "claude-opus-5-5", fast=True)
    sent = told(CHAT, {"service_tier": "fast"}, quick)
    assert (sent.body["speed"], "service_tier" in sent.body, sent.named) == ("fast", False, {})
    assert "speed" not in told(CHAT, {"service_tier": "priority"}, quick).body


@pytest.mark.parametrize(
    ("client", "fields", "param"),
    [
        (CHAT, {"max_tokens": "many"}, "max_tokens"),
        (CHAT, {"reasoning_effort": "heroic"}, "reasoning_effort"),
        (CHAT, {"response_format": {"type": "yaml"}}, "response_format.type"),
        (RESPONSES, {"top_logprobs": 21}, "top_logprobs"),
        (RESPONSES, {"text": {"verbosity": "loud"}}, "text.verbosity"),
        (MESSAGES, {"max_tokens": -1}, "max_tokens"),
        (MESSAGES, {"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    ],
)
def test_values_that_there_are_not_are_refused_at_the_door(client: str, fields: Json, param: str) -> None:
    with pytest.raises(ir.Invalid) as caught:
        told(client, fields, BACKENDS["claude"])
    assert caught.value.failure.param == param
