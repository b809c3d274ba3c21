"""Where servers tell their context: each server's page, and everything else that may stand there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.contexts import PLACES
from adapters.providers import PROVIDERS


def read(name: str, page: Any, at: int = 0, model: str = "qwen3:8b") -> int | None:
    body = page if isinstance(page, bytes) else json.dumps(page).encode()
    return PLACES[name][at].read(body, model)


def test_vllm_and_its_like_tell_it_in_the_list_of_models() -> None:
    page = {"data": [{"id": "other", "max_model_len": 5}, {"id": "qwen3:8b", "max_model_len": 40_960}]}
    assert read("models", page) == 40_960
    assert read("models", {"data": [{"id": "qwen3:8b", "context_window": 131_072}]}) == 131_072
    assert read("models", {"data": [{"id": "other", "max_model_len": 5}]}) is None


def test_llama_cpp_tells_what_one_slot_has() -> None:
    assert read("llama_cpp", {"default_generation_settings": {"n_ctx": 4_096}, "total_slots": 4}) == 4_096


def test_ollama_tells_what_is_loaded_else_what_its_file_says() -> None:
    assert read("ollama", {"models": [{"name": "qwen3:8b", "context_length": 4_096}]}) == 4_096
    assert read("ollama", {"models": [{"name": "qwen3:latest", "context_length": 8_192}]}, model="qwen3") == 8_192
    assert read("ollama", {"models": []}) is None
    shown = {"parameters": 'stop "<|im_end|>"\nnum_ctx                        16384', "model_info": {}}
    assert read("ollama", shown, at=1) == 16_384
    assert read("ollama", {"parameters": "stop x"}, at=1) is None
    assert json.loads(PLACES["ollama"][1].body("m")) == {"model": "m"}


def test_the_others() -> None:
    assert read("lm_studio", {"data": [{"id": "qwen3:8b", "loaded_context_length": 8_192}]}) == 8_192
    assert read("tgi", {"max_input_tokens": 4_000, "max_total_tokens": 4_096}) == 4_096
    assert read("gemini", {"inputTokenLimit": 1_048_576}) == 1_048_576


@pytest.mark.parametrize(
    "page",
    [b"", b"<html>", b"\xff", b"[" * 100_000, b"[]", b"null", b'{"data": 3}', b'{"data": [3, null]}',
     {"data": [{"id": "qwen3:8b", "max_model_len": value}]} if (value := "many") else {}],
)  # fmt: skip
def test_anything_else_is_unknown(page: Any) -> None:
    for name, places in PLACES.items():
        assert [read(name, page, at) for at in range(len(places))] == [None] * len(places)


@pytest.mark.parametrize("value", [True, 0, -1, 1.5, None, [4]])
def test_a_number_is_a_whole_one_above_nothing(value: Any) -> None:
    assert read("models", {"data": [{"id": "qwen3:8b", "max_model_len": value}]}) is None


def test_every_row_names_a_place_that_there_is() -> None:
    assert {row.contexts for row in PROVIDERS.values()} - {None} == set(PLACES)
