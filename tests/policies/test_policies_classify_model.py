"""The classifier's numbers: exact reasons, bounded work, what is shipped, and what an operator may lay over it."""

import subprocess
import sys
from importlib import resources
from math import exp

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.classify import PromptView, Thresholds, classify, shipped
from policies.classify.features import HEAD, TAIL, extract
from policies.classify.lexicon import BUCKETS
from policies.classify.model import NUMBERS, TABLE, Numbers, version_of

ENGLISH = "The committee asked whether the results, which many of its members had doubted, could be shown again."
HOSTILE = {
    "word": "a" * 1_000_000,
    "newlines": "\n" * 100_000,
    "brackets": "[" * 500_000,
    "nested": '{"a":[' * 160_000,
    "cjk": "字" * 1_000_000,
    "marks": "a" + "\u0301\u0316" * 500_000,
    "mentions": "@" * 1_000_000,
    "options": "A. x\n" * 200_000,
    "points": "- " * 400_000,
    "numbers": "1.1," * 250_000,
    "surrogates": "\ud800" * 300_000,
    "spaces": " \t" * 500_000,
    "empty": "",
}


@given(
    st.text(max_size=300) | st.just(ENGLISH),
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
    assert verdict.p_local_worse == pytest.approx(1 / (1 + exp(-verdict.score)), abs=1e-4)
    assert verdict == classify(view)


def test_reasons_hold_no_word_of_the_prompt() -> None:
    verdict = classify(PromptView(text="Zanzibar was the answer to the question that they asked of Wolpertinger"))
    assert "words" in {reason.feature for reason in verdict.reasons}
    assert "zanzibar" not in msgspec.json.encode(verdict).decode().lower()


def test_structure_decides_alone_outside_english() -> None:
    for text in ("Wie hoch ist der Berg, den wir gestern gesehen haben?", "昨天我们看到的那座山有多高？", "x = 3"):
        verdict = classify(PromptView(text=text))
        assert not verdict.lexical
        assert "words" not in {reason.feature for reason in verdict.reasons}
    assert classify(PromptView(text=ENGLISH)).lexical


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_work_is_bounded_whatever_the_prompt(text: str) -> None:
    """How long it takes is measured by tests/bench/classify.py; here it is what there is to work on."""
    seen = extract(PromptView(text=text))
    assert len(seen.text) <= HEAD + TAIL + 1
    assert len(seen.asked) <= 450
    assert len(seen.places or ()) <= 2 * HEAD
    assert all(0 <= value <= 16 for value in seen.values.values())
    assert classify(PromptView(text=text)).cls in {"simple", "moderate", "complex"}


def test_the_middle_of_a_long_prompt_is_not_read() -> None:
    ends = "The beginning. " * 200, " The end." * 300
    one, other = (classify(PromptView(text=ends[0] + filling * 50_000 + ends[1])) for filling in "x7")
    assert one == other


def test_what_stands_around_the_prompt_raises_the_score() -> None:
    text = "And what about the second one, the one that we talked about yesterday?"
    alone = classify(PromptView(text=text))
    for change in ({"context_chars": 60_000}, {"depth": 12}, {"max_output": 8_000}, {"structured": True},
                   {"system_chars": 8_000}, {"media": True}):  # fmt: skip
        assert classify(PromptView(text=text, **change)).score > alone.score


def test_more_of_the_same_scores_higher() -> None:
    scores = [classify(PromptView(text=f"{ENGLISH} " * times)).score for times in (1, 3, 9, 27, 200)]
    assert scores == sorted(scores)


def test_length_means_the_same_in_every_script() -> None:
    """The same sentence in English, Russian, Thai and Chinese."""
    same = (
        "Please tell me how many people live in the big city on the other side of the river.",
        "Пожалуйста, скажите мне, сколько людей живёт в большом городе на другой стороне реки.",
        "กรุณาบอกฉันหน่อยว่ามีคนอาศัยอยู่ในเมืองใหญ่อีกฝั่งหนึ่งของแม่น้ำกี่คน",
        "请告诉我有多少人住在河对岸的那座大城市里。",
    )
    sizes = [extract(PromptView(text=text)).values["size"] for text in same]
    assert max(sizes) - min(sizes) < 0.7


def test_thresholds_may_be_given() -> None:
    view = PromptView(text="My sister and I went to the lake last summer and it was lovely")
    assert classify(view, thresholds=Thresholds(0.0, 0.05)).cls == "complex"
    assert classify(view, shipped().with_thresholds(0.0, 1.0)).cls == "moderate"
    assert classify(view).thresholds == shipped().thresholds


def test_a_refit_is_laid_over_the_shipped_weights() -> None:
    view = PromptView(text=ENGLISH)
    mine = shipped().adjusted(0.5, {"commas": 0.25}, "mine-1")
    before, after = classify(view), classify(view, mine)
    commas = extract(view).values["commas"]
    assert after.score == pytest.approx(before.score + 0.5 + 0.25 * commas, abs=1e-5)
    assert (after.weights, before.weights) == ("mine-1", shipped().version)
    with pytest.raises(KeyError):
        shipped().adjusted(0.0, {"comas": 1.0}, "mine-2")


def test_the_shipped_files_are_what_their_version_says() -> None:
    folder = resources.files("policies.classify")
    table = folder.joinpath(TABLE).read_bytes()
    raw = folder.joinpath(NUMBERS).read_bytes()
    numbers = msgspec.json.decode(raw, type=Numbers)
    assert numbers.version == version_of(numbers, table) == shipped().version
    assert version_of(numbers, bytes([table[0] ^ 1]) + table[1:]) != numbers.version
    assert len(table) == BUCKETS
    assert len(table) + len(raw) <= 300 * 1_024


def test_every_feature_has_a_weight() -> None:
    assert set(extract(PromptView(text="Hi")).values) == set(shipped().weights)


def test_the_weights_are_not_read_before_they_are_needed() -> None:
    script = "import policies.classify as c; assert c.shipped.cache_info().currsize == 0; import sys;"
    script += "assert 'numpy' not in sys.modules and 'policies.classify.train' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
