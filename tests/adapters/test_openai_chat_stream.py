"""The reader: what OpenAI-like servers really send, as hub events."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_chat_kit import check_grammar, chunk, events, frame, relayed, text_of

from adapters import ir
from adapters.openai_chat import DIALECT
from adapters.sse import Frame


def calls(*pieces: dict) -> dict:
    return chunk({"tool_calls": list(pieces)})


def piece(index: int | None, arguments: object = None, name: str | None = None, call: str | None = None) -> dict:
    told = {"function": {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}}
    return told | ({} if index is None else {"index": index}) | ({} if call is None else {"id": call})


def folded(*frames: object) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of every call."""
    reply = ir.collect(events(*frames))
    return [(b.meta["id"], b.meta["name"], b.text) for b in reply.blocks if b.kind == "tool_call"]


def test_a_plain_answer() -> None:
    told = events(
        chunk({"role": "assistant", "content": ""}, system_fingerprint="fp"),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk(finish="stop"),
        {**chunk(), "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
    )
    assert told == [
        ir.Started("c1", "up", 7, told[0].extras),
        ir.BlockStarted(0, "text", 0),
        ir.Delta(0, "text", "Hel"),
        ir.Delta(0, "text", "lo"),
        ir.BlockEnded(0),
        ir.Finished(0, "stop", "stop"),
        ir.UsageReported(ir.Usage(input=1, output=2, total=3)),
        ir.Ended(),
    ]
    assert bytes(told[0].extras["system_fingerprint"]) == b'"fp"'


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_g29_reasoning_under_either_name(field: str) -> None:
    told = events(chunk({field: "hm", "content": "yes"}), chunk(finish="stop"))
    assert text_of(told, "reasoning") == "hm"
    assert text_of(told) == "yes"
    assert [event.kind for event in told if isinstance(event, ir.BlockStarted)] == ["reasoning", "text"]


def test_reasoning_told_twice_in_one_piece_is_read_once() -> None:
    told = events(chunk({"reasoning": "a", "reasoning_content": "a"}), chunk({"content": "b"}, "stop"))
    assert text_of(told, "reasoning") == "a"


def test_openrouter_details_and_mistrals_list() -> None:
    details = [{"type": "reasoning.text", "text": "t"}, {"type": "reasoning.summary", "summary": "s"}, 3]
    assert text_of(events(chunk({"reasoning_details": details}, "stop")), "reasoning") == "ts"
    listed = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "ok"}, 3]
    told = events(chunk({"content": listed}, "stop"))
    assert (text_of(told, "reasoning"), text_of(told)) == ("hm", "ok")
    told = events(chunk({"content": [{"type": "thinking", "thinking": "so"}]}, "stop"))
    assert text_of(told, "reasoning") == "so"


def test_g04_ids_that_change_and_arguments_as_an_object() -> None:
    told = events(
        chunk({"role": "assistant", "content": ""}, id="a"),
        chunk(
            {"role": "assistant", "tool_calls": [piece(0, {"city": "東京", "n": 2512292042121000001}, "f", "x")]},
            id="b",
        ),
        chunk(finish="stop", id="c"),
    )
    started = [event for event in told if isinstance(event, ir.Started)]
    assert [event.id for event in started] == ["a"]
    (block,) = ir.collect(told).blocks
    assert block.text == '{"city":"東京","n":2512292042121000001}'
    assert ir.Finished(0, "tool_calls", "stop") in told


def test_parallel_calls_in_pieces() -> None:
    assert folded(
        calls(piece(0, "", "a", "1")),
        calls(piece(0, '{"x":')),
        calls(piece(0, "1}")),
        calls(piece(1, "", "b", "2"), piece(1, '{"y":2}')),
        chunk(finish="tool_calls"),
    ) == [("1", "a", '{"x":1}'), ("2", "b", '{"y":2}')]


def test_the_first_call_streams_and_closes_when_the_next_begins() -> None:
    told = events(calls(piece(0, "{}", "a", "1")), calls(piece(1, "{}", "b", "2")), chunk(finish="tool_calls"))
    kinds = [type(event).__name__ for event in told]
    assert kinds[1:8] == ["BlockStarted", "Delta", "BlockEnded", "BlockStarted", "Delta", "BlockEnded", "Finished"]


