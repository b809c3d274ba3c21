"""An explanation for eyes: what was asked and decided, each target with its numbers, and every rule on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from policies.classify import Verdict
    from policies.verdict import Decision
    from proxy.explain import Explained
    from proxy.forecast import Forecast

_REASONS = 5


def lines(found: Explained, asker: str | None, source: str, *, body: bool) -> Iterator[str]:
    """``asker``: who asks, if that is to be told; ``source``: API and file; ``body``: what is sent, too."""
    decision = found.decision
    assert decision is not None  # noqa: S101 - the caller has told a failure without one
    yield _line("asked", f"{decision.facts.get('alias', '')} ({source}")
    if asker is not None:
        yield _line("caller", asker)
    yield from _class(decision)
    if decision.data_class:
        yield _line("data", ", ".join(sorted(decision.data_class)))
    yield _line("policy", f"{decision.policy} {decision.policy_hash}")
    yield from _column("override", decision.overrides)
    yield _line("rule", f"{decision.rule or 'none'}{f': {decision.reason}' if decision.reason else ''}")
    if found.failure is not None:
        yield _line("denied", f"{found.failure.status} {found.failure.code or ''}: {found.failure.message}")
    if found.target is not None:
        later = [target.backend for target in decision.plan[1:]]
        then = f", then {', '.join(later)}" if later else ""
        yield _line("backend", f"{found.target.backend} ({found.target.upstream.model}){then}")
    for name, value in decision.set.items():
        yield _line("set", f"{name}: {value}")
    for named in found.dropped:
        yield _line("dropped", f"{named.name}: {named.why}")
    if found.cache is not None:
        passes = found.cache["bypass"]
        yield _line("cache", f"passed by: {passes}" if passes else f"an answer is kept for {found.cache['ttl']:g} s")
    yield from _column("targets", [_target(each) for each in found.forecasts])
    yield from _column("", [f"{name}: left out, {why}" for name, why in decision.skipped])
    if body and found.forecasts:
        yield from _column("sent", _sent(found.forecasts[0]))
    yield from _column("unknown", found.missing)
    yield from story(decision.trace, decision.facts)


def story(trace: Iterable[str], facts: object) -> Iterator[str]:
    """The trace and the facts, as every explanation ends."""
    yield from _column("trace", trace)
    yield from _column("facts", [f"{name}: {value}" for name, value in msgspec.to_builtins(facts).items()])


def _class(decision: Decision) -> Iterator[str]:
    if decision.cls is None:
        return
    verdict = decision.verdict
    told = [f"P(local is worse) {verdict.p_local_worse:.2f}, score {verdict.score:+.2f}"] if verdict else []
    told += [f"gate {decision.gate}"] if decision.gate else []
    told += [f"by {decision.facts['class_by']}"] if "class_by" in decision.facts else []
    yield _line("class", f"{decision.cls} ({', '.join(told)})" if told else decision.cls)
    if verdict is not None:
        yield from _column("", _reasons(verdict))


def _reasons(verdict: Verdict) -> list[str]:
    """The largest parts of the score, and what the others add up to."""
    shown, rest = verdict.reasons[:_REASONS], verdict.reasons[_REASONS:]
    told = [f"{each.contribution:+.2f} {each.feature} ({each.value:g})" for each in shown]
    return [*told, f"{sum(each.contribution for each in rest):+.2f} {len(rest)} more"] if rest else told


def _target(each: Forecast) -> str:
    tokens = "" if each.input_tokens is None else f": about {each.input_tokens} tokens in, {each.output_tokens} out"
    cost = "price unknown" if each.cost_nano_usd is None else f"${each.cost_nano_usd / 1e9:.6f}"
    dropped = f"; not told: {', '.join(each.dropped)}" if each.dropped else ""
    effort = f"; effort {each.effort}" if each.effort else ""
    return f"{each.backend} ({each.dialect}{', bytes unread' if each.exact else ''}){tokens}, {cost}{effort}{dropped}"


def _sent(each: Forecast) -> list[str]:
    if each.body is None:
        return [each.unwritten or "nothing"]
    pretty = msgspec.json.format(bytes(each.body), indent=2).decode()
    return [f"POST {each.path}", *pretty.splitlines()]


def _column(name: str, texts: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(texts):
        yield _line("" if number else name, text)


def _line(name: str, text: str) -> str:
    return f"{name:<10}{text}".rstrip()
