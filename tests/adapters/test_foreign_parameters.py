"""Parameters that OpenAI's own endpoints answer with a 400: left out and named, or the target is skipped (D11)."""

from __future__ import annotations

import msgspec
import pytest

from adapters import ir, strict
from adapters.openai_chat import DIALECT as CHAT
from adapters.openai_responses import DIALECT as RESPONSES

REASONING = ir.Capabilities(max_stop=0)


def upstream(dialect: str) -> ir.Upstream:
    return ir.Upstream(provider="openai", dialect=dialect, model="m", wire="exact", capabilities=REASONING)


@pytest.mark.parametrize("name", ["seed", "top_k", "presence_penalty", "frequency_penalty"])
def test_tuning_of_other_apis_is_left_out_of_an_exact_responses_call(name: str) -> None:
    fields = strict.fields(msgspec.json.encode({"model": "alias", "input": "x", name: 1, "own": 2}))
    out, named = RESPONSES.patch(fields, upstream("openai_responses"))
    assert (sorted(out), [(one.name, one.kind) for one in named]) == (["input", "model", "own"], [(name, "tuning")])


def test_null_tuning_of_other_apis_is_left_out_without_a_word() -> None:
    out, named = RESPONSES.patch(strict.fields(b'{"model":"m","seed":null}'), upstream("openai_responses"))
    assert (list(out), named) == (["model"], [])


@pytest.mark.parametrize("stop", [b'"END"', b'["END"]'])
def test_stop_sequences_beyond_the_limit_break_the_contract_of_exact_chat(stop: bytes) -> None:
    fields = strict.fields(b'{"model":"alias","messages":[],"stop":' + stop + b"}")
    _, named = CHAT.patch(fields, upstream("openai_chat"))
    assert [(one.name, one.kind) for one in named] == [("stop", "contract")]


@pytest.mark.parametrize("stop", [b"null", b"[]"])
def test_no_stop_sequence_breaks_nothing(stop: bytes) -> None:
    fields = strict.fields(b'{"model":"alias","messages":[],"stop":' + stop + b"}")
    assert CHAT.patch(fields, upstream("openai_chat"))[1] == []


def test_responses_cannot_stop_at_a_sequence() -> None:
    request = ir.Request(model="m", messages=(), stop=("END",))
    named = RESPONSES.refuses(request, upstream("openai_responses"))
    assert [(one.name, one.kind) for one in named] == [("stop", "contract")]
