"""JSON Schema as a tree: which schemas stand in one, what it refers to, how strict it is, and how much work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_ONES = (
    "items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties", "unevaluatedProperties",
    "propertyNames", "not", "if", "then", "else",
)  # fmt: skip
_REFS = ("$ref", "$dynamicRef", "$recursiveRef")
_SHARED = ("$defs", "definitions")
"""Schemas that stand there to be referred to."""

_SAME_LISTS = ("allOf", "anyOf", "oneOf")
_SAME_ONES = ("not", "if", "then", "else")
_MEMBERS = ("additionalProperties", "unevaluatedProperties")
_ITEMS = ("prefixItems", "items", "additionalItems", "contains", "unevaluatedItems")

_DEEPEST = 16
"""Levels of a schema that are looked into; a deeper one is not called strict."""
_NEVER = frozenset(("allOf", "not", "if", "oneOf", "dependentRequired", "dependentSchemas", "patternProperties"))
"""Keywords that strict schemas may not have."""


def every(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The schema and all that stand in it, at any depth; references are not followed."""
    left = [schema]
    while left:
        at = left.pop()
        if isinstance(at, Mapping):
            yield at
            left += _within(at, _MAPS)


def outside(schema: Any) -> str | None:
    """Why the schema cannot stand alone: what it refers to beyond itself. None: it can."""
    for at in every(schema):
        if at is not schema and "$id" in at:
            return "a schema within it has an '$id' of its own"
        for word in _REFS:
            if word in at and not str(at[word]).startswith("#"):
                return f"it refers to '{str(at[word])[:100]}', and only references within it are followed"
    return None


def recursive(schema: Any) -> bool:
    """True where following its references leads round in a circle."""
    places = _Places(schema)
    done: set[int] = set()
    path: dict[int, Iterator[Any]] = {}
    left = [schema]
    while left:
        at = left[-1]
        found = path.setdefault(id(at), _followed(places, at))
        onward = next((part for part in found if isinstance(part, Mapping) and id(part) not in done), None)
        if onward is None:
            done.add(id(left.pop()))
            del path[id(at)]
        elif id(onward) in path:
            return True
        else:
            left.append(onward)
    return False


def free_keys(schema: Any) -> bool:
    """True where an object in it may have keys that it does not name and that say something: maps, free objects."""
    return any(_is_map(at) for at in every(schema))


def _is_map(at: Mapping[str, Any]) -> bool:
    if at.get("patternProperties"):
        return True
    more = at.get("additionalProperties")
    if isinstance(more, Mapping) and more:
        return True
    return at.get("type") == "object" and not at.get("properties") and more is not False


def is_object(schema: Any) -> bool:
    """True where the schema itself says that its values are objects; None stands for any object."""
    return schema is None or (isinstance(schema, Mapping) and schema.get("type") == "object")


def is_strict(schema: Any, depth: int = 0) -> bool:
    """True where every object in it is closed and wants all its properties: what OpenAI can hold a model to."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST or not _NEVER.isdisjoint(schema):
        return False
    properties = schema.get("properties")
    if (properties is not None or schema.get("type") == "object") and not _is_closed(schema, properties):
        return False
    inner = [*_values(properties), *_values(schema.get("anyOf")), *([schema["items"]] if "items" in schema else ())]
    inner += [part for word in _SHARED for part in _values(schema.get(word))]
    return all(is_strict(part, depth + 1) for part in inner)


def _is_closed(schema: Mapping[str, Any], properties: Any) -> bool:
    required = schema.get("required", ())
    wanted = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    named = properties if isinstance(properties, Mapping) else ()
    return schema.get("additionalProperties") is False and wanted.issuperset(named)


def _values(found: Any) -> list[Any]:
    if isinstance(found, Mapping):
        return list(found.values())
    return found if isinstance(found, list) else []


def bounded(schema: Any, value: Any, most: int) -> bool:
    """True where ``value`` is judged with at most ``most`` applications of a schema to a part of it. Validators work
    each one off, however often a chain of references doubles them, so hostile schemas are found out before."""
    places = _Places(schema)
    left = [(schema, value)]
    while left:
        most -= 1
        if most < 0:
            return False
        at, part = left.pop()
        if isinstance(at, Mapping):
            left += _applied(places, at, part)
    return True


def _within(at: Mapping[str, Any], maps: tuple[str, ...]) -> Iterator[Any]:
    for word in maps:
        if isinstance(at.get(word), Mapping):
            yield from at[word].values()
    for word in _LISTS:
        if isinstance(at.get(word), list):
            yield from at[word]
    for word in _ONES:
        if isinstance(at.get(word), Mapping):
            yield at[word]


def _followed(places: _Places, at: Any) -> Iterator[Any]:
    if isinstance(at, Mapping):
        yield from _within(at, tuple(word for word in _MAPS if word not in _SHARED))
        yield from places.of(at)


class _Places:
    """Where the references of one schema point."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._anchors = {
            at[word]: at
            for at in every(root)
            for word in ("$anchor", "$dynamicAnchor")
            if isinstance(at.get(word), str)
        }

    def of(self, at: Mapping[str, Any]) -> Iterator[Any]:
        """The schemas that ``at`` refers to itself."""
        for word in _REFS:
            if isinstance(at.get(word), str):
                yield self._find(at[word].removeprefix("#"))

    def _find(self, name: str) -> Any:
        if name and not name.startswith("/"):
            return self._anchors.get(name)
        place = self._root
        for step in name.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(place, list):
                place = place[int(key)] if key.isdecimal() and int(key) < len(place) else None
            else:
                place = place.get(key) if isinstance(place, Mapping) else None
        return place


def _applied(places: _Places, at: Mapping[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
    for word in _SAME_LISTS:
        if isinstance(at.get(word), list):
            yield from ((part, value) for part in at[word])
    yield from ((at[word], value) for word in _SAME_ONES if word in at)
    yield from ((part, value) for part in places.of(at))
    for word in ("dependentSchemas", "dependencies"):
        if isinstance(at.get(word), Mapping):
            yield from ((part, value) for part in at[word].values())
    if isinstance(value, dict):
        yield from _to_members(at, value)
    elif isinstance(value, list):
        yield from _to_items(at, value)


def _to_members(at: Mapping[str, Any], value: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    named = at.get("properties")
    if isinstance(named, Mapping):
        yield from ((part, value[name]) for name, part in named.items() if name in value)
    patterns = at.get("patternProperties")
    others = [*patterns.values()] if isinstance(patterns, Mapping) else []
    others += [at[word] for word in _MEMBERS if word in at]
    yield from ((part, inner) for part in others for inner in value.values())
    if "propertyNames" in at:
        yield from ((at["propertyNames"], name) for name in value)


def _to_items(at: Mapping[str, Any], value: list[Any]) -> Iterator[tuple[Any, Any]]:
    for word in _ITEMS:
        told = at.get(word)
        parts = told if isinstance(told, list) else [] if told is None else [told]
        yield from ((part, inner) for part in parts for inner in value)
