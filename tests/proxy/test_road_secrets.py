"""What is written down: one line per call, one per failed attempt, and nowhere a prompt, an answer or a key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from live import Live, free_port
from public_door import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Heard, ask, chat, get, post, responses
from scripted import Asked, Upstream, scripted, stream, whole

KEY = "sk-canary-key-0a1b2c3d4e5f"
CREDENTIAL = "sk-canary-credential-0a1b2c3d4e5f"
PROMPT, ANSWER, TOOL = "canary-prompt-zebra", "canary-answer-yak", "canary_tool_xerus"
CANARIES = (KEY, CREDENTIAL, PROMPT, ANSWER, TOOL, "canary")
USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
GOOD = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
}  # fmt: skip
CHUNK = {"id": "c", "object": "chat.completion.chunk", "model": "m", "usage": USAGE,
         "choices": [{"index": 0, "delta": {"content": ANSWER}, "finish_reason": "stop"}]}  # fmt: skip
TOOLS = [{"type": "function", "function": {"name": TOOL, "parameters": {"type": "object", "properties": {}}}}]
ERROR = {"error": {"message": f"bad: {PROMPT}", "type": "x", "code": None}}


def event(value: Any) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def play(asked: Asked) -> Any:
    """Answers as ``user`` says, and every error quotes all that came."""
    act = asked.body.get("user")
    error = {"error": {"message": f"bad: {asked.body} {asked.headers}", "type": "x", "code": None}}
    if act in ("400", "404", "429", "500", "503"):
        return whole(error, int(act))
    if act == "midway":
        return stream(event({**CHUNK, "choices": [{"index": 0, "delta": {"content": ANSWER}}]}), event(ERROR))
    if act == "garbage":
        return whole(f"<{ANSWER}>".encode())
    if asked.body.get("stream"):
        return stream(event(CHUNK), b"data: [DONE]\n\n")
    return whole({**GOOD, "data": []})


@pytest.fixture(scope="module")
def raw() -> Iterator[Upstream]:
    with scripted() as upstream:
        upstream.reply = play
        yield upstream


@pytest.fixture(scope="module")
def live(raw: Upstream) -> Iterator[Live]:
    entry = f'provider: openai, base_url: "{raw.url}/v1", model: m, credential: {CREDENTIAL}'
    names = ("good", "400", "404", "429", "500", "503", "midway", "garbage", "whole", "moves", "other")
    backends = "\n".join(f"  {name}: {{{entry}, headers: {{x-secret: {CREDENTIAL}}}}}" for name in names)
    with Live(f"""version: 1
retries: {{attempts: 1}}
backends:
{backends}
  down:   {{provider: vllm, base_url: "http://127.0.0.1:{free_port()}/v1", model: m}}
  claude: {{provider: anthropic, base_url: "{raw.url}", model: claude-sonnet-5, credential: {CREDENTIAL}}}
roles: {{local: good, cloud: good, claude: good}}
aliases:
  auto:  {{policy: hybrid}}
  moves: {{use: [down, other]}}
