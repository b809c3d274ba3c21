"""What breaks is told as it is: a status before the first byte, one error in the stream after it, never a ``stop``."""

import pytest
from chaos import SECRET, WORDS, Chaos
from live import Live
from talk import APIS, Api, ask, at

HALF = "".join(WORDS[:3])
KINDS = ("variant", "exact")

CUTS = {
    "cut-fin": "upstream_interrupted",
    "cut-rst": "upstream_interrupted",
    "cut-eof": "upstream_interrupted",
    "stall-mid": "upstream_timeout",
    "error-mid": "upstream_overloaded",
    "error-field": "upstream_overloaded",
    "bad-line": "upstream_bad_response",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("fault", CUTS)
def test_g06_g07_g48_a_cut_stream_ends_in_one_error(broken: Live, room: Chaos, api: Api, fault: str, kind: str) -> None:
    asked = len(room.of(fault))
    heard = ask(broken.url, api, f"backend/{at(fault, kind, api, True)}", stream=True)
    assert heard.status == 200
    assert heard.text == HALF
    assert heard.failed is not None
    assert b'"finish_reason":"stop"' not in heard.raw
    assert b"response.completed" not in heard.raw
    assert SECRET.encode() not in heard.raw
    if api == "chat":
        assert heard.failed["code"] == CUTS[fault]
    (row,) = broken.rows_of(heard.id)
    assert (row.outcome, row.status, row.error_code) == ("interrupted", 200, CUTS[fault])
    assert row.finish_reason is None
    assert len(room.of(fault)) - asked == 1


def test_g06_the_upstreams_words_reach_the_client(broken: Live) -> None:
    for api in APIS:
        heard = ask(broken.url, api, "backend/" + at("error-mid", "exact", api, True), stream=True)
        assert heard.failed is not None
        assert "The engine is overloaded" in heard.failed["message"]


STATUSES = {
    "refuse": (502, "upstream_unreachable"),
    "reset": (502, "upstream_interrupted"),
    "close": (502, "upstream_interrupted"),
    "stall": (504, "upstream_timeout"),
    "500": (502, "upstream_error"),
    "503": (503, "upstream_overloaded"),
    "401": (502, "upstream_auth"),
    "400": (400, "bad"),
    "429": (429, "rate_limit_exceeded"),
    "html": (502, "upstream_bad_response"),
    "garbage": (502, "upstream_bad_response"),
    "empty": (502, "upstream_bad_response"),
    "redirect": (502, "upstream_bad_response"),
    "error-first": (503, "upstream_overloaded"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("fault", STATUSES)
def test_g86_before_the_first_byte_it_is_a_status(broken: Live, api: Api, fault: str, stream: bool) -> None:
    """Whole and streamed alike: the real status, OpenAI's body, and nothing of the upstream's own page."""
    for kind in KINDS:
        backend = at(fault, kind, api, stream)
        heard = ask(broken.url, api, f"backend/{backend}", stream=stream)
        assert (heard.status, heard.failed and heard.failed["code"]) == STATUSES[fault]
        assert heard.headers["content-type"] == "application/json"
        assert heard.failed is not None
        assert set(heard.failed) == {"message", "type", "param", "code"}
        assert heard.backend == backend
        assert b"<html" not in heard.raw
        if STATUSES[fault][0] >= 500:
            assert backend in heard.failed["message"]
        (row,) = broken.rows_of(heard.id)
        assert (row.outcome, row.status, row.error_code) == ("error", *STATUSES[fault])


def test_429_hands_on_how_long_to_wait(broken: Live) -> None:
    for stream in (False, True):
        heard = ask(broken.url, "chat", "backend/" + at("429", "exact", "chat", stream), stream=stream)
        assert (heard.headers["retry-after"], heard.headers["retry-after-ms"]) == ("30", "30000")


@pytest.mark.parametrize("fault", ["cut-fin", "cut-rst", "stall-mid"])
@pytest.mark.parametrize("api", APIS)
def test_a_cut_whole_answer_is_an_error(broken: Live, api: Api, fault: str) -> None:
    heard = ask(broken.url, api, "backend/" + at(fault, "exact", api, False))
    assert (heard.status, heard.failed is not None) == (504 if fault == "stall-mid" else 502, True)
    assert broken.rows_of(heard.id)[0].outcome == "error"


@pytest.mark.parametrize("fault", ["reset", "close"])
def test_u2_a_new_connection_that_dies_is_not_asked_twice(broken: Live, room: Chaos, fault: str) -> None:
    """The request may have been served and paid for: a second one is a second attempt, with a row of its own."""
    before = len(room.of(fault))
    heard = ask(broken.url, "chat", "backend/" + at(fault, "exact", "chat", False))
    assert heard.status == 502
    assert len(room.of(fault)) - before == len(broken.rows_of(heard.id)) == 1


def test_u2_a_pooled_connection_that_died_is_replaced_once(broken: Live, room: Chaos) -> None:
    """The server closes idle connections when it likes; the client must not notice."""
    for _ in range(6):
        heard = ask(broken.url, "chat", "backend/flaky-variant-chat-whole")
        assert (heard.status, heard.text) == (200, "".join(WORDS))
        assert heard.headers["x-turnout-attempts"] == "1"
