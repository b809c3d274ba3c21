"""An exact relay's request: top-level fields renamed, dropped or set for this upstream, nested bytes untouched."""

from __future__ import annotations

from adapters import breakpoints, efforts, ir
from adapters.openai_responses import foreign, wire
from adapters.openai_responses.wire import Fields

_SAMPLING = ("temperature", "top_p")
_FOREIGN = ("seed", "top_k", "presence_penalty", "frequency_penalty")
"""Tuning of other APIs, which OpenAI's own Responses endpoint answers with a 400."""


def patch(fields: ir.Extras, upstream: ir.Upstream) -> tuple[ir.Extras, list[ir.Named]]:
    """The fields to send, and what was changed of the client's. Raises ir.Invalid for a field of the wrong type."""
    named: list[ir.Named] = []
    out = {**fields, "model": wire.encode(upstream.model)}
    if not upstream.capabilities.sampling:
        told = [name for name in _SAMPLING if not wire.is_null(out.pop(name, None))]
        named += [ir.Named(name, "the model takes none", "tuning") for name in told]
    others = (*_FOREIGN, "stop") if upstream.capabilities.max_stop == 0 else _FOREIGN
    unheard = [name for name in others if not wire.is_null(out.pop(name, None))]
    named += [ir.Named(name, "Responses has no such field", "tuning") for name in unheard]
    named += _clamp(out, upstream.capabilities)
    named += [*foreign.strip(out), *breakpoints.strip(out)]
    out.update({name: wire.encode(value) for name, value in upstream.options.items()})
    return out, named


def _clamp(out: ir.Extras, can: ir.Capabilities) -> list[ir.Named]:
    """The effort, where the model does not know the one that was asked for."""
    raw = out.get("reasoning")
    if raw is None or wire.is_null(raw):
        return []
    inner = Fields.of(raw, "reasoning")
    asked = inner.take("effort", wire.STR)
    if can.thinking == "none":
        return _unreasoned(out, asked, inner)
    if asked is None or (effort := efforts.clamp(asked, can)) == asked:
        return []
    out["reasoning"] = wire.encode({**({} if effort is None else {"effort": effort}), **inner.rest})
    why = f"the nearest that the model takes is '{effort}'" if effort else "the model takes none"
    return [efforts.named("reasoning.effort", why, effort)]


def _unreasoned(out: ir.Extras, asked: str | None, inner: Fields) -> list[ir.Named]:
    """A model that does not reason refuses the whole field; what it asked for besides no effort is named."""
    del out["reasoning"]
    told = [name for name, raw in inner.rest.items() if not wire.is_null(raw)]
    told += [] if asked in (None, "none") else ["effort"]
    return [efforts.named(f"reasoning.{name}", "the model does not reason on request", None) for name in sorted(told)]
