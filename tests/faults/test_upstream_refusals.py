"""Rows U11 to U18 of the fault matrix: the upstream refuses, for a while or for good, and says so in many ways; and what
official SDKs make of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from chaos import SECRET, WORDS, Chaos, chaos
from chaos_plays import MIB, ROUGH, USAGES
from live import Live, free_port
from rough import IDS, WAYS, Client, ask, at, counted, entries, rss
from talk import Heard, until

TEXT = "".join(WORDS)
WAITED = {"seconds": 0.05, "burst": 0.0}
"""What names a wait -> its seconds; a server that merely broke names none."""
SPELLED = {"millis": 0.05, "date": 1.0, "dated": 1.0}
REFUSED = ("hour", "minute", "capped", "always-429", "error-first", "401", "403", "bomb", "metadata", "to-itself")
each_way = pytest.mark.parametrize(("client", "stream"), WAYS, ids=IDS)


@pytest.fixture(scope="module")
def rough() -> Iterator[Chaos]:
    with chaos(ROUGH) as made:
        yield made


@pytest.fixture(scope="module")
def live(rough: Chaos) -> Iterator[Live]:
    lines = [line for fault in (*WAITED, *SPELLED, *REFUSED) for line in entries(rough.url, fault)]
    lines += [line for name in USAGES for line in entries(rough.url, f"usage-{name}", "price: {input: 1, output: 2}")]
    for fault, dialect in (("529", "messages"), ("overloaded-later", "messages"), ("spent", "messages")):
        lines += entries(rough.url, fault, "", dialect)
    for fault in ("retry-info", "gemini-503"):
        lines += entries(rough.url, fault, "", "gemini")
    at_rough = f'provider: vllm, local: true, base_url: "{rough.url}/v1"'
    text = f"""version: 1
retries: {{base: 20ms}}
backends:
  ok: {{{at_rough}, model: ok}}
  poor: {{{at_rough}, model: "500"}}
  hasty: {{{at_rough}, model: blink}}
  fails: {{{at_rough}, model: "503"}}
  down: {{provider: vllm, local: true, base_url: "http://127.0.0.1:{free_port()}/v1", model: x}}
  silent: {{{at_rough}, model: stall, timeouts: {{first_byte: 300ms, total: 300ms}}}}
  falls-silent: {{{at_rough}, model: stall-mid, timeouts: {{idle: 300ms}}}}
{chr(10).join(lines)}
aliases:
  hasty:      {{policy: hasty}}
  after-429:  {{use: [{at("hour", "chat", stream=False)}, ok]}}
  after-cap:  {{use: [{at("capped", "chat", stream=False)}, ok]}}
  after-5xx:  {{use: [fails, ok]}}
  after-401:  {{use: [{at("401", "chat", stream=False)}, ok]}}
  after-first: {{use: [{at("error-first", "chat", stream=True)}, ok]}}
policies:
  hasty: {{retries: {{deadline: 0.03}}, rules: [{{use: [hasty]}}]}}
"""
    with Live(text) as made:
        yield made


def told(heard: Heard, status: int, code: str, client: Client) -> dict[str, Any]:
    assert heard.failed is not None
    assert (heard.status, heard.headers["content-type"]) == (status, "application/json")
    assert client == "messages" or heard.failed["code"] == code
    return heard.failed


def waits(heard: Heard) -> tuple[str | None, str | None, str | None]:
    return tuple(heard.headers.get(name) for name in ("retry-after", "retry-after-ms", "x-should-retry"))  # type: ignore[return-value]


def waited(live: Live, rough: Chaos, fault: str, client: Client, *, stream: bool) -> float:
    """Seconds between the first request and the second."""
    before = len(rough.of(fault))
    heard = ask(live, client, f"backend/{at(fault, client, stream=stream)}", stream=stream)
    assert (heard.status, heard.text, heard.failed) == (200, TEXT, None)
    assert heard.headers["x-turnout-attempts"] == "2"
    assert ": limited, asked again after " in str(live.rows_of(heard.id)[0].trace) or fault == "burst"
    first, second = rough.of(fault)[before:]
    return second.at - first.at


@each_way
@pytest.mark.parametrize("fault", WAITED)
def test_u11_a_wait_that_is_named_is_waited(live: Live, rough: Chaos, fault: str, client: Client, stream: bool) -> None:
    assert waited(live, rough, fault, client, stream=stream) >= WAITED[fault]


@pytest.mark.parametrize("fault", SPELLED)
def test_u11_a_wait_is_read_in_every_spelling(live: Live, rough: Chaos, fault: str) -> None:
    """Milliseconds go before seconds; a date is read against the upstream's clock, or ours where it has none."""
    assert waited(live, rough, fault, "chat", stream=False) >= SPELLED[fault]


