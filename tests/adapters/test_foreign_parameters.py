"""Parameters that OpenAI's own endpoints answer with a 400: left out and named, or the target is skipped (D11)."""

from __future__ import annotations

import msgspec
import pytest

from adapters import ir, strict
from adapters.openai_chat import DIALECT as CHAT
from adapters.openai_responses import DIALECT as RESPONSES

REASONING = ir.Capabilities(max_stop=0)
STOPPED = ir.Request(model="m", messages=(), stop=("END",))


def upstream(dialect: str, can: ir.Capabilities = REASONING) -> ir.Upstream:
    return ir.Upstream(provider="openai", dialect=dialect, model="m", wire="exact", capabilities=can)


@pytest.mark.parametrize("name", ["seed", "top_k", "presence_penalty", "frequency_penalty"])
def test_tuning_of_other_apis_is_left_out_of_an_exact_responses_call(name: str) -> None:
    fields = strict.fields(msgspec.json.encode({"model": "alias", "input": "x", name: 1, "own": 2}))
    out, named = RESPONSES.patch(fields, upstream("openai_responses"))
    assert (sorted(out), [(one.name, one.kind) for one in named]) == (["input", "model", "own"], [(name, "tuning")])


def test_null_tuning_of_other_apis_is_left_out_without_a_word() -> None:
    out, named = RESPONSES.patch(strict.fields(b'{"model":"m","seed":null}'), upstream("openai_responses"))
    assert (list(out), named) == (["model"], [])


def named(found: list[ir.Named]) -> list[tuple[str, str]]:
    return [(one.name, one.kind) for one in found]


@pytest.mark.parametrize("stop", [b'"END"', b'["END"]'])
def test_g81_a_model_without_stop_sequences_is_asked_without_them_by_exact_chat(stop: bytes) -> None:
    fields = strict.fields(b'{"model":"alias","messages":[],"stop":' + stop + b"}")
    out, found = CHAT.patch(fields, upstream("openai_chat"))
    assert (sorted(out), named(found)) == (["messages", "model"], [("stop", "tuning")])


def test_g81_a_model_without_stop_sequences_is_asked_without_them_by_exact_responses() -> None:
    fields = strict.fields(b'{"model":"alias","input":"x","stop":["END"]}')
    out, found = RESPONSES.patch(fields, upstream("openai_responses"))
    assert (sorted(out), named(found)) == (["input", "model"], [("stop", "tuning")])


def test_g81_a_model_without_stop_sequences_is_asked_without_them_by_written_chat() -> None:
    to = upstream("openai_chat")
    written = CHAT.write_request(STOPPED, to, ir.Context(seed="0" * 32, now=0))
    assert "stop" not in msgspec.json.decode(written.body)
    assert named(CHAT.refuses(STOPPED, to)) == [("stop", "tuning")]


@pytest.mark.parametrize("stop", [b'["a","b"]', b'["a","b","c"]'])
def test_stop_sequences_beyond_a_limit_break_the_contract_of_exact_chat(stop: bytes) -> None:
    fields = strict.fields(b'{"model":"alias","messages":[],"stop":' + stop + b"}")
    out, found = CHAT.patch(fields, upstream("openai_chat", ir.Capabilities(max_stop=1)))
    assert (bytes(out["stop"]), named(found)) == (stop, [("stop", "contract")])


@pytest.mark.parametrize("stop", [b"null", b"[]"])
def test_no_stop_sequence_breaks_nothing(stop: bytes) -> None:
    fields = strict.fields(b'{"model":"alias","messages":[],"stop":' + stop + b"}")
    assert CHAT.patch(fields, upstream("openai_chat"))[1] == []


@pytest.mark.parametrize(("most", "kind"), [(0, "tuning"), (4, "contract"), (None, "contract")])
def test_responses_cannot_stop_at_a_sequence(most: int | None, kind: str) -> None:
    to = upstream("openai_responses", ir.Capabilities(max_stop=most))
    assert named(RESPONSES.refuses(STOPPED, to)) == [("stop", kind)]
