"""Exact relays: the top level of a Gemini body, mended for one backend."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters import ir
from adapters.google_gemini.wire import fields, raw

_SAMPLING = {"temperature": "temperature", "topP": "top_p", "topK": "top_k"}
_PENALTIES = {"presencePenalty": "presence_penalty", "frequencyPenalty": "frequency_penalty"}
_SEED = {"seed": "seed"}


def patch(top: ir.Extras, upstream: ir.Upstream) -> tuple[ir.Extras, list[ir.Named]]:
    """An exact relay's top level: what belongs to the URL goes, refused tuning too, the operator's options come."""
    out = {name: told for name, told in top.items() if name not in ("model", "stream")}
    named: list[ir.Named] = []
    for key in ("generationConfig", "generation_config"):
        if key in out:
            named += _patch_config(out, key, upstream.capabilities)
    for name, told in upstream.options.items():
        both = isinstance(told, dict) and name in out
        out[name] = raw({**fields(out[name], name), **told}) if both else raw(told)
    return out, named


def _patch_config(out: ir.Extras, key: str, limits: ir.Capabilities) -> list[ir.Named]:
    refused: dict[str, str] = {} if limits.sampling else dict(_SAMPLING)
    refused |= {} if limits.penalties else _PENALTIES
    refused |= {} if limits.seed else _SEED
    config: dict[str, Any] = dict(fields(out[key], key))
    dropped = [shown for wire, shown in refused.items() if config.pop(wire, None) is not None]
    if dropped:
        out[key] = msgspec.Raw(msgspec.json.encode(config))
    return [ir.Named(name, "this backend has no such switch", "tuning") for name in dropped]
