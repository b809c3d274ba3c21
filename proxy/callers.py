"""Callers: a key's entry and its team's, resolved into who asks and what he may use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal

from policies.limits.limit import MINUTE, NOW, BudgetTerms, Limit, Window
from policies.pricing import NANO
from policies.verdict import Caller
from proxy.settings.grammar import Key, Team
from proxy.settings.money import Budget, CallerLimits

_ROLLING = re.compile(r"(\d+)([hd])")
_SECONDS = {"h": 3600, "d": 86_400}


def digest_of(key: Key) -> str:
    """What it is looked up by: SHA-256 of its secret, hex."""
    if key.sha256 is not None:
        return key.sha256.lower()
    return sha256((key.secret.reveal() if key.secret is not None else "").encode()).hexdigest()


def caller_of(key: Key, teams: Mapping[str, Team]) -> Caller:
    """Who asks with this key, whose team, if it has one, is among ``teams``."""
    team = teams.get(key.team or "", Team())
    own = limits_of("key", key.name, key.limits, key.budget)
    return Caller(
        key_id=key.name,
        name=key.name,
        team=key.team,
        tags=(*team.tags, *key.tags),
        data_class=key.data_class,
        team_data_class=team.data_class,
        pin=team.pin,
        policy=team.policy,
        owner=key.owner,
        aliases=key.aliases,
        expires=None if key.expires is None else moment(key.expires),
        limits=(*limits_of("team", key.team or "", team.limits, team.budget), *own),
    )


def limits_of(scope: Literal["team", "key"], name: str, limits: CallerLimits, budget: Budget | None) -> Iterator[Limit]:
    """Every limit of one team or key."""
    if limits.rpm is not None:
        yield Limit(scope=scope, name=name, kind="requests", amount=limits.rpm, window=MINUTE)
    if limits.tpm is not None:
        yield Limit(scope=scope, name=name, kind="tokens", amount=limits.tpm, window=MINUTE)
    if limits.parallel is not None:
        yield Limit(scope=scope, name=name, kind="parallel", amount=limits.parallel, window=NOW)
    if budget is not None:
        terms = BudgetTerms(
            soft=budget.soft,
            counts=budget.counts,
            on_exhausted=budget.on_exhausted,
            on_unknown_price=budget.on_unknown_price,
        )
        amount = int((Decimal(budget.usd) * NANO).to_integral_value())
        yield Limit(scope=scope, name=name, kind="usd", amount=amount, window=_window(budget), budget=terms)


def _window(budget: Budget) -> Window:
    found = _ROLLING.fullmatch(budget.window)
    if found is not None:
        return Window("rolling", float(int(found[1]) * _SECONDS[found[2]]))
    span: Literal["day", "week", "month"] = "day" if budget.window == "day" else "week"
    return Window("month" if budget.window == "month" else span, timezone=budget.timezone)


def moment(text: str) -> float:
    """A day or a time (ISO 8601; UTC where it has no zone) -> seconds since 1970. Raises ValueError."""
    told = datetime.fromisoformat(text)
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
