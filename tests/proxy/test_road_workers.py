"""Two workers behind one port: both answer, and whoever reads the book reads both of theirs as one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from live import ROOT, Live, demo_upstream
from public_door import ask, get


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with (
        demo_upstream() as demo,
        Live(f"""version: 1
server: {{workers: 2}}
backends: {{local: {{provider: vllm, base_url: "{demo}/v1", model: demo-local}}}}
aliases: {{local: {{use: [local]}}}}
""") as made,
    ):
        made.until(lambda: len(files(made)) == 2, "two ledgers")
        yield made


def files(live: Live) -> list[Path]:
    return sorted(live.folder.glob("turnout-*.db"))


def calls(live: Live, count: int) -> set[str]:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda at: ask(live, "local", f"call {at}", stream=bool(at % 2)), range(count)))
    assert {answer.status for answer in answers} == {200}
    return {answer.id for answer in answers}


def test_both_workers_answer_and_their_rows_are_read_as_one(live: Live) -> None:
    assert len(live.workers()) == 2
    asked: set[str] = set()
    while not all(file.stat().st_size and len(rows_of(file)) for file in files(live)):
        asked |= calls(live, 40)
        assert len(asked) < 4000, "one worker got all"
    told = live.rows()
    assert {row.request_id for row in told} >= asked
    assert len(told) == len({row.request_id for row in told}) == sum(len(rows_of(file)) for file in files(live))
    assert [row.started_at for row in told] == sorted(row.started_at for row in told)


def rows_of(file: Path) -> list[str]:
    import apsw

    with apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY) as connection:
        connection.set_busy_timeout(2000)  # a worker that opens its book holds it for a moment
        if not list(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'usage'")):
            return []
        return [str(row[0]) for row in connection.execute("SELECT request_id FROM usage")]


def test_the_command_line_reads_both(live: Live) -> None:
    asked = calls(live, 20)
    ran = subprocess.run(
        [sys.executable, "-m", "proxy.cli", "usage", "--rows", "--json", "--since", "1d"],
        cwd=live.folder, env={**live.env, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    found = {msgspec.json.decode(line)["request_id"] for line in ran.stdout.splitlines()}
    assert found >= asked


def test_a_reload_reaches_both(live: Live) -> None:
    before = live.reload()["generation"]
    assert live.reload()["generation"] == before + 1
    assert {ask(live, "local").told("generation") for _ in range(12)} == {str(before + 1)}


def test_the_metrics_of_both_are_shown_as_one(live: Live) -> None:
    def answered() -> int:
        lines = get(live, "/metrics").raw.decode().splitlines()
        [value] = [line.split()[1] for line in lines if line.startswith("turnout_answers_total")]
        return int(value)

    before = answered()
    calls(live, 40)
    assert {answered() - before for _ in range(10)} == {40}
