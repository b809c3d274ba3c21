"""An upstream whose health a test sets, model by model, and which keeps when each request came."""

from __future__ import annotations

import threading
import time

from scripted import Answer, Asked, Upstream, whole

ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}  # fmt: skip


def broken(status: int) -> Answer:
    return whole({"error": {"message": "no", "type": "server_error", "param": None, "code": None}}, status)


class Sick:
    """``status`` and ``gates`` by model: what it answers (200), and what its answers wait for."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.status: dict[str, int] = {}
        self.gates: dict[str, threading.Event] = {}
        self.arrivals: dict[str, list[float]] = {}
        upstream.reply = self._reply

    def count(self, model: str) -> int:
        return len(self.arrivals.get(model, []))

    def _reply(self, asked: Asked) -> Answer:
        if not asked.raw:  # somebody asks for its gauges
            return whole({}, 404)
        model = asked.body["model"]
        self.arrivals.setdefault(model, []).append(time.monotonic())
        status = self.status.get(model, 200)
        found = whole(ANSWER) if status == 200 else broken(status)
        gate = self.gates.get(model)
        return found if gate is None else Answer([gate, *found.parts], found.status)
