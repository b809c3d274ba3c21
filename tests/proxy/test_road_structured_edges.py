"""The edges of judged answers: too large, slow, refused, failing while repaired, several choices, and what errors say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from heard import heard
from live import Live
from public_door import CHAT, RESPONSES, Heard, post
from scripted import Answer, Upstream, scripted, whole
from structured import GOOD, SCHEMA, asked

GOOD_TEXT = json.dumps(GOOD)
SECRET = "the answer is private"
CONFIG = """version: 1
server: {{collect_max: 4KiB}}
timeouts: {{commit_after: {commit}, keepalive: 40ms}}
retries: {{base: 1ms}}
backends:
  words: {{provider: transformers, base_url: '{url}/v1', model: m}}
  many: {{provider: openai_compatible, base_url: '{url}/v1', model: m, capabilities: {{json_schema: false}}}}
  native: {{provider: vllm, base_url: '{url}/v1', model: n}}
  old: {{provider: openai, dialect: openai_chat, base_url: '{url}/v1', model: gpt-4, credential: k}}
aliases:
  words: {{use: [words]}}
  many: {{use: [many]}}
  both: {{use: [words, native]}}
  old: {{use: [old]}}
"""


@contextmanager
def road(commit: str) -> Iterator[tuple[Live, Upstream]]:
    with scripted() as upstream, Live(CONFIG.format(url=upstream.url, commit=commit)) as live:
        yield live, upstream


@pytest.fixture(scope="module")
def patient() -> Iterator[tuple[Live, Upstream]]:
    with road("15s") as built:
        yield built


@pytest.fixture(scope="module")
def impatient() -> Iterator[tuple[Live, Upstream]]:
    with road("40ms") as built:
        yield built


def completion(*texts: str | None, finish: str = "stop", **message: Any) -> Answer:
    """A chat server's whole answer, one choice for each text."""
    choices = [
        {"index": i, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
        for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    return whole(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}
    )


def ask(live: Live, model: str = "words", **more: Any) -> Heard:
    return post(live, CHAT, asked("chat", model, SCHEMA, **more))


@pytest.mark.parametrize("stream", [False, True])
def test_more_than_can_be_collected_is_an_error(patient: tuple[Live, Upstream], stream: bool) -> None:
    live, upstream = patient
    upstream.script(completion(GOOD_TEXT + " " * 8192))
    answer = ask(live, stream=stream)
    assert answer.status == 502
    assert "4096 bytes" in answer.error["message"]
    assert len(upstream.asked) == 1, "a repair would be as large"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("answer", "finish"),
    [
        (completion("I was cut o", finish="length"), "length"),
        (completion("", finish="content_filter"), "content_filter"),
        (completion(None, refusal="I will not."), "stop"),
    ],
)
def test_what_is_no_answer_is_told_as_it_is(
    patient: tuple[Live, Upstream], answer: Answer, finish: str, stream: bool
) -> None:
    live, upstream = patient
    upstream.script(answer)
    told = heard("chat", ask(live, stream=stream).raw, stream=stream)
    assert told.finish == finish
    assert len(upstream.asked) == 1


def test_the_model_is_shown_its_answer_and_what_is_wrong(patient: tuple[Live, Upstream]) -> None:
    live, upstream = patient
    upstream.script(completion('{"city": 5}'), completion(GOOD_TEXT))
    assert ask(live).status == 200
    first, second = (one.body["messages"] for one in upstream.asked)
    assert second[: len(first)] == first
    shown, told = second[len(first) :]
    assert shown == {"role": "assistant", "content": '{"city": 5}'}
    assert told["role"] == "user"
    assert '"degrees" is a required property' in told["content"]
    assert "At $['city']: 5 is not of type" in told["content"]


def test_an_empty_answer_cannot_be_shown(patient: tuple[Live, Upstream]) -> None:
    live, upstream = patient
    upstream.script(completion(""), completion(GOOD_TEXT))
    assert ask(live).status == 200
    first, second = (one.body["messages"] for one in upstream.asked)
    assert [turn["role"] for turn in second[len(first) :]] == ["user"]
    assert "not valid" in second[-1]["content"]


