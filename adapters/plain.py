"""Reads what has a plain shape in one step; what has not is left to those who read field by field."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

T = TypeVar("T")
_OTHER = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decoded(decoder: Decoder[T], raw: Raw) -> T | None:
    """None for any other shape."""
    try:
        return decoder.decode(raw)
    except _OTHER:
        return None
