"""An answer that is kept: what comes back is what was told, as an answer of its own."""

from __future__ import annotations

import hub_answers
import msgspec
from hub_answers import answers
from hub_strategies import MODEST
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir, recording
from adapters.recording import PIECE, Recording


def through(events: list[ir.Event], limit: int = 10**6) -> list[ir.Event]:
    heard = Recording(limit)
    for event in events:
        heard.hear(event)
    return recording.decode(recording.encode(heard.events()))


def plain(block: ir.ReplyBlock) -> object:
    """All of a block; raw JSON as it is written."""
    told = msgspec.structs.asdict(block)
    told["meta"] = {name: value for name, value in block.meta.items() if name != "item_id"}
    return told


@MODEST
@given(answers(hub_answers.ANYTHING, choices=2))
def test_any_answer_comes_back_as_it_was_told(events: list[ir.Event]) -> None:
    told, got = ir.collect(events), ir.collect(through(events))
    assert [plain(block) for block in got.blocks] == [plain(block) for block in told.blocks]
    assert (got.finishes, got.usage, got.failure) == (told.finishes, told.usage, told.failure)
    assert isinstance(got.ended, ir.Ended)


def test_it_has_no_id_and_no_time_of_the_upstreams() -> None:
    extras = {"created_at": msgspec.Raw(b"1"), "kind": msgspec.Raw(b'{"a":  1}')}
    told = through([ir.Started("up", "model", 1, extras, "d"), ir.Finished(0, "stop"), ir.Ended(extras, "d", 5)])
    left = {"kind": msgspec.Raw(b'{"a":  1}')}
    assert told == [ir.Started(None, "model", None, left, "d"), ir.Finished(0, "stop"), ir.Ended(left, "d", None)]


def test_calls_and_thoughts_keep_their_ids_and_messages_do_not() -> None:
    started = [
        ir.BlockStarted(0, "text", 0, meta={"item_id": "msg_1", "phase": "final"}),
        ir.BlockStarted(1, "reasoning", 1, meta={"item_id": "rs_1"}),
        ir.BlockStarted(2, "tool_call", 2, meta={"item_id": "fc_1", "id": "call_1", "name": "f"}),
    ]
    metas = [event.meta for event in through(list(started)) if isinstance(event, ir.BlockStarted)]
    assert metas == [{"phase": "final"}, started[1].meta, started[2].meta]


def test_deltas_become_pieces_of_one_size() -> None:
    events: list[ir.Event] = [ir.BlockStarted(0, "text", 0), *(ir.Delta(0, "text", "ab") for _ in range(PIECE))]
    pieces = [event.data for event in through(events) if isinstance(event, ir.Delta)]
    assert pieces == ["ab" * (PIECE // 2)] * 2


def test_blocks_that_are_told_in_turns_keep_their_turns() -> None:
    turns: list[ir.Event] = [ir.BlockStarted(0, "text", 0), ir.BlockStarted(1, "text", 1, 1)]
    turns += [ir.Delta(0, "text", "a"), ir.Delta(1, "text", "b"), ir.Delta(0, "text", "c")]
    assert through(turns) == turns


def test_probabilities_stay_with_their_tokens() -> None:
    tokens: list[ir.Event] = [ir.Delta(0, "text", word, [{"token": word}]) for word in ("a", "b")]
    assert through(tokens) == tokens


@given(st.lists(st.text(max_size=5), max_size=8))
def test_of_what_is_too_long_nothing_is_left(texts: list[str]) -> None:
    said = sum(map(len, texts))
    events: list[ir.Event] = [ir.Started(), *(ir.Delta(0, "text", text) for text in texts), ir.Ended()]
    assert bool(through(events, 10)) == (said <= 10)
