"""What a rule may look at, and what of it is written down."""

import msgspec
import pytest
from book_kit import ask, facts, tool
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.classify import PromptView, Verdict
from policies.facts import IMAGE_TOKENS
from policies.language import guess_language
from policies.prompt import view
from policies.text import estimate_tokens
from policies.verdict import Caller

LABELS = st.none() | st.sampled_from(["public", "internal", "confidential", "restricted", "own"])
RANK = {None: -1, "public": 0, "internal": 1, "confidential": 2, "own": 3, "restricted": 4}


@given(LABELS, LABELS)
def test_the_data_class_only_rises(key: str | None, header: str | None) -> None:
    headers = {} if header is None else {"x-turnout-data-class": header.upper()}
    found = facts(caller=Caller(data_class=key), headers=headers).data_class
    assert max(map(RANK.get, found), default=-1) == max(RANK[key], RANK[header])
    assert key != "own" or "own" in found


@pytest.mark.parametrize("odd", ["", "two words", "x" * 40, "é"])
def test_a_label_that_is_no_word_is_taken_for_the_strictest(odd: str) -> None:
    assert facts(headers={"x-turnout-data-class": odd}).data_class == {"restricted"}


def test_the_class_is_computed_once_and_only_when_asked_for() -> None:
    seen: list[PromptView] = []

    def classify(prompt: PromptView) -> Verdict:
        seen.append(prompt)
        return Verdict("simple", -2.0, 0.1, "hook")

    found = facts(ask("Hi!"), classify=classify)
    assert "class" not in found.recorded()
    assert (found.value("class"), found.value("score"), found.value("class")) == ("simple", -2.0, "simple")
    assert [prompt.text for prompt in seen] == ["Hi!"]
    assert found.recorded()["gate"] == "hook"


def test_without_a_classifier_the_class_is_unknown() -> None:
    assert facts(ask("Hi!"), classify=None).value("class") is None


def test_recorded_facts_are_small_and_leave_unknowns_out() -> None:
    found = facts(
        ask("word " * 5_000, tools=tuple(tool(f"tool-{i}") for i in range(50)), effort="high", max_output_tokens=9),
        caller=Caller(team="interns", data_class="internal"), conditions={"budget_used": 0.5, "budget_pace": 1.2},
        headers={"authorization": "secret"},
    )  # fmt: skip
    for name in ("class", "input_tokens", "language"):
        found.value(name)
    told = found.recorded()
    assert len(msgspec.json.encode(told)) <= 400
    assert "secret" not in str(told)
    assert None not in told.values()
    assert (told["v"], told["tools"], told["effort"], told["budget_used"]) == (1, 50, "high", 0.5)
    assert told["budget_pace"] == 1.2


def test_unread_facts_record_only_the_head() -> None:
    assert facts(None).recorded() == {"v": 1, "alias": "auto", "api": "chat", "stream": False}


def test_the_model_is_told_when_it_is_not_the_alias() -> None:
    assert facts(None, alias="gpt-*", model="gpt-4o").recorded()["model"] == "gpt-4o"


def test_input_tokens_count_all_that_the_model_reads() -> None:
    plain = facts(ask("x" * 400)).input_tokens
    assert plain == 100
    with_system = facts(ask("x" * 400, system=(ir.Text("y" * 400),))).input_tokens
    assert with_system == 200
    picture = ir.Message("user", (ir.Media("image", data="A" * 10_000),))
    assert facts(ask(messages=(picture,))).input_tokens == IMAGE_TOKENS
    result = ir.Message("tool", (ir.ToolResult("c", (ir.Text("z" * 400), ir.Media("image", data="A"))),))
    assert facts(ask(messages=(result,))).input_tokens == 100 + IMAGE_TOKENS
    assert facts(ask("x" * 400, tools=(tool(),))).input_tokens > plain


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("", 0, 0),
        ("The quick brown fox jumps over the lazy dog. " * 20, 170, 280),
        ("快速的棕色狐狸跳过懒狗。" * 20, 170, 300),
        ("Быстрая коричневая лиса прыгает через ленивую собаку. " * 20, 260, 520),
        ("สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัข" * 20, 350, 750),
        ("🎉" * 20, 20, 60),
    ],
)
def test_estimates_are_of_the_right_size_in_every_script(text: str, low: int, high: int) -> None:
    assert low <= estimate_tokens(text) <= high


@given(st.text(min_size=1))
def test_no_text_is_free(text: str) -> None:
    assert estimate_tokens(text) >= 1


def test_a_long_text_is_sampled_and_still_about_right() -> None:
    whole = sum(estimate_tokens(part) for part in ["wörd " * 1_000] * 40)
    assert estimate_tokens("wörd " * 40_000) == pytest.approx(whole, rel=0.05)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of the country?", "en"),
        ("Was ist die Hauptstadt von Frankreich?", "de"),
        ("¿Cuál es la capital del país?", "es"),
        ("Quelle est la capitale de la France et pourquoi ?", "fr"),
        ("日本の首都はどこですか", "ja"),
        ("中国的首都是哪里", "zh"),
        ("한국의 수도는 어디입니까", "ko"),
        ("Какая столица России?", "ru"),
        ("Яка столиця України?", "uk"),
        ("ما هي عاصمة مصر؟", "ar"),
        ("پایتخت ایران کجاست؟ لطفا بگویید چرا", "fa"),
        ("भारत की राजधानी क्या है?", "hi"),
        ("Translate привет to English for me please", "en"),
        ("xyzzy", None),
        ("", None),
    ],
)
def test_languages(text: str, language: str | None) -> None:
    assert guess_language(text) == language


def test_the_prompt_is_the_last_user_turn() -> None:
    user, answer = ir.Message("user", (ir.Text("first"),)), ir.Message("assistant", (ir.Text("yes"),))
    system = ir.Message("system", (ir.Text("be brief"),))
    last = ir.Message("user", (ir.Text("one"), ir.Text("two"), ir.Media("image", data="A")))
    result = ir.Message("tool", (ir.ToolResult("c", (ir.Text("data"),)),))
    found = view(ask(messages=(system, user, answer, last, result), max_output_tokens=7))
    assert found == PromptView(
        text="one\ntwo", system_chars=8, context_chars=8, depth=2, tool_history=True, media=True, max_output=7
    )


def test_a_request_without_a_user_turn_has_an_empty_prompt() -> None:
    found = view(ask(messages=(ir.Message("assistant", (ir.Text("yes"),)),)))
    assert (found.text, found.depth) == ("", 0)
