"""Requests and answers that mean harm, or are only odd, through the public door: where they end and what they cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live import Live
from public_door import CHAT, COMPLETIONS, RESPONSES, Heard, chat, get, post, responses
from scripted import Answer, Upstream, whole
from stored_kit import database

from proxy.explain import explain
from proxy.snapshot import build_text

CONFIG = """version: 1
retries: {{base: 1ms}}
server: {{max_body: 64KiB}}
backends:
  gpt: {{provider: openai, base_url: '{url}/v1', model: gpt-5.6, credential: k}}
  opus: {{provider: anthropic, base_url: '{url}', model: claude-opus-4-8, credential: k}}
  old: {{provider: anthropic, base_url: '{url}', model: claude-3-5-sonnet, credential: k, price: {{input: 1, output: 2}}}}
  generic: {{provider: openai_compatible, base_url: '{url}/v1', model: m}}
  vllm: {{provider: vllm, base_url: '{url}/v1', model: m}}
aliases:
  gpt: {{use: [gpt]}}
  opus: {{use: [opus]}}
  either: {{use: [opus, vllm]}}
  old: {{use: [old]}}
  generic: {{use: [generic]}}
  vllm: {{use: [vllm]}}
"""
MESSAGES = "/v1/messages"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    with Live(CONFIG.format(url=upstream.url)) as made:
        yield made


def completion(text: str = "Hi.") -> Answer:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return whole(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    )


def message(text: str = "Hi.", **value: Any) -> Answer:
    """Of Claude; ``value``: it calls the tool that stands for the format."""
    block = {"type": "tool_use", "id": "t", "name": "a", "input": value} if value else {"type": "text", "text": text}
    return whole(
        {"id": "msg", "type": "message", "role": "assistant", "model": "claude", "content": [block],
         "stop_reason": "tool_use" if value else "end_turn", "usage": {"input_tokens": 10, "output_tokens": 5}}
    )  # fmt: skip


def response(number: int = 1) -> Answer:
    text = {"type": "output_text", "text": "Hi.", "annotations": []}
    item = {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": [text]}
    return whole(
        {"id": f"resp_{number}", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5.6",
         "output": [item], "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}
    )  # fmt: skip


# --- pointers into an account that several tenants share -----------------------------------------------------------


@pytest.mark.parametrize("field", ["previous_response_id", "conversation", "prompt"])
def test_a_chat_client_cannot_point_into_the_account(live: Live, upstream: Upstream, field: str) -> None:
    """Such a call goes to OpenAI's /responses, which would follow the pointer."""
    upstream.script(response())
    asked = chat("gpt", tools=[TOOL], reasoning_effort="high", **{field: "of_another_tenant"})
    heard = post(live, CHAT, asked)
    assert (heard.status, heard.error["param"]) == (400, field)
    assert upstream.asked == []


def test_a_chat_client_cannot_send_work_into_the_background(live: Live, upstream: Upstream) -> None:
    upstream.script(response())
    heard = post(live, CHAT, chat("gpt", tools=[TOOL], reasoning_effort="high", background=True))
    assert (heard.status, heard.told("dropped")) == (200, "background")
    assert "background" not in upstream.asked[-1].body


