"""GET /metrics after real calls: it parses, it adds up, and no client can make it grow."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from live import Live, demo_upstream, free_port
from public_door import CHAT, EMBEDDINGS, RESPONSES, ask, chat, get, post, responses

_SAMPLE = re.compile(r"([a-z_]+)(?:\{((?:[a-z_]+=\"(?:[^\"\\\n]|\\[\\\"n])*\",?)*)\})? (\S+)")
_LABEL = re.compile(r"([a-z_]+)=\"((?:[^\"\\]|\\.)*)\"")
KINDS = ("counter", "gauge", "histogram")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with (
        demo_upstream() as demo,
        Live(f"""version: 1
retries: {{attempts: 1}}
backends:
  local:  {{provider: vllm, base_url: "{demo}/v1", model: demo-local}}
  priced: {{provider: openai, base_url: "{demo}/v1", model: gpt-5.6, credential: sk-demo,
           price: {{input: 1.25, output: 10, cached: 0.125}}}}
  claude: {{provider: anthropic, base_url: "{demo}", model: claude-sonnet-5, credential: sk-demo,
           price: {{input: 3, output: 15}}}}
  down:   {{provider: vllm, base_url: "http://127.0.0.1:{free_port()}/v1", model: nobody}}
roles: {{local: local, cloud: claude, claude: claude}}
aliases:
  auto:   {{policy: hybrid}}
  moves:  {{use: [down, claude]}}
  local:  {{use: [local]}}
  priced: {{use: [priced]}}
  "any-*": {{use: [local]}}
