"""The end of a translated answer is held as events: it tells what was found out after the last word, and loses nothing."""

from __future__ import annotations

import pytest
from heard import heard
from hypothesis import given
from hypothesis import strategies as st
from reference_kit import CLIENTS, echo

from adapters import failures, ir
from adapters.catalog import DIALECTS
from adapters.relay import StreamRelay, Whole
from adapters.texts import Texts

THOUGHT, SAID = "Let me think. ", "Paris."
EVENTS: tuple[ir.Event, ...] = (
    ir.Started("chatcmpl-1", "m", 1),
    ir.BlockStarted(0, "reasoning", 0),
    ir.Delta(0, "text", THOUGHT),
    ir.BlockEnded(0),
    ir.BlockStarted(1, "text", 1),
    ir.Delta(1, "text", SAID),
    ir.BlockEnded(1),
    ir.Finished(0, "stop", "stop"),
    ir.UsageReported(ir.Usage(input=7, output=20, total=27)),
    ir.Ended(),
)
APIS = dict(zip(("chat", "responses", "messages"), CLIENTS, strict=True))


def relay(client: str, **more: object) -> StreamRelay:
    dialect = DIALECTS["openai_chat"]
    return StreamRelay(dialect, DIALECTS[client], echo(client, stream=True), exact=False, **more)  # type: ignore[arg-type]


def told(api: str, body: bytes) -> dict[str, int]:
    return heard(api, body, stream=True).usage


@pytest.mark.parametrize("api", APIS)
def test_the_last_word_on_usage_is_ours(api: str) -> None:
    """In the fields that each client's SDK reads, and in what the cache hears."""
    recorded: list[ir.Event] = []
    machine = relay(APIS[api], hear=recorded.append)
    ready = machine.replay(EVENTS)
    assert SAID.encode() in b"".join(ready)
    assert recorded == list(EVENTS[:7])
    machine.release(ir.Usage(reasoning=12))
    usage = told(api, b"".join([*ready, *machine.tail]))
    assert (usage["output"], usage["reasoning"], usage["input"]) == (20, 12, 7)
    assert recorded == [*EVENTS[:-1], ir.UsageReported(ir.Usage(reasoning=12)), EVENTS[-1]]
    assert machine.usage == ir.Usage(input=7, output=20, total=27)


@pytest.mark.parametrize("api", APIS)
def test_whoever_asks_for_the_end_has_it(api: str) -> None:
    released, asked = relay(APIS[api]), relay(APIS[api])
    ready = released.replay(EVENTS), asked.replay(EVENTS)
    released.release()
    assert (ready[0], released.tail) == (ready[1], asked.tail)
    once = list(asked.tail)
    asked.release(ir.Usage(reasoning=3))
    assert asked.tail == once


@pytest.mark.parametrize("client", CLIENTS)
def test_a_failure_after_the_finish_is_told_after_it(client: str) -> None:
    """As if nothing had been held: the finish, then the error."""
    failure = failures.timeout("the backend fell silent")
    machine = relay(client)
    ready = machine.replay(EVENTS[:8])
    machine.fail(failure)
    writer = DIALECTS[client].writer(echo(client, stream=True))
    assert [*ready, *machine.tail] == [
        line for event in (*EVENTS[:8], ir.Failed(failure)) for line in writer.write(event)
    ]
    assert b"fell silent" in b"".join(machine.tail)


@pytest.mark.parametrize("exact", [False, True])
def test_a_line_that_breaks_after_the_finish_ends_the_answer(exact: bool) -> None:
    """Usage and [DONE] never came; nothing of the answer is missing."""
    dialect = DIALECTS["openai_chat"]
    writer = dialect.writer(echo("openai_chat", stream=True))
    machine = StreamRelay(dialect, dialect, echo("openai_chat", stream=True), exact=exact)
    ready = [line for event in EVENTS[:8] for frame in writer.write(event) for line in machine.feed(frame)]
    machine.cut(failures.interrupted())
    assert machine.failure is None
    assert machine.finishes[0].reason == "stop"
    assert heard("chat", b"".join([*ready, *machine.tail]), stream=True).finish == "stop"


