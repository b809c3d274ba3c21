"""The border of the ledger: an upstream's counts as whole numbers that can be so, and by name those that cannot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any

import msgspec

from adapters import ir

MOST = 2**53
"""The largest count: beyond it a JSON number may stand for another one."""
OBJECT = "usage"
"""The flaw of an object that is none: the usage itself, or one within it. Every other flaw is a field of ir.Usage."""
_MOST_TOOLS = 16
_TOOL = re.compile(r"[a-z][a-z0-9_]{0,39}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")

COUNTS = (
    "input", "output", "cached", "cache_write", "cache_write_1h", "cache_write_12h", "reasoning", "tool_input", "total",
    "input_audio", "input_image", "input_video", "cached_audio", "cached_image", "cached_video",
    "output_audio", "output_image", "output_video",
)  # fmt: skip
"""The fields that count tokens."""
_PARTS: Sequence[tuple[str, Sequence[str]]] = (
    ("input", ("cached", "cache_write")),
    ("input", ("tool_input",)),
    ("input", ("input_audio", "input_image", "input_video")),
    ("cache_write", ("cache_write_1h", "cache_write_12h")),
    ("cached", ("cached_audio", "cached_image", "cached_video")),
    ("input_audio", ("cached_audio",)),
    ("input_image", ("cached_image",)),
    ("input_video", ("cached_video",)),
    ("output", ("reasoning",)),
    ("output", ("output_audio", "output_image", "output_video")),
)
"""A whole, and what together is no more than it."""
_RULES = {name: [i for i, (_, parts) in enumerate(_PARTS) if name in parts] for _, names in _PARTS for name in names}
"""A part -> the places in _PARTS where it is one."""
_USUAL_TIERS = ("default", "standard")
_USUAL_FIELDS = ("input", "output", "cached", "cache_write", "reasoning", "total")
_values = attrgetter(*COUNTS)
_common = attrgetter(*_USUAL_FIELDS, "service_tier")
_rare = attrgetter(*(name for name in COUNTS if name not in _USUAL_FIELDS), "calls", "speed", "flaws")
_words = attrgetter("calls", "service_tier", "speed")
_NOTHING_RARE, _NO_WORDS = _rare(ir.Usage()), _words(ir.Usage())


def count(value: object) -> int | None:
    """A count, also from servers that tell it as 12.0; None for anything else."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MOST else None


def first(*told: Any) -> Any:
    """The first that was told."""
    return next((value for value in told if value is not None), None)


def added(*told: Any) -> Any:
    """The sum of what was told, None where nothing was. What is no count stands for the sum, so that ``checked`` finds
    it."""
    total = None
    for value in told:
        if value is None:
            continue
        number = count(value)
        if number is None:
            return value
        total = number if total is None else total + number
    return total


def inner(told: Mapping[str, Any], name: str, flaws: list[str]) -> Mapping[str, Any]:
    """An object within the usage; empty where it is absent, and also where it is none, which is a flaw."""
    value = told.get(name)
    if isinstance(value, Mapping):
        return value
    if value is not None:
        flaws.append(OBJECT)
    return {}


