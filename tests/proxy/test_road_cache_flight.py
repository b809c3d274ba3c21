"""Calls that ask the same at the same time ask once, and nobody waits in vain."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPConnection

import pytest
from cache_kit import PATHS, answered, cache_of, chunks, config, put, question, rows_of, streamed
from checker import check_chat, parse_sse
from live import PATIENCE, Live
from public_door import Heard
from scripted import Answer, Asked, Upstream, stream, whole

from adapters.sse import KEEP_ALIVE

MANY = 50
FEW = 4
"""Fewer than the scripted upstream can hold back at once."""
SLOW = "timeouts: {commit_after: 50ms, keepalive: 50ms}"


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    text = config(upstream.url, names=("gpt", "oss"), more=SLOW)
    impatient = f"provider: vllm, model: m, base_url: '{upstream.url}/v1', timeouts: {{total: 300ms}}"
    text = text.replace("backends:\n", f"backends:\n  brief: {{{impatient}}}\n")
    text = text.replace("aliases:\n", "aliases:\n  brief: {policy: brief-kept}\n")
    text = text.replace("policies:\n", "policies:\n  brief-kept: {rules: [{set: {cache: {ttl: 1h}}, use: [brief]}]}\n")
    with Live(text) as made:
        yield made


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(MANY) as made:
        yield made


def in_flight(live: Live) -> int:
    found = re.search(r"^turnout_in_flight (\d+)$", live.get("/metrics")[1], re.MULTILINE)
    assert found is not None
    return int(found[1])


def together(
    live: Live, pool: ThreadPoolExecutor, asks: list[Callable[[], Heard]], upstream: Upstream
) -> list[Future[Heard]]:
    """The first one leads; the others have come in when this returns."""
    before = in_flight(live)
    futures = [pool.submit(asks[0])]
    live.until(lambda: len(upstream.asked) == 1, "asked")
    futures += [pool.submit(ask) for ask in asks[1:]]
    live.until(lambda: in_flight(live) == before + len(asks), "all there")
    return futures


def script(upstream: Upstream, first: Answer, later: Callable[[], Answer] = answered) -> None:
    """The first request gets ``first``, all later ones ``later``."""
    upstream.asked.clear()

    def reply(asked: Asked) -> Answer:
        return first if upstream.asked[0] is asked else later()

    upstream.reply = reply


def said(heard: Heard) -> str:
    if not heard.raw.startswith(b"{"):
        events = parse_sse(heard.raw)
        check_chat(events, include_usage=False)
        return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    return str(heard.body["choices"][0]["message"]["content"])


@pytest.mark.parametrize("leads_with_stream", [False, True])
def test_many_at_once_ask_once(
    live: Live, upstream: Upstream, pool: ThreadPoolExecutor, leads_with_stream: bool
) -> None:
    gate, text = threading.Event(), f"many {leads_with_stream}"
    told = chunks("Together.")
    script(
        upstream,
        stream(told[0], gate, *told[1:]) if leads_with_stream else Answer([gate, *answered("Together.").parts]),
    )
    modes = [leads_with_stream, *(number % 2 == 0 for number in range(MANY - 1))]
    asks = [lambda mode=mode: put(live, "chat", "oss", text, stream=mode) for mode in modes]  # type: ignore[misc]
    futures = together(live, pool, asks, upstream)
    gate.set()
    heard = [future.result() for future in futures]
    assert len(upstream.asked) == 1
    assert {said(each) for each in heard} == {"Together."}
    assert len({each.id for each in heard}) == MANY
    [leader, *others] = [row for each in heard for row in rows_of(live, each)]
    assert (leader.attempt, leader.cached_from, leader.output_tokens) == (1, None, 2)
    assert {(r.attempt, r.cached_from, r.outcome, r.output_tokens, r.cost_nano_usd) for r in others} == {
        (0, leader.request_id, "ok", 0, 0)
    }
    assert len(others) == MANY - 1


@pytest.mark.parametrize(
    "bad",
    [lambda gate: Answer([gate, b'{"error":{"message":"no"}}'], 500), lambda gate: Answer([gate, *answered(finish="length").parts])],
    ids=["fails", "is cut"],
)  # fmt: skip
def test_a_leader_without_an_answer_sets_all_free_at_once(
    live: Live, upstream: Upstream, pool: ThreadPoolExecutor, bad: Callable[[threading.Event], Answer]
) -> None:
    """Each of the others is answered only when all of them have asked: one by one they would wait for ever."""
    gate, all_there, text = threading.Event(), threading.Event(), f"free {id(bad)}"

    def later() -> Answer:
        if len(upstream.asked) == 1 + FEW:
            all_there.set()
        return Answer([all_there, *answered("Own.").parts])

    script(upstream, bad(gate), later)
    futures = together(live, pool, [lambda: put(live, "chat", "oss", text)] * (1 + FEW), upstream)
    gate.set()
    [_, *others] = [future.result() for future in futures]
    assert [(each.status, said(each), cache_of(each)) for each in others] == [(200, "Own.", "miss")] * FEW
    assert len(upstream.asked) == 1 + FEW
    assert cache_of(put(live, "chat", "oss", text)) == "hit"


def hang_on(live: Live, text: str, *, streaming: bool) -> socket.socket:
    """A client that can leave."""
    caller = HTTPConnection("127.0.0.1", live.port, timeout=PATIENCE)
    caller.request("POST", PATHS["chat"], json.dumps(question("chat", "oss", text, stream=streaming)))
    return caller.sock


def heard_on(caller: socket.socket) -> bytes:
    """What comes next; an end that nobody waits for is a failure."""
    read = caller.recv(65536)
    assert read, "the connection was closed"
    return read


@pytest.mark.parametrize("streaming", [False, True])
def test_a_leader_that_hangs_up_takes_nobody_along(
    live: Live, upstream: Upstream, pool: ThreadPoolExecutor, streaming: bool
) -> None:
    gate, text = threading.Event(), f"leader leaves {streaming}"
    script(upstream, stream(chunks()[0], gate) if streaming else Answer([gate]), lambda: answered("Own."))
    leader = hang_on(live, text, streaming=streaming)
    live.until(lambda: len(upstream.asked) == 1, "asked")
    before = in_flight(live)
    others = [pool.submit(put, live, "chat", "oss", text) for _ in range(FEW)]
    live.until(lambda: in_flight(live) == before + FEW, "all there")
    leader.close()
    assert [(each.result().status, said(each.result())) for each in others] == [(200, "Own.")] * FEW
    gate.set()


def test_a_follower_that_hangs_up_harms_nobody(live: Live, upstream: Upstream, pool: ThreadPoolExecutor) -> None:
    gate, text = threading.Event(), "follower leaves"
    script(upstream, Answer([gate, *answered("Kept.").parts]))
    leader, follower = together(live, pool, [lambda: put(live, "chat", "oss", text)] * 2, upstream)
    before = in_flight(live)
    leaver = hang_on(live, text, streaming=False)
    live.until(lambda: in_flight(live) == before + 1, "there")
    leaver.close()
    live.until(lambda: in_flight(live) == before, "gone")
    gate.set()
    assert [said(each.result()) for each in (leader, follower)] == ["Kept.", "Kept."]
    assert len(upstream.asked) == 1
    live.until(lambda: any(row.outcome == "cancelled" and row.attempt == 0 for row in live.rows()), "its row")


def test_a_follower_waits_no_longer_than_for_an_answer_of_its_own(
    live: Live, upstream: Upstream, pool: ThreadPoolExecutor
) -> None:
    """A stream may go on for ever; a follower's patience is the backend's ``timeouts.total``."""
    gate, text = threading.Event(), "patience"
    script(upstream, stream(*chunks()[:2], gate, *chunks()[2:]), lambda: answered("Own."))
    leader = pool.submit(put, live, "chat", "brief", text, stream=True)
    live.until(lambda: len(upstream.asked) == 1, "asked")
    assert said(put(live, "chat", "brief", text)) == "Own."
    gate.set()
    assert said(leader.result()) == "Hello."


def test_a_follower_s_stream_is_promised_and_kept_alive(
    live: Live, upstream: Upstream, pool: ThreadPoolExecutor
) -> None:
    gate, text = threading.Event(), "alive"
    script(upstream, Answer([gate, *answered("Late.").parts]))
    leader = pool.submit(put, live, "chat", "oss", text)
    live.until(lambda: len(upstream.asked) == 1, "asked")
    with hang_on(live, text, streaming=True) as follower:
        read = b""
        while read.count(KEEP_ALIVE) < 2:
            read += heard_on(follower)
        gate.set()
        while not read.endswith(b"0\r\n\r\n"):
            read += heard_on(follower)
    assert b"200 OK" in read.partition(b"\r\n")[0]
    assert b"x-turnout-cache" not in read  # it was not known yet
    assert b"Late." in read
    assert said(leader.result()) == "Late."


def test_what_no_one_leads_any_more_is_asked_again(live: Live, upstream: Upstream) -> None:
    upstream.script(whole({"error": {"message": "no"}}, 500), streamed(finish=None), streamed("Good."))
    asked = [put(live, "chat", "gpt", "again", stream=True) for _ in range(4)]
    assert [cache_of(each) for each in asked] == ["miss", "miss", "miss", "hit"]
    assert said(asked[-1]) == "Good."
