"""Overrides on the road: what is turned shows on every answer, row and explanation that it touched, and ends in time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command_line import said, turnout
from live import Live, demo_config, demo_upstream
from overrides_kit import cleared, override, standing, told, turned
from public_door import EMBEDDINGS, Heard, ask, post
from scripted import Upstream, scripted, stream

MORE = """
guards:
  - {when: {headers: {x-ward: "*"}}, deny: "the ward asks nobody"}
teams: {cloudy: {policy: {auto: claude_only, default: claude_only}}}
keys: [{name: ann, secret: sk-ann, team: cloudy}, {name: bob, secret: sk-bob}]
"""
CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[%s]}\n\n'
BEGUN = CHUNK % b'{"index":0,"delta":{"role":"assistant","content":"Once"},"finish_reason":null}'
ENDED = CHUNK % b'{"index":0,"delta":{},"finish_reason":"stop"}' + b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture(scope="module")
def slow() -> Iterator[Upstream]:
    with scripted() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def running(demo: str, slow: Upstream) -> Iterator[Live]:
    where = f'provider: openai_compatible, base_url: "{slow.url}/v1", model: m, local: false'
    aliases = "aliases:\n  to-slow: {use: [slow]}\n  slow-first: {use: [slow, gemini, chat]}"
    text = demo_config(demo, MORE).replace("pools:", f"  slow: {{{where}}}\npools:", 1)
    text = text.replace("aliases:", aliases, 1)
    with Live(text) as live:
        yield live


@pytest.fixture
def live(running: Live) -> Iterator[Live]:
    yield running
    cleared(running)


def row(live: Live, id_: str) -> Any:
    return live.rows_of(id_)[-1]


def test_an_alias_follows_another_policy_and_the_answer_the_row_and_the_explanations_say_so(live: Live) -> None:
    assert ask(live, "claude_only", key="sk-bob").told("override") is None
    turned(live, "policy", "claude_only=local_only", "--ttl", "30m")
    [shown] = told(live, "list")["overrides"]
    heard = ask(live, "claude_only", key="sk-bob")
    assert (heard.status, heard.told("policy"), heard.told("backend")) == (200, "local_only", "local")
    generation = told(live, "list")["generation"]
    words = f"policy claude_only=local_only; until={shown['until']}; generation={generation}"
    assert heard.told("override") == words
    assert heard.headers["x-turnout-generation"] == str(live.get("/health/ready")[1]["generation"])
    kept = row(live, heard.id)
    assert (kept.policy, kept.flags) == ("local_only", "override policy claude_only=local_only")
    assert f"policy local_only: override policy claude_only=local_only until {shown['until']}" in kept.trace
    assert msgspec.json.decode(kept.facts)["overrides"] == generation
    with contextlib.chdir(live.folder):
        past = turnout("explain", heard.id, "--config", live.config).stdout
        assert "override  policy claude_only=local_only\n" in past
        assert said(turnout("explain", heard.id, "--json"))["overrides"] == ["policy claude_only=local_only"]
        fresh = said(turnout("explain", "Hi!", "--model", "claude_only", "--key", "bob", "--json"))
    assert (fresh["overrides"], fresh["backend"]) == ([words], "local")
    question = {"request": {"model": "claude_only", "messages": [{"role": "user", "content": "Hi!"}]}, "key": "bob"}
    there = post(live, "/admin/explain", question).body
    assert (there["overrides"], there["backend"], there["trace"]) == ([words], "local", fresh["trace"])
    cleared(live, "claude_only")
    after = ask(live, "claude_only", key="sk-bob")
    assert (after.told("backend"), after.told("override")) == ("claude", None)
    assert row(live, after.id).flags is None


def test_everybody_means_teams_and_aliases_of_backends_and_not_embeddings(live: Live) -> None:
    before = post(live, EMBEDDINGS, {"model": "to-openai", "input": "x"}, "sk-bob")
    turned(live, "policy", "*=local_only")
    for model in ("auto", "to-claude", "local_fallback"):
        heard = ask(live, model, key="sk-ann")
        assert (heard.told("backend"), heard.told("policy")) == ("local", "local_only"), model
        assert (heard.told("override") or "").startswith("policy *=local_only; until=")
    embedded = post(live, EMBEDDINGS, {"model": "to-openai", "input": "x"}, "sk-bob")
    assert (embedded.status, embedded.told("backend")) == (before.status, before.told("backend"))
    assert embedded.told("override") is None


def test_a_stream_says_so_too(live: Live) -> None:
    turned(live, "policy", "auto=local_only")
    heard = ask(live, "auto", key="sk-bob", stream=True)
    assert heard.status == 200
    assert (heard.told("override") or "").startswith("policy auto=local_only")
    assert row(live, heard.id).flags == "override policy auto=local_only"


def test_guards_stand(live: Live) -> None:
    turned(live, "policy", "*=local_only")
    heard = post(live, "/v1/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": "Hi!"}]},
                 "sk-bob", x_ward="7")  # fmt: skip
    assert (heard.status, heard.error["message"]) == (403, "the ward asks nobody")
    assert (heard.told("override") or "").startswith("policy *=local_only")


def test_restricted_data_meets_local_backends_only(live: Live) -> None:
    turned(live, "policy", "*=claude_only")
    asked = {"model": "auto", "messages": [{"role": "user", "content": "Hi!"}]}
    heard = post(live, "/v1/chat/completions", asked, "sk-bob", x_turnout_data_class="restricted")
    assert heard.status == 403
    assert row(live, heard.id).backend is None
    pinned = post(live, "/v1/chat/completions", {**asked, "model": "backend/claude"}, "sk-bob",
                  x_turnout_data_class="restricted")  # fmt: skip
    assert pinned.status == 403


def test_a_drained_backend_gets_no_new_call_not_even_a_pinned_one(live: Live) -> None:
    turned(live, "drain", "claude", "--ttl", "2h", "--reason", "a key leaked")
    [shown] = told(live, "list")["overrides"]
    fallen = ask(live, "local_fallback", key="sk-bob")
    assert fallen.status == 200
    heard = ask(live, "claude_only", key="sk-bob")
    assert (heard.status, heard.error["code"]) == (503, "no_backend_available")
    assert f"claude: drained by override until {shown['until']}" in heard.error["message"]
    assert "a key leaked" not in heard.error["message"]
    assert (heard.told("override") or "").startswith("drain claude; until=")
    kept = row(live, heard.id)
    assert (kept.attempt, kept.flags, kept.backend) == (0, "override drain claude", None)
    pinned = ask(live, "backend/claude", key="sk-bob")
    assert (pinned.status, pinned.error["code"]) == (503, "no_backend_available")
    auto = ask(live, "auto", "Prove that there are infinitely many primes, and write a parser in Rust.", key="sk-bob")
    assert (auto.status, auto.told("backend") != "claude") == (200, True)


def test_a_call_in_flight_finishes(live: Live, slow: Upstream) -> None:
    gate = threading.Event()
    slow.script(stream(BEGUN, gate, ENDED))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, live, "to-slow", key="sk-bob", stream=True)
        live.until(lambda: bool(slow.asked), "asked")
        turned(live, "drain", "slow")
        refused = ask(live, "to-slow", key="sk-bob")
        gate.set()
        heard = call.result()
    assert refused.status == 503
    assert (heard.status, heard.raw.endswith(b"data: [DONE]\n\n"), b'"stop"' in heard.raw) == (200, True, True)
    assert (row(live, heard.id).outcome, heard.told("override")) == ("ok", None)
    assert len(slow.asked) == 1


def test_nor_does_a_call_fall_back_to_a_backend_that_was_drained_since_it_was_decided(
    live: Live, slow: Upstream
) -> None:
    gate = threading.Event()
    slow.script(stream(gate))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, live, "slow-first", key="sk-bob")
        live.until(lambda: bool(slow.asked), "asked")
        turned(live, "drain", "gemini")
        gate.set()  # and it has said nothing
        heard = call.result()
    assert (heard.status, heard.told("backend")) == (200, "chat")
    assert (heard.told("reason") or "").endswith("; gemini: shed")
    [_, second, third] = live.rows_of(heard.id)
    assert (second.backend, second.outcome, third.outcome) == ("gemini", "fallback", "ok")


def test_every_answer_fits_the_generations_that_it_tells(live: Live) -> None:
    """One pair of them makes a decision, whatever is turned and reloaded meanwhile."""
    over, policies = threading.Event(), {}

    def asking() -> list[Heard]:
        heard = []
        while not over.is_set():
            heard.append(ask(live, "auto", key="sk-bob"))
        return heard

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(asking) for _ in range(2)]
        for number in range(12):
            policy = ("local_only", "claude_only")[number % 2]
            code, _ = live.call("POST", "/admin/overrides", msgspec.json.encode({"policy": f"auto={policy}"}))
            assert code == 201
            policies[live.get("/admin/overrides")[1]["generation"]] = policy
            if number % 3 == 0:
                assert live.reload()["ok"]
        over.set()
        answers = [heard for call in calls for heard in call.result()]
    assert {heard.status for heard in answers} == {200}
    touched = [heard for heard in answers if heard.told("override") is not None]
    for heard in touched:
        words = heard.told("override") or ""
        policy = policies[int(words.rpartition("generation=")[2])]
        assert (words.partition(";")[0], heard.told("policy")) == (f"policy auto={policy}", policy)
        assert heard.told("backend") == {"local_only": "local", "claude_only": "claude"}[policy]
    assert len({heard.told("override") for heard in touched}) > 3


def test_it_ends_by_itself_and_the_log_tells_its_life_once(live: Live) -> None:
    id_ = turned(live, "drain", "gemini", "--ttl", "1500ms")
    assert ask(live, "to-gemini", key="sk-bob").status == 503
    live.until(lambda: standing(live) == [], "over")
    assert ask(live, "to-gemini", key="sk-bob").status == 200
    lines = [line for line in live.log().splitlines() if id_ in line]
    assert [msgspec.json.decode(line)["event"] for line in lines] == ["override.set", "override.expired"]
    assert msgspec.json.decode(lines[0])["by"].partition("@")[0]


def test_readiness_metrics_and_the_admins_view_show_it(live: Live) -> None:
    turned(live, "drain", "claude", "--reason", "a key leaked")
    turned(live, "policy", "auto=local_only", "--ttl", "never")
    generation = told(live, "list")["generation"]
    status, state = live.get("/health/ready")
    assert (status, state["overrides_generation"]) == (200, generation)
    [drain, policy] = state["overrides"]
    assert (drain["override"], drain["state"], set(drain)) == ("drain claude", "active", {"override", "until", "state"})
    assert (policy["override"], policy["until"]) == ("policy auto=local_only", None)
    assert state["backends"]["claude"].startswith("drained by override until ")
    assert "leaked" not in repr(state)
    _, metrics = live.get("/metrics")
    assert 'turnout_overrides{kind="policy"} 1\n' in metrics
    assert 'turnout_overrides{kind="drain"} 1\n' in metrics
    assert f"turnout_overrides_generation {generation}\n" in metrics
    _, config = live.get("/admin/config")
    assert config["overrides"]["generation"] == generation
    assert [each.get("reason") for each in config["overrides"]["overrides"]] == ["a key leaked", None]


def test_it_outlives_a_restart_and_a_reload_that_makes_it_meaningless(demo: str, tmp_path: Path) -> None:
    text = demo_config(demo)
    with Live(text, folder=tmp_path) as live:
        turned(live, "drain", "gemini")
        assert live.stop() == 0
    with Live(text, folder=tmp_path) as live:
        assert ask(live, "to-gemini").status == 503
        assert standing(live) == ["gemini"]
        assert live.log().count('"event":"override.stands"') == 1
        without = "".join(line for line in text.splitlines(keepends=True) if "gemini" not in line)
        live.write(without + "pools: {cloud-pool: [claude, openai, chat]}\n")
        live.until(lambda: live.get("/health/ready")[1]["generation"] == 2, "reloaded")
        [shown] = live.get("/health/ready")[1]["overrides"]
        assert shown["state"] == "there is no backend 'gemini'"
        assert "ignored: there is no backend 'gemini'" in override(live, "list").stdout
        assert ask(live, "auto").told("override") is None
        live.write(text)
        live.until(lambda: live.get("/health/ready")[1]["generation"] == 3, "reloaded")
        heard = ask(live, "to-gemini")
        assert (heard.status, heard.headers["x-turnout-generation"]) == (503, "3")
        assert (heard.told("override") or "").endswith("generation=1")
