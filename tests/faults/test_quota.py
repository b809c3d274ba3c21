"""A vendor's quota: nothing beyond it is ever sent, whoever shares it; who finds none left waits, moves on or is told."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
import msgspec
import pytest
from crowd import crowd, statuses
from live import Live
from meter import WAYS, Vendor, Way
from scripted import Upstream, scripted, whole
from services import redis_server

from proxy.ledger import reader

CALLS = int(os.environ.get("TURNOUT_QUOTA_CALLS", "8"))
"""That come again until they are served; 150 take some minutes, for ``make torture``."""


class Heard(msgspec.Struct):
    """One answer."""

    status: int
    headers: httpx2.Headers
    body: Any

    @property
    def error(self) -> dict[str, Any]:
        return dict(self.body["error"])

    def told(self, name: str) -> str | None:
        value: str | None = self.headers.get(f"x-turnout-{name}")
        return value


def ask(
    live: Live, model: str, text: str = "Hi!", *, path: str = "chat/completions", key: str = "sk-k", **more: Any
) -> Heard:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx2.post(f"{live.base_url}/{path}", json=body, headers=headers, timeout=30, trust_env=False)
    return Heard(answer.status_code, answer.headers, answer.json())


def config(url: str, entry: str = "queue_ms: 500, limits: {rpm: 60}", more: str = "") -> str:
    at = f'provider: openai, dialect: openai_chat, credential: sk-x, base_url: "{url}/v1"'
    return f"""version: 1
retries: {{attempts: 1}}
backends:
  vendor: {{{at}, model: m, {entry}}}
  other:  {{provider: vllm, local: true, base_url: "{url}/v1", model: other}}
aliases:
  cloud: {{use: [vendor]}}
  both:  {{use: [vendor, other]}}
