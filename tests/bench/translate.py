"""What translation costs, in process: stream chunks from dialect to dialect, and a whole agent's request.

``make bench-translate`` prints CPU microseconds: the least of many rounds, on one core, without sockets. Per chunk: the
bytes of one upstream event through splitter, reader, hub and writer to the client's bytes. Per body: read, fitted,
judged (``refuses``) and written.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from adapters import ir, providers
from adapters.catalog import DIALECTS
from adapters.dialect import Dialect
from adapters.fitting import fit
from adapters.relay import StreamRelay
from adapters.states import Keeper

CHUNKS = 200
ROUNDS = 60
UPSTREAMS = {
    "openai_chat": ("vllm", "qwen3-32b"),
    "openai_responses": ("openai", "gpt-5.6"),
    "anthropic_messages": ("anthropic", "claude-sonnet-5"),
    "google_gemini": ("google", "gemini-3.1-pro"),
}
CLIENTS = ("openai_chat", "openai_responses", "anthropic_messages")


def main() -> None:
    print("us per stream chunk (upstream -> client)")
    for source in UPSTREAMS:
        for target in CLIENTS:
            print(f"  {source:20} -> {target:20} {stream(source, target):6.2f}")
    print("us per request of 20 messages and 10 tools (client -> upstream)")
    for source in CLIENTS:
        body = question(DIALECTS[source])
        for target in UPSTREAMS:
            cost = whole(DIALECTS[source], body, DIALECTS[target], upstream(target))
            print(f"  {source:20} -> {target:20} {cost:6.1f}")


def stream(source: str, target: str) -> float:
    """CPU microseconds of one text chunk."""
    asked = DIALECTS[target].read_request(question(DIALECTS[target]))
    echo = ir.Echo("0" * 32, 1, "auto", asked)
    # An upstream's chunks, as its own dialect writes them: a stream of text from the writer of that dialect.
    writer = DIALECTS[source].writer(ir.Echo("1" * 32, 1, "m", asked))
    begun = [event for e in (ir.Started("id", "m", 1), ir.BlockStarted(0, "text", 0)) for event in writer.write(e)]
    chunks = [b"".join(writer.write(ir.Delta(0, "text", f"word {i} "))) for i in range(CHUNKS)]

    def once() -> float:
        relay = StreamRelay(DIALECTS[source], DIALECTS[target], echo, exact=False, undo=Keeper(upstream(source)))
        relay.feed(b"".join(begun))
        started = time.process_time_ns()
        for chunk in chunks:
            relay.feed(chunk)
        return (time.process_time_ns() - started) / 1000 / CHUNKS

    return least(once)


def whole(client: Dialect, body: bytes, server: Dialect, to: ir.Upstream) -> float:
    """CPU microseconds of one request, from bytes to bytes."""

    def once() -> float:
        started = time.process_time_ns()
        request = fit(client.read_request(body), to).request
        server.refuses(request, to)
        server.write_request(request, to, ir.Context("0" * 32, 1))
        return (time.process_time_ns() - started) / 1000

    return least(once)


def least(once: Callable[[], float]) -> float:
    return min(once() for _ in range(ROUNDS))


def upstream(dialect: str) -> ir.Upstream:
    provider, model = UPSTREAMS[dialect]
    return ir.Upstream(
        provider=provider,
        dialect=dialect,
        model=model,
        family=providers.FAMILIES[dialect],
        capabilities=providers.capabilities(provider, model),
    )


def question(client: Dialect) -> bytes:
    """Ten turns of an agent, each with a call and its result, as this dialect writes them."""
    messages: list[ir.Message] = []
    for turn in range(5):
        call = ir.ToolCall(f"call_{turn}", f"tool_{turn}", '{"city": "Paris", "days": 3}')
        answer = ir.ToolResult(call.id, (ir.Text("18 degrees, light rain, wind from the west"),), call.name)
        messages += [
            ir.Message("user", (ir.Text(f"Question {turn}: what is the weather like, and why?"),)),
            ir.Message("assistant", (ir.Text("Let me look that up."), call)),
            ir.Message("tool", (answer,)),
            ir.Message("assistant", (ir.Text("It is mild and wet, as it often is there in spring."),)),
        ]
    messages.append(ir.Message("user", (ir.Text("And tomorrow?"),)))
    asked = ir.Request(
        model="auto", messages=tuple(messages), stream=True, system=(ir.Text("You are terse."),), tools=tools()
    )
    name, to = client.name, upstream(client.name)
    written = msgspec.json.decode(client.write_request(asked, to, ir.Context("0" * 32, 1)).body, type=dict[str, Any])
    return msgspec.json.encode({**written, "model": "auto", **({"max_tokens": 512} if "messages" in name else {})})


def tools() -> tuple[ir.Tool, ...]:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    }
    return tuple(ir.Tool(f"tool_{i}", description="Looks up the weather.", parameters=schema) for i in range(10))


if __name__ == "__main__":
    main()