def test_references_bring_no_more_than_a_body_may_be(live: Live, upstream: Upstream) -> None:
    for number in (1, 2, 3):
        upstream.script(response(number))
        assert post(live, RESPONSES, responses("gpt", "x" * 30_000)).status == 200
    all_three = [{"type": "item_reference", "id": f"msg_{number}"} for number in (1, 2, 3)]
    heard = post(live, RESPONSES, {"model": "gpt", "input": all_three})
    assert (heard.status, heard.error["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    "asked",
    [{"input": "x", "previous_response_id": "r" * 50_000}, {"input": [{"type": "item_reference", "id": "r" * 50_000}]}],
    ids=["previous", "reference"],
)
def test_an_error_does_not_repeat_a_long_id(live: Live, asked: dict[str, Any]) -> None:
    heard = post(live, RESPONSES, {"model": "gpt", **asked})
    assert (heard.status, heard.error["code"][-9:]) == (400, "not_found")
    assert len(heard.raw) < 1000


def test_explain_takes_references_for_what_they_stand_for(live: Live) -> None:
    """They are resolved before anything is decided, so that every backend can be told what they point at."""
    snapshot = build_text(live.config.read_text(), file=str(live.config), generation=1, env={})
    items = [{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "Hi!"}]
    found = explain(snapshot, "responses", json.dumps({"model": "opus", "input": items}).encode())
    assert (found.failure, found.backend) == (None, "opus")


def test_a_row_that_cannot_be_read_is_told_as_the_stores_failure(live: Live, upstream: Upstream) -> None:
    upstream.script(response(9))
    assert post(live, RESPONSES, responses("gpt")).status == 200
    db = database(live)
    db.execute("UPDATE turns SET input = 'no json' WHERE id = 'resp_9'")
    db.close()
    heard = get(live, f"{RESPONSES}/resp_9")
    assert (heard.status, heard.error["code"]) == (503, "store_unavailable")
    assert heard.headers["x-request-id"]


# --- what is judged, and what it costs -----------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["messages/count_tokens", "responses/input_tokens"])
def test_a_count_is_not_judged(live: Live, upstream: Upstream, api: str) -> None:
    upstream.script(whole({"input_tokens": 7}))
    named = {"type": "json_schema", "name": "a", "schema": SCHEMA}
    formed = {
        "messages/count_tokens": chat("old", output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
        "responses/input_tokens": {**responses("old"), "text": {"format": named}},
    }
    heard = post(live, f"/v1/{api}", formed[api])
    assert (heard.status, heard.body["input_tokens"], len(upstream.asked)) == (200, 7, 1)


def test_a_repaired_answer_costs_what_both_attempts_cost(live: Live, upstream: Upstream) -> None:
    named = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
    upstream.script(message(a="no integer"), message(a=1))
    heard = post(live, CHAT, chat("old", response_format=named))
    assert (heard.status, heard.told("attempts")) == (200, "2"), heard.raw
    costs = [row.cost_nano_usd for row in live.rows_of(heard.id)]
    assert costs == [20_000, 20_000]
    assert heard.told("cost-usd") == "0.00004"


def test_a_whole_answer_in_place_of_a_passed_on_stream_is_the_upstreams_fault(live: Live, upstream: Upstream) -> None:
    upstream.script(whole({"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": []}))
    heard = post(live, COMPLETIONS, {"model": "generic", "prompt": "Hi!", "stream": True})
    assert (heard.status, heard.error["code"]) == (502, "upstream_bad_response")


# --- what a backend would refuse ------------------------------------------------------------------------------------

BEGUN = [{"role": "user", "content": "Hi!"}, {"role": "assistant", "content": "{"}]


def test_a_begun_answer_is_refused_before_a_model_that_does_not_go_on_with_it(live: Live, upstream: Upstream) -> None:
    upstream.script(message())
    heard = post(live, MESSAGES, {"model": "opus", "max_tokens": 9, "messages": BEGUN})
    assert (heard.status, heard.body["type"]) == (400, "error")
    assert "end with a user turn" in heard.body["error"]["message"]
    assert upstream.asked == []


def test_a_begun_answer_goes_to_one_that_goes_on_with_it(live: Live, upstream: Upstream) -> None:
    upstream.script(completion())
    heard = post(live, MESSAGES, {"model": "either", "max_tokens": 9, "messages": BEGUN})
    assert (heard.status, heard.told("backend")) == (200, "vllm")


@pytest.mark.parametrize(
    "content",
    [[{"type": "tool_use", "id": "t", "name": "f", "input": {}}], [{"type": "server_tool_use", "id": "t"}], []],
    ids=["call", "paused", "empty"],
)
def test_a_turn_that_ends_in_a_call_is_no_begun_answer(live: Live, upstream: Upstream, content: Any) -> None:
    upstream.script(message())
    turns = [BEGUN[0], {"role": "assistant", "content": content}]
    assert post(live, MESSAGES, {"model": "opus", "max_tokens": 9, "messages": turns}).status == 200


def thoughtful(path: str) -> Any:
    """A conversation with reasoning in it, as clients of this API bring it."""
    asked = {"role": "user", "content": "Hi!"}
    if path == MESSAGES:
        said = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "yo"}]
        return {"max_tokens": 9, "messages": [asked, {"role": "assistant", "content": said}, asked]}
    if path == RESPONSES:
        thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
        said = [{"type": "output_text", "text": "yo"}]
        return {"input": [asked, thought, {"type": "message", "role": "assistant", "content": said}, asked]}
    return {"messages": [asked, {"role": "assistant", "content": "yo", "reasoning_content": "hm"}, asked]}


def told_back(upstream: Upstream) -> Any:
    """The assistant's turn as the server was sent it."""
    return next(turn for turn in upstream.asked[-1].body["messages"] if turn["role"] == "assistant")


@pytest.mark.parametrize("path", [MESSAGES, RESPONSES])
def test_anybodys_server_gets_no_field_that_its_client_did_not_send(live: Live, upstream: Upstream, path: str) -> None:
    """Strict ones answer it with a 400."""
    upstream.script(completion())
    heard = post(live, path, {"model": "generic", **thoughtful(path)})
    assert heard.status == 200
    assert told_back(upstream) == {"role": "assistant", "content": "yo"}
    assert "messages.reasoning" in str(heard.told("dropped"))
    post(live, path, {"model": "vllm", **thoughtful(path)})
    assert told_back(upstream)["reasoning"] == "hm"


def test_a_chat_clients_own_reasoning_goes_on(live: Live, upstream: Upstream) -> None:
    """Some servers want it back, and their clients know."""
    upstream.script(completion())
    heard = post(live, CHAT, {"model": "generic", **thoughtful(CHAT)})
    assert (heard.status, heard.told("dropped")) == (200, None)
    assert told_back(upstream)["reasoning_content"] == "hm"


# --- a reload that cannot be followed -------------------------------------------------------------------------------


def test_a_reload_without_a_secret_to_seal_with_changes_nothing(upstream: Upstream, tmp_path: Path) -> None:
    """The one that the operator gave is taken out of the file, and none can be made in its place."""
    before = CONFIG.format(url=upstream.url)
    own = before.replace("server: {", "server: {secret: a-secret-of-the-operators, ")
    (tmp_path / "turnout.secret").mkdir()
    with Live(own, folder=tmp_path) as live:
        live.write(before)
        outcome = live.reload()
        assert (outcome["ok"], outcome["generation"]) == (False, 1)
        assert "turnout.secret" in outcome["error"]
        upstream.script(completion())
        heard: Heard = post(live, CHAT, chat("vllm"))
        assert (heard.status, heard.told("generation")) == (200, "1")
        assert "worker.died" not in live.log()
