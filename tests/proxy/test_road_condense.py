"""Condensing on the road: old turns are shortened where it pays, nothing is lost, and both legs are in the book."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import msgspec
import pytest
from bench.condense import measure
from condensing import (
    FACTS,
    PLANTED,
    Condenser,
    Json,
    PrefixCache,
    asleep,
    conversation,
    extractive,
    forgetful,
    lying,
    shortened,
)
from live import Live
from public_door import CHAT, Heard, get, post
from scripted import Answer, Asked, Upstream, whole

AWAY = whole({"error": {"message": "x"}}, 500)
# fmt: off
MORE = {
    "p": "condense: oss",
    "kept": "condense: oss, set: {cache: {ttl: 1h, tools: true}}",
    "unpriced": "condense: mystery",
    "dear": "condense: dear",
    "cloudy": "condense: other",
    "little": "condense: {by: oss, min_tokens: 100000}",
    "most": "condense: {by: oss, keep: 28, min_tokens: 100}",
    "fenced": "condense: other",
    "waiting": "condense: {by: waiting, timeout: 15s}",
    "forgetful": "condense: forgetful",
    "lying": "condense: lying",
    "asleep": "condense: asleep",
    "away": "condense: frail",
    "hasty": "condense: {by: hasty, timeout: 50ms}",
}
# fmt: on


def config(url: str) -> str:
    chat = f'provider: openai_compatible, base_url: "{url}/v1"'
    local = f'provider: vllm, base_url: "{url}/v1", model: oss, local: true'
    own = "\n".join(
        f"  {name}: {{{local}, context: 32000, price: {{input: 0.05, output: 0.2}}}}"
        for name in ("oss", "forgetful", "lying", "asleep", "frail", "hasty", "waiting")
    )
    rules = "\n".join(f"  {name}: {{rules: [{{use: [big], {words}}}]}}" for name, words in MORE.items())
    aliases = "\n".join(f"  {name}: {{policy: {name}}}" for name in (*MORE, "cheap"))
    return f"""version: 1
timeouts: {{commit_after: 100ms, keepalive: 50ms}}
retries: {{base: 1ms, attempts: 1}}
backends:
{own}
  mystery: {{{local}}}
  dear:    {{{chat}, model: oss, local: false, price: {{input: 4, output: 20}}}}
  other:   {{{chat}, model: oss, local: false, price: {{input: 0.05, output: 0.2}}}}
  big:     {{{chat}, model: big, local: false, price: {{input: 3, cached: 0.3, output: 15}}}}
  house:   {{provider: vllm, base_url: "{url}/v1", model: big, local: true, price: {{input: 3, output: 15}}}}
  bargain: {{{chat}, model: big, local: false, price: {{input: 0.04, output: 0.1}}}}
policies:
{rules}
  cheap: {{rules: [{{use: [bargain], condense: oss}}]}}
  inside: {{rules: [{{use: [house], condense: other}}]}}
guards:
  - {{when: {{data_class: restricted}}, only: {{local: true}}, reason: stays}}
  - {{when: {{alias: fenced}}, only: {{backends: [big]}}, reason: by contract}}
aliases:
{aliases}
  inside: {{policy: inside}}
