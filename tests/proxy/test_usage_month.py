"""Done-when 2: a month whose total is known in advance. The book agrees with the reckoning to the cent, line by line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command_line import said, turnout

from adapters import failures, ir
from adapters.catalog import DIALECTS
from policies.verdict import Caller, Decision
from proxy import ids, settle
from proxy.apis import APIS
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.ledger.record import UsageRecord
from proxy.ledger.sqlite import Ledger
from proxy.prices import Prices
from proxy.snapshot import Snapshot, build_text
from proxy.state import machines
from proxy.state.machines import Machines
from proxy.write import begin

HERE = Path(__file__).resolve().parents[1] / "month"
ALONE = [sys.executable, "-I"]
"""No path to Turnout, and no environment: the reckoning shares nothing with what it judges."""
SPAN = ("--since", "2026-10-01", "--until", "2026-11-01", "--json")


def run(script: str, given: str = "") -> Any:
    told = subprocess.run(
        [*ALONE, str(HERE / script)], input=given, capture_output=True, text=True, check=True, timeout=120
    )
    return json.loads(told.stdout)


@pytest.fixture(scope="module")
def month() -> Any:
    return run("month_events.py")


@pytest.fixture(scope="module")
def reckoned(month: Any) -> Any:
    return run("month_reckon.py", json.dumps(month))


@pytest.fixture(scope="module")
def folder(month: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the configuration and the book of that month."""
    where = tmp_path_factory.mktemp("month")
    (where / "proxy.yaml").write_text(config(month, where))
    snapshot = build_text((where / "proxy.yaml").read_text(), file="proxy.yaml", generation=1, env={})
    ledger = Ledger(where / "book.db")
    for rows in Replay(snapshot, month["calls"]).rows():
        ledger.write(rows)
    ledger.close()
    return where


def config(month: Any, where: Path) -> str:
    prices = {model: [{**entry, "confirm": True} for entry in entries] for model, entries in month["prices"].items()}
    return f"""version: 1
ledger: {{url: "sqlite:///{where}/book.db"}}
backends:
  claude: {{provider: anthropic, model: claude-sonnet-5, credential: k}}
  gpt: {{provider: openai, dialect: openai_responses, model: gpt-5.6, credential: k}}
  box: {{provider: vllm, model: oss, base_url: "http://127.0.0.1:9/v1", cost: {{gpu_hour_usd: {month["gpu_hour"]}}}}}
aliases: {{auto: {{use: [box, gpt, claude], baseline: "{month["baseline"]}"}}}}
prices: {json.dumps(prices)}
"""


class Replay:
    """The month's calls through stations 10 and 11, at the times at which they happened."""

    def __init__(self, snapshot: Snapshot, calls: list[Any]) -> None:
        self._snapshot = snapshot
        self._prices = Prices(snapshot.overlay)
        self._machines = Machines(lambda _: False)
        self._edges: list[tuple[int, int, Attempt, Call]] = []
        self._open: dict[str, int] = {}
        self._owners: dict[str, Call] = {}
        self._helpers: dict[str, list[Call]] = {}
        for told in calls:
            self._plan(told)

    def rows(self) -> Iterator[list[Any]]:
        """Of each call when its last leg has ended, its helpers' before its own."""
        with pytest.MonkeyPatch.context() as patch:
            now = 0
            patch.setattr(machines.time, "monotonic_ns", lambda: now)
            for moment, leaves, attempt, call in sorted(self._edges, key=lambda edge: edge[:2]):
                now = moment
                if not leaves:
                    self._machines.enter(attempt)
                    continue
                self._machines.leave(attempt)
                self._open[call.id] -= 1
                if not self._open[call.id]:
                    yield self._settled(call)

    def _settled(self, call: Call) -> list[Any]:
        settle.settle(call, self._prices, missing=lambda found: pytest.fail(found.why))
        return settle.rows(call, call.attempts[-1].ended or 0.0)

    def _plan(self, told: Any) -> None:
        call = self._call(told, told["legs"])
        for helper in told["helpers"]:
            self._call(told, [helper], parent=call)
        if "condensed" in told:
            call.condensed = "{}>{}".format(*told["condensed"])
            call.flags.append(f"condensed {call.condensed}")

    def _call(self, told: Any, legs: list[Any], parent: Call | None = None) -> Call:
        at = round(datetime.fromisoformat(told["at"]).timestamp() * 1000)
        call = Call(
            id=ids.uuid7(), api=APIS["/v1/chat/completions"], headers={}, peer=None, snapshot=self._snapshot,
            started=at / 1000, started_at=at, head=ir.Head("auto"), caller=Caller(name="k", team=told["team"]),
            parent_id=parent.id if parent is not None else None, purpose="condense" if parent is not None else None,
        )  # fmt: skip
        call.decision, call.baseline = Decision(policy="alias:auto"), self._snapshot.aliases["auto"].baseline
        call.status, self._open[call.id] = 200, len(legs)
        for leg in legs:
            self._leg(call, leg, at)
        last = call.attempts[-1]
        if last.failure is not None:
            call.failure, call.status = last.failure, 502
        return call

    def _leg(self, call: Call, leg: Any, at: int) -> None:
        attempt = begin(call, self._snapshot.backends[leg["backend"]].target, at / 1000 + leg["start"])
        start = at + round(leg["start"] * 1000)
        end = start + round(leg["seconds"] * 1000)
        attempt.sent, attempt.ended, attempt.upstream_status = attempt.started, end / 1000, 200
        attempt.usage = None if leg["usage"] is None else told_usage(leg["backend"], leg["usage"])
        if leg["outcome"] != "ok":
            attempt.failure = failures.bad_response("not good enough")
            attempt.upstream_status = 200 if leg["usage"] is not None else 500
        self._edges += [(start * 10**6, 0, attempt, call), (end * 10**6, 1, attempt, call)]


