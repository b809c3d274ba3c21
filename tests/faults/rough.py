"""How the tests of the upstream's faults ask: clients of three APIs, whole or streamed, judged by their invariants."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx2
import msgspec
import talk
from checker import parse_sse
from checker_messages import check_error, check_messages
from live import Live
from talk import Heard

Client = Literal["chat", "responses", "messages"]
CLIENTS: tuple[Client, ...] = ("chat", "responses", "messages")
PATHS = {**talk.PATHS, "messages": "/v1/messages"}
WAYS = [(client, stream) for client in CLIENTS for stream in (False, True)]
IDS = [f"{client}-{'stream' if stream else 'whole'}" for client, stream in WAYS]
DIALECTS = {
    "chat": "provider: vllm, local: true, tokenizer: off, base_url: '{url}/v1'",
    "exact": "provider: openai, dialect: openai_chat, credential: sk-rough, base_url: '{url}/v1'",
    "responses": "provider: openai, dialect: openai_responses, credential: sk-rough, base_url: '{url}/v1'",
    "messages": "provider: anthropic, credential: sk-rough, base_url: '{url}'",
    "gemini": "provider: google, credential: sk-rough, base_url: '{url}/v1beta'",
}
"""What an upstream speaks -> its entry."""


def at(fault: str, client: Client, *, stream: bool, dialect: str = "chat") -> str:
    """The backend that shows ``fault`` to this way of asking: each has a breaker of its own."""
    return f"{fault}-{dialect}-{client}-{'stream' if stream else 'whole'}"


def entries(url: str, fault: str, more: str = "", dialect: str = "chat") -> list[str]:
    """The backends of ``at``, as lines of YAML."""
    what = DIALECTS[dialect].format(url=url)
    return [
        f"  {at(fault, client, stream=stream, dialect=dialect)}: {{{what}, model: '{fault}'{more and ', ' + more}}}"
        for client, stream in WAYS
    ]


def body(client: Client, model: str, *, stream: bool) -> dict[str, Any]:
    if client == "messages":
        return {"model": model, "messages": [{"role": "user", "content": "Hi!"}], "max_tokens": 99, "stream": stream}
    return talk.body(client, model, stream=stream)


def ask(live: Live, client: Client, model: str, *, stream: bool, **headers: str) -> Heard:
    """Every streamed answer goes through the invariant checker, whether it ends well or not."""
    with httpx2.Client(timeout=60, trust_env=False) as door:
        answer = door.post(live.url + PATHS[client], json=body(client, model, stream=stream), headers=headers)
    raw = answer.read()
    if answer.headers["content-type"].startswith("text/event-stream"):
        told, failed = {"chat": talk._chat, "responses": talk._responses, "messages": _messages}[client](raw)
    else:
        whole = msgspec.json.decode(raw)
        failed = whole.get("error")
        if failed and client == "messages":
            check_error(whole)
        told = "" if failed else _whole_text(client, whole)
    return Heard(answer.status_code, answer.headers, raw, told, failed)


def _whole_text(client: Client, whole: dict[str, Any]) -> str:
    if client == "messages":
        return "".join(part["text"] for part in whole["content"] if part["type"] == "text")
    return talk._whole_text(client, whole)


def _messages(raw: bytes) -> tuple[str, dict[str, Any] | None]:
    events = parse_sse(raw, done=False)
    failed = events[-1]["error"] if events[-1]["type"] == "error" else None
    check_messages(events, done=failed is None)
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return "".join(delta.get("text", "") for delta in deltas), failed


def rss(live: Live) -> int:
    """Bytes of memory of the worker that has the most."""
    return max(_rss(pid) for pid in live.workers())


def _rss(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def counted(live: Live, metric: str, **labels: str) -> float:
    """A metric's value; 0 where it has none."""
    _, text = live.get("/metrics")
    wanted = [f'{name}="{value}"' for name, value in labels.items()]
    lines = [line for line in text.splitlines() if line.startswith(metric + "{") and all(w in line for w in wanted)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
