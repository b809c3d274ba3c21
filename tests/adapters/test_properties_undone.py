"""Whatever changes an answer back: its events stay a well-formed answer, and whole and streamed it says the same."""

from __future__ import annotations

from collections.abc import Sequence

import hub_answers
import msgspec
from hub_answers import answers
from hub_strategies import NAMES
from hypothesis import given
from hypothesis import strategies as st
from test_states_giving import GEMINI, OPENAI, seal

from adapters import ir, states
from adapters.fitting import Chain
from adapters.fitting.answers import CallsBack
from adapters.fitting.unwrap import Gathered, from_tool, from_words
from adapters.openai_responses import DIALECT
from adapters.sse import Splitter

CALLS_BACK = st.builds(
    lambda own, wrapped, single: CallsBack(own, wrapped, single=single),
    st.dictionaries(NAMES, st.tuples(st.sampled_from([None, "group"]), NAMES), max_size=3),
    st.frozensets(NAMES, max_size=3),
    st.booleans(),
)
GATHERED = st.just(from_words).map(Gathered) | NAMES.map(from_tool).map(Gathered)


def check(events: Sequence[ir.Event]) -> None:
    """Blocks begin once, speak while they are open and end before their choice does; the end is last."""
    began: dict[int, int] = {}
    opened: set[int] = set()
    finished: set[int] = set()
    for event in events:
        match event:
            case ir.BlockStarted(block, choice=choice):
                assert block not in began
                assert choice not in finished
                began[block] = choice
                opened.add(block)
            case ir.Delta(block) | ir.Annotated(block) | ir.BlockEnded(block):
                assert block in opened
                opened -= {block} if isinstance(event, ir.BlockEnded) else set()
            case ir.Finished(choice):
                assert choice not in finished
                assert choice not in {began[block] for block in opened}
                finished.add(choice)
    assert not opened
    assert isinstance(events[-1], ir.Ended)


@given(st.data())
def test_an_answer_that_was_changed_back_is_an_answer(data: st.DataObject) -> None:
    events = data.draw(answers(hub_answers.ANYTHING))
    upstream = data.draw(st.sampled_from([GEMINI, OPENAI]))
    keeper, carrier = states.keeper(upstream), states.carrier("openai_responses", upstream, seal)
    steps = (keeper, data.draw(CALLS_BACK | GATHERED), carrier)
    undo = Chain(tuple(step for step in steps if step is not None))
    told = [out for event in events for out in undo(event)]
    check(told)
    asked = ir.Request(model="m", messages=(), effort="low")
    echo = ir.Echo("0" * 32, 1, "m", asked, mirror=data.draw(st.booleans()))
    writer = DIALECT.writer(echo)
    frames = Splitter().feed(b"".join(line for event in told for line in writer.write(event)))
    ended = [frame for frame in frames if frame.data != b"[DONE]"][-1]
    assert msgspec.json.decode(ended.data)["response"] == msgspec.json.decode(
        DIALECT.write_response(ir.collect(told), echo)
    )
