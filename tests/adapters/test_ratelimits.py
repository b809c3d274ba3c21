"""What vendors say in their headers of what is left: OpenAI's spans, Anthropic's moments, and whatever is neither."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ratelimits import Word, told

NOW = 1_800_000_000.0


def test_openai() -> None:
    found = told(
        {
            "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-limit-tokens": "150000", "x-ratelimit-remaining-tokens": "149984",
            "x-ratelimit-reset-tokens": "6ms",
        },
        NOW,
    )  # fmt: skip
    assert found == {"requests": Word(59, 60, 1.0), "tokens": Word(149_984, 150_000, 0.006)}


def test_anthropic() -> None:
    found = told(
        {
            "date": "Fri, 15 Jan 2027 08:00:00 GMT",
            "anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2027-01-15T08:00:02Z",
            "anthropic-ratelimit-input-tokens-limit": "40000", "anthropic-ratelimit-input-tokens-remaining": "39000",
            "anthropic-ratelimit-input-tokens-reset": "2027-01-15T08:00:01Z",
            "anthropic-ratelimit-output-tokens-remaining": "8000",
        },
        0.0,
    )  # fmt: skip
    assert found == {
        "requests": Word(49, 50, 2.0), "input_tokens": Word(39_000, 40_000, 1.0), "output_tokens": Word(8000),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0), ("12ms", 0.012), ("1h2m3s", 3723.0), ("1.5s", 1.5), ("30", 30.0), ("0", 0.0),
        ("1800000030", 30.0), ("2027-01-15T08:00:30Z", 30.0), ("2020-01-01T00:00:00Z", 0.0),
        ("", None), ("soon", None), ("-1", None), ("inf", None), ("nan", None), ("1s2", None), ("9" * 50, None),
        ("2027-13-01", None),
    ],
)  # fmt: skip
def test_resets(text: str, seconds: float | None) -> None:
    found = told({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": text}, NOW)
    assert found["requests"].reset == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("text", ["", "-1", "1.5", "many", "1" * 20, "²"])
def test_what_is_no_count_says_nothing(text: str) -> None:
    assert told({"x-ratelimit-remaining-requests": text}, NOW) == {}


@given(
    st.dictionaries(st.sampled_from(["x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "date"]), st.text())
)
def test_nothing_that_a_vendor_says_breaks_it(headers: dict[str, str]) -> None:
    for word in told(headers, NOW).values():
        assert word.remaining >= 0
        assert word.reset is None or word.reset >= 0
