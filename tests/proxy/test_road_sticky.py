"""A thread stays where it was answered: by what it is known, for how long, whose it is, and what the ledger tells."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from live import Live
from public_door import Heard, post
from scripted import Answer, Asked, Upstream, scripted, whole

Json = dict[str, Any]
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
SECRET_WORDS = "the-client-said-this"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def other() -> Iterator[Upstream]:
    with scripted() as made:
        yield made


def config(a: Upstream, b: Upstream, more: str = "") -> str:
    """Two backends, ``a`` and ``b``; a rule takes ``b`` first for callers that say ``x-go: b``."""
    rules = "rules: [{when: {headers: {x-go: b}}, use: [b, a]}, {use: [a, b]}]"
    return f"""version: 1
retries: {{attempts: 1, base: 1ms}}
backends:
  a: {{provider: vllm, base_url: "{a.url}/v1", model: m-a, local: true, capabilities: {{tools: true}},
       price: {{input: 0.1, output: 0.2}}}}
  b: {{provider: vllm, base_url: "{b.url}/v1", model: m-b, local: false, capabilities: {{tools: true}},
       price: {{input: 3, output: 15, cached: 0.3, cache_write: 3.75}}}}
aliases: {{loop: {{policy: loop}}, talk: {{policy: talk}}, off: {{policy: "off"}}, other: {{policy: loop}}}}
policies:
  loop: {{{rules}}}
  talk: {{sticky: conversation, {rules}}}
  "off": {{sticky: never, {rules}}}
{more}"""


@pytest.fixture(scope="module")
def live(upstream: Upstream, other: Upstream) -> Iterator[Live]:
    with Live(config(upstream, other)) as made:
        yield made


@pytest.fixture(autouse=True)
def replies(upstream: Upstream, other: Upstream) -> None:
    upstream.reply = other.reply = answer


def answer(asked: Asked) -> Answer:
    """A tool call where tools are on offer and the last turn is no result, else words."""
    body = asked.body
    calls = bool(body.get("tools")) and body["messages"][-1]["role"] != "tool"
    number = next(_numbers)
    call = {"id": f"call_{number}", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    said: Json = {"role": "assistant", "content": None if calls else f"words {number}"}
    if calls:
        said["tool_calls"] = [call]
    choice = {"index": 0, "message": said, "finish_reason": "tool_calls" if calls else "stop"}
    size = len(asked.raw) // 4
    usage = {"prompt_tokens": size, "completion_tokens": 5, "total_tokens": size + 5}
    return whole(
        {
            "id": f"c{number}",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
    )


def long(word: str) -> str:
    """A question of some 10,000 tokens: what its cache is worth is more than one answer."""
    return f"{word} {SECRET_WORDS} " * 1200


class Thread:
    """A client that sends its whole history, in one of three dialects."""

    def __init__(self, live: Live, api: str = "chat", model: str = "loop", *, opener: str = "", key: str | None = None):
        self.live, self.api, self.model, self.key = live, api, model, key
        self.turns: list[Json] = [{"role": "user", "content": opener or f"{SECRET_WORDS} {next(_numbers)}"}]
        self.more: Json = {"tools": [tool(api)]}
        if api == "messages":
            self.more["max_tokens"] = 100

    def ask(self, *, keep: bool = True, **headers: str) -> Heard:
        body = {"model": self.model, "input" if self.api == "responses" else "messages": self.turns, **self.more}
        heard = post(self.live, PATHS[self.api], body, self.key, **headers)
        if heard.status == 200 and keep:
            self.turns = self.turns + said(self.api, heard.body)
        return heard

    def results(self) -> None:
        """The tools have answered."""
        self.turns = self.turns + results(self.api, self.turns)

    def user(self, text: str) -> None:
        self.turns = [*self.turns, {"role": "user", "content": text}]


def tool(api: str) -> Json:
    schema: Json = {"type": "object", "properties": {}}
    if api == "messages":
        return {"name": "look", "input_schema": schema}
    if api == "responses":
        return {"type": "function", "name": "look", "parameters": schema}
    return {"type": "function", "function": {"name": "look", "parameters": schema}}


def said(api: str, body: Json) -> list[Json]:
    """The answer as the client sends it back."""
    if api == "chat":
        return [body["choices"][0]["message"]]
    return list(body["output"]) if api == "responses" else [{"role": "assistant", "content": body["content"]}]


def results(api: str, turns: list[Json]) -> list[Json]:
    last = turns[-1]
    if api == "chat":
        return [{"role": "tool", "tool_call_id": call["id"], "content": "seen"} for call in last["tool_calls"]]
    if api == "responses":
        return [{"type": "function_call_output", "call_id": last["call_id"], "output": "seen"}]
    calls = [part for part in last["content"] if part["type"] == "tool_use"]
    return [
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "seen"} for call in calls],
        }
    ]


def kept(live: Live, heard: Heard) -> tuple[list[str], Json]:
    """Trace and facts of its first row."""
    row = live.rows_of(heard.id)[0]
    return (row.trace or "").split("\n"), msgspec.json.decode(row.facts or "{}")


@pytest.mark.parametrize("api", PATHS)
@pytest.mark.parametrize("model", ["loop", "talk"])
def test_a_tool_loop_stays_until_it_has_ended(live: Live, api: str, model: str) -> None:
    thread = Thread(live, api, model, opener=long("work"))
    assert thread.ask(x_go="b").told("backend") == "b"
    thread.results()
    second = thread.ask()
    assert second.told("backend") == "b", second.raw
    trace, facts = kept(live, second)
    assert "stays at b: this request answers its tool calls" in trace
    assert (facts["home"], facts["stay"]) == ("b", "tool_loop")
    thread.user("Thank you.")
    third = thread.ask()
    assert third.told("backend") == ("a" if model == "loop" else "b")


def test_loops_with_the_same_beginning_are_told_apart(live: Live) -> None:
    """Eight sessions of one benchmark, side by side."""
    threads = [Thread(live, opener=f"Mend the parser. {SECRET_WORDS}") for _ in range(8)]
    homes = [("b", "a")[at % 2] for at in range(8)]
    for thread, home in zip(threads, homes, strict=True):
        assert thread.ask(x_go=home).told("backend") == home
    for _ in range(2):
        for thread, home in zip(threads, homes, strict=True):
            thread.results()
            elsewhere = "a" if home == "b" else "b"
            assert thread.ask(x_go=elsewhere).told("backend") == home
            thread.user("Go on.")
            thread.ask(x_go=home)


def test_never_is_never(live: Live) -> None:
    thread = Thread(live, model="off")
    assert thread.ask(x_go="b").told("backend") == "b"
    thread.results()
    assert thread.ask().told("backend") == "a"


def test_two_aliases_are_two_threads(live: Live) -> None:
    thread = Thread(live)
    assert thread.ask(x_go="b").told("backend") == "b"
    thread.results()
    thread.model = "other"
    assert thread.ask().told("backend") == "a"


@pytest.mark.parametrize("named", ["header", "cache_key"])
def test_a_thread_is_known_by_its_name(live: Live, named: str) -> None:
    """Nothing that was said before is said again, as where a client has shortened its history."""
    name = f"session {next(_numbers)}"
    told: list[str | None] = []
    for word, first in (("one", "b"), ("two", "a"), ("three", "a")):
        body: Json = {"model": "talk", "messages": [{"role": "user", "content": long(word)}]}
        headers = {"x_go": first}
        if named == "header":
            headers["x_turnout_session"] = name if word != "three" else "another"
        else:
            body["prompt_cache_key"] = name if word != "three" else "another"
        told.append(post(live, PATHS["chat"], body, **headers).told("backend"))
    assert told == ["b", "b", "a"]


def test_a_conversation_stays_while_its_cache_is_worth_more_than_a_move(live: Live) -> None:
    thread = Thread(live, model="talk", opener=long("read this"))
    thread.more = {}
    assert thread.ask(x_go="b").told("backend") == "b"
    thread.user("Thanks!")
    heard = thread.ask()
    assert heard.told("backend") == "b"
    trace, facts = kept(live, heard)
    note = next(line for line in trace if line.startswith("stays at b: moving to a saves $"))
    saved, lost = (float(found) for found in re.findall(r"\$([0-9.]+)", note))
    assert saved < lost, note
    assert facts["stay"] == "dearer"


def test_a_conversation_moves_where_that_pays_and_up_whenever_the_rule_wants_it(live: Live) -> None:
    thread = Thread(live, model="talk")
    thread.more = {}
    stays = []
    for first in ("b", "a", "b", "b"):
        heard = thread.ask(x_go=first)
        assert heard.told("backend") == first
        stays.append(kept(live, heard)[1].get("stay"))
        thread.user("Go on.")
    assert stays == [None, "pays", "upgrade", "first"]


@pytest.mark.parametrize("policy", ["loop", "talk"])
def test_a_stored_turn_tells_where_its_thread_was(live: Live, policy: str) -> None:
    body: Json = {"model": policy, "input": long("first"), "tools": [tool("responses")]}
    first = post(live, PATHS["responses"], body, x_go="b")
    assert first.told("backend") == "b"
    results_of = results("responses", first.body["output"])
    more = {**body, "input": results_of, "previous_response_id": first.body["id"]}
    second = post(live, PATHS["responses"], more)
    assert second.told("backend") == "b", second.raw
    third = {**body, "input": "Thanks!", "previous_response_id": second.body["id"]}
    assert post(live, PATHS["responses"], third).told("backend") == ("a" if policy == "loop" else "b")


def test_a_stored_turn_is_remembered_by_the_next_turnout(upstream: Upstream, other: Upstream, tmp_path: Path) -> None:
    body: Json = {"model": "loop", "input": "Look.", "tools": [tool("responses")]}
    with Live(config(upstream, other), folder=tmp_path) as live:
        first = post(live, PATHS["responses"], body, x_go="b")
        live.stop()
    with Live(config(upstream, other), folder=tmp_path) as live:
        more = {**body, "input": results("responses", first.body["output"]), "previous_response_id": first.body["id"]}
        assert post(live, PATHS["responses"], more).told("backend") == "b"


def test_a_pinned_call_goes_where_it_is_pinned(live: Live) -> None:
    thread = Thread(live)
    assert thread.ask(x_go="b").told("backend") == "b"
    thread.results()
    thread.model = "backend/a"
    assert thread.ask().told("backend") == "a"


def test_two_workers_know_the_same_threads_and_keep_no_word_of_them(upstream: Upstream, other: Upstream) -> None:
    with Live(config(upstream, other), workers=2) as live:
        for _ in range(16):
            thread = Thread(live)
            assert thread.ask(x_go="b").told("backend") == "b"
            for _ in range(2):
                thread.results()
                assert thread.ask().told("backend") == "b"
                thread.user("Look again.")
                assert thread.ask(x_go="b").told("backend") == "b"
        with apsw.Connection(str(live.folder / "state.db")) as db:
            known = list(db.execute("SELECT tenant, id, home FROM threads"))
        assert known
        files = b"".join(file.read_bytes() for file in live.folder.glob("state.db*"))
        assert SECRET_WORDS.encode() not in files


def test_a_memory_that_cannot_be_written_costs_no_answer(upstream: Upstream, other: Upstream) -> None:
    with Live(config(upstream, other), workers=2) as live:
        thread = Thread(live)
        held = apsw.Connection(str(live.folder / "state.db"))
        held.execute("BEGIN IMMEDIATE")
        assert thread.ask(x_go="b").told("backend") == "b"
        held.execute("ROLLBACK")
        held.close()
        assert "store.failed" in live.log()
        thread.results()
        assert thread.ask().told("backend") == "a"


def test_what_one_tenant_said_moves_nobody_else(upstream: Upstream, other: Upstream) -> None:
    keys = """keys:
  - {name: red, secret: sk-red-0123456789}
  - {name: blue, secret: sk-blue-0123456789}
