"""Does a value have the shape of a type? Walks both together, so that every problem is told with its path."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from policies.near import near
from proxy.settings.source import Mistake, Path
from proxy.settings.units import decode

Found = Iterable[Mistake]


def mistakes(kind: Any, value: Any, path: Path = ()) -> list[Mistake]:
    """Every place where ``value`` (plain YAML values) is not a ``kind`` (the types of the grammar)."""
    return list(_walk(kind, value, path))


def convert(kind: type[Struct], value: Any) -> Any:
    """The value as a ``kind``, once ``mistakes`` has found none."""
    return msgspec.convert(value, kind, strict=False, dec_hook=decode)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean 'base_url'?``, or the list of what is known."""
    words = sorted(known)
    meant = near(word, words)
    if meant:
        return f"did you mean '{meant[0]}'?"
    return f"known: {', '.join(words)}" if words else "there are none"


def _walk(kind: Any, value: Any, path: Path) -> Found:
    kind = _arm(kind, value)
    origin = get_origin(kind) or kind
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _struct(kind, value, path)
    if origin in {dict, Mapping} and isinstance(value, dict):
        name, item = get_args(kind)
        keys = [] if name is str else [found for key in value for found in _leaf(name, key, (*path, key))]
        return keys + [found for key, child in value.items() for found in _walk(item, child, (*path, key))]
    if origin in {list, tuple} and isinstance(value, list):
        item = get_args(kind)[0]
        return [found for index, child in enumerate(value) for found in _walk(item, child, (*path, index))]
    return _leaf(kind, value, path)


def _arm(kind: Any, value: Any) -> Any:
    """Of a union, the one structured arm that ``value`` can be; else the union itself."""
    if get_origin(kind) not in {Union, types.UnionType}:
        return kind
    wanted: Callable[[Any], bool]
    if isinstance(value, dict):
        wanted = lambda arm: _is_struct(arm) or get_origin(arm) in {dict, Mapping}  # noqa: E731 - one of two tests
    elif isinstance(value, list):
        wanted = lambda arm: get_origin(arm) in {list, tuple}  # noqa: E731 - the other
    else:
        return kind
    arms = [arm for arm in get_args(kind) if wanted(arm)]
    return arms[0] if len(arms) == 1 else kind


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _struct(kind: type[Struct], value: Any, path: Path) -> Found:
    if not isinstance(value, dict):
        example = msgspec.structs.fields(kind)[0].encode_name
        yield path, f"expected a mapping ({{{example}: …}}), not {_told(value)}"
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, child in value.items():
        if key in fields:
            yield from _walk(fields[key].type, child, (*path, key))
        else:
            yield (*path, key), f"unknown key '{key}': {did_you_mean(key, fields)}"
    for name, field in fields.items():
        if field.required and name not in value:
            yield path, f"'{name}' is missing: add it"


def _leaf(kind: Any, value: Any, path: Path) -> Found:
    try:
        msgspec.convert(value, kind, strict=False, dec_hook=decode)
    except msgspec.ValidationError as error:
        yield path, _reason(kind, value, str(error))


def _reason(kind: Any, value: Any, error: str) -> str:
    words = [arm for arm in _literals(kind) if isinstance(arm, str)]
    if words and isinstance(value, str):
        return f"'{value}' is not taken: {did_you_mean(value, words)}"
    text = error.partition(" - at `$")[0].replace("`float | object`", "a number or a mapping")
    return text[0].lower() + text[1:].replace("`", "")


def _literals(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(word for arm in get_args(kind) for word in _literals(arm))


def _told(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number")
