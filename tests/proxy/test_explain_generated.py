"""``POST /admin/explain`` equals the live call on 1,000 generated requests, down to the body that the backend gets; and
asks no backend."""

from __future__ import annotations

import random
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple

import msgspec
import pytest
from live import PATIENCE, Live, demo_config, demo_upstream

MANY = 1_000
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
SHOWN = {"policy": "policy", "rule": "rule", "class": "class", "backend": "backend"}
POLICIES = """
pools: {cloud-pool: [claude, openai, gemini, chat], far: [gemini, openai]}
guards:
  - {when: {headers: {x-blocked: "*"}}, deny: "ask the operator"}
  - {when: {data_class: secret}, only: {local: true}, reason: "secret data stays here"}
policies:
  careful:
    extends: hybrid
    before:
      - {when: {input_tokens: ">400"}, use: [far, local], order: cheapest, reason: long}
      - {when: {tools: get_weather}, use: [gemini, claude]}
      - {when: {language: [de, pt]}, set: {effort: low}, continue: true}
      - {when: {depth: ">3"}, set: {max_output_tokens: 300, temperature: 0.5}, continue: true}
      - {when: {effort: ">=high"}, use: [openai, claude], sticky: conversation}
  strict:
    unsupported: reject
    rules:
      - {when: {structured_output: true}, use: [openai, gemini]}
      - {when: {class: [simple, moderate]}, use: [local], escalate: [empty]}
      - {use: [cloud], order: least_busy, sticky: conversation}
  cached:
    rules:
      - {when: {class: simple}, set: {cache: {ttl: 1h}}, use: [chat, local]}
      - {when: {max_output: "<100"}, deny: "too short an answer"}
      - {use: [claude], condense: local, ttft_target: 2s}
"""
ALIASES = """
  careful: {policy: careful, defaults: {max_output_tokens: 700}}
  strict: {policy: strict}
  cached: {policy: cached}
  shown: {policy: hybrid, responses: {reasoning_text: mirror}}
"""
TEXTS = (
    "Hi!", "What is 2+2?", "Summarize this text: the cat sat.", "Create a FastAPI server", "@Ulf sobe uma API",
    "Erstelle bitte einen Server, der die Anfragen der Kunden zählt", "Prove that there are infinitely many primes.",
    "Was ist die Hauptstadt von Frankreich?", "def f(x):\n    return x * 2\nWhy is this slow?", "2+2は何ですか？",
    "word " * 500, "A train leaves at 9:15 with 120 km/h, another at 10:05 with 160 km/h. When do they meet?",
)  # fmt: skip
MODELS = (
    "auto", "auto", "careful", "careful", "strict", "cached", "claude_only", "local_only", "local_fallback", "shown",
    "to-gemini", "backend/openai", "backend/nobody", "nobody",
)  # fmt: skip
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
HEADERS: tuple[dict[str, str], ...] = (
    {}, {}, {}, {"x-blocked": "1"}, {"x-turnout-data-class": "secret"}, {"x-turnout-data-class": "restricted"},
    {"x-turnout-session": "s1"},
)  # fmt: skip


class Question(NamedTuple):
    api: str
    body: dict[str, Any]
    headers: dict[str, str]


def questions() -> Iterator[Question]:
    """Seeded: the same ones every time."""
    draw = random.Random(20261121)
    for _ in range(MANY):
        api = draw.choice(("chat", "chat", "responses", "messages"))
        body: dict[str, Any] = {"model": draw.choice(MODELS), **_asked(api, draw), **_tuned(api, draw)}
        yield Question(api, body, draw.choice(HEADERS))


def _asked(api: str, draw: random.Random) -> dict[str, Any]:
    turns: list[dict[str, Any]] = []
    for _ in range(draw.choice((0, 0, 1, 4))):
        turns += [{"role": "user", "content": draw.choice(TEXTS)}, {"role": "assistant", "content": "Yes."}]
    turns.append({"role": "user", "content": draw.choice(TEXTS)})
    system = draw.choice((None, "You are terse.", "You are a lawyer. " * 20))
    if api == "responses":
        return {"input": turns, "store": False, **({"instructions": system} if system else {})}
    if api == "messages":
        return {"messages": turns, "max_tokens": draw.choice((50, 500)), **({"system": system} if system else {})}
    return {"messages": [*([{"role": "system", "content": system}] if system else []), *turns]}


