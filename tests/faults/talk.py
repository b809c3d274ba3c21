"""How the fault tests speak to a Turnout: one call of either API, whole or streamed, judged as it comes back."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import msgspec
from checker import check_chat, check_responses, parse_sse

Api = Literal["chat", "responses"]
APIS: tuple[Api, ...] = ("chat", "responses")
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}


def at(fault: str, kind: str, api: Api, stream: bool) -> str:
    """The backend of the fixture ``broken`` that shows ``fault`` to this way of asking."""
    return f"{fault}-{kind}-{api}-{'stream' if stream else 'whole'}"


def body(api: Api, model: str, text: str = "Hi!", *, stream: bool = False, **more: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"model": model, "stream": stream, **more}
    return {**asked, "messages": [{"role": "user", "content": text}]} if api == "chat" else {**asked, "input": text}


@dataclass
class Heard:
    """One answer. ``failed`` is the error object that it ended in, None when it ended well."""

    status: int
    headers: httpx2.Headers
    raw: bytes
    text: str
    failed: dict[str, Any] | None

    @property
    def id(self) -> str:
        return str(self.headers["x-request-id"])

    @property
    def backend(self) -> str | None:
        value: str | None = self.headers.get("x-turnout-backend")
        return value


def ask(url: str, api: Api, model: str, text: str = "Hi!", *, stream: bool = False, **more: Any) -> Heard:
    """Every streamed answer goes through the invariant checker, whether it ends well or not."""
    asked = body(api, model, text, stream=stream, **more)
    with httpx2.Client(timeout=30, trust_env=False) as client:
        answer = client.post(url + PATHS[api], json=asked)
    raw = answer.read()
    if answer.headers["content-type"].startswith("text/event-stream"):
        told, failed = (_chat if api == "chat" else _responses)(raw)
    else:
        whole = msgspec.json.decode(raw)
        failed = whole.get("error")
        told = "" if failed else _whole_text(api, whole)
    return Heard(answer.status_code, answer.headers, raw, told, failed)


def _whole_text(api: Api, whole: dict[str, Any]) -> str:
    if api == "chat":
        return whole["choices"][0]["message"]["content"] or ""
    return "".join(p.get("text", "") for i in whole["output"] if i["type"] == "message" for p in i["content"])


def _chat(raw: bytes) -> tuple[str, dict[str, Any] | None]:
    done = raw.endswith(b"data: [DONE]\n\n")
    events = parse_sse(raw, done=done)
    check_chat(events, include_usage=False, done=done)
    text = "".join(c["delta"].get("content") or "" for e in events for c in e.get("choices", ()))
    return text, None if done else events[-1]["error"]


def _responses(raw: bytes) -> tuple[str, dict[str, Any] | None]:
    events = parse_sse(raw, done=raw.endswith(b"[DONE]\n\n"))
    check_responses(events)
    text = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    last = events[-1]
    if last["type"] == "error":
        return text, last
    return text, last["response"]["error"]


class Caller:
    """A client on a raw socket, who can hang up when it likes."""

    def __init__(self, port: int, api: Api, model: str, *, stream: bool, key: str | None = None) -> None:
        sent = msgspec.json.encode(body(api, model, stream=stream))
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        fields = ["host: localhost", f"content-length: {len(sent)}"]
        fields += [f"authorization: Bearer {key}"] if key is not None else []
        head = "\r\n".join([f"POST {PATHS[api]} HTTP/1.1", *fields, "", ""])
        self._socket.sendall(head.encode() + sent)

    def read_until(self, mark: bytes, seconds: float = 10.0) -> bytes:
        self._socket.settimeout(seconds)
        read = b""
        while mark not in read:
            more = self._socket.recv(65536)
            assert more, f"the answer ended without {mark!r}: {read!r}"
            read += more
        return read

    def hang_up(self) -> float:
        """Close; the moment, in monotonic seconds."""
        self._socket.close()
        return time.monotonic()


def until(holds: Callable[[], Any], what: str, seconds: float = 10.0) -> Any:
    """Wait for a fact and return it."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, f"not {what} within {seconds} s"
        time.sleep(0.01)
    return value