keys: [{{name: k, secret: sk-k}}]
{more}"""


@contextmanager
def vendor(way: Way, *, rpm: int = 60, tells: bool = False) -> Iterator[tuple[Upstream, Vendor]]:
    with scripted() as upstream:
        made = Vendor(way, rpm, tells=tells)
        upstream.reply = made
        yield upstream, made


def judged(lives: list[Live], seller: Vendor, *, least: int) -> None:
    """100 calls at one time: none is refused by the vendor, and every one is answered, by it or by us."""
    before = seller.served
    told = crowd([live.url for live in lives], 100, "sk-k")
    found = statuses(told)
    assert seller.refused == 0
    assert set(found) <= {"200", "backend_quota", "backend_busy"}, found
    assert found["200"] == seller.served - before >= least
    refused = next(each for each in told if each.code == "backend_quota")
    assert refused.status == 429
    assert "60 requests per minute" in refused.body["error"]["message"]
    assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.parametrize("way", WAYS)
def test_a_hundred_calls_on_sixty_a_minute(way: Way) -> None:
    with vendor(way) as (upstream, seller), Live(config(upstream.url)) as live:
        judged([live], seller, least=2)


def test_the_same_of_two_workers() -> None:
    with vendor("small") as (upstream, seller), Live(config(upstream.url), workers=2) as live:
        judged([live], seller, least=2)


def test_the_same_of_two_replicas() -> None:
    with redis_server() as redis, vendor("small") as (upstream, seller), ExitStack() as stack:
        more = f'server: {{secret: [a-secret-that-both-have]}}\nstate: {{redis: "{redis.url}"}}\n'
        lives = [stack.enter_context(Live(config(upstream.url, more=more))) for _ in range(2)]
        judged(lives, seller, least=5)


def test_a_vendor_that_says_what_is_left_is_sent_as_much_at_once() -> None:
    with vendor("bucket", tells=True) as (upstream, seller), Live(config(upstream.url)) as live:
        assert ask(live, "cloud").status == 200
        judged([live], seller, least=40)


def test_a_vendor_that_has_less_left_than_we_know_is_sent_no_more() -> None:
    """Others use its quota, too."""
    with scripted() as upstream, Live(config(upstream.url)) as live:
        seller = Vendor("sliding", 1000)
        told = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "30s"}
        upstream.reply = lambda asked: whole(seller(asked).parts[0], 200, **told)
        assert ask(live, "cloud").status == 200
        refused = ask(live, "cloud")
        assert (refused.status, refused.error["code"]) == (429, "backend_quota")
        assert 20 <= int(refused.headers["retry-after"]) <= 30
        assert len(upstream.asked) == 1


def test_a_vendor_that_says_when_to_come_again_is_left_alone_until_then() -> None:
    with scripted() as upstream, Live(config(upstream.url, "queue: 0, limits: {rpm: 60}")) as live:
        upstream.script(whole({"error": {"message": "slow down", "type": "requests"}}, 429, retry_after="30"))
        assert ask(live, "cloud").status == 429
        refused = ask(live, "cloud")
        assert refused.error["code"] == "backend_quota"
        assert "said so itself" in refused.error["message"]
        assert 20 <= int(refused.headers["retry-after"]) <= 30
        assert len(upstream.asked) == 1


def test_all_who_share_a_quota_leave_the_vendor_alone() -> None:
    """One of two workers has been told to come again; the other hears of it without asking the vendor."""
    entry = "queue: 0, limits: {rpm: 600}"
    with scripted() as upstream, Live(config(upstream.url, entry), workers=2) as live:
        upstream.script(whole({"error": {"message": "slow down", "type": "requests"}}, 429, retry_after="60"))
        assert ask(live, "cloud").status == 429
        heard = time.monotonic() + 1.0  # all know within a second
        live.until(lambda: time.monotonic() > heard, "a second")
        asked = len(upstream.asked)
        assert {ask(live, "cloud").error["code"] for _ in range(20)} == {"backend_quota"}
        assert len(upstream.asked) == asked


def test_who_finds_no_quota_moves_to_the_next_target() -> None:
    with vendor("sliding", rpm=1000) as (upstream, _), Live(config(upstream.url, "queue: 0, limits: {rpm: 1}")) as live:
        first, second = (ask(live, "both") for _ in range(2))
        assert (first.told("backend"), second.told("backend"), second.told("reason")) == (
            "vendor", "other", "vendor: shed",
        )  # fmt: skip
        _, metrics = live.get("/metrics")
        assert 'turnout_shed_total{backend="vendor",reason="quota"} 1' in metrics


def test_who_waits_for_the_quota_is_served_when_it_refills() -> None:
    """Of six hundred a minute fifty are sent at once, and then ten each second."""
    entry = "queue: 200, queue_ms: 20000, limits: {rpm: 600}"
    with vendor("small", rpm=600) as (upstream, seller), Live(config(upstream.url, entry)) as live:
        assert statuses(crowd([live.url], 80, "sk-k")) == {"200": 80}
        assert (seller.served, seller.refused) == (80, 0)
        assert any("waited" in (row.trace or "") for row in live.rows())


def test_tokens_are_estimated_before_and_counted_after() -> None:
    entry = "queue: 0, limits: {input_tpm: 6000, output_tpm: 600}"
    with vendor("sliding", rpm=1000) as (upstream, seller), Live(config(upstream.url, entry)) as live:
        seller.usage = {"prompt_tokens": 20, "completion_tokens": 700, "total_tokens": 720}
        assert ask(live, "cloud", max_tokens=10).status == 200
        refused = ask(live, "cloud", max_tokens=10)
        assert (refused.status, refused.error["code"], refused.error["type"]) == (429, "backend_quota", "tokens")
        assert "600 output tokens per minute" in refused.error["message"]
        assert len(upstream.asked) == 1


def test_a_question_that_is_larger_than_the_quota_may_still_be_asked() -> None:
    entry = "queue: 0, limits: {tpm: 100}"
    with vendor("sliding", rpm=1000) as (upstream, _), Live(config(upstream.url, entry)) as live:
        assert ask(live, "cloud", "word " * 2000).status == 200
        assert ask(live, "cloud").error["code"] == "backend_quota"
        assert len(upstream.asked) == 1


def test_what_counts_tokens_only_uses_no_quota() -> None:
    entry = "queue: 0, limits: {rpm: 1}"
    with vendor("sliding", rpm=1000) as (upstream, _), Live(config(upstream.url, entry)) as live:
        assert {ask(live, "cloud", path="messages/count_tokens").status for _ in range(3)} == {200}
        assert ask(live, "cloud").status == 200
        assert ask(live, "cloud").status == 429


def test_a_reload_forgets_nothing_and_a_new_amount_holds_at_once() -> None:
    entry = "queue: 0, limits: {rpm: 2}"
    with vendor("sliding", rpm=1000) as (upstream, _), Live(config(upstream.url, entry)) as live:
        assert [ask(live, "cloud").status for _ in range(2)] == [200, 429]
        live.write(config(upstream.url, "queue: 0, limits: {rpm: 600}"))
        live.until(lambda: ask(live, "cloud").status == 200, "served by the new quota")


@pytest.mark.parametrize("way", WAYS if CALLS > 100 else ["small"])
def test_all_of_them_come_again_until_they_are_served(way: Way) -> None:
    with vendor(way) as (upstream, seller), Live(config(upstream.url), workers=2) as live:
        served, deadline = 0, time.monotonic() + 60 + 2 * CALLS
        while served < CALLS and time.monotonic() < deadline:
            served += statuses(crowd([live.url], 40, "sk-k")).get("200", 0)
        assert served >= CALLS
        assert seller.refused == 0
        assert len(reader.rows(live.folder / "turnout.db")) >= served