"""
    with Live(config(upstream, other, keys)) as live:
        thread = Thread(live, key="sk-red-0123456789")
        assert thread.ask(x_go="b").told("backend") == "b"
        thread.results()
        thread.key = "sk-blue-0123456789"
        assert thread.ask(keep=False).told("backend") == "a"
        thread.key = "sk-red-0123456789"
        assert thread.ask().told("backend") == "b"


def test_a_home_that_is_down_is_left_and_the_trace_says_why(upstream: Upstream, other: Upstream) -> None:
    with Live(config(upstream, other)) as live:
        early, late = Thread(live), Thread(live)
        for thread in (early, late):
            assert thread.ask(x_go="b").told("backend") == "b"
            thread.results()
        other.reply = lambda _: whole({"error": {"message": "gone"}}, 503)
        heard = early.ask(keep=False)
        assert (heard.told("backend"), heard.told("attempts")) == ("a", "2")
        assert "b: " in (heard.told("reason") or "")
        live.until(lambda: Thread(live).ask(x_go="b").told("attempts") == "1", "open: the breaker of b")
        other.reply = answer
        heard = late.ask()
        assert heard.told("backend") == "a"
        trace, facts = kept(live, heard)
        assert "moves from b to a: b is down" in trace
        assert any(line.startswith("b left out: ") for line in trace)
        assert (facts["home"], facts["stay"]) == ("b", "unable")