def test_interleaved_calls_are_put_in_a_row_without_loss() -> None:
    told = (
        calls(piece(0, "", "a", "1"), piece(1, "", "b", "2")),
        calls(piece(1, '{"y"')),
        calls(piece(0, '{"x":1')),
        calls(piece(1, ":2}")),
        calls(piece(0, "}")),
        chunk(finish="tool_calls"),
    )
    assert folded(*told) == [("1", "a", '{"x":1}'), ("2", "b", '{"y":2}')]


@given(st.lists(st.sampled_from("abc"), max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_interleaving_keeps_each_calls_arguments(order: list[str]) -> None:
    whole = {name: list(f'{{"{name}":"0123456789"}}') for name in "abc"}
    frames = [calls(*(piece(at, "", name, f"id{name}") for at, name in enumerate("abc")))]
    frames += [calls(piece("abc".index(name), whole[name].pop(0))) for name in order if whole[name]]
    frames += [calls(piece("abc".index(name), "".join(rest))) for name, rest in whole.items() if rest]
    expected = [(f"id{name}", name, f'{{"{name}":"0123456789"}}') for name in "abc"]
    assert folded(*frames, chunk(finish="tool_calls")) == expected


def test_missing_indices_repeated_names_and_one_index_for_all() -> None:
    by_id = folded(calls(piece(None, "{", "a", "1")), calls(piece(None, "}", None, "1")), chunk(finish="stop"))
    assert by_id == [("1", "a", "{}")]
    by_order = folded(calls(piece(None, "{", "a", "1")), calls(piece(None, "}")), chunk(finish="stop"))
    assert by_order == [("1", "a", "{}")]
    repeated = folded(calls(piece(0, "{", "a", "1")), calls(piece(0, "}", "a", "1")), chunk(finish="stop"))
    assert repeated == [("1", "a", "{}")]
    zeros = folded(calls(piece(0, "{}", "a", "1"), piece(0, "{}", "a", "2")), chunk(finish="stop"))
    assert zeros == [("1", "a", "{}"), ("2", "a", "{}")]


def test_g14_ids_are_unique_and_invented_where_there_are_none() -> None:
    same = folded(calls(piece(0, "{}", "f", "f"), piece(1, "{}", "f", "f")), chunk(finish="stop"))
    assert same[0][0] == "f"
    assert len({call for call, _, _ in same}) == 2
    none = folded(calls(piece(None, "{}", "f", ""), piece(None, "{}", "g")), chunk(finish="stop"))
    assert len({call for call, _, _ in none}) == 2
    assert all(call.startswith("call_") for call, _, _ in none)
    other = folded(calls(piece(None, "{}", "f", "")) | {"id": "c2"}, chunk(finish="stop"))
    assert other[0][0] != none[0][0]


def test_a_name_that_comes_late_opens_the_call_late() -> None:
    assert folded(calls(piece(0, None, None, "1")), calls(piece(0, "{}", "late")), chunk(finish="stop")) == [
        ("1", "late", "{}")
    ]


@pytest.mark.parametrize("arguments", ["", None])
def test_g10_no_arguments_are_the_empty_object(arguments: str | None) -> None:
    assert folded(calls(piece(0, arguments, "f", "1")), chunk(finish="tool_calls")) == [("1", "f", "{}")]


def test_legacy_function_calls_and_custom_calls() -> None:
    assert folded(
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk(finish="function_call"),
    )[0][1:] == ("f", "{}")
    told = events(
        calls({"index": 0, "id": "1", "type": "custom", "custom": {"name": "sh", "input": ""}}),
        calls({"index": 0, "custom": {"input": "ls -l"}}),
        chunk(finish="tool_calls"),
    )
    (block,) = ir.collect(told).blocks
    assert (block.kind, block.meta["name"], block.text) == ("custom_tool_call", "sh", "ls -l")


def test_text_after_a_call_and_a_call_after_text() -> None:
    told = events(
        chunk({"content": "a"}), calls(piece(0, "{}", "f", "1")), chunk({"content": "b"}), chunk(finish="tool_calls")
    )
    assert [block.kind for block in ir.collect(told).blocks] == ["text", "tool_call", "text"]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("tool_calls", "stop"),  # G25: no calls, whatever the server says
        ("length", "length"),
        ("model_length", "length"),
        ("MAX_TOKENS", "length"),
        ("content_filter", "content_filter"),
        ("eos_token", "stop"),
        ("something new", "stop"),
    ],
)
def test_g25_finish_words_without_calls(word: str, reason: str) -> None:
    known = word != "something new"
    assert ir.Finished(0, reason, word, known) in events(chunk({"content": "a"}), chunk(finish=word))


