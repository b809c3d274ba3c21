"""A backend's places and the queue before them: who waits, in which order, for how long, and what becomes of the rest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx2
import msgspec
import pytest
from live import Live
from scripted import Answer, Asked, Upstream, scripted, whole
from talk import Caller

ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}  # fmt: skip


class Room:
    """An upstream whose every answer waits until its request is let go, by the request's text."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self._gates: dict[str, threading.Event] = {}
        self._lock = threading.Lock()
        upstream.reply = self._reply

    @property
    def order(self) -> list[str]:
        """The texts, as they came in."""
        return [text_of(asked) for asked in self.upstream.asked if asked.raw]

    def let(self, text: str) -> None:
        self._gate(text).set()

    def _gate(self, text: str) -> threading.Event:
        with self._lock:
            return self._gates.setdefault(text, threading.Event())

    def _reply(self, asked: Asked) -> Answer:
        if not asked.raw:  # somebody asks for its gauges
            return whole({}, 404)
        text = text_of(asked)
        body = whole(ANSWER)
        return body if text.startswith("free") else Answer([self._gate(text), *body.parts])


def text_of(asked: Asked) -> str:
    content = asked.body["messages"][-1]["content"]
    return content if isinstance(content, str) else str(content[0]["text"])


class Door:
    """A Turnout and its upstream; calls are made in threads."""

    def __init__(self, live: Live, room: Room, pool: ThreadPoolExecutor) -> None:
        self.live = live
        self.room = room
        self._pool = pool

    def ask(self, model: str, text: str, key: str = "sk-a") -> Future[httpx2.Response]:
        return self._pool.submit(self._asked, model, text, key)

    def _asked(self, model: str, text: str, key: str) -> httpx2.Response:
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        url = f"{self.live.base_url}/chat/completions"
        return httpx2.post(url, json=body, headers={"authorization": f"Bearer {key}"}, timeout=30, trust_env=False)

    def waiting(self, backend: str, count: int) -> None:
        self.live.until(lambda: self.metric("queue_waiting", backend=backend) == count, f"{count} waiting")

    def metric(self, name: str, **labels: str) -> float:
        _, text = self.live.get("/metrics")
        told = ",".join(f'{label}="{value}"' for label, value in labels.items())
        line = f"turnout_{name}{{{told}}} "
        return next((float(each.removeprefix(line)) for each in text.splitlines() if each.startswith(line)), 0.0)

    def hold(self, backend: str, text: str) -> Future[httpx2.Response]:
        """Takes a place, and says so when it is taken."""
        held = self.ask(f"backend/{backend}", text)
        self.live.until(lambda: text in self.room.order, f"{text} at the backend")
        return held


@contextmanager
def doors(workers: int = 1) -> Iterator[Door]:
    with scripted() as upstream:
        at = f'provider: vllm, local: true, base_url: "{upstream.url}/v1", model: m'
        text = f"""version: 1
retries: {{attempts: 3}}
server: {{workers: {workers}}}
backends:
  one:   {{{at}, max_parallel: 1, queue_ms: 20000}}
  hasty: {{{at}, max_parallel: 1, queue_ms: 50}}
  small: {{{at}, max_parallel: 1, queue_ms: 20000, queue: 1}}
  never: {{{at}, max_parallel: 1, queue: 0}}
  wide:  {{{at}}}
aliases:
  patient: {{use: [one, wide]}}
  moving:  {{use: [hasty, wide]}}
  least:   {{policy: least}}
policies:
  least: {{rules: [{{use: [one, wide], order: least_busy}}]}}
teams: {{a: {{}}, b: {{}}}}
keys: [{{name: a, team: a, secret: sk-a}}, {{name: b, team: b, secret: sk-b}}]
"""
        with Live(text) as live, ThreadPoolExecutor(16) as pool:
            yield Door(live, Room(upstream), pool)


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with doors() as made:
        yield made


def test_who_finds_no_place_waits_for_one_although_another_target_is_free(door: Door) -> None:
    held = door.hold("one", "held 1")
    second = door.ask("patient", "free second")
    door.waiting("one", 1)
    assert "free second" not in door.room.order
    door.room.let("held 1")
    answer = second.result()
    assert (answer.status_code, answer.headers["x-turnout-backend"], answer.headers["x-turnout-attempts"]) == (
        200, "one", "1",
    )  # fmt: skip
    assert held.result().status_code == 200
    [row] = door.live.rows_of(answer.headers["x-request-id"])
    assert "one: waited 0." in (row.trace or "") or "one: waited 1." in (row.trace or "")
    assert door.metric("queue_wait_seconds_count", backend="one", outcome="served") >= 1
    # A wait is no work of ours.
    assert float(answer.headers["x-turnout-overhead-ms"]) < 1000


