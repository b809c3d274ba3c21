"""The ``stream_options`` of chat and legacy completions, in which usage is always asked for."""

from __future__ import annotations

import msgspec

from adapters import ir, strict


def with_usage(fields: ir.Extras) -> msgspec.Raw:
    """The client's own options with ``include_usage``: the ledger needs it, and the relay hides the count from a client
    that did not ask. Raises ir.Invalid for options that are no object."""
    told = strict.value(fields, "stream_options", dict[str, msgspec.Raw] | None) if "stream_options" in fields else None
    return msgspec.Raw(msgspec.json.encode({**(told or {}), "include_usage": True}))