""") as made,
    ):
        yield made


def scrape(live: Live) -> Samples:
    """A strict reading of the text format: every sample has its HELP and TYPE before it, and none comes twice."""
    heard = get(live, "/metrics")
    assert heard.status == 200
    assert heard.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: Samples = {}
    kind: dict[str, str] = {}
    for line in heard.raw.decode().splitlines():
        if line.startswith("# "):
            word, name, text = line[2:].split(" ", 2)
            assert word in ("HELP", "TYPE")
            assert word == "HELP" or text in KINDS
            kind |= {name: text} if word == "TYPE" else {}
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample is not None, line
        name, labels, value = sample.groups()
        assert re.sub("_(bucket|sum|count)$", "", name) in kind or name in kind, line
        key = (name, frozenset(_LABEL.findall(labels or "")))
        assert key not in found, line
        found[key] = float(value)
    assert found
    return found


def total(samples: Samples, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return math.fsum(value for (n, found), value in samples.items() if n == name and wanted <= found)


def recorded(samples: Samples, state: str) -> float:
    return total(samples, "turnout_usage_records_total", state=state)


def gained(live: Live, before: Samples, name: str, **labels: str) -> float:
    return total(scrape(live), name, **labels) - total(before, name, **labels)


def test_every_metric_of_the_list_is_there(live: Live) -> None:
    ask(live, "priced", "Hi!", stream=True)
    ask(live, "local")
    names = {name for name, _ in scrape(live)}
    assert names >= {
        "turnout_requests_total", "turnout_attempts_total", "turnout_first_token_seconds_bucket",
        "turnout_added_latency_seconds_bucket", "turnout_request_duration_seconds_bucket", "turnout_tokens_total",
        "turnout_cost_usd_total", "turnout_price_missing_total", "turnout_usage_records_total", "turnout_answers_total",
        "turnout_config_generation", "turnout_in_flight",
    }  # fmt: skip


def test_a_call_is_counted_by_what_became_of_it(live: Live) -> None:
    before = scrape(live)
    heard = ask(live, "priced", "What is 2+2?")
    usage = heard.body["usage"]
    where = {"api": "chat", "policy": "alias:priced", "backend": "priced", "stream": "false"}
    assert gained(live, before, "turnout_requests_total", **where, status_class="2xx", outcome="ok") == 1
    assert gained(live, before, "turnout_attempts_total", backend="priced", outcome="ok") == 1
    assert gained(live, before, "turnout_request_duration_seconds_count", api="chat", backend="priced") == 1
    assert gained(live, before, "turnout_added_latency_seconds_count", api="chat") == 1
    tokens = {"input": usage["prompt_tokens"], "output": usage["completion_tokens"]}
    for name, count in tokens.items():
        assert gained(live, before, "turnout_tokens_total", backend="priced", **{"class": name}) == count
    cost = gained(live, before, "turnout_cost_usd_total", backend="priced")
    assert cost == pytest.approx(float(heard.told("cost-usd") or "nan"), abs=1e-12)


def test_a_first_token_is_timed_on_streams_alone(live: Live) -> None:
    before = scrape(live)
    for stream in (True, False, True):
        post(live, RESPONSES, responses("local", stream=stream))
    where = {"api": "responses", "backend": "local"}
    assert gained(live, before, "turnout_first_token_seconds_count", **where) == 2
    assert gained(live, before, "turnout_first_token_seconds_bucket", le="+Inf", **where) == 2
    assert gained(live, before, "turnout_requests_total", stream="true", **where) == 2


def test_a_missing_price_is_counted_with_its_reason(live: Live) -> None:
    before = scrape(live)
    heard = ask(live, "local")
    assert heard.told("cost-usd") is None
    name = "turnout_price_missing_total"
    assert gained(live, before, name, backend="local", reason="no price configured") == 1
    assert gained(live, before, "turnout_cost_usd_total", backend="local") == 0


def test_a_fallback_is_two_attempts_of_one_request(live: Live) -> None:
    before = scrape(live)
    assert ask(live, "moves").status == 200
    assert gained(live, before, "turnout_attempts_total", backend="down", outcome="fallback") == 1
    assert gained(live, before, "turnout_attempts_total", backend="claude", outcome="ok") == 1
    assert gained(live, before, "turnout_requests_total") == 1


def test_every_answer_has_its_row(live: Live) -> None:
    """Rows written and answers released stay equal, whatever mixture of calls comes, also many at a time."""
    before = scrape(live)
    rows = len(live.rows())
    bodies = [(CHAT, chat("local")), (CHAT, chat("auto", stream=True)), (RESPONSES, responses("priced", stream=True)),
              (EMBEDDINGS, {"model": "local", "input": "x"})]  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda at: post(live, *bodies[at % len(bodies)]).status, range(40)))
    assert statuses == [200] * 40
    after = scrape(live)
    assert total(after, "turnout_answers_total") - total(before, "turnout_answers_total") == 40
    assert sum(recorded(after, state) - recorded(before, state) for state in ("written", "spooled")) == 40
    assert (recorded(after, "lost"), total(after, "turnout_in_flight")) == (0, 0)
    assert len(live.rows()) - rows == 40


def test_the_generation_follows_a_reload(live: Live) -> None:
    before = total(scrape(live), "turnout_config_generation")
    assert live.reload()["ok"]
    assert total(scrape(live), "turnout_config_generation") == before + 1
    assert total(scrape(live), "turnout_config_reload_total", outcome="ok") >= 2


def test_random_model_names_make_no_new_series(live: Live) -> None:
    """Neither unknown names, nor names that a pattern takes, nor pins of backends that do not exist."""
    models = ["nobody-{}", "any-{}", "backend/nobody-{}"]
    ask(live, "any-0")
    for model in models:
        ask(live, model.format("first"))
    before = set(scrape(live))
    with httpx2.Client(trust_env=False) as client:
        for at in range(300):
            body = chat(models[at % 3].format(f'{at * 7919:x}"\\'))
            status = client.post(live.url + CHAT, json=body).status_code
            assert status == (200 if at % 3 == 1 else 404)
    # A ledger that was busy for a moment replays a row, which is nothing of the names'.
    others = ("_bucket", "_usage_records_total")
    grown = {key for key in set(scrape(live)) - before if not key[0].endswith(others)}
    assert grown == set()
    assert b"nobody-" not in get(live, "/metrics").raw


def test_a_pin_is_counted_as_one(live: Live) -> None:
    before = scrape(live)
    ask(live, "backend/local")
    assert gained(live, before, "turnout_requests_total", policy="pinned", backend="local") == 1
    assert total(scrape(live), "turnout_requests_total", policy="other") == 0
