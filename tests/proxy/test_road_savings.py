"""Savings through the public door: what the baseline is granted, what is subtracted, and what is compared with nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from cache_kit import completion, streamed
from condensing import conversation, extractive, shortened
from live import Live
from public_door import CHAT, Heard, ask, chat, post
from scripted import Answer, Asked, Upstream, whole

from policies.savings import Saved, saved
from proxy.ledger.legs import leg
from proxy.ledger.record import UsageRecord
from proxy.prices import Prices
from proxy.rerate import rerate
from proxy.snapshot import build_text

SONNET = (2, 10)
"""Dollars per million tokens of the baseline, from the sheet: input and output. Cached input is 0.2."""


def config(url: str) -> str:
    local = f"provider: vllm, tokenizer: off, base_url: '{url}/v1'"
    chat_ = f"provider: openai_compatible, base_url: '{url}/v1', local: false"
    return f"""version: 1
retries: {{attempts: 1}}
backends:
  oss:   {{{local}, model: oss, context: 32000, price: {{input: 0.5, output: 1}}}}
  shy:   {{{local}, model: shy, price: {{input: 0.5, output: 1}}}}
  dry:   {{{local}, model: dry}}
  big:   {{{chat_}, model: big, price: {{input: 3, output: 15}}}}
  words: {{provider: transformers, base_url: '{url}/v1', model: words, price: {{input: 0.5, output: 1}}}}
policies:
  kept:      {{rules: [{{set: {{cache: {{ttl: 1h}}}}, use: [oss]}}]}}
  shortened: {{rules: [{{use: [big], condense: oss}}]}}
  denied:    {{rules: [{{deny: no}}]}}
aliases:
  plain:     {{use: [oss], baseline: anthropic/claude-sonnet-5}}
  "wild-*":  {{use: [oss], baseline: anthropic/claude-sonnet-5}}
  own:       {{use: [oss], baseline: big}}
  none:      {{use: [oss]}}
  moves:     {{use: [shy, oss], baseline: anthropic/claude-sonnet-5}}
  unknown:   {{use: [dry], baseline: anthropic/claude-sonnet-5}}
  kept:      {{policy: kept, baseline: anthropic/claude-sonnet-5}}
  shortened: {{policy: shortened, baseline: anthropic/claude-sonnet-5}}
  denied:    {{policy: denied, baseline: anthropic/claude-sonnet-5}}
  words:     {{use: [words], baseline: anthropic/claude-sonnet-5}}
