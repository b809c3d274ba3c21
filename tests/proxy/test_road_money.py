"""Money through the public door: whose price a call has, what has none, and what a machine of one's own costs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from cache_kit import completion
from live import Live, free_port
from public_door import EMBEDDINGS, Heard, ask, get, post
from scripted import Answer, Upstream, stream, whole

from policies.machine import hours
from policies.pricing import per_million
from proxy.ledger import reader
from proxy.ledger.record import UsageRecord

RATE = per_million("3.6")
"""Nano-dollars of an hour of the box."""


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    openai = f"provider: openai, dialect: openai_chat, base_url: '{upstream.url}/v1', credential: k"
    local = f"provider: vllm, base_url: '{upstream.url}/v1'"
    with Live(f"""version: 1
retries: {{attempts: 1}}
backends:
  listed:  {{{openai}, model: gpt-4.1}}
  entry:   {{{openai}, model: gpt-5.6}}
  own:     {{{openai}, model: gpt-5.6, price: {{input: 7, output: 9, tiers: {{flex: 0.5}}}}}}
  strange: {{{openai}, model: nobody-knows}}
  claude:  {{provider: anthropic, base_url: '{upstream.url}', model: claude-opus-4-8, credential: k}}
  free:    {{{local}, model: free}}
  box:     {{{local}, model: box, max_parallel: 40, cost: {{gpu_hour_usd: 3.6}}}}
  twin:    {{{local}, model: twin, cost: {{gpu_hour_usd: 3.6}}}}
  gone:    {{provider: openai, base_url: 'http://127.0.0.1:{free_port()}/v1', model: gpt-4.1, credential: k}}
prices:
  openai/gpt-5.6:
    - {{input: 5, output: 25, confirm: true}}
    - {{from: 2026-01-01, input: 3, output: 15, cached: 0.3, tiers: {{flex: 0.5}}, above: {{1000: {{input: 6, output: 22}}}}}}
policies:
  cheapest: {{rules: [{{use: [listed, box], order: cheapest}}]}}
aliases:
  listed: {{use: [listed]}}
  entry:  {{use: [entry]}}
  own:    {{use: [own]}}
  strange: {{use: [strange]}}
  claude: {{use: [claude]}}
  free:   {{use: [free]}}
  box:    {{use: [box]}}
  twin:   {{use: [twin]}}
  moves:  {{use: [gone, listed]}}
  broken: {{use: [box, listed]}}
  refused: {{use: [own, listed]}}
  cheap:  {{policy: cheapest}}
