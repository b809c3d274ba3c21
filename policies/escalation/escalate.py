"""Is an answer too bad to be given to the client while a better backend is left to ask?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct

from adapters import ir
from policies.escalation.refusals import declines
from policies.rules.conditions import nearest
from policies.rules.grammar import Path, Problem
from policies.verdict import Target

Sign: TypeAlias = Literal["refusal", "empty", "truncated", "invalid_json", "logprob"]
SIGNS: tuple[Sign, ...] = get_args(Sign)
"""What makes an answer bad."""
LOGPROB_BELOW = -1.5
"""Mean natural logarithm of a token's probability: 22 %. A model that knows what it says is above -0.5."""
_WORDS = ("on", "logprob_below")
_json = msgspec.json.Decoder()


class Escalation(Struct, frozen=True, kw_only=True):
    """``escalate: true``, ``escalate: [refusal, empty]`` or ``escalate: {on: […], logprob_below: -1.5}``."""

    on: frozenset[str]
    logprob_below: float = LOGPROB_BELOW


def read_escalate(value: Any, path: Path) -> tuple[Escalation | None, list[Problem]]:
    """The rule's words, or what is wrong with them. ``false``: no answer is judged, whatever stood before."""
    told: dict[Any, Any] = value if isinstance(value, dict) else {"on": [] if value is False else value}
    problems = list(_problems(told, path, named=isinstance(value, dict)))
    if problems:
        return None, problems
    on = told.get("on", True)
    below = float(told.get("logprob_below", LOGPROB_BELOW))
    return Escalation(on=frozenset(SIGNS if on is True else on), logprob_below=below), []


def _problems(told: dict[Any, Any], path: Path, *, named: bool) -> Iterator[Problem]:
    for key in told:
        if key not in _WORDS:
            yield (*path, key), f"unknown word {key!r}: {nearest(str(key), _WORDS)}"
    on, place = told.get("on", True), (*path, "on") if named else path
    if on is not True and not isinstance(on, list):
        yield place, f"takes true or a list of {', '.join(SIGNS)}, not {on!r}"
    for index, word in enumerate(on if isinstance(on, list) else ()):
        if word not in SIGNS:
            yield (*place, index), f"unknown sign {word!r}: {nearest(str(word), SIGNS)}"
    below = told.get("logprob_below", LOGPROB_BELOW)
    if not isinstance(below, int | float) or isinstance(below, bool) or not -100 <= below < 0:
        yield (*path, "logprob_below"), f"must be a number below 0, such as {LOGPROB_BELOW}, not {below!r}"


def told(rule: Escalation, targets: Sequence[Target]) -> tuple[str, ...]:
    """For the trace: whose answers are judged by what, and which test cannot be made."""
    judged = targets[:-1]
    if not judged or not rule.on:
        return ()
    signs = ", ".join(sign for sign in SIGNS if sign in rule.on)
    names = ", ".join(target.backend for target in judged)
    mute = [target.backend for target in judged if not target.upstream.capabilities.logprobs]
    lines = [f"escalate: an answer of {names} is collected and judged ({signs}) before it is told"]
    if "logprob" in rule.on and mute:
        lines.append(f"escalate: {', '.join(mute)} tells no log-probabilities, so that test is left out")
    return tuple(lines)


class Confidence:
    """Overhears the log-probabilities of an answer on its way, and takes them out where the client asked for none."""

    def __init__(self, *, strip: bool) -> None:
        self._strip = strip
        self._sum = 0.0
        self._count = 0

    def __call__(self, event: ir.Event) -> Iterable[ir.Event]:
        if not isinstance(event, ir.Delta) or not event.logprobs:
            return (event,)
        for each in event.logprobs:
            value = each.get("logprob") if isinstance(each, dict) else None
            if isinstance(value, int | float):
                self._sum += max(float(value), -100.0)
                self._count += 1
        return (msgspec.structs.replace(event, logprobs=None) if self._strip else event,)

    @property
    def mean(self) -> float | None:
        """None: nobody told any."""
        return self._sum / self._count if self._count else None


def fault(reply: ir.Reply, rule: Escalation, asked: ir.Request, *, mean: float | None = None) -> Sign | None:
    """The first sign, of those that the rule names, that this answer is bad; None: it is good enough.

    ``asked`` is the request with the limits in force, ``mean`` the mean log-probability of the answer's tokens.
    """
    for choice, finished in reply.finishes.items():
        blocks = [block for block in reply.blocks if block.choice == choice]
        own_limit = finished.reason == "length" and not _cut_by_backend(reply, asked)
        found = next((sign for sign in _signs(blocks, finished, asked, own_limit=own_limit) if sign in rule.on), None)
        if found is not None:
            return found
    if "logprob" in rule.on and mean is not None and mean < rule.logprob_below:
        return "logprob"
    return None


def _signs(
    blocks: Sequence[ir.ReplyBlock], finished: ir.Finished, asked: ir.Request, *, own_limit: bool
) -> Iterator[Sign]:
    text = "".join(block.text for block in blocks if block.kind == "text")
    spoken = [block for block in blocks if block.kind not in ("text", "reasoning")]
    filtered = finished.reason == "content_filter" or any(block.kind == "refusal" for block in blocks)
    if filtered or (not spoken and declines(text)):
        yield "refusal"
    if not spoken and not text.strip() and not own_limit and not asked.stop:
        yield "empty"
    if finished.reason == "length" and not own_limit:
        yield "truncated"
    if finished.reason == "stop" and not spoken and not _has_format(text, asked.format):
        yield "invalid_json"


def _cut_by_backend(reply: ir.Reply, asked: ir.Request) -> bool:
    """A client's own limit that is reached is the truth; one of the backend's is not what was asked for."""
    if asked.max_output_tokens is None:
        return True
    spent = reply.usage.output if reply.usage is not None else None
    return spent is not None and spent < asked.max_output_tokens * 0.95


def _has_format(text: str, wanted: ir.Format | None) -> bool:
    if wanted is None or wanted.kind == "text":
        return True
    try:
        value = _json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return wanted.kind == "json_schema" or isinstance(value, dict)
