"""An engine with continuous batching, on paper: seats, prefill, a decode that slows with its batch, KV memory, a queue.

Time is handed in, so that it runs in a test's own time as well as behind a socket; its gauges have vLLM's names.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(eq=False)
class Request:
    """One request: so many tokens in, so many out."""

    tokens: int
    output: int
    arrived: float
    read: float = 0.0
    """Tokens of its prompt that the engine has read."""
    written: float = 0.0
    first: float | None = None
    ended: float | None = None

    @property
    def kv(self) -> float:
        return self.tokens + self.output


@dataclass
class Engine:
    """``seats`` requests run at once; the prompts of all share ``prefill`` tokens a second; a step of decoding takes
    ``base`` seconds and ``each`` more for every request in the batch."""

    seats: int = 8
    prefill: float = 20_000.0
    base: float = 0.008
    each: float = 0.0005
    kv_tokens: int = 1_000_000
    now: float = 0.0
    running: list[Request] = field(default_factory=list)
    queue: deque[Request] = field(default_factory=deque)
    finished: int = 0
    busy: float = 0.0
    """Seat-seconds that were used."""

    def submit(self, tokens: int, output: int) -> Request:
        request = Request(tokens, output, self.now)
        self.queue.append(request)
        return request

    def drop(self, request: Request) -> None:
        """Its client has left."""
        if request in self.queue:
            self.queue.remove(request)
        elif request in self.running:
            self.running.remove(request)

    def step(self, until: float) -> None:
        """On to ``until``: who can sit down does, then prompts are read and answers written."""
        span, self.now = until - self.now, until
        while self.queue and len(self.running) < self.seats and self.kv + self.queue[0].kv <= self.kv_tokens:
            self.running.append(self.queue.popleft())
        self.busy += span * len(self.running)
        reading = [each for each in self.running if each.read < each.tokens]
        for request in reading:
            request.read += span * self.prefill / len(reading)
        pace = span / (self.base + self.each * len(self.running))
        for request in [each for each in self.running if each not in reading]:
            request.written += pace
            if request.first is None and request.written >= 1:
                request.first = until
            if request.written >= request.output:
                request.ended = until
                self.running.remove(request)
                self.finished += 1

    @property
    def kv(self) -> float:
        return sum(each.kv for each in self.running)

    def service(self, tokens: int, output: int) -> float:
        """Seconds for which such a request holds its seat while all are taken."""
        return tokens / self.prefill + output * (self.base + self.each * self.seats)

    def capacity(self, tokens: int, output: int) -> float:
        """Such requests a second."""
        return min(self.seats / self.service(tokens, output), self.prefill / tokens)

    def metrics(self) -> str:
        """What vLLM answers at /metrics, the lines that matter and some that do not."""
        labels = 'engine="0",model_name="m{\\"odd\\"}"'
        return "\n".join(
            [
                "# HELP vllm:num_requests_running Number of requests in model execution batches.",
                "# TYPE vllm:num_requests_running gauge",
                f"vllm:num_requests_running{{{labels}}} {float(len(self.running))}",
                f"vllm:num_requests_waiting{{{labels}}} {float(len(self.queue))}",
                f'vllm:num_requests_waiting_by_reason{{{labels},reason="capacity"}} {float(len(self.queue))}',
                f"vllm:kv_cache_usage_perc{{{labels}}} {self.kv / self.kv_tokens}",
                f'vllm:request_success_total{{{labels},finished_reason="stop"}} {float(self.finished)}',
                f'vllm:request_success_total{{{labels},finished_reason="length"}} 0.0',
                f'vllm:time_to_first_token_seconds_bucket{{{labels},le="0.5"}} 12.0',
                "",
            ]
        )
