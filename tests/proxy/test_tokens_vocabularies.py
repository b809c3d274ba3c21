"""The vocabularies that we ship are OpenAI's, to the byte, and nothing is fetched to use them."""

from __future__ import annotations

import base64
import hashlib
import inspect
import re
import socket
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from thinker import SAYINGS
from tiktoken_ext import openai_public

from proxy.tokens.vocabularies import VOCABULARIES, count, load, ranks

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted({vocabulary.file for vocabulary in VOCABULARIES.values()})


def theirs(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What tiktoken would build, without the file that it would fetch."""
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: {})
    return dict(getattr(openai_public, name)())


@pytest.mark.parametrize("file", FILES)
def test_the_tokens_and_their_ranks_have_the_hash_that_tiktoken_expects(file: str) -> None:
    """Of the file that it would fetch, written again from ours."""
    source = inspect.getsource(getattr(openai_public, file))
    expected = re.search(r'expected_hash="([0-9a-f]{64})"', source)
    assert expected is not None
    lines = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks(file).items())
    assert hashlib.sha256(lines).hexdigest() == expected[1]


@pytest.mark.parametrize("name", VOCABULARIES)
def test_the_pattern_and_the_special_tokens_are_tiktokens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = theirs(name, monkeypatch)
    assert VOCABULARIES[name].pattern == known["pat_str"]
    assert VOCABULARIES[name].special == known["special_tokens"]


@pytest.mark.parametrize("name", VOCABULARIES)
def test_it_counts_without_a_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load.cache_clear()
    for sayings in SAYINGS.values():
        text = "".join(sayings)
        ids = load(name).encode_ordinary(text)
        assert load(name).decode(ids) == text
        assert count(name, text) == len(ids)
    load.cache_clear()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("cl100k_base", "tiktoken is great!", 6),
        ("o200k_base", "tiktoken is great!", 6),
        ("o200k_harmony", "", 0),
        ("o200k_harmony", "<|end|>", 5),
    ],
)
def test_known_counts(name: str, text: str, expected: int) -> None:
    """The first from OpenAI's cookbook. What looks like a special token is an ordinary text in an answer."""
    assert count(name, text) == expected


def test_they_are_part_of_the_package_with_their_licence() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["proxy"]
    assert "tokens/data/*" in told
    notice = (ROOT / "proxy/tokens/data/NOTICE").read_text()
    assert "Copyright (c) 2022 OpenAI" in notice
    assert {path.stem for path in (ROOT / "proxy/tokens/data").glob("*.xz")} == set(FILES)


def test_a_server_of_gpt_oss_reports_what_we_count(shared: Path) -> None:
    """A recorded answer of Groq's; its template may set two tokens more."""
    folder = shared / "data/golden/pydantic-ai/thinking-wire-contract"
    (recorded,) = folder.glob("*groq-gpt-oss-thinking-merges-user-extra-body*")
    (played,) = yaml.safe_load(recorded.read_text())["interactions"]
    answer = played["response"]["parsed_body"]
    told = answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert 0 <= told - count("o200k_harmony", answer["choices"][0]["message"]["reasoning"]) <= 2
