"""Patterns that raise a request's data class: built-in detectors that the operator chose, and expressions of their own.

Own expressions run on an engine whose time is linear in the text whatever they are (Rust's regex, by way of
jsonschema_rs, as ECMA 262 writes them): no backreferences and no lookaround, which such engines do not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from policies.data_classes.data_class import LABEL, NOT_A_LABEL, label_problems
from policies.data_classes.detectors import DETECTORS, Detector
from policies.rules.grammar import Path, Problem
from policies.rules.vocabulary import nearest

if TYPE_CHECKING:
    import jsonschema_rs

ENCODED = 4096
"""A text of at least so many signs, all of the base64 alphabet, is taken for a medium and not looked into."""
_DATA_URL = re.compile(r"data:[^,]{0,200};base64,")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=_-]")
_SIZE = 2**20
"""Bytes that one compiled expression may take."""


class Pattern(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An expression of the operator's: text that it matches anywhere gives a request this data class."""

    name: str
    """How the trace calls it; what it found is never told."""
    match: str
    data_class: str


class Sought(Struct, frozen=True):
    """What is looked for, ready to search: (kind, its test, the data class that it stands for)."""

    detectors: tuple[tuple[str, Detector, str], ...]

    def find(self, values: Iterable[Any]) -> dict[str, str]:
        """Kind -> data class of all that ``values`` (any JSON) hold. What was found is told by its kind alone."""
        text = "\n".join(texts(values))
        return {kind: label for kind, found, label in self.detectors if found(text)}


def compiled(detect: Mapping[str, str], own: Sequence[Pattern]) -> Sought | None:
    """The patterns of a checked configuration (``problems`` has found none); None: nothing is looked for."""
    found = [(kind, DETECTORS[kind], label) for kind, label in detect.items()]
    found += [(each.name, _searcher(each.match), each.data_class) for each in own]
    return Sought(tuple(found)) if found else None


def problems(detect: Mapping[str, str], own: Sequence[Pattern]) -> Iterator[Problem]:
    """What is wrong with the patterns; paths lead on from the section."""
    for kind, label in detect.items():
        path: Path = ("detect", kind)
        if kind not in DETECTORS:
            yield path, f"there is no detector {kind!r}: {nearest(kind, DETECTORS)}"
        yield from label_problems(label, path)
    taken: set[str] = set(detect)
    for index, each in enumerate(own):
        yield from label_problems(each.data_class, ("patterns", index, "data_class"))
        if not LABEL.fullmatch(each.name) or each.name in taken:
            yield ("patterns", index, "name"), f"{each.name!r} {NOT_A_LABEL}, which no other pattern or detector has"
        taken.add(each.name)
        mistake = _mistake(each.match)
        if mistake is not None:
            yield ("patterns", index, "match"), mistake


def _mistake(match: str) -> str | None:
    try:
        return "matches every text: say what it looks for" if _searcher(match)("") else None
    except ValueError:
        mend = "a regular expression without backreferences and lookaround, such as 'PROJ-[0-9]+'"
        return f"cannot be read, or is too large: write {mend}"


def _searcher(match: str) -> Detector:
    # Late, so that a worker without expressions of the operator's never loads it.
    import jsonschema_rs

    limits = jsonschema_rs.RegexOptions(size_limit=_SIZE)
    try:
        validator: jsonschema_rs.Validator = jsonschema_rs.validator_for({"pattern": match}, pattern_options=limits)
    except jsonschema_rs.ValidationError as error:
        raise ValueError(match) from error
    return validator.is_valid


# --- what is looked at ----------------------------------------------------------------------------------------------


def texts(values: Iterable[Any]) -> Iterator[str]:
    """Every text and whole number of JSON values, and the keys of objects, in no order; no encoded media."""
    rest = list(values)
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            if not _encoded(value):
                yield value
        elif isinstance(value, dict):
            rest += value.keys()
            rest += value.values()
        elif isinstance(value, list):
            rest += value
        elif type(value) is int:
            yield str(value)


def _encoded(text: str) -> bool:
    if len(text) < ENCODED:
        return False
    head = _DATA_URL.match(text)
    return _NOT_BASE64.search(text, head.end() if head is not None else 0) is None
