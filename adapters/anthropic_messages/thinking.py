"""How much a Claude model is to think: effort words and token budgets -> ``thinking`` and ``output_config.effort``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from adapters import efforts, ir
from adapters.anthropic_messages.wire import FAMILY, NATIVE_EFFORTS

DEFAULT_MAX_TOKENS = 16384
"""Sent when neither the client nor the model's row has a limit; the vendor requires one (G49)."""
MIN_BUDGET = 1024
"""The vendor refuses smaller thinking budgets."""
ROOM = 4096
"""Tokens that we leave for the answer beside a thinking budget when the client gave no limit."""
_BUDGETS: Mapping[str, int] = {
    "minimal": 1024,
    "low": 1024,
    "medium": 2048,
    "high": 4096,
    "xhigh": 8192,
    "max": 16384,
}
"""effort -> thinking tokens where the model's row has no table of its own (protocol.md 3.3)."""


class Plan(Struct, frozen=True):
    """What is sent: ``thinking`` (None: nothing), ``output_config.effort``, and the effective effort to report."""

    max_tokens: int
    thinking: Mapping[str, Any] | None = None
    output_effort: str | None = None
    effort: str | None = None
    dropped: tuple[ir.Named, ...] = ()

    @property
    def on(self) -> bool:
        """Thinking was asked for explicitly, so sampling parameters are refused."""
        return self.thinking is not None and self.thinking["type"] in ("enabled", "adaptive")


def plan(request: ir.Request, can: ir.Capabilities) -> Plan:
    """Settle ``max_tokens``, thinking and effort for this model."""
    limit = _max_tokens(request, can)
    if not _asked(request):
        return Plan(limit)
    if can.thinking == "none":
        off = request.effort in (None, "none") and request.thinking_budget in (None, 0)
        return Plan(limit, dropped=() if off else (_unsaid("this model does not reason on request"),))
    if _off(request):
        return _disabled(request, can, limit)
    if can.thinking == "budget":
        return _budget(request, can, limit)
    return _by_effort(request, can, limit)


def _asked(request: ir.Request) -> bool:
    return request.effort is not None or request.thinking_budget is not None or request.reasoning_summary is not None


def _off(request: ir.Request) -> bool:
    if request.thinking_budget is not None:
        return request.thinking_budget == 0
    return request.effort == "none"


def _max_tokens(request: ir.Request, can: ir.Capabilities) -> int:
    limit = request.max_output_tokens
    if limit is None:
        limit = can.default_max_output or DEFAULT_MAX_TOKENS
    return limit if can.max_output is None else min(limit, can.max_output)


def _disabled(request: ir.Request, can: ir.Capabilities, limit: int) -> Plan:
    if can.can_disable_thinking:
        effort, dropped = _beside_off(request, can)
        off = {"type": "between_tools" if can.between_tools else "disabled"}
        return Plan(limit, off, effort, effort or "none", dropped)
    lowest = nearest("minimal", can)
    why = f"thinking cannot be switched off for this model; '{lowest}' is sent"
    return Plan(limit, None, lowest, lowest, (_named(why),))


def _beside_off(request: ir.Request, can: ir.Capabilities) -> tuple[str | None, tuple[ir.Named, ...]]:
    """The effort that is told beside switched-off thinking, which some models allow up to ``off_effort`` only."""
    if request.effort in (None, "none") or can.thinking == "budget":
        return None, ()
    told = nearest(request.effort, can)
    highest = can.off_effort
    if told is None or highest is None or efforts.rank(told) <= efforts.rank(highest):
        return told, ()
    return highest, (_named(f"without thinking this model takes no more than '{highest}', which is sent"),)


