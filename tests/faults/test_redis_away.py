"""Redis away in every way (P6): two replicas that share it answer on, each feature does as ``state.away`` says, nobody
waits for longer than one time-out, and all comes back by itself."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import Any

import redis as client
from away_kit import (
    CHAT,
    FIRST,
    KEY,
    RESPONSES,
    Said,
    asked,
    at,
    chat,
    get,
    goes_on,
    made,
    replicas,
    say,
    serves_on,
    stored,
    text,
    unstored,
    until_away,
    until_back,
)
from live import Live, demo_upstream, free_port
from services import Server, redis_cluster, redis_sentinel, redis_server
from spending import vendor


def killed(server: Server) -> None:
    server.signal(signal.SIGKILL)
    server.process.wait(10)


def test_p6_down_at_the_start() -> None:
    port = free_port()
    with vendor() as seller, replicas(seller, at(port)) as lives:
        for live in lives:
            assert {Said(live, CHAT, chat("cloud"), "sk-free").heard.status} == {200}
            unstored(say(live, key="sk-free"))
            told = say(live)  # what its budget has cost nobody knows
            assert (told.heard.status, told.heard.error["code"]) == (503, "limits_unavailable")
            assert told.seconds < FIRST
        until_away(lives)
        with redis_server(port=port):
            until_back(lives)
            lives[0].until(lambda: say(lives[0]).heard.status == 200, "budgets counted")
            lives[1].until(lambda: say(lives[1]).heard.status == 200, "budgets counted")
            goes_on(lives)


def test_p6_killed_and_started_again() -> None:
    port = free_port()
    with vendor() as seller, redis_server(port=port) as redis, replicas(seller, at(port)) as lives:
        secret = made(lives[0], "ann")
        for live in lives:
            live.until(lambda live=live: say(live, key=secret).heard.status == 200, "known")  # type: ignore[misc]
        last = goes_on(lives)
        killed(redis)
        for live in lives:
            serves_on(live, last)
        until_away(lives)
        for live in lives:
            serves_on(live, last)
            assert say(live, key=secret).heard.status == 200
            assert live.log().count("stored.away") == 1
            assert "Traceback" not in live.log()
        with redis_server(port=port):  # empty: what was stored is gone, and that is told
            until_back(lives)
            assert say(lives[0], last).heard.error["code"] == "previous_response_not_found"
            goes_on(lives)
            assert say(lives[1], key=secret).heard.status == 200
            assert all("stored.back" in live.log() for live in lives)


def test_p6_stopped() -> None:
    with vendor() as seller, redis_server() as redis, replicas(seller, redis.url) as lives:
        last = goes_on(lives)
        redis.signal(signal.SIGSTOP)
        first = say(lives[0], last)
        assert first.heard.status == 503
        assert first.seconds < FIRST
        until_away(lives)
        for live in lives:
            serves_on(live, last, most=1.5)
        redis.signal(signal.SIGCONT)
        until_back(lives)
        assert stored(lives[1], last)
        goes_on(lives)


def test_p6_slow() -> None:
    with vendor() as seller, redis_server() as redis, replicas(seller, redis.url) as lives:
        last = goes_on(lives)
        with client.Redis(port=redis.port) as raw:
            for _ in range(3):
                raw.client_pause(2000)
                calls = [say(live) for live in lives for _ in range(3)]
                assert {each.heard.status for each in calls} == {200}
                assert max(each.seconds for each in calls) < FIRST
                assert [each.heard.body["store"] for each in calls] == [
                    each.heard.told("stored") is None for each in calls
                ]
                assert calls[0].heard.told("stored") == "0"
            raw.client_unpause()
        until_back(lives)
        assert stored(lives[1], last)
        goes_on(lives)


def test_p6_flushed() -> None:
    with vendor() as seller, redis_server() as redis, replicas(seller, redis.url) as lives:
        secret = made(lives[0], "ann")
        lives[1].until(lambda: say(lives[1], key=secret).heard.status == 200, "known")
        last = goes_on(lives)
        with client.Redis(port=redis.port) as raw:
            raw.flushall()
            for live in lives:
                assert say(live, last).heard.error["code"] == "previous_response_not_found"
                assert say(live).heard.status == 200
                assert say(live, key=secret).heard.status == 200
            lives[0].until(lambda: raw.hlen("turnout:{keys}:entries") == 1, "the key was put back")
        until_back(lives)
        goes_on(lives)


def test_p6_full() -> None:
    with vendor() as seller, redis_server() as redis, replicas(seller, redis.url) as lives:
        last = goes_on(lives)
        with client.Redis(port=redis.port) as raw:
            raw.config_set("maxmemory", "1")
            until_away(lives, {"limits", "budgets", "stored"})
            for live in lives:
                calls = [say(live), say(live, last), say(live, last, stream=True), Said(live, CHAT, chat("cloud"), KEY)]
                for each in calls[:3]:
                    unstored(each)
                assert calls[3].heard.status == 200
                assert max(each.seconds for each in calls) < 1.5
                assert get(live, f"{RESPONSES}/{last}", KEY).body["id"] == last
                assert "OutOfMemory" in live.log()
            raw.config_set("maxmemory", "0")
            until_back(lives)
            assert stored(lives[1], last)


def test_p6_wrong_password() -> None:
    with vendor() as seller, redis_server("--requirepass", "another") as redis:
        url = f"redis://:wr0ng-w0rd@127.0.0.1:{redis.port}/0"
        with replicas(seller, url) as lives:
            assert {say(live).heard.error["code"] for live in lives} == {"limits_unavailable"}
            until_away(lives)
            for live in lives:
                unstored(say(live, key="sk-free"))
                assert "AuthenticationError" in live.log()
                assert "wr0ng-w0rd" not in live.log()
                assert "127.0.0.1" not in str(live.get("/health/ready")[1]["stored"])
            with client.Redis(port=redis.port, password="another") as raw:
                raw.config_set("requirepass", "wr0ng-w0rd")
            until_back(lives)
            for live in lives:
                live.until(lambda live=live: say(live).heard.status == 200, "budgets counted")  # type: ignore[misc]
            goes_on(lives)


def test_p6_failover() -> None:
    with vendor() as seller, redis_server() as master, redis_server() as second:
        with client.Redis(port=second.port) as raw:
            raw.replicaof("127.0.0.1", str(master.port))
        with redis_sentinel(master) as sentinel, replicas(seller, sentinel.url) as lives:
            last = goes_on(lives)
            with client.Redis(port=sentinel.port) as asked:
                lives[0].until(lambda: len(asked.sentinel_slaves("turnout")) == 1, "the replica is known")
            with client.Redis(port=master.port) as raw:
                assert raw.wait(1, 5000) == 1
            killed(master)
            calls = [say(live) for live in lives]
            assert {each.heard.status for each in calls} == {200}
            assert max(each.seconds for each in calls) < FIRST
            until_back(lives)
            lives[1].until(lambda: say(lives[1], last).heard.status == 200, "the thread is there")
            lives[0].until(lambda: say(lives[0]).heard.body["store"] is True, "stored again")
            goes_on(lives)


def test_p6_a_node_of_a_cluster_dies() -> None:
    with vendor() as seller, redis_cluster() as nodes, replicas(seller, nodes[0].url) as lives:
        goes_on(lives)
        with client.Redis(port=nodes[0].port) as raw:
            slot = int(raw.execute_command("CLUSTER KEYSLOT", "turnout:{stored:interns}:turn:x"))
        owner = next(at for at in range(3) if slot < 16384 * (at + 1) // 3)
        nodes[owner].signal(signal.SIGSTOP)
        calls = [say(live) for live in lives for _ in range(3)]
        assert {each.heard.status for each in calls} == {200}
        assert max(each.seconds for each in calls) < FIRST
        nodes[owner].signal(signal.SIGCONT)
        until_back(lives)
        goes_on(lives)


def test_p6_closed_what_would_be_stored_waits_and_nothing_else() -> None:
    with vendor() as seller, redis_server() as redis, replicas(seller, redis.url, 1, away="{stored: closed}") as [live]:
        goes_on([live])
        killed(redis)
        until_away([live])
        told = say(live)
        assert (told.heard.status, told.heard.error["code"], told.heard.error["param"]) == (
            503, "store_unavailable", "store",
        )  # fmt: skip
        assert (say(live, store=False).heard.status, Said(live, CHAT, chat("cloud"), KEY).heard.status) == (200, 200)
        assert live.get("/health/ready")[1]["stored"] == "cannot be written; state.away.stored: closed"


CLASSES = """version: 1
server: {{secret: [a-secret-that-both-have]}}
state: {{redis: "{redis}"}}
backends:
  here:  {{provider: vllm, base_url: "{demo}/v1", model: demo-local, local: true, capabilities: {{tools: true}}}}
  there: {{provider: anthropic, base_url: "{demo}", model: claude-sonnet-5, credential: sk-demo-claude}}