@each_way
def test_u11_googles_retry_info_is_waited(live: Live, rough: Chaos, client: Client, stream: bool) -> None:
    before = len(rough.of("retry-info"))
    ask(live, client, f"backend/{at('retry-info', client, stream=stream, dialect='gemini')}", stream=stream)
    first, second = rough.of("retry-info")[before:]
    assert second.at - first.at >= 0.05


@each_way
def test_u11_a_wait_that_is_too_long_is_handed_on(live: Live, rough: Chaos, client: Client, stream: bool) -> None:
    """Half a minute may be waited by a client, and its SDK does; an hour is waited by nobody."""
    for fault, handed in (("minute", ("30", "30000", None)), ("hour", ("3600", "3600000", "false"))):
        before = len(rough.of(fault))
        heard = ask(live, client, f"backend/{at(fault, client, stream=stream)}", stream=stream)
        told(heard, 429, "rate_limit_exceeded", client)
        assert waits(heard) == handed
        assert len(rough.of(fault)) - before == 1
        (row,) = live.rows_of(heard.id)
        assert f"retry-after {handed[0]} s is over the cap of 5 s" in (row.trace or "")


def test_u11_nobody_waits_beyond_the_deadline(live: Live, rough: Chaos) -> None:
    before = len(rough.of("blink"))
    heard = ask(live, "chat", "hasty", stream=False)
    told(heard, 429, "rate_limit_exceeded", "chat")
    assert (waits(heard), len(rough.of("blink")) - before) == (("1", "50", None), 1)
    assert "the retry deadline" in str(live.rows_of(heard.id)[0].trace)


@each_way
def test_u11_a_limit_without_a_time_is_tried_once_more(live: Live, rough: Chaos, client: Client, stream: bool) -> None:
    before = len(rough.of("always-429"))
    heard = ask(live, client, f"backend/{at('always-429', client, stream=stream)}", stream=stream)
    told(heard, 429, "rate_limit_exceeded", client)
    assert (waits(heard), len(rough.of("always-429")) - before) == ((None, None, "false"), 2)


@each_way
@pytest.mark.parametrize(("fault", "dialect"), [("capped", "chat"), ("spent", "messages")])
def test_u11_an_account_that_is_spent_is_never_asked_again(
    live: Live, rough: Chaos, fault: str, dialect: str, client: Client, stream: bool
) -> None:
    before = len(rough.of(fault))
    heard = ask(live, client, f"backend/{at(fault, client, stream=stream, dialect=dialect)}", stream=stream)
    failed = told(heard, 429, "insufficient_quota", client)
    assert failed["type"] == ("billing_error" if client == "messages" else "insufficient_quota")
    assert (waits(heard), len(rough.of(fault)) - before) == ((None, None, "false"), 1)


@pytest.mark.parametrize(("alias", "kind"), [("after-429", "limited"), ("after-cap", "quota")])
def test_u11_the_next_one_is_asked_at_once(live: Live, alias: str, kind: str) -> None:
    heard = ask(live, "chat", alias, stream=False)
    assert (heard.status, heard.backend, heard.text) == (200, "ok", TEXT)
    assert heard.headers["x-turnout-reason"].endswith(f": {kind}")


def test_u12_a_burst_of_errors_is_retried_within_its_budget(rough: Chaos) -> None:
    """Beyond it the first failure is told, with the reason in the trace; then the breaker opens."""
    at_rough = f'provider: vllm, local: true, base_url: "{rough.url}/v1"'
    text = f"""version: 1
retries: {{base: 10ms, budget: 0, floor: 0.1}}
backends: {{poor: {{{at_rough}, model: "500"}}}}
aliases: {{any: {{use: [poor]}}}}
"""
    with Live(text) as tight:
        before = len(rough.of("500"))
        answers = [ask(tight, "chat", "any", stream=False) for _ in range(4)]
        assert {heard.status for heard in answers} == {502}
        assert [heard.headers["x-turnout-attempts"] for heard in answers] == ["2", "1", "1", "1"]
        assert {heard.headers["x-should-retry"] for heard in answers} == {"false"}
        (row,) = tight.rows_of(answers[1].id)
        assert "poor: upstream_error, and its retry budget is spent (0% of its calls and 0.1 a second)" in str(
            row.trace
        )
        assert counted(tight, "turnout_retries_total", backend="poor", outcome="made") == 1
        assert counted(tight, "turnout_retries_total", backend="poor", outcome="over_budget") >= 2
        assert counted(tight, "turnout_retry_budget_left", backend="poor") == 0
        assert len(rough.of("500")) - before == 5
        refused = ask(tight, "chat", "any", stream=False)
        told(refused, 503, "no_backend_available", "chat")
        assert waits(refused)[2] is None
        assert len(rough.of("500")) - before == 5


