"""Limits through the public door: what passes, what is refused in which words, and what the headers tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai
import pytest
from live import Live
from public_door import COMPLETIONS, EMBEDDINGS, RESPONSES, Heard, ask, chat, get, post, responses
from scripted import whole
from spending import Vendor, config, told, vendor

AWAY = whole({"error": {"message": "away"}}, 500)
KEYS = """
teams:
  shared: {limits: {rpm: 4}}
  secret: {limits: {rpm: 1000}, budget: {usd: 1000}}
keys:
  - {name: free, secret: sk-free}
  - {name: slow, secret: sk-slow, limits: {rpm: 3}}
  - {name: anthropic, secret: sk-anthropic, limits: {rpm: 2, tpm: 100000}}
  - {name: again, secret: sk-again, limits: {rpm: 1}}
  - {name: seen, secret: sk-seen, limits: {rpm: 1}}
  - {name: sdk, secret: sk-sdk, limits: {rpm: 1}}
  - {name: talker, secret: sk-talker, limits: {tpm: 1000}}
  - {name: narrow, secret: sk-narrow, limits: {parallel: 2}}
  - {name: leaver, secret: sk-leaver, limits: {parallel: 2}}
  - {name: counter, secret: sk-counter, limits: {rpm: 2, tpm: 1, parallel: 1}}
  - {name: one, team: shared, secret: sk-one, limits: {rpm: 3}}
  - {name: two, team: shared, secret: sk-two}
  - {name: cached, secret: sk-cached, limits: {rpm: 3, tpm: 700}}
  - {name: caller, secret: sk-caller, limits: {rpm: 5, tpm: 100000}}
policies:
  kept: {rules: [{set: {cache: {ttl: 1h}}, use: [cloud]}]}
