"""Errors of a Responses upstream, the end of a relayed stream that broke, and the patch of an exact relay."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from checker import check_responses, parse_sse
from hypothesis import given, settings
from hypothesis import strategies as st
from responses_kit import ECHO, OPENAI, completed, message_item, strict_events, write

from adapters import ir
from adapters.openai_responses import DIALECT
from adapters.relay import StreamRelay
from adapters.sse import Frame

CUT = ir.Failure("interrupted", 502, "cut off", "server_error", "upstream_interrupted")


@pytest.mark.parametrize(
    ("status", "body", "kind", "answer"),
    [
        (
            400,
            {"error": {"message": "no", "type": "invalid_request_error", "param": "input", "code": "x"}},
            "invalid",
            400,
        ),
        (400, {"error": {"message": "This model's maximum context length is 8", "code": None}}, "context_length", 400),
        (401, {"error": {"message": "Incorrect API key sk-secret"}}, "upstream_auth", 502),
        (404, {"detail": "no such model"}, "not_found", 404),
        (429, {"error": {"message": "q", "code": "insufficient_quota"}}, "quota", 429),
        (429, {"error": "slow down"}, "limited", 429),
        (500, {"error": {"message": "boom"}}, "upstream_error", 502),
        (503, b"<html>", "overloaded", 503),
        (502, b"", "upstream_error", 502),
        (500, b"\xff", "upstream_error", 502),
        (500, b"[" * 5000, "upstream_error", 502),
    ],
)
def test_g47_error_answers_are_mapped(status: int, body: object, kind: str, answer: int) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    failure = DIALECT.read_error(status, {"Retry-After": "7"}, raw)
    assert (failure.kind, failure.status, failure.retry_after) == (kind, answer, 7.0)
    assert "secret" not in failure.message
    told = json.loads(DIALECT.write_error(failure))["error"]
    assert set(told) == {"message", "type", "param", "code"}


def test_an_upstreams_own_words_are_kept() -> None:
    body = b'{"error":{"message":"bad thing","type":"invalid_request_error","param":"input[0]","code":"c"}}'
    failure = DIALECT.read_error(400, {}, body)
    assert (failure.message, failure.param, failure.code) == ("bad thing", "input[0]", "c")


# --- cut -----------------------------------------------------------------------------------------------------------


def upstream_stream() -> list[bytes]:
    """A stream as OpenAI sends it, under its own model's name."""
    events = [ir.BlockStarted(0, "text", 0), *(ir.Delta(0, "text", word) for word in ("Hé", " you", "!"))]
    whole = [ir.Started(), *events, ir.BlockEnded(0), ir.Finished(0, "stop"), ir.Ended()]
    return write(whole, msgspec.structs.replace(ECHO, model="gpt-6-sol", seed="beef"))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2000), st.lists(st.integers(0, 2000), max_size=5))
def test_g48_an_exact_stream_cut_anywhere_ends_in_a_failure_of_the_same_response(at: int, cuts: list[int]) -> None:
    stream = b"".join(upstream_stream())
    cut = stream[: min(at, stream.index(b"event: response.completed"))]
    relay = StreamRelay(DIALECT, DIALECT, ECHO, exact=True)
    marks = [0, *sorted(min(mark, len(cut)) for mark in cuts), len(cut)]
    lines = [line for a, b in pairwise(marks) for line in relay.feed(cut[a:b])]
    lines += relay.close() + relay.tail
    events = strict_events(lines)
    assert events[-1]["type"] in {"response.failed", "error"}
    assert relay.failure is not None
    if events[-1]["type"] == "response.failed":
        assert events[-1]["response"]["id"] == "resp_beef"


def test_an_exact_stream_passes_whole_under_the_alias() -> None:
    relay = StreamRelay(DIALECT, DIALECT, ECHO, exact=True)
    lines = [line for chunk in upstream_stream() for line in relay.feed(chunk)]
    events = parse_sse(b"".join(lines + relay.tail))
    check_responses(events)
    assert events[-1]["response"]["model"] == "auto"
    assert relay.failure is None


def test_a_cut_that_knows_nothing_of_the_response_is_a_flat_error() -> None:
    (event, done) = DIALECT.cut(CUT, None, None, ECHO)
    assert json.loads(event.split(b"data: ")[1])["sequence_number"] == 0
    assert done == b"data: [DONE]\n\n"
    odd = Frame(b"not json")
    assert DIALECT.cut(CUT, odd, odd, ECHO) == [event, done]


