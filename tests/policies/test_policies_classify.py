"""The classifier's classes: the five cases of the chat bot and others in many languages, and what may never be simple."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from policies.classify import PromptView, classify

HERE = Path(__file__).parent
S11: dict[str, dict[str, str]] = msgspec.json.decode((HERE / "s11.json").read_bytes())
EXPECTED = {"greet": "simple", "sum": "simple", "summarize": "simple", "create": "complex", "deploy": "complex"}
CASES = [
    pytest.param(text, EXPECTED[case], id=f"{language}-{case}")
    for language, texts in S11.items()
    for case, text in texts.items()
]


def cls(text: str) -> str:
    return classify(PromptView(text=text)).cls


def test_at_least_twenty_languages() -> None:
    assert len(S11) >= 20
    assert all(set(texts) == set(EXPECTED) for texts in S11.values())


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_s11_in_every_language(text: str, expected: str) -> None:
    assert cls(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Unda seva ya FastAPI",  # Swahili: an order
        "Prove that sqrt(2) is irrational",
        "Fix it",
        "Rust lifetimes",
        "What is the index of <p> = (1, 2, 5, 4)(2, 3) in S_5?",
        "Summarize the main differences between SQL and NoSQL databases",
        "Yes, and now deploy it",
    ],
)
def test_shortness_alone_never_means_simple(text: str) -> None:
    assert cls(text) != "simple"


@pytest.mark.parametrize(
    "text",
    ["Thanks for your help!", "Who created Python?", "When was the iPhone released?", "Translate this: good day",
     "Hi!!! 😀".replace(" 😀", ""), "Summarize this text: " + "The cat sat on the mat. " * 40],
)  # fmt: skip
def test_easy_work_is_simple(text: str) -> None:
    assert cls(text) == "simple"


def test_a_very_long_text_is_no_easy_summary() -> None:
    assert cls("Summarize this text: " + "The cat sat on the mat. " * 4_000) != "simple"


def test_developer_cases(shared: Path) -> None:
    lines = (shared / "data/routing/litellm_eval_cases.dev.jsonl").read_bytes().splitlines()
    cases = [msgspec.json.decode(line) for line in lines]
    found = [(case, cls(case["prompt"])) for case in cases]
    right = [got == case["label"] or got in case["accept"] for case, got in found]
    assert sum(right) / len(right) >= 0.75
    assert not [case["prompt"] for case, got in found if case["label"] == "complex" and got == "simple"]


def told(file: str) -> Iterator[tuple[str, str, str, str]]:
    """(language, expected, got, prompt) of every case of a file."""
    cases: dict[str, dict[str, list[str]]] = msgspec.json.decode((HERE / file).read_bytes())
    for language, by_class in cases.items():
        for expected, prompts in by_class.items():
            yield from ((language, expected, cls(prompt), prompt) for prompt in prompts)


def test_other_verbs_greetings_and_facts_in_many_languages() -> None:
    """The word lists were widened with these: what is left names the lists' limits."""
    found = list(told("paraphrases.json"))
    missed = [case for case in found if case[1] != case[2]]
    assert not [case for case in missed if case[1:3] == ("complex", "simple")]
    assert len(missed) <= 0.04 * len(found), missed


def test_cases_that_the_lists_were_not_made_for() -> None:
    """Written after the last change of the lists; no list is to be widened for these."""
    found = list(told("unseen.json"))
    missed = [case for case in found if case[1] != case[2]]
    assert not [case for case in missed if case[1:3] == ("complex", "simple")]
    assert len(missed) <= 0.1 * len(found), missed


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("Hello!", "greeting"),
        ("Deploy the service", "action_verb"),
        ("Prove that there are infinitely many primes", "reasoning"),
        ("Translate this: good day", "rewrite"),
        ("What is 12 * 9?", "arithmetic"),
        ("Who wrote Hamlet?", "one_fact"),
        ("The OAuth login of the app", "technical_order"),
        ("My sister and I went to the lake last summer and it was lovely", None),
    ],
)
def test_the_rule_that_decided_is_named(text: str, gate: str | None) -> None:
    assert classify(PromptView(text=text)).gate == gate


def test_a_problem_about_someone_who_makes_something_is_no_order() -> None:
    text = "Carla can build 4 tables in 3 hours. How many tables will she build in 12 hours?"
    assert classify(PromptView(text=text)).gate != "action_verb"
    assert cls(text) != "simple"


def test_an_exam_question_is_no_order() -> None:
    text = "Which tool would you use to build a wall?\nA. A saw\nB. A trowel\nC. A file\nD. A plane"
    assert classify(PromptView(text=text)).gate is None


def test_words_of_other_languages_are_no_orders_in_english() -> None:
    assert classify(PromptView(text="What should we do about the lag when the others come?")).gate != "action_verb"
