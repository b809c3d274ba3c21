"""What is stored, for whom and how long: tenants, restarts, retention, several workers, and a store that fails."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import httpx2
import msgspec
import openai
import pytest
from live import Live, demo_config
from openai.types.responses import Response
from public_door import RESPONSES, get, post
from scripted import Upstream, scripted, stream, whole
from stored_kit import FOUR, Road, ask, client, database, in_order, road, told, turns

ADA, BOB, CARL = "sk-ada-of-one", "sk-bob-of-one", "sk-carl-alone"
KEYS = f"""teams: {{one: {{}}}}
keys:
  - {{name: ada, team: one, secret: {ADA}}}
  - {{name: bob, team: one, sha256: {sha256(BOB.encode()).hexdigest()}}}
  - {{name: carl, secret: {CARL}}}
"""


@pytest.fixture(scope="module")
def keyed() -> Iterator[Road]:
    with road(KEYS) as built:
        yield built


def test_a_turn_belongs_to_its_team(keyed: Road) -> None:
    ada, bob = (client(keyed.live, key) for key in (ADA, BOB))
    one = ask(ada, "openai", "I am Ada.")
    assert told(bob.responses.retrieve(one.id)) == told(one)
    ask(bob, "claude", "Who am I?", previous_response_id=one.id)
    assert in_order(keyed.sent(), ["I am Ada.", one.output_text, "Who am I?"])


@pytest.mark.parametrize("backend", FOUR)
def test_it_does_not_exist_for_others(keyed: Road, backend: str) -> None:
    """Also where one OpenAI account serves all of them, which would know the id."""
    ada, carl = (client(keyed.live, key) for key in (ADA, CARL))
    one = ask(ada, "openai", "I am Ada.")
    seen = len(keyed.journal)
    for path in ("", "/input_items"):
        assert get(keyed.live, f"{RESPONSES}/{one.id}{path}", CARL).error["code"] == "response_not_found"
    with pytest.raises(openai.NotFoundError):
        carl.responses.delete(one.id)
    with pytest.raises(openai.BadRequestError) as error:
        ask(carl, backend, "Who am I?", previous_response_id=one.id)
    assert (error.value.code, error.value.param) == ("previous_response_not_found", "previous_response_id")
    reference: Any = [{"type": "item_reference", "id": one.output[0].id}]
    with pytest.raises(openai.BadRequestError, match="not found"):
        ask(carl, backend, reference)
    assert len(keyed.journal) == seen
    assert told(ada.responses.retrieve(one.id)) == told(one)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/responses/resp_1"), ("DELETE", "/v1/responses/resp_1"), ("GET", "/v1/responses/resp_1/input_items"),
     ("POST", "/v1/responses/resp_1/cancel"), ("POST", "/v1/responses/compact"), ("GET", "/v1/files")],
)  # fmt: skip
def test_who_asks_is_named_first(keyed: Road, method: str, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer sk-nobody"}):
        status, body = keyed.live.call(method, path, b"{}", headers)
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")


def test_a_thread_outlives_kill_and_restart(tmp_path: Path) -> None:
    with road(folder=tmp_path) as made:
        one = made.ask("openai", "I am Ada.")
        two = made.ask("gemini", "I have a cat.", stream=True, previous_response_id=one.id)
        made.live.kill()
    with road(folder=tmp_path) as again:
        assert told(again.sdk.responses.retrieve(two.id)) == told(two)
        again.ask("claude", "Who am I?", previous_response_id=two.id)
        assert in_order(again.sent(), ["I am Ada.", one.output_text, "I have a cat.", two.output_text, "Who am I?"])
        assert again.live.stop() == 0
    assert not (tmp_path / "state.db-wal").exists()


def age(live: Live, days: int) -> None:
    db = database(live)
    db.execute("UPDATE turns SET created = created - ?", (days * 86_400,))
    db.close()


def test_what_is_older_than_the_retention_is_gone(tmp_path: Path) -> None:
    with road("state: {retention: 10d}", folder=tmp_path) as made:
        one = made.ask("claude", "I am Ada.")
        age(made.live, 9)
        two = made.ask("claude", "And I am Bob.", previous_response_id=one.id)
        age(made.live, 2)
        assert get(made.live, f"{RESPONSES}/{one.id}").status == 404
        assert get(made.live, f"{RESPONSES}/{two.id}").status == 200
        with pytest.raises(openai.BadRequestError, match="is older than"):
            made.ask("claude", "Who is it?", previous_response_id=two.id)
        made.live.write(made.live.config.read_text().replace("10d", "20d"))
        assert made.live.reload()["ok"]
        made.ask("claude", "Who is it?", previous_response_id=two.id)
        age(made.live, 15)
        assert turns(made.live) == 3
        made.live.kill()
    with road("state: {retention: 16d}", folder=tmp_path) as again:
        again.live.until(lambda: turns(again.live) == 1, "pruned")


def test_all_workers_see_one_store() -> None:
    with road(workers=2) as made:
        assert len(made.live.workers()) == 2

        def talk(at: int) -> bool:
            previous = None
            for turn in range(6):
                # A new connection each time: either worker may get it.
                with client(made.live) as sdk:
                    answer = ask(
                        sdk, FOUR[at % 4], f"turn {turn} of {at}", stream=bool(turn % 2), previous_response_id=previous
                    )
                    assert answer.previous_response_id == previous
                    previous = answer.id
            with client(made.live) as sdk:
                ask(sdk, FOUR[at % 4], "the end", previous_response_id=previous)
            return True

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(talk, range(8)))
        rows = made.live.rows()
        assert len(rows) == turns(made.live) == 56
        lasts = [entry["body"] for entry in made.journal if "the end" in str(entry["body"])]
        assert len([body for body in lasts if in_order_of_one(body)]) == 8


def in_order_of_one(body: Any) -> bool:
    return any(in_order(body, [*(f"turn {turn} of {at}" for turn in range(6)), "the end"]) for at in range(8))


def test_a_store_that_fails_loses_no_answer() -> None:
    with road() as made:
        db = database(made.live)
        db.execute("CREATE TRIGGER full BEFORE INSERT ON turns BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
        answers = [made.ask(backend, "Hi!", stream=mode) for backend in FOUR for mode in (False, True)]
        assert all(answer.output_text for answer in answers)
        assert {told(answer)["store"] for answer in answers} == {False}
        assert {row.flags for row in made.live.rows()} == {"not_stored"}
        heard = post(made.live, RESPONSES, {"model": "to-claude", "input": "Hi!"})
        assert (heard.told("stored"), heard.body["store"]) == ("0", False)
        answers.append(Response.model_validate(heard.body))
        assert {get(made.live, f"{RESPONSES}/{answer.id}").status for answer in answers} == {404}
        assert counted(made.live, "write") == len(answers)
        assert made.live.log().count("the disk is full") == len(answers)
        assert len(made.live.rows()) == len(answers)
        db.execute("DROP TRIGGER full")
        made.sdk.responses.retrieve(made.ask("claude", "Hi!").id)

        one = made.ask("claude", "Hi!")
        db.execute("ALTER TABLE turns RENAME TO elsewhere")
        for heard in (
            get(made.live, f"{RESPONSES}/{one.id}"),
            post(made.live, RESPONSES, {"model": "to-claude", "input": "And?", "previous_response_id": one.id}),
        ):
            assert (heard.status, heard.error["code"]) == (503, "store_unavailable")
            assert "elsewhere" not in heard.error["message"]
            assert "no such table" not in heard.error["message"]
        assert made.live.call("DELETE", f"{RESPONSES}/{one.id}")[0] == 503
        assert counted(made.live, "read") == 2
        db.close()


def counted(live: Live, operation: str) -> int:
    lines = get(live, "/metrics").raw.decode().splitlines()
    label = f'turnout_store_failures_total{{operation="{operation}"}}'
    return sum(int(line.split()[1]) for line in lines if line.startswith(label))


def test_a_thread_may_not_grow_past_what_a_body_may_be() -> None:
    with road("server: {max_body: 64KiB}") as made:
        one = made.ask("claude", "a" * 40_000)
        with pytest.raises(openai.APIStatusError) as error:
            made.ask("claude", "b" * 40_000, previous_response_id=one.id)
        assert (error.value.status_code, error.value.code) == (413, "request_too_large")
        assert "server.max_body" in error.value.message
        two = made.ask("claude", "c" * 20_000, previous_response_id=one.id)
        with pytest.raises(openai.APIStatusError, match="begin a new one"):
            made.ask("claude", "d" * 10_000, previous_response_id=two.id)


# --- in front of an upstream that answers as the test says ---------------------------------------------------------

OBJECT = {
    "id": "resp_theirs", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5.6",
    "output": [{"type": "message", "id": "msg_theirs", "role": "assistant", "status": "completed",
                "phase": "final_answer", "content": [{"type": "output_text", "text": "Hi.", "annotations": []}]}],
    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
}  # fmt: skip
BEGUN = {**OBJECT, "status": "in_progress", "output": []}


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


CREATED = event("response.created", sequence_number=0, response=BEGUN)
DELTA = event(
    "response.output_text.delta", sequence_number=1, item_id="msg_theirs", output_index=0, content_index=0, delta="Hi.",
    logprobs=[],
)  # fmt: skip


def end(status: str, **fields: Any) -> bytes:
    return event(f"response.{status}", sequence_number=2, response={**OBJECT, "status": status, **fields})


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with scripted() as made:
        yield made


@pytest.fixture
def live(upstream: Upstream) -> Iterator[Live]:
    with Live(demo_config(upstream.url, "retries: {attempts: 1}")) as made:
        yield made


def say(live: Live, **fields: Any) -> Any:
    return post(live, RESPONSES, {"model": "to-openai", "input": "Hi!", **fields})


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_passes_unread_is_stored_as_the_client_got_it(
    live: Live, upstream: Upstream, streamed: bool
) -> None:
    upstream.script(stream(CREATED, DELTA, end("completed")) if streamed else whole(OBJECT))
    assert say(live, stream=streamed).status == 200
    assert get(live, f"{RESPONSES}/resp_theirs").body == {**OBJECT, "model": "to-openai"}
    upstream.script(whole(OBJECT))
    heard = say(live, previous_response_id="resp_theirs")
    assert (heard.status, heard.body["previous_response_id"]) == (200, "resp_theirs")
    body = upstream.asked[-1].body
    assert "previous_response_id" not in body
    mine, theirs, new = body["input"]
    assert (theirs["id"], theirs["phase"], theirs["content"]) == (
        "msg_theirs", "final_answer", OBJECT["output"][0]["content"],  # type: ignore[index]
    )  # fmt: skip
    assert ("Hi!" in str(mine), "Hi!" in str(new)) == (True, True)
    assert heard.body["id"] != "resp_theirs"


def test_a_streamed_answer_cut_short_is_stored(live: Live, upstream: Upstream) -> None:
    cut = end("incomplete", incomplete_details={"reason": "max_output_tokens"})
    upstream.script(stream(CREATED, DELTA, cut))
    say(live, stream=True)
    assert get(live, f"{RESPONSES}/resp_theirs").body["status"] == "incomplete"


@pytest.mark.parametrize(
    "parts",
    [(end("failed", error={"code": "server_error", "message": "no"}),), (), (b"data: {\n\n",)],
    ids=["failed", "cut", "garbage"],
)
def test_a_failed_answer_is_not_stored(live: Live, upstream: Upstream, parts: tuple[bytes, ...]) -> None:
    upstream.script(stream(CREATED, DELTA, *parts))
    heard = say(live, stream=True)
    assert heard.events[-1]["type"] == "response.failed"
    assert turns(live) == 0


def test_the_answer_of_a_client_that_left_is_not_stored(live: Live, upstream: Upstream) -> None:
    gate = Event()
    upstream.script(stream(CREATED, DELTA, gate, end("completed")))
    asked = {"model": "to-openai", "input": "Hi!", "stream": True}
    with (
        httpx2.Client(timeout=20, trust_env=False) as http,
        http.stream("POST", live.url + RESPONSES, json=asked) as got,
    ):
        next(got.iter_bytes())
    live.until(lambda: [row.outcome for row in live.rows()] == ["cancelled"], "cancelled")
    gate.set()
    assert turns(live) == 0
