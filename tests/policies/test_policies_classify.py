"""The classifier: the five cases of the chat bot in many languages, reasons that add up, and speed on hostile input."""

import re
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.classify import PromptView, classify

S11: dict[str, dict[str, str]] = msgspec.json.decode((Path(__file__).parent / "s11.json").read_bytes())
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


@given(
    st.text(max_size=300),
    st.integers(0, 10_000),
    st.integers(0, 100),
    st.none() | st.integers(1, 100_000),
    st.booleans(),
)
def test_contributions_add_up_to_the_score(text: str, chars: int, depth: int, output: int | None, flag: bool) -> None:
    view = PromptView(
        text=text, system_chars=chars, context_chars=chars, depth=depth, max_output=output, structured=flag, media=flag
    )
    verdict = classify(view)
    assert sum(reason.contribution for reason in verdict.reasons) == pytest.approx(verdict.score, abs=1e-5)
    assert 0 <= verdict.p_local_worse <= 1
    assert verdict == classify(view)


def test_what_stands_around_the_prompt_raises_the_score() -> None:
    text = "And what about the second one, the one that we talked about yesterday?"
    alone = classify(PromptView(text=text))
    among = classify(PromptView(text=text, system_chars=8_000, context_chars=60_000, depth=12, max_output=8_000))
    assert among.score > alone.score


@pytest.mark.parametrize(
    "hostile",
    ["a" * 1_000_000, "\n" * 100_000, "[" * 500_000, "{(" * 300_000, "字" * 1_000_000, "1 " * 500_000, "@" * 1_000_000,
     "- " * 400_000, "é" * 1_000_000, "?!" * 400_000, "a'" * 500_000, "1.1," * 250_000],
    ids=lambda text: re.sub(r"\s", "_", text[:3]),
)  # fmt: skip
def test_hostile_input_is_bounded(hostile: str) -> None:
    view = PromptView(text=hostile)
    classify(view)
    best = min(_timed(view) for _ in range(5))
    assert best < 0.02, "2 ms on a free core; ten times that on a shared one"


def _timed(view: PromptView) -> float:
    start = time.perf_counter()
    classify(view)
    return time.perf_counter() - start
