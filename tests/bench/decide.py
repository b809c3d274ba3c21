"""What a decision costs in process: ``python tests/bench/decide.py`` prints microseconds per decision.

*rules* is what the rules cost: the moment, the facts and ``Book.decide``. *station 4* is ``decide``, which also asks the
dialects of all targets what they cannot be told of the request. The shortest of many rounds counts, so that a busy
machine does not.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from policies.facts import observe  # noqa: E402
from policies.verdict import Decision  # noqa: E402
from proxy import ids  # noqa: E402
from proxy.apis import APIS  # noqa: E402
from proxy.call import Call  # noqa: E402
from proxy.decide import decide, route_of  # noqa: E402
from proxy.house import House  # noqa: E402
from proxy.opening import open_house  # noqa: E402
from proxy.snapshot import build_text  # noqa: E402

CONFIG = """\
ledger: {{url: "sqlite:///{folder}/bench.db"}}
backends:
  oss: {{provider: vllm, base_url: "http://127.0.0.1:9/v1", model: gpt-oss-120b}}
  mini: {{provider: ollama, base_url: "http://127.0.0.1:9", model: "llama3.2:3b"}}
  claude: {{provider: anthropic, model: claude-sonnet-5, credential: sk-x}}
  gpt: {{provider: openai, model: gpt-5.6, credential: sk-y}}
roles: {{local: oss}}
guards:
  - {{when: {{data_class: restricted}}, only: {{local: true}}}}
policies:
  plain: {{rules: [{{use: [gpt]}}]}}
  hundred:
    rules:
{hundred}
      - {{use: [gpt]}}
aliases:
  plain: {{policy: plain}}
  claude_only: {{policy: claude_only}}
  local_fallback: {{policy: local_fallback}}
  hundred: {{policy: hundred}}
  hybrid: {{policy: hybrid}}
"""
WORDS = (
    "{team: t%d}", "{caller: c%d, stream: true}", "{tags: [a%d, b]}", "{headers: {x-mode: m%d}}", "{alias: 'x%d-*'}",
    "{data_class: d%d}", "{any: [{team: t%d}, {tags: z}]}", "{model: m%d, api: chat}",
)  # fmt: skip
BODY = '{"model": "%s", "messages": [{"role": "user", "content": "%s"}]}'
SHORT = "What is the capital of France? Answer in one word, please."
ROUNDS, EACH = 40, 100


def opened(folder: str) -> House:
    lines = [f"      - {{when: {WORDS[n % len(WORDS)] % n}, use: [claude]}}" for n in range(99)]
    text = CONFIG.format(folder=folder, hundred="\n".join(lines))
    snapshot = build_text(text, file="bench.yaml", generation=1, env={})
    return open_house(snapshot, host="127.0.0.1", slot=0, workers=1)


def call_of(house: House, alias: str, text: str = SHORT) -> Call:
    call = Call(
        id=ids.uuid7(), api=next(api for api in APIS.values() if api.name == "chat"), headers={"x-mode": "none"},
        peer="127.0.0.1", snapshot=house.snapshot, started=0.0, started_at=0, body=(BODY % (alias, text)).encode(),
    )  # fmt: skip
    call.read_head()
    return call


def by_rules(house: House, alias: str) -> Callable[[], Decision]:
    """The rules alone: no body is read, no dialect asked."""
    call = call_of(house, alias)
    _, route = route_of(call)
    book = house.snapshot.book

    def once() -> Decision:
        moment = house.moment(call)
        facts = observe(
            None, alias=call.head.model, api="chat", stream=False, caller=call.caller, headers=call.headers,
            now=moment.time, conditions={"health": moment.health, "budget_used": None},
        )  # fmt: skip
        return book.decide(route, facts, caller=call.caller, refuses=lambda _: (), moment=moment)

    return once


def station(house: House, alias: str, text: str = SHORT) -> Callable[[], Decision]:
    """Station 4 as a call meets it, its body parsed once before."""
    call = call_of(house, alias, text)
    decide(call, house.moment(call))
    return lambda: decide(call, house.moment(call))


def measured(once: Callable[[], object]) -> float:
    """Microseconds, the best round's mean."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(EACH):
            once()
        best = min(best, (time.perf_counter() - start) / EACH)
    return best * 1e6


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = opened(folder)
        rows = [
            ("claude_only, rules", by_rules(house, "claude_only"), 8),
            ("local_fallback, rules", by_rules(house, "local_fallback"), 8),
            ("100 rules, rules", by_rules(house, "hundred"), 40),
            ("one rule, station 4", station(house, "plain"), None),
            ("claude_only, station 4", station(house, "claude_only"), None),
            ("100 rules, station 4", station(house, "hundred"), None),
            ("hybrid, 15 tokens, station 4", station(house, "hybrid"), 150),
            ("hybrid, 2,000 tokens, station 4", station(house, "hybrid", "why is the sky so blue? " * 333), 500),
        ]
        print(f"{'decision':<34}{'us':>8}{'target':>9}")
        for name, once, target in rows:
            print(f"{name:<34}{measured(once):>8.1f}{target or '':>9}")


if __name__ == "__main__":
    main()
