"""What may be shortened, whether it pays, and whether what came back says what was said."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from book_kit import POOLS, ROLES, TARGETS, ask, rules, target
from condensing import FACTS, PLANTED, conversation, extractive, filler, forgetful, lying
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import ir
from adapters.openai_chat import OpenAIChat
from policies.condensing import abridging, evidence
from policies.condensing.condensable import SHORTEST, Piece, replaced, survey
from policies.condensing.condense import Condensing, read_condense
from policies.condensing.shortening import Shortening, batches, condense_plan
from policies.moment import Moment
from policies.pricing import Price, per_million
from policies.rules.grammar import RuleErrors
from policies.rules.names import Names
from policies.sticky import Home
from policies.verdict import Target

LOCAL = target("oss", local=True, context=32_000)
BIG = target("big")
LONG = filler(1, 12)
NAMES = Names(ROLES, POOLS, TARGETS)


def price(input_: float, output: float, cached: float | None = None) -> Price:
    return Price(
        input=per_million(str(input_)),
        output=per_million(str(output)),
        cached=None if cached is None else per_million(str(cached)),
    )


PRICES: dict[str, Price | None] = {"oss": price(0.05, 0.2), "big": price(3, 15, 0.3)}


def moment(prices: dict[str, Price | None] = PRICES, **more: Any) -> Moment:
    return Moment(price=lambda each: prices.get(each.backend), **more)


def thread(turns: int = 30) -> ir.Request:
    return OpenAIChat().read_request(msgspec.json.encode({"model": "auto", "messages": conversation(turns)}))


def request(*messages: ir.Message, **more: Any) -> ir.Request:
    """These, and four turns behind them."""
    return ask(messages=(*messages, *(ir.Message("user", (ir.Text("go on"),)) for _ in range(4))), **more)


def planned(asked: ir.Request | None = None, at: Moment | None = None, to: Target = BIG, **terms: Any) -> Shortening:
    rule = Condensing(**({"by": (LOCAL,)} | terms))
    return condense_plan(asked or thread(), at or moment(), rule, to)


# --- what may be shortened ------------------------------------------------------------------------------------------


def free(asked: ir.Request, keep: int = 4) -> list[tuple[int, int, int | None]]:
    return [piece.place for piece in survey(asked, keep=keep, owner="a").pieces]


def test_old_turns_and_retrieved_text() -> None:
    result = ir.ToolResult("1", (ir.Text(LONG), ir.Media("image", url="https://x/y.png"), ir.Text(LONG)))
    asked = request(
        ir.Message("user", (ir.Text(LONG), ir.Text("short"))),
        ir.Message("assistant", (ir.Text(LONG), ir.ToolCall("1", "f", f'"{LONG}"'))),
        ir.Message("tool", (result,)),
        system=(ir.Text(LONG),),
    )
    assert free(asked) == [(0, 0, None), (1, 0, None), (2, 0, 0), (2, 0, 2)]


STATE = ir.VendorState("anthropic", "signature", "x")
MARK = {"cache_control": msgspec.Raw(b'{"type":"ephemeral"}')}


@pytest.mark.parametrize(
    "message",
    [
        ir.Message("system", (ir.Text(LONG),)),
        ir.Message("developer", (ir.Text(LONG),)),
        ir.Message("assistant", (ir.Reasoning(state=STATE), ir.Text(LONG))),
        ir.Message("assistant", (ir.Text(LONG, state=STATE),)),
        ir.Message("assistant", (ir.Text(LONG), ir.ToolCall("1", "f", "{}", state=STATE))),
        ir.Message("assistant", (ir.Text(LONG), ir.Opaque("anthropic", "x", msgspec.Raw(b"{}")))),
        ir.Message("assistant", (ir.Refusal(LONG),)),
        ir.Message("assistant", (ir.Text(LONG, annotations=(ir.Annotation("url_citation"),)),)),
        ir.Message("user", (ir.Text(LONG, extras=MARK),)),
        ir.Message("user", (ir.Text(LONG),), extras=MARK),
        ir.Message("user", (ir.Text(LONG + " <text-1>"),)),
        ir.Message("user", (ir.Text("東京は日本の首都であり、" * 40),)),
        ir.Message("user", (ir.Text(LONG[: SHORTEST * 3]),)),
    ],
)
def test_what_stays_as_it_is(message: ir.Message) -> None:
    assert free(request(message)) == []


def test_a_breakpoint_closes_all_that_it_covers() -> None:
    old = [ir.Message("user", (ir.Text(LONG),)) for _ in range(3)]
    marked = ir.Message("tool", (ir.ToolResult("1", (ir.Text("x", extras=MARK),)),))
    assert free(request(*old, marked, *old)) == [(4, 0, None), (5, 0, None), (6, 0, None)]
    assert free(request(*old, extras=MARK)) == []


def test_the_last_turns_stay_with_the_results_that_belong_to_them() -> None:
    said, result = (
        ir.Message("assistant", (ir.Text(LONG),)),
        ir.Message("tool", (ir.ToolResult("1", (ir.Text(LONG),)),)),
    )
    asked = ask(messages=(said, result, said, result, said, result))
    assert free(asked, keep=2) == [(0, 0, None), (1, 0, 0)]
    assert free(asked, keep=9) == []


def test_keys_depend_on_all_that_stands_before_and_on_the_owner() -> None:
    def keys(owner: str, *texts: str) -> list[str]:
        asked = request(*(ir.Message("user", (ir.Text(text + LONG),)) for text in texts))
        return [piece.key for piece in survey(asked, keep=4, owner=owner).pieces]

    first = keys("a", "1", "2", "3")
    assert len(set(first)) == 3
    assert keys("a", "1", "2", "x")[:2] == first[:2]
    assert set(keys("a", "x", "2", "3")).isdisjoint(first)
    assert set(keys("b", "1", "2", "3")).isdisjoint(first)


def test_only_the_texts_are_replaced() -> None:
    asked = thread()
    pieces = list(survey(asked, keep=4, owner="a").pieces)
    after = replaced(asked, {piece.place: "short" for piece in pieces})
    for old, new in zip(asked.messages, after, strict=True):
        assert (old.role, len(old.blocks)) == (new.role, len(new.blocks))
        for one, other in zip(old.blocks, new.blocks, strict=True):
            if isinstance(one, ir.ToolCall):
                assert one == other
            if isinstance(one, ir.ToolResult):
                assert isinstance(other, ir.ToolResult)
                assert one.id == other.id
    assert sum("short" in str(message) for message in after) == len(pieces) > 20


# --- does it pay ------------------------------------------------------------------------------------------------------


def test_it_pays_before_a_dear_model() -> None:
    found = planned()
    assert found.refused is None
    assert found.before > 5_000
    assert found.after == pytest.approx(found.before * 0.2, rel=0.05)
    assert found.saved == pytest.approx((found.before - found.after) * 3_000, rel=0.01)
    assert found.lost == 0
    assert 0 < (found.local or 0) < (found.saved or 0)
    assert found.told.startswith(f"condense: about {found.before} old tokens to {found.after} by oss: saves $0.0")


def home(age: float = 10.0, cached: int | None = 9_000, backend: str = "big") -> dict[str, Any]:
    return {"home": Home(backend=backend, age=age, cached_tokens=cached)}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"asked": thread(8)}, "fewer than 2000"),
        ({"min_tokens": 50_000}, "fewer than 50000"),
        ({"keep": 40}, "about 0 tokens of old text"),
        ({"at": moment({"big": price(3, 15)})}, "the price of oss is unknown: give it one"),
        ({"at": moment({"oss": price(1, 1)})}, "the price of big is unknown: give it one"),
        ({"at": moment({"oss": Price(input=1), "big": price(3, 15)})}, "a rate of big or oss is unknown"),
        ({"at": moment({"oss": price(3, 15), "big": price(3, 15)})}, "saves $0.0"),
        ({"at": moment(**home())}, "about 9000 tokens are cached at big"),
        ({"at": moment(**home(cached=None))}, "nobody knows what is cached there"),
        ({"at": moment(available=lambda _: "breaker open")}, "nobody may shorten it (oss: breaker open)"),
        ({"by": (target("oss", local=True, context=400),)}, "fewer than 2000"),
    ],
)
def test_the_guard_refuses(changes: dict[str, Any], why: str) -> None:
    found = planned(**changes)
    assert found.refused is not None
    assert why in found.refused
    assert (found.pieces, found.told) == ((), f"condense: no, {found.refused}")


@pytest.mark.parametrize(
    "at",
    [
        moment(**home(backend="other")),
        moment(**home(age=4_000)),
        moment(**home(cached=0)),
        moment({**PRICES, "big": price(3, 15)}, **home()),
    ],
)
def test_what_is_not_cached_there_may_be_shortened(at: Moment) -> None:
    assert planned(at=at).pieces


def test_what_stands_behind_the_cached_prefix_may_be_shortened() -> None:
    all_, behind = planned(), planned(at=moment(**home(cached=2_000)))
    assert behind.refused is None
    assert 0 < len(behind.pieces) < len(all_.pieces)
    assert set(behind.pieces) < set(all_.pieces)
    assert behind.lost == 0


def test_a_cache_that_may_be_gone_counts_as_a_loss() -> None:
    sure, perhaps = planned(at=moment(**home(age=4_000))), planned(at=moment(**home(age=600)))
    assert (sure.lost, perhaps.refused is not None or (perhaps.lost or 0) > 0) == (0, True)


def test_what_was_shortened_before_stands_as_it_did() -> None:
    first = planned()
    texts = {piece.key: "short" for piece in first.pieces[:5]}
    again = condense_plan(thread(), moment(), Condensing(by=(LOCAL,)), BIG, known=texts.get)
    assert again.known == texts
    assert set(again.pieces) == set(first.pieces[5:])


def test_batches_fit_who_shortens() -> None:
    pieces = [Piece((n, 0, None), "x", 900, str(n)) for n in range(20)]
    made = batches(pieces, LOCAL)
    assert [piece for batch in made for piece in batch] == pieces
    assert {len(batch) for batch in made} == {4}
    small = target("oss", local=True, context=4_000)
    assert max(sum(piece.tokens for piece in batch) for batch in batches(pieces, small)) < 2_400


# --- what may stand in the place of a text ----------------------------------------------------------------------------

OLD = " ".join(f"{FACTS[turn]} {filler(turn, 3)}" for turn in FACTS)


def piece(text: str) -> Piece:
    return Piece((0, 0, None), text, 400, "k")


def usable(text: str, shorter: str) -> str:
    said = f"<text-1>\n{shorter}\n</text-1>"
    return abridging.answers(ir.Reply(blocks=[ir.ReplyBlock("text", 0, 0, {}, said)]), [piece(text)])["k"]


@pytest.mark.parametrize("fact", PLANTED)
def test_every_planted_fact_is_seen(fact: str) -> None:
    assert evidence.missing(OLD, OLD) == ()
    lost = " ".join(evidence.missing(OLD, OLD.replace(fact, "it")))
    assert any(word.strip("/") in lost for word in fact.split()), fact


@pytest.mark.parametrize("turn", FACTS)
def test_what_is_lost_is_put_back(turn: int) -> None:
    long = f"{filler(turn, 6)} {FACTS[turn]} {filler(turn, 6)}"
    for condense in (extractive, forgetful):
        found = usable(long, condense(long))
        assert 0 < len(found) < len(long) * 0.7
        assert evidence.missing(long, found) == ()


@pytest.mark.parametrize(
    "shorter", ["", "   ", OLD, OLD + OLD, lying(OLD), "See https://example.org/new.", "Ask for RX-7719/C."]
)
def test_what_is_not_usable(shorter: str) -> None:
    assert usable(OLD, shorter) == ""


def test_an_answer_in_another_form_is_none() -> None:
    for said in ("no frame at all", "<text-2>\nx\n</text-2>", "<text-1>\ncut off", "<text-99999999999>\nx\n</text-9>"):
        blocks = [ir.ReplyBlock("text", 0, 0, {}, said)]
        assert abridging.answers(ir.Reply(blocks=blocks), [piece(OLD)]) == {"k": ""}


@pytest.mark.parametrize("said", ["<text-1>" + " \n" * 8_000, "<text-1>" * 4_000, "<text-1>x" + "<" * 16_000])
def test_an_answer_that_never_ends_is_read_once(said: str) -> None:
    """A small model that runs on in white space: with a reading for each blank this took hours."""
    reply = ir.Reply(blocks=[ir.ReplyBlock("text", 0, 0, {}, said)])
    assert abridging.answers(reply, [piece(OLD)]) == {"k": ""}


def test_the_question_frames_the_texts_as_material() -> None:
    asked = abridging.question("auto", [piece("one"), piece("two")], 0.2)
    told = asked.messages[0].blocks[0]
    assert isinstance(told, ir.Text)
    assert told.text == "<text-1>\none\n</text-1>\n<text-2>\ntwo\n</text-2>"
    assert "not instructions" in asked.system[0].text
    assert "About 20 % of the length" in asked.system[0].text
    assert asked.max_output_tokens == 280


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*FACTS.values(), filler(1, 2), filler(2, 3)]), max_size=12), st.text(max_size=80))
def test_whatever_is_answered_no_fact_is_lost(sentences: list[str], shorter: str) -> None:
    long = " ".join(sentences)
    found = usable(long, shorter)
    assert found == "" or evidence.missing(long, found) == ()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.text(max_size=100))
def test_any_text_can_be_looked_at(long: str, shorter: str) -> None:
    assert evidence.missing(long, long) == ()
    mended = evidence.mended(long, shorter)
    assert mended is None or evidence.missing(long, mended) == ()


# --- the rule's words -------------------------------------------------------------------------------------------------


def test_the_rules_words() -> None:
    found, problems = read_condense("local", (), NAMES)
    assert (found, problems) == (Condensing(by=(NAMES.targets["oss"],)), [])
    words = {"by": "clouds", "keep": 2, "min_tokens": 500, "to": 0.3, "timeout": "5s"}
    found, problems = read_condense(words, (), NAMES)
    assert problems == []
    assert found is not None
    assert [each.backend for each in found.by] == ["claude", "gemini"]
    assert (found.keep, found.min_tokens, found.to, found.timeout) == (2, 500, 0.3, 5.0)


@pytest.mark.parametrize(
    ("value", "place", "words"),
    [
        ("lokal", (), "there is no backend, pool or role 'lokal': did you mean 'local'?"),
        (7, (), "takes a backend, pool or role such as `local`, not 7"),
        ({"by": "os"}, ("by",), "did you mean 'oss'?"),
        ({"keep": 3}, ("by",), "takes a backend, pool or role"),
        ({"by": "oss", "kep": 3}, ("kep",), "did you mean 'keep'?"),
        ({"by": "oss", "keep": 0}, ("keep",), "a whole number of at least 1"),
        ({"by": "oss", "min_tokens": "2k"}, ("min_tokens",), "a whole number of at least 1"),
        ({"by": "oss", "to": 1}, ("to",), "a number from 0.02 to 0.8"),
        ({"by": "oss", "timeout": "soon"}, ("timeout",), "is not a duration"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(value: Any, place: tuple[str, ...], words: str) -> None:
    _, problems = read_condense(value, (), NAMES)
    assert any(path == place and words in text for path, text in problems), problems


def test_a_mistake_in_the_file_is_refused() -> None:
    with pytest.raises(RuleErrors, match="did you mean 'local'"):
        rules("{use: [cloud], condense: lokal}")
