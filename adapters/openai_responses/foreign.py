"""Items under ids of our own making in what goes to OpenAI: it has stored none of them, and sealed no such thought."""

from __future__ import annotations

import re

import msgspec

from adapters import ir, stored

NAMED = ir.Named("input.reasoning", "OpenAI takes back only what it sealed", "tuning")
_ID = r"(?:rs|msg|fc|ctc)_[0-9a-f]{32}_[0-9]+"
_id = re.compile(_ID)
_quoted = re.compile(f'"{_ID}"'.encode())


class _Item(msgspec.Struct):
    type: str = ""
    id: str | None = None
    encrypted_content: str | None = None


_items = msgspec.json.Decoder(list[msgspec.Raw])
_item = msgspec.json.Decoder(_Item)


def is_made_here(id_: str) -> bool:
    """Is it the id of an item that only this proxy's answer had (``shapes.item_id``)?"""
    return _id.fullmatch(id_) is not None


def strip(out: ir.Extras) -> list[ir.Named]:
    """An exact relay's input without our reasoning items; all others stay byte for byte. References to ours cannot be
    followed by anybody."""
    raw = bytes(out.get("input", b""))
    if not raw.startswith(b"[") or _quoted.search(raw) is None:
        return []
    items = _items.decode(raw)
    kinds = [_kind(item) for item in items]
    named = []
    if "reasoning" in kinds:
        kept = [item for item, kind in zip(items, kinds, strict=True) if kind != "reasoning"]
        out["input"] = msgspec.Raw(msgspec.json.encode(kept))
        named.append(NAMED)
    if "item_reference" in kinds:
        named.append(ir.Named("input.item_reference", stored.why("item_reference", ""), "contract"))
    return named


def _kind(raw: msgspec.Raw) -> str:
    """The type of an item under an id of ours that holds nothing for OpenAI to read; else empty."""
    try:
        item = _item.decode(raw)
    except msgspec.MsgspecError:
        return ""
    return item.type if item.encrypted_content is None and is_made_here(item.id or "") else ""
