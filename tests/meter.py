"""A vendor that counts: it answers 429 to what is beyond its quota, by one of the ways in which vendors count."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from scripted import Answer, Asked, whole

Way: TypeAlias = Literal["sliding", "window", "bucket", "small"]
WAYS: tuple[Way, ...] = ("sliding", "window", "bucket", "small")
"""Over any sixty seconds; by minutes that begin with the first request; a bucket of a minute's worth, or of ten
seconds'."""
MINUTE = 60.0


class Meter:
    """Requests (or tokens) of a minute, counted at the vendor's."""

    def __init__(self, way: Way, quota: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._way, self.quota, self._clock = way, quota, clock
        self._sent: deque[tuple[float, int]] = deque()
        self._size = quota / 6 if way == "small" else float(quota)
        self._level, self._at = self._size, clock()
        self._begun: float | None = None
        self._used = 0

    def draw(self, amount: int = 1) -> bool:
        """May so much more be used now? Then it is."""
        now = self._clock()
        if self._way == "sliding":
            while self._sent and self._sent[0][0] <= now - MINUTE:
                self._sent.popleft()
            fits = sum(each for _, each in self._sent) + amount <= self.quota
            if fits:
                self._sent.append((now, amount))
            return fits
        if self._way == "window":
            if self._begun is None or now >= self._begun + MINUTE:
                self._begun, self._used = now, 0
            self._used += amount if self._used + amount <= self.quota else self.quota + 1
            return self._used <= self.quota
        self._level = min(self._size, self._level + (now - self._at) * self.quota / MINUTE)
        self._at = now
        fits = self._level >= amount
        self._level -= amount if fits else 0
        return fits

    @property
    def remaining(self) -> int:
        """Of a bucket."""
        return int(self._level)


class Vendor:
    """``refused``: how often it had to say 429; ``served``: how often not."""

    def __init__(self, way: Way, rpm: int, *, tells: bool = False) -> None:
        """``tells``: its answers say what is left, as OpenAI's do."""
        self._meter, self._tells = Meter(way, rpm), tells
        self._lock = threading.Lock()
        self.served = self.refused = 0
        self.usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}

    def __call__(self, asked: Asked) -> Answer:
        if asked.path.endswith("input_tokens"):
            return whole({"object": "response.input_tokens", "input_tokens": 7})
        with self._lock:
            fits = self._meter.draw()
            self.served += fits
            self.refused += not fits
            told = self._headers()
        if not fits:
            return whole({"error": {"message": "Rate limit reached", "type": "requests", "code": None}}, 429, **told)
        choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
        body: dict[str, Any] = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
        return whole({**body, "choices": [choice], "usage": self.usage}, **told)

    def _headers(self) -> dict[str, str]:
        if not self._tells:
            return {}
        left, quota = self._meter.remaining, self._meter.quota
        return {
            "x_ratelimit_limit_requests": str(quota),
            "x_ratelimit_remaining_requests": str(left),
            "x_ratelimit_reset_requests": f"{(quota - left) * MINUTE / quota:.3f}s",
        }
