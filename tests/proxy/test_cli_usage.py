"""``turnout usage``: totals, rows and one call's report; unknown is never 0."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from command_line import CONFIG, said, turnout

from proxy.ledger.record import PUBLIC, UsageRecord
from proxy.ledger.sqlite import Ledger

NOW = int(time.time() * 1000)
DAY = 86_400_000
ROWS = [
    UsageRecord(
        request_id="r1", started_at=NOW - 10 * DAY, alias="old", policy="hybrid", backend="oss", api="chat", status=200,
        outcome="ok", input_tokens=1, output_tokens=1, cost_nano_usd=0,
    ),
    UsageRecord(
        request_id="r2", started_at=NOW - 5000, alias="auto", policy="hybrid", cls="complex", backend="oss", api="chat",
        status=502, outcome="fallback", error_code="upstream_unreachable", error_message="refused",
    ),
    UsageRecord(
        request_id="r2", attempt=2, started_at=NOW - 5000, alias="auto", policy="hybrid", cls="complex",
        backend="claude", api="chat", status=200, outcome="ok", input_tokens=1200, output_tokens=617,
        reasoning_tokens=308, reasoning_source="reported", cost_nano_usd=1_500_000,
    ),
    UsageRecord(
        request_id="r3", started_at=NOW - 1000, alias="auto", policy="hybrid", cls="simple", backend="oss", api="responses",
        stream=True, status=200, outcome="ok",
    ),
]  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxy.yaml").write_text(f"{CONFIG}ledger: {{url: 'sqlite:///{tmp_path}/book.db'}}\n")
    ledger = Ledger(tmp_path / "book.db")
    ledger.write(ROWS)
    ledger.close()
    return tmp_path


def test_rows_are_json_lines_with_the_agreed_keys() -> None:
    lines = [json.loads(line) for line in turnout("usage", "--rows", "--json").stdout.splitlines()]
    assert [tuple(line) for line in lines] == [PUBLIC] * 4
    assert [(line["request_id"], line["attempt"]) for line in lines] == [("r1", 1), ("r2", 1), ("r2", 2), ("r3", 1)]
    assert lines[3]["input_tokens"] is None
    assert lines[0]["cost_nano_usd"] == 0


@pytest.mark.parametrize(("since", "count"), [("1d", 3), ("24h", 3), ("20d", 4), ("3w", 4), ("2000-01-01", 4)])
def test_since_limits_the_rows(since: str, count: int) -> None:
    assert len(turnout("usage", "--since", since, "--rows", "--json").stdout.splitlines()) == count


def test_nothing_in_this_time_is_said() -> None:
    assert turnout("usage", "--since", "2999-01-01").stdout == "no calls in this time\n"
    assert turnout("usage", "--since", "2999-01-01", "--rows", "--json").stdout == ""


def test_totals_count_a_call_once_and_know_what_they_do_not_know() -> None:
    found = {row["backend"]: row for row in said(turnout("usage", "--since", "1d", "--by", "alias,backend", "--json"))}
    assert found["claude"]["calls"] == 1
    assert (found["claude"]["output_tokens"], found["claude"]["cost_nano_usd"]) == (617, 1_500_000)
    assert (found["oss"]["calls"], found["oss"]["attempts"]) == (1, 2)
    assert found["oss"]["input_tokens"] is None
    assert found["oss"]["unknown"]["input_tokens"] == 2


def test_totals_in_a_pipe_are_plain() -> None:
    lines = turnout("usage", "--by", "alias, backend").stdout.splitlines()
    assert lines[0].split()[:3] == ["alias", "backend", "calls"]
    assert any(line.split()[:2] == ["auto", "claude"] and "$0.0015" in line for line in lines)
    assert any("unknown" in line for line in lines)


def test_rows_for_eyes_are_never_cut() -> None:
    lines = turnout("usage", "--rows").stdout.splitlines()
    assert lines[0].split()[:3] == ["time", "request_id", "alias"]
    assert "claude" in lines[3]
    assert "$0.0015" in lines[3]
    assert "unknown" in lines[4]


def test_an_unknown_dimension_is_wrong_use() -> None:
    result = turnout("usage", "--by", "colour")
    assert result.exit_code == 2
    assert result.stderr.startswith("turnout usage: --by colour: there is day, alias, backend, caller, team")


def test_show_is_the_readable_report() -> None:
    report = turnout("usage", "show", "r2").stdout
    assert "attempt 1    oss (unknown): fallback 502" in report
    assert "attempt 2    claude" in report
    assert "308 (reported), completion 309" in report
    assert [row["attempt"] for row in said(turnout("usage", "show", "r2", "--json"))] == [1, 2]


def test_show_of_an_unknown_call_says_where_ids_are(folder: Path) -> None:
    result = turnout("usage", "show", "r9")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{folder}/book.db knows no call r9: give the x-request-id of an answer")


def test_a_ledger_that_is_not_there_is_no_empty_ledger(tmp_path: Path) -> None:
    result = turnout("usage", "--ledger", tmp_path / "nope.db")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"there is no ledger at {tmp_path}/nope.db: run this where Turnout runs")


def test_the_file_may_be_named(folder: Path) -> None:
    (folder / "proxy.yaml").unlink()
    assert len(turnout("usage", "--rows", "--json", "--ledger", folder / "book.db").stdout.splitlines()) == 4
