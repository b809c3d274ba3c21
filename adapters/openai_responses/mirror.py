"""Reasoning for old clients (decision D25): a reasoning item stands first, and its content repeats its summary."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapters import ir

MARK = "mirror"
"""In the ``meta`` of a block: its text stands in the content even where it is empty."""


def asked(echo: ir.Echo) -> bool:
    """Does this alias mirror, and did the client ask for reasoning?"""
    request = echo.request
    if not echo.mirror or request is None:
        return False
    return request.effort not in (None, "none") or request.reasoning_summary is not None


def placeholder(others: Sequence[ir.ReplyBlock] = ()) -> ir.ReplyBlock:
    """What stands first where the model told nothing of its reasoning: an item of its own, beside all ``others``."""
    item = min((block.item for block in others), default=0) - 1
    return ir.ReplyBlock("reasoning", item, 0, {MARK: True})


def marked(block: ir.ReplyBlock) -> ir.ReplyBlock:
    """A reasoning block whose text is to be told in any case; other blocks as they are."""
    if block.kind != "reasoning":
        return block
    return msgspec.structs.replace(block, meta={**block.meta, MARK: True})


def blocks(told: Sequence[ir.ReplyBlock]) -> list[ir.ReplyBlock]:
    """A whole answer's blocks, mirrored as a stream of them would be."""
    out = [_filled(marked(block)) for block in told]
    return out if out and out[0].kind == "reasoning" else [placeholder(out), *out]


def _filled(block: ir.ReplyBlock) -> ir.ReplyBlock:
    if block.kind != "reasoning" or block.text:
        return block
    return msgspec.structs.replace(block, text="".join(block.summary))


def stripped(id_: str | None, summary: Sequence[str], content: Sequence[str]) -> str:
    """The raw reasoning of an item that comes back: what only repeats the summary is not told upstream again. An id
    of another make than OpenAI's and ours shows that somebody else wrote both."""
    ours = id_ is not None and id_.startswith("rs_") and _words(summary) == _words(content)
    return "" if ours else "".join(content)


def _words(parts: Sequence[str]) -> list[str]:
    """Without empty parts: a thought without a summary is mirrored as one."""
    return [part for part in parts if part]
