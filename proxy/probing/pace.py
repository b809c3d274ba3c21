"""Pace: what an answer costs at each effort level, and how fast it begins and goes on."""

from __future__ import annotations

from policies.cards import EffortUse, Speed
from proxy.probing.asking import Asker, Heard
from proxy.probing.context import prompt
from proxy.upstream.seam import UpstreamFailed

_LEVELS = ("low", "medium", "high")
_RIDDLE = (
    "Anna is twice as old as Ben was when Anna was as old as Ben is now. Together they are 49. How old is each? "
    "Answer with the two numbers."
)
_COUNT = "Count to 60, from 1 on: write the numbers and spaces between them, nothing else."
_LINES = 120
"""Of a prompt of about 2,000 tokens."""


async def efforts(asker: Asker) -> dict[str, EffortUse]:
    """One riddle at each level that the backend has; a level that is refused, or fails, is left out."""
    can = asker.upstream.capabilities
    if can.thinking == "none":
        return {}
    found: dict[str, EffortUse] = {}
    for level in _LEVELS:
        if can.efforts and level not in can.efforts:
            continue
        try:
            usage = (await asker.ask(_RIDDLE, effort=level, limit=4096)).usage
        except UpstreamFailed:
            continue
        found[level] = EffortUse(output=usage.output, reasoning=usage.reasoning)
    return found


async def speeds(asker: Asker, *, long: bool) -> tuple[Speed, ...]:
    """A short prompt, and one of about 2,000 tokens."""
    found = []
    for question in (_COUNT, f"{prompt(_LINES, 'poplar')}\n{_COUNT}") if long else (_COUNT,):
        try:
            found.append(_speed(await asker.ask(question, stream=True, limit=256)))
        except UpstreamFailed:
            continue
    return tuple(found)


def _speed(heard: Heard) -> Speed:
    tokens, first = heard.usage.output, heard.first
    rate = None
    if tokens is not None and tokens > 1 and first is not None and heard.seconds > first:
        rate = round((tokens - 1) / (heard.seconds - first), 1)
    return Speed(prompt=heard.usage.input, first=None if first is None else round(first, 3), rate=rate)
