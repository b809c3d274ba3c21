"""``credential: from_client``: the caller's own bearer reaches that backend alone, and is kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live import Live
from public_door import CHAT, RESPONSES, ask, get, post
from scripted import Upstream, scripted, stream, whole

SECRET = "sk-callers-own-canary-5f3a"
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4.1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\n'
REFUSED = {"error": {"message": f"Incorrect API key provided: {SECRET}.", "code": "invalid_api_key"}}


@pytest.fixture(scope="module")
def codex() -> Iterator[Upstream]:
    with scripted() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def other() -> Iterator[Upstream]:
    with scripted() as upstream:
        upstream.script(whole(ANSWER))
        yield upstream


@pytest.fixture(scope="module")
def live(codex: Upstream, other: Upstream) -> Iterator[Live]:
    with Live(f"""version: 1
retries: {{attempts: 1}}
backends:
  codex: {{provider: openai, base_url: "{codex.url}/v1", model: gpt-4.1, credential: from_client}}
  other: {{provider: openai, base_url: "{other.url}/v1", model: gpt-4.1, credential: sk-ours}}
  plain: {{provider: vllm, base_url: "{other.url}/v1", model: m}}
aliases:
  codex: {{use: [codex]}}
  other: {{use: [other]}}
  plain: {{use: [plain]}}
  moves: {{use: [codex, other]}}
""") as made:
        yield made


def kept(live: Live) -> bytes:
    """All that is on disk, and what the metrics and the configuration show."""
    files = b"".join(file.read_bytes() for file in live.folder.iterdir() if file.is_file())
    return files + get(live, "/metrics").raw + get(live, "/admin/config").raw


@pytest.mark.parametrize("streamed", [False, True])
def test_the_callers_bearer_reaches_its_backend(live: Live, codex: Upstream, streamed: bool) -> None:
    codex.script(stream(CHUNK, b"data: [DONE]\n\n") if streamed else whole(ANSWER))
    heard = ask(live, "codex", key=SECRET, stream=streamed)
    assert heard.status == 200
    [asked] = codex.asked
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert asked.head.count(SECRET.encode()) == 1
    assert SECRET.encode() not in asked.raw


@pytest.mark.parametrize("alias", ["other", "plain"])
def test_no_other_backend_sees_it(live: Live, other: Upstream, alias: str) -> None:
    before = len(other.asked)
    assert ask(live, alias, key=SECRET).status == 200
    [asked] = other.asked[before:]
    assert SECRET.encode() not in asked.head + asked.raw
    assert asked.headers.get("authorization") == ("Bearer sk-ours" if alias == "other" else None)


def test_it_does_not_move_on_with_a_fallback(live: Live, codex: Upstream, other: Upstream) -> None:
    codex.script(whole({"error": {"message": "no"}}, 500))
    before = len(other.asked)
    heard = ask(live, "moves", key=SECRET)
    assert (heard.status, heard.told("backend")) == (200, "other")
    assert SECRET.encode() not in b"".join(asked.head for asked in other.asked[before:])


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_without_a_bearer_the_caller_is_told(live: Live, codex: Upstream, path: str) -> None:
    codex.script(whole(ANSWER))
    heard = post(live, path, {"model": "codex", "messages": [{"role": "user", "content": "x"}], "input": "x"})
    assert (heard.status, heard.error["code"]) == (401, "missing_api_key")
    assert "backend 'codex' uses the caller's own key" in heard.error["message"]
    assert codex.asked == []


def test_a_refused_bearer_is_told_without_being_repeated(live: Live, codex: Upstream) -> None:
    codex.script(whole(REFUSED, 401))
    heard = ask(live, "codex", key=SECRET)
    assert (heard.status, heard.error["code"]) == (401, "invalid_api_key")
    assert "the key that you sent" in heard.error["message"]
    assert SECRET.encode() not in heard.raw
    assert SECRET.encode() not in kept(live)


def test_one_callers_wrong_bearer_does_not_lock_out_the_next(live: Live, codex: Upstream) -> None:
    codex.script(whole(REFUSED, 401), whole(ANSWER))
    assert [ask(live, "codex", key=key).status for key in ("sk-wrong", SECRET)] == [401, 200]


def test_nothing_of_it_is_kept(live: Live, codex: Upstream) -> None:
    codex.script(whole(ANSWER))
    heard = ask(live, "codex", key=SECRET)
    assert [row.outcome for row in live.rows_of(heard.id)] == ["ok"]
    assert SECRET.encode() not in kept(live) + repr(heard.headers).encode()


def test_with_keys_the_turnout_key_has_a_header_of_its_own(codex: Upstream) -> None:
    key = "sk-turnout-canary-77aa"
    text = f"""version: 1
backends:
  codex: {{provider: openai, base_url: "{codex.url}/v1", model: gpt-4.1, credential: from_client}}
aliases:
  codex: {{use: [codex]}}
keys:
  - {{name: dev, secret: {key}}}
"""
    codex.script(whole(ANSWER))
    with Live(text) as live:
        before = len(codex.asked)
        refused = ask(live, "codex", key=key)
        assert refused.status == 401
        assert "x-turnout-key" in refused.error["message"]
        assert len(codex.asked) == before, "a key of ours is never a vendor's"
        body = {"model": "codex", "messages": [{"role": "user", "content": "Hi!"}]}
        assert post(live, CHAT, body, SECRET, x_turnout_key=key).status == 200
        [asked] = codex.asked[before:]
        assert asked.headers["authorization"] == f"Bearer {SECRET}"
        assert key.encode() not in asked.head + asked.raw
        assert post(live, CHAT, body, SECRET, x_turnout_key="sk-wrong").status == 401
