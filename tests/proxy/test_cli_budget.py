"""``turnout budget``: how full every budget is, and grants, while Turnout runs and while it does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from command_line import said, turnout
from live import Live
from public_door import ask
from services import redis_server
from spending import config, vendor

from policies.pricing import NANO
from proxy.ledger.record import UsageRecord
from proxy.ledger.sqlite import Ledger

CONFIG = """\
version: 1
backends: {oss: {provider: vllm, model: gpt-oss, base_url: "http://127.0.0.1:9/v1", local: true}}
aliases: {auto: {use: [oss]}}
teams:
  interns: {budget: {usd: 50, window: month, counts: cloud}}
  idle: {budget: {usd: 10, window: day, timezone: Europe/Berlin}}
  free: {}
keys:
  - {name: ann, owner: ann@example.com, secret: sk-nobody-may-see-this, budget: {usd: 5, window: 30d}}
"""


def row(index: int, tenant: str, backend: str, nano: int, key: str | None = None, ago: float = 0.0) -> UsageRecord:
    return UsageRecord(
        request_id=f"r{index}", started_at=int((time.time() - ago) * 1000), tenant=tenant, key_id=key, api="chat",
        outcome="ok", backend=backend, cost_nano_usd=nano,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxy.yaml").write_text(CONFIG)
    ledger = Ledger(tmp_path / "turnout.db")
    ledger.write(
        [
            row(1, "interns", "claude", 12 * NANO),
            row(2, "interns", "oss", 3 * NANO),
            row(3, "ann@example.com", "claude", 2 * NANO, "ann"),
            row(4, "ann@example.com", "claude", NANO, "ann", ago=20 * 86_400),
            row(5, "ann@example.com", "claude", 30 * NANO, "ann", ago=40 * 86_400),
        ]
    )
    ledger.close()
    return tmp_path


def test_the_list_shows_every_budget_before_anything_was_drawn(folder: Path) -> None:
    interns, idle, ann = said(turnout("budget", "list", "--json"))
    assert (interns["scope"], interns["name"], interns["window"], interns["timezone"]) == (
        "team",
        "interns",
        "month",
        "UTC",
    )
    assert (interns["amount_nano_usd"], interns["used_nano_usd"]) == (50 * NANO, 12 * NANO)
    assert (interns["left_nano_usd"], interns["reserved_nano_usd"], interns["share"]) == (38 * NANO, 0, 0.24)
    today = datetime.now(UTC)
    assert interns["resets"].endswith("-01T00:00:00Z")
    assert interns["pace"] >= 0.24
    assert (idle["used_nano_usd"], idle["timezone"]) == (0, "Europe/Berlin")
    assert (ann["scope"], ann["used_nano_usd"], ann["window"]) == ("key", 3 * NANO, "30d")
    assert datetime.fromisoformat(ann["resets"]) > today


def test_the_table_is_for_people(folder: Path) -> None:
    told = turnout("budget", "list").stdout
    assert told.splitlines()[0].split() == [
        "budget", "window", "amount", "used", "reserved", "left", "share", "pace", "resets", "grants",
    ]  # fmt: skip
    assert "team interns" in told
    assert "$50.00" in told
    assert "$12.00" in told
    assert "24.0%" in told
    assert "the last 30 days" in told
    assert "sk-nobody" not in told


def test_a_grant_raises_what_is_left_and_is_taken_back(folder: Path) -> None:
    told = turnout("budget", "grant", "interns", "20", "--until", "2099-12-24").stdout
    assert told.startswith("granted $20.00 to team 'interns' until 2099-12-24T00:00:00Z; $58.00 is left")
    [grant] = said(turnout("budget", "list", "--json"))[0]["grants"]
    assert (grant["nano_usd"], grant["until"]) == (20 * NANO, "2099-12-24T00:00:00Z")
    assert grant["id"] in turnout("budget", "list").stdout
    assert turnout("budget", "revoke", grant["id"]).stdout == f"revoked {grant['id']}\n"
    assert said(turnout("budget", "list", "--json"))[0]["amount_nano_usd"] == 50 * NANO
    again = turnout("budget", "revoke", grant["id"])
    assert (again.exit_code, again.stdout) == (1, "")
    assert "there is no grant" in again.stderr


def test_a_key_may_be_granted_something_of_its_own(folder: Path) -> None:
    found = said(turnout("budget", "grant", "--key", "ann", "2.50", "--json"))
    assert (found["amount_nano_usd"], found["left_nano_usd"]) == (7_500_000_000, 4_500_000_000)
    assert found["id"] == found["grants"][0]["id"]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["internz", "20"], 1, "no team 'internz' has a budget: did you mean 'interns'?"),
        (["free", "20"], 1, "no team 'free' has a budget: "),
        (["20", "--key", "bob"], 1, "no key 'bob' has a budget: "),
        (["interns"], 2, "write TEAM USD"),
        (["interns", "much"], 2, "'much' is no amount"),
        (["interns", "0"], 2, "'0' is no amount"),
        (["interns", "20", "--until", "soon"], 2, "write a day or a time"),
        (["interns", "20", "--until", "2001-01-01"], 2, "is over"),
    ],
)
def test_wrong_uses_are_told_in_one_line_with_their_mend(
    folder: Path, words: list[str], status: int, told: str
) -> None:
    result = turnout("budget", "grant", *words)
    assert (result.exit_code, result.stdout) == (status, "")
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_wrong_folder_is_not_taken_for_an_empty_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxy.yaml").write_text(CONFIG)
    result = turnout("budget", "list")
    assert result.exit_code == 1
    assert "run this where Turnout runs" in result.stderr
    assert not (tmp_path / "state.db").exists()


def test_without_budgets_it_says_where_to_write_one(folder: Path) -> None:
    (folder / "proxy.yaml").write_text(CONFIG.partition("teams:")[0])
    assert "no team or key here has a budget" in turnout("budget", "list").stdout
    assert said(turnout("budget", "list", "--json")) == []


def test_a_redis_that_is_away_is_told_as_such(folder: Path) -> None:
    (folder / "proxy.yaml").write_text(f"{CONFIG}server: {{secret: [a]}}\nstate: {{redis: 'redis://127.0.0.1:1/0'}}\n")
    result = turnout("budget", "list")
    assert result.exit_code == 1
    assert "where budgets are counted cannot be reached" in result.stderr


SPENDER = """
teams: {interns: {budget: {usd: 0.003}}}
keys: [{name: k, team: interns, secret: sk-k}]
"""


def spend(live: Live) -> int:
    """Until it refuses; how often it did not."""
    count = 0
    while ask(live, "cloud", key="sk-k", max_tokens=100).status == 200:
        count += 1
    return count


@pytest.mark.parametrize("workers", [1, 2])
def test_a_grant_holds_at_once_in_a_running_turnout(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    more = f"{SPENDER}server: {{workers: {workers}}}\n"
    with vendor() as seller, Live(config(seller.url, more)) as live:
        monkeypatch.chdir(live.folder)
        assert spend(live) == 1
        granted = said(turnout("budget", "grant", "interns", "0.01", "--json"))
        live.until(lambda: ask(live, "cloud", key="sk-k", max_tokens=100).status == 200, "granted")
        spend(live)
        live.until(lambda: said(turnout("budget", "list", "--json"))[0]["reserved_nano_usd"] == 0, "all told")
        [now] = said(turnout("budget", "list", "--json"))
        assert 0.009 * NANO < now["used_nano_usd"] <= 0.013 * NANO
        turnout("budget", "revoke", granted["id"])
        refused = ask(live, "cloud", key="sk-k", max_tokens=1)
        assert refused.status == 429
        assert "of its $0.003000 for" in refused.error["message"]


def test_a_grant_reaches_every_replica_through_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    with vendor() as seller, redis_server() as redis:
        text = config(seller.url, f"{SPENDER}server: {{secret: [a]}}\nstate: {{redis: '{redis.url}'}}\n")
        with Live(text) as one, Live(text) as two:
            monkeypatch.chdir(one.folder)
            spend(one)
            assert spend(two) == 0
            turnout("budget", "grant", "interns", "0.01", "--until", "2099-01-01")
            two.until(lambda: ask(two, "cloud", key="sk-k", max_tokens=100).status == 200, "granted")
            [now] = said(turnout("budget", "list", "--json"))
            assert now["amount_nano_usd"] == 0.013 * NANO
            assert msgspec.json.encode(now["grants"]).count(b"2099-01-01") == 1


def test_a_key_of_the_store_is_listed_and_may_be_granted_something(folder: Path) -> None:
    turnout("keys", "create", "bot", "--team", "interns", "--budget", "2", "--window", "day")
    assert [(each["scope"], each["name"]) for each in said(turnout("budget", "list", "--json"))] == [
        ("team", "interns"),
        ("team", "idle"),
        ("key", "ann"),
        ("key", "bot"),
    ]
    found = said(turnout("budget", "grant", "--key", "bot", "1", "--json"))
    assert (found["amount_nano_usd"], found["window"]) == (3 * NANO, "day")