@pytest.mark.parametrize(
    ("word", "reason"), [("stop", "tool_calls"), ("length", "length"), ("tool_calls", "tool_calls")]
)
def test_g22_g23_finish_words_with_calls(word: str, reason: str) -> None:
    told = events(calls(piece(0, "{}", "f", "1")), chunk({"content": ""}, word))
    assert ir.Finished(0, reason, word) in told


@pytest.mark.parametrize(
    ("word", "kind"),
    [("error", "upstream_error"), ("abort", "interrupted"), ("insufficient_system_resource", "overloaded")],
)
def test_g24_words_of_failure_are_never_a_stop(word: str, kind: str) -> None:
    told = events(chunk({"content": "a"}), chunk(finish=word))
    assert isinstance(told[-1], ir.Failed)
    assert told[-1].failure.kind == kind
    assert not any(isinstance(event, ir.Finished) for event in told)


def test_the_finish_is_told_once_and_nothing_of_the_choice_after_it() -> None:
    told = events(chunk({"content": "a"}, "stop"), chunk({"content": "b"}, "stop"))
    assert text_of(told) == "a"
    assert sum(isinstance(event, ir.Finished) for event in told) == 1


def test_several_choices_each_have_their_own_blocks() -> None:
    told = events(
        chunk({"content": "a"}, index=0),
        chunk({"content": "b"}, index=1),
        chunk({"content": "A"}, "stop", index=0),
        chunk({"content": "B"}, "length", index=1),
    )
    reply = ir.collect(told)
    assert [(block.choice, block.text) for block in reply.blocks] == [(0, "aA"), (1, "bB")]
    assert {choice: finished.reason for choice, finished in reply.finishes.items()} == {0: "stop", 1: "length"}


def test_g05_what_is_not_ours_is_passed_over() -> None:
    plain = (chunk({"content": "a"}), chunk(finish="stop"))
    noisy = (
        {"type": "ping"},
        {"id": "", "model": "", "choices": [], "prompt_filter_results": [{}]},
        plain[0],
        Frame(b"", "ping"),
        {"choices": [{"index": 0}]},
        {"choices": None, "x": 1},
        plain[1],
    )
    assert events(*noisy) == events(*plain)


def test_usage_on_every_chunk_is_a_cumulative_snapshot() -> None:
    counts = [{"prompt_tokens": 5, "completion_tokens": n, "total_tokens": 5 + n} for n in (1, 2, 3)]
    told = events(
        chunk({"content": "a"}, usage=counts[0]),
        chunk({"content": "b"}, usage=counts[1]),
        chunk(finish="stop", usage=counts[2]),
    )
    assert ir.collect(told).usage == ir.Usage(input=5, output=3, total=8)


def test_pieces_of_odd_shape_say_nothing() -> None:
    odd = {
        "reasoning": {"a": 1},
        "refusal": 3,
        "annotations": 3,
        "content": [{"type": "thinking", "thinking": [3]}, {"text": 4}],
    }
    told = events(chunk(odd), chunk({"content": "a"}, "stop", index=None))
    assert [type(event).__name__ for event in told[1:4]] == ["BlockStarted", "Delta", "BlockEnded"]
    assert text_of(told) == "a"


def test_a_custom_call_is_whole_when_the_next_begins() -> None:
    told = events(
        calls({"index": 0, "id": "1", "custom": {"name": "sh", "input": "ls"}}),
        calls(piece(1, "{}", "f", "2")),
        chunk(finish="tool_calls"),
    )
    assert [block.text for block in ir.collect(told).blocks] == ["ls", "{}"]


def test_refusals_logprobs_and_citations() -> None:
    token = {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}
    cited = {
        "type": "url_citation",
        "url_citation": {"url": "https://e.org", "title": "E", "start_index": 0, "end_index": 1},
    }
    text = chunk({"content": "a"})
    text["choices"][0]["logprobs"] = {"content": [token], "refusal": None}
    told = events(text, chunk({"annotations": [cited, 3, {"type": 4}]}), chunk({"refusal": "no"}), chunk(finish="stop"))
    reply = ir.collect(told)
    assert reply.blocks[0].logprobs == [token]
    assert reply.blocks[0].annotations == [ir.Annotation("url_citation", "https://e.org", "E", 0, 1, cited)]
    assert text_of(told, "refusal") == "no"


