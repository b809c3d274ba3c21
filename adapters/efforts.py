"""Reasoning effort between models that know different words, and between words and token budgets."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from adapters import ir


def nearest(effort: str, allowed: Collection[str]) -> str | None:
    """The allowed effort next to ``effort``, the lower of two equally near; None where nothing is allowed.

    A word that we do not know counts as ``medium``."""
    if effort in allowed:
        return effort
    known = [word for word in ir.EFFORTS if word in allowed]
    wanted = rank(effort)
    return min(known, key=lambda word: abs(rank(word) - wanted), default=None)


def clamp(effort: str, can: ir.Capabilities) -> str | None:
    """The word to send for ``effort``: the nearest that the model takes; any where its words are not known, None where
    it does not reason on request. ``none`` is never the nearest word to another: it would turn off what was asked."""
    if can.thinking == "none":
        return None
    allowed = can.efforts or ir.EFFORTS
    if effort == "none" and can.can_disable_thinking and "none" in allowed:
        return effort
    return nearest(effort, [word for word in allowed if word != "none"])


def named(name: str, why: str, sent: str | None) -> ir.Named:
    """What became of an effort that is not sent as it was asked for: another value is, or (None) none at all."""
    return ir.Named(name, why, "tuning", "unsupported_value" if sent is not None else "unsupported_parameter")


def told(fields: ir.Extras) -> str | None:
    """The effort that a body asks for, in whichever dialect: ``reasoning_effort``, ``reasoning.effort`` or
    ``output_config.effort``. None where it asks for none, or in no way that can be read."""
    words = [_word(fields.get("reasoning_effort"))]
    words += [_word(_inner(fields.get(name)).get("effort")) for name in ("reasoning", "output_config")]
    return next((word for word in words if word is not None), None)


def _word(raw: msgspec.Raw | None) -> str | None:
    try:
        return _WORD.decode(raw) if raw is not None else None
    except msgspec.MsgspecError:
        return None


def _inner(raw: msgspec.Raw | None) -> ir.Extras:
    try:
        return _OBJECT.decode(raw) if raw is not None else {}
    except msgspec.MsgspecError:
        return {}


_WORD = msgspec.json.Decoder(str)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def rank(effort: str) -> int:
    """Its place among ir.EFFORTS."""
    return next((at for at, word in enumerate(ir.EFFORTS) if word == effort), ir.EFFORTS.index("medium"))


def of_budget(tokens: int) -> str:
    """The word for a budget of thinking tokens (protocol.md section 3.3); 0 is ``none``, below 0 ``medium``."""
    if tokens < 0:
        return "medium"
    if tokens == 0:
        return "none"
    return "low" if tokens < 4096 else "medium" if tokens < 16_384 else "high"
