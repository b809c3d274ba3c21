"""Station 6 without a road: what each kind of call draws, what moves on with it, and that it is settled once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from adapters import ir
from proxy import ids
from proxy.apis import APIS
from proxy.attempt import Attempt
from proxy.call import Call, Rejected
from proxy.house import House
from proxy.limits.drawing import draw, draw_again
from proxy.limits.stake import Stake
from proxy.opening import open_house
from proxy.snapshot import build_text
from proxy.turns import Turns
from proxy.write import begin

CONFIG = """
ledger: {{url: "sqlite:///{folder}/turnout.db"}}
backends:
  one: {{provider: openai, dialect: openai_chat, model: one, credential: k, price: {{input: 1000, output: 1000}}}}
  two: {{provider: openai, dialect: openai_chat, model: two, credential: k, price: {{input: 1, output: 1}}}}
  home: {{provider: vllm, base_url: "http://127.0.0.1:9/v1", model: m, price: {{input: 0, output: 0}}}}
aliases: {{both: {{use: [one, two]}}, dear: {{use: [one]}}, home: {{use: [one, home]}}}}
teams: {{t: {{limits: {{rpm: 100, tpm: 100000, parallel: 10}}, budget: {{usd: 10}}}}}}
keys:
  - {{name: k, team: t, secret: sk-k}}
  - {{name: free, secret: sk-free}}
  - {{name: homely, secret: sk-homely, budget: {{usd: 0.0001, on_exhausted: local}}}}
