"""``turnout usage reprice`` and ``machines``, CSV, and the content of stored answers."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

import msgspec
import pytest
from command_line import said, turnout
from live import Live, demo_upstream
from public_door import RESPONSES, post, responses
from services import redis_server

from proxy.ledger.book import open_book
from proxy.ledger.record import UsageRecord
from proxy.ledger.sqlite import Ledger

NOW = int(time.time() * 1000)
HOUR = 3_600_000
CONFIG = """version: 1
ledger: {{url: "sqlite:///{folder}/book.db"}}
backends:
  claude: {{provider: anthropic, model: claude-sonnet-5, credential: k}}
  box: {{provider: vllm, base_url: "http://127.0.0.1:9/v1", model: oss, cost: {{gpu_hour_usd: 2}}}}
  box2: {{provider: vllm, base_url: "http://127.0.0.1:9/v1", model: oss-2, cost: {{gpu_hour_usd: 2}}}}
aliases:
  auto: {{use: [box, claude], baseline: anthropic/claude-sonnet-5}}
  odd: {{use: [claude]}}
prices:
  anthropic/claude-sonnet-5: [{{input: 3, output: 15, confirm: true}}]
"""


def row(request_id: str, **more: object) -> UsageRecord:
    told = {"api": "chat", "alias": "auto", "status": 200, "outcome": "ok", "started_at": NOW - HOUR, **more}
    return msgspec.convert({"request_id": request_id, **told}, UsageRecord)


ROWS = [
    # Booked by an older sheet; without a price at the time; and $90 a million, which nobody charges.
    row("old", backend="claude", upstream_model="claude-sonnet-5", input_tokens=1000, output_tokens=100, cost_nano_usd=1),
    row("bare", backend="claude", upstream_model="claude-sonnet-5", input_tokens=1000, output_tokens=100),
    row("right", backend="claude", input_tokens=10, output_tokens=0, cost_nano_usd=30_000, price_source="prices"),
    row("own", backend="box", input_tokens=900_000, output_tokens=100_000, machine_ms=0.5 * HOUR, cost_nano_usd=10**9),
    row("own2", backend="box2", input_tokens=0, output_tokens=1_000_000, machine_ms=0.25 * HOUR, cost_nano_usd=5 * 10**8),
    row("=cmd", outcome="denied", status=403, attempt=0, alias="=1+1"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxy.yaml").write_text(CONFIG.format(folder=tmp_path))
    ledger = Ledger(tmp_path / "book.db")
    ledger.write(ROWS)
    ledger.close()
    return tmp_path


def costs(folder: Path) -> dict[str, int | None]:
    return {found.request_id: found.cost_nano_usd for found in open_book(f"sqlite:///{folder}/book.db").rows()}


def test_a_dry_run_says_what_would_change_and_changes_nothing(folder: Path) -> None:
    before = costs(folder)
    found = said(turnout("usage", "reprice", "--dry-run", "--json"))
    assert (found["looked"], found["newly_known"], found["dry_run"]) == (6, 1, True)
    assert found["after"] - found["before"] == 2 * (1000 * 3000 + 100 * 15_000) - 1
    assert costs(folder) == before


def test_history_is_rated_again_and_the_totals_follow(folder: Path) -> None:
    said_ = turnout("usage", "reprice").stdout.splitlines()
    assert said_[0] == "6 rows looked at, 5 changed"  # three of them had no unit prices yet
    assert "1 rows had no cost before" in said_
    found = costs(folder)
    assert found["old"] == found["bare"] == 4_500_000
    assert found["right"] == 30_000
    (line,) = said(turnout("usage", "--by", "backend", "--where", "backend=claude", "--json"))
    assert line["cost_nano_usd"] == 9_030_000
    assert said(turnout("usage", "reprice", "--json"))["changed"] == 0


def test_only_what_was_asked_for_is_rated_again(folder: Path) -> None:
    said(turnout("usage", "reprice", "--where", "backend=box", "--json"))
    assert costs(folder)["old"] == 1


def test_s22_ninety_dollars_a_million_are_off_the_sheet(folder: Path) -> None:
    ledger = Ledger(folder / "book.db")
    odd = row("odd", backend="claude", input_tokens=12_500, output_tokens=0, cost_nano_usd=1_125_000_000)
    ledger.write([msgspec.structs.replace(odd, started_at=NOW - 2 * HOUR)])
    ledger.close()
    (folder / "proxy.yaml").write_text(
        CONFIG.format(folder=folder).replace(
            "{input: 3, output: 15, confirm: true}", "{input: 90, output: 90, confirm: true}"
        )
    )
    lines = turnout("usage", "reprice", "--dry-run", "--where", "request_id=odd").stdout.splitlines()
    assert any("off the sheet: odd attempt 1 implies $90.00 per million tokens" in line for line in lines)


def test_a_machine_with_its_idle_hours_and_when_it_pays(folder: Path) -> None:
    (found,) = said(turnout("usage", "machines", "--since", "10h", "--json"))
    assert found["backends"] == ["box", "box2"]
    assert round(found["hours"], 2) == 10
    assert found["busy_hours"] == 0.75
    assert found["tokens"] == 2_000_000
    assert found["attributed_nano_usd"] == 1_500_000_000
    assert abs(found["idle_nano_usd"] - 18_500_000_000) < 10**7
    assert found["total_nano_usd"] == found["attributed_nano_usd"] + found["idle_nano_usd"]
    assert found["baseline_nano_usd"] == 900_000 * 3000 + 1_100_000 * 15_000
    assert found["saved_nano_usd"] == found["baseline_nano_usd"] - found["total_nano_usd"]
    # $48 a day of idling, against $19.20 for the two million tokens: five million a day.
    assert found["break_even_tokens_per_day"] == 5_000_000
    told = turnout("usage", "machines", "--since", "10h").stdout
    assert "127.0.0.1:9" in told
    assert "5,000,000" in told


def test_a_machine_that_is_off_while_nobody_asks_costs_nothing_then(folder: Path) -> None:
    text = CONFIG.format(folder=folder).replace("gpu_hour_usd: 2}", "gpu_hour_usd: 2, paid: busy}")
    (folder / "proxy.yaml").write_text(text)
    (found,) = said(turnout("usage", "machines", "--since", "10h", "--json"))
    assert (found["idle_nano_usd"], found["break_even_tokens_per_day"]) == (0, 0)


def test_without_machines_that_is_said(folder: Path) -> None:
    (folder / "proxy.yaml").write_text(
        f"version: 1\nledger: {{url: 'sqlite:///{folder}/book.db'}}\nbackends: {{a: {{provider: vllm, model: m, base_url: 'http://127.0.0.1:9/v1'}}}}\n"
    )
    assert turnout("usage", "machines").stdout == "no backend of the configuration has a 'cost'\n"


@pytest.mark.parametrize(
    ("words", "said_"),
    [
        (("usage", "machines", "--baseline", "nope"), "--baseline nope: write provider/model"),
        (("usage", "reprice", "--since", "soon"), "--since soon: write 30m, 12h"),
        (("usage", "--where", "colour=1"), "--where colour=1: write a column and its value"),
        (("usage", "--where", "aliass=1"), "did you mean 'alias'?"),
        (("usage", "--timezone", "Mars"), "--timezone Mars: there is none of this name"),
        (("usage", "--json", "--csv"), "choose one"),
    ],
)
def test_a_wrong_use_is_told_with_its_mend(folder: Path, words: tuple[str, ...], said_: str) -> None:
    result = turnout(*words)
    assert result.exit_code == 2
    assert said_ in result.stderr


def test_csv_is_for_spreadsheets_and_starts_no_formula(folder: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(turnout("usage", "--by", "alias", "--csv").stdout)))
    assert [line["alias"] for line in lines] == ["'=1+1", "auto"]
    assert lines[1]["cost_nano_usd"] == str(1 + 30_000 + 1_500_000_000)
    assert lines[1]["unknown_cost_nano_usd"] == "1"
    assert lines[0]["input_tokens"] == ""
    rows = list(csv.DictReader(io.StringIO(turnout("usage", "--rows", "--csv").stdout)))
    assert len(rows) == 6
    assert rows[0].keys() >= {"request_id", "cost_nano_usd"}


def test_a_total_stands_under_several_lines(folder: Path) -> None:
    lines = turnout("usage", "--by", "backend,alias").stdout.splitlines()
    assert lines[-1].split()[0] == "total"
    assert "6" in lines[-1].split()
    assert turnout("usage", "--by", "month").stdout.splitlines()[-1].split()[0] != "total"


@pytest.mark.parametrize("shared", [False, True])
def test_s4_the_content_of_a_stored_answer_is_shown_when_it_is_asked_for(shared: bool) -> None:
    with demo_upstream() as demo, redis_server() as redis, Live(f"""version: 1
{f'server: {{secret: shared}}{chr(10)}state: {{redis: "{redis.url}"}}' if shared else ''}
backends: {{claude: {{provider: anthropic, base_url: "{demo}", model: claude-sonnet-5, credential: sk-demo}}}}
aliases: {{auto: {{use: [claude]}}}}
""") as live:  # fmt: skip
        kept, gone = (post(live, RESPONSES, responses("auto", store=store)) for store in (True, False))
        words = ("--config", live.config, "--ledger", live.folder / "turnout.db")
        said_ = turnout("usage", "show", kept.id, "--content", *words).stdout
        answer = kept.body["output"][-1]["content"][0]["text"]
        assert f"answer       {answer.splitlines()[0]}" in said_
        assert answer.splitlines()[0] not in turnout("usage", "show", kept.id, *words).stdout
        not_kept = turnout("usage", "show", gone.id, "--content", *words).stdout
        assert "content      not kept" in not_kept
        assert ("in Redis" in not_kept) is shared
        if shared:
            redis.end()
            assert (
                "stored responses cannot be read: Redis"
                in turnout("usage", "show", kept.id, "--content", *words).stderr
            )
