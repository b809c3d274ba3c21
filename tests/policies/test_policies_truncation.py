"""Silent truncation, by what a backend reports: caught where it cuts, and no false alarm in any tongue or tokenizer."""

from __future__ import annotations

import random

import pytest
from book_kit import ask
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.facts import estimate_input
from policies.truncation import Cut, Seen, count_words, judge

_WORDS = {
    "english": "the harbour was quiet and every boat lay in its row while we waited for rain",
    "german": "der Hafen lag still und jedes Boot wartete auf die Ankunftsbestätigung seiner Hafenmeisterei",
    "russian": "гавань была тиха и каждая лодка стояла на своём месте пока мы ждали дождя",
    "arabic": "كان الميناء هادئا وكل قارب في صفه بينما كنا ننتظر المطر",
    "hindi": "बंदरगाह शांत था और हर नाव अपनी कतार में थी जब हम बारिश की प्रतीक्षा कर रहे थे",
    "code": "def f(x): return {k: v for k, v in x.items() if k.startswith('_')} # noqa",
    "spaced": "a b c d e f g",
}
_WORDLESS = {"chinese": "港口很安静每条船都停在自己的位置上我们在等雨", "thai": "ท่าเรือเงียบสงบและเรือทุกลำจอดเรียงกัน"}


def _text(rng: random.Random, tongue: str, size: int) -> str:
    """About ``size`` words (or marks)."""
    if tongue in _WORDLESS:
        return "".join(rng.choices(_WORDLESS[tongue], k=size))
    return " ".join(rng.choices(_WORDS[tongue].split(), k=size))


def _tokens(text: str, per_word: float) -> int:
    """An honest tokenizer: at least one token for each word, ``per_word`` more for each of its further characters."""
    return 12 + sum(1 + int((len(word) - 1) * per_word) for word in text.split())


class Backend:
    """Reports what it has read of each prompt; ``limit``: where it cuts."""

    def __init__(self, per_word: float, limit: int | None = None, context: int | None = None) -> None:
        self.seen, self.per_word, self.limit, self.context = Seen(), per_word, limit, context

    def take(self, text: str, reported: int | None = None) -> Cut | None:
        request = ask(text)
        told = _tokens(text, self.per_word) if reported is None else reported
        self.seen, cut = judge(
            self.seen,
            estimate_input(request),
            told if self.limit is None else min(told, self.limit),
            words=lambda enough: count_words(request, enough),
            context=self.context,
        )
        return cut


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    per_word=st.floats(0.0, 1.5),
    tongues=st.lists(st.sampled_from(sorted({*_WORDS, *_WORDLESS})), min_size=1, max_size=4),
    context=st.sampled_from([None, 2048, 8192, 131_072]),
)
def test_no_honest_backend_is_blamed(seed: int, per_word: float, tongues: list[str], context: int | None) -> None:
    """Whatever the tokens of a word, the tongues, their order and the sizes."""
    rng = random.Random(seed)
    backend = Backend(per_word, context=context)
    for _ in range(40):
        assert backend.take(_text(rng, rng.choice(tongues), rng.choice((5, 200, 2_000, 8_000)))) is None
    assert backend.seen.limit is None


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), limit=st.integers(1_100, 9_000), per_word=st.floats(0.1, 0.6))
def test_whoever_cuts_is_found_by_the_second_long_prompt(seed: int, limit: int, per_word: float) -> None:
    rng = random.Random(seed)
    backend = Backend(per_word, limit)
    for _ in range(5):
        assert backend.take(_text(rng, "english", 150)) is None
    first, second = (_text(rng, "english", factor * limit) for factor in (2, 3))
    backend.take(first)
    cut = backend.take(second)
    assert cut is not None
    assert cut.reported == limit
    assert backend.seen.limit == limit


@pytest.mark.parametrize("limit", [2_048, 4_096, 32_768])
def test_at_a_usual_limit_the_first_prompt_is_enough_to_flag_and_not_to_correct(limit: int) -> None:
    backend = Backend(0.3, limit)
    assert backend.take(_text(random.Random(1), "english", 2 * limit)) is not None
    assert backend.seen.limit is None


def test_so_is_a_context_that_the_operator_named() -> None:
    assert Backend(0.3, 6_000, context=6_000).take(_text(random.Random(1), "english", 12_000)) is not None
    assert Backend(0.3, 6_000).take(_text(random.Random(1), "english", 12_000)) is None


def test_text_without_spaces_is_flagged_by_the_backends_own_habit_and_never_corrects() -> None:
    rng = random.Random(3)
    backend = Backend(0.0)
    for size in (200, 300, 400, 500, 600, 700, 800, 900):
        text = _text(rng, "chinese", size)
        assert backend.take(text, round(len(text) * 0.9)) is None
    for size in (5_000, 7_000, 9_000):
        assert backend.take(_text(rng, "chinese", size), 2_048) is not None
    assert backend.seen.limit is None


def test_a_server_that_leaves_out_what_was_cached_is_not_blamed() -> None:
    """Old Ollama reports only the tokens that are new; it has read longer prompts, and says little of the next."""
    rng = random.Random(4)
    backend = Backend(0.3)
    thread = _text(rng, "english", 6_000)
    assert backend.take(thread) is None
    for fresh in (40, 900, 2_048, 4_000):
        assert backend.take(thread + _text(rng, "english", 500), fresh) is None
    assert backend.seen.limit is None


def test_the_same_prompt_twice_is_one_prompt() -> None:
    text = _text(random.Random(5), "english", 5_000)
    backend = Backend(0.3)
    assert backend.take(text, 3_000) is None
    assert backend.take(text, 3_000) is None
    assert backend.seen.limit is None


def test_a_limit_that_is_passed_is_lifted() -> None:
    rng = random.Random(6)
    backend = Backend(0.3, 2_048)
    for size in (5_000, 7_000):
        backend.take(_text(rng, "english", size))
    assert backend.seen.limit == 2_048
    backend.limit = None
    assert backend.take(_text(rng, "english", 5_000)) is None
    assert backend.seen.limit is None


def test_whole_turns_that_are_dropped_end_a_little_below_the_limit() -> None:
    rng = random.Random(7)
    backend = Backend(0.3)
    for size, told in ((5_000, 2_048), (7_000, 2_040)):
        backend.take(_text(rng, "english", size), told)
    assert backend.seen.limit == 2_048
    assert backend.take(_text(rng, "english", 6_000), 1_700) is not None


def test_nobody_can_have_another_ones_context_lowered() -> None:
    """White space costs few tokens and much of our estimate: a caller who pads may be flagged, and lowers nothing."""
    backend = Backend(0.3)
    for _ in range(20):
        backend.take(_text(random.Random(8), "english", 100))
    for pad in (20_000, 40_000, 80_000):
        backend.take("word " * 1_500 + " " * pad, 2_048)
    assert backend.seen.limit is None


def test_words_are_counted_no_further_than_is_asked() -> None:
    assert count_words(ask("one two three"), 100) == 3
    assert count_words(ask("word " * 100_000), 50) < 1_000