def test_u12_a_breaker_that_opens_ends_the_retries(live: Live, rough: Chaos) -> None:
    before = len(rough.of("500"))
    answers = [ask(live, "chat", "backend/poor", stream=False) for _ in range(3)]
    assert [heard.headers["x-turnout-attempts"] for heard in answers] == ["2", "2", "1"]
    assert len(rough.of("500")) - before == 5
    assert "poor: upstream_error, and breaker open" in (live.rows_of(answers[-1].id)[0].trace or "")


@each_way
@pytest.mark.parametrize(("fault", "dialect"), [("529", "messages"), ("gemini-503", "gemini")])
def test_u12_an_overload_is_a_503(
    live: Live, rough: Chaos, fault: str, dialect: str, client: Client, stream: bool
) -> None:
    """Anthropic's 529 is known to no other client."""
    before = len(rough.of(fault))
    heard = ask(live, client, f"backend/{at(fault, client, stream=stream, dialect=dialect)}", stream=stream)
    failed = told(heard, 503, "upstream_overloaded", client)
    assert failed["type"] == ("overloaded_error" if client == "messages" else "server_error")
    assert len(rough.of(fault)) - before == 2
    assert {row.upstream_status for row in live.rows_of(heard.id)} == {529 if fault == "529" else 503}


def test_u12_the_next_one_is_asked_instead(live: Live) -> None:
    heard = ask(live, "chat", "after-5xx", stream=False)
    assert (heard.status, heard.backend, heard.headers["x-turnout-reason"]) == (200, "ok", "fails: overloaded")


@each_way
def test_u13_an_error_that_comes_first_in_a_200_is_a_status(live: Live, client: Client, stream: bool) -> None:
    heard = ask(live, client, f"backend/{at('error-first', client, stream=stream)}", stream=stream)
    failed = told(heard, 503, "upstream_overloaded", client)
    assert "The engine is overloaded" in failed["message"]


def test_u13_and_the_next_one_is_asked(live: Live) -> None:
    heard = ask(live, "chat", "after-first", stream=True)
    assert (heard.status, heard.backend, heard.text) == (200, "ok", TEXT)


@pytest.mark.parametrize("client", ["chat", "responses", "messages"])
def test_u13_an_error_that_comes_later_keeps_its_type(live: Live, client: Client) -> None:
    heard = ask(live, client, f"backend/{at('overloaded-later', client, stream=True, dialect='messages')}", stream=True)
    assert (heard.status, heard.text) == (200, "Hello")
    assert heard.failed is not None
    assert "Overloaded" in heard.failed["message"]
    if client != "responses":  # whose codes are a closed list
        assert "overloaded_error" in (heard.failed["type"], heard.failed.get("code"))
    (row,) = live.rows_of(heard.id)
    assert (row.outcome, row.error_code) == ("interrupted", "overloaded_error")


@each_way
@pytest.mark.parametrize("fault", ["401", "403"])
def test_u14_a_refused_credential_is_ours_to_mend(
    live: Live, rough: Chaos, fault: str, client: Client, stream: bool
) -> None:
    """The client's key is fine. The credential is not tried again, and whoever else is there answers."""
    backend, before = at(fault, client, stream=stream), len(rough.of(fault))
    failed = told(ask(live, client, f"backend/{backend}", stream=stream), 502, "upstream_auth", client)
    assert "operator" in failed["message"]
    assert SECRET not in str(failed)
    again = ask(live, client, f"backend/{backend}", stream=stream)
    told(again, 503, "no_backend_available", client)
    assert len(rough.of(fault)) - before == 1
    assert any("upstream_auth" in line and backend in line for line in live.log().splitlines())
    assert SECRET not in live.log()


