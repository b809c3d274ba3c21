"""The tokens of a text: the question that each server is asked, what is read of its answer, and who writes in what."""

from __future__ import annotations

import msgspec
import pytest

from adapters import ir
from adapters.catalog import DIALECTS
from adapters.providers import CHAT, PROVIDERS
from adapters.tokenizing import ENDPOINTS, TextCounter, asking, vocabulary

TEXT = 'Größe\n"x" 🙂'
QUESTIONS = {
    "vllm": {"model": "org/m", "prompt": TEXT, "add_special_tokens": False},
    "llama_cpp": {"content": TEXT, "add_special": False},
}


def counter(name: str) -> TextCounter:
    return TextCounter(DIALECTS[CHAT], ENDPOINTS[name])


def told(name: str, body: bytes) -> int | None:
    usage = ir.collect(counter(name).read_response(body)).usage
    return None if usage is None else usage.input


@pytest.mark.parametrize("name", ENDPOINTS)
def test_the_question_is_the_servers_own_beside_its_version(name: str) -> None:
    upstream = ir.Upstream(provider="x", dialect=CHAT, model="org/m", options={"temperature": 0})
    out = counter(name).write_request(asking(TEXT), upstream, ir.Context(seed="ab", now=1))
    assert (out.path, out.root, out.headers) == ("/tokenize", True, {})
    assert msgspec.json.decode(out.body) == QUESTIONS[name]


@pytest.mark.parametrize(
    ("name", "body", "count"),
    [
        ("vllm", b'{"count": 3, "max_model_len": 8192, "tokens": [1, 2, 3], "token_strs": null}', 3),
        ("vllm", b'{"count": 0, "tokens": []}', 0),
        ("llama_cpp", b'{"tokens": [198, 5, 6, 7]}', 4),
        ("llama_cpp", b'{"tokens": []}', 0),
        ("vllm", b'{"count": -1}', None),
        ("vllm", b'{"count": "3"}', None),
        ("vllm", b'{"count": null}', None),
        ("vllm", b'{"tokens": [1]}', None),
        ("llama_cpp", b'{"tokens": ["a"]}', None),
        ("llama_cpp", b'{"tokens": 1.5}', None),
        ("llama_cpp", b"[]", None),
        ("llama_cpp", b"\xff", None),
        ("llama_cpp", b"", None),
    ],
)
def test_an_answer_is_a_count_or_a_failure(name: str, body: bytes, count: int | None) -> None:
    assert told(name, body) == count
    assert (ir.collect(counter(name).read_response(body)).failure is None) == (count is not None)


def test_every_provider_that_counts_texts_has_its_endpoint() -> None:
    named = {row.tokenizes for row in PROVIDERS.values()} - {None}
    assert named == set(ENDPOINTS)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("openai/gpt-oss-120b", "o200k_harmony"),
        ("gpt-oss:20b", "o200k_harmony"),
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-4.5-preview", "o200k_base"),
        ("ft:gpt-4o-mini:org", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-16k", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("gpt-5.6", None),
        ("gpt-6-astra", None),
        ("o3-mini", None),
        ("o1", None),
        ("claude-sonnet-5", None),
        ("qwen3-32b", None),
        ("olmo-7b", None),
    ],
)
def test_a_vocabulary_is_known_by_the_models_family_and_version(model: str, expected: str | None) -> None:
    """None also where what is shown of the reasoning is a summary, whoever serves it."""
    assert vocabulary(model) == expected
