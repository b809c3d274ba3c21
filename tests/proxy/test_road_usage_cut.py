"""Usage that comes though no answer does: cut, refused, failed, abandoned, judged bad. What was spent stands in a row."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from heard import CLIENTS, question
from live import Live
from public_door import Heard, post
from scripted import Upstream, scripted, stream, whole
from usage_answers import event, responses

from proxy.ledger.record import UsageRecord

START = {"input_tokens": 11, "cache_read_input_tokens": 700, "cache_creation_input_tokens": 300, "output_tokens": 1}
SO_FAR = (1011, 700, 300, 1)
COST = 11 * 1000 + 700 * 100 + 300 * 1250 + 10_000
"""Of what Anthropic tells with its first event, at the prices below."""
ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
HEAD = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up", "content": [], "stop_reason": None}
BEGUN = [event({"type": "message_start", "message": {**HEAD, "stop_sequence": None, "usage": START}})]
SAID = [
    *BEGUN,
    event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}),
]
COUNTS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
PRICE = "price: {input: 1, cached: 0.1, cache_write: 1.25, output: 10}"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with scripted() as made:
        yield made


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    claude = (
        f"provider: anthropic, model: claude-sonnet-5, base_url: '{upstream.url}/v1', credential: sk-canary-1, {PRICE}"
    )
    with Live(f"""version: 1
retries: {{attempts: 1}}
breaker: {{share: 1}}
timeouts: {{commit_after: 300ms, keepalive: 50ms}}
backends:
  sonnet: {{{claude}}}
  hasty:  {{{claude}, timeouts: {{first_byte: 150ms, idle: 150ms}}}}
  gpt:    {{provider: openai, dialect: openai_responses, model: gpt-5.6, base_url: '{upstream.url}/v1', credential: sk-canary-2, {PRICE}}}
  vllm:   {{provider: vllm, model: m, base_url: '{upstream.url}/v1', {PRICE}}}
  gemini: {{provider: google, model: gemini-3.1-pro, base_url: '{upstream.url}/v1beta', credential: sk-canary-3, {PRICE}}}
  words:  {{provider: transformers, model: words, base_url: '{upstream.url}/v1', local: true, {PRICE}}}
  big:    {{provider: openai_compatible, model: big, base_url: '{upstream.url}/v1', local: false, price: {{input: 2, output: 20}}}}
policies:
  better: {{rules: [{{use: [vllm, big], escalate: [empty]}}]}}
aliases:
  sonnet: {{use: [sonnet]}}
  hasty:  {{use: [hasty]}}
  moves:  {{use: [sonnet, vllm]}}
  gpt:    {{use: [gpt]}}
  vllm:   {{use: [vllm]}}
  gemini: {{use: [gemini]}}
  words:  {{use: [words]}}
  better: {{policy: better}}
