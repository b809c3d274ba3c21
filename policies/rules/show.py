"""Rules as the YAML text that an operator would write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./ -]*[A-Za-z0-9_]|[A-Za-z_]")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"})


def flow(value: Any) -> str:
    """One value in flow style: ``{when: {class: simple}, use: [local, cloud]}``."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(str(key))}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    return msgspec.json.encode(value).decode()


def written(part: msgspec.Struct) -> dict[str, Any]:
    """The fields that were written, by their YAML names, in the grammar's order."""
    defaults = msgspec.to_builtins(type(part)())
    return {name: value for name, value in msgspec.to_builtins(part).items() if value != defaults[name]}


def page(settings: Mapping[str, Any], rules: Iterable[tuple[str, msgspec.Struct]]) -> str:
    """A policy with its ``extends`` resolved; each rule is followed by the label under which the trace names it, if
    it has one."""
    head = [f"{name}: {flow(value)}" for name, value in settings.items()]
    lines = [f"  - {flow(written(rule))}" + (f"  # {label}" if label else "") for label, rule in rules]
    return "\n".join([*head, "rules:", *lines, ""])
