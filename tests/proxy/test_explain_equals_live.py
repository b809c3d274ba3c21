"""``turnout explain`` and the live call decide alike: class, rule, backend and what is dropped, on recorded requests."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml
from live import PATIENCE, Live, demo_config, demo_upstream

from proxy.explain import Explained, explain
from proxy.snapshot import Snapshot, build_text

POLICIES = ("claude_only", "local_only", "hybrid", "local_fallback")
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}
SUITES = ("openai-chat", "openai-responses", "openrouter-chat", "thinking-wire-contract", "deepseek-responses")
MEDIA = ('"image_url"', '"input_image"', '"input_file"', '"type":"file"', '"input_audio"')
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "data:application/pdf;base64,JVBERi0xLjQKJSVFT0YK"
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
RESPONSES_TOOL = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": False}
FOREIGN = (
    "Oi!", "Crie um servidor FastAPI", "@Ulf sobe uma API", "¿Cuánto es 2+2?", "Résume ce texte",
    "Erstelle einen FastAPI-Server", "Привет!", "Создай сервер FastAPI", "2+2は何ですか？", "创建一个 FastAPI 服务器",
    "يساوي 2+2 كم؟", "สรุปข้อความนี้", "안녕하세요!", "एक FastAPI सर्वर बनाओ",
)  # fmt: skip
TUNED: tuple[dict[str, Any], ...] = (
    {"temperature": 0, "top_p": 1, "seed": 1, "user": "u"},
    {"frequency_penalty": 0.5, "presence_penalty": 0.5, "logit_bias": {"50256": -100}},
    {"n": 2},
    {"logprobs": True, "top_logprobs": 2},
    {"response_format": {"type": "json_object"}},
    {"reasoning_effort": "high", "max_completion_tokens": 2000},
    {"stop": ["a", "b", "c", "d"], "metadata": {"a": "b"}, "service_tier": "flex", "unheard_of": 1},
)


class Question(NamedTuple):
    name: str
    api: str
    body: dict[str, Any]
    kind: str
    """``recorded`` or ``written``."""

    @property
    def raw(self) -> bytes:
        return msgspec.json.encode(self.body)


class Met(NamedTuple):
    """What a live answer says of its decision."""

    status: int
    headers: dict[str, str]

    def __getitem__(self, name: Any) -> Any:
        return self.headers.get(f"x-turnout-{name}")


def recorded(shared: Path) -> Iterator[Question]:
    """The requests of OpenAI's two dialects, each body once; but those of threads, which nobody has stored here."""
    seen: set[bytes] = set()
    for suite in SUITES:
        for file in sorted((shared / "data/golden/pydantic-ai" / suite).glob("*.yaml")):
            loaded = yaml.load(file.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            for interaction in loaded["interactions"]:
                request = interaction.get("request", {})
                body, path = request.get("parsed_body"), str(request.get("uri", "")).partition("?")[0]
                api = next((api for api, end in PATHS.items() if path.endswith(end.removeprefix("/v1"))), None)
                if api is None or not isinstance(body, dict) or (raw := msgspec.json.encode(body)) in seen:
                    continue
                if "previous_response_id" in body:
                    continue
                seen.add(raw)
                yield Question(f"{suite}/{file.stem}", api, body, "recorded")


def written() -> Iterator[Question]:
    """What the recordings have too little of: other languages, media, tuning; in both dialects."""
    for text in FOREIGN:
        yield chat(text, messages=[{"role": "user", "content": text}])
        yield responses(text, input=text)
    for number, tuned in enumerate(TUNED):
        yield chat(f"tuned {number}", messages=[{"role": "user", "content": "What is 2+2?"}], **tuned)
    for url in (PIXEL, "https://example.com/cat.png"):
        seen = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
        yield chat(f"image {url[:8]}", messages=[{"role": "user", "content": seen}])
        shown = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": url}]
        yield responses(f"image {url[:8]}", input=[{"role": "user", "content": shown}])
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}}
    yield chat("file", messages=[{"role": "user", "content": [part]}])
    item = {"type": "input_file", "filename": "a.pdf", "file_data": PDF}
    yield responses("file", input=[{"role": "user", "content": [item]}])
    asked = [{"role": "user", "content": "What is the weather in Paris?"}]
    yield chat("tools", messages=asked, tools=[CHAT_TOOL], stream=True)
    yield chat("tools, forced", messages=asked, tools=[CHAT_TOOL], tool_choice="required")
    yield responses("tools", input=asked, tools=[RESPONSES_TOOL], reasoning={"effort": "low"})


