"""Rows of data: who runs a model, which dialects they speak, where, and what their servers can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from adapters import ir
from adapters.families import changes, responses_only

CHAT = "openai_chat"
RESPONSES = "openai_responses"
MESSAGES = "anthropic_messages"
GEMINI = "google_gemini"

FAMILIES: Mapping[str, ir.Family] = {CHAT: "openai", RESPONSES: "openai", MESSAGES: "anthropic", GEMINI: "google"}
"""dialect -> the family of those who speak it."""


class Provider(Struct, frozen=True, kw_only=True):
    """One provider. ``speaks`` is what its backends are offered by default, the preferred dialect first; ``may_speak``
    is what an operator may choose besides, with ``dialect:``."""

    speaks: tuple[str, ...] = (CHAT,)
    may_speak: tuple[str, ...] = ()
    base_url: str | None = None
    """None: the operator must say where."""
    version: str = "/v1"
    """Appended to an operator's base URL that has no path."""
    key_env: str | None = None
    local: bool = False
    """Runs on the operator's own machines as a rule."""
    prompt_cache: bool = False
    """Its prompts are cached up to breakpoints: one is set where the client set none (``prompt_cache: auto``)."""
    wire: Literal["exact", "variant"] = "variant"
    counts: str | None = None
    """Where it counts the tokens of a request (a name of counting.ENDPOINTS); None: nowhere, we estimate."""
    tokenizes: str | None = None
    """Where it counts the tokens of a text (a name of tokenizing.ENDPOINTS); None: nowhere."""
    summarises: bool = False
    """The reasoning that it shows is a summary, which says nothing of how much was thought."""
    contexts: str | None = None
    """Where it tells how many tokens fit (a name of contexts.PLACES); None: nowhere."""
    gauges: Mapping[str, tuple[str, ...]] = {}
    """What its page ``/metrics`` (Prometheus's text format) calls ``running``, ``waiting``, ``kv`` (share of its KV
    memory in use) and ``finished`` (requests so far), newer names first. Empty: it has no such page."""
    knows_tools: bool = False
    """The tables know of its models whether they can use tools; elsewhere that is the model's own affair."""
    capabilities: ir.Capabilities = ir.Capabilities()

    @property
    def dialect(self) -> str:
        """The dialect used when nothing else is said."""
        return self.speaks[0]

    @property
    def family(self) -> ir.Family:
        """Who understands the extras and the state of its default dialect."""
        return FAMILIES[self.dialect]


_EVERY_EFFORT = tuple(ir.EFFORTS)

_SERVER = ir.Capabilities(
    max_tokens_field="max_tokens",
    one_system=True,
    reasoning_field="reasoning_content",
)
"""What OpenAI-compatible servers have in common: ``max_tokens``, and chat templates that take one system message."""


def _server(
    port: int | None = None,
    *,
    may_speak: tuple[str, ...] = (),
    counts: str | None = None,
    tokenizes: str | None = None,
    contexts: str | None = None,
    gauges: Mapping[str, tuple[str, ...]] | None = None,
    **can: object,
) -> Provider:
    """A local OpenAI-compatible server on its usual port; ``can`` are its differences from the common ones."""
    return Provider(
        base_url=None if port is None else f"http://127.0.0.1:{port}/v1",
        may_speak=may_speak,
        local=True,
        counts=counts,
        tokenizes=tokenizes,
        contexts=contexts,
        gauges=gauges or {},
        capabilities=msgspec.structs.replace(_SERVER, **can),
    )


PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider(
        speaks=(CHAT, RESPONSES),
        base_url="https://api.openai.com/v1",
        key_env="OPENAI_API_KEY",
        wire="exact",
        counts="responses",
        summarises=True,
        knows_tools=True,
        capabilities=ir.Capabilities(files=True, max_stop=4, service_tiers=True),
    ),
    "anthropic": Provider(
        speaks=(MESSAGES,),
        base_url="https://api.anthropic.com/v1",
        key_env="ANTHROPIC_API_KEY",
        wire="exact",
        counts="messages",
        summarises=True,
        knows_tools=True,
        prompt_cache=True,
        capabilities=ir.Capabilities(
            files=True,
            json_object=False,
            recursive_schemas=False,
            open_schemas=False,
            max_temperature=1.0,
            penalties=False,
            seed=False,
            logprobs=False,
            logit_bias=False,
            choices=False,
            service_tiers=True,
            max_tokens_field="max_tokens",
            tool_name="[a-zA-Z0-9_-]{1,128}",
        ),
    ),
    "google": Provider(
        speaks=(GEMINI,),
        base_url="https://generativelanguage.googleapis.com/v1beta",
        version="/v1beta",
        key_env="GEMINI_API_KEY",
        wire="exact",
        counts="gemini",
        summarises=True,
        contexts="gemini",
        knows_tools=True,
        capabilities=ir.Capabilities(
            image_urls=False,
            files=True,
            audio=True,
            recursive_schemas=False,
            logit_bias=False,
            max_stop=5,
            service_tiers=True,
            one_system=True,
            max_tokens_field="maxOutputTokens",
            parallel_tools=False,
            tool_name="[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}",
        ),
    ),
    "vllm": _server(
        8000,
        may_speak=(RESPONSES, MESSAGES),
        counts="vllm",
        tokenizes="vllm",
        contexts="models",
        gauges={
            "running": ("vllm:num_requests_running",),
            "waiting": ("vllm:num_requests_waiting",),
            "kv": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
            "finished": ("vllm:request_success_total",),
        },
        thinking="effort",
        efforts=_EVERY_EFFORT,
        audio=True,
        reasoning_field="reasoning",
    ),
    "ollama": _server(
        11434,
        may_speak=(RESPONSES,),
        contexts="ollama",
        forced_tools=False,
        strict_tools=False,
        image_urls=False,
        logit_bias=False,
        choices=False,
        reasoning_field="reasoning",
    ),
    "llama_cpp": _server(
        8080,
        may_speak=(RESPONSES, MESSAGES),
        counts="llama_cpp",
        tokenizes="llama_cpp",
        contexts="llama_cpp",
        # Only with --metrics; builds since 2025 no longer tell the KV memory.
        gauges={
            "running": ("llamacpp:requests_processing",),
            "waiting": ("llamacpp:requests_deferred",),
            "kv": ("llamacpp:kv_cache_usage_ratio",),
        },
        thinking="effort",
        efforts=_EVERY_EFFORT,
        choices=False,
        audio=True,
    ),
    "lm_studio": _server(
        1234,
        may_speak=(RESPONSES, MESSAGES),
        contexts="lm_studio",
        strict_tools=False,
        image_urls=False,
        logprobs=False,
        choices=False,
    ),
    "tgi": _server(
        3000,
        contexts="tgi",
        gauges={
            "running": ("tgi_batch_current_size",),
            "waiting": ("tgi_queue_size",),
            "finished": ("tgi_request_success",),
        },
        parallel_tools=False,
        strict_tools=False,
        logit_bias=False,
        choices=False,
        max_stop=4,
    ),
    # Measured on transformers 5.23 (tests/real): what is False here it takes and passes over in silence, images of a
    # model that sees none included (for one that does: capabilities: {images: true}), but top_k, which is a 422.
    "transformers": _server(
        8000,
        may_speak=(RESPONSES,),
        parallel_tools=False,
        forced_tools=False,
        strict_tools=False,
        images=False,
        json_schema=False,
        json_object=False,
        top_k=False,
        penalties=False,
        logprobs=False,
        choices=False,
    ),
    "localai": _server(8080, may_speak=(RESPONSES,), strict_tools=False),
    "text_generation_webui": _server(
        5000,
        thinking="effort",
        efforts=("low", "medium", "high"),
        forced_tools=False,
        strict_tools=False,
        json_schema=False,
        json_object=False,
        choices=False,
    ),
    # Anybody's: strict ones answer 400 to a field that they do not know, and those that need one tell it to the client.
    "openai_compatible": Provider(
        may_speak=(RESPONSES,),
        contexts="models",
        # Of SGLang (with --enable-metrics) and of what is built on vLLM.
        gauges={
            "running": ("sglang:num_running_reqs", "vllm:num_requests_running"),
            "waiting": ("sglang:num_queue_reqs", "vllm:num_requests_waiting"),
            "kv": ("sglang:token_usage", "vllm:kv_cache_usage_perc"),
            "finished": ("sglang:num_requests_total", "vllm:request_success_total"),
        },
        capabilities=msgspec.structs.replace(
            _SERVER, thinking="effort", efforts=_EVERY_EFFORT, foreign_reasoning=False
        ),
    ),
}


def capabilities(provider: str, model: str) -> ir.Capabilities:
    """What ``model`` can do at ``provider`` (a name of PROVIDERS): the provider's row, corrected by the model's family
    and version. A model that no family knows gets the provider's row; a version newer than all rules, the newest."""
    base = PROVIDERS[provider].capabilities
    return msgspec.structs.replace(base, **changes(provider, model))


def speaks(provider: str, model: str) -> tuple[str, ...]:
    """The dialects in which ``model`` is offered at ``provider``, the preferred one first."""
    spoken = PROVIDERS[provider].speaks
    if RESPONSES in spoken and responses_only(provider, model):
        return (RESPONSES,)
    return spoken
