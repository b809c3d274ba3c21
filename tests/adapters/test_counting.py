"""Counting: the question that each endpoint is asked, and what is read and told of its answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapters import ir
from adapters.catalog import DIALECTS
from adapters.counting import ENDPOINTS, Counter
from adapters.providers import PROVIDERS

REQUEST = ir.Request(
    model="alias",
    messages=(ir.Message("user", (ir.Text("Hi"),)),),
    system=(ir.Text("Be brief."),),
    tools=(ir.Tool("f", parameters={"type": "object", "properties": {}}),),
    max_output_tokens=99,
    temperature=0.5,
    user="u",
    service_tier="auto",
)
ASKED: dict[str, tuple[str, set[str]]] = {
    "messages": ("/messages/count_tokens", {"model", "system", "messages", "tools"}),
    "responses": ("/responses/input_tokens", {"model", "instructions", "input", "tools"}),
    "gemini": ("/models/org%2Fm:countTokens", {"generateContentRequest"}),
    "vllm": ("/tokenize", {"model", "messages", "tools"}),
}


def counter(name: str) -> Counter:
    return Counter(DIALECTS[ENDPOINTS[name].dialect], ENDPOINTS[name])


def upstream(name: str) -> ir.Upstream:
    dialect = ENDPOINTS[name].dialect
    return ir.Upstream(provider="x", dialect=dialect, model="org/m", family=DIALECTS[dialect].family)


def written(name: str) -> tuple[ir.UpstreamRequest, Any]:
    out = counter(name).write_request(REQUEST, upstream(name), ir.Context(seed="ab", now=1))
    return out, msgspec.json.decode(out.body)


@pytest.mark.parametrize("name", ASKED)
def test_the_question_has_what_the_endpoint_takes(name: str) -> None:
    out, body = written(name)
    path, fields = ASKED[name]
    assert (out.path, set(body), out.root) == (path, fields, name == "vllm")


def test_gemini_is_told_the_model_within() -> None:
    assert written("gemini")[1]["generateContentRequest"]["model"] == "models/org/m"


def test_gemini_takes_a_model_under_its_long_name_too() -> None:
    long = msgspec.structs.replace(upstream("gemini"), model="models/gemini-3-pro")
    out = counter("gemini").write_request(REQUEST, long, ir.Context(seed="ab", now=1))
    assert out.path == "/models/gemini-3-pro:countTokens"
    assert msgspec.json.decode(out.body)["generateContentRequest"]["model"] == "models/gemini-3-pro"


def test_llama_cpp_is_asked_with_the_whole_chat_request() -> None:
    out, body = written("llama_cpp")
    assert out.path == "/chat/completions/input_tokens"
    assert body["messages"][-1] == {"role": "user", "content": "Hi"}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_an_answer_is_read_and_told(name: str) -> None:
    face = counter(name)
    reply = ir.collect(face.read_response(face.write_answer(17)))
    assert reply.usage == ir.Usage(input=17)
    echo = ir.Echo("ab", 1, "alias")
    assert msgspec.json.decode(face.write_response(reply, echo)) == msgspec.json.decode(face.write_answer(17))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"input_tokens": "7"}', b'{"input_tokens": -1}', b"\xff", b"<html>"]
)
def test_what_tells_no_count_is_a_failure(body: bytes) -> None:
    reply = ir.collect(counter("messages").read_response(body))
    assert reply.failure is not None
    assert reply.failure.kind == "bad_response"


def test_options_of_the_operator_stay_away_from_a_count() -> None:
    target = msgspec.structs.replace(upstream("messages"), options={"inference_geo": "us"}, wire="exact")
    fields, named = counter("messages").patch({"messages": msgspec.Raw(b"[]")}, target)
    assert ({name: bytes(raw) for name, raw in fields.items()}, named) == (
        {"messages": b"[]", "model": b'"org/m"'},
        [],
    )


def test_every_row_names_an_endpoint_that_there_is() -> None:
    assert {row.counts for row in PROVIDERS.values()} - {None} == set(ENDPOINTS)
