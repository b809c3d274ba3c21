"""``local_fallback`` in front of the engine: the cloud answers when the engine refuses, stalls or fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from asking import Told, ask
from engine import Engine
from front import turnout
from live import Live

pytestmark = pytest.mark.real

CELLS = [(api, stream) for api in ("chat", "responses") for stream in (False, True)]


@pytest.fixture
def live(engine: Engine) -> Iterator[Live]:
    """Its own for every test: the breaker remembers what failed."""
    with turnout(engine) as running:
        yield running


@contextmanager
def stopped(engine: Engine) -> Iterator[None]:
    """Nobody listens on the engine's port."""
    engine.stop()
    try:
        yield
    finally:
        engine.start()


def assert_moved(told: Told) -> None:
    """Both attempts are in the ledger; the client was told who answered, and that somebody else failed."""
    assert told.headers["x-turnout-backend"] == "cloud"
    assert told.headers["x-turnout-attempts"] == "2"
    assert [(row.backend, row.outcome, row.attempt) for row in told.rows] == [
        ("chat", "fallback", 1),
        ("cloud", "ok", 2),
    ]
    assert told.rows[0].output_tokens is None
    assert told.said.usage == (told.rows[1].input_tokens, told.rows[1].output_tokens)


def test_the_engine_answers_while_it_can(live: Live) -> None:
    told = ask(live, "chat", "local_fallback", stream=False, max_tokens=8)
    assert [(row.backend, row.outcome) for row in told.rows] == [("chat", "ok")]


def test_a_request_that_makes_the_engine_fail(live: Live) -> None:
    """Its chat template takes no two user turns in a row: 500, and no word why."""
    turns = [{"role": "user", "content": "Hello!"}, {"role": "user", "content": "Are you there?"}]
    for stream in (False, True):
        assert_moved(ask(live, "chat", "local_fallback", stream=stream, messages=turns))


def test_an_engine_that_stalls(live: Live, engine: Engine) -> None:
    with engine.stalled():
        for stream in (False, True):
            assert_moved(ask(live, "responses", "local_fallback", stream=stream))


def test_an_engine_that_is_stopped(live: Live, engine: Engine) -> None:
    with stopped(engine):
        for api, stream in CELLS:
            assert_moved(ask(live, api, "local_fallback", stream=stream))
        answer = httpx2.post(f"{live.base_url}/responses", json={"model": "local_only", "input": "Hi!"})
        assert answer.status_code in (502, 503)
        assert "chat" in answer.json()["error"]["message"]
    told = ask(live, "chat", "to-own", stream=False, max_tokens=16)
    assert told.rows[0].outcome == "ok"