"""


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    with Live(config(upstream.url)) as made:
        yield made


@pytest.fixture
def play(upstream: Upstream) -> Callable[..., list[Asked]]:
    """``play(condenser)``: what the local model does (None: fail), beside a vendor that caches prefixes. Returns the
    journal."""

    vendor = PrefixCache()

    def script(condenser: Condenser | None = extractive) -> list[Asked]:
        def reply(asked: Asked) -> Answer:
            if not _is_oss(asked):
                return vendor(asked)
            return shortened(asked, condenser) if condenser is not None else AWAY

        upstream.asked.clear()
        upstream.reply = reply
        return upstream.asked

    return script


def _is_oss(asked: Asked) -> bool:
    return bool(asked.body["model"] == "oss")


def ask(live: Live, model: str, messages: list[Json], *, mark: str = "", **more: Any) -> Heard:
    """``mark`` makes the conversation another one, so that nothing is remembered of it."""
    if mark:
        messages = [*messages[:1], {"role": "user", "content": f"This is {mark}."}, *messages[1:]]
    headers = more.pop("headers", {})
    return post(live, CHAT, {"model": model, "messages": messages, **more}, **headers)


def told(asked: list[Asked]) -> list[Json]:
    """What the vendor read."""
    return list(next(each for each in reversed(asked) if not _is_oss(each)).body["messages"])


def words(messages: list[Json]) -> str:
    return msgspec.json.encode(messages).decode()


def trace(live: Live, found: Heard) -> str:
    return "\n".join(row.trace or "" for row in live.rows_of(found.id) if row.parent_id is None)


def test_it_pays_and_nothing_is_lost(live: Live, play: Callable[..., list[Asked]]) -> None:
    asked = play()
    before = conversation()
    found = ask(live, "p", before)
    after = told(asked)
    assert found.status == 200, found.raw
    old, new = map(int, (found.told("condensed") or "").split(">"))
    assert new < old / 2
    for fact in PLANTED:
        assert fact in words(after).replace("\\", ""), fact
    assert len(after) == len(before)
    assert (after[0], after[-4:]) == (before[0], before[-4:])
    assert [m.get("tool_calls") for m in after] == [m.get("tool_calls") for m in before]
    assert [m.get("tool_call_id") for m in after] == [m.get("tool_call_id") for m in before]
    result = next(m["content"] for m in after if m["role"] == "tool")
    assert "553-A" in result
    assert "18.4" in result
    own, *helpers = live.rows_of(found.id)
    assert (own.parent_id, own.flags, own.outcome) == (None, f"condensed {old}>{new}", "ok")
    assert {(row.parent_id, row.purpose, row.backend, row.outcome) for row in helpers} == {
        (own.request_id, "condense", "oss", "ok")
    }
    costs = [row.cost_nano_usd for row in (own, *helpers) if row.cost_nano_usd]
    assert len(costs) == len(helpers) + 1 > 1
    assert found.told("cost-usd") == f"{sum(costs) / 1e9:.9f}".rstrip("0")
    plain = ask(live, "unpriced", before, mark="plain")
    (row,) = live.rows_of(plain.id)
    assert sum(costs) < (row.cost_nano_usd or 0)


def test_an_answer_that_is_given_again_tells_that_its_question_was_shortened(
    live: Live, play: Callable[..., list[Asked]]
) -> None:
    asked = play()
    first, second = (ask(live, "kept", conversation(), mark="kept twice") for _ in range(2))
    assert (first.told("cache"), (second.told("cache") or "")[:4]) == ("miss", "hit;")
    assert first.told("condensed") == second.told("condensed") is not None
    assert second.told("cost-usd") == "0"
    assert sum(not _is_oss(each) for each in asked) == 1
    (row,) = live.rows_of(second.id)
    assert (row.attempt, row.cached_from, row.cost_nano_usd) == (0, first.id, 0)


def test_the_next_turn_finds_the_same_prefix(live: Live, play: Callable[..., list[Asked]]) -> None:
    asked = play()
    first = [*conversation(), {"role": "assistant", "content": "Call the supplier."}]
    ask(live, "p", first[:-1], mark="thread")
    sent = told(asked)
    found = ask(live, "p", [*first, {"role": "user", "content": "And then?"}], mark="thread")
    assert told(asked)[: len(sent)] == sent
    assert [_is_oss(each) for each in asked][-2:] == [False, False]
    assert found.body["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
    assert found.told("condensed") is not None
    assert len(live.rows_of(found.id)) == 1
    assert "condense: no," in trace(live, found)


@pytest.mark.parametrize(("condenser", "kept"), [(forgetful, True), (lying, False), (asleep, False)])
def test_a_bad_condenser_costs_money_but_no_fact(
    live: Live, play: Callable[..., list[Asked]], condenser: Condenser, kept: bool
) -> None:
    """What it forgets is put back with the sentence that said it; what it invents or does not shorten is not used, and
    it is not asked again soon."""
    asked = play(condenser)
    before, name = conversation(), condenser.__name__
    found = ask(live, name, before, mark=name)
    said = words(told(asked)).replace("\\", "")
    assert "99,999" not in said
    for fact in PLANTED:
        assert fact in said, fact
    assert (found.told("condensed") is not None) is kept
    assert len(live.rows_of(found.id)) > 1
    if not kept:
        assert told(asked)[2:] == before[1:]
        for mark in (name, f"another, after {name}"):
            asked.clear()
            ask(live, name, before, mark=mark)
            assert not any(map(_is_oss, asked))


@pytest.mark.parametrize(
    ("alias", "turns", "why"),
    [
        ("p", 6, "tokens of old text may be shortened, fewer than 2000"),
        ("little", 30, "fewer than 100000"),
        ("cheap", 30, "saves $"),
        ("dear", 30, "costs $"),
        ("unpriced", 30, "the price of mystery is unknown: give it one"),
    ],
)
def test_the_guard_refuses_where_it_would_cost(
    live: Live, play: Callable[..., list[Asked]], alias: str, turns: int, why: str
) -> None:
    asked = play()
    before = conversation(turns)
    found = ask(live, alias, before, mark=alias)
    assert (told(asked)[2:], found.told("condensed")) == (before[1:], None)
    assert not any(map(_is_oss, asked))
    assert "condense: no," in trace(live, found)
    assert why in trace(live, found)


def test_what_is_cached_at_the_vendor_is_never_touched(live: Live, play: Callable[..., list[Asked]]) -> None:
    play(None)
    before = conversation()
    ask(live, "p", before, mark="cached")
    asked = play()
    found = ask(live, "p", [*before, {"role": "user", "content": "Please."}], mark="cached")
    assert told(asked)[2 : len(before) + 1] == before[1:]
    assert (found.told("condensed"), any(map(_is_oss, asked))) == (None, False)
    assert "are cached at big" in trace(live, found)


@pytest.mark.parametrize("where", ["text", "request"])
def test_a_clients_own_breakpoint_closes_what_it_covers(
    live: Live, play: Callable[..., list[Asked]], where: str
) -> None:
    asked = play()
    before = conversation()
    mark = {"cache_control": {"type": "ephemeral"}}
    more: Json = mark if where == "request" else {}
    if where == "text":
        before[-1] = {"role": "user", "content": [{"type": "text", "text": "Next?", **mark}]}
    found = ask(live, "p", before, mark=f"breakpoint {where}", **more)
    assert (found.told("condensed"), any(map(_is_oss, asked))) == (None, False)


@pytest.mark.parametrize("alias", ["away", "hasty"])
def test_it_goes_on_without_a_local_model_that_fails(
    live: Live, upstream: Upstream, play: Callable[..., list[Asked]], alias: str
) -> None:
    gate = threading.Event()
    asked = play(None)
    failing = upstream.reply
    upstream.reply = lambda one: Answer([gate]) if alias == "hasty" and _is_oss(one) else failing(one)
    before = conversation()
    found = ask(live, alias, before, mark=alias)
    gate.set()
    assert (found.status, told(asked)[2:], found.told("condensed")) == (200, before[1:], None)
    own, *helpers = live.rows_of(found.id)
    assert own.outcome == "ok"
    assert {(row.outcome, row.purpose, row.status) for row in helpers} == {
        ("error", "condense", 502 if alias == "away" else 504)
    }
    assert "did not shorten it" in trace(live, found)


def test_restricted_data_never_leaves_to_be_shortened(live: Live, play: Callable[..., list[Asked]]) -> None:
    asked = play()
    found = ask(live, "inside", conversation(), mark="secret", headers={"x_turnout_data_class": "restricted"})
    assert (found.status, any(map(_is_oss, asked))) == (200, False)
    assert "nobody may shorten it (other: restricted data may only meet local backends)" in trace(live, found)
    found = ask(live, "inside", conversation(), mark="open")
    assert any(map(_is_oss, asked))
    assert found.told("condensed") is not None


def test_a_guard_binds_helpers_too(live: Live, play: Callable[..., list[Asked]]) -> None:
    asked = play()
    found = ask(live, "fenced", conversation())
    assert (found.status, any(map(_is_oss, asked))) == (200, False)
    assert "nobody may shorten it (other: the rules of the call that it helps leave it out)" in trace(live, found)


@pytest.fixture
def gates(upstream: Upstream, play: Callable[..., list[Asked]]) -> Iterator[tuple[threading.Event, threading.Event]]:
    """The local model and the cloud answer when these are set."""
    play()
    local, cloud = threading.Event(), threading.Event()
    usual = upstream.reply

    def reply(asked: Asked) -> Answer:
        made = usual(asked)
        return Answer([local if _is_oss(asked) else cloud, *made.parts], made.status, made.kind)

    upstream.reply = reply
    yield local, cloud
    local.set()
    cloud.set()


def thread(mark: str) -> Json:
    return {"model": "waiting", "stream": True, "messages": [{"role": "user", "content": mark}, *conversation()[1:]]}


def test_who_hangs_up_takes_the_helpers_along(
    live: Live, upstream: Upstream, gates: tuple[threading.Event, threading.Event]
) -> None:
    with httpx2.Client(timeout=0.5) as http, pytest.raises(httpx2.ReadTimeout):
        http.post(live.url + CHAT, json=thread("I shall leave."))
    live.until(lambda: any(row.outcome == "cancelled" and row.parent_id is None for row in live.rows()), "cancelled")
    parent = next(row for row in live.rows() if row.outcome == "cancelled" and row.parent_id is None)
    own, *helpers = live.rows_of(parent.request_id)
    assert {(row.outcome, row.status, row.backend) for row in helpers} == {("cancelled", 499, "waiting")}
    assert (own.backend, own.status) == (None, 499)
    assert all(map(_is_oss, upstream.asked))


def test_a_stream_is_promised_once_the_texts_are_shortened(
    live: Live, gates: tuple[threading.Event, threading.Event]
) -> None:
    """Before that there is nobody of whom its head could tell."""
    local, cloud = gates
    threading.Timer(0.3, local.set).start()
    with (
        httpx2.Client(timeout=20) as http,
        http.stream("POST", live.url + CHAT, json=thread("I can wait.")) as got,
    ):
        assert (got.headers["x-turnout-backend"], "x-turnout-condensed" in got.headers) == ("big", True)
        assert not cloud.is_set()
        cloud.set()
        assert b"[DONE]" in got.read()


def test_streams_tell_it_in_their_head(live: Live, play: Callable[..., list[Asked]], upstream: Upstream) -> None:
    play()
    found = ask(live, "p", conversation(), mark="stream", stream=True)
    assert found.told("condensed") is not None
    own, *helpers = live.rows_of(found.id)
    assert own.stream
    assert {(row.stream, row.alias) for row in helpers} == {(False, "p")}


def test_the_old_facts_are_where_they_were(live: Live, play: Callable[..., list[Asked]]) -> None:
    """Each in the turn that said it, in its order."""
    asked = play()
    ask(live, "p", conversation(), mark="order")
    after = told(asked)
    for turn, fact in FACTS.items():
        assert fact.split(".")[0] in after[turn + 1]["content"], fact


def as_responses(messages: list[Json]) -> Json:
    """The same conversation in the Responses API's words."""
    items: list[Json] = []
    for message in messages[1:]:
        if message["role"] == "tool":
            output = {"type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"]}
            items.append(output)
        elif "tool_calls" in message:
            (made,) = message["tool_calls"]
            items.append({"type": "function_call", "call_id": made["id"], **made["function"]})
        else:
            items.append({"role": message["role"], "content": message["content"]})
    return {"instructions": messages[0]["content"], "input": items}


