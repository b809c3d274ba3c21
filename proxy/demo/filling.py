"""Fills a JSON schema: the same value for the same schema and text, with strings drawn from the text where natural."""

from __future__ import annotations

import re
from typing import Any

from proxy.demo.base import Json

_QUOTED = re.compile(r"[\"“”']([^\"“”']{1,40})[\"“”']")
_NAME = re.compile(r"(?<!^)(?<![.!?] )\b[A-Z][\w-]+(?: [A-Z][\w-]+)*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_DEEP = 5
_FORMATS = {
    "date": "2026-11-20",
    "date-time": "2026-11-20T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "demo@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/demo",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}
_SAMPLES = ("demo", "Demo", "DEMO", "1", "42", "12.34", "A1", "abc123", "2026-11-20", "+1", "a", "demo@example.com", "")


def fill(schema: Json, text: str = "", first: str | None = None) -> Any:
    """A value that ``schema`` (JSON Schema or Gemini's subset of OpenAPI) accepts. ``first``: the first free string."""
    return _Filler(schema, text, [] if first is None else [first]).value(schema, 0)


class _Filler:
    def __init__(self, root: Json, text: str, first: list[str]) -> None:
        self._root = root
        self._text = text
        self._words: list[str] = first + _QUOTED.findall(text) + _NAME.findall(text)
        self._numbers = [float(number) for number in _NUMBER.findall(text)]
        self._taken = 0

    def value(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict):
            return "demo"
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choose(schema["enum"])
        branches = schema.get("anyOf") or schema.get("oneOf")
        if branches:
            return self.value(self._branch(branches, depth), depth)
        return self._typed(schema, _type_of(schema, depth), depth)

    def _resolve(self, schema: Json) -> Json:
        for _ in range(20):
            if "$ref" not in schema:
                break
            schema = self._at(str(schema["$ref"]))
        for part in schema.get("allOf", ()):
            schema = _merged(schema, self._resolve(part))
        return schema

    def _at(self, pointer: str) -> Json:
        place: Any = self._root
        for step in pointer.lstrip("#").strip("/").split("/"):
            if step:
                place = place.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(place, dict) else {}
        return place if isinstance(place, dict) else {}

    def _choose(self, values: list[Any]) -> Any:
        lower = self._text.lower()
        return next((value for value in values if isinstance(value, str) and value.lower() in lower), values[0])

    def _branch(self, branches: list[Any], depth: int) -> Any:
        empty = [branch for branch in branches if isinstance(branch, dict) and branch.get("type") == "null"]
        full = [branch for branch in branches if branch not in empty]
        return (empty or full)[0] if depth >= _DEEP else (full or empty)[0]

    def _typed(self, schema: Json, kind: str, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer" | "number":
                return self._number(schema, kind)
            case "boolean":
                return True
            case "null":
                return None
        return self._string(schema)

    def _object(self, schema: Json, depth: int) -> Json:
        known = schema.get("properties") or {}
        wanted = schema.get("required") or []
        names = [name for name in known if depth < _DEEP or name in wanted]
        names += [name for name in wanted if name not in known]
        filled = {name: self.value(known.get(name, {}), depth + 1) for name in names}
        more = schema.get("additionalProperties")
        if isinstance(more, dict) and not known and depth < _DEEP:
            filled["key"] = self.value(more, depth + 1)
        return filled

    def _array(self, schema: Json, depth: int) -> list[Any]:
        fixed = schema.get("prefixItems") or []
        least = int(schema.get("minItems") or 0)
        most = int(schema.get("maxItems", 1_000))
        length = min(max(least, len(fixed), 0 if depth >= _DEEP else 1), most)
        items = schema.get("items", {})
        kinds = [*fixed, *[items] * max(0, length - len(fixed))]
        return [self.value(kind, depth + 1) for kind in kinds]

    def _number(self, schema: Json, kind: str) -> float | int:
        low, high = _bounds(schema, kind)
        step = schema.get("multipleOf") or (1 if kind == "integer" else None)
        for number in [*self._numbers, 1.0]:
            if low <= number <= high and (not step or number % step == 0):
                return int(number) if kind == "integer" or number.is_integer() else number
        number = low if low != -float("inf") else high
        if step:
            number = -(-number // step) * step if low != -float("inf") else number // step * step
        return int(number) if float(number).is_integer() else number

    def _string(self, schema: Json) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[str(schema["format"])]
        word = self._next_word()
        if schema.get("pattern"):
            return _matching(str(schema["pattern"]), word)
        least, most = int(schema.get("minLength") or 0), schema.get("maxLength")
        word = word.ljust(least, "x")
        return word if most is None else word[: int(most)]

    def _next_word(self) -> str:
        if not self._words:
            return self._text.strip()[:40].strip() or "demo"
        self._taken += 1
        return self._words[(self._taken - 1) % len(self._words)]


def _type_of(schema: Json, depth: int) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        empty = "null" in kind and depth >= _DEEP
        kind = "null" if empty else next((one for one in kind if one != "null"), "null")
    if not kind:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind).lower()


def _merged(schema: Json, part: Json) -> Json:
    merged = {**part, **{key: value for key, value in schema.items() if key != "allOf"}}
    merged["properties"] = {**part.get("properties", {}), **schema.get("properties", {})}
    merged["required"] = [*part.get("required", []), *schema.get("required", [])]
    return merged


def _bounds(schema: Json, kind: str) -> tuple[float, float]:
    inch = 1 if kind == "integer" else 0.5
    low = schema.get("minimum", -float("inf"))
    high = schema.get("maximum", float("inf"))
    if isinstance(schema.get("exclusiveMinimum"), int | float):
        low = max(low, schema["exclusiveMinimum"] + inch)
    if isinstance(schema.get("exclusiveMaximum"), int | float):
        high = min(high, schema["exclusiveMaximum"] - inch)
    return low, high


def _matching(pattern: str, word: str) -> str:
    try:
        rule = re.compile(pattern)
    except re.error:
        return word
    return next((sample for sample in (word, *_SAMPLES, *_FORMATS.values()) if rule.search(sample)), word)
