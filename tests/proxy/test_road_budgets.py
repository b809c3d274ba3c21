"""Budgets through the public door: what is reserved, limited and refused, what is charged, and what outlives a restart."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from live import Live
from public_door import EMBEDDINGS, ask, get, post
from scripted import whole
from spending import Vendor, beats, config, told, vendor

from policies.pricing import NANO

ANSWER = 10 * 3000 + 100 * 15_000
"""Nano-dollars of the vendor's usual answer."""
AWAY = whole({"error": {"message": "away"}}, 500)


@contextmanager
def sold(more: str, **changes: Any) -> Iterator[tuple[Live, Vendor]]:
    with vendor() as seller, Live(config(seller.url, more, **changes)) as live:
        yield live, seller


def team(usd: float, more: str = "", *, limits: str = "") -> str:
    return f"""
teams: {{interns: {{budget: {{usd: {usd}{more}}}{limits}}}}}
keys: [{{name: k, team: interns, secret: sk-k}}, {{name: free, secret: sk-free}}]
"""


def spent(live: Live, key: str = "k") -> int:
    return sum(row.cost_nano_usd or 0 for row in live.rows() if row.key_id == key)


def lengthen(live: Live, seller: Vendor, tokens: int, count: int = 3) -> None:
    """The alias's answers have been so long before."""
    before, seller.tokens = seller.tokens, tokens
    for _ in range(count):
        ask(live, "cloud", key="sk-free")
    seller.tokens = before


def test_with_plenty_left_no_answer_is_limited() -> None:
    with sold(team(1000)) as (live, seller):
        answers = [ask(live, "cloud", key="sk-k", stream=stream) for stream in (False, True)]
        assert [heard.status for heard in answers] == [200, 200]
        assert seller.limits == [None, None]
        assert told(live) == [("ok", None, ANSWER)] * 2
        assert answers[0].told("budget-cap") is None


def test_a_budget_that_is_nearly_spent_limits_answers_and_then_refuses() -> None:
    with sold(team(0.02)) as (live, seller):
        seller.tokens = 10_000
        caps = []
        while (heard := ask(live, "cloud", key="sk-k")).status == 200:
            assert heard.told("budget-cap") == str(seller.limits[-1])
            assert heard.body["choices"][0]["finish_reason"] == "length"
            caps.append(int(heard.told("budget-cap") or 0))
        assert caps == sorted(caps, reverse=True)
        assert min(caps) >= 256
        assert spent(live) <= 0.02 * NANO
        assert 0.02 * NANO - spent(live) < 256 * 15_000 + 400 * 3000
        assert heard.status == 429
        assert heard.error["code"] == heard.error["type"] == "insufficient_quota"
        assert heard.headers["x-should-retry"] == "false"
        assert "retry-after" not in heard.headers
        message = heard.error["message"]
        assert re.fullmatch(
            r"Team 'interns' has spent \$0\.01\d\d of its \$0\.0200 for \w+ \d{4} \(UTC\); \$0\.00\d\d is left and "
            r"this call may cost \$0\.00\d\d\. It resets on \d{4}-\d\d-01T00:00:00Z\. Wait until then, or ask the "
            r"operator for more\.",
            message,
        ), message
        rows = live.rows()
        assert [row.flags for row in rows[:-1]] == [f"budget_cap {cap}" for cap in caps]
        assert (rows[-1].attempt, rows[-1].outcome, rows[-1].error_code) == (0, "denied", "insufficient_quota")
        assert 'turnout_limit_refusals_total{kind="usd"} 1' in get(live, "/metrics").raw.decode()


def test_the_clients_own_lower_limit_stays_and_its_bytes_still_pass_unread() -> None:
    with sold(team(0.02)) as (live, seller):
        heard = post(live, "/v1/chat/completions", b'{"model":"cloud","max_tokens":60,"unknown_field":[1e2],"messages":[{"role":"user","content":"Hi!"}]}', "sk-k")  # fmt: skip
        assert heard.status == 200
        assert heard.told("budget-cap") is None
        assert seller.limits == [60]
        assert b'"unknown_field":[1e2]' in seller.upstream.asked[0].raw


