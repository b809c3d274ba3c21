"""The demo's failures on demand, its streams frame by frame, and what it notices of its clients."""

import asyncio
from typing import Any

import httpx2
import msgspec
import pytest
from asgi_post import post
from live import serving

from proxy.demo import create_app

CLAUDE = {"anthropic-version": "2023-06-01"}
PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "gemini": "/v1beta/models/{model}:streamGenerateContent",
}
ENDS = {"chat": b"[DONE]", "responses": b"response.completed", "messages": b"message_stop", "gemini": b"finishReason"}
ERRORS = {
    "chat": b'data: {"error":',
    "responses": b"event: response.failed",
    "messages": b"event: error",
    "gemini": b'data: {"error":',
}


def request(dialect: str, model: str, text: str = "Hi", *, stream: bool = True) -> tuple[str, dict[str, Any]]:
    user = {"role": "user", "content": text}
    bodies: dict[str, dict[str, Any]] = {
        "chat": {"messages": [user]},
        "responses": {"input": text},
        "messages": {"messages": [user], "max_tokens": 9999},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": text}]}]},
    }
    path = PATHS[dialect].format(model=model)
    if dialect == "gemini":
        return path if stream else path.replace("streamG", "g"), bodies[dialect]
    return path, {"model": model, "stream": stream, **bodies[dialect]}


async def call(dialect: str, model: str, app: Any = None, *, stream: bool = True, **more: Any) -> Any:
    path, body = request(dialect, model, more.pop("text", "Hi"), stream=stream)
    return await post(app or create_app(), path, body, CLAUDE, query="alt=sse", **more)


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", PATHS)
async def test_one_event_a_send_and_a_proper_end(dialect: str) -> None:
    reply = await call(dialect, "demo-x")
    line = b"\r\n" if dialect == "gemini" else b"\n"
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert all(part.endswith(line * 2) and part.count(line * 2) == 1 for part in reply.parts)
    assert ENDS[dialect] in b"".join(reply.parts[-2:])
    assert reply.ended


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize(
    ("fault", "status"), [("500", 500), ("429", 429), ("401", 401), ("404", 404), ("overloaded", 503), ("context", 400)]
)
async def test_statuses_before_the_stream(dialect: str, fault: str, status: int) -> None:
    reply = await call(dialect, f"demo-fault-{fault}")
    assert reply.status == (529 if (fault, dialect) == ("overloaded", "messages") else status)
    assert "error" in msgspec.json.decode(reply.body)
    assert reply.headers.get("retry-after") == ("1" if status == 429 else None)


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", PATHS)
async def test_faults_within_the_stream(dialect: str) -> None:
    whole = await call(dialect, "demo-x")
    cut = await call(dialect, "demo-fault-cut")
    assert cut.ended
    assert 0 < len(cut.parts) < len(whole.parts)
    assert ENDS[dialect] not in cut.body
    failed = await call(dialect, "demo-fault-error-event")
    assert failed.status == 200
    assert failed.parts[-1].startswith(ERRORS[dialect])
    assert ENDS[dialect] not in failed.body
    first = await call(dialect, "demo-fault-error-first")
    assert (first.status, len(first.parts)) == (200, 1)
    assert b"error" in first.parts[0]
    garbage = await call(dialect, "demo-fault-garbage")
    assert garbage.parts == [b'data: {"this is": not json\n\n']
    html = await call(dialect, "demo-fault-html")
    assert (html.status, html.headers["content-type"]) == (502, "text/html")


@pytest.mark.anyio
async def test_the_failed_responses_stream_counts_on() -> None:
    reply = await call("responses", "demo-fault-error-event")
    events = [msgspec.json.decode(part.split(b"data: ")[1]) for part in reply.parts]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"]["status"] == "failed"
    assert events[-1]["response"]["error"]["code"] == "server_error"


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", PATHS)
async def test_whole_answers_fail_too(dialect: str) -> None:
    for fault in ("garbage", "cut"):
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode((await call(dialect, f"demo-fault-{fault}", stream=False)).body)
    failed = await call(dialect, "demo-fault-error-first", stream=False)
    assert "error" in msgspec.json.decode(failed.body)


@pytest.mark.anyio
async def test_the_header_chooses_a_fault_too() -> None:
    path, body = request("chat", "demo-chat")
    assert (await post(create_app(), path, body, {"x-demo-fault": "500"})).status == 500


