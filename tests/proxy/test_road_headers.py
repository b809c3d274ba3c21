"""What every answer says of itself: whole, streamed and refused alike (issue 2's list, decisions D5 and D18)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from live import Live, demo_upstream, free_port
from public_door import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Heard, ask, chat, get, post, responses

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
ALWAYS = {"policy", "rule", "backend", "model", "attempts", "generation"}
WHOLE = ALWAYS | {"overhead-ms"}
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "Hi!"}]},
    RESPONSES: {"input": "Hi!"},
    EMBEDDINGS: {"input": "Hi!"},
    COMPLETIONS: {"prompt": "Hi!"},
}


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with (
        demo_upstream() as demo,
        Live(f"""version: 1
retries: {{attempts: 2, base: 10ms, cap: 10ms}}
backends:
  local:  {{provider: vllm, base_url: "{demo}/v1", model: demo-local}}
  priced: {{provider: openai, base_url: "{demo}/v1", model: gpt-5.6, credential: sk-demo,
           price: {{input: 1.25, output: 10, cached: 0.125}}}}
  broken: {{provider: openai, base_url: "{demo}/v1", model: demo-fault-400, credential: sk-demo}}
  down:   {{provider: vllm, base_url: "http://127.0.0.1:{free_port()}/v1", model: nobody}}
  cutoff: {{provider: vllm, base_url: "{demo}/v1", model: demo-fault-cut}}
  claude: {{provider: anthropic, base_url: "{demo}", model: claude-sonnet-5, credential: sk-demo}}
roles: {{local: local, cloud: claude, claude: claude}}
aliases:
  auto:   {{policy: hybrid}}
  local:  {{use: [local]}}
  priced: {{use: [priced]}}
  broken: {{use: [broken]}}
  down:   {{use: [down]}}
  cutoff: {{use: [cutoff]}}
  claude: {{use: [claude]}}
  moves:  {{use: [down, claude]}}