""") as made:
        yield made


def ask(live: Live, client: str, model: str, *, streamed: bool = True, **more: Any) -> Heard:
    return post(live, f"/v1{CLIENTS[client]}", {**question(client, model, stream=streamed), **more})


def counts(row: UsageRecord) -> tuple[int | None, ...]:
    return row.input_tokens, row.cached_tokens, row.cache_write_tokens, row.output_tokens


@pytest.fixture(autouse=True)
def no_breaker(live: Live, upstream: Upstream) -> Iterator[None]:
    """Each backend in turn has answered well before the next test: failures in a row would open its breaker."""
    yield
    upstream.script(
        whole({**HEAD, "stop_reason": "end_turn", "content": [{"type": "text", "text": "."}], "usage": START})
    )
    assert [ask(live, "messages", name, streamed=False).status for name in ("sonnet", "hasty")] == [200, 200]
    upstream.script(responses({"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}, streamed=False))
    assert ask(live, "responses", "gpt", streamed=False).status == 200


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("end", [[], [event(ERROR)]], ids=["cut", "error"])
@pytest.mark.parametrize("begun", [BEGUN, SAID], ids=["before a word", "after words"])
def test_a_stream_that_breaks_off_has_cost_what_it_told(
    live: Live, upstream: Upstream, begun: list[bytes], end: list[bytes], client: str
) -> None:
    upstream.script(stream(*begun, *end))
    heard = ask(live, client, "sonnet")
    assert (heard.status == 200) == (begun is SAID)
    (row,) = live.rows_of(heard.id)
    assert row.outcome == ("interrupted" if begun is SAID else "error")
    assert (counts(row), row.cost_nano_usd, row.flags) == (SO_FAR, COST, "partial_usage")


def test_a_silence_has_cost_what_was_told_before_it(live: Live, upstream: Upstream) -> None:
    for begun, outcome in ((BEGUN, "error"), (SAID, "interrupted")):
        gate = threading.Event()
        upstream.script(stream(*begun, gate))
        heard = ask(live, "chat", "hasty")
        gate.set()
        (row,) = live.rows_of(heard.id)
        assert (row.outcome, row.error_code) == (outcome, "upstream_timeout")
        assert (counts(row), row.cost_nano_usd, row.flags) == (SO_FAR, COST, "partial_usage")


def test_a_failed_attempt_keeps_its_usage_when_another_takes_over(live: Live, upstream: Upstream) -> None:
    good = {"role": "assistant", "content": "Hi!"}
    end = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": COUNTS}
    chunk = {**end, "object": "chat.completion.chunk"}
    del chunk["usage"]
    told = [
        {**chunk, "choices": [{"index": 0, "delta": good, "finish_reason": "stop"}]},
        {**chunk, "choices": [], "usage": COUNTS},
    ]
    upstream.script(stream(*BEGUN, event(ERROR)), stream(*map(event, told), b"data: [DONE]\n\n"))
    heard = ask(live, "chat", "moves")
    assert heard.status == 200
    failed, answered = live.rows_of(heard.id)
    assert (failed.outcome, counts(failed), failed.cost_nano_usd) == ("fallback", SO_FAR, COST)
    assert (answered.outcome, counts(answered), answered.cost_nano_usd) == ("ok", (10, None, None, 5), 10_000 + 50_000)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_response_that_failed_has_cost_what_it_tells(
    live: Live, upstream: Upstream, client: str, streamed: bool
) -> None:
    usage = {"input_tokens": 20, "input_tokens_details": {"cached_tokens": 5}, "output_tokens": 7, "total_tokens": 27}
    ran = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}
    upstream.script(responses(usage, streamed=streamed, status="failed"))
    heard = ask(live, client, "gpt", streamed=streamed)
    (row,) = live.rows_of(heard.id)
    assert row.outcome in ("error", "interrupted")
    assert (counts(row), row.cost_nano_usd) == ((20, 5, None, 7), 15 * 1000 + 5 * 100 + 7 * 10_000)
    upstream.script(responses(usage, streamed=streamed, status="failed", items=[ran]))
    (row,) = live.rows_of(ask(live, client, "gpt", streamed=streamed).id)
    assert (row.parts, row.cost_nano_usd) == ('{"calls":{"web_search":1}}', None), "a search that has no price"


class Leaves:
    """A client that hangs up."""

    def __init__(self, live: Live, client: str, model: str) -> None:
        body = msgspec.json.encode(question(client, model, stream=True))
        head = f"POST /v1{CLIENTS[client]} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        self._known = {row.request_id for row in live.rows()}
        self._live = live
        self._socket = socket.create_connection(("127.0.0.1", live.port), timeout=20)
        self._socket.sendall(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)

    def after(self, mark: bytes) -> UsageRecord:
        """Hang up once ``mark`` has been read; the row that is left."""
        read = b""
        while mark not in read:
            piece = self._socket.recv(65_536)
            assert piece, read
            read += piece
        self._socket.close()
        self._live.until(lambda: bool(self._rows()), "recorded")
        (row,) = self._rows()
        return row

    def _rows(self) -> Sequence[UsageRecord]:
        return [row for row in self._live.rows() if row.request_id not in self._known]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("begun", "mark"), [(BEGUN, b"keep-alive\n"), (SAID, b"Hello")], ids=["before a word", "after words"]
)
def test_a_client_that_hangs_up_has_spent_what_was_told(
    live: Live, upstream: Upstream, begun: list[bytes], mark: bytes, client: str
) -> None:
    """Before a word, what it reads are comments that keep the connection alive."""
    gate = threading.Event()
    upstream.script(stream(*begun, gate))
    row = Leaves(live, client, "sonnet").after(mark)
    gate.set()
    assert (row.outcome, row.status, counts(row), row.cost_nano_usd) == ("cancelled", 499, SO_FAR, COST)
    assert row.flags == "partial_usage"


@pytest.mark.parametrize(
    ("backend", "frames", "left"),
    [
        ("vllm", [{"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}], "usage": COUNTS}], (10, None, None, 5)),
        ("gemini", [{"candidates": [{"content": {"parts": [{"text": "Hello"}]}, "index": 0}],
                     "usageMetadata": {"promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 5, "totalTokenCount": 15}}],
         (10, 4, None, 5)),
        ("vllm", [{"choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]}], (None, None, None, None)),
    ],
    ids=["counts in every chunk", "gemini", "counts at the end alone"],
)  # fmt: skip
def test_counts_so_far_are_kept_where_a_server_tells_them(
    live: Live, upstream: Upstream, backend: str, frames: list[dict[str, Any]], left: tuple[int | None, ...]
) -> None:
    gate = threading.Event()
    upstream.script(stream(*map(event, frames), gate))
    row = Leaves(live, "chat", backend).after(b"Hel")
    gate.set()
    assert (row.outcome, counts(row)) == ("cancelled", left)
    assert row.flags == (None if left[0] is None else "partial_usage")


def answer(text: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": COUNTS}


def test_a_bad_answer_and_the_one_that_was_asked_for_again_have_each_their_own(live: Live, upstream: Upstream) -> None:
    again = {**answer('{"a": 1}'), "usage": {"prompt_tokens": 30, "completion_tokens": 6, "total_tokens": 36}}
    upstream.script(whole(answer("no JSON")), whole(again))
    heard = ask(live, "chat", "words", streamed=False, response_format={"type": "json_object"})
    assert heard.status == 200, heard.raw
    rows = live.rows_of(heard.id)
    assert [(row.attempt, row.outcome, row.input_tokens, row.output_tokens, row.cost_nano_usd) for row in rows] == [
        (1, "fallback", 10, 5, 60_000), (2, "ok", 30, 6, 90_000),
    ]  # fmt: skip
    assert heard.told("cost-usd") == "0.00015"


def test_a_poor_answer_has_cost_what_it_did(live: Live, upstream: Upstream) -> None:
    upstream.script(whole(answer("")), whole(answer("Paris")))
    rows = live.rows_of(ask(live, "chat", "better", streamed=False).id)
    assert [(row.backend, row.flags, row.cost_nano_usd) for row in rows] == [
        ("vllm", "poor_answer empty", 60_000), ("big", None, 120_000),
    ]  # fmt: skip


@pytest.mark.parametrize("client", CLIENTS)
def test_c1_what_was_said_before_a_hang_up_counts_though_nobody_told_its_tokens(
    live: Live, upstream: Upstream, client: str
) -> None:
    """By about four characters to a token, and marked; a cost only where the input is known."""
    word = "Hello " * 40
    chunk = {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
    said = event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}})
    for backend, frames, begun, cost in (
        ("vllm", [event(chunk)], (None, None, None, 60), None),
        ("sonnet", [*SAID[:-1], said], (*SO_FAR[:3], 60), COST + 59 * 10_000),
    ):
        gate = threading.Event()
        upstream.script(stream(*frames, gate))
        row = Leaves(live, client, backend).after(b"Hello Hello")
        gate.set()
        assert (row.outcome, counts(row), row.cost_nano_usd) == ("cancelled", begun, cost)
        assert row.flags == "output_estimated, partial_usage"
