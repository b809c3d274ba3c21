"""Rows say for whom a call was, below its key: in every dialect and mode, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import openai
import pytest
from condensing import PrefixCache, conversation, extractive, shortened
from keys_kit import made
from live import Live, demo_upstream
from public_door import CHAT, EMBEDDINGS, RESPONSES, Heard, ask, chat, get, post, responses
from scripted import Asked, scripted

from proxy.ledger.record import UsageRecord

ANN = "ann-canary@x.org"
SESSION = "thread-canary-1"


def config(url: str, more: str = "") -> str:
    return f"""version: 1
backends:
  local:  {{provider: vllm, base_url: "{url}/v1", model: demo-local}}
  claude: {{provider: anthropic, base_url: "{url}", model: claude-sonnet-5, credential: sk-ours}}
  openai: {{provider: openai, base_url: "{url}/v1", model: gpt-5.6, credential: sk-ours}}
aliases:
  local: {{use: [local]}}
  smart: {{use: [claude]}}
  exact: {{use: [openai]}}
guards:
  - {{when: {{alias: never}}, deny: "not here"}}
ledger: {{attribution: [feature]{more}}}
"""


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with demo_upstream() as url, Live(config(url)) as running:
        yield running


def row(live: Live, heard: Heard) -> UsageRecord:
    return live.rows_of(heard.id)[-1]


def three(record: UsageRecord) -> tuple[Any, Any, Any]:
    tags = None if record.tags is None else msgspec.json.decode(record.tags)
    return record.user, record.session, tags


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("alias", ["local", "smart", "exact"])
def test_chat_and_responses_name_the_same_person_and_thread(live: Live, alias: str, stream: bool) -> None:
    metadata = {"feature": "search", "other": "unasked"}
    words: Any = {"user": ANN, "metadata": metadata, "prompt_cache_key": SESSION, "stream": stream}
    one = post(live, CHAT, chat(alias, **words))
    other = post(live, RESPONSES, responses(alias, **{**words, "user": None, "safety_identifier": ANN}))
    assert (one.status, other.status) == (200, 200), other.raw
    user, session, tags = three(row(live, one))
    assert three(row(live, other)) == (user, session, tags)
    assert (len(user), len(session), tags) == (16, 16, {"feature": "search"})


def test_messages_and_embeddings_do_too(live: Live) -> None:
    body = {**chat("smart", max_tokens=9, metadata={"user_id": ANN})}
    by_messages = post(live, "/v1/messages", body, x_turnout_session=SESSION)
    by_embeddings = post(live, EMBEDDINGS, {"model": "local", "input": "x", "user": ANN}, x_turnout_session=SESSION)
    by_chat = post(live, CHAT, chat("local", user=ANN), x_turnout_session=SESSION)
    found = {three(row(live, heard))[:2] for heard in (by_messages, by_embeddings, by_chat)}
    assert len(found) == 1
    counted = post(live, "/v1/messages/count_tokens", {**body, "max_tokens": None}, x_turnout_session=SESSION)
    assert three(row(live, counted))[:2] in found


def test_tags_of_several_headers_are_all_kept(live: Live) -> None:
    with httpx2.Client(timeout=30, trust_env=False) as client:
        headers = [
            ("x-turnout-tag", "feature=ask, team=blue"),
            ("X-Turnout-Tag", "urgent"),
            ("OpenAI-Project", "proj_1"),
        ]
        answer = client.post(f"{live.url}{CHAT}", json=chat("local"), headers=headers)
    heard = Heard(answer.status_code, answer.headers, answer.content)
    assert three(row(live, heard))[2] == {"feature": "ask", "team": "blue", "tag": "urgent", "project": "proj_1"}


def test_an_official_client_says_it_in_its_own_words(live: Live) -> None:
    with openai.OpenAI(base_url=live.base_url, api_key="x", project="proj_9", max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="local", messages=[{"role": "user", "content": "Hi"}], safety_identifier=ANN,
            metadata={"feature": "sdk"}, extra_headers={"x-turnout-tag": "team=red"},
        )  # fmt: skip
    record = live.rows_of(str(raw.headers["x-request-id"]))[-1]
    assert three(record)[2] == {"feature": "sdk", "team": "red", "project": "proj_9"}
    assert record.user is not None


def test_a_call_that_says_nothing_has_nothing(live: Live) -> None:
    assert three(row(live, ask(live, "local"))) == (None, None, None)


def test_a_refused_call_says_it_too(live: Live) -> None:
    heard = post(live, CHAT, chat("backend/local", user=ANN), x_turnout_tag="feature=x")
    assert heard.status == 200
    denied = live.rows_of(post(live, CHAT, chat("smart", user=ANN, n=5)).id)
    assert [(each.attempt, each.user) for each in denied] == [(0, row(live, heard).user)]


def test_nothing_of_it_is_shown_where_it_does_not_belong(live: Live) -> None:
    post(live, CHAT, chat("local", user=ANN, prompt_cache_key=SESSION), x_turnout_tag="feature=canary-tag")
    assert ANN not in live.log()
    assert SESSION not in live.log()
    assert "canary-tag" not in live.log()
    metrics = get(live, "/metrics").raw.decode()
    assert not any(word in metrics for word in (ANN, SESSION, "canary-tag", "feature="))
    books = list(live.folder.glob("turnout*"))
    assert len(books) > 1
    assert not any(word.encode() in book.read_bytes() for book in books for word in (ANN, SESSION))


def test_dropped_tags_are_counted(live: Live) -> None:
    def dropped() -> int:
        lines = get(live, "/metrics").raw.decode().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("turnout_tags_dropped_total "))

    before = dropped()
    assert post(live, CHAT, chat("local"), x_turnout_tag="good=1, b@d=1, =2, also bad=3").status == 200
    assert dropped() == before + 3


def test_users_stay_plain_or_away_where_the_operator_says_so() -> None:
    with demo_upstream() as url, Live(config(url, ", users: plain")) as live:
        assert row(live, ask(live, "local", user=ANN)).user == ANN
        assert ANN not in live.log()
        live.write(config(url, ", users: off"))
        live.until(lambda: row(live, ask(live, "local", user=ANN)).user is None, "off")


def test_tenants_do_not_see_one_anothers_hashes() -> None:
    with demo_upstream() as url, Live(config(url)) as live:
        one, other = made(live, "create", "one", "--tag", "cost_center=42"), made(live, "create", "other")
        found = [row(live, ask(live, "local", key=key, user=ANN)) for key in (one, other)]
        assert found[0].user != found[1].user
        assert [three(record)[2] for record in found] == [{"cost_center": "42"}, None]


def test_a_helper_call_is_for_whom_its_parent_is() -> None:
    with scripted() as upstream:
        vendor = PrefixCache()
        upstream.reply = lambda asked: shortened(asked, extractive) if is_local(asked) else vendor(asked)
        with Live(f"""version: 1
backends:
  oss: {{provider: vllm, base_url: "{upstream.url}/v1", model: oss, local: true, context: 32000,
         price: {{input: 0.05, output: 0.2}}}}
  big: {{provider: openai_compatible, base_url: "{upstream.url}/v1", model: big, local: false,
         price: {{input: 3, cached: 0.3, output: 15}}}}
policies: {{p: {{rules: [{{use: [big], condense: oss}}]}}}}
aliases: {{p: {{policy: p}}}}
""") as live:
            heard = post(live, CHAT, {"model": "p", "messages": conversation(), "user": ANN}, x_turnout_tag="feature=x")
            assert heard.status == 200
            parent, *helpers = live.rows_of(heard.id)
            assert {helper.purpose for helper in helpers} == {"condense"}
            assert three(parent)[2] == {"feature": "x"}
            assert all(three(helper) == three(parent) for helper in helpers)


def is_local(asked: Asked) -> bool:
    return bool(asked.body.get("model") == "oss")