def _budget(request: ir.Request, can: ir.Capabilities, limit: int) -> Plan:
    wanted, effort = _wanted_budget(request, can)
    if wanted is None:
        return Plan(limit)
    if request.max_output_tokens is None:
        limit = max(limit, wanted + ROOM)
        limit = limit if can.max_output is None else min(limit, can.max_output)
    budget = min(wanted, limit - 1)
    if budget < MIN_BUDGET:
        return Plan(limit, dropped=(_unsaid(f"max_tokens {limit} leaves no room for {MIN_BUDGET} thinking tokens"),))
    if not _may_think(request, can):
        return Plan(
            limit, dropped=(_unsaid("thinking must rest in this turn (a forced tool, or an unsigned tool turn)"),)
        )
    dropped = (_named(f"'{request.effort}' is sent as {budget} thinking tokens"),) if effort != request.effort else ()
    thinking = {"type": "enabled", "budget_tokens": budget}
    return Plan(limit, thinking, None, effort, dropped)


def _wanted_budget(request: ir.Request, can: ir.Capabilities) -> tuple[int | None, str | None]:
    """-> thinking tokens and the effort word that they stand for."""
    if request.thinking_budget is not None and request.thinking_budget > 0:
        return request.thinking_budget, request.effort
    effort = request.effort or ("medium" if request.thinking_budget == -1 else None)
    if effort is None:
        return None, None
    table = can.budgets or _BUDGETS
    effort = _nearest(effort, tuple(table))
    return (table[effort], effort) if effort is not None else (None, None)


def _may_think(request: ir.Request, can: ir.Capabilities) -> bool:
    """Manual thinking forbids a forced tool, and wants the open tool turn to begin with its signed thinking."""
    choice = request.tool_choice
    forced = choice is not None and (choice.mode in ("required", "named") or choice.required)
    if forced and not can.forced_with_thinking:
        return False
    turn = _open_turn(request)
    return not any(isinstance(block, ir.ToolCall) for block in turn) or any(map(_signed, turn))


def _open_turn(request: ir.Request) -> list[ir.Block]:
    """The model's last answer, which may be several messages, where what follows it holds results of its calls; words
    of the user that stand beside these do not close the turn."""
    turn: list[ir.Block] = []
    answered = False
    for message in filter(_speaks, reversed(request.messages)):
        if message.role == "assistant":
            turn += message.blocks
        elif turn:
            break
        answered = answered or message.role == "tool"
    return turn if answered else []


def _speaks(message: ir.Message) -> bool:
    """Blank texts are not sent, so that the turns beside them are one."""
    return any(not isinstance(block, ir.Text) or block.text.strip() for block in message.blocks)


def _signed(block: ir.Block) -> bool:
    return isinstance(block, ir.Reasoning) and block.state is not None and block.state.family == FAMILY


def _by_effort(request: ir.Request, can: ir.Capabilities, limit: int) -> Plan:
    wanted = request.effort or _effort_of(request.thinking_budget)
    effort = nearest(wanted, can)
    same = wanted == effort or (wanted == "minimal" and effort == "low")
    dropped = () if same else (_named(f"'{wanted}' is not offered by this model; '{effort}' is sent"),)
    return Plan(limit, _adaptive(request, can), effort, effort, dropped)


def _adaptive(request: ir.Request, can: ir.Capabilities) -> Mapping[str, Any] | None:
    """``display`` brings the summary, or keeps it away where it is not wanted; models that always think keep it away
    by themselves. A client of this family said itself whether it wants ``thinking``."""
    if request.reasoning_summary:
        return {"type": "adaptive", "display": "summarized"}
    if request.family == FAMILY:
        return {"type": "adaptive"} if request.thinking_budget is not None else None
    return {"type": "adaptive", "display": "omitted"} if can.thinking == "adaptive" else None


def _effort_of(budget: int | None) -> str | None:
    """Thinking tokens -> the effort word that they are nearest to; a dynamic budget leaves it to the model."""
    return None if budget is None or budget < 0 else efforts.of_budget(budget)


def nearest(effort: str | None, can: ir.Capabilities) -> str | None:
    """The effort that this model takes and that is nearest."""
    return None if effort is None else _nearest(effort, can.efforts or NATIVE_EFFORTS)


def _nearest(effort: str, offered: tuple[str, ...]) -> str | None:
    return efforts.nearest(effort, [word for word in offered if word != "none"])


def _named(why: str) -> ir.Named:
    return ir.Named("reasoning_effort", why, "tuning", "unsupported_value")


def _unsaid(why: str) -> ir.Named:
    return ir.Named("reasoning_effort", why, "tuning")