"""


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    with Live(config(upstream.url)) as made:
        yield made


def answer(text: str = "Hi", **usage: Any) -> Answer:
    return whole(
        completion(text, usage={"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, **usage})
    )


def granted(prompt: int, output: int, rates: tuple[float, float] = SONNET) -> int:
    """Nano-dollars."""
    return round((prompt * rates[0] + output * rates[1]) * 1000)


def rows(live: Live, heard: Heard) -> list[UsageRecord]:
    return live.rows_of(heard.id)


def sums(found: Sequence[UsageRecord]) -> Saved:
    return saved(map(leg, found))


OURS = granted(1000, 100, (0.5, 1))


@pytest.mark.parametrize("alias", ["plain", "wild-thing"])
def test_the_same_tokens_at_the_baselines_price(live: Live, upstream: Upstream, alias: str) -> None:
    upstream.script(answer())
    found = rows(live, ask(live, alias))
    [row] = found
    assert (row.baseline, row.baseline_nano_usd) == ("anthropic/claude-sonnet-5", granted(1000, 100))
    assert row.cost_nano_usd == OURS
    assert sums(found).saved == granted(1000, 100) - OURS


def test_a_stream_is_compared_as_well(live: Live, upstream: Upstream) -> None:
    upstream.script(streamed())
    [row] = rows(live, ask(live, "plain", stream=True))
    assert row.baseline_nano_usd == granted(3, 2)


def test_cache_reads_are_granted(live: Live, upstream: Upstream) -> None:
    upstream.script(answer(prompt_tokens_details={"cached_tokens": 600}))
    [row] = rows(live, ask(live, "plain"))
    assert row.baseline_nano_usd == round((400 * 2 + 600 * 0.2 + 100 * 10) * 1000)


def test_a_backend_may_be_the_baseline(live: Live, upstream: Upstream) -> None:
    upstream.script(answer())
    [row] = rows(live, ask(live, "own"))
    assert (row.baseline, row.baseline_nano_usd) == ("big", granted(1000, 100, (3, 15)))


@pytest.mark.parametrize("alias", ["none", "backend/oss"])
def test_without_a_baseline_nothing_is_compared(live: Live, upstream: Upstream, alias: str) -> None:
    upstream.script(answer())
    found = rows(live, ask(live, alias))
    assert (found[0].baseline, found[0].baseline_nano_usd) == (None, None)
    assert sums(found) == Saved()


def test_a_fallback_costs_and_has_no_baseline(live: Live, upstream: Upstream) -> None:
    broken = {**completion("x"), "choices": None, "usage": {"prompt_tokens": 50, "completion_tokens": 50}}
    upstream.script(whole(broken), answer())
    found = rows(live, ask(live, "moves"))
    failed, given = found
    assert (failed.outcome, failed.baseline, failed.baseline_nano_usd) == ("fallback", given.baseline, None)
    assert given.baseline_nano_usd == granted(1000, 100)
    upstream.script(whole({"error": {"message": "no"}}, 500), answer())
    found = rows(live, ask(live, "moves"))
    assert sums(found).saved == granted(1000, 100) - OURS  # nobody charges for an error


def test_one_unknown_cost_makes_the_call_unknown(live: Live, upstream: Upstream) -> None:
    upstream.script(answer())
    found = rows(live, ask(live, "unknown"))
    assert (found[0].cost_nano_usd, found[0].baseline_nano_usd) == (None, granted(1000, 100))
    assert (sums(found).calls, sums(found).unknown, sums(found).saved) == (1, 1, 0)


def test_unknown_tokens_have_an_unknown_baseline(live: Live, upstream: Upstream) -> None:
    upstream.script(whole({**completion("Hi"), "usage": None}))
    [row] = rows(live, ask(live, "plain"))
    assert (row.baseline, row.baseline_nano_usd) == ("anthropic/claude-sonnet-5", None)


def test_what_was_refused_or_failed_is_compared_with_nothing(live: Live, upstream: Upstream) -> None:
    upstream.script(whole({"error": {"message": "no"}}, 500))
    for alias, status in (("denied", 403), ("plain", 502)):
        heard = ask(live, alias)
        assert heard.status == status
        found = rows(live, heard)
        assert [row.baseline_nano_usd for row in found] == [None]
        assert sums(found) == Saved()


def test_a_kept_answer_costs_nothing_and_the_baseline_would_have_been_asked_again(
    live: Live, upstream: Upstream
) -> None:
    upstream.script(answer())
    first, second = ask(live, "kept", "once"), ask(live, "kept", "once")
    assert second.told("cache") is not None
    [kept] = rows(live, second)
    assert (kept.cost_nano_usd, kept.price_source, kept.input_tokens) == (0, "cache", 0)
    assert kept.baseline_nano_usd == granted(1000, 100) == rows(live, first)[0].baseline_nano_usd
    assert sums([kept]).saved == granted(1000, 100)


def condensed(live: Live, upstream: Upstream) -> Heard:
    """A call whose old turns were shortened."""

    def reply(asked: Asked) -> Answer:
        return shortened(asked, extractive) if asked.body["model"] == "oss" else answer()

    upstream.reply = reply
    return post(live, CHAT, {"model": "shortened", "messages": conversation()})


def test_the_baseline_is_sent_the_whole_of_what_was_condensed(live: Live, upstream: Upstream) -> None:
    heard = condensed(live, upstream)
    before, after = map(int, (heard.told("condensed") or "").split(">"))
    assert before > after
    found = rows(live, heard)
    own = [row for row in found if row.parent_id is None]
    helpers = [row for row in found if row.parent_id is not None]
    assert {(row.baseline, row.baseline_nano_usd) for row in helpers} <= {(own[0].baseline, None)}
    assert [row.baseline_nano_usd for row in own] == [granted(1000 + before - after, 100)]
    spent = sum(row.cost_nano_usd or 0 for row in found)
    assert sums(found).saved == granted(1000 + before - after, 100) - spent


def corrected(live: Live, upstream: Upstream) -> Heard:
    """A call whose first answer was not what was asked for."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    upstream.script(answer("{}"), answer('{"city":"Lyon"}', prompt_tokens=1200, total_tokens=1300))
    heard = post(live, CHAT, chat("words", response_format=shape))
    assert heard.status == 200, heard.raw
    return heard


def test_a_second_try_is_not_granted_what_it_was_shown_of_the_first(live: Live, upstream: Upstream) -> None:
    first, second = rows(live, corrected(live, upstream))
    assert (first.baseline, first.baseline_nano_usd) == (second.baseline, None)
    told = dict(flag.split(" ", 1) for flag in (second.flags or "").split(", "))
    shown = int(told["corrected"])
    assert shown > 10
    assert second.baseline_nano_usd == granted(1200 - shown, 100)
    spent = (first.cost_nano_usd or 0) + (second.cost_nano_usd or 0)
    assert sums([first, second]).saved == granted(1200 - shown, 100) - spent


def test_rated_again_by_the_same_prices_no_row_changes(live: Live, upstream: Upstream) -> None:
    condensed(live, upstream)
    corrected(live, upstream)
    upstream.script(answer())
    for alias in ("plain", "own", "unknown", "kept", "kept", "none"):
        ask(live, alias)
    snapshot = build_text(config(upstream.url), file="proxy.yaml", generation=1, env={})
    prices, found = Prices(snapshot.overlay), live.rows()
    assert sum(row.baseline is not None for row in found) >= 7
    assert [row for row in found if rerate(row, snapshot, prices) is not None] == []