""") as made:
        yield made


def answer(model: str = "up", tier: str | None = None, **usage: Any) -> Answer:
    told = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110, **usage}
    return whole(completion(model=model, usage=told, **({"service_tier": tier} if tier else {})))


def row(live: Live, heard: Heard) -> UsageRecord:
    assert heard.status == 200, heard.raw
    return live.rows_of(heard.id)[-1]


# --- whose price ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answered", ["gpt-5.6", "gpt-5.6-2026-08-01", "gpt-5.6-sol", "up"])
def test_the_operators_entry_wins_over_the_sheet(live: Live, upstream: Upstream, answered: str) -> None:
    upstream.script(answer(answered))
    found = row(live, ask(live, "entry"))
    assert (found.cost_nano_usd, found.price_source) == ((100 * 3 + 10 * 15) * 1000, "prices 2026-01-01")
    assert found.upstream_model == answered
    assert msgspec.json.decode(found.unit_prices or "") == {
        "input": per_million("3"), "cached": per_million("0.3"), "output": per_million("15"),
    }  # fmt: skip


def test_an_answer_of_another_model_has_that_models_price(live: Live, upstream: Upstream) -> None:
    upstream.script(answer("gpt-4o"))
    found = row(live, ask(live, "entry"))
    assert found.price_source == "genai-prices 0.2.3 openai/gpt-4o"


@pytest.mark.parametrize(
    ("tier", "prompt", "rates"),
    [(None, 1000, (3, 15)), ("default", 1001, (6, 22)), ("flex", 1000, (1.5, 7.5)), ("flex", 1001, (3, 11))],
)
def test_a_row_keeps_the_rates_of_its_tier_and_length(
    live: Live, upstream: Upstream, tier: str | None, prompt: int, rates: tuple[float, float]
) -> None:
    upstream.script(answer("gpt-5.6", tier, prompt_tokens=prompt, total_tokens=prompt + 10))
    found = row(live, ask(live, "entry"))
    kept = msgspec.json.decode(found.unit_prices or "")
    assert (kept["input"], kept["output"]) == tuple(per_million(str(rate)) for rate in rates)
    assert found.cost_nano_usd == round((prompt * rates[0] + 10 * rates[1]) * 1000)
    assert "above" not in kept


def test_a_backends_own_price_wins_over_both(live: Live, upstream: Upstream) -> None:
    upstream.script(answer("gpt-4o"))
    found = row(live, ask(live, "own"))
    assert (found.cost_nano_usd, found.price_source) == ((100 * 7 + 10 * 9) * 1000, "operator")


# --- no price ------------------------------------------------------------------------------------------------------


def missing(live: Live, backend: str) -> list[str]:
    """The lines about prices that this backend lacks."""
    return [line for line in live.log().splitlines() if "price.missing" in line and f'"backend":"{backend}"' in line]


def counted(live: Live, backend: str, reason: str) -> int:
    label = f'turnout_price_missing_total{{backend="{backend}",reason="{reason}"}} '
    lines = get(live, "/metrics").raw.decode().splitlines()
    return sum(int(line.removeprefix(label)) for line in lines if line.startswith(label))


@pytest.mark.parametrize(
    ("alias", "model", "tier", "why", "mend"),
    [
        ("strange", "nobody-knows", None, "unknown model", "write 'prices: openai/nobody-knows', or give backends.strange"),
        ("free", "free", None, "no price configured", "give backends.free a 'cost' or a 'price', or write 'prices: vllm/free'"),
        ("entry", "gpt-5.6", "ultrafast", "unknown service tier", "write 'prices: openai/gpt-5.6' with 'tiers: {ultrafast: …}'"),
        ("own", "gpt-5.6", "priority", "unknown service tier", "with 'tiers: {priority: …}'"),
    ],
)  # fmt: skip
def test_what_has_no_price_costs_nothing_that_anybody_knows_and_says_so_once(
    live: Live, upstream: Upstream, alias: str, model: str, tier: str | None, why: str, mend: str
) -> None:
    upstream.script(answer(model, tier))
    before = counted(live, alias, why)
    for heard in [ask(live, alias) for _ in range(3)]:
        found = row(live, heard)
        assert (found.cost_nano_usd, found.price_source, found.unit_prices) == (None, None, None)
        assert heard.told("cost-usd") is None
    assert counted(live, alias, why) == before + 3
    [line] = missing(live, alias)
    told = msgspec.json.decode(line)
    assert (told["level"], told["why"], told["model"], told["service_tier"]) == ("warning", why, model, tier)
    assert mend in told["mend"]


def test_claudes_standard_tier_is_the_usual_one(live: Live, upstream: Upstream) -> None:
    usage = {"input_tokens": 100, "output_tokens": 10, "service_tier": "standard"}
    head = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-8",
        "stop_reason": "end_turn",
    }
    body = {**head, "stop_sequence": None, "content": [{"type": "text", "text": "Hi"}], "usage": usage}
    upstream.script(whole(body))
    assert row(live, ask(live, "claude")).cost_nano_usd == (100 * 5 + 10 * 25) * 1000


def test_an_upstream_that_tells_no_tokens_is_no_matter_of_prices(live: Live, upstream: Upstream) -> None:
    upstream.script(answer("gpt-4.1", completion_tokens=None, total_tokens=None))
    assert row(live, ask(live, "listed")).cost_nano_usd is None
    assert missing(live, "listed") == []


# --- what nobody charges for ---------------------------------------------------------------------------------------


def test_a_backend_that_nobody_reached_has_cost_nothing(live: Live, upstream: Upstream) -> None:
    upstream.script(answer("gpt-4.1"))
    away, given = live.rows_of(ask(live, "moves").id)
    assert (away.outcome, away.cost_nano_usd, away.price_source) == ("fallback", 0, None)
    assert given.cost_nano_usd == (100 * 2 + 10 * 8) * 1000


def test_an_error_is_not_charged_for_and_silence_is_unknown(live: Live, upstream: Upstream) -> None:
    upstream.script(whole({"error": {"message": "no"}}, 500), answer("gpt-4.1"))
    refused, _ = live.rows_of(ask(live, "refused").id)
    assert (refused.outcome, refused.cost_nano_usd) == ("fallback", 0)
    upstream.script(whole(b"{"), answer("gpt-4.1"))
    garbled, _ = live.rows_of(ask(live, "refused").id)
    assert (garbled.outcome, garbled.cost_nano_usd) == ("fallback", None)


# --- a machine of one's own ----------------------------------------------------------------------------------------


def by_time(found: UsageRecord) -> None:
    """Its cost is its share of the machine's time, to the nano-dollar."""
    assert found.machine_ms is not None
    assert found.cost_nano_usd == hours(round(found.machine_ms * 1_000_000), RATE)
    assert (found.price_source, found.unit_prices) == ("machine", f'{{"machine_hour":{RATE}}}')
    assert 0 < found.machine_ms <= (found.duration_ms or 0) + 1


def test_a_call_costs_the_machines_time(live: Live, upstream: Upstream) -> None:
    upstream.script(answer("box"))
    heard = ask(live, "box")
    found = row(live, heard)
    by_time(found)
    assert round(float(heard.told("cost-usd") or "") * 1e9) == found.cost_nano_usd


def test_embeddings_cost_it_as_well(live: Live, upstream: Upstream) -> None:
    vectors = {"object": "list", "data": [], "model": "box", "usage": {"prompt_tokens": 5, "total_tokens": 5}}
    upstream.script(whole(vectors))
    by_time(row(live, post(live, EMBEDDINGS, {"model": "box", "input": "x"})))


