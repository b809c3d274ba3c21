"""Condensing in dollars: conversations of thirty turns through a real Turnout, with and without, at simulated vendors.

Run from the repository's root: PYTHONPATH=.:tests python tests/bench/condense.py
The local model is simulated (an extractive summariser, and worse ones); tokens are the estimate's; the cloud caches
prefixes as OpenAI does. Every dollar is one of the ledger's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from condensing import (
    PLANTED,
    Condenser,
    Json,
    PrefixCache,
    asleep,
    conversation,
    extractive,
    forgetful,
    lying,
    shortened,
)
from live import Live
from msgspec import Struct
from public_door import CHAT, Heard, post
from scripted import Answer, Asked, Upstream, scripted

from proxy.ledger.record import UsageRecord

PRICES = {
    "oss": "{input: 0.05, output: 0.2}",
    "sonnet": "{input: 3, output: 15, cached: 0.3, cache_write: 3.75}",
    "gpt": "{input: 2.5, output: 10, cached: 0.25}",
    "plain": "{input: 2, output: 8}",
    "bargain": "{input: 0.04, output: 0.1}",
}
CLOUDS = [name for name in PRICES if name != "oss"]


def config(url: str) -> str:
    rows = [
        f'  {name}: {{provider: {"vllm" if name == "oss" else "openai_compatible"}, base_url: "{url}/v1", model: {name},'
        f" local: {'true' if name == 'oss' else 'false'}, price: {price}}}"
        for name, price in PRICES.items()
    ]
    rules = [f"  {name}: {{rules: [{{use: [{name}], condense: oss}}]}}" for name in CLOUDS]
    aliases = [f"  {name}: {{policy: {name}}}\n  {name}-as-it-is: {{use: [{name}]}}" for name in CLOUDS]
    return "\n".join(["version: 1", "backends:", *rows, "policies:", *rules, "aliases:", *aliases, ""])


class Outcome(Struct):
    """One conversation, sent with and without condensing."""

    name: str
    plain: int
    """Nano-dollars."""
    condensed: int
    helpers: int
    """Of which the local model."""
    calls: int
    facts: int
    paired: bool
    why: str

    @property
    def saved(self) -> int:
        return self.plain - self.condensed


class Stage:
    """A Turnout between a client and simulated upstreams."""

    def __init__(self, live: Live, upstream: Upstream) -> None:
        self.live, self.upstream, self.sent = live, upstream, list[Json]()
        self.local: Condenser | None = extractive
        self._vendors: dict[str, PrefixCache] = {}
        upstream.reply = self._reply

    def _reply(self, asked: Asked) -> Answer:
        name = asked.body["model"]
        if name == "oss":
            return shortened(asked, self.local) if self.local is not None else Answer(status=500)
        self.sent.append(asked.body)
        return self._vendors.setdefault(name, PrefixCache())(asked)

    def ask(self, alias: str, messages: Sequence[Json]) -> Heard:
        found = post(self.live, CHAT, {"model": alias, "messages": messages})
        assert found.status == 200, found.raw
        return found

    def play(
        self, name: str, cloud: str, turns: Sequence[int], local: Condenser = extractive, *, cached: bool = False
    ) -> Outcome:
        """``turns``: how long the conversation is each time that it is sent. ``cached``: the cloud has read it whole
        before, while the local model was away."""
        self._vendors.clear()
        mark = {"role": "user", "content": f"This is the conversation called {name!r}."}
        threads = [[*conversation(n)[:1], mark, *conversation(n)[1:]] for n in turns]
        if cached:
            self.local = None
            self.ask(cloud, threads[0][:-4])
        self.local = local
        with_ = [self._rows(self.ask(cloud, thread)) for thread in threads]
        sent = self.sent[-len(threads) :]
        self._vendors.clear()
        if cached:
            self.ask(f"{cloud}-as-it-is", threads[0][:-4])
        without = [self._rows(self.ask(f"{cloud}-as-it-is", thread)) for thread in threads]
        return _outcome(name, [row for rows in with_ for row in rows], [row for rows in without for row in rows], sent)

    def _rows(self, found: Heard) -> list[UsageRecord]:
        return self.live.rows_of(found.id)


def _outcome(name: str, with_: list[UsageRecord], without: list[UsageRecord], sent: list[Json]) -> Outcome:
    said = [msgspec.json.encode(body["messages"]).decode().replace("\\", "") for body in sent]
    helpers = [row for row in with_ if row.parent_id is not None]
    trace = (next(row for row in with_ if row.parent_id is None).trace or "").splitlines()
    return Outcome(
        name,
        plain=_cost(without),
        condensed=_cost(with_),
        helpers=_cost(helpers),
        calls=len(helpers),
        facts=min(sum(fact in text for fact in PLANTED) for text in said),
        paired=all(_paired(body["messages"]) for body in sent),
        why=next((line for line in trace if line.startswith("condense: ")), "").removeprefix("condense: "),
    )


def _cost(rows: Sequence[UsageRecord]) -> int:
    return sum(row.cost_nano_usd or 0 for row in rows)


def _paired(messages: Sequence[dict[str, Any]]) -> bool:
    calls = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    return calls == [message["tool_call_id"] for message in messages if message["role"] == "tool"]


WINS: dict[str, Callable[[Stage], Outcome]] = {
    "30 turns come to a cloud without a cache": lambda s: s.play("uncached", "plain", [30]),
    "30 turns come to GPT for the first time": lambda s: s.play("first", "gpt", [30]),
    "30 turns come to Claude for the first time": lambda s: s.play("claude", "sonnet", [30]),
    "… and go on there for four turns more": lambda s: s.play("goes on", "sonnet", [30, 32, 34]),
    "a condenser that forgets nearly all": lambda s: s.play("forgetful", "gpt", [30], forgetful),
}
LOSES: dict[str, Callable[[Stage], Outcome]] = {
    "the cloud has it all in its cache": lambda s: s.play("cached", "sonnet", [30], cached=True),
    "the cloud is as cheap as the local model": lambda s: s.play("cheap", "bargain", [30]),
    "a short history": lambda s: s.play("short", "sonnet", [7]),
}
WASTES: dict[str, Callable[[Stage], Outcome]] = {
    "a condenser that invents numbers": lambda s: s.play("lying", "gpt", [30], lying),
    "a condenser that does not shorten": lambda s: s.play("asleep", "gpt", [30], asleep),
    "… the next conversation": lambda s: s.play("asleep again", "gpt", [30], asleep),
}


def measure() -> dict[str, dict[str, Outcome]]:
    """Every conversation: those that are to pay, those built to lose, and those where the local model is no good."""
    with scripted() as upstream, Live(config(upstream.url)) as live:
        stage = Stage(live, upstream)
        groups = {"acts": WINS, "refuses": LOSES, "wasted": WASTES}
        return {group: {name: play(stage) for name, play in plays.items()} for group, plays in groups.items()}


def _row(name: str, found: Outcome) -> str:
    money = " | ".join(f"{nano / 1e9:.5f}" for nano in (found.plain, found.condensed, found.helpers))
    share = 100 * found.saved / found.plain
    facts = f"{found.facts} of {len(PLANTED)}"
    return f"| {name} | {money} | {share:+.1f} % | {facts} | {'yes' if found.paired else 'NO'} | {found.why} |"


def main() -> None:
    print("| conversation | plain $ | condensed $ | of which local $ | saved | facts | tool pairs | guard |")
    print("|---|---|---|---|---|---|---|---|")
    for group, found in measure().items():
        print(f"| **{group}** | | | | | | | |")
        for name, outcome in found.items():
            print(_row(name, outcome))


if __name__ == "__main__":
    main()