def _tuned(api: str, draw: random.Random) -> dict[str, Any]:
    wishes = {"chat": _chat, "responses": _responses, "messages": _messages}[api]
    return {name: value for wish in wishes if draw.random() < 0.2 for name, value in wish.items()}


def _function(**more: Any) -> dict[str, Any]:
    return {"name": "get_weather", "parameters": WEATHER, **more}


_chat: tuple[dict[str, Any], ...] = (
    {"stream": True}, {"temperature": 0.3}, {"seed": 7, "user": "u"}, {"reasoning_effort": "high"},
    {"max_completion_tokens": 64}, {"tools": [{"type": "function", "function": _function()}]},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}},
    {"n": 2}, {"logprobs": True}, {"stop": ["END"]}, {"frequency_penalty": 0.2}, {"unheard_of": 1},
)  # fmt: skip
_responses: tuple[dict[str, Any], ...] = (
    {"stream": True}, {"temperature": 0.3}, {"reasoning": {"effort": "high"}}, {"max_output_tokens": 64},
    {"tools": [{"type": "function", "strict": False, **_function()}]}, {"truncation": "disabled"},
    {"text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}}},
)  # fmt: skip
_messages: tuple[dict[str, Any], ...] = (
    {"stream": True}, {"temperature": 0.3}, {"top_k": 5}, {"stop_sequences": ["END"]},
    {"tools": [{"name": "get_weather", "input_schema": WEATHER}]}, {"metadata": {"user_id": "u"}},
)  # fmt: skip


@pytest.fixture(scope="module")
def journal() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def live(journal: list[dict[str, Any]]) -> Iterator[Live]:
    with demo_upstream(journal=journal) as url:
        text = (
            demo_config(url)
            .replace("aliases:\n", f"aliases:{ALIASES}")
            .replace("pools: {cloud-pool: [claude, openai, gemini, chat]}\n", POLICIES)
        )
        with Live(text) as started:
            yield started


class Line:
    """One connection that is kept."""

    def __init__(self, live: Live) -> None:
        self._http = HTTPConnection("127.0.0.1", live.port, timeout=PATIENCE)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        raw = msgspec.json.encode(body)
        self._http.request("POST", path, raw, {"content-type": "application/json", **(headers or {})})
        answer = self._http.getresponse()
        read = answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, read


def different(
    told: dict[str, Any], status: int, headers: dict[str, str], sent: list[dict[str, Any]]
) -> dict[str, tuple[Any, Any]]:
    """What explain and the live call tell differently."""
    pairs: dict[str, tuple[Any, Any]] = {
        shown: (told.get(name), headers.get(f"x-turnout-{shown}")) for name, shown in SHOWN.items()
    }
    failure = told.get("failure")
    if failure is not None:
        pairs["status"] = (failure["status"], status)
        pairs["backend"] = (None, headers.get("x-turnout-backend"))
        pairs["sent"] = (0, len(sent))
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    first = told["targets"][0]
    pairs["effort"] = (first["effort"], headers.get("x-turnout-effort"))
    pairs["dropped"] = (", ".join(first["dropped"]) or None, headers.get("x-turnout-dropped"))
    if headers.get("x-turnout-attempts") != "1":
        for name in ("backend", "effort", "dropped"):
            del pairs[name]
    if not headers.get("x-turnout-cache", "").startswith("hit"):
        pairs["body"] = (first["body"], sent[0]["body"])
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def test_explain_equals_the_live_call(live: Live, journal: list[dict[str, Any]]) -> None:
    line = Line(live)
    differ: dict[str, Any] = {}
    met: set[str] = set()
    for number, each in enumerate(questions()):
        asked = {"api": each.api, "request": each.body, "headers": each.headers}
        before = len(journal)
        status, _, read = line.post("/admin/explain", asked)
        told = msgspec.json.decode(read)
        assert len(journal) == before, "explain has asked a backend"
        assert status == 200, read
        status, headers, _ = line.post(PATHS[each.api], each.body, each.headers)
        assert status != 500
        met.add(f"{told.get('policy')} {told.get('backend')}")
        unlike = different(told, status, headers, journal[before:])
        if unlike:
            differ[f"{number} {each}"[:2_000]] = unlike
    assert differ == {}
    assert len(met) > 25, f"the questions are too much alike: {met}"
