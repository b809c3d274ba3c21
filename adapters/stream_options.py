"""The ``stream_options`` of chat and legacy completions, in which usage is always asked for."""

from __future__ import annotations

import msgspec

from adapters import ir, strict


def asks_usage(fields: ir.Extras) -> bool:
    """Did the client ask for the usage chunk? Raises ir.Invalid for options that are no object."""
    return (_told(fields) or {}).get("include_usage") == msgspec.Raw(b"true")


def with_usage(fields: ir.Extras) -> msgspec.Raw:
    """The client's own options with ``include_usage``: the ledger needs it, and the relay hides the count from a client
    that did not ask. Raises ir.Invalid for options that are no object."""
    return msgspec.Raw(msgspec.json.encode({**(_told(fields) or {}), "include_usage": True}))


def _told(fields: ir.Extras) -> dict[str, msgspec.Raw] | None:
    if "stream_options" not in fields:
        return None
    told: dict[str, msgspec.Raw] | None = strict.value(fields, "stream_options", dict[str, msgspec.Raw] | None)
    return told
