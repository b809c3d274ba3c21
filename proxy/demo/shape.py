"""A request body against a vendor's shape: what is unknown, missing or of the wrong type, and where."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

T = TypeVar("T")
Fault = Literal["unknown", "missing", "wrong"]

_FIELD = re.compile(r"Object (contains unknown|missing required) field `([^`]*)`")
_PLACE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_STEP = re.compile(r"[^.\[\]]+")


class Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value on a vendor's wire that knows all its fields."""


class MisfitError(Exception):
    """The body does not have the shape: ``path`` as in ``messages[0].role``, ``text`` the reason; ``field`` is the
    last name of a path that is unknown or missing, which may be any text at all."""

    def __init__(self, fault: Fault, path: str, text: str, field: str = "") -> None:
        super().__init__(f"{path}: {text}")
        self.fault, self.path, self.text, self.field = fault, path, text, field


def fit(body: object, shape: Callable[..., T]) -> T:
    """``body`` as ``shape`` (a struct or a union of them). Raises MisfitError."""
    try:
        return msgspec.convert(body, shape)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from None


def fit_loosely(body: object, shape: Callable[..., T]) -> T:
    """As ``fit``, but fields that the shape lacks are ignored, as servers that only log them do."""
    body = copy.deepcopy(body)
    while True:
        try:
            return fit(body, shape)
        except MisfitError as misfit:
            above = misfit.path.removesuffix(misfit.field)
            if misfit.fault != "unknown" or not _prune(body, _STEP.findall(above), misfit.field):
                raise


def _misfit(text: str) -> MisfitError:
    place = _PLACE.search(text)
    path = place[1] if place else ""
    reason = text[: place.start()] if place else text
    field = _FIELD.match(reason)
    if not field:
        return MisfitError("wrong", path, reason)
    fault: Fault = "unknown" if field[1] == "contains unknown" else "missing"
    return MisfitError(fault, f"{path}.{field[2]}" if path else field[2], reason, field[2])


def _prune(body: Any, steps: list[str], field: str) -> bool:
    for step in steps:
        if step == "...":
            return False
        body = body[int(step)] if isinstance(body, list) else body[step]
    return body.pop(field, body) is not body