def as_messages(messages: list[Json]) -> Json:
    """The same in Anthropic's."""
    said: list[Json] = []
    for message in messages[1:]:
        if message["role"] == "tool":
            part = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": message["content"]}
            said.append({"role": "user", "content": [part]})
        elif "tool_calls" in message:
            (made,) = message["tool_calls"]
            given = msgspec.json.decode(made["function"]["arguments"])
            part = {"type": "tool_use", "id": made["id"], "name": made["function"]["name"], "input": given}
            said.append({"role": "assistant", "content": [part]})
        else:
            said.append({"role": message["role"], "content": message["content"]})
    return {"system": messages[0]["content"], "messages": said, "max_tokens": 500}


@pytest.mark.parametrize(("path", "written"), [("/v1/responses", as_responses), ("/v1/messages", as_messages)])
@pytest.mark.parametrize("streams", [False, True])
def test_every_api(
    live: Live, play: Callable[..., list[Asked]], path: str, written: Callable[[list[Json]], Json], streams: bool
) -> None:
    asked = play()
    found = post(live, path, {"model": "p", "stream": streams, **written(conversation())})
    assert found.status == 200, found.raw
    assert found.told("condensed") is not None
    after = told(asked)
    for fact in PLANTED:
        assert fact in words(after).replace("\\", ""), fact
    calls = [call["id"] for message in after for call in message.get("tool_calls") or ()]
    assert calls == [message["tool_call_id"] for message in after if message["role"] == "tool"] == ["call_1"]