def test_who_has_waited_in_vain_moves_to_the_next_target(door: Door) -> None:
    held = door.hold("hasty", "held 2")
    answer = door.ask("moving", "free mover").result()
    assert (answer.status_code, answer.headers["x-turnout-backend"]) == (200, "wide")
    assert answer.headers["x-turnout-reason"] == "hasty: shed"
    first, second = door.live.rows_of(answer.headers["x-request-id"])
    assert (first.outcome, first.error_code, first.output_tokens) == ("fallback", "backend_busy", None)
    assert second.outcome == "ok"
    assert "in vain" in (second.trace or "")
    door.room.let("held 2")
    held.result()


def test_where_none_is_left_the_call_is_shed_and_told_when_to_come_again(door: Door) -> None:
    held = door.hold("hasty", "held 3")
    before = len(door.room.order)
    answer = door.ask("backend/hasty", "free shed").result()
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "backend_busy")
    assert "max_parallel" in error["message"]
    assert int(answer.headers["retry-after"]) >= 1
    # Nothing was sent, so that a client may well try again; and it was not tried again by us.
    assert "x-should-retry" not in answer.headers
    assert answer.headers["x-turnout-attempts"] == "1"
    assert len(door.room.order) == before
    assert door.metric("shed_total", backend="hasty", reason="busy") >= 1
    door.room.let("held 3")
    held.result()


def test_the_queue_is_bounded(door: Door) -> None:
    held = door.hold("small", "held 4")
    waits = door.ask("backend/small", "free waits")
    door.waiting("small", 1)
    answer = door.ask("backend/small", "free too many").result()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "backend_busy")
    assert door.metric("shed_total", backend="small", reason="queue_full") == 1
    door.room.let("held 4")
    assert waits.result().status_code == held.result().status_code == 200


def test_without_a_queue_it_moves_on_at_once(door: Door) -> None:
    held = door.hold("never", "held 5")
    answer = door.ask("backend/never", "free turned away").result()
    assert answer.status_code == 503
    assert door.metric("queue_wait_seconds_count", backend="never", outcome="shed") == 0
    door.room.let("held 5")
    held.result()


def test_a_client_that_leaves_gives_up_its_turn_at_once(door: Door) -> None:
    held = door.hold("small", "held 6")
    caller = Caller(door.live.port, "chat", "backend/small", stream=True, key="sk-a")
    door.waiting("small", 1)
    caller.hang_up()
    door.waiting("small", 0)
    waits = door.ask("backend/small", "free next")
    door.waiting("small", 1)
    door.room.let("held 6")
    assert waits.result().status_code == held.result().status_code == 200
    door.live.until(lambda: any(row.status == 499 for row in door.live.rows()), "a row of the one that left")


def test_teams_take_turns(door: Door) -> None:
    held = door.hold("one", "held 7")
    waits = []
    for at, (text, key) in enumerate([("a1", "sk-a"), ("a2", "sk-a"), ("a3", "sk-a"), ("b1", "sk-b")]):
        waits.append(door.ask("backend/one", f"free {text}", key))
        door.waiting("one", at + 1)
    door.room.let("held 7")
    assert {each.result().status_code for each in [held, *waits]} == {200}
    assert door.room.order[-4:] == ["free a1", "free b1", "free a2", "free a3"]


def test_who_waits_counts_for_the_least_busy(door: Door) -> None:
    held = [door.hold("one", "held 8"), door.hold("wide", "held 9")]
    waits = door.ask("backend/one", "free waits 8")
    door.waiting("one", 1)
    answer = door.ask("least", "free elsewhere").result()
    assert answer.headers["x-turnout-backend"] == "wide"
    for text in ("held 8", "held 9"):
        door.room.let(text)
    assert {each.result().status_code for each in [*held, waits]} == {200}


def test_a_reload_leaves_those_that_wait_in_their_places(door: Door) -> None:
    held = door.hold("one", "held 10")
    waits = door.ask("backend/one", "free through a reload")
    door.waiting("one", 1)
    assert door.live.reload()["ok"]
    door.room.let("held 10")
    assert waits.result().status_code == held.result().status_code == 200


def test_churn_leaves_every_place_free(door: Door) -> None:
    """Clients come and go while others hold the only place: in the end it is there, and nobody waits."""
    held = door.hold("one", "held 11")

    async def churn() -> None:
        body = msgspec.json.encode({"model": "backend/one", "messages": [{"role": "user", "content": "free churn"}]})
        headers = {"authorization": "Bearer sk-a"}
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
            url = f"{door.live.base_url}/chat/completions"
            asks = [asyncio.ensure_future(client.post(url, content=body, headers=headers)) for _ in range(40)]
            while door.metric("queue_waiting", backend="one") < 20:
                await asyncio.sleep(0.01)
            for ask in asks[::2]:
                ask.cancel()
            door.room.let("held 11")
            found = await asyncio.gather(*asks, return_exceptions=True)
            assert {each.status_code for each in found if isinstance(each, httpx2.Response)} == {200}

    asyncio.run(churn())
    held.result()
    door.waiting("one", 0)
    assert door.ask("backend/one", "free at last").result().status_code == 200
