"""What the tests of reloads under load share: files that are told apart by what they decide, and clients that look."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

import httpx2
from chaos import WORDS
from talk import APIS, PATHS, body


def config(url: str, number: int, held: str = "held") -> str:
    """The policy is named for the file; the backend for its parity."""
    at = f'provider: vllm, local: true, base_url: "{url}/v1"'
    return f"""version: 1
backends:
  even: {{{at}, model: ok}}
  odd:  {{{at}, model: ok}}
  held: {{{at}, model: {held}}}
policies:
  p{number}:
    rules:
      - {{use: [{parity(number)}]}}
aliases:
  any:  {{policy: p{number}}}
"""


def parity(number: int) -> str:
    return ("even", "odd")[number % 2]


def broken(text: str) -> str:
    return text.replace("policies:", "polices:")


@dataclass
class Story:
    """What the clients saw."""

    followed: dict[str, set[tuple[str, str, str]]] = field(default_factory=lambda: defaultdict(set))
    """Generation -> (policy, rule, backend)."""
    calls: int = 0
    done: bool = False
    streams: list[bytes] = field(default_factory=list)

    def note(self, headers: httpx2.Headers) -> None:
        self.calls += 1
        told = tuple(headers[f"x-turnout-{name}"] for name in ("policy", "rule", "backend"))
        self.followed[headers["x-turnout-generation"]].add(told)

    def files(self) -> set[int]:
        """The files that decided; each generation followed one of them, whole."""
        numbers = set()
        for generation, seen in self.followed.items():
            assert len(seen) == 1, f"generation {generation} followed {seen}"
            ((policy, rule, backend),) = seen
            number = int(policy[1:])
            numbers.add(number)
            assert (rule, backend) == (f"{policy}[0]", parity(number))
        return numbers

    def streams_are_whole(self, count: int) -> None:
        assert len(self.streams) == count
        for raw in self.streams:
            assert raw.endswith(b"data: [DONE]\n\n")
            assert b'"error"' not in raw


async def hold(client: httpx2.AsyncClient, story: Story, opened: asyncio.Semaphore) -> None:
    """A stream that goes on until the upstream ends it."""
    async with client.stream("POST", PATHS["chat"], json=body("chat", "backend/held", stream=True)) as answer:
        assert answer.status_code == 200, await answer.aread()
        opened.release()
        story.streams.append(await answer.aread())


async def call(client: httpx2.AsyncClient, story: Story, number: int) -> None:
    """One call: both APIs in turn, whole and streamed."""
    api, stream = APIS[number % 2], bool(number // 2 % 2)
    answer = await client.post(PATHS[api], json=body(api, "any", stream=stream))
    assert answer.status_code == 200, answer.text
    assert WORDS[0] in answer.text
    assert not stream or answer.content.rstrip().endswith(b"[DONE]") or b"response.completed" in answer.content
    story.note(answer.headers)