@pytest.mark.anyio
async def test_answers_that_do_not_keep_to_their_format() -> None:
    shape = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "properties": {"a": {}}}}}

    async def said(fault: str, *turns: Any, **headers: str) -> str:
        messages = [{"role": "user", "content": "Hi"}, *turns]
        body = {"model": f"demo-chat{fault}", "messages": messages, "response_format": shape}
        reply = await post(
            create_app(), PATHS["chat"], body, {name.replace("_", "-"): v for name, v in headers.items()}
        )
        return str(msgspec.json.decode(reply.body)["choices"][0]["message"]["content"])

    good = await said("")
    assert msgspec.json.decode(good) == {"a": "Hi"}
    assert await said("-fault-json-broken") == good[: len(good) // 2]
    assert await said("", x_demo_fault="json-broken") == good[: len(good) // 2]
    assert good in (await said("-fault-json-prose")).split("```json\n")[1]
    assert await said("-fault-json-mended") == good[: len(good) // 2]
    again = {"role": "assistant", "content": "x"}, {"role": "user", "content": "Hi"}
    assert await said("-fault-json-mended", *again) == good
    assert await said("-fault-json-broken", *again) != good


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", PATHS)
async def test_a_stream_stops_when_the_client_hangs_up(dialect: str) -> None:
    journal: list[dict[str, Any]] = []
    app = create_app(journal=journal)
    reply = await call(dialect, "demo-x", app, hang_up_after=4, text="count to 5000")
    assert 4 <= len(reply.parts) < 10
    assert not reply.ended
    assert journal[0]["disconnected"] is True
    assert journal[0]["path"] == PATHS[dialect].format(model="demo-x")
    assert journal[0]["headers"]["anthropic-version"] == "2023-06-01"


@pytest.mark.anyio
async def test_a_stall_ends_with_its_client() -> None:
    journal: list[dict[str, Any]] = []
    app = create_app(journal=journal)
    before = await asyncio.wait_for(call("chat", "demo-fault-stall", app, hang_up_after=0), 5)
    amid = await asyncio.wait_for(call("chat", "demo-fault-stall-mid", app, hang_up_after=8), 5)
    assert before.status == 0
    assert amid.status == 200
    assert not amid.ended
    assert [entry["disconnected"] for entry in journal] == [True, True]


@pytest.mark.anyio
async def test_without_a_socket_a_broken_connection_is_an_error() -> None:
    with pytest.raises(ConnectionResetError):
        await call("chat", "demo-fault-reset")


def test_connections_break_under_a_real_server() -> None:
    with serving(create_app()) as url, httpx2.Client(base_url=url) as client:
        for fault in ("reset", "reset-mid", "drop"):
            path, body = request("chat", f"demo-fault-{fault}")
            with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
                client.post(path, json=body)
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/v1/chat/completions").status_code == 405
        assert client.post("/v1/nothing", json={}).status_code == 404


@pytest.mark.anyio
async def test_gemini_streams_an_array_unless_sse_is_asked_for() -> None:
    path, body = request("gemini", "demo-gemini")
    reply = await post(create_app(), path, body)
    assert reply.headers["content-type"] == "application/json"
    assert msgspec.json.decode(reply.body)[-1]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.anyio
async def test_the_same_question_gets_the_same_answer_in_all_dialects() -> None:
    texts = set()
    counts = set()
    for dialect, model in [
        ("chat", "demo-chat"),
        ("responses", "demo-openai"),
        ("messages", "demo-claude"),
        ("gemini", "demo-gemini"),
    ]:
        body = msgspec.json.decode((await call(dialect, model, stream=False, text="Was ist Größe?")).body)
        texts.add(_text[dialect](body))
        counts.add(_prompt[dialect](body))
    assert len(texts) == 1
    assert counts == {4}


_text: dict[str, Any] = {
    "chat": lambda body: body["choices"][0]["message"]["content"],
    "responses": lambda body: body["output"][0]["content"][0]["text"],
    "messages": lambda body: body["content"][0]["text"],
    "gemini": lambda body: body["candidates"][0]["content"]["parts"][0]["text"],
}
_prompt: dict[str, Any] = {
    "chat": lambda body: body["usage"]["prompt_tokens"],
    "responses": lambda body: body["usage"]["input_tokens"],
    "messages": lambda body: body["usage"]["input_tokens"],
    "gemini": lambda body: body["usageMetadata"]["promptTokenCount"],
}
