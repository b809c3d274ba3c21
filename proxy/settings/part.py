"""What every mapping of proxy.yaml is made of."""

from __future__ import annotations

from typing import TypeVar, dataclass_transform

from msgspec import Struct, field

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file. An unknown key is an error."""


def given(value: T) -> T:
    """A default that msgspec's schema cannot write by itself (proxy.schema adds it)."""
    made: T = field(default_factory=lambda: value)
    return made