def test_a_stored_thread_is_kept_as_it_was_said(live: Live, play: Callable[..., list[Asked]]) -> None:
    play()
    first = post(live, "/v1/responses", {"model": "p", **as_responses(conversation())})
    kept = get(live, f"/v1/responses/{first.body['id']}/input_items?limit=100")
    said = [item["content"][0]["text"] for item in kept.body["data"] if item.get("role") == "user"]
    assert {len(text) for text in said} >= {len(m["content"]) for m in conversation() if m["role"] == "user"}


def test_explain_foretells_it(live: Live, play: Callable[..., list[Asked]]) -> None:
    asked = play()
    first, *rest = conversation()
    body = {"model": "p", "messages": [first, {"role": "user", "content": "Foretell it."}, *rest]}
    status, found = live.call("POST", "/admin/explain", msgspec.json.encode({"request": body}))
    assert status == 200, found
    assert asked == []
    answer = post(live, CHAT, body)
    told_live = [line for line in trace(live, answer).splitlines() if line.startswith("condense:")]
    assert [line for line in found["trace"] if line.startswith("condense:")] == told_live[:1]
    assert "old tokens to" in told_live[0]


def test_in_dollars() -> None:
    """The bench's conversations: money is saved where it acts, and nothing is spent where it would not be."""
    found = measure()
    for name, outcome in found["acts"].items():
        assert outcome.saved > outcome.plain / 2, name
        assert outcome.helpers > 0, name
        assert (outcome.facts, outcome.paired) == (len(PLANTED), True), name
    for name, outcome in found["refuses"].items():
        assert (outcome.saved, outcome.calls, outcome.paired) == (0, 0, True), (name, outcome.why)
    for name, outcome in found["wasted"].items():
        assert outcome.saved > -outcome.plain / 10, name
        assert (outcome.facts, outcome.paired) == (len(PLANTED), True), name
    assert list(found["wasted"].values())[-1].calls == 0
