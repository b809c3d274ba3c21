"""A prompt that is too long for one backend moves on, before the first byte, to one that takes more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from live import Live, demo_upstream
from public_door import CHAT, RESPONSES, chat, post, responses
from scripted import Answer, Upstream, scripted, stream, whole

_VLLM = "This model's maximum context length is 4096 tokens. However, you requested 5012 tokens in the messages."
_CLAUDE = "prompt is too long: 200082 tokens > 200000 maximum"
_GEMINI = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
_LLAMA = "the request exceeds the available context size (8192 tokens), try increasing it"
_GPT = "Your input exceeds the context window of this model. Please adjust your input and try again."


def _openai(message: str, code: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


REFUSALS = {
    "vllm": whole(_openai(_VLLM, 400), 400),
    "llama": whole(_openai(_LLAMA, 400), 400),
    "openai": whole(_openai(_VLLM, "context_length_exceeded"), 400),
    "gpt": whole(_openai(_GPT, "context_length_exceeded"), 400),
    "claude": whole({"type": "error", "error": {"type": "invalid_request_error", "message": _CLAUDE}}, 400),
    "gemini": whole({"error": {"code": 400, "message": _GEMINI, "status": "INVALID_ARGUMENT"}}, 400),
}
ROWS = {
    "vllm": "provider: vllm, model: s, local: true",
    "llama": "provider: llama_cpp, model: s, local: true",
    "openai": "provider: openai, dialect: openai_chat, model: gpt-4.1, credential: sk-small-0123456789",
    "gpt": "provider: openai, dialect: openai_responses, model: gpt-5.6, credential: sk-small-0123456789",
    "claude": "provider: anthropic, model: claude-sonnet-5, credential: sk-small-0123456789",
    "gemini": "provider: google, model: gemini-3.1-pro, credential: sk-small-0123456789",
}
ASKED = {CHAT: chat, RESPONSES: responses}


def _config(small: str, large: str) -> str:
    backends = [
        f"  {name}: {{{row}, context: 4096, base_url: '{small}/{'v1beta' if name == 'gemini' else 'v1'}'}}"
        for name, row in ROWS.items()
    ]
    aliases = [f"  {name}-first: {{use: [{name}, equal, large]}}" for name in ROWS]
    return "\n".join([
        "version: 1", "retries: {attempts: 1}", "backends:", *backends,
        f"  unknown: {{provider: vllm, model: u, base_url: '{small}/v1'}}",
        f"  equal: {{provider: vllm, model: e, context: 4096, base_url: '{large}/v1'}}",
        f"  large: {{provider: vllm, model: l, context: 1000000, base_url: '{large}/v1'}}",
        f"  cloud: {{provider: openai_compatible, model: c, local: false, base_url: '{large}/v1'}}",
        "guards: [{when: {data_class: restricted}, only: {local: true}}]",
        "aliases:", *aliases,
        "  alone: {use: [vllm]}", "  downhill: {use: [vllm, equal]}", "  to-unknown: {use: [vllm, cloud]}",
        "  from-unknown: {use: [unknown, equal]}", "  out: {use: [vllm, cloud]}", "",
    ])  # fmt: skip


@pytest.fixture(scope="module")
def small() -> Iterator[Upstream]:
    with scripted() as made:
        yield made


@pytest.fixture(scope="module")
def live(small: Upstream) -> Iterator[Live]:
    with demo_upstream() as large, Live(_config(small.url, large)) as made:
        yield made


@pytest.mark.parametrize("stream_", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("name", ROWS)
def test_it_moves_to_the_larger_one_past_the_equal_one(
    live: Live, small: Upstream, name: str, path: str, stream_: bool
) -> None:
    small.script(REFUSALS[name])
    heard = post(live, path, ASKED[path](f"{name}-first", stream=stream_))
    assert heard.status == 200
    assert heard.told("backend") == "large"
    assert heard.told("reason") == f"{name}: context_length"
    rows = live.rows_of(heard.id)
    assert [(row.backend, row.outcome, row.error_code) for row in rows] == [
        (name, "fallback", "context_length_exceeded"), ("large", "ok", None),
    ]  # fmt: skip
    assert f"{name}: context_length before the first byte, so on to large" in (rows[-1].trace or "")


def _events(*values: Any) -> Answer:
    return stream(
        *(f"event: {v.get('type', 'x')}\ndata: {msgspec.json.encode(v).decode()}\n\n".encode() for v in values)
    )


IN_STREAM = {
    "vllm": _events(_openai(_VLLM, 400)),
    "claude": _events({"type": "error", "error": {"type": "invalid_request_error", "message": _CLAUDE}}),
    "gpt": _events(
        {"type": "response.created", "sequence_number": 0, "response": {"id": "r", "object": "response", "status": "in_progress", "output": []}},
        {"type": "response.failed", "sequence_number": 1, "response": {
            "id": "r", "object": "response", "status": "failed", "output": [],
            "error": {"code": "context_length_exceeded", "message": _GPT}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_STREAM)
def test_so_it_does_when_the_stream_has_begun_and_said_nothing(live: Live, small: Upstream, name: str) -> None:
    small.script(IN_STREAM[name])
    heard = post(live, CHAT, chat(f"{name}-first", stream=True))
    assert (heard.status, heard.told("backend")) == (200, "large")
    assert heard.told("reason") == f"{name}: context_length"


@pytest.mark.parametrize("alias", ["alone", "downhill"])
def test_with_no_larger_one_the_error_stands(live: Live, small: Upstream, alias: str) -> None:
    small.script(REFUSALS["vllm"])
    heard = post(live, CHAT, chat(alias))
    assert (heard.status, heard.error["code"]) == (400, "context_length_exceeded")
    assert "4096" in heard.error["message"]
    assert len(live.rows_of(heard.id)) == 1


@pytest.mark.parametrize(("alias", "backend"), [("to-unknown", "cloud"), ("from-unknown", "equal")])
def test_a_context_that_nobody_knows_may_be_larger(live: Live, small: Upstream, alias: str, backend: str) -> None:
    small.script(REFUSALS["vllm"])
    assert post(live, CHAT, chat(alias)).told("backend") == backend


def test_restricted_data_does_not_go_out_for_it(live: Live, small: Upstream) -> None:
    small.script(REFUSALS["vllm"])
    assert post(live, CHAT, chat("out")).told("backend") == "cloud"
    heard = post(live, CHAT, chat("out"), x_turnout_data_class="restricted")
    assert (heard.status, heard.error["code"]) == (400, "context_length_exceeded")
    assert heard.told("backend") == "vllm"


def test_another_bad_request_moves_nowhere(live: Live, small: Upstream) -> None:
    small.script(whole(_openai("temperature must be below 2", None), 400))
    heard = post(live, CHAT, chat("vllm-first"))
    assert (heard.status, len(live.rows_of(heard.id))) == (400, 1)