"""


@pytest.fixture(scope="module")
def seller() -> Iterator[Vendor]:
    with vendor() as made:
        yield made


@pytest.fixture(scope="module")
def live(seller: Vendor) -> Iterator[Live]:
    text = config(seller.url, KEYS).replace("aliases:\n", "aliases:\n  kept: {policy: kept}\n")
    with Live(text) as made:
        yield made


def limits(heard: Heard) -> dict[str, str]:
    return {
        name: value for name, value in heard.headers.items() if "ratelimit" in name or name.startswith("retry-after")
    }


def test_a_caller_without_limits_is_told_of_none(live: Live) -> None:
    assert limits(ask(live, "cloud", key="sk-free")) == {}


def test_requests_count_down_and_the_next_one_is_refused(live: Live) -> None:
    left = [ask(live, "cloud", key="sk-slow").headers["x-ratelimit-remaining-requests"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = ask(live, "cloud", key="sk-slow", stream=True)
    assert refused.status == 429
    assert refused.error["code"] == "rate_limit_exceeded"
    assert refused.error["type"] == "requests"
    assert refused.error["message"].startswith(
        "Rate limit reached: Key 'slow' may use 3 requests per minute; 0 are left."
    )
    found = limits(refused)
    assert found["x-ratelimit-limit-requests"] == "3"
    assert found["x-ratelimit-remaining-requests"] == "0"
    assert found["x-ratelimit-reset-requests"].startswith(("59.", "1m"))
    assert 50 <= int(found["retry-after"]) <= 61
    assert "x-should-retry" not in refused.headers
    [row] = live.rows_of(refused.id)
    assert (row.attempt, row.outcome, row.status, row.error_code) == (0, "denied", 429, "rate_limit_exceeded")


def test_a_teams_limit_is_of_all_its_keys_and_a_keys_own_beside_it(live: Live) -> None:
    assert [ask(live, "cloud", key="sk-one").status for _ in range(2)] == [200, 200]
    assert [ask(live, "cloud", key="sk-two").status for _ in range(2)] == [200, 200]
    refused = ask(live, "cloud", key="sk-one")
    assert "Team 'shared' may use 4 requests per minute" in refused.error["message"]
    assert limits(refused)["x-ratelimit-limit-requests"] == "4"
    assert "secret" not in refused.raw.decode()


def test_a_call_to_another_backend_after_a_failure_is_still_one_request(live: Live, seller: Vendor) -> None:
    before = int(ask(live, "both", key="sk-caller").headers["x-ratelimit-remaining-requests"])
    reply = seller.upstream.reply
    seller.upstream.reply = lambda asked: AWAY if asked.body["model"] == "gpt-4.1" else reply(asked)
    try:
        heard = ask(live, "both", key="sk-caller")
    finally:
        seller.upstream.reply = reply
    assert (heard.status, heard.told("attempts")) == (200, "2")
    assert int(heard.headers["x-ratelimit-remaining-requests"]) == before - 1


def test_tokens_are_reserved_and_corrected_when_the_answer_is_known(live: Live, seller: Vendor) -> None:
    first = ask(live, "cloud", key="sk-talker", max_tokens=100)
    used = seller.input + seller.tokens
    assert int(first.headers["x-ratelimit-remaining-tokens"]) == 1000 - used
    assert [ask(live, "cloud", key="sk-talker", max_tokens=100).status for _ in range(7)] == [200] * 7
    refused = ask(live, "cloud", key="sk-talker", max_tokens=200)
    assert refused.status == 429
    assert refused.error["type"] == "tokens"
    assert f"{1000 - 8 * used} are left and this call may use 1" in refused.error["message"]
    assert ask(live, "cloud", key="sk-talker", max_tokens=10).status == 200


def test_calls_at_one_time(live: Live, seller: Vendor) -> None:
    seller.gate = threading.Event()
    try:
        with ThreadPoolExecutor(2) as pool:
            before = len(seller.upstream.asked)
            open_ = [pool.submit(ask, live, "cloud", key="sk-narrow", stream=stream) for stream in (True, False)]
            live.until(lambda: len(seller.upstream.asked) >= before + 2, "two calls open")
            refused = ask(live, "cloud", key="sk-narrow")
            assert (refused.status, refused.headers["retry-after"]) == (429, "1")
            assert "Key 'narrow' may have 2 calls under way at one time; 0 are left" in refused.error["message"]
            seller.gate.set()
            assert [each.result().status for each in open_] == [200, 200]
    finally:
        seller.gate = None
    assert ask(live, "cloud", key="sk-narrow").status == 200


def test_a_client_that_leaves_gives_its_place_back(live: Live, seller: Vendor) -> None:
    import socket

    import msgspec

    body = msgspec.json.encode(chat("cloud", stream=True))
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-leaver\r\n"
    seller.gate = threading.Event()
    try:
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", live.port), timeout=10) as line:
                line.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
                assert b"200 OK" in line.recv(1000)
        live.until(lambda: [row.outcome for row in live.rows() if row.key_id == "leaver"] == ["cancelled"] * 2, "left")
    finally:
        seller.gate.set()
        seller.gate = None
    assert ask(live, "cloud", key="sk-leaver").status == 200


def test_a_count_is_a_request_and_nothing_else(live: Live) -> None:
    body = {"model": "home", "messages": [{"role": "user", "content": "Hi!"}]}
    answers = [post(live, "/v1/messages/count_tokens", body, "sk-counter") for _ in range(3)]
    assert [heard.status for heard in answers] == [200, 200, 429]
    assert "x-ratelimit-remaining-tokens" not in answers[1].headers  # nobody has asked for any yet
    assert answers[2].body["type"] == "error"


def test_a_kept_answer_is_a_request_and_nothing_else(live: Live) -> None:
    answers = [ask(live, "kept", "The same", key="sk-cached", max_tokens=300) for _ in range(4)]
    assert [heard.status for heard in answers] == [200, 200, 200, 429]
    assert [heard.told("cache") for heard in answers[:1]] == ["miss"]
    tokens = [int(heard.headers["x-ratelimit-remaining-tokens"]) for heard in answers[:3]]
    assert tokens[0] == tokens[1] == tokens[2]


@pytest.mark.parametrize(("path", "body"), [(EMBEDDINGS, {"input": "Hi!"}), (COMPLETIONS, {"prompt": "Hi!"})])
def test_bytes_that_pass_unread_are_counted_too(live: Live, path: str, body: dict[str, str]) -> None:
    heard = post(live, path, {"model": "cloud", **body}, "sk-caller")
    assert limits(heard)["x-ratelimit-limit-tokens"] == "100000"


def test_anthropics_clients_are_told_in_their_own_words(live: Live) -> None:
    client = anthropic.Anthropic(base_url=live.url, api_key="sk-anthropic", max_retries=0)
    asked = {"model": "home", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi!"}]}
    for left in ("1", "0"):
        answer = client.messages.with_raw_response.create(**asked)  # type: ignore[call-overload]
        assert answer.headers["anthropic-ratelimit-requests-remaining"] == left
        assert answer.headers["anthropic-ratelimit-requests-limit"] == "2"
        assert answer.headers["anthropic-ratelimit-tokens-limit"] == "100000"
        reset = time.strptime(answer.headers["anthropic-ratelimit-requests-reset"], "%Y-%m-%dT%H:%M:%SZ")
        assert reset > time.gmtime()
    with pytest.raises(anthropic.RateLimitError) as refused:
        client.messages.create(**asked)  # type: ignore[call-overload]
    assert refused.value.body["error"]["type"] == "rate_limit_error"  # type: ignore[index, call-overload]
    assert "Key 'anthropic' may use 2 requests per minute" in str(refused.value)


def test_openais_clients_get_their_own_error(live: Live) -> None:
    client = openai.OpenAI(base_url=live.base_url, api_key="sk-sdk", max_retries=0)
    client.chat.completions.create(model="cloud", messages=[{"role": "user", "content": "Hi!"}])
    with pytest.raises(openai.RateLimitError, match="Key 'sdk' may use 1 requests per minute") as refused:
        client.responses.create(model="cloud", input="Hi!")
    assert refused.value.code == "rate_limit_exceeded"
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="cloud", messages=[{"role": "user", "content": "Hi!"}], stream=True)


def test_refusals_are_counted_by_kind_and_no_key_is_a_label(live: Live) -> None:
    assert [ask(live, "cloud", key="sk-seen").status for _ in range(2)] == [200, 429]
    text = get(live, "/metrics").raw.decode()
    assert 'turnout_limit_refusals_total{kind="requests"}' in text
    assert 'turnout_pots_rounds_total{home="memory",outcome="ok"}' in text
    assert "sk-" not in text
    assert "seen" not in text


def test_a_reload_changes_a_limit_at_once_and_what_is_used_stays() -> None:
    def text(rpm: int) -> str:
        return config(seller.url, f"keys: [{{name: k, secret: sk-k, limits: {{rpm: {rpm}}}}}]\n")

    with vendor() as seller, Live(text(2)) as live:
        assert [ask(live, "cloud", key="sk-k").status for _ in range(3)] == [200, 200, 429]
        live.write(text(3))
        assert live.reload()["ok"]
        assert [ask(live, "cloud", key="sk-k").status for _ in range(2)] == [200, 429]
        live.write(text(1))
        assert live.reload()["ok"]
        refused = ask(live, "cloud", key="sk-k")
        assert "may use 1 requests per minute; 0 are left" in refused.error["message"]
        assert {outcome for outcome, _, _ in told(live)} == {"ok", "denied"}


def test_two_workers_share_a_limit() -> None:
    more = "server: {workers: 2}\nkeys: [{name: k, secret: sk-k, limits: {rpm: 40}}]\n"
    with vendor() as seller, Live(config(seller.url, more)) as live, ThreadPoolExecutor(8) as pool:
        live.until(lambda: len(list(live.folder.glob("turnout-*.db"))) == 2, "two ledgers")
        passed = 0
        for _ in range(8):
            statuses = list(pool.map(lambda _: ask(live, "cloud", key="sk-k").status, range(20)))
            passed += statuses.count(200)
            assert passed <= 40
        # What one of them holds ahead for a second may be kept from the other, which then is told to ask again.
        deadline = time.monotonic() + 10
        while passed < 40 and time.monotonic() < deadline:
            passed += ask(live, "cloud", key="sk-k").status == 200
        assert passed == 40
        answers = {file.stem for file in live.folder.glob("turnout-*.db")}
        assert len(answers) == 2


def test_responses_are_refused_in_their_own_words(live: Live) -> None:
    heard = [post(live, RESPONSES, responses("cloud"), "sk-again") for _ in range(2)][-1]
    assert heard.status == 429
    assert heard.error["code"] == "rate_limit_exceeded"
