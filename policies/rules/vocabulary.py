"""The words under ``when``: for each the values it takes, as a test of one fact and as what the test lets through."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Mapping
from datetime import tzinfo
from math import inf
from typing import Any, TypeAlias

from msgspec import Struct

from adapters import ir
from policies.data_classes.data_class import label_problems
from policies.language import LANGUAGES
from policies.near import near
from policies.rules import numbers
from policies.rules.grammar import Path
from policies.rules.meaning import SIGNS, Meaning, Span, Values, Written, passes
from policies.rules.names import Names
from policies.rules.schedule import days, hours

Test: TypeAlias = Callable[[Any], object]
"""Is this value of the fact one that the rule asks for? An unknown value (None) never reaches a test. Any true value
will do, so that C may answer where it can."""

Understood: TypeAlias = tuple[Test, Meaning]


class Around(Struct, frozen=True):
    """What a value is read with: the names of backends, and the clock of hours and days."""

    names: Names
    clock: tzinfo


Kind: TypeAlias = Callable[[Any, Around], Understood]


class Mistake(Exception):  # noqa: N818 - the operator's, told with its mend
    """A value that a word does not take; ``path`` leads on from the word."""

    def __init__(self, text: str, path: Path = ()) -> None:
        super().__init__(text)
        self.path = path


def nearest(word: str, known: Collection[str]) -> str:
    """What to say after "unknown …": the nearest right word, else all of them."""
    close = near(word, known)
    return f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(sorted(known)) or 'none is defined'}"


def spelled(wanted: object) -> str:
    """A value as the trace tells it."""
    if isinstance(wanted, bool):
        return str(wanted).lower()
    if isinstance(wanted, list):
        return "|".join(map(spelled, wanted))
    if isinstance(wanted, Mapping):
        return ", ".join(f"{key} {spelled(value)}" for key, value in wanted.items())
    return str(wanted)


def _texts(wanted: object) -> list[str]:
    """A text or a list of texts, as a list."""
    texts: list[Any] = wanted if isinstance(wanted, list) else [wanted]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise Mistake(f"takes a text or a list of texts, not {wanted!r}")
    return texts


def _meets(wanted: frozenset[str], *, one: bool = False) -> Understood:
    """The fact is a single text (``one``), or several of which one must be wanted."""
    test: Test = wanted.__contains__ if one else lambda several: not wanted.isdisjoint(several)
    return test, Values(wanted, one)


def _globs(*, one: bool) -> Kind:
    """Names with ``*``, ``?`` and ``[…]``; ``one``: the fact is a single text, not several of which one must match."""

    def compile_names(wanted: object, _: Around) -> Understood:
        texts = frozenset(_texts(wanted))
        if all(SIGNS.isdisjoint(text) for text in texts):
            return _meets(texts, one=one)
        match = re.compile("|".join(map(fnmatch.translate, sorted(texts)))).match
        return (match if one else lambda several: any(map(match, several))), Values(texts)

    return compile_names


def _one_of(*known: str, one: bool = False) -> Kind:
    """Words of a closed list; the fact is a word (``one``) or a set of words."""

    def compile_words(wanted: object, _: Around) -> Understood:
        return _meets(frozenset(_known(text, known) for text in _texts(wanted)), one=one)

    return compile_words


def _known(word: str, known: Collection[str]) -> str:
    if word not in known:
        raise Mistake(f"unknown value {word!r}: {nearest(word, known)}")
    return word


def _labels(wanted: object, _: Around) -> Understood:
    """Data classes: the known ones, and the operator's own."""
    texts = _texts(wanted)
    for text in texts:
        for _path, mistake in label_problems(text, ()):
            raise Mistake(mistake)
    return _meets(frozenset(texts))


def _tools(wanted: object, _: Around) -> Understood:
    """``any``, ``none``, ``history`` (a tool was called before), or names of tools on offer."""
    return _meets(frozenset(text if text in {"any", "none", "history"} else f"name:{text}" for text in _texts(wanted)))


def _structured(wanted: object, around: Around) -> Understood:
    """``true`` is any format, ``false`` is none."""
    if isinstance(wanted, bool):
        wanted = list(_FORMATS) if wanted else ["text"]
    return _one_of("text", *_FORMATS, one=True)(wanted, around)


_FORMATS = ("json_object", "json_schema")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _flag(wanted: object, _: Around) -> Understood:
    if not isinstance(wanted, bool):
        raise Mistake(f"takes true or false, not {wanted!r}")
    only = frozenset({wanted})
    return only.__contains__, Values(only, one=True)


def _number(read: Callable[[object], Span]) -> Kind:
    def compile_number(wanted: object, _: Around) -> Understood:
        found = _told(read, wanted)
        return passes(found), found

    return compile_number