def tool_calls(told: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    """What names such as ``web_search_requests`` count, by the names without their ``suffix``; 0 says nothing."""
    found = {name.removesuffix(suffix): times for name, times in told.items() if name.endswith(suffix)}
    return {
        name: first(count(times), times) for name, times in found.items() if times is not None and count(times) != 0
    }


def whole_output(prompt: Any, output: Any, total: Any, reasoning: Any) -> Any:
    """``output``, with what some servers (xAI, Google's compatible endpoint) count in the total only: the reasoning."""
    read, said, both = count(prompt), count(output), count(total)
    if read is None or said is None or both is None:
        return output
    excess = both - read - said
    return said + excess if excess > 0 and (reasoning is None or count(reasoning) == excess) else output


def checked(usage: ir.Usage) -> ir.Usage:
    """The same usage without what cannot be so, which is named in ``flaws``. Its fields may hold any JSON.

    A missing value is no flaw. A part that is larger than its whole is one, and so are parts that only together are,
    and a total that is not input + output, unless it may hold the reasoning that nobody told.
    """
    if _rare(usage) == _NOTHING_RARE and _is_plain(*_common(usage)):
        return usage
    told, changes = _numbers(usage)
    if len(told) > 1:
        changes |= dict.fromkeys(_contradictions(told))
    bad = [name for name, value in changes.items() if value is None]
    if _words(usage) != _NO_WORDS:
        calls, wrong = _right_calls(usage.calls), _wrong_words(usage)
        bad += [*(["calls"] if len(calls) < len(usage.calls) else []), *wrong]
        changes |= {"calls": calls, **dict.fromkeys(wrong)}
    if not changes and len(usage.flaws) < 2:
        return usage
    return msgspec.structs.replace(usage, **changes, flaws=tuple(dict.fromkeys((*usage.flaws, *bad))))


def _is_plain(*told: Any) -> bool:
    """Is this the usual case, and right? It is asked for every frame of some streams."""
    read, said, cached, written, reasoned, total, tier = told
    if type(read) is not int or type(said) is not int or not (0 <= said <= MOST and 0 <= read <= MOST):
        return False
    for part in (cached, written, reasoned, total):
        if part is not None and (type(part) is not int or part < 0):
            return False
    if (cached or 0) + (written or 0) > read or (reasoned or 0) > said or (total is not None and total != read + said):
        return False
    return tier is None or (type(tier) is str and tier in _USUAL_TIERS)


def _numbers(usage: ir.Usage) -> tuple[dict[str, int], dict[str, Any]]:
    """The counts, and the fields that must change to be such: None where they cannot."""
    told: dict[str, int] = {}
    changes: dict[str, Any] = {}
    for name, value in zip(COUNTS, _values(usage), strict=True):
        if value is None:
            continue
        if type(value) is int and 0 <= value <= MOST:
            told[name] = value
        elif (number := count(value)) is not None:
            told[name] = changes[name] = number
        else:
            changes[name] = None
    return told, changes


def _contradictions(told: dict[str, int]) -> list[str]:
    """What cannot be beside the rest of what was told; it is taken out of ``told``."""
    bad: list[str] = []
    for rule in sorted({rule for name, number in told.items() if number for rule in _RULES.get(name, ())}):
        whole, parts = _PARTS[rule]
        limit = told.get(whole)
        if limit is None:
            continue
        known = {part: told[part] for part in parts if part in told}
        if sum(known.values()) > limit:
            alone = [part for part, number in known.items() if number > limit]
            rest = sum(number for part, number in known.items() if part not in alone)
            bad += alone if rest <= limit else known
            told = {name: number for name, number in told.items() if name not in bad}
    return bad if _adds_up(told) else [*bad, "total"]


def _adds_up(told: Mapping[str, int]) -> bool:
    read, said, both = told.get("input"), told.get("output"), told.get("total")
    if read is None or said is None or both is None or both == read + said:
        return True
    return both > read + said and "reasoning" not in told


def _right_calls(told: Mapping[str, Any]) -> dict[str, int]:
    """Tools whose names may stand in the ledger, and how often they ran."""
    known = ((tool, count(times)) for tool, times in told.items() if _TOOL.fullmatch(tool))
    return dict(islice(((tool, times) for tool, times in known if times is not None), _MOST_TOOLS))


def _wrong_words(usage: ir.Usage) -> list[str]:
    """Of tier and speed those that are no words."""
    told: dict[str, object] = {"service_tier": usage.service_tier, "speed": usage.speed}
    return [
        name
        for name, word in told.items()
        if word is not None and not (isinstance(word, str) and _WORD.fullmatch(word))
    ]