def told_usage(backend: str, usage: Any) -> ir.Usage | None:
    """As the vendor's own answer tells it, read by its dialect."""
    bodies = {
        "claude": ("anthropic_messages", {
            "id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-5", "stop_reason": "end_turn",
            "stop_sequence": None, "content": [{"type": "text", "text": "a"}],
        }),
        "gpt": ("openai_responses", {
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5.6",
            "service_tier": usage.get("service_tier"),
            "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                        "content": [{"type": "output_text", "text": "a", "annotations": []}]}],
        }),
        "box": ("openai_chat", {
            "id": "c", "object": "chat.completion", "created": 1, "model": "oss",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a"}}],
        }),
    }  # fmt: skip
    dialect, body = bodies[backend]
    told = {name: value for name, value in usage.items() if backend != "gpt" or name != "service_tier"}
    reply = ir.collect(DIALECTS[dialect].read_response(msgspec.json.encode({**body, "usage": told})))
    assert reply.failure is None
    return reply.usage


def cents(nano: int) -> int:
    return int((Decimal(nano) / 10**7).to_integral_value())


def same(nano: int, dollars: str) -> bool:
    """To the cent; half a nano-dollar a row is what rounding may come to."""
    return abs(Decimal(nano) / 10**9 - Decimal(dollars)) < Decimal("0.00001") and cents(nano) == cents(
        int(Decimal(dollars) * 10**9)
    )


def usage(folder: Path, *words: str) -> Any:
    return said(turnout("usage", *words, *SPAN, "--config", folder / "proxy.yaml"))


def test_the_total_is_the_one_that_was_known(folder: Path, reckoned: Any) -> None:
    (line,) = usage(folder, "--by", "month")
    assert same(line["cost_nano_usd"], reckoned["total"])
    assert "cost_nano_usd" not in line["unknown"]


@pytest.mark.parametrize(("by", "kind"), [("backend", "backend"), ("team", "team"), ("day", "day")])
def test_every_line_is_the_one_that_was_known(folder: Path, reckoned: Any, by: str, kind: str) -> None:
    found = {line[by]: line["cost_nano_usd"] for line in usage(folder, "--by", by)}
    assert found.keys() == reckoned[kind].keys()
    assert [name for name, dollars in reckoned[kind].items() if not same(found[name], dollars)] == []


def test_the_rows_sum_to_the_totals(folder: Path) -> None:
    told = turnout("usage", "--rows", *SPAN, "--config", folder / "proxy.yaml").stdout
    rows = [json.loads(line) for line in told.splitlines()]
    (line,) = usage(folder, "--by", "month")
    for name in (
        "input_tokens",
        "cached_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "cost_nano_usd",
    ):
        assert sum(row[name] or 0 for row in rows) == (line[name] or 0), name
    assert line["attempts"] == len(rows)


def test_what_was_saved_is_net_and_signed(folder: Path, reckoned: Any) -> None:
    (line,) = usage(folder, "--by", "month")
    assert same(line["baseline_nano_usd"], reckoned["baseline"])
    assert same(line["saved_nano_usd"], reckoned["saved"])


def test_rated_again_nothing_changes(folder: Path) -> None:
    found = said(turnout("usage", "reprice", *SPAN, "--config", folder / "proxy.yaml"))
    assert (found["changed"], found["newly_known"]) == (0, 0)
    assert found["looked"] > 1500


def test_s22_its_figures_give_27_per_cent(tmp_path: Path) -> None:
    """$13.80 against $19.00, over rows of several backends, a retry and a helper; its own table said 76 %."""
    when = round(datetime.fromisoformat("2026-10-05T12:00:00+00:00").timestamp() * 1000)
    legs = [
        ("a", 1, None, "ok", 5_000, 12_000),
        ("b", 1, None, "fallback", 1_300, None),
        ("b", 2, None, "ok", 6_500, 7_000),
    ]
    legs.append(("c", 1, "b", "ok", 1_000, None))
    ledger = Ledger(tmp_path / "book.db")
    ledger.write(
        [
            UsageRecord(
                request_id=call, attempt=attempt, parent_id=parent, started_at=when, api="chat", outcome=outcome, alias="auto",
                input_tokens=1, output_tokens=1, cost_nano_usd=cost * 10**6, baseline="openai/gpt-5.6",
                baseline_nano_usd=None if baseline is None else baseline * 10**6,
            )
            for call, attempt, parent, outcome, cost, baseline in legs
        ]
    )  # fmt: skip
    ledger.close()
    (line,) = said(turnout("usage", *SPAN, "--ledger", tmp_path / "book.db"))
    assert (line["cost_nano_usd"], line["baseline_nano_usd"]) == (13_800_000_000, 19_000_000_000)
    assert round(line["saved_nano_usd"] / line["baseline_nano_usd"], 2) == 0.27
    told = turnout("usage", *SPAN[:-1], "--ledger", tmp_path / "book.db").stdout
    assert "$13.80" in told
    assert "$5.20 (27%)" in told