# --- patch ---------------------------------------------------------------------------------------------------------


def patched(body: bytes, **changes: Any) -> tuple[dict[str, bytes], list[str]]:
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    capabilities = msgspec.structs.replace(OPENAI.capabilities, **changes.pop("can", {}))
    upstream = msgspec.structs.replace(OPENAI, capabilities=capabilities, **changes)
    out, named = DIALECT.patch(fields, upstream)
    return {name: bytes(raw) for name, raw in out.items()}, [told.name for told in named]


def test_the_model_is_renamed_and_nothing_else_is_touched() -> None:
    out, named = patched(b'{"model":"auto","input":[ {"x": 1.50} ],"temperature":0,"new":null}')
    assert out == {"model": b'"gpt-6-sol"', "input": b'[ {"x": 1.50} ]', "temperature": b"0", "new": b"null"}
    assert named == []


def test_g51_sampling_leaves_where_the_model_takes_none() -> None:
    out, named = patched(b'{"model":"auto","temperature":0,"top_p":null}', can={"sampling": False})
    assert (set(out), named) == ({"model"}, ["temperature"])


def test_an_effort_is_clamped_only_where_it_must_be() -> None:
    body = b'{"model":"a","reasoning":{ "effort": "xhigh", "mode":"pro"}}'
    assert patched(body)[0]["reasoning"] == b'{ "effort": "xhigh", "mode":"pro"}'
    out, named = patched(body, can={"efforts": ("low", "high")})
    assert (out["reasoning"], named) == (b'{"effort":"high","mode":"pro"}', ["reasoning.effort"])
    assert patched(b'{"model":"a","reasoning":null}', can={"efforts": ("low",)})[1] == []
    with pytest.raises(ir.Invalid, match="reasoning"):
        patched(b'{"model":"a","reasoning":5}', can={"efforts": ("low",)})


def test_an_operators_options_are_set() -> None:
    assert patched(b'{"model":"a"}', options={"service_tier": "flex"})[0]["service_tier"] == b'"flex"'


def test_a_failed_upstream_response_is_told_as_our_failure_in_an_exact_relay() -> None:
    relay = StreamRelay(DIALECT, DIALECT, ECHO, exact=True)
    lines = [line for chunk in upstream_stream()[:5] for line in relay.feed(chunk)]
    response = completed([message_item("x")], status="failed", error={"code": "server_error", "message": "gone"})
    lines += relay.feed(b"data: " + json.dumps({"type": "response.failed", "response": response}).encode() + b"\n\n")
    events = strict_events(lines + relay.tail)
    assert events[-1]["response"]["error"] == {"code": "server_error", "message": "gone"}


OURS = b'{"type":"reasoning","id":"rs_01a1fbf8abf57206826c1c157cfc2fbf_0","summary":[],"content":[]}'
OPENAIS = b'{"type":"reasoning","id":"rs_68af40337e58819392e935fb404414d005afc8688067f27a","summary":[]}'
SEALED = OURS[:-1] + b',"encrypted_content":"gAAA"}'


def test_g32_thoughts_under_our_own_ids_do_not_go_back_to_openai() -> None:
    rest = b'{ "role":"user", "content":"x" },' + OPENAIS + b"," + SEALED
    out, named = patched(b'{"model":"auto","input":[' + OURS + b"," + rest + b"]}")
    assert out["input"] == b"[" + rest + b"]"
    assert named == ["input.reasoning"]


def test_an_id_of_ours_that_is_only_spoken_of_stays() -> None:
    said = b'[ {"role":"user","content":[{"type":"input_text","text":"x","y":"rs_' + b"0" * 32 + b'_1"}]} ]'
    out, named = patched(b'{"model":"auto","input":' + said + b"}")
    assert (out["input"], named) == (said, [])


def test_a_reference_to_an_item_of_ours_can_be_followed_by_nobody() -> None:
    reference = b'{"type":"item_reference","id":"msg_01a1fbf8abf57206826c1c157cfc2fbf_1"}'
    _, named = patched(b'{"model":"auto","input":[' + reference + b"]}")
    assert named == ["input.item_reference"]
    assert patched(b'{"model":"auto","input":[{"type":"item_reference","id":"msg_68af"}]}')[1] == []
