"""The mapping that every dialect shares: statuses and words to failures."""

import pytest

from adapters import failures


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "the request exceeds the available context size. try increasing the context size or enable context shift",
        "The number of tokens to keep from the initial prompt is greater than the context length",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        "Please reduce the length of the messages or completion.",
        "`inputs` tokens + `max_new_tokens` must be <= 4096",
    ],
)
def test_g46_words_of_overflow(message: str) -> None:
    assert failures.looks_like_context_overflow(message)
    assert failures.by_status(400, message).code == "context_length_exceeded"


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
        "Rate limit reached: too many tokens per minute",
        "tools[0].function.name is too long",
    ],
)
def test_other_words_of_length_are_no_overflow(message: str) -> None:
    assert not failures.looks_like_context_overflow(message)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ((503,), 503),
        (("429",), 429),
        ((None, "Overloaded_Error"), 529),
        (("nonsense", "not_found_error"), 404),
        ((200, "200"), 500),
        ((), 500),
    ],
)
def test_words_in_the_place_of_a_status(words: tuple, status: int) -> None:
    assert failures.status_of(*words) == status


@pytest.mark.parametrize("status", [204, 302])
def test_a_status_that_no_answer_should_have_is_a_bad_response(status: int) -> None:
    failure = failures.by_status(status, "elsewhere", retry_after=3.0)
    assert (failure.kind, failure.status, failure.upstream_status) == ("bad_response", 502, status)
    assert failure.retry_after == 3.0


def test_a_rate_limit_that_speaks_of_context_stays_a_rate_limit() -> None:
    assert failures.by_status(429, "context window budget exhausted").kind == "limited"


@pytest.mark.parametrize(
    ("code", "param", "told"),
    [
        (None, None, "model_not_found"),
        ("404", "model", "model_not_found"),
        (None, "input", "not_found"),
        ("previous_response_not_found", None, "previous_response_not_found"),
    ],
)
def test_a_404_is_about_the_model_unless_it_says_otherwise(code: str | None, param: str | None, told: str) -> None:
    assert failures.by_status(404, "Not found.", code=code, param=param).code == told
