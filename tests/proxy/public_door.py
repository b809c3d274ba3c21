"""How the road tests ask and listen: one call through the public door, and what a client can see of its answer."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
from live import Live

CHAT, RESPONSES, EMBEDDINGS, COMPLETIONS = "/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions"


class Heard(msgspec.Struct):
    """One answer."""

    status: int
    headers: httpx2.Headers
    raw: bytes

    @property
    def body(self) -> Any:
        return msgspec.json.decode(self.raw)

    @property
    def error(self) -> dict[str, Any]:
        """OpenAI's error object; the body has nothing else."""
        found = self.body
        assert list(found) == ["error"], found
        return dict(found["error"])

    @property
    def events(self) -> list[Any]:
        """The data of a stream's events, without [DONE]."""
        lines = [line[6:] for line in self.raw.split(b"\n") if line.startswith(b"data: ")]
        return [msgspec.json.decode(line) for line in lines if line != b"[DONE]"]

    @property
    def id(self) -> str:
        return str(self.headers["x-request-id"])

    def told(self, name: str) -> str | None:
        """The header ``x-turnout-NAME``."""
        value: str | None = self.headers.get(f"x-turnout-{name}")
        return value


def chat(model: str, text: str = "Hi!", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def responses(model: str, text: str = "Hi!", **more: Any) -> dict[str, Any]:
    return {"model": model, "input": text, **more}


def post(live: Live, path: str, body: Any, key: str | None = None, **headers: str) -> Heard:
    """``body`` as JSON, or as it is where it is bytes. Underscores in header names stand for dashes."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        named["authorization"] = f"Bearer {key}"
    with httpx2.Client(timeout=30, trust_env=False) as client:
        answer = client.post(live.url + path, content=raw, headers={"content-type": "application/json", **named})
    return Heard(answer.status_code, answer.headers, answer.content)


def get(live: Live, path: str, key: str | None = None) -> Heard:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    with httpx2.Client(timeout=30, trust_env=False) as client:
        answer = client.get(live.url + path, headers=headers)
    return Heard(answer.status_code, answer.headers, answer.content)


def ask(live: Live, model: str, text: str = "Hi!", *, key: str | None = None, **more: Any) -> Heard:
    """A chat call."""
    return post(live, CHAT, chat(model, text, **more), key)