"""


def at(folder: Path, work: Callable[[House], Awaitable[None]]) -> None:
    async def run() -> None:
        text = CONFIG.format(folder=folder)
        house = open_house(build_text(text, file="t.yaml", generation=1, env={}), host="127.0.0.1", slot=0, workers=1)
        try:
            await work(house)
        finally:
            await house.close()

    asyncio.run(run())


def call_of(house: House, key: str, alias: str = "both", api: str = "chat", **more: object) -> Call:
    body = {"model": alias, "max_tokens": 300, "messages": [{"role": "user", "content": "Hi!"}], **more}
    call = Call(
        id=ids.uuid7(), api=next(each for each in APIS.values() if each.name == api), headers={}, peer=None,
        snapshot=house.snapshot, started=0.0, started_at=1, body=msgspec.json.encode(body),
        caller=next(each for each in house.snapshot.callers.values() if each.name == key),
    )  # fmt: skip
    call.read_head()
    house.decide(call)
    return call


def tried(call: Call, turns: Turns, **told: object) -> Attempt:
    attempt = begin(call, turns.target, 0.0)
    attempt.sent = 1.0
    for name, value in told.items():
        setattr(attempt, name, value)
    return attempt


def stakes(house: House) -> dict[str, Stake]:
    return {stake.limit.kind: stake for till in house.purse.tills for stake in till.stakes.values()}


def figures(house: House) -> dict[str, tuple[int, int]]:
    """kind -> (used, held)."""
    return {kind: (stake.used, stake.held) for kind, stake in stakes(house).items()}


def test_a_caller_without_limits_draws_nothing(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        call = call_of(house, "free")
        await draw(call, Turns(call, house.retries(call)), house)
        assert call.drawn is None
        assert not stakes(house)

    at(tmp_path, work)


def test_an_ordinary_call_draws_a_request_a_place_tokens_and_money_and_settles_them_once(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        call = call_of(house, "k")
        turns = Turns(call, house.retries(call))
        await draw(call, turns, house)
        held = figures(house)
        assert held["requests"] == (1, 0)
        assert held["parallel"] == (0, 1)
        assert held["tokens"] == (0, 51 + 300)
        assert held["usd"] == (0, 351 * 1_000_000)
        usage = ir.Usage(input=2, output=100)
        tried(call, turns, upstream_status=200, first_event=1.0, usage=usage)
        for _ in range(2):
            house.record(call)
        assert figures(house) == {
            "requests": (1, 0), "parallel": (0, 0), "tokens": (102, 0), "usd": (102 * 1_000_000, 0),
        }  # fmt: skip
        assert stakes(house)["usd"].exposed == 0

    at(tmp_path, work)


def test_a_helper_call_is_part_of_a_request_that_was_counted(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        call = call_of(house, "k")
        call.parent_id = "x"
        await draw(call, Turns(call, house.retries(call)), house)
        found = figures(house)
        assert found["requests"] == found["parallel"] == (0, 0)
        assert found["tokens"][1] > 0
        assert found["usd"][1] > 0

    at(tmp_path, work)


def test_a_count_and_a_kept_answer_are_requests_and_nothing_else(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        count = call_of(house, "k", api="count_tokens")
        await draw(count, Turns(count, house.retries(count)), house)
        kept = call_of(house, "k")
        await draw_again(kept, house)
        house.record(kept)
        assert figures(house) == {"requests": (2, 0), "parallel": (0, 0), "tokens": (0, 0), "usd": (0, 0)}

    at(tmp_path, work)


@pytest.mark.parametrize(
    ("told", "charged"),
    [
        ({"upstream_status": 503, "failure": ir.Failure("overloaded", 503, "x")}, 0),
        ({"sent": None, "failure": ir.Failure("unreachable", 502, "x")}, 0),
        ({"failure": ir.Failure("unreachable", 502, "x")}, 0),
        ({"upstream_status": 200, "failure": ir.Failure("overloaded", 503, "x")}, 0),
        ({"failure": ir.Failure("timeout", 504, "x")}, 351_000_000),
        ({"upstream_status": 200, "failure": ir.Failure("bad_response", 502, "x")}, 351_000_000),
        ({"upstream_status": 200, "first_event": 1.0, "failure": ir.Failure("interrupted", 502, "x")}, 351_000_000),
        ({"upstream_status": 200, "first_event": 1.0, "usage": ir.Usage(input=2, output=8)}, 10_000_000),
    ],
)
def test_what_moves_on_holds_the_next_targets_money_and_pays_what_was_used(
    told: dict[str, object], charged: int, tmp_path: Path
) -> None:
    async def work(house: House) -> None:
        call = call_of(house, "k")
        turns = Turns(call, house.retries(call))
        await draw(call, turns, house)
        tried(call, turns, **told)
        assert turns.skip()
        await draw(call, turns, house)
        first = 351_000_000 if charged else 0
        assert figures(house)["usd"] == (0, first + 351_000)
        assert (figures(house)["requests"], figures(house)["parallel"]) == ((1, 0), (0, 1))
        tried(call, turns, upstream_status=200, first_event=1.0, usage=ir.Usage(input=2, output=8))
        house.record(call)
        assert figures(house)["usd"] == (charged + 10_000, 0)

    at(tmp_path, work)


def test_a_refused_call_gives_everything_back(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        call = call_of(house, "k", "dear", max_tokens=100_000)
        first = call_of(house, "k", "dear", max_tokens=9900)
        turns = Turns(first, house.retries(first))
        await draw(first, turns, house)
        tried(first, turns, upstream_status=200, first_event=1.0, usage=ir.Usage(input=0, output=9_900))
        house.record(first)
        with pytest.raises(Rejected, match="Team 't' has spent"):
            await draw(call, Turns(call, house.retries(call)), house)
        house.record(call)
        found = figures(house)
        assert found["requests"] == (1, 0)
        assert found["tokens"] == (9_900, 0)
        assert found["parallel"] == (0, 0)
        assert found["usd"][1] == 0

    at(tmp_path, work)


def test_a_spent_budget_goes_on_to_the_plans_local_targets(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        call = call_of(house, "homely", "home")
        turns = Turns(call, house.retries(call))
        await draw(call, turns, house)
        assert turns.target.backend == "home"
        assert call.decision is not None
        assert "one left out: too little is left of the budget of key 'homely'" in call.decision.trace
        decided = call_of(house, "homely", "dear")
        turns = Turns(decided, house.retries(decided))
        await draw(decided, turns, house)
        assert turns.target.backend == "home"
        assert decided.decision is not None
        assert "the budget of key 'homely' is spent: local backends only" in decided.decision.trace

    at(tmp_path, work)
