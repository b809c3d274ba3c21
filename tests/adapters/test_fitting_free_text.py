"""Wrapped free text, unwrapped while it streams: whatever the cuts, the same text (G84, G21)."""

import itertools
import json
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters import ir
from adapters.fitting import free_text
from adapters.fitting.free_text import Unwrapping, unwrap, wrap


def unwrapped(pieces: Sequence[str]) -> str:
    machine = Unwrapping()
    return "".join([*map(machine.feed, pieces), machine.end()])


def spelled(text: str, how: Sequence[int]) -> str:
    """``text`` as a JSON string, each character spelled in one of the ways that JSON allows."""
    out = []
    for index, char in enumerate(text):
        units = char.encode("utf-16-be")
        escaped = "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
        plain = json.dumps(char, ensure_ascii=False)[1:-1]
        out.append((plain, escaped, escaped.upper().replace("\\U", "\\u"))[how[index % len(how)]] if how else plain)
    return f'"{"".join(out)}"'


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
WAYS = st.lists(st.integers(0, 2), max_size=5)


@given(TEXTS, WAYS, st.lists(st.integers(0, 300), max_size=8))
@example('🙂"\\/é\n', [1], [20, 25, 30])
def test_g84_any_spelling_in_any_pieces_is_the_text(text: str, how: list[int], cuts: list[int]) -> None:
    whole = f'{{ "input" : {spelled(text, how)} }}'
    places = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    pieces = [whole[a:b] for a, b in itertools.pairwise(places)]
    assert unwrapped(pieces) == text


@pytest.mark.parametrize("text", ["plain", '*** Begin "Patch"\n\t\\ 🙂 世界 \x7f', "2512292042121000001", "\u2028é"])
@pytest.mark.parametrize("ascii_", [True, False])
def test_g84_every_cut_of_a_call(text: str, ascii_: bool) -> None:
    whole = json.dumps({"input": text}, ensure_ascii=ascii_)
    for cut in range(len(whole) + 1):
        assert unwrapped([whole[:cut], whole[cut:]]) == text
    assert unwrapped(list(whole)) == text
    assert unwrap(wrap(text)) == text


@given(st.text(max_size=60), st.lists(st.integers(0, 60), max_size=5))
@example('{"input": 5}', [3])
@example('{"other":1,"input":"x"}', [4, 12])
@example('{"input":"\\ud83d', [14])
@example('{"input":"\\ud83d\\u0041"}', [14, 17])
@example('{"input":"a\\', [])
def test_what_a_model_sends_is_told_alike_however_it_is_cut(sent: str, cuts: list[int]) -> None:
    places = sorted({0, len(sent), *(min(cut, len(sent)) for cut in cuts)})
    pieces = [sent[a:b] for a, b in itertools.pairwise(places)]
    assert unwrapped(pieces) == unwrapped([sent])
    unwrapped([sent]).encode()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("*** raw patch", "*** raw patch"),
        ('{"patch":"x"}', '{"patch":"x"}'),
        ('{"input":{"a":1}}', '{"input":{"a":1}}'),
        ('{"why":"b","input":"x"}', "x"),
        ('{"\\u0069nput":"x"}', "x"),
        ('{"input":"cut off', "cut off"),
        ('{"input":"x","more":1}', "x"),
        ('{"input":"\\q\\u12g4"}', "\\q\\u12g4"),
        ('{"input":"\\ud83d"}', "\ufffd"),
        ('{"input":"\\ud83d', "\ufffd"),
        (" " * 300 + '{"input":"x"}', "x"),
        ("", ""),
    ],
)
def test_arguments_that_do_not_keep_to_the_schema(sent: str, told: str) -> None:
    assert unwrapped([sent]) == unwrapped(list(sent)) == told


def test_text_is_told_as_it_comes() -> None:
    machine = Unwrapping()
    assert [machine.feed(piece) for piece in ('{"inp', 'ut":"a', "b\\", 'nc"', "}")] == ["", "a", "b", "\nc", ""]
    assert machine.end() == ""


GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}


def test_the_model_is_told_the_grammar_in_words() -> None:
    made = free_text.function(ir.Tool("patch", "custom", "Edits.", format=GRAMMAR))
    assert (made.kind, made.parameters, made.format) == ("function", free_text.PARAMETERS, None)
    assert made.description == "Edits.\n\n'input' must follow this lark grammar:\nstart: \"x\""


@pytest.mark.parametrize("shape", [None, {"type": "text"}, {"type": "grammar", "definition": 5}])
def test_text_without_a_grammar_needs_no_words(shape: object) -> None:
    assert free_text.function(ir.Tool("note", "custom", "Notes.", format=shape)).description == "Notes."
    assert free_text.grammar(ir.Tool("note", "custom", format=shape)) is None
