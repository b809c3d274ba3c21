"""What the chat tests share: short ways to drive the dialect, and the installed SDK's types as the judge."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import yaml
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from adapters import ir
from adapters.openai_chat import DIALECT
from adapters.relay import StreamRelay
from adapters.sse import Frame

CONTEXT = ir.Context(seed="5eed", now=1_800_000_000)
SHELVES = (
    "vercel-ai/openai-chat",
    "vercel-ai/deepseek-chat",
    "vercel-ai/groq-chat",
    "vercel-ai/mistral-chat",
    "vercel-ai/openai-compatible-chat",
    "pydantic-ai/openai-chat",
    "pydantic-ai/openrouter-chat",
)


def upstream(wire: str = "variant", options: dict[str, Any] | None = None, **can: Any) -> ir.Upstream:
    return ir.Upstream(
        provider="test",
        dialect="openai_chat",
        model="up",
        wire=wire,  # type: ignore[arg-type]
        capabilities=ir.Capabilities(**can),
        options=options or {},
    )


def echo(*, usage: bool = False, n: int | None = None) -> ir.Echo:
    request = ir.Request(model="alias", messages=(), stream=True, include_usage=usage, n=n)
    return ir.Echo("5eed", 1_800_000_000, "alias", request)


def read(*messages: dict[str, Any], **fields: Any) -> ir.Request:
    told = messages or ({"role": "user", "content": "hi"},)
    return DIALECT.read_request(msgspec.json.encode({"model": "m", "messages": told, **fields}))


def invalid(body: Any) -> ir.Failure:
    """The failure that a body gives; asserts that there is one."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    try:
        DIALECT.read_request(raw)
    except ir.Invalid as error:
        return error.failure
    raise AssertionError(f"accepted: {raw!r}")


def written(request: ir.Request, to: ir.Upstream | None = None, context: ir.Context = CONTEXT) -> dict[str, Any]:
    sent = DIALECT.write_request(request, to or upstream(), context)
    assert sent.path == "/chat/completions"
    body: dict[str, Any] = msgspec.json.decode(sent.body)
    return body


def frame(value: Any, event: str | None = None) -> Frame:
    data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Frame(data, event, b"data: " + data + b"\n\n")


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **top: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    shell = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "up"}
    return {**shell, "choices": [choice], **top}


def events(*frames: Any, done: bool = True) -> list[ir.Event]:
    """All events of a stream of chunks (dicts, bytes or Frames)."""
    reader = DIALECT.reader()
    out: list[ir.Event] = []
    for one in frames:
        out += reader.read(one if isinstance(one, Frame) else frame(one))
    if done:
        out += reader.read(Frame(b"[DONE]"))
    out += reader.end()
    check_grammar(out)
    return out


def check_grammar(told: Sequence[ir.Event]) -> None:
    """The hub's own rules: blocks open before and close after their deltas, one end, each choice finished once."""
    opened: set[int] = set()
    closed: set[int] = set()
    finished: set[int] = set()
    for at, event in enumerate(told):
        match event:
            case ir.Started():
                assert at == 0
            case ir.BlockStarted(block):
                assert block not in opened
                opened.add(block)
            case ir.Delta(block) | ir.Annotated(block):
                assert block in opened - closed
            case ir.BlockEnded(block):
                assert block in opened - closed
                closed.add(block)
            case ir.Finished(choice):
                assert choice not in finished
                finished.add(choice)
            case ir.Ended():
                assert at == len(told) - 1
                assert finished
                assert opened == closed
            case ir.Failed():
                assert at == len(told) - 1


def text_of(told: Iterable[ir.Event], kind: str = "text") -> str:
    return "".join(block.text for block in ir.collect(list(told)).blocks if block.kind == kind)


def stream(told: Iterable[ir.Event], to: ir.Echo | None = None) -> list[bytes]:
    writer = DIALECT.writer(to or echo())
    return [line for event in told for line in writer.write(event)]


def chunks(lines: Iterable[bytes]) -> list[ChatCompletionChunk]:
    """Every chunk as the SDK's strict type; asserts the framing and that nothing but [DONE] is no chunk."""
    out = []
    for line in lines:
        assert line.startswith(b"data: ")
        assert line.endswith(b"\n\n")
        assert b"\n" not in line[:-2]
        if line != b"data: [DONE]\n\n":
            out.append(ChatCompletionChunk.model_validate_json(line[6:], strict=True))
    return out


def whole(told: Iterable[ir.Event], to: ir.Echo | None = None) -> ChatCompletion:
    body = DIALECT.write_response(ir.collect(list(told)), to or echo())
    return ChatCompletion.model_validate_json(body, strict=True)


def relayed(
    data: bytes, cuts: Iterable[int] = (), *, exact: bool = False, to: ir.Echo | None = None
) -> tuple[StreamRelay, bytes]:
    """A recorded stream through the relay, cut where asked."""
    relay = StreamRelay(DIALECT, DIALECT, to or echo(usage=True), exact=exact)
    edges = [0, *sorted(cuts), len(data)]
    out: list[bytes] = []
    for start, stop in pairwise(edges):
        out += relay.feed(data[start:stop])
    out += relay.close()
    return relay, b"".join(out + relay.tail)


def recordings(shared: Path) -> Iterator[tuple[str, int, bytes]]:
    """(name, status, body) of every recorded chat answer."""
    for shelf in SHELVES:
        for path in sorted((shared / "data" / "golden" / shelf).iterdir()):
            if path.suffix == ".yaml":
                yield from _cassette(path)
            elif path.name.endswith(".chunks.txt"):
                lines = path.read_bytes().splitlines()
                yield (
                    path.name,
                    200,
                    b"".join(b"data: " + line + b"\n\n" for line in lines if line) + b"data: [DONE]\n\n",
                )
            else:
                body = path.read_bytes()
                yield path.name, 400 if b'"error"' in body[:40] else 200, body


def _cassette(path: Path) -> Iterator[tuple[str, int, bytes]]:
    for number, told in enumerate(yaml.safe_load(path.read_text())["interactions"]):
        if not told["request"]["uri"].endswith("/chat/completions"):
            continue
        response = told["response"]
        if "parsed_body" in response:
            body = msgspec.json.encode(response["parsed_body"])
        else:
            raw = response["body"]["string"]
            body = raw if isinstance(raw, bytes) else raw.encode()
        yield f"{path.name}#{number}", response["status"]["code"], body


def is_stream(body: bytes) -> bool:
    return body.lstrip()[:5] in (b"data:", b": OPE")