def test_a_line_that_breaks_before_every_choice_is_finished_is_a_failure() -> None:
    dialect = DIALECTS["openai_chat"]
    machine = StreamRelay(dialect, dialect, echo("openai_chat", stream=True), exact=False, choices=2)
    machine.replay(EVENTS[:8])
    machine.cut(failures.interrupted())
    assert machine.failure == failures.interrupted()


def test_half_an_event_is_cut_and_not_garbage() -> None:
    dialect = DIALECTS["openai_chat"]
    for half in (b'data: {"choices":[{"index":0,"delta":{"con', b"data: {}\xf0\x9f", b"data: [DO"):
        machine = StreamRelay(dialect, dialect, echo("openai_chat", stream=True), exact=False)
        machine.feed(half)
        machine.close()
        assert machine.failure == failures.interrupted()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_whole_answer_tells_it_too(client: str) -> None:
    dialect = DIALECTS["openai_chat"]
    body = dialect.write_response(ir.collect(EVENTS), echo("openai_chat"))
    machine = Whole(dialect, DIALECTS[client], echo(client), body, exact=False)
    machine.release(ir.Usage(reasoning=12))
    assert b"12" in machine.body
    assert ir.collect(machine.events).usage == ir.Usage(input=7, output=20, total=27, reasoning=12)
    assert machine.usage is not None
    assert machine.usage.reasoning is None


def test_bytes_that_pass_unread_tell_what_they_tell() -> None:
    dialect = DIALECTS["openai_chat"]
    frames = [f for event in EVENTS for f in dialect.writer(echo("openai_chat", stream=True)).write(event)]
    machine = StreamRelay(dialect, dialect, echo("openai_chat", stream=True), exact=True)
    ready = [line for frame in frames for line in machine.feed(frame)]
    machine.release(ir.Usage(reasoning=12))
    assert b'"reasoning_tokens"' not in b"".join([*ready, *machine.tail])
    body = dialect.write_response(ir.collect(EVENTS), echo("openai_chat"))
    whole = Whole(dialect, dialect, echo("openai_chat"), body, exact=True)
    whole.release(ir.Usage(reasoning=12))
    assert b'"reasoning_tokens"' not in whole.body


def test_what_is_summed_up_beside_its_raw_text_counts_once() -> None:
    machine = relay("openai_chat")
    machine.replay(
        [
            ir.BlockStarted(0, "reasoning", 0),
            ir.Delta(0, "text", "abcd"),
            ir.Delta(0, "summary", "ab"),
            ir.Delta(0, "state", "xyz"),
        ]
    )
    assert (machine.reasoning_chars, machine.answer_chars, machine.thinks) == (4, 0, True)


PIECES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["text", "summary", "arguments", "state"]),
        st.text(max_size=9),
        st.booleans(),
    )
)


@given(PIECES, st.integers(0, 60))
def test_texts_are_kept_whole_or_not_at_all(pieces: list[tuple[int, ir.Channel, str, bool]], most: int) -> None:
    texts = Texts(most)
    for block, channel, data, thought in pieces:
        texts.add(ir.Delta(block + 10 * thought, channel, data), thought=thought)
    raw = "".join(data for _, channel, data, thought in pieces if thought and channel == "text")
    said = "".join(data for _, channel, data, thought in pieces if not thought and channel != "state")
    if len(raw) + len(said) > most:
        assert (texts.whole, texts.thoughts(), texts.others()) == (False, [], [])
        return
    assert sorted("".join(texts.thoughts())) == sorted(raw)
    assert sorted("".join(texts.others())) == sorted(said)
    assert "" not in [*texts.thoughts(), *texts.others()]


@pytest.mark.parametrize("api", APIS)
def test_the_end_may_be_told_otherwise(api: str) -> None:
    machine, usual = relay(APIS[api]), relay(APIS[api])
    assert machine.replay(EVENTS) == usual.replay(EVENTS)
    machine.amend(bytes.upper)
    assert machine.tail == [event.upper() for event in usual.tail]


def test_a_whole_answer_may_be_told_otherwise() -> None:
    chat, body = DIALECTS["openai_chat"], b'{"id":"c","choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'
    whole = Whole(chat, chat, echo("openai_chat"), body, exact=True)
    whole.amend(bytes.swapcase)
    assert whole.body == body.swapcase()
