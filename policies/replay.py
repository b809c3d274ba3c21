"""A recorded decision, decided anew: what the ledger kept of a request stands in for the request itself (D16).

Whatever a rule asks for that was not kept ends the attempt (``Unreplayable``): nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NoReturn

from msgspec import Struct

from adapters import ir
from policies import sticky
from policies.classify import Thresholds, Verdict
from policies.facts import Facts
from policies.moment import Moment, PriceOf
from policies.prompt import PromptView
from policies.rules.book import Book
from policies.rules.conditions import CONTENT, Condition
from policies.rules.grammar import Route
from policies.rules.meaning import Values
from policies.verdict import Caller, Decision, Target, Told

_UNTOLD = ir.Named("request", "it could not be told of the request then", "contract")
_BLIND = frozenset({"embeddings", "completions"})
"""APIs whose bodies no rule ever sees."""


class Unreplayable(Exception):  # noqa: N818 - a fact about the past, not a fault
    """A rule asks for what was not kept; the words are the fact's name."""


class Judge(Struct, frozen=True):
    """How one configuration judges prompts. ``thresholds`` None: as it was done then."""

    version: str
    thresholds: Thresholds | None = None


class Past(Struct, frozen=True, kw_only=True):
    """What is known of one call."""

    kept: Mapping[str, Any]
    """The facts of its row."""
    at: float
    """Seconds since 1970."""
    input_tokens: int | None = None
    """As its upstream counted them; the estimate that rules go by is kept only where one has asked for it."""
    dice: float = 0.0


def decide(  # noqa: PLR0913 - a configuration, its rules for this call, and what was so
    book: Book,
    route: Route,
    past: Past,
    *,
    caller: Caller,
    judge: Judge,
    patterns: Mapping[str, str],
    unavailable: Mapping[str, str | None],
    price: PriceOf,
    pin: str | None = None,
) -> Decision:
    """What ``book`` says of a call of the past, with whoever was away then away again and everybody else in health.

    ``patterns``: kind -> the data class that it stands for now. ``unavailable``: backend -> why it can never be asked.
    What ``set`` rules change of a request is not applied. Raises Unreplayable.
    """
    kept = past.kept
    if "cut" in kept:
        raise Unreplayable("facts")
    away, unable = _split(kept.get("away")), _split(kept.get("unable"))
    health = {name: "down" if why or name in away else "up" for name, why in unavailable.items()}
    head = _head(past, caller, {**health, **kept.get("health", {})})
    facts = _Recalled(past, head, judge, named_tools=_names_tools(book, route, caller))
    facts.labels = list(_labels(kept, caller, patterns))

    def available(target: Target) -> str | None:
        return unavailable[target.backend] or ("it was away then" if target.backend in away else None)

    moment = Moment(
        time=datetime.fromtimestamp(past.at, UTC),
        available=available,
        price=price,
        home=sticky.recalled(kept),
        budget_used=kept.get("budget_used"),
        budget_pace=kept.get("budget_pace"),
        spent="a budget was spent then" if kept.get("spent") else None,
        dice=past.dice,
    )
    return book.decide(
        route,
        facts,
        caller=caller,
        refuses=lambda target: [_UNTOLD] if target.backend in unable else [],
        moment=moment,
        pin=pin,
    )