def test_once_more_is_learned_of_an_aliases_answers_less_is_reserved() -> None:
    with sold(team(0.4)) as (live, seller):
        lengthen(live, seller, 300)
        seller.tokens, seller.gate = 300, threading.Event()
        with ThreadPoolExecutor(20) as pool:
            calls = [pool.submit(ask, live, "cloud", key="sk-k") for _ in range(20)]
            live.until(lambda: len(seller.upstream.asked) == 23, "twenty open calls")
            seller.gate.set()
            assert [call.result().status for call in calls] == [200] * 20
        assert spent(live) <= 0.4 * NANO


def test_only_open_calls_in_the_way_is_told_as_such_and_may_be_asked_again() -> None:
    with sold(team(0.006)) as (live, seller):
        seller.gate = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            open_ = pool.submit(ask, live, "cloud", key="sk-k")
            live.until(lambda: len(seller.upstream.asked) == 1, "an open call")
            refused = ask(live, "cloud", key="sk-k", max_tokens=400)
            assert refused.status == 429
            assert refused.error["code"] == "insufficient_quota"
            assert "is held for calls that are under way" in refused.error["message"]
            assert refused.error["message"].endswith("Try again in a moment.")
            assert refused.headers["retry-after"] == "1"
            assert "x-should-retry" not in refused.headers
            seller.gate.set()
            assert open_.result().status == 200
        seller.gate = None
        assert ask(live, "cloud", key="sk-k", max_tokens=200).status == 200


def test_usage_that_nobody_told_is_charged_as_reserved() -> None:
    with sold(team(10)) as (live, seller):
        lengthen(live, seller, 400)
        seller.usage = False
        assert ask(live, "cloud", key="sk-k").status == 200
        [row] = [row for row in live.rows() if row.key_id == "k"]
        assert (row.flags, row.cost_nano_usd) == ("budget_assumed", None)
        seller.usage = True
        heard = ask(live, "cloud", key="sk-k")
        facts = msgspec.json.decode(live.rows_of(heard.id)[0].facts or "")
        used = facts["budget_used"] * 10 * NANO
        assert 400 * 15_000 < used < 500 * 15_000 + 3000 * 100


def test_a_call_that_failed_before_it_cost_anything_is_not_charged() -> None:
    with sold(team(0.0082)) as (live, seller):
        reply, seller.upstream.reply = seller.upstream.reply, lambda _: AWAY
        assert [ask(live, "cloud", key="sk-k").status for _ in range(5)] == [502] * 5
        seller.upstream.reply = reply
        live.until(lambda: ask(live, "cloud", key="sk-k").status == 200, "the breaker closed", 40)


def test_an_unpriced_model_is_charged_at_its_providers_dearest_price() -> None:
    with sold(team(1000), price="timeouts: {connect: 5s}", model="gpt-nobody-knows") as (live, _):
        assert ask(live, "cloud", key="sk-k", max_tokens=1000).status == 200
        heard = ask(live, "cloud", key="sk-k", max_tokens=1000)
        [row] = live.rows_of(heard.id)
        assert (row.flags, row.cost_nano_usd) == ("price_assumed", None)
        used = msgspec.json.decode(row.facts or "")["budget_used"] * 1000 * NANO
        assert used >= 100 * 50_000  # a hundred tokens, at what the dearest of OpenAI's models costs


def test_an_unpriced_model_may_be_left_out_and_is_never_free() -> None:
    with sold(team(1000, ", on_unknown_price: deny"), price="timeouts: {connect: 5s}", model="gpt-nobody-knows") as (
        live,
        seller,
    ):
        heard = ask(live, "cloud", key="sk-k")
        assert (heard.status, heard.error["code"]) == (429, "insufficient_quota")
        assert (
            "cloud is left out, for nobody knows its price, and the budget of team 'interns' counts it"
            in (heard.error["message"])
        )
        assert "'on_unknown_price: assume'" in heard.error["message"]
        local = ask(live, "home", key="sk-k")
        assert local.status == 429
        assert ask(live, "home", key="sk-free").status == 200
        assert len(seller.upstream.asked) == 1
        assert "cloud left out: nobody knows its price" in (live.rows_of(heard.id)[0].trace or "")