def test_u14_the_next_one_is_asked_instead(live: Live) -> None:
    heard = ask(live, "chat", "after-401", stream=False)
    assert (heard.status, heard.backend) == (200, "ok")


@each_way
def test_u15_a_bomb_is_met_before_it_goes_off(live: Live, rough: Chaos, client: Client, stream: bool) -> None:
    before = rss(live)
    heard = ask(live, client, f"backend/{at('bomb', client, stream=stream)}", stream=stream)
    assert "too large" in told(heard, 502, "upstream_bad_response", client)["message"]
    assert rss(live) - before < 200 * MIB
    assert b"accept-encoding: identity" in rough.of("bomb")[-1].head.lower()


@each_way
@pytest.mark.parametrize("name", USAGES)
def test_u16_usage_that_cannot_be_so_harms_nobody(live: Live, name: str, client: Client, stream: bool) -> None:
    heard = ask(live, client, f"backend/{at('usage-' + name, client, stream=stream)}", stream=stream)
    assert (heard.status, heard.text, heard.failed) == (200, "Hello", None)
    (row,) = live.rows_of(heard.id)
    assert row.outcome == "ok"
    assert all(tokens is None or 0 <= tokens < 2**53 for tokens in (row.input_tokens, row.output_tokens))
    assert row.cost_nano_usd is None or row.cost_nano_usd >= 0
    assert (row.cost_nano_usd is None) == (row.input_tokens is None or row.output_tokens is None)


@pytest.mark.parametrize("fault", ["metadata", "to-itself"])
def test_u18_a_redirect_is_not_followed(live: Live, rough: Chaos, fault: str) -> None:
    for client, stream in WAYS:
        before = len(rough.seen)
        began = time.monotonic()
        heard = ask(live, client, f"backend/{at(fault, client, stream=stream)}", stream=stream)
        told(heard, 502, "upstream_bad_response", client)
        assert "169.254" not in heard.raw.decode()
        assert [seen.model for seen in rough.seen[before:]] == [fault]
        assert time.monotonic() - began < 5


# --- what SDKs make of it ------------------------------------------------------------------------------------------


def test_sdks_do_not_triple_the_load(live: Live, rough: Chaos) -> None:
    """Both ask up to three times by themselves, and obey ``x-should-retry: false``."""
    name = at("always-429", "chat", stream=False)
    before = len(rough.of("always-429"))
    with pytest.raises(openai.RateLimitError):
        openai.OpenAI(base_url=live.base_url, api_key="k", max_retries=2).chat.completions.create(
            model=f"backend/{name}", messages=[{"role": "user", "content": "Hi!"}]
        )
    with pytest.raises(anthropic.RateLimitError):
        anthropic.Anthropic(base_url=live.url, api_key="k", max_retries=2).messages.create(
            model=f"backend/{name}", max_tokens=9, messages=[{"role": "user", "content": "Hi!"}]
        )
    assert len(rough.of("always-429")) - before == 2 * 2


def test_sdks_show_what_happened(live: Live) -> None:
    """U1, U5 and U6 as a client reads them."""
    client = openai.OpenAI(base_url=live.base_url, api_key="k", max_retries=0)
    other = anthropic.Anthropic(base_url=live.url, api_key="k", max_retries=0)
    ask_one: Any = {"messages": [{"role": "user", "content": "Hi!"}]}
    for model, status, words in (
        ("backend/down", 502, "down: the connection failed (refused)"),
        ("backend/silent", 504, "silent: the backend did not answer within 0.3 s (timeouts.total)"),
    ):
        with pytest.raises(openai.APIStatusError) as openais:
            client.chat.completions.create(model=model, **ask_one)
        with pytest.raises(anthropic.APIStatusError) as anthropics:
            other.messages.create(model=model, max_tokens=9, **ask_one)
        for error in (openais.value, anthropics.value):
            assert error.status_code == status
            assert words in str(error)
    with pytest.raises(openai.APIError, match=r"anything more within 0\.3 s \(timeouts\.idle\)"):
        for _ in client.chat.completions.create(model="backend/falls-silent", stream=True, **ask_one):
            pass
    with pytest.raises(anthropic.APIError, match=r"anything more within 0\.3 s \(timeouts\.idle\)"):
        for _ in other.messages.create(model="backend/falls-silent", stream=True, max_tokens=9, **ask_one):
            pass
    until(lambda: counted(live, "turnout_timeouts_total", backend="falls-silent", timer="idle") == 2, "counted")
