"""An exact relay's request: the top level as one model takes it, nested bytes untouched."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from adapters import ir
from adapters.anthropic_messages import thinking, unsigned
from adapters.anthropic_messages.read_request import read_output_config, read_thinking
from adapters.anthropic_messages.refuses import NO_PREFILL
from adapters.anthropic_messages.wire import FAMILY, INTEGER, LIST, STRING, Fields, decode, raw

_SAMPLING = ("temperature", "top_p", "top_k")
_THINKING = ("thinking", "output_config")
_BEGUN = frozenset({"text", "thinking", "redacted_thinking"})
_NAMED = ir.Named("thinking", "told in the words of this model", "tuning", "unsupported_value")


def patch(fields: ir.Extras, upstream: ir.Upstream) -> tuple[ir.Extras, list[ir.Named]]:
    """The model's name, sampling only where it is taken, thinking as this model is asked for it and only what is
    signed, the operator's options. Raises ir.Invalid for thinking of the wrong shape."""
    refused = () if upstream.capabilities.sampling else _SAMPLING
    out = {name: value for name, value in fields.items() if name not in refused}
    dropped = [ir.Named(name, "this model does not take it", "tuning") for name in refused if name in fields]
    out, unsigned_ = unsigned.strip(out)
    mended = _mend(out, upstream.capabilities)
    options = {name: raw(value) for name, value in upstream.options.items()}
    begun = [NO_PREFILL] if not upstream.capabilities.prefill and _prefilled(out) else []
    return {**out, "model": raw(upstream.model), **options}, [*dropped, *unsigned_, *mended, *begun]


def _prefilled(fields: ir.Extras) -> bool:
    """Is the last turn the beginning of the answer? What cannot be read is its vendor's to refuse."""
    try:
        turns = LIST.decode(fields.get("messages", b"[]"))
        last = _TURN.decode(turns[-1]) if turns else _Turn()
        content = bytes(last.content)
        parts = _PARTS.decode(content) if content.startswith(b"[") else [_Part("text")]
    except msgspec.DecodeError:
        return False
    return last.role == "assistant" and bool(parts) and parts[-1].type in _BEGUN


def _mend(out: ir.Extras, can: ir.Capabilities) -> list[ir.Named]:
    """Thinking that was meant for another Claude: a budget for a model that knows efforts, ``disabled`` for one that
    always thinks, an effort that it has not. What the model takes stays as it came."""
    told = {name: out[name] for name in _THINKING if name in out}
    if not told:
        return []
    fields = Fields(told)
    effort, budget, summary = read_thinking(fields)
    output_effort, _ = read_output_config(fields)
    if _taken(out.get("thinking"), can) and _known(output_effort, can):
        return []
    asked = ir.Request(
        model="",
        messages=(),
        family=FAMILY,
        effort=output_effort or effort,
        thinking_budget=budget,
        reasoning_summary=summary,
        max_output_tokens=decode(out["max_tokens"], INTEGER, "max_tokens") if "max_tokens" in out else None,
    )
    plan = thinking.plan(asked, can)
    _put(out, "thinking", raw(plan.thinking) if plan.thinking is not None else None)
    _put(out, "output_config", _configured(out.get("output_config"), plan.output_effort))
    return [*plan.dropped] or [_NAMED]


def _taken(told: Raw | None, can: ir.Capabilities) -> bool:
    """Does the model take thinking of this type? One that we do not know is its vendor's to judge."""
    if told is None or bytes(told) == b"null":
        return True
    match Fields(decode(told, _FIELDS, "thinking"), "thinking").optional("type", STRING):
        case "enabled":
            return can.thinking == "budget" or (can.thinking == "adaptive" and can.manual_thinking)
        case "adaptive":
            return can.thinking in ("adaptive", "always")
        case "disabled":
            return can.can_disable_thinking and not can.between_tools
    return True


def _known(effort: str | None, can: ir.Capabilities) -> bool:
    """Some models that think by budgets take an effort beside them; which, their vendor knows."""
    return effort is None or can.thinking == "budget" or effort in can.efforts


def _configured(told: Raw | None, effort: str | None) -> Raw | None:
    whole = {} if told is None or bytes(told) == b"null" else decode(told, _FIELDS, "output_config")
    kept = {name: value for name, value in whole.items() if name != "effort"}
    config = kept if effort is None else {**kept, "effort": raw(effort)}
    return raw(config) if config else None


def _put(out: ir.Extras, name: str, value: Raw | None) -> None:
    if value is None:
        out.pop(name, None)
    else:
        out[name] = value


class _Part(Struct):
    type: str = ""


class _Turn(Struct):
    role: str = ""
    content: Raw = Raw(b'""')


_TURN = msgspec.json.Decoder(_Turn)
_PARTS = msgspec.json.Decoder(list[_Part])
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
