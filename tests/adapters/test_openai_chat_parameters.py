"""Exact relays: the top level patched, everything else byte for byte."""

import msgspec
import pytest
from openai_chat_kit import read, upstream, written

from adapters import ir, strict
from adapters.openai_chat import DIALECT


def patched(body: bytes, to: ir.Upstream) -> tuple[dict[str, bytes], dict[str, str]]:
    out, named = DIALECT.patch(strict.fields(body), to)
    return {name: bytes(raw) for name, raw in out.items()}, {one.name: one.kind for one in named}


def test_g54_only_the_model_changes() -> None:
    body = b'{"messages":[ {"role":"user","content":"\\u00e9"} ],"model":"alias","x":{ "y" : 1e5 }}'
    out, named = patched(body, upstream("exact"))
    assert out == {"messages": b'[ {"role":"user","content":"\\u00e9"} ]', "model": b'"up"', "x": b'{ "y" : 1e5 }'}
    assert named == {}


@pytest.mark.parametrize(
    ("limits", "field", "sent"),
    [
        (b'"max_tokens":5', "max_completion_tokens", b"5"),
        (b'"max_completion_tokens":5', "max_tokens", b"5"),
        (b'"max_tokens":5,"max_completion_tokens":9', "max_completion_tokens", b"9"),
        (b'"max_tokens":5,"max_completion_tokens":null', "max_completion_tokens", b"5"),
        (b'"max_tokens":null', "max_tokens", None),
    ],
)
def test_g50_the_limit_is_renamed(limits: bytes, field: str, sent: bytes | None) -> None:
    out, _ = patched(b'{"model":"m",' + limits + b"}", upstream("exact", max_tokens_field=field))
    assert {name: raw for name, raw in out.items() if "max" in name} == ({} if sent is None else {field: sent})


def test_what_the_upstream_does_not_take_is_dropped_and_named() -> None:
    body = b'{"model":"m","temperature":0,"top_p":1,"top_k":3,"seed":1,"n":2,"logprobs":false,"top_logprobs":null,"user":"u"}'
    nothing = upstream("exact", sampling=False, seed=False, choices=False, logprobs=False)
    out, named = patched(body, nothing)
    assert out == {"model": b'"up"', "user": b'"u"'}
    assert named == {"temperature": "tuning", "top_p": "tuning", "top_k": "tuning", "seed": "tuning", "n": "contract"}


def test_a_server_that_knows_no_top_k_is_not_told_it() -> None:
    request = read(top_k=3)
    assert written(request, upstream(top_k=False)).get("top_k") is None
    assert written(request, upstream())["top_k"] == 3
    assert [named.name for named in DIALECT.refuses(request, upstream(top_k=False))] == ["top_k"]


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (b"", {"include_usage": True}),
        (b',"stream_options":null', {"include_usage": True}),
        (b',"stream_options":{"include_usage":false,"x":1}', {"include_usage": True, "x": 1}),
    ],
)
def test_a_stream_always_asks_for_usage(options: bytes, sent: dict) -> None:
    out, _ = patched(b'{"model":"m","stream":true' + options + b"}", upstream("exact"))
    assert msgspec.json.decode(out["stream_options"]) == sent


def test_what_is_not_streamed_is_not_asked_for_usage() -> None:
    for body in (b'{"model":"m"}', b'{"model":"m","stream":false}', b'{"model":"m","stream":null}'):
        assert "stream_options" not in patched(body, upstream("exact"))[0]


@pytest.mark.parametrize(
    "body", [b'{"model":"m","stream":true,"stream_options":3}', b'{"model":"m","reasoning_effort":3}']
)
def test_wrong_types_are_a_400_here_too(body: bytes) -> None:
    with pytest.raises(ir.Invalid):
        patched(body, upstream("exact"))


def test_effort_is_clamped_or_dropped() -> None:
    body = b'{"model":"m","reasoning_effort":"max"}'
    out, named = patched(body, upstream("exact", thinking="effort", efforts=("low", "high")))
    assert (out["reasoning_effort"], named) == (b'"high"', {"reasoning_effort": "tuning"})
    out, named = patched(body, upstream("exact", thinking="effort"))
    assert (out["reasoning_effort"], named) == (b'"max"', {})
    out, named = patched(body, upstream("exact"))
    assert ("reasoning_effort" in out, named) == (False, {"reasoning_effort": "tuning"})
    tools = b'{"model":"m","reasoning_effort":"low","tools":[{}]}'
    out, named = patched(tools, upstream("exact", thinking="effort", chat_tools_with_effort=False))
    assert ("reasoning_effort" in out, named) == (False, {"reasoning_effort": "tuning"})


def test_operators_options_are_set() -> None:
    out, _ = patched(b'{"model":"m","x":1}', upstream("exact", options={"x": 2}))
    assert out["x"] == b"2"


def test_reasoning_of_other_backends_in_the_history_does_not_reach_openai() -> None:
    kept = b'{"role":"assistant","content":"a","x":{ "y" : 1e5 }}'
    said = kept[:-1] + b',"reasoning_content":"hm"}'
    out, named = patched(b'{"model":"m","messages":[' + said + b"," + said + b"]}", upstream("exact"))
    assert out["messages"] == b"[" + kept + b"," + kept + b"]"
    assert named == {"messages.reasoning": "tuning"}


def test_words_that_only_speak_of_reasoning_stay_byte_for_byte() -> None:
    messages = b'[ {"role":"user","content":"x","y":{"reasoning":1}} ]'
    out, named = patched(b'{"model":"m","messages":' + messages + b"}", upstream("exact"))
    assert (out["messages"], named) == (messages, {})
