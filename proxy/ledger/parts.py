"""The rarer classes of a row's tokens, and its whole usage again."""

from __future__ import annotations

import msgspec

from adapters import ir
from proxy.ledger.record import UsageRecord

_decode = msgspec.json.Decoder(dict[str, int | dict[str, int]]).decode
_FIELDS = frozenset(ir.Usage.__struct_fields__)


def usage_of(record: UsageRecord) -> ir.Usage:
    """The usage that this row was made from."""
    parts = _decode(record.parts) if record.parts is not None else {}
    usage = ir.Usage(
        input=record.input_tokens,
        output=record.output_tokens,
        cached=record.cached_tokens,
        cache_write=record.cache_write_tokens,
        service_tier=record.service_tier,
    )
    return msgspec.structs.replace(usage, **{name: value for name, value in parts.items() if name in _FIELDS})
