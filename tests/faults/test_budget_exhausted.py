"""Done-when 7: a $50 team at 99 %, an unpriced model, a 64k output by default, twenty calls at one time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from crowd import Told, crowd, statuses
from live import ENTRY, ROOT, Live
from spending import config, vendor

from policies.pricing import NANO, cost
from proxy.ledger.record import UsageRecord
from proxy.ledger.sqlite import Ledger
from proxy.prices import Prices

SPENT = 49_500_000_000
MODELS = {
    "unpriced": "timeouts: {connect: 5s}, capabilities: {max_output: 64000}",
    "priced": "price: {input: 10, output: 50}, capabilities: {max_output: 64000}",
}


def spent_before(folder: Path) -> None:
    """What the team has spent this month stands in the ledger."""
    ledger = Ledger(folder / "turnout.db")
    ledger.write(
        [
            UsageRecord(
                request_id=f"r{index}", started_at=int(time.time() * 1000), tenant="interns", api="chat", outcome="ok",
                backend="cloud", cost_nano_usd=SPENT // 11,
            )
            for index in range(11)
        ]
    )  # fmt: skip
    ledger.close()


def budget(live: Live) -> dict[str, Any]:
    """As ``turnout budget list`` tells it, while Turnout runs."""
    told = subprocess.run(
        [*ENTRY, "budget", "list", "--json", "--config", "proxy.yaml"],
        cwd=live.folder, env={**live.env, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    [found] = msgspec.json.decode(told.stdout)
    return dict(found)


def rounds(live: Live) -> list[list[Told]]:
    """Twenty at one time, again when they are told to, until nobody is told to."""
    found = []
    for _ in range(60):
        told = crowd([live.url], 20, "sk-k")
        found.append(told)
        again = [float(each.headers["retry-after"]) for each in told if "retry-after" in each.headers]
        if not again and not any(each.status == 200 for each in told):
            return found
        time.sleep(min(again, default=0.0))
    raise AssertionError("it never came to an end")


def least(price: Any) -> int:
    """The least that is useful: 256 tokens, and a question."""
    from adapters import ir

    return cost(ir.Usage(input=60, output=256), price) or 0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("tokens", [40, 5000])
def test_a_team_at_99_per_cent_spends_the_last_and_no_more(model: str, tokens: int, tmp_path: Path) -> None:
    more = "teams: {interns: {budget: {usd: 50}}}\nkeys: [{name: k, team: interns, secret: sk-k}]\n"
    spent_before(tmp_path)
    with vendor() as seller:
        seller.tokens = tokens
        text = config(seller.url, more, price=MODELS[model], model="gpt-nobody-knows")
        with Live(text, folder=tmp_path) as live:
            found = rounds(live)
            live.until(lambda: budget(live)["reserved_nano_usd"] == 0, "nothing held")
            now = budget(live)
            flags = {flag for row in live.rows() for flag in (row.flags or "").split(", ") if flag}
    price = Prices().dearest("openai", now=time.time()).price if model == "unpriced" else _own()
    answered = sum(each.status == 200 for told in found for each in told)
    everything: Sequence[Told] = [each for told in found for each in told]
    print(
        model, tokens, f"{answered} answers in {len(found)} rounds of 20", statuses(everything),
        f"${now['used_nano_usd'] / NANO:.6f} of $50", f"least ${least(price) / NANO:.4f}", sorted(flags)[:2], file=sys.stderr,
    )  # fmt: skip
    assert now["used_nano_usd"] <= 50 * NANO
    assert now["left_nano_usd"] < least(price)
    assert answered >= 3
    assert set(statuses(everything)) == {"200", "insufficient_quota"}
    assert ("price_assumed" in flags) == (model == "unpriced")
    last = found[-1][0]
    message = last.body["error"]["message"]
    assert message.startswith("Team 'interns' has spent $49.")
    assert "of its $50.00 for " in message
    assert "is left and this call may cost $" in message
    assert "It resets on 20" in message
    assert last.headers["x-should-retry"] == "false"


def _own() -> Any:
    from policies.pricing import Price, per_million

    return Price(input=per_million(10), output=per_million(50))
