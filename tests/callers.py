"""What the tests of hostile callers share: a Turnout with a key and a backend of every dialect, and a raw socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
from live import Live
from scripted import Asked, Upstream, whole

KEY, ADMIN = "sk-key-of-the-callers", "sk-key-of-the-admins"
BASES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi!"}]},
    "/v1/responses": {"input": "Hi!"},
    "/v1/messages": {"max_tokens": 9, "messages": [{"role": "user", "content": "Hi!"}]},
    "/v1/embeddings": {"input": "Hi!"},
    "/v1/completions": {"prompt": "Hi!"},
    "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": "Hi!"}]},
    "/v1/responses/input_tokens": {"input": "Hi!"},
}
"""A good body of every path whose calls walk the road, without its model."""
PATHS = tuple(BASES)
BACKENDS = ("chat", "responses", "claude", "gemini", "vllm")
"""The first three pass their own clients' bytes unread."""


def config(url: str, more: str = "") -> str:
    """``url``: of the upstream that they all have, without a path."""
    return f"""version: 1
retries: {{attempts: 1}}
keys: [{{name: me, secret: {KEY}}}]
backends:
  chat: {{provider: openai, dialect: openai_chat, base_url: '{url}/v1', model: gpt-5.6, credential: sk-backend-chat}}
  responses: {{provider: openai, dialect: openai_responses, base_url: '{url}/v1', model: gpt-5.6, credential: sk-backend}}
  claude: {{provider: anthropic, base_url: '{url}', model: claude-sonnet-5, credential: sk-backend-claude}}
  gemini: {{provider: google, base_url: '{url}/v1beta', model: gemini-3.1-pro, credential: sk-backend-gemini}}
  vllm: {{provider: vllm, base_url: '{url}/v1', model: m, local: true}}
  theirs: {{provider: openai, dialect: openai_chat, base_url: '{url}/v1', model: gpt-5.6, credential: from_client}}
aliases:
  any: {{use: [chat]}}
  "open-*": {{use: [chat]}}
{more or f"server: {{admin_key: {ADMIN}}}"}
"""


@contextmanager
def guarded(upstream: Upstream, more: str = "") -> Iterator[Live]:
    """With a client key and an admin key, or what ``more`` says instead of the latter."""
    with Live(config(upstream.url, more)) as live:
        yield live


class Said(NamedTuple):
    """One answer, read from a socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error object, in OpenAI's shape or in Anthropic's."""
        found: dict[str, Any] = msgspec.json.decode(self.body)
        return {"param": None, "code": None, **found["error"]}


def speak(live: Live, raw: bytes) -> Said:
    """Raw bytes out, one answer in."""
    with socket.create_connection(("127.0.0.1", live.port), timeout=20) as line:
        line.sendall(raw)
        reader = line.makefile("rb")
        status = int(reader.readline().split()[1])
        headers: dict[str, str] = {}
        while (field := reader.readline().decode("latin-1").strip()) != "":
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        length = headers.get("content-length")
        body = reader.read(int(length)) if length is not None and not raw.startswith(b"HEAD") else b""
    return Said(status, headers, body)


def send(
    live: Live, method: str, target: str, body: bytes = b"", *more: str, key: str | None = None, host: str = "localhost"
) -> Said:
    """``target`` stands in the request line as it is; ``more``: whole header lines."""
    own = [f"Authorization: Bearer {key}"] if key is not None else []
    head = [f"{method} {target} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *own, *more]
    return speak(live, "\r\n".join([*head, "", ""]).encode("latin-1") + body)


def body(path: str, backend: str, **more: Any) -> dict[str, Any]:
    return {"model": f"backend/{backend}", **BASES[path], **more}


def with_raw(path: str, backend: str, field: str, raw: bytes) -> bytes:
    """A good body, with ``raw`` as it is in place of the field's JSON."""
    made = msgspec.json.encode({**body(path, backend), field: "<here>"})
    return made.replace(b'"<here>"', raw)


def refusing(asked: Asked) -> Any:
    """An upstream that likes nothing; that it was asked is what counts."""
    return whole({"error": {"message": "no", "type": "invalid_request_error", "code": None}}, 400)