def test_nothing_of_the_answer_stands_in_the_error(patient: tuple[Live, Upstream]) -> None:
    live, upstream = patient
    upstream.script(completion(json.dumps({SECRET: SECRET})))
    answer = ask(live)
    assert answer.error["code"] == "structured_output_invalid"
    assert "required" in answer.error["message"]
    assert SECRET not in answer.raw.decode()
    assert all(SECRET not in str(row) for row in live.rows_of(answer.id))
    assert SECRET not in live.log()


def test_every_choice_is_judged(patient: tuple[Live, Upstream]) -> None:
    live, upstream = patient
    upstream.script(completion(GOOD_TEXT, "no"), completion(GOOD_TEXT, GOOD_TEXT))
    answer = ask(live, "many", n=2)
    assert [choice["message"]["content"] for choice in answer.body["choices"]] == [GOOD_TEXT, GOOD_TEXT]
    assert answer.told("attempts") == "2"
    upstream.script(completion(GOOD_TEXT, "no"))
    assert ask(live, "many", n=2).status == 502


def test_another_backend_is_asked_afresh_when_the_repair_fails(patient: tuple[Live, Upstream]) -> None:
    live, upstream = patient
    upstream.script(completion("no"), whole({"error": {"message": "x"}}, 503), completion(GOOD_TEXT))
    answer = ask(live, "both")
    assert (answer.status, answer.told("backend"), answer.told("attempts")) == (200, "native", "3")
    last = upstream.asked[-1].body
    assert "not valid" not in json.dumps(last["messages"])
    assert last["response_format"]["type"] == "json_schema"


def test_the_second_bad_answer_ends_the_road(patient: tuple[Live, Upstream]) -> None:
    live, upstream = patient
    upstream.script(completion("no"))
    answer = ask(live, "both")
    assert (answer.status, answer.error["code"], len(upstream.asked)) == (502, "structured_output_invalid", 2)


def test_a_model_without_schemas_behind_an_exact_wire(patient: tuple[Live, Upstream]) -> None:
    live, upstream = patient
    upstream.script(completion(GOOD_TEXT))
    assert ask(live, "old", stream=True).told("buffered") == "1"
    sent = upstream.asked[-1].body
    assert sent["response_format"] == {"type": "json_object"}
    assert "JSON Schema" in sent["messages"][0]["content"]
    plain = post(live, CHAT, asked("chat", "old"))
    assert (plain.status, plain.told("buffered")) == (200, None)
    assert upstream.asked[-1].body["messages"] == asked("chat", "old")["messages"]


def test_a_slow_stream_is_kept_alive_while_it_is_judged(impatient: tuple[Live, Upstream]) -> None:
    live, upstream = impatient
    gates = threading.Event(), threading.Event()
    bad, good = completion("no"), completion(GOOD_TEXT)
    upstream.script(*(Answer([gate, *one.parts]) for gate, one in zip(gates, (bad, good), strict=True)))
    url, body = live.url + CHAT, asked("chat", "words", SCHEMA, stream=True)
    with httpx2.Client(timeout=20) as http, http.stream("POST", url, json=body) as got:
        assert got.headers["x-turnout-buffered"] == "1"
        raw, comments = b"", 0
        for chunk in got.iter_bytes():
            raw += chunk
            comments += chunk.count(b": ")
            if comments in (2, 4) and b"data" not in raw:
                gates[comments // 4].set()
    assert heard("chat", raw, stream=True).text == GOOD_TEXT
    assert [row.status for row in live.rows_of(got.headers["x-request-id"])] == [502, 200]


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_a_bad_answer_after_the_promise_is_told_in_the_stream(impatient: tuple[Live, Upstream], path: str) -> None:
    live, upstream = impatient
    gate = threading.Event()
    upstream.script(Answer([gate, *completion("no").parts]), completion("no"))
    api = "chat" if path == CHAT else "responses"
    with (
        httpx2.Client(timeout=20) as http,
        http.stream("POST", live.url + path, json=asked(api, "words", SCHEMA, stream=True)) as got,
    ):
        gate.set()
        raw = b"".join(got.iter_bytes())
    assert got.status_code == 200
    assert b"structured_output_invalid" in raw
    assert b"response.completed" not in raw
    assert b"finish_reason" not in raw