def test_a_budget_of_the_cloud_leaves_local_backends_out() -> None:
    with sold(team(0.004, ", counts: cloud")) as (live, _):
        while ask(live, "cloud", key="sk-k").status == 200:
            pass
        assert [ask(live, "home", key="sk-k").status for _ in range(3)] == [200] * 3


def test_a_spent_budget_may_allow_local_backends_only() -> None:
    with sold(team(0.0082, ", counts: cloud, on_exhausted: local")) as (live, seller):
        answers = [ask(live, "both", key="sk-k", max_tokens=250) for _ in range(6)]
        assert {heard.status for heard in answers} == {200}
        asked = [heard.told("backend") for heard in answers]
        assert asked[0] == "cloud"
        assert asked[-1] == "home"
        assert asked == sorted(asked)
        only = ask(live, "cloud", key="sk-k", max_tokens=250)
        assert (only.status, only.told("backend")) == (200, "home")
        trace = live.rows_of(only.id)[0].trace or ""
        assert "the budget of team 'interns' is spent: local backends only" in trace
        pinned = ask(live, "backend/cloud", key="sk-k", max_tokens=250)
        assert (pinned.status, pinned.error["code"]) == (429, "insufficient_quota")
        assert len(seller.upstream.asked) == 7


def test_a_budget_that_leaves_it_to_the_rules_refuses_nobody() -> None:
    rules = """
policies:
  interns: {rules: [{when: {budget_used: ">=100%"}, use: [home]}, {use: [cloud]}]}
"""
    more = team(0.003, ", counts: cloud, on_exhausted: policy", limits=", policy: {default: interns}") + rules
    with sold(more) as (live, _):
        answers = [ask(live, "auto", key="sk-k") for _ in range(4)]
        assert [heard.told("backend") for heard in answers] == ["cloud", "cloud", "home", "home"]
        assert [heard.told("rule") for heard in answers] == ["interns[1]", "interns[1]", "interns[0]", "interns[0]"]
        assert live.rows_of(answers[-1].id)[0].flags is None


def test_paced_asks_the_cheaper_tier_when_the_budget_is_used_too_quickly() -> None:
    more = team(0.01, ", window: 24h, counts: cloud")
    with sold(more) as (live, seller):
        ask(live, "paced", key="sk-k", tools=[TOOL])
        assert "service_tier" not in seller.upstream.asked[-1].body
        for _ in range(6):
            ask(live, "cloud", key="sk-k")
        heard = ask(live, "paced", key="sk-k", tools=[TOOL], reasoning_effort="high")
        facts = msgspec.json.decode(live.rows_of(heard.id)[0].facts or "")
        assert facts["budget_pace"] == facts["budget_used"] < 1.01


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def test_what_is_spent_outlives_a_restart_a_crash_and_the_loss_of_its_state(tmp_path: Path) -> None:
    more = team(0.02)
    with vendor() as seller:
        text = config(seller.url, more)

        def used(live: Live) -> float:
            heard = ask(live, "home", key="sk-free")
            assert heard.status == 200
            [row] = live.rows_of(ask(live, "cloud", key="sk-k", max_tokens=1).id)
            return float(msgspec.json.decode(row.facts or "")["budget_used"])

        with Live(text, folder=tmp_path) as live:
            for _ in range(4):
                assert ask(live, "cloud", key="sk-k", max_tokens=200).status == 200
            before = used(live)
            assert before == pytest.approx(4 * ANSWER / 0.02 / NANO, rel=0.01)
            assert live.stop() == 0
        with Live(text, folder=tmp_path) as live:
            after = used(live)
            assert after > before
            ask(live, "cloud", key="sk-k", max_tokens=200)
        # That one was killed before it could tell.
        (tmp_path / "state.db").unlink()
        for file in tmp_path.glob("state.db-*"):
            file.unlink()
        with Live(text, folder=tmp_path) as live:
            assert used(live) >= after + ANSWER / 0.02 / NANO


