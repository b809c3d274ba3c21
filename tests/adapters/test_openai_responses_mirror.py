"""Mirrored reasoning (decision D25): the placeholder stands first, beside whatever else was told."""

from __future__ import annotations

import msgspec
from responses_kit import both, echo

from adapters import ir

ECHO = msgspec.structs.replace(echo(reasoning={"effort": "medium"}), mirror=True)
SEALED = ir.VendorState("openai", "encrypted_content", "turnout1.x")


def test_the_placeholder_is_no_part_of_a_block_that_carries_state() -> None:
    carried = [ir.BlockStarted(-1, "reasoning", -1), ir.BlockEnded(-1, SEALED)]
    said = [ir.BlockStarted(0, "text", 0), ir.Delta(0, "text", "so"), ir.BlockEnded(0)]
    call = [ir.BlockStarted(1, "tool_call", 1, meta={"id": "a", "name": "f"}), ir.BlockEnded(1)]
    _, whole = both([ir.Started(), *said, *carried, *call, ir.Finished(0, "tool_calls"), ir.Ended()], ECHO)
    told = [(item["type"], item.get("encrypted_content")) for item in whole["output"]]
    assert told == [("reasoning", None), ("message", None), ("reasoning", "turnout1.x"), ("function_call", None)]
