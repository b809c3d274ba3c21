"""What every mapping of proxy.yaml is made of."""

from __future__ import annotations

from typing import dataclass_transform

from msgspec import Struct


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file. An unknown key is an error."""