data_classes: {{detect: {{card: restricted}}}}
aliases: {{here: {{use: [here]}}, there: {{use: [there]}}}}
"""
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


def called(live: Live, text: str) -> Any:
    """The messages of a thread in which the local backend has called a tool, and the tool has answered."""
    question = {"role": "user", "content": text}
    body = {"model": "here", "messages": [question], "tools": [TOOL], "tool_choice": "required"}
    heard = asked(live, "POST", CHAT, None, body)
    assert heard.status == 200, heard.raw
    calls = heard.body["choices"][0]["message"]["tool_calls"]
    result = {"role": "tool", "tool_call_id": calls[0]["id"], "content": "Sunny."}
    return [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        result,
    ]


def leaves(live: Live, messages: Any) -> bool:
    """May this thread go on in the cloud?"""
    heard = asked(live, "POST", CHAT, None, {"model": "there", "messages": messages, "tools": [TOOL]})
    assert heard.status in (200, 403), heard.raw
    return heard.status == 200


def test_p6_restricted_data_stays_here_whatever_becomes_of_redis() -> None:
    port = free_port()
    with demo_upstream() as demo, ExitStack() as stack:
        config = CLASSES.format(demo=demo, redis=at(port))
        with redis_server(port=port) as redis:
            one, two = (stack.enter_context(Live(config)) for _ in range(2))
            card, free = called(one, "Pay with 4111 1111 1111 1111."), called(one, "Nothing to hide.")
            assert not leaves(two, card)
            two.until(lambda: leaves(two, free), "sure that all have told what they know")
            assert [leaves(two, card), leaves(two, free)] == [False, True]
            killed(redis)
        # What was marked cannot be known now, nor told to others: nothing that may be marked leaves.
        later = called(one, "And with 5500 0000 0000 0004.")
        assert [leaves(live, each) for live in (one, two) for each in (card, free, later)] == [False] * 6
        with redis_server(port=port):
            one.until(lambda: leaves(one, free), "back")
            two.until(lambda: leaves(two, free), "back")
            assert [leaves(live, each) for live in (one, two) for each in (card, later)] == [False] * 4


def test_p11_a_redis_that_is_back_is_not_stormed() -> None:
    port = free_port()
    with vendor() as seller, ExitStack() as stack:
        with redis_server(port=port) as redis:
            lives = [stack.enter_context(Live(text(seller, at(port)), workers=2)) for _ in range(2)]
            for live in lives:
                for _ in range(8):
                    stored(live)
            killed(redis)
            until_away(lives)
        with redis_server(port=port), client.Redis(port=port) as raw:
            for _ in range(10):
                assert {say(live).heard.status for live in lives} == {200}
            until_back(lives)
            seen: Any = raw.info()
            print("connections", seen["total_connections_received"], "commands", seen["total_commands_processed"])
            assert seen["total_connections_received"] <= 4 * 8
