"""``backends.*.tokenizer``: who counts for which backend, and every mistake with its place and mend."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from adapters.tokenizing import ENDPOINTS
from proxy.config import ConfigError
from proxy.snapshot import build_text
from proxy.tokens.choosing import Tokenizer

SERVERS = {name: Tokenizer("server", endpoint) for name, endpoint in ENDPOINTS.items()}


def text(tokenizer: str | None, provider: str = "ollama", model: str = "m") -> str:
    own = "" if tokenizer is None else f", tokenizer: {tokenizer}"
    return (
        f'version: 1\nbackends:\n  b: {{provider: {provider}, model: "{model}", base_url: "http://10.0.0.1:1/v1"{own},'
        " credential: k}\naliases: {a: {use: [b]}}\n"
    )


def chosen(
    tokenizer: str | None, provider: str = "ollama", model: str = "m", folder: Path = Path()
) -> Tokenizer | None:
    found = build_text(text(tokenizer, provider, model), file=str(folder / "proxy.yaml"), generation=1, env={})
    return found.backends["b"].tokenizer


def mistake(tokenizer: str, provider: str = "ollama", folder: Path = Path()) -> str:
    with pytest.raises(ConfigError) as caught:
        chosen(tokenizer, provider, folder=folder)
    (problem,) = caught.value.problems
    assert problem.line == 3
    return problem.message


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("vllm", "openai/gpt-oss-120b", SERVERS["vllm"]),
        ("llama_cpp", "qwen3", SERVERS["llama_cpp"]),
        ("ollama", "gpt-oss:20b", Tokenizer("o200k_harmony")),
        ("openai_compatible", "gpt-4o", Tokenizer("o200k_base")),
        ("openai_compatible", "gpt-3.5-turbo", Tokenizer("cl100k_base")),
        ("ollama", "qwen3", None),
        ("openai_compatible", "gpt-5.6", None),
        ("openai", "gpt-4o", None),
        ("anthropic", "claude-sonnet-5", None),
        ("google", "gemini-3.1-pro", None),
    ],
)
def test_auto_goes_by_provider_and_model(provider: str, model: str, expected: Tokenizer | None) -> None:
    """Vendors that show summaries have none: the count of one would be taken for what was thought."""
    assert chosen(None, provider, model) == chosen("auto", provider, model) == expected


@pytest.mark.parametrize(
    ("tokenizer", "provider", "expected"),
    [
        ("off", "vllm", None),
        ("o200k_base", "vllm", Tokenizer("o200k_base")),
        ("cl100k_base", "ollama", Tokenizer("cl100k_base")),
        ("server", "llama_cpp", SERVERS["llama_cpp"]),
    ],
)
def test_the_operators_word_counts(tokenizer: str, provider: str, expected: Tokenizer | None) -> None:
    assert chosen(tokenizer, provider) == expected


def test_a_file_begins_at_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    file = tmp_path / "models" / "tokenizer.json"
    file.write_text("{}")
    assert chosen("models/tokenizer.json", folder=tmp_path) == Tokenizer(str(file))
    assert chosen(str(file)) == Tokenizer(str(file))


@pytest.mark.parametrize(
    ("tokenizer", "provider", "words"),
    [
        ("o200k", "ollama", "did you mean 'o200k_base'?"),
        ("serve", "vllm", "did you mean 'server'?"),
        ("server", "ollama", "ollama has no endpoint that counts a text (vllm, llama_cpp have one): name a vocabulary"),
        ("none/tokenizer.json", "ollama", "cannot read"),
        ("none/tokenizer.json", "ollama", "No such file or directory"),
    ],
)
def test_a_mistake_has_its_line_and_its_mend(tokenizer: str, provider: str, words: str, tmp_path: Path) -> None:
    assert words in mistake(tokenizer, provider, tmp_path)


def test_a_folder_and_a_file_that_is_none_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "words.json").write_text("[]")
    assert "is a folder: write" in mistake("./model", folder=tmp_path)
    assert "is no tokenizer.json" in mistake("words.json", folder=tmp_path)


def test_without_its_library_a_file_is_a_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setattr("proxy.tokens.choosing.find_spec", lambda _: None)
    assert importlib.util.find_spec("tokenizers") is not None
    assert "pip install 'turnout[tokenizers]'" in mistake("tokenizer.json", folder=tmp_path)


@pytest.mark.parametrize(("tokenizer", "warned"), [("o200k_base", True), ("auto", False), ("off", False)])
def test_a_choice_that_changes_nothing_is_named(tokenizer: str, warned: bool) -> None:
    found = build_text(text(tokenizer, "google", "gemini-3.1-pro"), file="proxy.yaml", generation=1, env={})
    told = "backends.b: 'tokenizer' has no effect: google shows summaries of its reasoning, and reports its tokens"
    assert (told in found.warnings) is warned
