"""The response cache through the public door: what is given again, to whom, and what never is."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from cache_kit import answered, cache_of, completion, config, put, question, rows_of, streamed
from live import Live
from public_door import Heard, post
from scripted import Upstream, stream, whole

from proxy.ledger.show import show
from proxy.ledger.totals import totals

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
TEAMS = "teams:\n  red: {}\n  blue: {}\n  ward: {data_class: restricted}\nkeys:\n" + "".join(
    f"  - {{name: {name}, team: {team}, sha256: {sha256(f'sk-{name}'.encode()).hexdigest()}}}\n"
    for name, team in (("ann", "red"), ("bob", "red"), ("cid", "blue"), ("dee", "ward"))
)


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    more = """  by-tools: {rules: [{set: {cache: {ttl: 1h, tools: true}}, use: [oss]}]}
  brief:    {rules: [{set: {cache: {ttl: 1ms}}, use: [oss]}]}
  tagged:
    rules:
      - {when: {headers: {x-tier: gold}}, set: {cache: {ttl: 1h}}, use: [gpt]}
      - {set: {cache: {ttl: 1h}}, use: [oss]}
"""
    text = config(upstream.url, more=more, names=("gpt", "oss", "claude"))
    aliases = "aliases:\n  with-tools: {policy: by-tools}\n  brief: {policy: brief}\n  tagged: {policy: tagged}\n"
    aliases += (
        "  plain: {use: [oss]}\n  twin: {policy: oss-kept}\n  low: {policy: oss-kept, defaults: {temperature: 0.5}}\n"
    )
    text = text.replace("aliases:\n", aliases)
    text = text.replace("backends:\n", f"backends:\n  own: {{provider: openai, dialect: openai_chat, model: m, "
                        f"base_url: '{upstream.url}/v1', credential: from_client}}\n")  # fmt: skip
    text = text.replace("aliases:\n", "aliases:\n  own: {policy: own-kept}\n")
    text += "\n  own-kept: {rules: [{set: {cache: {ttl: 1h}}, use: [own]}]}\n"
    with Live(text) as made:
        yield made


def twice(live: Live, upstream: Upstream, api: str, model: str, text: str, **more: Any) -> tuple[Heard, Heard, int]:
    """Ask twice; how often the upstream was asked."""
    upstream.asked.clear()
    first, second = (put(live, api, model, text, **more) for _ in range(2))
    return first, second, len(upstream.asked)


# --- a hit ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["gpt", "oss"])
def test_the_same_question_is_asked_once(live: Live, upstream: Upstream, model: str) -> None:
    upstream.script(answered("One."))
    first, second, asked = twice(live, upstream, "chat", model, "once")
    assert (cache_of(first), cache_of(second), asked) == ("miss", "hit", 1)
    told = [
        (h.status, h.body["choices"][0]["message"]["content"], h.body["usage"]["total_tokens"]) for h in (first, second)
    ]
    assert told == [(200, "One.", 5)] * 2
    assert second.body["id"] != first.body["id"]
    assert second.body["created"] > 1
    assert (second.told("backend"), second.told("cost-usd"), second.told("attempts")) == (model, "0", "0")
    assert float(second.told("overhead-ms") or "") < 1000


def test_a_hit_has_one_row_that_spent_nothing(live: Live, upstream: Upstream) -> None:
    upstream.script(answered())
    first, second, _ = twice(live, upstream, "chat", "oss", "rows")
    [asked], [kept] = rows_of(live, first), rows_of(live, second)
    assert (asked.attempt, asked.cached_from, asked.input_tokens, asked.output_tokens) == (1, None, 3, 2)
    assert (kept.attempt, kept.cached_from, kept.outcome, kept.status) == (0, first.id, "ok", 200)
    assert (kept.backend, kept.upstream_model, kept.finish_reason) == ("oss", "up", "stop")
    assert (kept.input_tokens, kept.output_tokens, kept.cost_nano_usd, kept.price_source) == (0, 0, 0, "cache")


def test_the_book_counts_its_tokens_once(live: Live, upstream: Upstream) -> None:
    upstream.script(answered())
    asked = [put(live, "chat", "oss", "book") for _ in range(3)]
    [total] = totals([row for heard in asked for row in rows_of(live, heard)], ("backend",)).values()
    assert (total.calls, total.attempts, total.failed) == (3, 1, 0)
    assert (total.input.value, total.output.value, total.input.unknown) == (3, 2, 0)
    shown = show(rows_of(live, asked[1]))
    assert f"kept from {asked[0].id}: nobody was asked, nothing was spent" in " ".join(shown.split())


def test_a_hit_takes_less_than_a_millisecond(live: Live, upstream: Upstream) -> None:
    """The least of many, for other work goes on beside the tests; tests/bench/cache.py tells more."""
    upstream.script(answered("word " * 400))
    put(live, "chat", "gpt", "question " * 200)
    hits = [put(live, "chat", "gpt", "question " * 200) for _ in range(20)]
    assert {cache_of(heard) for heard in hits} == {"hit"}
    assert min(float(heard.headers["x-turnout-overhead-ms"]) for heard in hits) < 1.0


def test_the_first_client_s_bytes_pass_as_without_a_cache(live: Live, upstream: Upstream) -> None:
    odd = msgspec.json.encode(completion("Odd.", odd={"n": [1, 2]})).replace(b"[1,2]", b"[1.0,  2e0]")
    upstream.script(whole(odd))
    first, second, asked = twice(live, upstream, "chat", "gpt", "odd", oddly=1)
    assert (asked, first.raw) == (1, odd.replace(b'"up"', b'"gpt"', 1))
    assert upstream.asked[0].body["oddly"] == 1
    assert "odd" not in second.body  # what the hub has no place for only the first one has


def test_a_client_that_asked_for_no_usage_sees_none(live: Live, upstream: Upstream) -> None:
    upstream.script(streamed())
    options = {"include_usage": True}
    first = put(live, "chat", "gpt", "usage", stream=True, stream_options=options)
    bare, with_usage = (
        put(live, "chat", "gpt", "usage", stream=True, **more) for more in ({}, {"stream_options": options})
    )
    assert [cache_of(heard) for heard in (first, bare, with_usage)] == ["miss", "hit", "hit"]
    assert [sum("usage" in event and event["usage"] is not None for event in h.events) for h in (bare, with_usage)] == [
        0,
        1,
    ]


def test_several_choices_are_kept_together(live: Live, upstream: Upstream) -> None:
    two = [
        {"index": i, "message": {"role": "assistant", "content": f"c{i}"}, "finish_reason": "stop"} for i in range(2)
    ]
    upstream.script(answered(choices=two))
    _, second, asked = twice(live, upstream, "chat", "oss", "choices", n=2)
    assert asked == 1
    assert [choice["message"]["content"] for choice in second.body["choices"]] == ["c0", "c1"]


def test_a_rule_that_says_nothing_keeps_nothing(live: Live, upstream: Upstream) -> None:
    upstream.script(answered())
    first, second, asked = twice(live, upstream, "chat", "plain", "nothing")
    assert (cache_of(first), cache_of(second), asked) == (None, None, 2)


# --- who may have it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.1}, {"seed": 1}, {"user": "u"}, {"n": 1}, {"odd": 1}, {"metadata": {"a": "b"}},
        {"max_completion_tokens": 5}, {"h_x_turnout_data_class": "internal"},
    ],
    ids=str,
)  # fmt: skip
def test_another_question_is_asked_anew(live: Live, upstream: Upstream, change: dict[str, Any]) -> None:
    upstream.script(answered())
    put(live, "chat", "oss", "another")
    assert cache_of(put(live, "chat", "oss", "another", **change)) == "miss"
    assert cache_of(put(live, "chat", "oss", "another")) == "hit"


def test_another_alias_has_answers_of_its_own(live: Live, upstream: Upstream) -> None:
    upstream.script(answered())
    assert [cache_of(put(live, "chat", alias, "alias")) for alias in ("oss", "twin", "low", "oss")] == [
        "miss",
        "miss",
        "miss",
        "hit",
    ]


def test_another_rule_has_answers_of_its_own(live: Live, upstream: Upstream) -> None:
    upstream.script(answered("from gold"))
    gold = put(live, "chat", "tagged", "tier", h_x_tier="gold")
    upstream.script(answered("from lead"))
    lead = put(live, "chat", "tagged", "tier")
    again = put(live, "chat", "tagged", "tier", h_x_tier="gold")
    assert [cache_of(heard) for heard in (gold, lead, again)] == ["miss", "miss", "hit"]
    assert (lead.told("backend"), again.told("backend")) == ("oss", "gpt")


def test_tenants_never_share(upstream: Upstream) -> None:
    upstream.script(answered())
    with Live(config(upstream.url, more=TEAMS, names=("oss",))) as live:
        asked = [cache_of(put(live, "chat", "oss", "mine", key=f"sk-{name}")) for name in ("ann", "bob", "cid", "cid")]
        assert asked == ["miss", "hit", "miss", "hit"]
        assert cache_of(put(live, "chat", "oss", "mine", key="sk-dee")) == "miss"
        assert put(live, "chat", "oss", "mine", key="sk-nobody").status == 401


def test_a_client_s_own_key_is_tried_every_time(live: Live, upstream: Upstream) -> None:
    upstream.script(answered())
    first, second, asked = twice(live, upstream, "chat", "own", "own", key="sk-theirs")
    assert (cache_of(first), cache_of(second), asked) == ("bypass; own-key", "bypass; own-key", 2)


# --- what is not kept ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        answered(finish="length"), answered(finish="content_filter"), answered(finish="odd_word"), answered(text=""),
        whole({"error": {"message": "no"}}, 500), whole({"error": {"message": "no"}}, 400), whole(b"{}"),
    ],
    ids=["length", "filter", "unknown", "empty", "500", "400", "garbage"],
)  # fmt: skip
def test_what_is_no_whole_answer_is_not_kept(live: Live, upstream: Upstream, bad: Any) -> None:
    text = f"bad {id(bad)}"
    upstream.script(bad)
    put(live, "chat", "gpt", text)
    upstream.script(answered("Good."))
    later = put(live, "chat", "gpt", text)
    assert (later.status, cache_of(later), later.body["choices"][0]["message"]["content"]) == (200, "miss", "Good.")


@pytest.mark.parametrize("bad", [streamed(finish=None), streamed(finish="length"), stream(b"data: {odd\n\n")])
@pytest.mark.parametrize("model", ["gpt", "oss"])
def test_what_is_no_whole_stream_is_not_kept(live: Live, upstream: Upstream, bad: Any, model: str) -> None:
    text = f"bad {id(bad)}"
    upstream.script(bad)
    put(live, "chat", model, text, stream=True)
    upstream.script(streamed("Good."))
    assert cache_of(put(live, "chat", model, text, stream=True)) == "miss"
    assert cache_of(put(live, "chat", model, text)) == "hit"


def test_tools_only_where_the_rule_says_so(live: Live, upstream: Upstream) -> None:
    upstream.script(answered())
    first, _, asked = twice(live, upstream, "chat", "oss", "tools", tools=[TOOL])
    assert (cache_of(first), asked) == ("bypass; tools", 2)
    _, second, asked = twice(live, upstream, "chat", "with-tools", "tools", tools=[TOOL])
    assert (cache_of(second), asked) == ("hit", 1)


def test_what_is_stored_as_a_turn_is_never_given_again(live: Live, upstream: Upstream) -> None:
    upstream.script(answered())
    stored = [put(live, "responses", "oss", "stored", store=store) for store in (None, True)]
    assert [cache_of(heard) for heard in stored] == ["bypass; stored"] * 2
    thread = put(live, "responses", "oss", "on", previous_response_id=stored[0].body["id"])
    assert cache_of(thread) == "bypass; thread"
    _, second, asked = twice(live, upstream, "responses", "oss", "not stored")
    assert (cache_of(second), asked) == ("hit", 1)


def test_a_count_is_no_answer(live: Live, upstream: Upstream) -> None:
    upstream.script(whole({"input_tokens": 3}))
    heard = post(live, "/v1/messages/count_tokens", question("messages", "claude"))
    assert (heard.status, cache_of(heard)) == (200, "bypass; count_tokens")


# --- for how long --------------------------------------------------------------------------------------------------


def test_no_cache_asks_anew_and_its_answer_is_kept(live: Live, upstream: Upstream) -> None:
    upstream.script(answered("old"))
    put(live, "chat", "oss", "anew")
    upstream.script(answered("new"))
    anew = put(live, "chat", "oss", "anew", h_cache_control="no-cache")
    after = put(live, "chat", "oss", "anew")
    assert [cache_of(heard) for heard in (anew, after)] == ["bypass; no-cache", "hit"]
    assert [h.body["choices"][0]["message"]["content"] for h in (anew, after)] == ["new", "new"]


def test_no_store_leaves_no_trace(live: Live, upstream: Upstream) -> None:
    upstream.script(answered())
    first, second, asked = twice(live, upstream, "chat", "oss", "traceless", h_cache_control="no-store")
    assert (cache_of(first), cache_of(second), asked) == ("bypass; no-store", "bypass; no-store", 2)
    assert cache_of(put(live, "chat", "oss", "traceless")) == "miss"


def test_a_client_may_want_a_younger_answer(live: Live, upstream: Upstream) -> None:
    upstream.script(answered())
    put(live, "chat", "oss", "young")
    asked = [cache_of(put(live, "chat", "oss", "young", h_cache_control=f"max-age={age}")) for age in (600, 0)]
    assert asked == ["hit", "miss"]


def test_an_answer_has_its_time(live: Live, upstream: Upstream) -> None:
    """A millisecond is over when the next connection is made."""
    upstream.script(answered())
    _, second, asked = twice(live, upstream, "chat", "brief", "brief")
    assert (cache_of(second), asked) == ("miss", 2)


def test_a_reload_keeps_answers_until_their_rule_or_their_model_changes(upstream: Upstream) -> None:
    upstream.script(answered())
    text = config(upstream.url, names=("oss",))
    with Live(text) as live:
        found = [cache_of(put(live, "chat", "oss", "reload"))]
        for old, new in (
            ("retries: {attempts: 1}", "retries: {attempts: 2}"),
            ("ttl: 1h", "ttl: 2h"),
            ("model: demo-local", "model: demo-other"),
        ):
            text = text.replace(old, new)
            live.write(text)
            assert live.reload()["ok"]
            found.append(cache_of(put(live, "chat", "oss", "reload")))
        assert found == ["miss", "hit", "miss", "miss"]


def test_it_holds_no_more_than_it_may(upstream: Upstream) -> None:
    """16 KiB: an eighth of it is too little for the long answer, and eight short ones push out the first."""
    with Live(config(upstream.url, names=("oss",), more="cache: {max_size: 16KiB}")) as live:
        upstream.script(answered("x" * 3000))
        assert [cache_of(put(live, "chat", "oss", "long")) for _ in range(2)] == ["miss", "miss"]
        upstream.script(answered())
        for number in range(20):
            put(live, "chat", "oss", f"short {number}")
        assert cache_of(put(live, "chat", "oss", "short 19")) == "hit"
        assert cache_of(put(live, "chat", "oss", "short 0")) == "miss"


def test_what_became_of_it_is_counted(upstream: Upstream) -> None:
    upstream.script(answered())
    with Live(config(upstream.url, names=("oss",))) as live:
        for more in ({}, {}, {"tools": [TOOL]}):
            put(live, "chat", "oss", **more)
        _, text = live.get("/metrics")
        counted = {line for line in text.splitlines() if line.startswith("turnout_cache_total{")}
        assert counted == {f'turnout_cache_total{{outcome="{outcome}"}} 1' for outcome in ("hit", "miss", "bypass")}
        assert '"cached_from":"' in live.log()
