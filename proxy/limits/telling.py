"""What an answer says of its caller's limits: how much of each is left, and when it is whole again."""

from __future__ import annotations

import time

from policies.limits import windows
from proxy.apis import is_anthropic
from proxy.call import Call
from proxy.limits.drawn import Drawn
from proxy.limits.stake import Stake
from proxy.line import Headers

_KINDS = ("requests", "tokens")


def headers(call: Call, drawn: Drawn) -> Headers:
    """OpenAI's ``x-ratelimit-…``, for Anthropic's clients also ``anthropic-ratelimit-…``: of each kind the limit that
    is nearest to its end. And to how many tokens the answer was limited for want of money."""
    found: Headers = []
    for kind in _KINDS:
        told = [stake for stake in drawn.stakes if stake.limit.kind == kind and stake.standing is not None]
        if told:
            found += _of(min(told, key=_share), kind, anthropic=is_anthropic(call.headers))
    if drawn.cap is not None:
        found.append((b"x-turnout-budget-cap", b"%d" % drawn.cap))
    return found


def _share(stake: Stake) -> float:
    return stake.reach / stake.limit.amount


def _of(stake: Stake, kind: str, *, anthropic: bool) -> Headers:
    amount, left, now = stake.limit.amount, min(stake.reach, stake.limit.amount), stake.clock()
    wait = windows.resets(stake.limit.window, now) - now if left < amount else 0.0
    pairs = [("limit", str(amount)), ("remaining", str(left)), ("reset", duration(wait))]
    found = [(f"x-ratelimit-{name}-{kind}".encode(), value.encode()) for name, value in pairs]
    if anthropic:
        pairs[2] = ("reset", windows.iso(time.time() + wait))
        found += [(f"anthropic-ratelimit-{kind}-{name}".encode(), value.encode()) for name, value in pairs]
    return found


def duration(seconds: float) -> str:
    """As OpenAI writes it: ``12ms``, ``7.66s``, ``6m0s``."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 2), 60)
    return f"{int(minutes)}m{rest:.3g}s" if minutes else f"{rest:.4g}s"