def test_an_attempt_that_failed_has_used_it_too(live: Live, upstream: Upstream) -> None:
    upstream.script(whole({"error": {"message": "out of memory"}}, 500), answer("gpt-4.1"))
    heard = ask(live, "broken")
    failed, given = live.rows_of(heard.id)
    by_time(failed)
    both = (failed.cost_nano_usd or 0) + (given.cost_nano_usd or 0)
    assert round(float(heard.told("cost-usd") or "") * 1e9) == both
    assert (failed.outcome, given.machine_ms) == ("fallback", None)


def held(upstream: Upstream) -> threading.Event:
    """Every answer begins at once, and ends when this is set."""
    release = threading.Event()
    begun = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n'
    upstream.asked.clear()
    upstream.reply = lambda _: stream(begun, release, _END)
    return release


_END = (
    b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}\n\n'
    b"data: [DONE]\n\n"
)


def together(live: Live, upstream: Upstream, names: Sequence[str], seconds: float) -> list[UsageRecord]:
    """These calls at one time, each of which lasts at least so long."""
    release = held(upstream)
    with ThreadPoolExecutor(len(names)) as pool:
        asked = [pool.submit(ask, live, name, stream=True) for name in names]
        live.until(lambda: len(upstream.asked) == len(names), "asked")
        threading.Timer(seconds, release.set).start()
        return [row(live, each.result()) for each in asked]


def span(rows: Sequence[UsageRecord]) -> float:
    """Milliseconds from the first one's beginning to the last one's end."""
    ends = [each.started_at + (each.duration_ms or 0) for each in rows]
    return max(ends) - min(each.started_at for each in rows)


def test_calls_at_one_time_share_it_and_backends_at_one_address_are_one_machine(live: Live, upstream: Upstream) -> None:
    rows = together(live, upstream, ["box"] * 6 + ["twin"] * 2, 0.3)
    for each in rows:
        by_time(each)
    shares = [each.machine_ms or 0 for each in rows]
    assert sum(shares) <= span(rows) + 2  # rows tell their beginning to the millisecond
    assert sum(shares) >= 300
    assert max(shares) < (max(each.duration_ms or 0 for each in rows)) / 2


def test_workers_see_each_others_calls(upstream: Upstream) -> None:
    """Two workers that did not would charge the time in which both are busy twice."""
    text = f"""version: 1
server: {{workers: 2}}
backends: {{box: {{provider: vllm, base_url: '{upstream.url}/v1', model: box, cost: {{gpu_hour_usd: 3.6}}}}}}
aliases: {{box: {{use: [box]}}}}
"""
    with Live(text) as made:
        made.until(lambda: len(books(made)) == 2, "two workers")
        rows = together(made, upstream, ["box"] * 16, 1.5)
        while not all(any(found in rows for found in each) for each in books(made)):
            assert len(made.rows()) < 200, "one worker gets all"
            rows = together(made, upstream, ["box"] * 16, 1.5)
    # Each look is at most a tenth of a second late, and tells too much as often as too little.
    assert sum(each.machine_ms or 0 for each in rows) == pytest.approx(span(rows), rel=0.15)


def books(live: Live) -> list[list[UsageRecord]]:
    """The rows of each worker."""
    return [reader.rows(file) for file in live.folder.glob("turnout-?.db")]


def test_what_a_token_costs_there_is_learned_for_decisions(live: Live, upstream: Upstream) -> None:
    upstream.script(answer("box", prompt_tokens=1000, completion_tokens=1000, total_tokens=2000))
    for _ in range(6):
        ask(live, "box")
    request = {"model": "cheap", "messages": [{"role": "user", "content": "Hi!"}]}
    _, told = live.call("POST", "/admin/explain", msgspec.json.encode({"request": request}))
    line = next(line for line in told["trace"] if "expected cost" in line)
    assert "unknown" not in line
    # A few milliseconds of a machine at $3.60 an hour are less than the cloud's price of 500 tokens.
    assert told["plan"][0] == "box"


def test_a_price_that_is_corrected_holds_from_the_next_call_on(upstream: Upstream) -> None:
    text = f"""version: 1
backends: {{gpt: {{provider: openai, dialect: openai_chat, base_url: '{upstream.url}/v1', model: gpt-5.6, credential: k}}}}
aliases: {{gpt: {{use: [gpt]}}}}
prices: {{openai/gpt-5.6: [{{input: 3, output: 15}}]}}
"""
    upstream.script(answer("gpt-5.6"))
    with Live(text) as made:
        before = row(made, ask(made, "gpt"))
        made.write(text.replace("input: 3", "input: 40"))
        refused = made.reload()
        assert (refused["ok"], "$40 is more than half off the $4" in refused["error"]) == (False, True)
        made.write(text.replace("input: 3", "input: 5"))
        assert made.reload()["ok"]
        after = row(made, ask(made, "gpt"))
    assert (before.cost_nano_usd, after.cost_nano_usd) == ((100 * 3 + 150) * 1000, (100 * 5 + 150) * 1000)
