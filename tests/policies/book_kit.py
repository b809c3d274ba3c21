"""What the tests of the rule language share: backends on paper, a book from YAML text, a decision in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from ruamel.yaml import YAML

from adapters import ir
from policies.classify import classify
from policies.facts import Facts, observe
from policies.library import load
from policies.moment import Moment
from policies.rules.book import Book
from policies.rules.compiler import compile_book
from policies.rules.grammar import Guard, Policy, Route
from policies.verdict import Caller, Decision, Target


def parse(text: str) -> Any:
    return YAML(typ="safe").load(text)


LIBRARY: dict[str, Policy] = {name: msgspec.convert(parse(text), Policy) for name, text in load().items()}


def target(name: str, *, local: bool = False, **able: Any) -> Target:
    upstream = ir.Upstream(provider="p", dialect="openai_chat", model=f"m-{name}", capabilities=ir.Capabilities(**able))
    return Target(name, upstream, local)


TARGETS = {
    each.backend: each
    for each in (target("oss", local=True, context=8_000, images=False), target("claude"), target("gemini"))
}
ROLES: dict[str, tuple[str, ...]] = {"local": ("oss",), "cloud": ("clouds",), "claude": ("claude",)}
POOLS: dict[str, tuple[str, ...]] = {"clouds": ("claude", "gemini")}


def book(policies: str = "{}", guards: str = "[]", **changes: Any) -> Book:
    given: dict[str, Any] = {"pools": POOLS, "roles": ROLES, "targets": TARGETS, "library": LIBRARY}
    return compile_book(
        msgspec.convert(parse(policies), dict[str, Policy]),
        msgspec.convert(parse(guards), list[Guard]),
        **(given | changes),
    )


def rules(*lines: str, **changes: Any) -> Book:
    """A book with one policy, ``p``, of these rules."""
    return book("p:\n  rules:\n" + "".join(f"    - {line}\n" for line in lines), **changes)


def ask(text: str = "Hello there, my good old friend", **fields: Any) -> ir.Request:
    messages = (ir.Message("user", (ir.Text(text),)),)
    return ir.Request(**({"model": "auto", "messages": messages} | fields))


def tool(name: str = "get_weather") -> ir.Tool:
    return ir.Tool(name, parameters={"type": "object"})


def facts(request: ir.Request | None = None, **changes: Any) -> Facts:
    given: dict[str, Any] = {
        "alias": "auto", "api": "chat", "stream": False, "caller": Caller(), "headers": {},
        "now": datetime(2026, 11, 20, 10, 30),  # noqa: DTZ001 - a wall clock, as rules read it
        "classify": classify, "conditions": {},
    }  # fmt: skip
    return observe(request, **(given | changes))


def nothing(_: Target) -> Sequence[ir.Named]:
    return ()


def decide(
    book: Book,
    request: ir.Request | None = None,
    *,
    policy: str | None = "p",
    route: Route | None = None,
    caller: Caller | None = None,
    pin: str | None = None,
    refuses: Mapping[str, Sequence[ir.Named]] | None = None,
    away: Mapping[str, str] | None = None,
    **changes: Any,
) -> Decision:
    who = caller or Caller()
    return book.decide(
        route or Route(alias="auto", policy=policy),
        facts(request, caller=who, **changes),
        caller=who,
        refuses=lambda each: (refuses or {}).get(each.backend, ()),
        moment=Moment(available=lambda each: (away or {}).get(each.backend)),
        pin=pin,
    )


def plan(decision: Decision) -> list[str]:
    return [each.backend for each in decision.plan]
