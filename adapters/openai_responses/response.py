"""A whole Responses answer: read as the events of a stream, and written from what a stream's events add up to."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapters import ir
from adapters.openai_responses import envelope, mirror, shapes
from adapters.openai_responses.stream import Reader


def read_response(body: bytes) -> Sequence[ir.Event]:
    """A whole answer; what is not one becomes ``ir.Failed``."""
    return Reader().whole(body)


def write_response(reply: ir.Reply, echo: ir.Echo) -> bytes:
    """The response object, equal to the one that would end a stream of the same answer."""
    turns: dict[int, list[ir.ReplyBlock]] = {}
    carried = [block for block in reply.blocks if shapes.is_carried(block)]
    for block in mirror.blocks(carried) if mirror.asked(echo) else carried:
        turns.setdefault(block.item, []).append(block)
    finished = reply.finishes.get(0)
    short = envelope.incomplete_reason(finished) is not None
    taken: set[str] = set()
    output = []
    for index, blocks in enumerate(turns.values()):
        id_ = shapes.item_id(blocks[0], echo.seed, index, taken)
        output.append(shapes.item(id_, blocks, "incomplete" if short and index == len(turns) - 1 else "completed"))
    ended = reply.ended or ir.Ended()
    told = {
        **envelope.own_extras(reply.started.extras, reply.started.dialect),
        **envelope.own_extras(ended.extras, ended.dialect),
    }
    if reply.failure is not None:
        return msgspec.json.encode(envelope.failed(echo, told, output, reply.usage, reply.failure))
    return msgspec.json.encode(envelope.ended(echo, told, output, reply.usage, finished, ended.at))