class _Recalled(Facts):
    """The facts of a row, in the place of a request's."""

    def __init__(self, past: Past, head: Mapping[str, Any], judge: Judge, *, named_tools: bool) -> None:
        kept = past.kept
        super().__init__(_request(kept) if "modality" in kept else None, head, None)
        self._kept, self._judge, self._named_tools = kept, judge, named_tools
        self._size = kept.get("input_tokens", past.input_tokens)
        self._blind = kept.get("api") in _BLIND

    def value(self, name: str) -> Any:
        if name in CONTENT and name not in self.head:
            if self.request is None:
                return None if self._blind else _lacking(name)
            if name in {"language", "depth"}:
                return self._kept[name] if name in self._kept else _lacking(name)
            if name == "input_tokens" and self._size is None:
                _lacking(name)
        return super().value(name)

    def recorded(self) -> dict[str, Any]:
        return {"api": self._kept.get("api")}

    @cached_property
    def verdict(self) -> Verdict | None:
        kept = self._kept
        if "score" not in kept or "class" not in kept or kept.get("weights") != self._judge.version:
            _lacking("class")
        found = Verdict(
            cls=kept["class"],
            score=kept["score"],
            p_local_worse=kept["p_local_worse"],
            gate=kept.get("gate"),
            gated=kept.get("gated"),
            plain=bool(kept.get("plain")),
        )
        thresholds = self._judge.thresholds
        return found if thresholds is None else Verdict(found.by(thresholds), found.score, found.p_local_worse)

    @cached_property
    def prompt(self) -> PromptView:
        _lacking("prompt")

    @cached_property
    def input_tokens(self) -> int:
        return self._size or 0

    @cached_property
    def tools(self) -> Any:
        offered, history = _offered(self._kept), self._kept.get("tool_history")
        words = {"any" if offered else "none"} | ({"history"} if history else set())
        return _Tools(words) if offered and self._named_tools else frozenset(words)

    @cached_property
    def modality(self) -> frozenset[str]:
        return _split(self._kept["modality"])

    @cached_property
    def needs(self) -> frozenset[str]:
        kept, media = self._kept, self.modality
        offered = _offered(kept) and not kept.get("tools_off")
        asked = {
            "tools": offered or bool(kept.get("tool_history")),
            "images": "image" in media,
            "files": "file" in media,
            "audio": "audio" in media,
            "structured_output": self.structured_output != "text",
            "reasoning": kept.get("effort") not in {None, "none"} or bool(kept.get("thinking")),
        }
        return frozenset(ability for ability, wanted in asked.items() if wanted)

    @cached_property
    def structured_output(self) -> str:
        return str(self._kept.get("structured_output", "text"))


class _Tools(frozenset[str]):
    """What is known of the tools on offer, whose names were not kept: whoever looks further than that learns so."""

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        _lacking("tools")


class _Unkept(Mapping[str, Any]):
    """What was not kept, or only of those that a rule has asked for."""

    def __init__(self, fact: str, kept: Mapping[str, Any] | None = None) -> None:
        self._fact = fact
        self._kept = kept or {}

    def __getitem__(self, name: str) -> Any:
        return self._kept[name] if name in self._kept else _lacking(self._fact)

    def __contains__(self, name: object) -> bool:
        return name in self._kept

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


def _offered(kept: Mapping[str, Any]) -> bool:
    """How many tools were on offer is a number; older rows have the word ``none`` where there were none."""
    count = kept.get("tools")
    return isinstance(count, int) and count > 0


def _lacking(fact: str) -> NoReturn:
    raise Unreplayable(fact)


def _head(past: Past, caller: Caller, health: Mapping[str, str]) -> dict[str, Any]:
    kept, now = past.kept, datetime.fromtimestamp(past.at, UTC)
    head = {
        "alias": kept.get("alias"),
        "model": kept.get("model", kept.get("alias")),
        "api": kept.get("api"),
        "stream": kept.get("stream"),
        "caller": (caller.name, caller.team) if caller.team else (caller.name,),
        "team": caller.team,
        "tags": caller.tags,
        "headers": _Unkept("headers"),
        "key_data_class": None,
        "team_data_class": None,
        "inherited": (),
        "found": {},
        "time": now,
        "weekday": now,
        "budget_used": kept.get("budget_used"),
        "budget_pace": kept.get("budget_pace"),
        "health": health,
        "load": _Unkept("load", kept.get("load")),
    }
    if "class_by" in kept:
        told = Told(kept["class"], kept["class_by"])
        head |= {"class": told.cls, "class_by": told.by}
    return head


def _request(kept: Mapping[str, Any]) -> ir.Request:
    """What rules and backends ask of a request directly."""
    return ir.Request(
        model=kept.get("alias") or "",
        messages=(),
        max_output_tokens=kept.get("max_output"),
        effort=kept.get("effort"),
    )


def _labels(kept: Mapping[str, Any], caller: Caller, patterns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Data classes by who gives them: the caller and its team as they are now, the request as it was."""
    for label, by in ((caller.data_class, "key"), (caller.team_data_class, "team")):
        if label:
            yield label, by
    for label in sorted(_split(kept.get("data_given"))):
        yield label, "given"
    for kind in sorted(_split(kept.get("data_found"))):
        if kind in patterns:
            yield patterns[kind], f"pattern {kind}"


def _split(told: str | None) -> frozenset[str]:
    return frozenset(told.split("+")) if told else frozenset()


def _names_tools(book: Book, route: Route, caller: Caller) -> bool:
    """Does a rule on this road ask for a tool by its name?"""
    return any(_names(line.conditions) for line in book.lines(route, caller))


def _names(conditions: Iterable[Condition]) -> bool:
    for each in conditions:
        if any(_names(part) for part in each.parts):
            return True
        if each.fact == "tools" and isinstance(each.meaning, Values):
            return any(text.startswith("name:") for text in each.meaning.words)
    return False
