"""What hybrid costs against Claude alone, session by session: ``python tests/bench/replay.py`` prints the table.

Every request goes through the real thing, in process: proxy.yaml compiled into the rules, the classifier, the targets'
abilities, stickiness, prices of the sheet. Only the vendor's cache is simulated: what was sent is kept for five minutes
after it was last read; reading costs a tenth, writing a quarter more. Tokens are the estimate of policies.text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from replay_sessions import Request, Session, sessions

from adapters import ir
from policies import pricing
from policies.classify import classify
from policies.facts import estimate_input, observe
from policies.moment import Moment
from policies.pricing import NANO, Price
from policies.sticky import SHORT, Answered, answered, home
from policies.verdict import Caller, Target
from proxy.prices import Prices
from proxy.snapshot import Snapshot, build_text

NOW = 1_795_176_000.0
"""Noon of 20 November 2026: the sheet's prices are dated."""
CONFIG = """version: 1
backends:
  oss:    {provider: vllm, model: openai/gpt-oss-120b, base_url: "http://127.0.0.1:8000/v1", context: 131072,
           capabilities: {tools: true}, price: {input: 0.05, output: 0.2}}
  claude: {provider: anthropic, model: claude-sonnet-5, credential: sk-none}
aliases:
  claude_only: {policy: claude_only}
  hybrid:      {policy: hybrid}
  tool_loop:   {policy: loop}
  never:       {policy: restless}
policies:
  loop:     {extends: hybrid, sticky: tool_loop}
  restless: {extends: hybrid, sticky: never}
"""
ALIASES = ("claude_only", "hybrid", "tool_loop", "never")


@dataclass
class Cache:
    """What one vendor has kept of one session, whose requests only ever grow."""

    tokens: int = 0
    read: float = 0.0

    def usage(self, target: Target, tokens: int, output: int, now: float) -> ir.Usage:
        minimum = target.upstream.capabilities.cache_minimum
        if minimum is None:
            return ir.Usage(input=tokens, output=output)
        kept = min(self.tokens, tokens) if now - self.read <= SHORT else 0
        if tokens >= minimum:
            self.tokens, self.read = tokens, now
        written = tokens - kept if tokens >= minimum else 0
        return ir.Usage(input=tokens, output=output, cached=kept, cache_write=written)


@dataclass
class Told:
    """One session under one policy."""

    cost: int = 0
    backends: list[str] = field(default_factory=list)

    @property
    def switches(self) -> int:
        return sum(one != other for one, other in zip(self.backends, self.backends[1:], strict=False))


class Replay:
    """The house, as far as a decision needs it."""

    def __init__(self) -> None:
        self.snapshot: Snapshot = build_text(CONFIG, file="proxy.yaml", generation=1, env={}, now=NOW)
        self._prices = Prices()

    def price(self, target: Target) -> Price | None:
        own, upstream = self.snapshot.backends[target.backend].price, target.upstream
        return self._prices.quote(upstream.provider, upstream.model, now=NOW, own=own, local=target.local).price

    def run(self, session: Session, alias: str) -> Told:
        told, caches, last, now = Told(), {name: Cache() for name in self.snapshot.backends}, None, NOW
        for asked in session.requests:
            now += asked.wait
            target = self.decide(asked, alias, last, now)
            usage = caches[target.backend].usage(target, estimate_input(asked.request), asked.answer, now)
            price = self.price(target)
            cost = None if price is None else pricing.cost(usage, price)
            assert cost is not None, target.backend
            told.cost += cost
            told.backends.append(target.backend)
            last = answered(target, usage, now)
        return told

    def decide(self, asked: Request, alias: str, last: Answered | None, now: float) -> Target:
        """Who is asked first."""
        route = self.snapshot.aliases[alias]
        seen = observe(
            asked.request, alias=alias, api="chat", stream=False, caller=Caller(), headers={}, classify=classify
        )
        known = None if last is None else home(last, now, answers_calls=asked.answers_calls)
        moment = Moment(price=self.price, home=known)
        decision = self.snapshot.book.decide(
            route, seen, caller=Caller(), refuses=lambda _: (), moment=moment, pin=None
        )
        return decision.plan[0]


@dataclass(frozen=True)
class Row:
    """One policy over some sessions."""

    sessions: str
    alias: str
    dollars: float
    saved: float
    """Share of what claude_only costs."""
    dearer: int
    """Sessions that cost more than under claude_only."""
    local: float
    """Share of the requests."""
    switches: tuple[float, float, int]
    """Per session: median, p95, most."""


def replay(given: Sequence[Session]) -> list[Row]:
    """For chats, agents and all of them: each policy beside claude_only."""
    house = Replay()
    found = {alias: [house.run(session, alias) for session in given] for alias in ALIASES}
    groups = {"chats": "chat", "agents": "agent", "all": ""}
    rows = []
    for name, kind in groups.items():
        at = [index for index, session in enumerate(given) if session.kind.startswith(kind)]
        base = [found["claude_only"][index] for index in at]
        rows += [_row(name, alias, [found[alias][index] for index in at], base) for alias in ALIASES]
    return rows


def _row(name: str, alias: str, told: Sequence[Told], base: Sequence[Told]) -> Row:
    total, before = sum(each.cost for each in told), sum(each.cost for each in base)
    switches = [each.switches for each in told]
    backends = [backend for each in told for backend in each.backends]
    dearer = sum(each.cost > other.cost for each, other in zip(told, base, strict=True))
    spread = (median(switches), quantiles(switches, n=20)[-1], max(switches))
    return Row(name, alias, total / NANO, 1 - total / before, dearer, backends.count("oss") / len(backends), spread)


def main() -> None:
    given = sessions()
    requests = sum(len(session.requests) for session in given)
    print(f"{len(given)} sessions, {requests} requests; claude-sonnet-5 of the sheet, oss at $0.05 / $0.2 a million")
    print(f"{'':7} {'policy':12} {'dollars':>8} {'saved':>7} {'dearer':>7} {'local':>7}   switches: median p95 max")
    for row in replay(given):
        middle, late, most = row.switches
        counts = f"{row.dollars:8.2f} {row.saved:7.1%} {row.dearer:7} {row.local:7.1%}"
        print(f"{row.sessions:7} {row.alias:12} {counts}   {middle:16.1f} {late:3.0f} {most:3}")


if __name__ == "__main__":
    main()