""") as made,
    ):
        yield made


def told(heard: Heard) -> set[str]:
    """The names of our headers, and that the answer has an id of ours."""
    assert UUID7.fullmatch(heard.id)
    return {name.removeprefix("x-turnout-") for name in heard.headers if name.startswith("x-turnout-")}


@pytest.mark.parametrize("path", BODIES)
def test_a_whole_answer(live: Live, path: str) -> None:
    heard = post(live, path, {"model": "local", **BODIES[path]})
    reasons = {"reasoning"} if path in (CHAT, RESPONSES) else set()
    assert (heard.status, told(heard)) == (200, WHOLE | reasons)
    assert [heard.told(name) for name in ("policy", "rule", "backend", "model", "attempts", "generation")] == [
        "alias:local", "use", "local", "demo-local", "1", "1",
    ]  # fmt: skip
    assert 0 <= float(heard.told("overhead-ms") or "-1") < 10_000
    assert heard.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", [CHAT, RESPONSES, COMPLETIONS])
def test_a_stream(live: Live, path: str) -> None:
    heard = post(live, path, {"model": "local", "stream": True, **BODIES[path]})
    assert (heard.status, told(heard)) == (200, ALWAYS)
    assert heard.headers["content-type"] == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize("stream", [False, True])
def test_a_classified_call_tells_its_class(live: Live, stream: bool) -> None:
    heard = ask(live, "auto", "Create a FastAPI server", stream=stream)
    assert (heard.told("class"), heard.told("policy"), heard.told("backend")) == ("complex", "hybrid", "claude")
    assert (heard.told("rule") or "").startswith("hybrid[")


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_dropped_is_named_and_nothing_else(live: Live, stream: bool) -> None:
    dropped = ask(live, "claude", seed=7, presence_penalty=0.5, stream=stream)
    assert set((dropped.told("dropped") or "").split(", ")) == {"seed", "presence_penalty"}
    assert ask(live, "claude", stream=stream).told("dropped") is None


@pytest.mark.parametrize("stream", [False, True])
def test_a_fallback_tells_its_reason(live: Live, stream: bool) -> None:
    heard = ask(live, "moves", stream=stream)
    assert (heard.status, heard.told("backend"), heard.told("model")) == (200, "claude", "claude-sonnet-5")
    assert int(heard.told("attempts") or 0) == len(live.rows_of(heard.id)) > 1
    assert (heard.told("reason") or "").startswith("down: unreachable")


def test_the_cost_of_a_whole_answer_is_exact(live: Live) -> None:
    heard = ask(live, "priced", "What is 2+2?")
    usage = heard.body["usage"]
    cached = (usage["prompt_tokens_details"] or {})["cached_tokens"]
    nano = (usage["prompt_tokens"] - cached) * 1250 + cached * 125 + usage["completion_tokens"] * 10_000
    [row] = live.rows_of(heard.id)
    assert row.cost_nano_usd == nano
    assert heard.told("cost-usd") == f"{nano / 1e9:.9f}".rstrip("0")


def test_an_error_of_the_upstream(live: Live) -> None:
    heard = ask(live, "broken")
    assert (heard.status, heard.error["type"]) == (400, "invalid_request_error")
    assert told(heard) == ALWAYS
    assert (heard.told("backend"), heard.told("model"), heard.told("attempts")) == ("broken", "demo-fault-400", "1")


@pytest.mark.parametrize("path", BODIES)
def test_a_backend_that_is_away(live: Live, path: str) -> None:
    heard = post(live, path, {"model": "down", **BODIES[path]})
    assert heard.status in (502, 503)
    assert ALWAYS - {"backend", "model", "attempts"} <= told(heard) <= ALWAYS | {"reason"}


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_a_stream_that_breaks_has_them_all_before_it_does(live: Live, path: str) -> None:
    heard = post(live, path, {"model": "cutoff", "stream": True, **BODIES[path]})
    assert (heard.status, told(heard)) == (200, ALWAYS)
    assert b"error" in heard.raw


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), ({"model": "nobody-has-this", "messages": []}, 404), ({"messages": []}, 400)],
)
def test_a_call_without_a_decision_tells_its_id_and_generation(live: Live, body: Any, status: int) -> None:
    heard = post(live, CHAT, body)
    assert (heard.status, told(heard)) == (status, {"generation"})


def test_a_refusal_by_policy_tells_the_policy(live: Live) -> None:
    heard = ask(live, "claude", n=2)
    assert (heard.status, heard.told("policy"), heard.told("attempts")) == (400, "alias:claude", None)


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/auto", "/health/live", "/health/ready", "/metrics", "/v1/nowhere"]
)
def test_quiet_endpoints_tell_their_id_and_generation(live: Live, path: str) -> None:
    assert told(get(live, path)) == {"generation"}


def test_a_pin_says_so(live: Live) -> None:
    heard = ask(live, "backend/claude")
    assert (heard.told("policy"), heard.told("rule"), heard.told("backend")) == ("pinned", "pinned", "claude")
    [row] = live.rows_of(heard.id)
    assert (row.policy, row.rule, row.alias) == ("pinned", "pinned", "backend/claude")


@pytest.mark.parametrize("stream", [False, True])
def test_the_upstreams_id_is_passed_on_and_recorded(live: Live, stream: bool) -> None:
    for alias in ("local", "priced", "claude"):
        heard = ask(live, alias, stream=stream)
        given = heard.headers["x-upstream-request-id"]
        assert given.startswith("req_")
        assert [row.upstream_request_id for row in live.rows_of(heard.id)] == [given]


@pytest.mark.parametrize("name", ["x_request_id", "x_client_request_id"])
def test_the_clients_id_is_kept_beside_ours(live: Live, name: str) -> None:
    heard = post(live, CHAT, chat("local"), **{name: "mine: 42"})
    assert heard.id != "mine: 42"
    assert [row.client_request_id for row in live.rows_of(heard.id)] == ["mine: 42"]


def test_an_id_that_is_too_long_is_not_kept(live: Live) -> None:
    heard = post(live, RESPONSES, responses("local"), x_request_id="x" * 513)
    assert [row.client_request_id for row in live.rows_of(heard.id)] == [None]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("alias", ["local", "priced", "claude"])
def test_the_answer_shows_the_alias(live: Live, alias: str, stream: bool) -> None:
    for path in (CHAT, RESPONSES):
        heard = post(live, path, {"model": alias, "stream": stream, **BODIES[path]})
        bodies = heard.events if stream else [heard.body]
        shown = {name for body in bodies for name in (body.get("model"), body.get("response", {}).get("model")) if name}
        assert shown == {alias}
