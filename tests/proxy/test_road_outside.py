"""A class from outside (S24): a header or a bounded hook gives it; late, dead or nonsense means the built-in one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import msgspec
import pytest
from live import PATIENCE, Live, demo_config, demo_upstream
from scripted import Answer, Upstream, scripted, whole

HARD, EASY = "Create a FastAPI server", "Hi!"


@pytest.fixture(scope="module")
def service() -> Iterator[Upstream]:
    """The operator's service."""
    with scripted() as started:
        started.script(whole({"class": "simple"}))
        yield started


@pytest.fixture(scope="module")
def live(service: Upstream) -> Iterator[Live]:
    more = (
        f"classifier: {{header: X-Task-Class, hook: {{url: '{service.url}/class', timeout: 2s, "
        "headers: {authorization: Bearer for-the-hook}}}\n"
    )
    with demo_upstream() as url, Live(demo_config(url, more)) as started:
        yield started


def asked(live: Live, text: str, model: str = "auto", **headers: str) -> dict[str, str]:
    """What the answer's headers tell."""
    body = msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": text}]})
    connection = HTTPConnection("127.0.0.1", live.port, timeout=PATIENCE)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json", **named})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        return {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def facts(live: Live, met: dict[str, str]) -> dict[str, object]:
    found: dict[str, object] = msgspec.json.decode(live.rows_of(met["x-request-id"])[0].facts or "{}")
    return found


@pytest.mark.parametrize(("text", "given", "backend"), [(EASY, "complex", "claude"), (HARD, "Simple", "local")])
def test_the_header_gives_the_class_and_nobody_else_is_asked(
    live: Live, service: Upstream, text: str, given: str, backend: str
) -> None:
    before = len(service.asked)
    met = asked(live, text, x_task_class=given)
    assert (met["x-turnout-class"], met["x-turnout-backend"]) == (given.lower(), backend)
    assert facts(live, met)["class_by"] == "header"
    assert len(service.asked) == before


def test_the_hook_gives_the_class_of_what_it_is_shown(live: Live, service: Upstream) -> None:
    service.script(whole({"class": "simple", "intent": "chat"}))
    met = asked(live, HARD, x_task_class="no class at all")
    assert (met["x-turnout-class"], met["x-turnout-backend"]) == ("simple", "local")
    assert facts(live, met)["class_by"] == "hook"
    shown = service.asked[-1]
    assert shown.body["text"] == HARD
    assert shown.headers["authorization"] == "Bearer for-the-hook"


def test_the_hook_sees_no_more_than_it_is_said_to(live: Live, service: Upstream) -> None:
    service.script(whole({"class": "moderate"}))
    assert asked(live, "a" * 50_000 + "z" * 50_000)["x-turnout-class"] == "moderate"
    text = service.asked[-1].body["text"]
    assert len(text) < 5_000
    assert (text[0], text[-1]) == ("a", "z")


def test_a_policy_that_does_not_look_at_the_class_asks_nobody(live: Live, service: Upstream) -> None:
    before = len(service.asked)
    assert asked(live, HARD, "claude_only")["x-turnout-backend"] == "claude"
    assert len(service.asked) == before


@pytest.mark.parametrize(
    "bad",
    [
        whole({"class": "gigantic"}),
        whole({"class": 3}),
        whole(b"<html>"),
        whole(b"\xff\xfe"),
        whole({"class": "simple"}, status=500),
        whole({"class": "simple", "more": "x" * 10_000}),
    ],
    ids=["unknown", "number", "html", "not utf-8", "500", "too long"],
)
def test_nonsense_means_the_built_in_class(live: Live, service: Upstream, bad: Answer) -> None:
    service.script(whole({"class": "simple"}))
    asked(live, EASY)
    service.script(bad)
    met = asked(live, HARD)
    assert (met["x-turnout-class"], met["x-turnout-backend"]) == ("complex", "claude")
    assert "class_by" not in facts(live, met)


def test_a_late_hook_is_not_waited_for_and_then_left_alone() -> None:
    gate = threading.Event()
    late = Answer([gate, b'{"class": "simple"}'])
    with scripted() as service, demo_upstream() as url:
        service.script(late)
        more = f"classifier: {{hook: {{url: '{service.url}', timeout: 20ms}}}}\n"
        with Live(demo_config(url, more)) as live:
            classes = [asked(live, HARD)["x-turnout-class"] for _ in range(8)]
            gate.set()
            warned = live.log().count("class_hook.left_alone")
    assert warned == 1
    assert classes == ["complex"] * 8
    assert 1 <= len(service.asked) <= 5, "after five failures in a row it is left alone"


def test_a_dead_hook_does_no_harm() -> None:
    with scripted() as service:
        gone = service.url
    with demo_upstream() as url, Live(demo_config(url, f"classifier: {{hook: {{url: '{gone}'}}}}\n")) as live:
        assert asked(live, EASY)["x-turnout-backend"] == "local"
        assert asked(live, HARD)["x-turnout-backend"] == "claude"


def test_another_hook_is_asked_at_once_after_a_reload() -> None:
    with scripted() as service:
        gone = service.url
    hook = "classifier: {{hook: {{url: '{}', timeout: 2s}}}}\n"
    with scripted() as service, demo_upstream() as url, Live(demo_config(url, hook.format(gone))) as live:
        service.script(whole({"class": "simple"}))
        assert {asked(live, HARD)["x-turnout-class"] for _ in range(6)} == {"complex"}, "dead, then left alone"
        live.write(demo_config(url, hook.format(service.url)))
        assert live.reload()["ok"]
        assert asked(live, HARD)["x-turnout-class"] == "simple"