def test_a_budget_that_is_added_counts_what_the_month_has_cost() -> None:
    with vendor() as seller, Live(config(seller.url, "keys: [{name: k, secret: sk-k}]\n")) as live:
        for _ in range(3):
            ask(live, "cloud", key="sk-k")
        live.write(config(seller.url, "keys: [{name: k, secret: sk-k, budget: {usd: 0.0047, window: 30d}}]\n"))
        assert live.reload()["ok"]
        heard = ask(live, "cloud", key="sk-k")
        assert heard.status == 429
        assert "Key 'k' has spent $0.004590 of its $0.004700 for the last 30 days" in heard.error["message"]


def test_an_amount_that_a_reload_changes_holds_at_once() -> None:
    with sold(team(0.003)) as (live, seller):
        while ask(live, "cloud", key="sk-k", max_tokens=100).status == 200:
            pass
        live.write(config(seller.url, team(0.01)))
        assert live.reload()["ok"]
        assert ask(live, "cloud", key="sk-k", max_tokens=100).status == 200
        live.write(config(seller.url, team(0.002)))
        assert live.reload()["ok"]
        refused = ask(live, "cloud", key="sk-k", max_tokens=100)
        assert "of its $0.002000 for" in refused.error["message"]


def test_the_soft_mark_is_told_once_and_refuses_nobody() -> None:
    with sold(team(0.02, ", soft: 0.2")) as (live, _):
        for _ in range(4):
            assert ask(live, "cloud", key="sk-k", max_tokens=100).status == 200
        live.until(lambda: "budget.soft" in live.log(), "the soft mark told")
        for _ in range(3):
            ask(live, "cloud", key="sk-k", max_tokens=100)
        beats(live, 2)
        assert live.log().count("budget.soft") == 1
        assert '"budget":"team:interns"' in live.log()
        assert "turnout_budget_soft_total 1" in get(live, "/metrics").raw.decode()


def test_a_backend_that_ignores_its_limit_is_counted_as_it_is() -> None:
    with sold(team(0.02)) as (live, seller):
        seller.tokens, seller.obeys = 3000, False
        assert ask(live, "cloud", key="sk-k").status == 200
        assert ask(live, "cloud", key="sk-k").status == 429
        metrics = get(live, "/metrics").raw.decode()
        [over] = [line for line in metrics.splitlines() if line.startswith("turnout_budget_overrun_usd_total ")]
        assert 0.03 < float(over.split()[1]) < 0.045


def test_an_embedding_has_no_answer_to_be_limited() -> None:
    with sold(team(0.001)) as (live, seller):
        body = {"model": "cloud", "input": "word " * 40}
        seller.upstream.reply = lambda _: whole(
            {"object": "list", "data": [], "model": "m", "usage": {"prompt_tokens": 10, "total_tokens": 10}}
        )
        assert post(live, EMBEDDINGS, body, "sk-k").status == 200
        refused = post(live, EMBEDDINGS, {"model": "cloud", "input": "word " * 4000}, "sk-k")
        assert (refused.status, refused.error["code"]) == (429, "insufficient_quota")


def test_every_sdk_raises_its_own_error() -> None:
    with sold(team(0.0001)) as (live, _):
        speaker = openai.OpenAI(base_url=live.base_url, api_key="sk-k", max_retries=3)
        began = time.monotonic()
        with pytest.raises(openai.RateLimitError, match="Team 'interns' has spent"):
            speaker.chat.completions.create(model="cloud", messages=[{"role": "user", "content": "Hi!"}])
        with pytest.raises(openai.RateLimitError, match="Team 'interns' has spent"):
            speaker.responses.create(model="cloud", input="Hi!")
        claude = anthropic.Anthropic(base_url=live.url, api_key="sk-k", max_retries=3)
        with pytest.raises(anthropic.RateLimitError, match="Team 'interns' has spent"):
            claude.messages.create(model="cloud", max_tokens=500, messages=[{"role": "user", "content": "Hi!"}])
        assert time.monotonic() - began < 5  # none of them has tried again
        assert len(live.rows()) == 3