def chat(name: str, **body: Any) -> Question:
    return Question(name, "chat", {"model": "?", **body}, "written")


def responses(name: str, **body: Any) -> Question:
    return Question(name, "responses", {"model": "?", **body}, "written")


@pytest.fixture(scope="module")
def questions(shared: Path) -> list[Question]:
    aliases = cycle(("auto", *POLICIES))
    found = [*recorded(shared), *written()]
    return [each._replace(body={**each.body, "model": next(aliases)}) for each in found]


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with demo_upstream() as url, Live(demo_config(url)) as started:
        yield started


@pytest.fixture(scope="module")
def snapshot(live: Live) -> Snapshot:
    return build_text(live.config.read_text("utf-8"), file="proxy.yaml", generation=1, env={})


def ask(live: Live, api: str, raw: bytes, headers: dict[str, str] | None = None) -> Met:
    connection = HTTPConnection("127.0.0.1", live.port, timeout=PATIENCE)
    try:
        connection.request("POST", PATHS[api], raw, {"content-type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        answer.read()
        return Met(answer.status, {name.lower(): value for name, value in answer.getheaders()})
    finally:
        connection.close()


def first_backend(live: Live, met: Met) -> str | None:
    """Who was asked first: the header names who answered."""
    if met["attempts"] in (None, "1"):
        return met["backend"]
    return live.rows_of(met.headers["x-request-id"])[0].backend


def alike(live: Live, found: Explained, met: Met) -> dict[str, tuple[Any, Any]]:
    """What the two tell differently."""
    decision = found.decision
    dropped = ", ".join(named.name for named in found.dropped) or None
    pairs = {
        "policy": (decision.policy if decision else None, met["policy"]),
        "rule": (decision.rule if decision else None, met["rule"]),
        "class": (decision.cls if decision else None, met["class"]),
        "backend": (found.backend, first_backend(live, met)),
        "dropped": (dropped, met["dropped"]),
    }
    if found.failure is not None:
        pairs["status"] = (found.failure.status, met.status)
    return {name: pair for name, pair in pairs.items() if (pair[0] or None) != (pair[1] or None)}


def test_explain_equals_the_live_call(questions: list[Question], live: Live, snapshot: Snapshot) -> None:
    differ = {}
    for question in questions:
        found = explain(snapshot, question.api, question.raw)
        told = alike(live, found, ask(live, question.api, question.raw))
        if told:
            differ[f"{question.name} ({question.body['model']})"] = told
    assert differ == {}


def test_the_questions_are_as_many_and_as_different_as_asked_for(questions: list[Question], snapshot: Snapshot) -> None:
    taken = [each for each in questions if each.kind == "recorded"]
    media = [each for each in questions if any(mark.encode() in each.raw for mark in MEDIA)]
    decided = [explain(snapshot, each.api, each.raw).decision for each in questions]
    assert len(taken) >= 50
    assert sum(bool(each.body.get("tools")) for each in taken) >= 15
    assert len(media) >= 10
    assert sum(each.name in FOREIGN for each in questions) >= 10
    assert {each.policy for each in decided if each} >= set(POLICIES)
    assert {each.cls for each in decided if each} >= {"simple", "complex"}
    assert any(each.dropped for each in decided if each)
    assert any(each.skipped for each in decided if each)


def test_a_pinned_backend_and_a_refusal_are_told_alike(live: Live, snapshot: Snapshot) -> None:
    for model in ("backend/claude", "backend/nobody", "nobody", "to-gemini"):
        body = msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": "Hi!"}], "n": 2})
        assert alike(live, explain(snapshot, "chat", body), ask(live, "chat", body)) == {}


def test_what_cannot_be_read_is_told_alike(live: Live, snapshot: Snapshot) -> None:
    for body in (b"", b"{", b"[]", b'{"model":"auto"}', b'{"model":"auto","messages":[{"role":"poet","content":"x"}]}'):
        found = explain(snapshot, "chat", body)
        assert found.failure is not None
        assert alike(live, found, ask(live, "chat", body)) == {}