def _effort(wanted: object, around: Around) -> Understood:
    """An effort, a list of them, or a comparison such as ``>=high``."""
    found = re.fullmatch(r"(>=|<=|>|<)\s*(\w+)", wanted) if isinstance(wanted, str) else None
    if found is None:
        return _one_of(*ir.EFFORTS, one=True)(wanted, around)
    bound = list(ir.EFFORTS).index(_known(found[2], ir.EFFORTS))  # type: ignore[arg-type]
    let = passes(numbers.span(f"{found[1]}{bound}"))
    return _meets(frozenset(word for at, word in enumerate(ir.EFFORTS) if let(at)), one=True)


def _headers(wanted: object, around: Around) -> Understood:
    """Header name -> a pattern, several, or true (present) and false (absent)."""
    tests: list[tuple[str, bool, Test]] = []
    for name, value in _mapping(wanted, "headers, such as {x-team: blue}").items():
        if not _HEADER.fullmatch(name):
            raise Mistake(f"{name!r} is not the name of a header: write one such as 'x-team'", (name,))
        test = _anything if isinstance(value, bool) else _at(name, _globs(one=True), value, around)
        tests.append((name.lower(), value is not False, test))

    def test_all(headers: Mapping[str, str]) -> bool:
        for name, there, test in tests:
            value = headers.get(name)
            if (value is not None) is not there or (there and not test(value)):
                return False
        return True

    return test_all, Written(repr(wanted))


def _anything(_: object) -> bool:
    return True


def _per_backend(kind: Kind, pick: Callable[[list[Any]], Any]) -> Kind:
    """Role, pool or backend -> a value; ``pick`` says which backend speaks for a pool."""

    def compile_mapping(wanted: object, around: Around) -> Understood:
        tests: list[tuple[tuple[str, ...], Test]] = []
        for name, value in _mapping(wanted, "backends, such as {oss: …}").items():
            backends = around.names.expand(name)
            if backends is None:
                text = f"there is no backend, pool or role {name!r}: {nearest(name, around.names.known)}"
                raise Mistake(text, (name,))
            tests.append((backends, _at(name, kind, value, around)))

        def test_all(known: Mapping[str, Any]) -> bool:
            for backends, test in tests:
                values = [value for backend in backends if (value := known.get(backend)) is not None]
                if not values or not test(pick(values)):
                    return False
            return True

        return test_all, Written(repr(wanted))

    return compile_mapping


def _at(name: str, kind: Kind, value: object, around: Around) -> Test:
    try:
        return kind(value, around)[0]
    except Mistake as mistake:
        raise Mistake(str(mistake), (name, *mistake.path)) from mistake


def _mapping(wanted: object, example: str) -> dict[str, Any]:
    if not isinstance(wanted, Mapping) or not wanted:
        raise Mistake(f"takes a mapping of {example}, not {wanted!r}")
    return {str(name): value for name, value in wanted.items()}


def _told(read: Callable[[Any], Any], wanted: object) -> Any:
    """What ``read`` finds; its ValueError is the operator's mistake."""
    try:
        return read(wanted)
    except ValueError as mistake:
        raise Mistake(str(mistake)) from mistake


def _hours(wanted: object, around: Around) -> Understood:
    return _told(lambda text: hours(str(text), around.clock), wanted), Written(f"{wanted} {around.clock}")


def _days(wanted: object, around: Around) -> Understood:
    return _told(lambda given: days(_texts(given), around.clock), wanted), Written(f"{wanted} {around.clock}")


def _best_health(values: list[str]) -> str:
    """A pool is up as long as one of its backends is."""
    return "up" if "up" in values else "down"


WORDS: dict[str, Kind] = {
    "alias": _globs(one=True),
    "model": _globs(one=True),
    "api": _one_of("chat", "responses", "messages", "embeddings", "completions", one=True),
    "stream": _flag,
    "caller": _globs(one=False),
    "team": _globs(one=True),
    "tags": _globs(one=False),
    "headers": _headers,
    "tools": _tools,
    "needs": _one_of("tools", "images", "files", "audio", "structured_output", "reasoning"),
    "modality": _one_of("text", "image", "file", "audio"),
    "input_tokens": _number(numbers.number),
    "max_output": _number(numbers.number),
    "structured_output": _structured,
    "effort": _effort,
    "class": _one_of("simple", "moderate", "complex", one=True),
    "score": _number(numbers.number),
    "p_local_worse": _number(numbers.share),
    "language": _one_of(*LANGUAGES, one=True),
    "data_class": _labels,
    "depth": _number(numbers.number),
    "time": _hours,
    "weekday": _days,
    "budget_used": _number(numbers.share),
    "budget_pace": _number(numbers.share),
    "health": _per_backend(_one_of("up", "down", one=True), _best_health),
    "load": _per_backend(_number(numbers.share), min),
}

_COUNT = Span(low=0)
REACH: dict[str, Span] = {
    "input_tokens": _COUNT,
    "max_output": _COUNT,
    "depth": _COUNT,
    "budget_used": _COUNT,
    "budget_pace": _COUNT,
    "p_local_worse": Span(0, 1),
    "score": Span(-inf, inf),
}
"""The numbers that a fact can be."""
