"""What stands beside the words of a conversation and has no place at a backend of another dialect, by name."""

from __future__ import annotations

from collections.abc import Iterator

from adapters import breakpoints, ir
from adapters.fitting.fitted import Fitted
from adapters.providers import MESSAGES

_SOUND = "audio"
_SILENT = frozenset({"status", "annotations", "logprobs", _SOUND}) | breakpoints.NAMES
"""Fields of a message that say nothing to a model, or that are told of elsewhere."""


def fit(request: ir.Request, upstream: ir.Upstream) -> Fitted:
    """The request as it is, with what of its turns cannot be told."""
    if upstream.dialect == request.dialect:
        return Fitted(request)
    return Fitted(request, named=tuple(dict.fromkeys(_named(request, upstream))))


def _named(request: ir.Request, upstream: ir.Upstream) -> Iterator[ir.Named]:
    mute = upstream.family == "openai" and request.family != "openai"
    for at, message in enumerate(request.messages):
        if message.extras:
            yield from _beside(message, at)
        if message.name and upstream.dialect == MESSAGES:
            yield ir.Named("messages.name", "this backend knows roles and no names", "tuning")
        for block in message.blocks if mute else ():
            if type(block) is ir.ToolResult and block.is_error:
                yield ir.Named("messages.is_error", "a tool's failure is told by its words alone", "tuning")


def _beside(message: ir.Message, at: int) -> Iterator[ir.Named]:
    """Fields of a message that its client's API alone knows. What was said in sound is content."""
    if _SOUND in message.extras and message.role == "assistant":
        why = "an earlier answer in sound cannot be given to this backend: send its transcript as text"
        yield ir.Named(f"messages[{at}].{_SOUND}", why, "contract")
    strange = sorted(message.extras.keys() - _SILENT)
    if strange:
        yield ir.Named(f"messages[{at}]", f"no word for {', '.join(strange)}", "unknown")