keys: [{{name: me, secret: {KEY}}}]
""") as made:
        yield made


def lines(live: Live, call: str, event: str) -> list[dict[str, Any]]:
    """The log lines of one call; every line of the log is one JSON object."""
    told = [msgspec.json.decode(line) for line in live.log().splitlines() if line.startswith("{")]
    return [line for line in told if line.get("request_id") == call and line["event"] == event]


def test_every_call_is_one_line(live: Live) -> None:
    heard = ask(live, "backend/good", key=KEY)
    [line] = lines(live, heard.id, "call.done")
    [row] = live.rows_of(heard.id)
    assert (line["level"], line["attempts"], line["key_id"], line["backend"]) == ("info", 1, "me", "good")
    assert (line["input_tokens"], line["output_tokens"], line["duration_ms"]) == (3, 1, row.duration_ms)
    assert (line["status"], line["outcome"], line["policy"], line["api"]) == (200, "ok", "pinned", "chat")
    assert len(line["trace_id"]) == 32
    assert lines(live, heard.id, "attempt.failed") == []


@pytest.mark.parametrize("stream", [False, True])
def test_every_failed_attempt_is_one_line_more(live: Live, stream: bool) -> None:
    heard = ask(live, "moves", key=KEY, stream=stream)
    assert heard.status == 200
    [failed] = lines(live, heard.id, "attempt.failed")
    assert (failed["level"], failed["attempt"], failed["backend"]) == ("warning", 1, "down")
    assert (failed["outcome"], failed["error_code"]) == ("fallback", "upstream_unreachable")
    [done] = lines(live, heard.id, "call.done")
    assert (done["attempts"], done["backend"], done["trace_id"]) == (2, "other", failed["trace_id"])


def test_a_refusal_by_key_is_no_call(live: Live) -> None:
    heard = ask(live, "backend/good", key=f"{KEY}-wrong")
    assert (heard.status, lines(live, heard.id, "call.done"), live.rows_of(heard.id)) == (401, [], [])


def everything(live: Live) -> list[Heard]:
    """Calls of every kind, with canaries wherever a client or an upstream can put them."""
    asked = [
        *(ask(live, f"backend/{act}", PROMPT, key=KEY, user=act, tools=TOOLS, stream=streamed)
          for act in ("good", "400", "404", "429", "500", "503", "midway", "garbage") for streamed in (False, True)),
        post(live, RESPONSES, responses("backend/whole", PROMPT), KEY),
        post(live, EMBEDDINGS, {"model": "backend/whole", "input": PROMPT}, KEY),
        post(live, COMPLETIONS, {"model": "backend/whole", "prompt": PROMPT}, KEY),
        ask(live, "auto", f"{PROMPT} create a server", key=KEY),
        ask(live, "moves", PROMPT, key=KEY),
        ask(live, "backend/claude", PROMPT, key=KEY),
        ask(live, "nobody", PROMPT, key=KEY),
        ask(live, "backend/good", PROMPT, key=f"{KEY}x"),
        post(live, CHAT, b'{"model":"auto","messages":"' + PROMPT.encode() + b'"}', KEY),
        post(live, CHAT, b'{"model":"auto",' + PROMPT.encode(), KEY),
        post(live, CHAT, {**chat("auto", PROMPT), "n": PROMPT}, KEY),
    ]  # fmt: skip
    return [heard for heard in asked if heard is not None]


def test_no_prompt_no_answer_and_no_key_is_written_down(live: Live) -> None:
    answers = everything(live)
    assert {200, 400, 401, 404, 429, 502, 503} <= {heard.status for heard in answers}
    files = [file for file in live.folder.iterdir() if file.is_file() and file != live.config]
    assert {file.suffix for file in files} >= {"", ".db"}
    for file in files:
        found = [canary for canary in CANARIES if canary.encode() in file.read_bytes()]
        assert found == [], file
    assert len(live.rows()) >= 20
    for path in ("/metrics", "/admin/config", "/health/ready"):
        shown = get(live, path, KEY).raw
        assert [canary for canary in (KEY, CREDENTIAL, PROMPT, ANSWER) if canary.encode() in shown] == []
    for heard in answers:
        told = heard.raw + repr(heard.headers).encode()
        assert [canary for canary in (KEY, CREDENTIAL) if canary.encode() in told] == [], heard.status
        assert PROMPT.encode() not in repr(heard.headers).encode()


@pytest.mark.parametrize("status", ["400", "500"])
def test_an_upstreams_words_are_for_the_client_and_not_for_the_book(live: Live, status: str) -> None:
    heard = ask(live, f"backend/{status}", PROMPT, key=KEY, user=status)
    assert PROMPT in heard.error["message"]
    [row] = live.rows_of(heard.id)
    assert row.error_message == f"the backend's answer was an error (HTTP {status})"


def test_captured_content_keeps_an_upstreams_words(raw: Upstream) -> None:
    with Live(f"""backends: {{raw: {{provider: openai, base_url: "{raw.url}/v1", model: m, credential: k}}}}
aliases: {{raw: {{use: [raw]}}}}
telemetry: {{capture_content: true}}
""") as live:
        heard = ask(live, "raw", PROMPT, user="400")
        assert (live.rows_of(heard.id)[0].error_message or "").startswith("bad: ")