def test_citations_without_text_get_a_block_to_stand_on() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://e.org"}}
    (block,) = ir.collect(events(chunk({"annotations": [cited]}), chunk(finish="stop"))).blocks
    assert (block.kind, block.text, block.annotations[0].url) == ("text", "", "https://e.org")


@pytest.mark.parametrize(
    ("told", "kind", "message"),
    [
        ({"error": {"message": "boom", "type": "server_error", "code": None}}, "upstream_error", "boom"),
        ({"error": {"message": "boom", "code": 503, "type": "unavailable_error"}}, "overloaded", "boom"),
        ({"error": "boom"}, "upstream_error", "boom"),
        ({"error": {"message": "slow", "type": "rate_limit_error"}}, "limited", "slow"),
        (
            {"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error"}},
            "context_length",
            "too long",
        ),
        ({"object": "error", "message": "bad", "type": "BadRequestError", "code": 400}, "invalid", "bad"),
        ({"detail": "Not Found", "code": "404"}, "not_found", "Not Found"),
        (
            Frame(b'{"code":400,"message":"the request exceeds the available context size"}', "error"),
            "context_length",
            None,
        ),
        (Frame(b"plain words", "error"), "upstream_error", "plain words"),
        ({"error": {"x": 1}}, "upstream_error", "The upstream reported an error."),
        (Frame(b'{"error":{"code":503,"message":"busy"}}', "error"), "overloaded", "busy"),
        ({"error": "the request exceeds the available context size"}, "context_length", None),
        (b"<html>", "bad_response", None),
        (b"[1]", "bad_response", None),
        (b'{"choices": 3}', "bad_response", None),
        (b'{"choices":[{"delta":{"content":"\xff"}}]}', "bad_response", None),
        (b"[" * 100_000, "bad_response", None),
    ],
)
def test_g06_g07_errors_and_garbage_in_a_stream(told: object, kind: str, message: str | None) -> None:
    for before in ((), (chunk({"content": "a"}),)):
        got = events(*before, told, chunk({"content": "late"}, "stop"))
        assert isinstance(got[-1], ir.Failed)
        assert got[-1].failure.kind == kind
        assert message is None or got[-1].failure.message == message
        assert not any(isinstance(event, ir.Finished | ir.Ended) for event in got)


def test_a_stream_that_just_ends_is_interrupted() -> None:
    for done in (True, False):
        told = events(chunk({"content": "a"}), done=done)
        assert isinstance(told[-1], ir.Failed)
        assert (told[-1].failure.kind, told[-1].failure.status) == ("interrupted", 502)
        assert told[-1].failure.code == "upstream_interrupted"
    assert isinstance(events(done=False)[-1], ir.Failed)


def test_a_finished_stream_needs_no_done() -> None:
    assert events(chunk({"content": "a"}, "stop"), done=False)[-1] == ir.Ended()


def test_one_unfinished_choice_of_two_is_an_interruption() -> None:
    told = events(chunk({"content": "a"}, "stop"), chunk({"content": "b"}, index=1))
    assert isinstance(told[-1], ir.Failed)


NAMES = """
choices delta message content reasoning reasoning_details refusal tool_calls function name arguments index id usage
finish_reason prompt_tokens completion_tokens annotations type url_citation logprobs error code model
"""
FIELDS = st.sampled_from(NAMES.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.sampled_from(["", "a", "stop"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(FIELDS, JSON, max_size=5), max_size=6))
@settings(max_examples=200, deadline=None)
def test_no_stream_makes_the_reader_raise_or_break_the_grammar(told: list) -> None:
    reader = DIALECT.reader()
    out = [event for one in told for event in reader.read(frame(one))]
    check_grammar([*out, *reader.end()])
    check_grammar(DIALECT.read_response(msgspec.json.encode(told[0] if told else {})))


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_bytes_make_the_relay_raise(data: bytes, exact: bool) -> None:
    relay, _ = relayed(b"data: " + data + b"\n\n", exact=exact)
    assert relay.done
