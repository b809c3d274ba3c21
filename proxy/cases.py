"""Cases of ``turnout policy test``: requests, what is so at that moment, and what is to be decided on them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from policies.load import Load
from policies.moment import Moment
from policies.verdict import Target
from proxy.apis import guessed
from proxy.explain import Explained, explain, named, unhindered
from proxy.settings.shape import mistakes
from proxy.settings.source import ConfigError, Mistake, parse
from proxy.snapshot import Snapshot


class Expect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"cls": "class"}):
    """What must hold; what is left out may be anything."""

    backend: str | None = None
    """Who is asked first."""
    plan: list[str] | None = None
    policy: str | None = None
    rule: str | None = None
    cls: Literal["simple", "moderate", "complex"] | None = None
    denied: bool | None = None
    status: int | None = None
    """Of the error that the client would get before anybody is asked."""
    code: str | None = None
    skipped: list[str] | None = None
    """Backends that were left out."""
    dropped: list[str] | None = None
    set: dict[str, Any] | None = None
    data_class: list[str] | None = None


class Case(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One case. ``request`` is a whole request; ``text`` stands for a chat request of one user turn."""

    name: str | None = None
    text: str | None = None
    request: dict[str, Any] | None = None
    model: str | None = None
    """The alias, where the request names none; ``auto`` by default."""
    api: Literal["chat", "responses", "messages", "embeddings", "completions"] | None = None
    key: str | None = None
    """The name of the key that asks."""
    headers: dict[str, str] = {}
    time: str | None = None
    """ISO 8601; UTC unless it says otherwise."""
    down: list[str] = []
    """Backends that are not to be offered."""
    load: dict[str, Annotated[float, Meta(ge=0, le=1)]] = {}
    """backend -> share of what it can do at once."""
    budget_used: Annotated[float, Meta(ge=0, le=10)] | None = None
    """Share of one."""
    budget_pace: Annotated[float, Meta(ge=0, le=1000)] | None = None
    """Share of one that the window will have used at its end."""
    draw: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """What ``order: weighted`` draws by: 0 <= draw < 1."""
    expect: Expect

    @property
    def title(self) -> str:
        return self.name or self.text or "a request"


class Difference(Struct, frozen=True):
    """One thing that is not as it was to be."""

    what: str
    expected: Any
    got: Any


def read_cases(text: str, file: str) -> list[Case]:
    """A list of cases, or a mapping with the list under ``cases``. Raises ConfigError with line and mend."""
    source = parse(text, file, listed="cases")
    found = source.value.get("cases")
    problems = [source.problem(path, message) for path, message in _mistakes(found)]
    if problems:
        raise ConfigError(problems)
    return msgspec.convert(found, list[Case], strict=False)


def _mistakes(found: Any) -> list[Mistake]:
    if not found:
        return [(("cases",), "there are none: write a list of cases")]
    told = mistakes(list[Case], found, ("cases",))
    if told:
        return told
    return [
        (("cases", index), "write 'text' or 'request', one of them")
        for index, case in enumerate(found)
        if ("text" in case) == ("request" in case)
    ]


def judge(snapshot: Snapshot, case: Case) -> tuple[Explained, list[Difference]]:
    """What is decided on a case, and where that differs from what it expects. Raises ValueError for a case that asks
    for what is not there."""
    body = _body(case)
    caller = named(snapshot, case.key) if case.key is not None else None
    if case.key is not None and caller is None:
        raise ValueError(f"there is no key '{case.key}' in the configuration")
    unknown = [name for name in (*case.down, *case.load) if name not in snapshot.backends]
    if unknown:
        raise ValueError(f"there is no backend '{unknown[0]}' in the configuration")
    found = explain(snapshot, case.api or guessed(body), body, case.headers, caller, moment=_moment(snapshot, case))
    return found, _differences(case.expect, found)


def _body(case: Case) -> bytes:
    model = case.model or "auto"
    if case.text is not None:
        return msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": case.text}]})
    return msgspec.json.encode({"model": model, **(case.request or {})})


def _moment(snapshot: Snapshot, case: Case) -> Moment:
    def available(target: Target) -> str | None:
        return "down in this case" if target.backend in case.down else snapshot.backends[target.backend].unavailable

    moment = unhindered(snapshot)
    when = _time(case.time) if case.time is not None else moment.time
    return msgspec.structs.replace(
        moment,
        time=when,
        available=available,
        health={**moment.health, **dict.fromkeys(case.down, "down")},
        load={name: Load(share=share) for name, share in case.load.items()},
        budget_used=case.budget_used,
        budget_pace=case.budget_pace,
        dice=case.draw,
    )


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is no time: write 2026-11-21T22:30") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _differences(expect: Expect, found: Explained) -> list[Difference]:
    got = _got(found)
    wanted: Mapping[str, Any] = {name: getattr(expect, name) for name in expect.__struct_fields__}
    return [
        Difference("class" if name == "cls" else name, value, got[name])
        for name, value in wanted.items()
        if value is not None and value != got[name]
    ]


def _got(found: Explained) -> dict[str, Any]:
    decision, failure = found.decision, found.failure
    return {
        "backend": found.backend,
        "plan": [target.backend for target in decision.plan] if decision else [],
        "policy": decision.policy if decision else None,
        "rule": decision.rule if decision else None,
        "cls": decision.cls if decision else None,
        "denied": failure is not None,
        "status": failure.status if failure else None,
        "code": failure.code if failure else None,
        "skipped": [name for name, _ in decision.skipped] if decision else [],
        "dropped": [each.name for each in found.dropped],
        "set": dict(decision.set) if decision else {},
        "data_class": sorted(decision.data_class) if decision else [],
    }
